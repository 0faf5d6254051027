"""Views of a journal: pure functions from its records to what a person asks about them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from datetime import datetime
from typing import Any

from pegboard._agent.declared import Waiting, point_of, steps_of
from pegboard._agent.steps import Plans, Step
from pegboard._dataclass import dataclass
from pegboard.records import (
    AgentEnded,
    AgentStarted,
    AskRecord,
    AssistantLine,
    CompactionDone,
    CompactionSkipped,
    CwdRecord,
    Damaged,
    DeclaredHooks,
    Discarded,
    EgressRecord,
    Forked,
    HookRecord,
    LifecycleRecord,
    ModelChanged,
    Notice,
    PromptRefused,
    Quarantined,
    Record,
    RequestRecord,
    ResponseRecord,
    SessionEnded,
    SessionResumed,
    SessionStarted,
    Spilled,
    Titled,
    ToolAttempt,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UserLine,
    WorkspaceRecord,
)

BRIEF = 200
"""Characters of a prompt, an input or an output that a timeline quotes."""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A line of a timeline. `level` 1 belongs to the line of level 0 above it; `id` names a call or a request."""

    seq: int
    timestamp: str
    kind: str
    name: str
    level: int = 0
    id: str = ""
    ms: float | None = None
    decision: str = ""
    by: str = ""
    detail: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    answers: tuple[Step, ...] = ()


def timeline(records: Iterable[Record]) -> list[TraceRow]:
    """Return what happened, in order: model calls, tool calls with their hooks below them, and everything said."""
    line = _Timeline()
    for record in records:
        line.take(record)
    return line.rows()


def describe(record: Record) -> tuple[str, str]:
    """Return a record's type and what it says, in a line."""
    kind: str = getattr(record, "type", "")
    if isinstance(record, UserLine | AssistantLine):
        return kind, content_line(record.message)
    facts = record.model_dump(mode="json", exclude_defaults=True, exclude={"seq", "timestamp", "type"})
    return kind, brief(" ".join(f"{name}={plain(value)}" for name, value in facts.items()))


def brief(text: str) -> str:
    """Return the beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= BRIEF else line[: BRIEF - 3] + "..."


def tool_uses(record: AssistantLine) -> Iterator[tuple[str, str, Any]]:
    """Go through the calls of an assistant's line: (id, tool, input)."""
    for block in _blocks(record.message):
        if block.get("type") == "tool_use":
            yield str(block.get("id", "")), str(block.get("name", "")), block.get("input")


# --- the timeline --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Entry:
    """A line while it is made."""

    facts: dict[str, Any]
    below: list[_Entry] = field(default_factory=list)

    def rows(self, level: int = 0) -> list[TraceRow]:
        return [TraceRow(**self.facts, level=level), *(row for one in self.below for row in one.rows(level + 1))]


class _Timeline:
    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._plans = Plans()
        self._asked_for: dict[str, tuple[str, Any]] = {}
        self._calls: dict[str, _Entry] = {}
        self._requests: dict[str, _Entry] = {}
        self._discards: dict[str, str] = {}
        self._agents: dict[str, _Entry] = {}
        self._event: _Entry | None = None
        self._waiting = Waiting()
        self._take: dict[type[Record], Callable[[Any], None]] = {
            AgentStarted: self._agent_started,
            AgentEnded: self._agent_ended,
            AskRecord: self._ask,
            AssistantLine: self._assistant,
            DeclaredHooks: self._waiting.take,
            Discarded: self._discarded,
            HookRecord: self._hook,
            LifecycleRecord: self._lifecycle,
            RequestRecord: self._request,
            ResponseRecord: self._response,
            Spilled: self._spill,
            ToolAttempt: self._attempt,
            ToolStarted: self._tool_started,
            UserLine: self._user,
        }

    def take(self, record: Record) -> None:
        self._plans.take(record)
        take = self._take.get(type(record))
        if take is not None:
            take(record)
            return
        said = _plain_row(record)
        if said:
            self._add(record, **said)

    def rows(self) -> list[TraceRow]:
        for entry in (*self._calls.values(), *self._requests.values(), *self._agents.values()):
            entry.facts["decision"] = entry.facts.get("decision") or "unfinished"
        for one in self._waiting.rest():
            step = Step(plugin=one.plugin, declared=steps_of(one))
            self._add(one, kind="hook", name=point_of(one), id=one.subject, decision="unfinished", answers=(step,))
        return [row for entry in self._entries for row in entry.rows()]

    def _add(self, record: Record, *, below: _Entry | None = None, **facts: Any) -> _Entry:
        entry = _Entry({"seq": record.seq, "timestamp": record.timestamp, **facts})
        (self._entries if below is None else below.below).append(entry)
        return entry

    # the model

    def _request(self, record: RequestRecord) -> None:
        self._requests[record.request] = self._add(record, kind="model", name=record.model, id=record.request)

    def _assistant(self, record: AssistantLine) -> None:
        for call, name, given in tool_uses(record):
            self._asked_for[call] = (name, given)

    def _response(self, record: ResponseRecord) -> None:
        entry = self._requests.pop(record.request, None)
        if entry is None:
            entry = self._add(record, kind="model", name=self._discards.pop(record.request, "?"), id=record.request)
        usage = record.usage
        read = usage.context_tokens - usage.output_tokens
        words = [f"{read:,} in, {usage.output_tokens:,} out", record.error, record.cut]
        entry.facts.update(
            ms=record.duration_ms or _between(entry.facts["timestamp"], record.timestamp),
            decision=record.stop_reason,
            detail="; ".join(filter(None, words)),
            usage=usage.model_dump(exclude_none=True),
        )

    def _discarded(self, record: Discarded) -> None:
        entry = self._requests.pop(record.request, None)
        if entry is not None:
            entry.facts.update(decision="discarded", detail=record.reason)
            self._discards[record.request] = entry.facts["name"]  # what it is asked again for is a row of its own

    # tools

    def _call(self, call: str, record: Record, name: str = "", given: Any = None) -> _Entry:
        entry = self._calls.get(call)
        if entry is None:
            asked_name, asked_input = self._asked_for.get(call, ("", None))
            detail = brief(plain(asked_input if given is None else given)) if asked_input or given else ""
            entry = self._add(record, kind="tool", name=name or asked_name or "?", id=call, detail=detail)
            self._calls[call] = entry
        return entry

    def _tool_started(self, record: ToolStarted) -> None:
        entry = self._call(record.call, record, record.name, record.input)
        entry.facts["name"] = record.name

    def _attempt(self, record: ToolAttempt) -> None:
        if record.input:  # a call that no model asked for: this is its end
            entry = self._call(record.call, record, record.name, record.input)
            self._calls.pop(record.call)
            entry.facts.update(name=record.name, by=record.origin, detail=brief(record.input))
            self._finish(entry, record.outcome, record.duration_ms or None, record.output)
            return
        entry = self._call(record.call, record, record.name)
        facts = {"kind": "attempt", "name": f"attempt {record.attempt}", "id": record.call}
        self._add(record, below=entry, **facts, ms=record.duration_ms, decision=record.outcome)

    def _finish(self, entry: _Entry, outcome: str, ms: float | None, output: str) -> None:
        entry.facts.update(ms=ms, decision=outcome)
        if outcome not in ("ok", "substituted"):
            entry.facts["detail"] = " -> ".join(filter(None, [entry.facts.get("detail", ""), brief(output)]))

    def _hook(self, record: HookRecord) -> None:
        steps = self._plans.steps(record, self._waiting.of(record))
        below = None
        if record.point in ("pre_tool", "resolve_ask", "post_tool"):
            below = self._call(record.subject, record)
        elif record.point == "model_call":
            below = self._requests.get(record.subject)
        elif record.point == "lifecycle":
            below = self._event
        called = sum(step.called for step in steps)
        self._add(
            record,
            below=below,
            kind="hook",
            name=record.point,
            id=record.subject,
            ms=sum(record.ns) / 1e6 if record.ns else None,
            decision=record.outcome,
            by=record.winner,
            detail=f"{called} asked" + (f", {len(record.skipped)} not matched" if record.skipped else ""),
            answers=tuple(step for step in steps if step.answered or step.declared),
        )

    def _ask(self, record: AskRecord) -> None:
        decision = "allowed" if record.allowed else "denied"
        detail = f"asked: {record.reason}" + (f"; answered: {record.answer}" if record.answer else "")
        below = self._call(record.call, record, record.name)
        self._add(
            record,
            below=below,
            kind="ask",
            name="question",
            id=record.call,
            decision=decision,
            by=record.by,
            detail=detail,
        )

    def _agent_started(self, record: AgentStarted) -> None:
        below = self._call(record.call, record) if record.call else None
        facts = {"kind": "agent", "name": record.kind, "id": record.session, "detail": record.session}
        self._agents[record.agent] = self._add(record, below=below, **facts)

    def _agent_ended(self, record: AgentEnded) -> None:
        entry = self._agents.pop(record.agent, None)
        if entry is None:
            entry = self._add(record, kind="agent", name="?", id=record.session)
        said = f"; {record.detail}" if record.detail else ""
        entry.facts.update(
            ms=record.duration_ms,
            decision=record.reason,
            detail=f"{record.session}: {record.steps} steps, {record.calls} calls{said}",
            usage=record.usage.model_dump(exclude_none=True),
        )

    def _spill(self, record: Spilled) -> None:
        below = self._call(record.call, record)
        detail = f"{record.characters:,} characters are in {record.path}"
        self._add(record, below=below, kind="spill", name="long output", id=record.call, detail=detail)

    # what is said

    def _user(self, record: UserLine) -> None:
        text = content_line(record.message)
        if record.tool is None:
            self._add(record, kind=record.kind, name=record.source, detail=text)
            return
        facts = record.tool
        entry = self._call(facts.id, record, facts.name)
        self._calls.pop(facts.id)
        entry.facts["name"] = facts.name
        self._finish(entry, facts.outcome, facts.duration_ms if facts.started else None, text)

    def _lifecycle(self, record: LifecycleRecord) -> None:
        self._event = self._add(record, kind="event", name=record.event)


def _plain_row(record: Record) -> dict[str, Any]:
    """Return the facts of a row for records that stand for themselves; empty for those without a row."""
    match record:
        case SessionStarted():
            where = record.project or record.cwd
            return {"kind": "session", "name": record.source, "id": record.sessionId, "detail": where}
        case SessionResumed():
            return {"kind": "session", "name": "resume", "detail": record.model}
        case ModelChanged():
            return {"kind": "session", "name": "model", "detail": record.model}
        case SessionEnded():
            return {"kind": "session", "name": "end", "decision": record.reason}
        case Forked():
            return {"kind": "session", "name": "fork", "detail": f"of {record.parent} at {record.parent_seq}"}
        case TurnStarted():
            return {"kind": "turn", "name": f"turn {record.turn}"}
        case TurnEnded():
            detail = f"{record.steps} steps" + (f"; {record.detail}" if record.detail else "")
            facts: dict[str, Any] = {
                "kind": "turn",
                "name": f"end of turn {record.turn}",
                "usage": record.usage.model_dump(exclude_none=True),
            }
            return {**facts, "ms": record.duration_ms, "decision": record.reason, "detail": detail}
        case PromptRefused():
            facts = {"kind": "prompt", "name": "", "decision": "block", "by": record.by}
            return {**facts, "detail": f"{brief(record.prompt)} -> {record.reason}"}
        case CompactionDone():
            detail = f"{record.trigger}: {record.tokens_before:,} to {record.tokens_after:,} tokens"
            return {"kind": "compaction", "name": record.strategy, "by": record.by, "detail": detail}
        case CompactionSkipped():
            facts = {"kind": "compaction", "name": record.trigger, "by": record.by}
            return {**facts, "decision": "skip", "detail": record.reason}
        case Quarantined():
            facts = {"kind": "quarantine", "name": record.plugin}
            return {**facts, "decision": "quarantined", "detail": f"{record.hook}: {record.reason}"}
        case EgressRecord():
            facts = {"kind": "egress", "name": record.surface, "by": record.by}
            return {**facts, "decision": record.action, "detail": record.reason}
        case Titled():
            return {"kind": "title", "name": "", "detail": record.title}
        case Notice():
            return {"kind": "notice", "name": record.plugin, "decision": record.level, "detail": record.text}
        case CwdRecord():
            return {"kind": "folder", "name": "", "detail": f"{record.old} -> {record.new}"}
        case WorkspaceRecord():
            return {"kind": "folder", "name": f"worktree {record.name}", "detail": record.folder}
        case Damaged():
            detail = f"{record.bytes} bytes" + (f", kept in {record.kept}" if record.kept else "")
            return {"kind": "damaged", "name": record.where, "detail": detail}
    return {}


def content_line(message: dict[str, Any]) -> str:
    """Return a message's blocks in a line."""
    content = message.get("content")
    return brief(content if isinstance(content, str) else " ".join(map(_block, _blocks(message))))


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind in ("text", "thinking"):
        return str(block.get(kind, ""))
    if kind == "tool_use":
        return f"{block.get('name')}({plain(block.get('input'))}) {block.get('id')}"
    if kind == "tool_result":
        return content_line({"content": block.get("content")})
    return f"[{kind}]"


def plain(value: Any) -> str:
    """Return a value for a person to read: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _between(start: str, end: str) -> float | None:
    try:
        passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    except ValueError:
        return None
    return passed.total_seconds() * 1e3
