"""What one handler said: a raw result becomes an answer in the event's terms (hook-contract 2.6)."""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import Any

from pydantic_core import ValidationError

from pegboard.decisions import Verdict
from pegboard.messages import whole
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.accidents import accident
from pegboard_builtins.wire_hooks.events import EventRow, Exit2
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType, Posture
from pegboard_builtins.wire_hooks.job import RawResult
from pegboard_builtins.wire_hooks.outputs import Output, unknown_keys

PATH = "worktreePath"
COLOURS = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")
ASKING = frozenset({HandlerType.PROMPT, HandlerType.AGENT})
TEXT_LIMIT = 10_000
"""Characters of context, of plain text and of a message to the user; reasons are not cut (hook-behaviour 2.1, 11)."""


@dataclass(slots=True)
class Said:
    """One handler's answer.

    `verdict` is about a call; `block` refuses what the event is about, `blocking` says that it did so with a decision
    and not with an exit code. `specific` has the event's own fields as values. `problem` is a failure in words, and
    `inert` what is wrong without being one: what the contract ignores silently.
    """

    status: str = "ran"
    verdict: Verdict | None = None
    block: bool = False
    reason: str = ""
    by_code: bool = False
    context: str = ""
    text: str = ""
    stop: bool = False
    stop_reason: str = ""
    message: str = ""
    signal: str = ""
    specific: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    inert: tuple[str, ...] = ()
    posture: Posture = Posture.OPEN

    @property
    def silent(self) -> bool:
        """Whether it said nothing that could count: what most hooks say of most events."""
        decides = self.verdict is not None or self.block or self.stop
        return not (decides or self.context or self.text or self.message or self.specific)

    @property
    def word(self) -> str:
        """The answer in a word: its verdict, block, stop, or nothing."""
        return str(self.verdict or ("block" if self.block else "stop" if self.stop else ""))


NOTHING = Said()
"""What most handlers say of most events. It is read only, as every answer is once it was read."""


def read(row: EventRow, handler: Handler, raw: RawResult) -> Said:
    """Return what a handler said at an event. Never raises: nonsense is a failure, and a failure has a posture."""
    if row.name == "WorktreeCreate":
        return _worktree(row, handler, raw)
    if _is_nothing(raw) and handler.type not in ASKING:
        return NOTHING
    said = _read(row, handler, raw)
    if said.problem and said.verdict is None and not said.block:
        _take_posture(row, handler, raw, said)
    if raw.broken and raw.broken not in said.problem:
        said.problem = f"{said.problem}; {raw.broken}" if said.problem else raw.broken
        said.status = "broken"
    return said


def read_late(row: EventRow, handler: Handler, raw: RawResult) -> Said:
    """Return what a hook said that nobody waited for: context, a message, a signal (hook-contract 2.11).

    Each counts by itself: a wrong field voids no other. Of several lines the first that is a JSON object is read.
    """
    if raw.timed_out or raw.error:
        return read(row, handler, raw)
    given, _, _ = _json_of(row, raw)
    if given is None:
        given = next(filter(None, map(_object, raw.stdout.splitlines())), None)
    if given is None:
        return read(row, handler, raw)
    specific = given.get("hookSpecificOutput")
    specific = specific if isinstance(specific, dict) and specific.get("hookEventName") == row.name else {}
    return Said(
        context=_words(specific.get("additionalContext")),
        message=_words(given.get("systemMessage")),
        signal=_words(given.get("terminalSequence")),
    )


def _words(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return whole(found) if isinstance(found, dict) else None


def _worktree(row: EventRow, handler: Handler, raw: RawResult) -> Said:
    """Read where the worktree is: a program prints it last, others answer it. All else fails (hook-contract C57)."""
    said = _read(row, handler, raw)
    printed = COLOURS.sub("", raw.stdout).strip()
    if handler.type is HandlerType.COMMAND and raw.exit == 0 and printed[:1] not in ("", "{"):
        said.specific = {PATH: printed.splitlines()[-1].strip()}
    if raw.broken:
        said.status, said.problem = "broken", raw.broken
    if said.block or said.specific.get(PATH):
        return said
    said.block = True
    said.reason = f"the hook {handler.id} made none: {said.problem or 'it says no path'}"
    return said


def _is_nothing(raw: RawResult) -> bool:
    """Whether it ended well and said nothing: in values an empty object, or no output at all."""
    if raw.exit != 0 or raw.stderr or raw.timed_out or raw.error or raw.broken:
        return False
    return not raw.stdout if raw.answer is None else not raw.answer


def _take_posture(row: EventRow, handler: Handler, raw: RawResult, said: Said) -> None:
    """Let a failure mean what the entry says that it means; where nothing can be refused, it means nothing."""
    by_event = raw.timed_out and handler.on_timeout is None and row.late_blocks
    posture = Posture.CLOSED if by_event else (raw.timed_out and handler.on_timeout) or handler.on_error
    said.posture = posture
    if posture is Posture.OPEN or not row.can_block:
        return
    why = f"{row.name} is refused then" if by_event else f"its entry says that this refuses ({posture})"
    text = f"the hook {handler.id} failed, and {why}: {said.problem}"
    if row.name == "PreToolUse":
        said.verdict = Verdict.DENY if posture is Posture.CLOSED else Verdict.ASK
    else:
        said.block = True
    said.reason = text


def _read(row: EventRow, handler: Handler, raw: RawResult) -> Said:
    if raw.timed_out:
        return Said("timeout", problem="it was cut off at its deadline; what it had printed does not count")
    if raw.error:
        return Said("failed", problem=raw.error)
    if handler.type in ASKING and raw.answer is not None:
        return _verdict(row, handler, raw.answer)
    given, problem, inert = _json_of(row, raw)
    said = Said(inert=tuple(inert))
    if given is not None:
        problem = _take_answer(row, given, said) or problem
    if raw.exit == 2:
        _exit_2(row, handler, raw, said)
        return said
    if problem:
        said.status, said.problem = "failed", problem
        return said
    if given is None:
        _plain(row, raw, said)
    elif raw.exit == 0 and raw.stderr.strip():
        said.inert += ("it wrote to stderr and exited with 0: nobody reads that",)
    return said


def _verdict(row: EventRow, handler: Handler, answer: dict[str, Any]) -> Said:
    """Read what a model judged: `{ok, reason}`, and of a prompt hook `impossible`, too (hook-contract 2.10).

    It has no say in permissions.
    """
    if answer.get("ok") or row.name in ("PermissionRequest", "PermissionDenied"):
        return Said()
    said = Said(reason=str(answer.get("reason") or "the condition of the hook is not met"))
    if row.name == "PreToolUse":
        said.verdict = Verdict.DENY
    else:
        said.block = row.decides
    said.specific = {"impossible": bool(answer.get("impossible")) and handler.type is HandlerType.PROMPT}
    return said


def _json_of(row: EventRow, raw: RawResult) -> tuple[dict[str, Any] | None, str, list[str]]:
    """Return (the object that was answered, what is wrong with it, what to warn of)."""
    if raw.answer is not None:
        return whole(raw.answer), "", []
    text = raw.stdout.lstrip("\ufeff \t\r\n").rstrip()
    if not text.startswith("{"):
        if '"hookSpecificOutput"' in text or '"decision"' in text:
            return None, "", ["it printed a decision after other text, which makes all of it plain text"]
        return None, "", []
    constants: list[str] = []
    try:
        value, end = json.JSONDecoder(parse_constant=constants.append).raw_decode(text)
    except (ValueError, RecursionError):
        if text.endswith("}"):
            return None, "its output looks like a JSON object but is none", []
        return None, "", []
    value = whole(value)
    if constants and not _refuses(value):
        return None, f"its output looks like a JSON object but is none: JSON has no {constants[0]}", []
    if not text[end:].strip():
        return value, "", []
    if _refuses(value):
        # The contract's program loses a deny that other text follows. A refusal that was meant is a refusal.
        return value, "", ["text follows its JSON; the refusal counts all the same"]
    if text.endswith("}"):
        return None, "its output looks like a JSON object but is none (more follows the first)", []
    return None, "", ["text follows its JSON, which makes all of it plain text"]


def _refuses(value: dict[str, Any]) -> bool:
    specific = value.get("hookSpecificOutput")
    specific = specific if isinstance(specific, dict) else {}
    behavior = specific.get("decision")
    return (
        value.get("decision") == "block"
        or value.get("continue") is False
        or specific.get("permissionDecision") == "deny"
        or (isinstance(behavior, dict) and behavior.get("behavior") == "deny")
    )


def _take_answer(row: EventRow, given: dict[str, Any], said: Said) -> str:
    """Read a JSON answer; return what is wrong with it: one wrong field voids all of it."""
    try:
        output = Output.model_validate(given)
        specific = _specific(row, output.hookSpecificOutput, given)
    except ValidationError as wrong:
        error = wrong.errors()[0]
        place = ".".join(str(part) for part in error["loc"])
        return f"its answer does not count: {place}: {error['msg']} (it is {error['input']!r:.80})"
    except ValueError as wrong:
        return f"its answer does not count: {wrong}"
    if not ("hook_event_name" in given and "session_id" in given):  # the event as it came, which many print to pass it
        said.inert += tuple(f"nobody reads {key}" for key in unknown_keys(given, row.specific))
    said.specific = specific
    said.context = str(specific.get("additionalContext") or "").strip()
    said.message = output.systemMessage.strip()
    said.signal = output.terminalSequence
    if output.continue_ is False and row.stops:
        said.stop, said.stop_reason = True, output.stopReason
    _decide(row, output, said)
    return ""


def _specific(row: EventRow, given: Any, whole: dict[str, Any]) -> dict[str, Any]:
    if given is None:
        if "hookSpecificOutput" in whole:
            raise ValueError("hookSpecificOutput is null")
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"hookSpecificOutput is {type(given).__name__}, not an object")
    name = given.get("hookEventName")
    if name != row.name:
        raise ValueError(f"hookEventName is {name!r}, and this is {row.name}")
    if row.specific is None:
        return {}
    return row.specific.model_validate(given).model_dump(exclude_unset=True)


def _decide(row: EventRow, output: Output, said: Said) -> None:
    specific = said.specific
    if row.name in ("PreToolUse", "PreModelSwitch"):
        if output.decision is not None:  # the older words, which beat the newer ones in one object
            said.verdict = Verdict.DENY if output.decision == "block" else Verdict.ALLOW
            said.reason = output.reason
        elif "permissionDecision" in specific:
            said.verdict = Verdict(specific["permissionDecision"])
            said.reason = specific.get("permissionDecisionReason", "")
        if said.verdict is Verdict.DENY and not said.reason:
            said.reason = "Blocked by hook"
    elif row.name == "PermissionRequest":
        if "decision" in specific:
            said.verdict = Verdict(specific["decision"]["behavior"])
            said.reason = specific["decision"].get("message", "")
        if said.verdict is Verdict.DENY and not said.reason:
            said.reason = "Permission denied by hook"
    elif row.decides and output.decision == "block":
        said.block = True
        said.reason = output.reason or "Blocked by hook"


def _exit_2(row: EventRow, handler: Handler, raw: RawResult, said: Said) -> None:
    """Exit code 2 blocks where the event can be blocked, whatever the answer says (hook-contract C38, C42)."""
    stderr = raw.stderr.strip() or "No stderr output"
    if (
        not raw.stderr.strip()
        and raw.stdout.strip()
        and raw.stdout.lstrip()[0] != "{"
        and row.exit_2 is not Exit2.IGNORED
    ):
        said.inert += ("it ended with 2 and said why on stdout: with exit code 2 only stderr is read",)
    why = accident(raw.stderr)
    if why and not raw.broken and row.exit_2 is Exit2.BLOCK:
        said.inert += (f"its exit code 2 hardly comes from itself: {why}",)
    if row.name in ("Elicitation", "ElicitationResult"):
        said.specific = {}  # who refuses to answer fills in no form
    refused = said.block or said.verdict is Verdict.DENY
    if row.exit_2 is Exit2.BLOCK:
        if not refused:
            said.reason, said.by_code = stderr, True
        if row.name in ("PreToolUse", "PreModelSwitch"):
            said.verdict = Verdict.DENY
        else:
            said.block = True
    elif row.exit_2 is Exit2.FEEDBACK and not refused:
        said.block, said.reason, said.by_code = True, stderr, True
    elif row.exit_2 is Exit2.USER:
        said.status, said.problem = "failed", f"exit code 2: {stderr}"


def _plain(row: EventRow, raw: RawResult, said: Said) -> None:
    text = raw.stdout.strip()
    if raw.exit != 0:
        first = _told(raw.stderr)
        said.status = "failed"
        said.problem = f"Failed with non-blocking status code: {first or raw.exit}" + (
            f" (exit code {raw.exit})" if first else ""
        )
        return
    if raw.stderr.strip() and not text:
        said.inert += ("it wrote to stderr and exited with 0: nobody reads that",)
    if not text:
        return
    if not raw.is_text_context:
        said.status, said.problem = "failed", "its answer is no JSON object"
    elif row.text:
        said.text = text


THROWN = re.compile(r"^(?:[\w.]*(?:Error|Exception|Warning|Interrupt|Exit)\b|[a-z_]\w*(?:\.\w+)+: |panic: ).*")


def _told(stderr: str) -> str:
    """Return the first line, and with it the one that says what was thrown, where the first only says that it was."""
    first, _, rest = stderr.strip().partition("\n")
    if not rest or not re.match(r"Traceback \(|node:internal|file://|/\S+:\d+$|goroutine|thread '", first):
        return first
    lines = [line.strip() for line in rest.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    thrown = next((line for line in reversed(lines) if THROWN.match(line)), "")
    return f"{first} {thrown}" if thrown else first


def capped(text: str, spill: Any) -> str:
    """Return a text as it may go on: whole up to the limit, else its beginning and where all of it is (C51).

    *spill* takes the text and returns the path that it was saved to.
    """
    if len(text) <= TEXT_LIMIT:
        return text
    path = spill(text)
    size = len(text.encode(errors="replace")) / 1024
    return (
        f"<persisted-output>\nOutput too large ({size:.1f}KB). Full output saved to: {path}\n\n"
        f"Preview (first 2KB):\n{text[:2000]}\n...\n</persisted-output>"
    )
