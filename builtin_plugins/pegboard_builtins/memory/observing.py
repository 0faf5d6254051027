"""What of a journal is remembered: records go in one by one, and drafts of events come out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from pegboard.messages import Message, TextBlock, ToolResultBlock
from pegboard.records import AssistantLine, Record, StateRecord, TurnEnded, UserLine
from pegboard.typed import dataclass
from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.fence import without_recalled
from pegboard_builtins.memory.names import BLOCK, PLUGIN, TOOL
from pegboard_builtins.memory.origins import Heard, joined, least

if TYPE_CHECKING:
    from pegboard_builtins.memory.secrets import Secrets

OWN = frozenset({"tool", "memory"})
"""Labels that every result of our tool has."""
PROMPTS = frozenset({"prompt", "steer"})
BEFOREHAND = 4
"""So many times the allowed bytes are looked through for secrets before a text is cut."""
_LINE = re.compile(r"^- \[[^\]\n]*\] (.+)$", re.MULTILINE)
_ID = re.compile(r"^- \[([^\],\n]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before anything was masked.

    `heard` is set for the model's own words: it knows what they repeat; `read` says what it had read by then.
    """

    kind: str
    text: str
    labels: tuple[str, ...]
    seq: int
    at: float
    meta: dict[str, Any] = field(default_factory=dict)
    heard: Heard | None = None
    read: frozenset[str] = frozenset()
    recalled: tuple[str, ...] = ()


class Observer:
    """Follows the records of one session."""

    def __init__(self, kinds: Collection[str] = ("prompt", "outcome", "note"), *, strict: bool = False) -> None:
        self._kinds = frozenset(kinds)
        self.heard = Heard(strict=strict)
        self.recalled: list[str] = []
        """Texts that were recalled into this session."""
        self.shown: list[str] = []
        """The ids under which they stood."""
        self._heard: set[str] = set()
        self._said: list[str] = []
        self._said_at = 0
        self.last = 0
        """The number of the last record that was looked at."""

    def take(self, record: Record) -> Draft | None:
        """Look at a record; return what is to be remembered of it, if anything."""
        self.last = max(self.last, record.seq)
        if isinstance(record, UserLine):
            return self._user(record)
        if isinstance(record, AssistantLine):
            self._assistant(record)
        elif isinstance(record, TurnEnded):
            return self._outcome(record)
        elif isinstance(record, StateRecord) and record.plugin == PLUGIN and record.key == BLOCK:
            said = from_json(record.value_json) if record.value_json else {}
            self._was_shown(str(said.get("text", "")))
        return None

    def _was_shown(self, text: str) -> None:
        self.recalled += lines_of(text)
        self.shown += _ID.findall(text)

    def _user(self, record: UserLine) -> Draft | None:
        if record.kind in PROMPTS:
            self._said.clear()
            text = "\n".join(text for text, labels in _texts(record) if "user" in labels)
            if "prompt" in self._kinds and text.strip():
                recalled = tuple(self.recalled)
                return Draft("prompt", text, ("user",), record.seq, _time(record), recalled=recalled)
        elif record.kind == "context" and record.source == PLUGIN:
            for text, _ in _texts(record):
                self._was_shown(text)
        elif record.tool is not None:
            return self._result(record, record.tool.id, record.tool.name)
        return None

    def _result(self, record: UserLine, call: str, tool: str) -> Draft | None:
        text = "\n".join(text for text, _ in _texts(record))
        said = {label for labels in record.origins for label in labels} or {"tool"}
        self._hear(call, text, said, of_memory=tool == TOOL)
        if "tool" in self._kinds and text.strip() and tool != TOOL:
            return Draft("tool", text, joined(said), record.seq, _time(record), {"tool": tool})
        return None

    def _hear(self, call: str, text: str, labels: Collection[str], *, of_memory: bool) -> None:
        """Take note of a result, once. What our own tool quotes of others does not become the model's by that."""
        if call in self._heard:
            return
        self._heard.add(call)
        if of_memory:
            self.recalled += lines_of(text)
            labels = set(labels) - OWN
        if labels:
            self.heard.hear(text, joined(labels))

    def hear_messages(self, messages: Sequence[Message]) -> Heard:
        """Take note of results that are in the conversation and whose records have not come by yet."""
        for message in reversed(messages):
            for block in message.content:
                if isinstance(block, ToolResultBlock) and block.tool_use_id in self._heard:
                    return self.heard
                if isinstance(block, ToolResultBlock):
                    labels = set(map(str, block.origins)) or {"tool"}
                    self._hear(block.tool_use_id, _plain(block), labels, of_memory="memory" in labels)
        return self.heard

    def _assistant(self, record: AssistantLine) -> None:
        for block in _blocks(record.message):
            if block.get("type") == "tool_use":
                self._said.clear()
            elif block.get("type") == "text" and block.get("text"):
                if not self._said:
                    self._said_at = record.seq
                self._said.append(block["text"])

    def _outcome(self, record: TurnEnded) -> Draft | None:
        text, self._said = "".join(self._said), []
        if "outcome" not in self._kinds or not text.strip():
            return None
        meta = {} if record.reason == "completed" else {"ended": record.reason}
        told, recalled = self.heard, tuple(self.recalled)
        at = _time(record)
        return Draft("outcome", text, ("assistant",), self._said_at, at, meta, told, told.read, recalled)


def _plain(block: ToolResultBlock) -> str:
    if isinstance(block.content, str):
        return block.content
    return "\n".join(part.text for part in block.content if isinstance(part, TextBlock))


def lines_of(text: str) -> list[str]:
    """Return the texts of a block of recalled memory."""
    return _LINE.findall(text)


def _blocks(message: dict[str, Any]) -> Sequence[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _texts(record: UserLine) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Go through the texts of a line with their labels, those inside results too."""
    for place, block in enumerate(_blocks(record.message)):
        labels = record.origins[place] if place < len(record.origins) else ()
        if block.get("type") == "text":
            yield str(block.get("text", "")), labels
        elif block.get("type") == "tool_result":
            for inner in _blocks(block):
                if inner.get("type") == "text":
                    yield str(inner.get("text", "")), labels


def _time(record: Record) -> float:
    try:
        return datetime.fromisoformat(record.timestamp.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Whose memory it is: a project, a worktree of it where that keeps its own, and a session."""

    project: str
    worktree: str = ""
    session: str = ""


def event_of(draft: Draft, place: Place, secrets: Secrets | None, *, max_bytes: int) -> Event | None:
    """Return the event of a draft, its secrets masked; None if nothing is left to be remembered. May take a while."""
    text = cut(draft.text, max_bytes * BEFOREHAND)
    if draft.kind in ("prompt", "outcome"):
        text = without_recalled(text, draft.recalled if draft.kind == "outcome" else ())
    if not text.strip():
        return None
    labels = draft.labels if draft.heard is None else joined(draft.labels, draft.heard.labels_of(text, draft.read))
    event = Event(
        project=place.project,
        text=text,
        kind=draft.kind,
        origin=least(labels),
        key=f"{place.session}:{draft.seq}:{draft.kind}",
        session=place.session,
        record=f"{place.session}:{draft.seq}",
        worktree=place.worktree,
        at=draft.at,
        meta={**draft.meta, **({"labels": list(labels)} if len(labels) > 1 else {})},
    )
    return masked(event, secrets)


def masked(event: Event, secrets: Secrets | None) -> Event:
    """Return an event without secrets in its text and beside it; `redacted` beside it says what they were."""
    if secrets is None:
        return event
    text, found = secrets.masked(event.text)
    meta, more = secrets.masked_value(dict(event.meta))
    names = sorted({*found, *more})
    return replace(event, text=text, meta={**meta, "redacted": names}) if names else event


def cut(text: str, max_bytes: int) -> str:
    """Return the beginning of a text, in whole words, so that half a secret is never left."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= max_bytes:
        return text
    kept = raw[:max_bytes].decode("utf-8", "ignore")
    words = kept.rsplit(None, 1)
    return (words[0] if len(words) > 1 else kept[: max_bytes // 2]) + " …"
