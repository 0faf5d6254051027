"""What is remembered and what a search finds, and the Memory protocol that the daemon's client and the store share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from pegboard.errors import PegboardError

MAX_TEXT = 1_000_000
"""Characters of one event; what captures is meant to cut far below."""

FORGOTTEN = "forgotten"
"""The kind of the event that stands for events that were forgotten: their numbers and key hashes, no text."""

MERGED = "merged"
"""The kind of the event after which what a worktree remembered until then belongs to the whole project."""


@dataclass(frozen=True, slots=True)
class Event:
    """One observation.

    `key` makes a retry harmless: of two events with one key in one project only the first is kept; an event without
    one is given a random one. `number` is 0 until the log gives one: from 1, in order, never used twice. `project`
    says whose log it goes to, `worktree` is empty for what all of a project's worktrees share. `record` names the
    line of the journal that it came from; `origin` is user, assistant, repository, tool or web; `at` is in seconds
    since 1970, 0 for now.
    """

    project: str
    text: str
    kind: str = "note"
    origin: str = "user"
    key: str = ""
    session: str = ""
    record: str = ""
    worktree: str = ""
    at: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0


def numbered(event: Event, number: int) -> Event:
    """Return an event under its number. (`dataclasses.replace` takes ten times as long, and every put waits for it.)"""
    return Event(
        event.project,
        event.text,
        event.kind,
        event.origin,
        event.key,
        event.session,
        event.record,
        event.worktree,
        event.at,
        event.meta,
        number,
    )


def keyed(events: Iterable[Event]) -> list[Event]:
    """Return events each of which has a key and a time: a random one, and now, where they had none."""
    now = time.time()
    return [
        event
        if event.key and event.at and event.at == round(event.at, 3)
        else replace(event, key=event.key or secrets.token_hex(8), at=round(event.at or now, 3))
        for event in events
    ]


@dataclass(frozen=True, slots=True)
class Hit:
    """An event that a search found; `neighbours` are those around it in its session, in order."""

    event: Event
    score: float
    neighbours: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What `forget` did: which events are gone, and in how many files and bytes their texts were looked for since.

    `left` are the files that still have something of them: what a person wrote about the same, in a fact.
    """

    numbers: tuple[int, ...]
    files: int = 0
    searched_bytes: int = 0
    found_bytes: int = 0
    purged: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Memory(Protocol):
    """Where events are kept. Every method blocks: not for an event loop. All raise MemoryFailure.

    The store (in this process) and the client (of the daemon) are both one.
    """

    def put(self, events: Sequence[Event]) -> list[int]:
        """Keep events. When this returns they survive a crash of the system.

        Returns their numbers, in order; 0 for one that had to wait in the spool, where it survives just as well.
        """
        ...

    def search(
        self,
        project: str,
        query: str,
        *,
        limit: int = 20,
        neighbours: int = 1,
        worktree: str = "",
        origins: Sequence[str] = (),
        kinds: Sequence[str] = (),
    ) -> list[Hit]:
        """Return what fits *query* best, best first, among all events that were acknowledged.

        Events of a worktree are found only with its name; *origins* and *kinds* leave out all others, among the
        neighbours too.
        """
        ...

    def read(self, project: str, first: int = 1, last: int | None = None) -> list[Event]:
        """Return the events with these numbers, in order; those that are forgotten or damaged are not among them."""
        ...

    def forget(
        self, project: str, *, numbers: Iterable[int] = (), session: str = "", match: str = "", dry_run: bool = False
    ) -> Forgotten:
        """Take events out of every file: those with these numbers, of a session, or whose text has *match* in it."""
        ...

    def facts_folder(self, project: str) -> Path:
        """Return the folder of a project's facts; it is there."""
        ...

    def status(self) -> dict[str, Any]:
        """Return plain facts: `events` in all, `projects` by id, what is damaged, where it all lies."""
        ...

    def hurry(self) -> None:
        """Wait for nobody from now on: it is the end of a session. Any thread may say so, also during a put."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class MemoryFailure(PegboardError):
    """Something about memory did not work; nothing that was acknowledged is lost by it."""


class NotKeptError(MemoryFailure):
    """Events could not be made durable, so they were not acknowledged: the disk is full, or may not be written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path}: nothing was kept: {reason}. What was kept before is still there; make room or mend the rights, "
            "then try again"
        )


class StoreBusyError(MemoryFailure):
    """Another process owns the store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        super().__init__(
            f"{root}: another process owns this memory (the daemon, most likely); `pegboard memory status` tells which"
        )


class UnfitEventError(MemoryFailure):
    """An event cannot be kept as it is, now or later."""


def check(event: Event) -> None:
    """Refuse what could never be kept. Raises UnfitEventError."""
    if not isinstance(event.text, str) or not event.text:
        raise UnfitEventError("an event without a text says nothing")
    if len(event.text) > MAX_TEXT:
        raise UnfitEventError(
            f"a text of {len(event.text):,} characters is too long for one event; {MAX_TEXT:,} may be"
        )
    if event.kind in (FORGOTTEN, MERGED):
        raise UnfitEventError(f"the kind {event.kind!r} is the log's own")
