"""`pegboard hooks check` reads the programs that hooks run: what it must find in them, and what it must leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.job import RawResult
from pegboard_builtins.wire_hooks.parse import read as read_answer
from pegboard_builtins.wire_hooks.programs import read
from pegboard_builtins.wire_hooks.remarks import Remark

PY, SH, JS = "#!/usr/bin/env python3\n", "#!/usr/bin/env bash\n", "#!/usr/bin/env node\n"


def made(event: str, command: str) -> Handler:
    return Handler("hook", event, HandlerType.COMMAND, Source(SettingsLayer.USER, "settings.json", 1), command=command)


def remarks(text: str, event: str = "PreToolUse", *also: str) -> list[Remark]:
    ending = {PY: ".py", SH: ".sh", JS: ".js"}[text.partition("\n")[0] + "\n"]
    path = Path(f"/project/hook{ending}")
    return list(read(text, path, EVENTS[event], made(event, str(path)), {event, *also}))


CONTEXT = 'print(json.dumps({"additionalContext": "run the tests"}))\n'


@pytest.mark.parametrize(
    ("event", "text", "kind", "said"),
    [
        pytest.param("PostToolUse", PY + CONTEXT, "output field", "'additionalContext' at the top", id="context"),
        pytest.param(
            "PreToolUse",
            PY + 'print(json.dumps({"decision": "approve", "permissionDecision": "deny"}))\n',
            "output field",
            "'permissionDecision' at the top",
            id="a decision",
        ),
        pytest.param(
            "PreToolUse",
            JS + "console.log(JSON.stringify({ updatedInput: input }));\n",
            "output field",
            "'updatedInput' at the top",
            id="an input, in JavaScript",
        ),
        pytest.param(
            "SessionStart",
            SH + 'jq -n --arg c "$TEXT" \'{additionalContext: $c, systemMessage: "x"}\'\n',
            "output field",
            "'additionalContext' at the top",
            id="context, by jq",
        ),
        pytest.param(
            "PreToolUse",
            SH + 'echo "{\\"hookSpecificOutput\\":{\\"permissionDecision\\":\\"deny\\"}}"\n',
            "hookEventName",
            "has no hookEventName",
            id="no name of the event",
        ),
        pytest.param(
            "Stop",
            PY + 'print(json.dumps({"hookSpecificOutput": {"hookEventName": "Stop", "decision": "block"}}))\n',
            "output field",
            "'hookSpecificOutput.decision' (it belongs at the top)",
            id="a decision within",
        ),
        pytest.param(
            "PostToolUse",
            PY + 'a = {"hookSpecificOutput": {"hookEventName": "PostToolUse", "updatedInput": {}}}\nsay(a)\n',
            "output field",
            "PostToolUse does not read 'hookSpecificOutput.updatedInput'",
            id="another event's field",
        ),
        pytest.param(
            "PreToolUse",
            JS + 'console.log(JSON.stringify({ allowed: false, message: "no" }));\n',
            "output field",
            "'allowed', 'message'",
            id="an invented answer",
        ),
        pytest.param(
            "PreToolUse",
            PY + 'x = {"hookEventName": "PreToolUse", "permissionDecision": "block"}\n',
            "output field",
            "`permissionDecision` is never 'block'",
            id="a value that is none",
        ),
        pytest.param(
            "PermissionRequest",
            PY + 'x = {"hookEventName": "PermissionRequest", "decision": {"behavior": "approve"}}\n',
            "output field",
            "`behavior` is never 'approve'",
            id="a behaviour that is none",
        ),
        pytest.param(
            "PreToolUse",
            PY + 'tool = os.environ.get("CLAUDE_TOOL_NAME")\n',
            "variable",
            "$CLAUDE_TOOL_NAME",
            id="Python",
        ),
        pytest.param("PostToolUse", PY + 'os.environ["TOOL_OUTPUT"]\n', "variable", "$TOOL_OUTPUT", id="by index"),
        pytest.param(
            "PostToolUse", JS + "const f = process.env.CLAUDE_FILE_PATHS\n", "variable", "$CLAUDE_FILE_PATHS", id="Node"
        ),
        pytest.param(
            "PreToolUse",
            SH + 'echo "Blocked: not that"\nexit 2\n',
            "stdout with exit 2",
            "no reason",
            id="a lost reason",
        ),
        pytest.param(
            "PreToolUse",
            PY + "print('not that')\nsys.exit(2)\n",
            "stdout with exit 2",
            "no reason",
            id="lost in Python",
        ),
        pytest.param(
            "PostToolUse", PY + 'data.get("tool_result", {})\n', "input field", "'tool_result'", id="misnamed, by get"
        ),
        pytest.param(
            "UserPromptSubmit", JS + "input.userPrompt\n", "input field", "'userPrompt'", id="misnamed, by dot"
        ),
        pytest.param(
            "PreToolUse", SH + "INPUT=$(cat)\necho \"$INPUT\" | jq -r '.tool'\n", "input field", "no .tool", id="jq"
        ),
        pytest.param("PreToolUse", SH + "T=$(jq -r .tool)\n", "input field", "no .tool", id="jq, of stdin"),
        pytest.param(
            "PreToolUse",
            SH + 'IN=$(cat)\nT=$(jq -r .tool <<< "$IN")\n',
            "input field",
            "no .tool",
            id="jq, here-string",
        ),
        pytest.param(
            "PreToolUse",
            SH + 'echo "not main" >&2\nexit 1\n',
            "exit code",
            "refuses nothing",
            id="exit 1 for a refusal",
        ),
    ],
)
def test_it_finds(event: str, text: str, kind: str, said: str) -> None:
    found = remarks(text, event)
    assert [one for one in found if one.kind == kind and said in one.text and one.line], found


DISPATCHER = (
    JS + 'if (event === "x") out({ hookSpecificOutput: { hookEventName: "SessionStart", additionalContext } })\n'
)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        pytest.param(
            "PostToolUse",
            PY
            + 'print(json.dumps({"additionalContext": "x"} if other else\n'
            + '  {"hookSpecificOutput": {"hookEventName": "PostToolUse", "additionalContext": "x"}}))\n',
            id="an answer for another host beside ours",
        ),
        pytest.param(
            "PreToolUse",
            PY + 'out = {"permissionDecision": "deny"}\nout["hookEventName"] = "PreToolUse"\n',
            id="put together",
        ),
        pytest.param("PostToolUse", PY + "# data['tool_result'] is gone\nx = 1\n", id="in a comment"),
        pytest.param("PostToolUse", PY + '"""Reads data["tool_output"] once."""\n', id="in a docstring"),
        pytest.param(
            "PostToolUse", JS + "/* $TOOL_INPUT and\n input.tool_output */\n// input.tool_result\n", id="in JS"
        ),
        pytest.param(
            "PostToolUse", PY + 'if item.get("type") != "tool_result":\n    pass\n', id="a block of the transcript"
        ),
        pytest.param("Stop", JS + "content.every((c) => c.type === 'tool_result')\n", id="a block, in JavaScript"),
        pytest.param("PostToolUse", PY + 'log("tool_result", {"a": 1})\n', id="a word of its own"),
        pytest.param(
            "PostToolUse",
            PY + 'x = data.get("tool_response") or data.get("tool_result")\n',
            id="the older name as well",
        ),
        pytest.param("PreToolUse", JS + "const id = context.sessionId\n", id="somebody else's field"),
        pytest.param(
            "PreToolUse", PY + 'tool = data["tool_name"] or os.environ.get("CLAUDE_TOOL_NAME")\n', id="a second source"
        ),
        pytest.param(
            "PreToolUse", SH + 'FILE="${CLAUDE_TOOL_FILE_PATH:-$(jq -r .tool_input.file_path)}"\n', id="default"
        ),
        pytest.param("PreToolUse", SH + "# usage: hook.sh $TOOL_INPUT\ncat >/dev/null\n", id="usage"),
        pytest.param("PostToolUse", SH + "VERSION=$(jq -r .version package.json)\n", id="jq of a file"),
        pytest.param("PostToolUse", SH + "curl -s \"$URL\" | jq -r '.deployments'\n", id="jq of the network"),
        pytest.param("PostToolUse", SH + 'S=$(run_it || echo \'{"zone":"none"}\')\n', id="an echo that is captured"),
        pytest.param(
            "PostToolUse", SH + 'while read -r tool; do echo "$tool" | jq -r .id; done < x\n', id="jq of a line"
        ),
        pytest.param("PreToolUse", SH + 'echo \'{"event":"start"}\' >> "$LOG"\n', id="an object for a log"),
        pytest.param(
            "PreToolUse",
            PY + "try:\n    data = load()\nexcept ValueError:\n    print('?', file=sys.stderr)\n    exit(1)\n",
            id="exit 1 for its own trouble",
        ),
        pytest.param(
            "PreToolUse",
            SH + 'command -v jq >/dev/null || { echo "jq, please" >&2; exit 1; }\n',
            id="a missing program",
        ),
        pytest.param("PreToolUse", SH + 'echo "no" >&2\nexit 2\n', id="a refusal as it should be"),
        pytest.param("PreToolUse", SH + 'echo "seen" >> log\nexit 2\n', id="a log and a refusal"),
        pytest.param("PreToolUse", SH + "jq " + "-r " * 60 + "!\n", id="very many options of jq"),
        pytest.param("PreToolUse", PY + '"""a\n' * 3000, id="very many docstrings"),
        pytest.param("PreToolUse", JS + "{a: " * 3000, id="very many braces"),
    ],
)
def test_it_leaves_alone(event: str, text: str) -> None:
    assert [one for one in remarks(text, event) if one.sure or one.kind != "hookEventName"] == []


def test_an_answer_in_words_of_another_is_a_doubt_until_it_is_sent() -> None:
    kept = SH + 'output=\'{"decision":"deny"}\'\nadapt <<< "$output"\n'
    assert [one.sure for one in remarks(kept)] == [False]
    assert [one.sure for one in remarks(kept.replace("output=", "echo "))] == [True]


def test_a_program_for_several_events_answers_where_its_answer_fits() -> None:
    assert remarks(DISPATCHER, "Stop", "SessionStart") == []
    [one] = remarks(DISPATCHER, "Stop")
    assert (one.kind, one.sure) == ("hookEventName", True)
    [asking] = remarks(DISPATCHER.replace("event ===", "data.hook_event_name ==="), "Stop")
    assert not asking.sure


@pytest.mark.parametrize("spelled", ["${CLAUDE_PLUGIN_ROOT}", "$CLAUDE_PLUGIN_ROOT", "${CLAUDE_PLUGIN_ROOT:-.}"])
def test_programs_of_a_plugin_folder_are_read_however_it_is_spelled(typed: Any, project: Any, spelled: str) -> None:
    folder = project.outer / "guards"
    (folder / "hooks").mkdir(parents=True)
    (folder / ".claude-plugin").mkdir()
    (folder / ".claude-plugin" / "plugin.json").write_text('{"name": "guards"}')
    (folder / "hooks" / "say.py").write_text(PY + "import json\n" + CONTEXT)
    command = f'python3 \\"{spelled}/hooks/say.py\\"'
    entry = f'{{"hooks": {{"PostToolUse": [{{"hooks": [{{"type": "command", "command": "{command}"}}]}}]}}}}'
    (folder / "hooks" / "hooks.json").write_text(entry)
    settings = project.outer / "config" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[plugins]\nfolders = ["{folder}"]\n')
    found = typed.json("hooks", "check")["findings"]
    assert [(one["kind"], Path(one["file"]).name, one["line"]) for one in found] == [("output field", "say.py", 3)]


def head(*lines: str) -> str:
    return "\n".join(["---", "description: plans", "hooks:", *lines, "---", "Plan."]) + "\n"


LOST = head(
    "  PostToolUse:",
    "    - hooks:",
    "        - type: command",
    "          command: echo 'update the plan'",
    "          once: true",
)


@pytest.mark.parametrize(
    ("file", "who", "event"),
    [
        pytest.param(".claude/skills/plan/SKILL.md", "skill:plan", "PostToolUse", id="a skill"),
        pytest.param(".pegboard/skills/plan/SKILL.md", "skill:plan", "PostToolUse", id="a skill of ours"),
        pytest.param(".claude/commands/plan.md", "command:plan", "PostToolUse", id="a command"),
        pytest.param(".claude/agents/plan.md", "agent:plan", "PostToolUse", id="an agent"),
    ],
)
def test_hooks_in_the_heads_of_files_are_checked_before_they_are_used(
    typed: Any, project: Any, file: str, who: str, event: str
) -> None:
    path = project.root / file
    path.parent.mkdir(parents=True)
    path.write_text(LOST)
    told = typed.json("hooks", "check")
    [one] = [one for one in told["findings"] if one["kind"] == "text"]
    assert (one["hook"], one["where"], told["hooks"]) == (f"{event}/1.1@{who}", f"{path}:3", 1)
    assert [one["kind"] for one in told["findings"] if one["kind"] == "once"] == ["once"] * who.startswith("agent")


ASKING = head(
    "  PreToolUse:",
    "    - hooks:",
    "        - type: http",
    "          url: http://127.0.0.1:9/x",
    "          headers:",
    '            X: "$TOK"',
    '          allowedEnvVars: ["TOK"]',
)


@pytest.mark.parametrize(
    ("switches", "kinds"),
    [
        pytest.param({}, [], id="no bounds"),
        pytest.param({"allowedHttpHookUrls": []}, ["url"], id="no address"),
        pytest.param({"allowedHttpHookUrls": ["http://127.0.0.1:*/x"]}, [], id="the address"),
        pytest.param({"httpHookAllowedEnvVars": ["OTHER"]}, ["variable"], id="another variable"),
    ],
)
def test_the_bounds_of_the_settings_count_for_hooks_in_the_heads_of_files(
    typed: Any, project: Any, monkeypatch: pytest.MonkeyPatch, switches: dict[str, Any], kinds: list[str]
) -> None:
    monkeypatch.setenv("TOK", "x")
    path = project.root / ".claude" / "skills" / "plan" / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text(ASKING)
    project.declare({}, where="user", **switches)
    assert [one["kind"] for one in typed.json("hooks", "check")["findings"]] == kinds


def test_hooks_of_a_plugin_folders_skills_are_checked_and_those_of_its_agents_do_not_count(
    typed: Any, project: Any
) -> None:
    folder = project.outer / "plans"
    for file in ("skills/plan/SKILL.md", "agents/plan.md", ".claude-plugin/plugin.json"):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text(LOST if file.endswith(".md") else '{"name": "plans"}')
    settings = project.outer / "config" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[plugins]\nfolders = ["{folder}"]\n')
    told = typed.json("hooks", "check")
    assert [one["hook"] for one in told["findings"]] == ["PostToolUse/1.1@skill:plans:plan"]


def test_a_head_whose_hooks_cannot_be_read_is_a_finding_with_its_line(typed: Any, project: Any) -> None:
    path = project.root / ".claude" / "skills" / "plan" / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text(head("  PreToolUse:", "   - hooks: [", "  x"))
    [one] = typed.json("hooks", "check")["findings"]
    assert (one["kind"], one["file"], one["level"]) == ("settings", str(path), "wrong")
    assert one["line"] >= 3


def test_an_event_that_is_printed_as_it_came_is_no_opinion_and_no_mistake() -> None:
    event = (
        '{"session_id":"s","transcript_path":"/t","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{}}'
    )
    told = read_answer(EVENTS["PreToolUse"], made("PreToolUse", "cat"), RawResult(stdout=event))
    assert (told.inert, told.verdict, told.problem) == ((), None, "")


def test_keys_for_people_are_no_events_and_no_mistakes(typed: Any, project: Any) -> None:
    project.declare(
        {"// Stop": ["true"], "_comment": [], "PreToolUse": [{"command": "true", "//timeuot": 3, "$comment": "x"}]},
        where="user",
    )
    assert typed.json("hooks", "check")["findings"] == []


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        pytest.param(
            'Traceback (most recent call last):\n  File "x.py", line 1\n    import a\nModuleNotFoundError: No nope\n',
            "Traceback (most recent call last): ModuleNotFoundError: No nope (exit code 1)",
            id="Python",
        ),
        pytest.param(
            "node:internal/modules/cjs/loader:1210\n  throw e;\n\nError: Cannot find module 'x'\n    at y\n",
            "node:internal/modules/cjs/loader:1210 Error: Cannot find module 'x' (exit code 1)",
            id="Node",
        ),
        pytest.param("boom\nError: more\n", "boom (exit code 1)", id="plain words stand alone"),
    ],
)
def test_a_failure_says_what_was_thrown(stderr: str, said: str) -> None:
    handler = made("PreToolUse", "x")
    told = read_answer(EVENTS["PreToolUse"], handler, RawResult(exit=1, stderr=stderr))
    assert told.problem == f"Failed with non-blocking status code: {said}"


def test_a_reason_on_stdout_is_told_of_when_it_is_lost() -> None:
    handler = made("PreToolUse", "x")
    told = read_answer(EVENTS["PreToolUse"], handler, RawResult(exit=2, stdout="not that"))
    assert told.reason == "No stderr output"
    assert "stdout" in told.inert[0]
    assert read_answer(EVENTS["PreToolUse"], handler, RawResult(exit=2, stdout='{"a": 1}')).inert != told.inert
