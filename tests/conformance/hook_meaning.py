"""What a case means, of its recording and of what happened here, in the same words: so that the two can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hook_play import HERE, LONG, PYTHON, HookRun, Played, Stage

from pegboard.messages import EndReason, TextBlock, ToolResultBlock

PAYLOADS: dict[str, dict[str, list[str]]] = json.loads((HERE / "payloads.json").read_text(encoding="utf-8"))
SHOWN = 40
"""Characters of a hook's text that are looked for: recordings cut long ones."""
FIXED = ("No stderr output", "Blocked by hook", "Permission denied by hook")
"""Words that stand for a reason which a hook did not give."""
SAID_BY_HOOKS = frozenset(
    {
        "reason",
        "permissionDecisionReason",
        "additionalContext",
        "stopReason",
        "systemMessage",
        "message",
        "displayContent",
        "updatedToolOutput",
        "updatedMCPToolOutput",
        "stdout",
        "content",
    }
)
ONLY_TOLD = ("asked", "connections", "model", "http_headers", "shown", "text", "transcript", "arguments")
"""What the recordings tell in the words of their rules alone; the supplements have it as values."""
REMINDER = re.compile(r"\s*<system-reminder>.*?(?:</system-reminder>|\Z)", re.DOTALL)
CUT = re.compile(r"\.\.\.\[\d+ more\]")
NOTHING = ("(Bash completed with no output)", "(no output)")
CALL = re.compile(r"toolu_main_(\d+)_(\d+)")

Meaning = dict[str, Any]


def recorded(stage: Stage) -> Meaning:
    """Return what the recording of a case means."""
    case = stage.case
    observed = case["observed"]
    runs = [_recorded_run(case, one) for one in observed["hooks_in_order"]]
    words = words_of(stage)
    main = [one for one in observed["model"] if one["request"].startswith("main")]
    texts = ["\n".join(_texts(one["sees"])) for one in main]
    return {
        "ran": sorted(runs, key=json.dumps),
        "order": order_of(case, runs),
        "one_by_one": one_by_one(case, runs),
        "requests": len(main),
        "results": [_recorded_results(case, one["sees"]) for one in main],
        "heard": heard(texts, words),
        "saved": [text.count("Full output saved to") for text in texts],
        "files": {name: _file(name, text) for name, text in observed["files_after"].items()},
        "exit": [_class_of(code) for code in observed["exit_code"]],
        **{key: stage.more[key] for key in ONLY_TOLD if key in stage.more},
    }


def happened(stage: Stage, played: Played) -> Meaning:
    """Return what happened here means."""
    case = stage.case
    runs = [_run(stage, one) for one in played.runs]
    words = words_of(stage)
    texts = [normal(stage, "\n".join(_block_text(block) for block in new)) for new in played.requests]
    found = {
        "ran": sorted(runs, key=json.dumps),
        "order": order_of(case, runs),
        "one_by_one": one_by_one(case, runs),
        "requests": len(played.requests),
        "results": [_results(stage, played, new) for new in played.requests],
        "heard": heard(texts, words),
        "saved": [text.count("Full output saved to") for text in texts],
        "files": _files(stage),
        "exit": [_class_of_end(end) for end in _ends(stage, played)],
    }
    if "asked" in stage.more:
        found["asked"] = len(played.asked)
    if "connections" in stage.more:
        found["connections"] = len(played.connections)
    if "model" in stage.more:
        found["model"] = played.asked[0].model.partition(":")[2] if played.asked else ""
    if "http_headers" in stage.more:
        wanted = stage.more["http_headers"]
        sent = played.headers[0] if played.headers else {}
        found["http_headers"] = {key: f"{sent.get(key)} "[: len(value)] for key, value in wanted.items()}
    if "shown" in stage.more:
        found["shown"] = _shown(stage, played)
    if "text" in stage.more:
        found["text"] = played.texts[-1]
    if "transcript" in stage.more:
        found["transcript"] = _transcript(played)
    if "arguments" in stage.more:
        found["arguments"] = {run.name: normal(stage, run.facts["arguments"]) for run in played.runs}
        found["arguments"] = {name: found["arguments"].get(name) for name in stage.more["arguments"]}
    return found


def _shown(stage: Stage, played: Played) -> list[str]:
    """Return which of the hooks' messages for the user reached him."""
    answers = (stage.case["hook_answers"] or {}).values()
    texts = {text for answer in answers for one in answer.get("by_call", [answer]) for text in _said(one)}
    says = "\n".join(notice for notice in played.notices if " says: " in notice)
    return sorted(text for text in texts if _place(text, says) >= 0)


def _transcript(played: Played) -> list[str]:
    """Return the texts that a hook found in the transcript, as published hooks look for them."""
    lines = [json.loads(line) for run in played.runs for line in run.facts.get("transcript", ())]
    return [block["text"] for line in lines for block in line["message"]["content"] if block["type"] == "text"]


def differences(wanted: Meaning, found: Meaning) -> dict[str, Any]:
    """Return the parts in which they differ, as they were found.

    A recorded text that was cut may hold more words than it shows.
    """
    return {part: found[part] for part in wanted if not _equal(part, wanted[part], found[part])}


def _equal(part: str, wanted: Any, found: Any) -> bool:
    if part == "heard":
        return len(wanted) == len(found) and all(_same_words(one, two) for one, two in zip(wanted, found, strict=True))
    if part == "results":
        return len(wanted) == len(found) and all(
            _same_results(one, two) for one, two in zip(wanted, found, strict=True)
        )
    return bool(wanted == found)


def _same_words(wanted: list[str], found: list[str]) -> bool:
    if wanted and wanted[-1] == "...":
        return [word for word in found if word in wanted] == wanted[:-1]
    return wanted == found


def _same_results(wanted: list[Any], found: list[Any]) -> bool:
    """Whether the same calls ended alike; an output is compared where both sides have it."""
    if [one[:2] for one in wanted] != [one[:2] for one in found]:
        return False
    return all(one[2] is None or two[2] is None or one[2] == two[2] for one, two in zip(wanted, found, strict=True))


# --- hooks ---------------------------------------------------------------------------------------------


def _recorded_run(case: dict[str, Any], one: dict[str, Any]) -> list[Any]:
    active = one.get("stop_hook_active") if one["event"] == "Stop" and "http" not in one else None
    completed = None if one["hook"] in _background(case) else one.get("completed", True)
    return [one["event"], one["hook"], one["tool"], one["tool_input"], active, completed]


def _run(stage: Stage, run: HookRun) -> list[Any]:
    sent = run.sent
    event = sent["hook_event_name"]
    given = normal(stage, sent["tool_input"]) if "tool_input" in sent else None
    active = sent.get("stop_hook_active") if event == "Stop" and not run.http else None
    completed = None if run.name in _background(stage.case) else run.completed
    return [event, run.name, sent.get("tool_name"), given, active, completed]


def _background(case: dict[str, Any]) -> set[str]:
    """Return the short hooks that nobody waits for: whether the end of the run cuts them off is chance."""
    hooks = case["settings"].get("hooks") or {}
    entries = [entry for groups in hooks.values() for group in groups for entry in group["hooks"]]
    names = {one["command"].removeprefix("@H ") for one in entries if one.get("async") is True}
    return {name for name in names if (case["hook_answers"] or {}).get(name, {}).get("sleep", 0) < 5}


def order_of(case: dict[str, Any], runs: list[list[Any]]) -> list[str]:
    """Return the events in order, each series of one event as one; empty where calls ran side by side."""
    if _parallel(case):
        return []
    found: list[str] = []
    for run in runs:
        if not found or found[-1] != run[0]:
            found.append(run[0])
    return found


def one_by_one(case: dict[str, Any], runs: list[list[Any]]) -> bool | None:
    """Whether of calls that change something each was over before the next one's hooks began."""
    changing = any(
        len(turn.get("tools", ())) > 1 and all(one["name"] == "Write" for one in turn["tools"])
        for turn in case["model_turns"]
    )
    events = [run[0] for run in runs]
    if not changing or "PostToolUse" not in events:
        return None
    return events == ["PreToolUse", "PostToolUse"] * (len(events) // 2)


def _parallel(case: dict[str, Any]) -> bool:
    return any(len(turn.get("tools", ())) > 1 for turn in case["model_turns"])


def wrong_payload(run: HookRun) -> str:
    """Return what is wrong with the line that a hook was sent: its form, its keys and their order."""
    line = run.raw if run.http else run.raw.removesuffix("\n")
    if not run.http and not run.raw.endswith("\n"):
        return "it does not end with a newline"
    sent = run.sent
    event = sent["hook_event_name"]
    if json.dumps(sent, separators=(",", ":"), ensure_ascii=False) != line.removesuffix("\n"):
        return f"{event}: it is no compact line: {line[:200]}"
    known = PAYLOADS.get(event)
    if known is None:
        return ""
    lacking = [key for key in known["always"] if key not in sent and not _may_lack(event, key)]
    if lacking:
        return f"{event} lacks {', '.join(lacking)}"
    # Of an effort only one event was recorded with its place: before the event's name.
    places = [known["order"].index(key) for key in sent if key in known["order"] and key != "effort"]
    return "" if places == sorted(places) else f"{event} has its keys in another order: {', '.join(sent)}"


def _may_lack(event: str, key: str) -> bool:
    return key == "effort" or (key == "prompt_id" and event in ("SessionEnd", "CwdChanged", "ConfigChange"))


# --- what the model was told ----------------------------------------------------------------------------


def words_of(stage: Stage) -> list[str]:
    """Return every text that a hook of the case may say, in words that a recording would show."""
    answers = [*(stage.case["hook_answers"] or {}).values(), *stage.more.get("http", {}).values()]
    found: dict[str, None] = {}
    for answer in answers:
        for one in answer.get("by_call", [answer]):
            for text in _said(one):
                found.setdefault(text[:SHOWN])
    for verdict in stage.more.get("verdicts", []):
        for reason in re.findall(r'"reason": "([^"]+)"', json.dumps(verdict).replace('\\"', '"')):
            found.setdefault(reason)
    return [*(word for word in found if word.strip()), *FIXED]


def _said(answer: dict[str, Any]) -> Iterator[str]:
    stderr = answer.get("stderr", "").strip()
    if stderr:
        yield stderr.splitlines()[0]
    for key in ("stdout", "body"):
        said = answer.get(key, "")
        if isinstance(said, dict):
            yield from _leaves(said)
        elif said.strip():
            for placeholder, text in LONG.items():
                said = said.replace(placeholder, text)
            yield from _of_text(said)


def _of_text(said: str) -> Iterator[str]:
    text = said.lstrip("\ufeff \n")
    start = text.find("{")
    if start:
        yield text.strip().splitlines()[0]
    if start >= 0:
        try:
            value, end = json.JSONDecoder().raw_decode(text[start:])
        except ValueError:
            return
        if isinstance(value, dict):
            if text[start + end :].strip() and start == 0:
                yield text.splitlines()[0]
            yield from _leaves(value)


def _leaves(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "updatedInput":
                yield from _leaves(inner, name)
    elif isinstance(value, str) and key in SAID_BY_HOOKS and value.strip():
        yield value.strip().splitlines()[0]


def heard(texts: list[str], words: list[str]) -> list[list[str]]:
    """Return which of the words each request was the first to have, in the order in which they stand there."""
    found: list[list[str]] = []
    known: set[str] = set()
    for text in texts:
        places = {word: _place(word, text) for word in words if word not in known}
        new = sorted((place, word) for word, place in places.items() if place >= 0)
        known.update(word for _, word in new)
        found.append([word for _, word in new] + (["..."] if CUT.search(text) else []))
    return found


def _place(word: str, text: str) -> int:
    end = "" if len(word) >= SHOWN else r"(?!\w)"
    match = re.search(rf"(?<!\w){re.escape(word)}{end}", text)
    return match.start() if match else -1


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("id", "is_error"):
                yield from _texts(inner)


def _block_text(block: Any) -> str:
    if isinstance(block, TextBlock):
        return block.text
    content = block.content
    return content if isinstance(content, str) else "\n".join(one.text for one in content if isinstance(one, TextBlock))


def _recorded_results(case: dict[str, Any], sees: list[dict[str, Any]]) -> list[list[Any]]:
    found = []
    for one in sees:
        if "tool_result" not in one:
            continue
        match = CALL.fullmatch(one["id"])
        assert match is not None
        turns = case["model_turns"][: int(match[1])]
        place = sum(len(turn.get("tools", ())) for turn in turns) + int(match[2])
        text = "\n".join(_texts(one["tool_result"]))
        found.append([place, one["is_error"], _output(_name(case, place), text, one["is_error"])])
    return sorted(found, key=lambda one: one[0])


def _results(stage: Stage, played: Played, new: list[Any]) -> list[list[Any]]:
    found = []
    for block in new:
        if isinstance(block, ToolResultBlock):
            place = played.calls.index(block.tool_use_id)
            text = normal(stage, _block_text(block))
            found.append([place, block.is_error, _output(_name(stage.case, place), text, block.is_error)])
    return sorted(found, key=lambda one: one[0])


def _name(case: dict[str, Any], place: int) -> str:
    calls = [one["name"] for turn in case["model_turns"] for one in turn.get("tools", ())]
    return str(calls[place])


def _output(name: str, text: str, is_error: bool) -> str | None:
    """Return a tool's own output; None where the words are each host's own."""
    text = REMINDER.sub("", text)
    if CUT.search(text) or name not in ("Bash", "Read", "Glob", "mcp__orc__echo"):
        return None
    if is_error:
        code = re.match(r"Exit code (\d+)", text)
        return code[0] if code else None
    if name == "Read":
        return "\n".join(line for line in text.splitlines() if line.partition("\t")[2]).strip()
    return "" if text.strip() in NOTHING else text.strip()


# --- files and the end -----------------------------------------------------------------------------------


def normal(stage: Stage, value: Any) -> Any:
    """Return a value with the folders and programs of this play as the recordings write them."""
    text = json.dumps(value, ensure_ascii=False)
    program = str(stage.hooks / "hook.py")
    for ours, theirs in (
        (f"{PYTHON} {program}", "/usr/bin/python3 -I @HOOK"),
        (program, "@HOOK"),
        (str(stage.project), "<PROJ>"),
        (str(stage.root), "<WORK>"),
        (str(Path.home()), "<HOME>"),
        ("/tmp", "<TMP>"),
    ):
        text = text.replace(ours, theirs)
    return json.loads(text)


def _files(stage: Stage) -> dict[str, str]:
    found = {}
    for path in sorted(stage.project.rglob("*")):
        name = str(path.relative_to(stage.project))
        if path.is_file() and name != ".claude/settings.json" and not name.startswith(".git/"):
            found[name] = _file(name, normal(stage, path.read_text(encoding="utf-8")))
    return found


def _file(name: str, text: str) -> str:
    if name == "shell.txt":
        return text.splitlines()[0]
    if name == "in.json":
        return ",".join(json.loads(text))
    if Path(name).suffix == ".ipynb":
        return json.dumps(json.loads(text))
    return text


def _class_of(code: int) -> str:
    return "ended" if code == 0 else "error"


def _class_of_end(end: EndReason) -> str:
    """Return how a run ended. That one which a hook ended exits 5 here is told by the page of deviations."""
    return "error" if end in (EndReason.ERROR, EndReason.STEP_LIMIT, EndReason.WALL_TIME, EndReason.COST) else "ended"


def _ends(stage: Stage, played: Played) -> list[EndReason]:
    """Return one end per run of the program: the last of its prompts."""
    steps = len(stage.case.get("steps") or [{}])
    return played.ends[-steps:]
