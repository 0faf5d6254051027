"""The events of a recorded session, as hooks would have been sent them: exact where a hook was, else rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from pegboard.records import (
    AssistantLine,
    CwdRecord,
    DeclaredHooks,
    HookRecord,
    Record,
    SessionStarted,
    TurnEnded,
    TurnStarted,
    UserLine,
    WorkspaceRecord,
)
from pegboard.typed import dataclass

OUTPUT = ("ok", "substituted")


@dataclass(slots=True)
class Recorded:
    """One event. `then` is what its hooks came to ("none" where there were none), `rows` what each of them said.

    `exact` says that `facts` is what was sent; else it was rebuilt from what the journal has.
    """

    seq: int
    event: str
    facts: dict[str, Any]
    subject: str = ""
    then: str = "none"
    by: str = ""
    reason: str = ""
    exact: bool = False
    verdict: str = ""


def events_of(records: Iterable[Record], path: Path) -> list[Recorded]:
    """Return the events of a session in their order: those that hooks saw, and the main ones that none was for."""
    reading = _Reading(path)
    for record in records:
        reading.take(record)
    return sorted(reading.found(), key=lambda one: one.seq)


class _Reading:
    """Reads a journal; what it rebuilds is left out where a hook was sent the real thing."""

    def __init__(self, path: Path) -> None:
        self._common: dict[str, Any] = {"session_id": path.stem, "transcript_path": str(path), "cwd": ""}
        self._prompt_id = ""
        self._text = ""
        self._mode = "default"
        self._inputs: dict[str, tuple[str, dict[str, Any]]] = {}
        self._exact: list[Recorded] = []
        self._rebuilt: list[Recorded] = []
        self._verdicts: dict[str, str] = {}

    def found(self) -> Iterator[Recorded]:
        seen = {(one.event, one.subject or one.facts.get("prompt_id")) for one in self._exact}
        for one in [*self._exact, *self._rebuilt]:
            if one.exact or (one.event, one.subject or one.facts.get("prompt_id")) not in seen:
                one.verdict = self._verdicts.get(one.subject, "") if one.event == "PreToolUse" else ""
                yield one

    def take(self, record: Record) -> None:
        match record:
            case SessionStarted():
                self._common["session_id"] = record.sessionId
                self._common["cwd"] = record.cwd
            case CwdRecord():
                self._common["cwd"] = record.new
            case WorkspaceRecord():
                self._common["cwd"] = record.folder
            case TurnStarted():
                self._prompt_id = record.prompt_id
            case DeclaredHooks():
                self._declared(record)
            case HookRecord() if record.point == "pre_tool":
                self._verdicts[record.subject] = record.outcome
            case AssistantLine():
                self._assistant(record)
            case UserLine() if record.tool is not None:
                self._result(record)
            case UserLine() if record.kind == "prompt":
                self._add(record, "UserPromptSubmit", prompt=_text(record.message))
            case TurnEnded() if record.reason == "completed":
                self._add(record, "Stop", stop_hook_active=False, last_assistant_message=self._text)

    def _declared(self, record: DeclaredHooks) -> None:
        facts = _payload(record)
        if facts is None:
            return
        self._mode = str(facts.get("permission_mode", self._mode))
        made = Recorded(record.seq, record.event, facts, record.subject, exact=True)
        made.then, made.by, made.reason = record.outcome or "none", record.winner, record.reason
        self._exact.append(made)

    def _assistant(self, record: AssistantLine) -> None:
        for block in _blocks(record.message):
            if block.get("type") == "text":
                self._text = str(block.get("text", ""))
            elif block.get("type") == "tool_use" and isinstance(block.get("input"), dict):
                call, name, given = str(block.get("id")), str(block.get("name")), block["input"]
                self._inputs[call] = (name, given)
                self._add(record, "PreToolUse", call, tool_name=name, tool_input=given, tool_use_id=call)

    def _result(self, record: UserLine) -> None:
        facts = record.tool
        assert facts is not None
        name, given = self._inputs.get(facts.id, (facts.name, {}))
        said = _text(record.message)
        shared = {"tool_name": name, "tool_input": given, "tool_use_id": facts.id, "duration_ms": facts.duration_ms}
        if facts.outcome in OUTPUT:
            self._add(record, "PostToolUse", facts.id, tool_response=said, **shared)
        elif facts.started and facts.outcome in ("error", "timeout"):
            self._add(record, "PostToolUseFailure", facts.id, error=said, is_interrupt=False, **shared)

    def _add(self, record: Record, event: str, subject: str = "", **fields: Any) -> None:
        common = {**self._common, "prompt_id": self._prompt_id, "permission_mode": self._mode}
        self._rebuilt.append(
            Recorded(record.seq, event, {**common, "hook_event_name": event, **fields}, subject=subject)
        )


def _payload(record: DeclaredHooks) -> dict[str, Any] | None:
    text = record.payload
    if not text and record.payload_file:
        try:
            text = Path(record.payload_file).read_text(encoding="utf-8")
        except OSError:
            return None
    try:
        facts = from_json(text)
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, map(_text_of_block, _blocks(message))))


def _text_of_block(block: dict[str, Any]) -> str:
    if block.get("type") == "text":
        return str(block.get("text", ""))
    if block.get("type") == "tool_result":
        inner = block.get("content")
        return inner if isinstance(inner, str) else _text({"content": inner}) or json.dumps(inner)
    return ""
