"""One event as one line: JSON, a tab, the CRC-32 of the JSON in eight hex digits, a newline.

JSON escapes tabs and newlines, so a raw one is never inside an event: after damage a reader finds the next line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from pegboard_builtins.memory.events import Event

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_END = re.compile(rb"\t([0-9a-f]{8})")
_START = b'{"n":'
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a log that are no event, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event's line lies: in the segment that begins with number *segment*."""

    segment: int
    offset: int
    length: int


def encode(event: Event, *, with_project: bool = False, number: int = 0) -> bytes:
    """Return the event's line, newline included, under another *number* if one is given.

    Raises TypeError or ValueError where `meta` is no JSON.
    """
    facts = facts_of(event, with_project=with_project)
    if number:
        facts["n"] = number
    return seal(_ENCODE(facts))


def facts_of(event: Event, *, with_project: bool = False) -> dict[str, Any]:
    """Return what a line says of an event, in its order; what is empty is left out."""
    facts: dict[str, Any] = {"n": event.number, "k": event.key, "t": _moment(event.at), "kind": event.kind}
    if with_project:
        facts["project"] = event.project
    if event.origin:
        facts["origin"] = event.origin
    if event.session:
        facts["session"] = event.session
    if event.worktree:
        facts["worktree"] = event.worktree
    if event.record:
        facts["record"] = event.record
    if event.meta:
        facts["meta"] = dict(event.meta)
    facts["text"] = event.text
    return facts


def seal(text: str) -> bytes:
    """Return a JSON text as a line with its CRC."""
    try:
        body = text.encode()
    except UnicodeEncodeError:  # half a character, from bytes that were no UTF-8: nobody could read it back
        body = _SURROGATES.sub("\ufffd", text).encode()
    return b"%b\t%08x\n" % (body, crc32(body))


def unseal(line: bytes) -> Any:
    """Return what a sealed line holds (with or without its newline). Raises ValueError with the reason."""
    line = line.removesuffix(b"\n")
    body, tab, check = line.rpartition(b"\t")
    if not tab or len(check) != 8:
        raise ValueError("it has no check sum")
    if b"%08x" % crc32(body) != check:
        raise ValueError("its check sum is another")
    return json.loads(body)


def decode(line: bytes, project: str = "") -> Event:
    """Return the event of one line. Raises ValueError with the reason."""
    return event_of(unseal(line), project)


def event_of(facts: dict[str, Any], project: str = "") -> Event:
    """Return the event that these facts of a line, or of a message, tell of. Raises ValueError."""
    try:
        return Event(
            project=facts.get("project", project),
            text=facts["text"],
            kind=facts["kind"],
            origin=facts.get("origin", ""),
            key=facts["k"],
            session=facts.get("session", ""),
            record=facts.get("record", ""),
            worktree=facts.get("worktree", ""),
            at=datetime.fromisoformat(facts["t"]).timestamp(),
            meta=facts.get("meta", {}),
            number=facts["n"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no event: {error!r}") from None


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(data: bytes, project: str = "", *, base: int = 0) -> Iterator[tuple[int, int, Event | Damage]]:
    """Go through complete lines: offset, length (with the newline), and the event or the damage.

    Bytes after the last newline are not looked at: see `torn`. *base* is the offset of *data* in its file.
    """
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        line = data[start:end]
        try:
            yield base + start, end + 1 - start, decode(line, project)
        except ValueError as error:
            for offset, length, found in _salvage(line, project, str(error)):
                yield base + start + offset, length, found
        start = end + 1


def _salvage(line: bytes, project: str, reason: str) -> Iterator[tuple[int, int, Event | Damage]]:
    """Find whole events in a line that is damaged: where a newline was hit, two lines stand in one."""
    done = 0
    for found in _END.finditer(line):
        start = line.find(_START, done)
        while 0 <= start < found.start():
            try:
                event = decode(line[start : found.end()], project)
            except ValueError:
                start = line.find(_START, start + 1)
                continue
            if start > done:
                yield done, start - done, Damage(reason)
            length = min(found.end() + 1, len(line) + 1) - start  # the byte after it was its newline
            yield start, length, event
            done = start + length
            break
    if done <= len(line):
        yield done, len(line) + 1 - done, Damage(reason)


def torn(data: bytes) -> int:
    """Return where the last, incomplete line begins; the length of *data* where there is none."""
    return data.rfind(b"\n") + 1


def whole_but_for_its_newline(tail: bytes) -> bytes | None:
    """Return the line that a torn tail is, where only its newline is missing or wrong; else None."""
    for candidate in (tail, tail[:-1]):
        try:
            decode(candidate)
        except ValueError:
            continue
        return candidate + b"\n"
    return None
