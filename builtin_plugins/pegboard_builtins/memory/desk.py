"""What the daemon answers to each request: one function per operation, found by name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from pegboard.errors import did_you_mean
from pegboard_builtins.memory import protocol
from pegboard_builtins.memory.events import Event, MemoryFailure, check
from pegboard_builtins.memory.spool import Spool
from pegboard_builtins.memory.store import Store

Asker = TypeVar("Asker")
Request = dict[str, Any]


class Desk:
    """Between the wire and the store. *about* has facts for `status`; *end* is called to drain."""

    def __init__(
        self, store: Store, spool: Spool, about: Callable[[], dict[str, Any]], end: Callable[[str], None]
    ) -> None:
        self._store = store
        self._spool = spool
        self._about = about
        self._end = end
        self._answers: dict[str, Callable[[Request], Any]] = {
            "hello": self._hello,
            "search": self._search,
            "read": self._read,
            "forget": self._forget,
            "status": self._status,
            "reindex": lambda request: self._store.project(request["project"], make=False).reindex(),
            "verify": lambda request: self._store.verify(request.get("project", "")),
            "gc": lambda request: self._store.gc(
                quota=request["quota"], retention_days=request["retention_days"], dry_run=request.get("dry_run", False)
            ),
            "merge": lambda request: self._store.merge(request["project"], request["worktree"]),
            "shared": lambda request: self._store.project(request["project"]).shared(),
            "import": lambda request: self._spool.import_into(self._store),
            "drain": self._drain,
        }

    def answer(self, operation: str, request: Request) -> Any:
        """Return what is asked for, as JSON. Raises MemoryFailure."""
        found = self._answers.get(operation)
        if found is None:
            raise MemoryFailure(
                f"there is no operation {operation!r}.{did_you_mean(operation, [*self._answers, 'put'])}"
            )
        try:
            return found(request)
        except KeyError as error:
            raise MemoryFailure(f"{operation} lacks {error.args[0]!r}") from None

    # --- puts ------------------------------------------------------------------------------------------

    def unpack(self, facts: Sequence[dict[str, Any]]) -> list[Event]:
        """Return events that were sent, if all of them can be kept. Raises UnfitEventError."""
        events = protocol.events_of(facts)
        for event in events:
            check(event)
            self._store.check(event.project)
        return events

    def keep(
        self, group: Sequence[tuple[Asker, Any, list[Event]]]
    ) -> Iterator[tuple[Asker, Any, list[int] | Exception]]:
        """Keep a group, project by project, and say for each asker which numbers its events have, or what failed."""
        everything = [event for _, _, events in group for event in events]
        numbers: list[int | Exception] = [0] * len(everything)
        by_project: dict[str, list[int]] = {}
        for position, event in enumerate(everything):
            by_project.setdefault(event.project, []).append(position)
        for identity, positions in by_project.items():
            try:
                given: Sequence[int | Exception] = self._store.project(identity).put([everything[p] for p in positions])
            except Exception as error:
                given = [error] * len(positions)
            for position, number in zip(positions, given, strict=True):
                numbers[position] = number
        start = 0
        for asker, identity, events in group:
            mine = numbers[start : start + len(events)]
            start += len(events)
            failed = next((one for one in mine if isinstance(one, Exception)), None)
            yield asker, identity, failed or [one for one in mine if isinstance(one, int)]

    # --- the others ------------------------------------------------------------------------------------

    def _hello(self, request: Request) -> Any:
        return {"build": self._about()["build"], "pid": os.getpid(), "protocol": protocol.PROTOCOL}

    def _search(self, request: Request) -> Any:
        self._take_in()
        hits = self._store.search(
            request["project"],
            request["query"],
            limit=request.get("limit", 20),
            neighbours=request.get("neighbours", 1),
            worktree=request.get("worktree", ""),
            origins=request.get("origins", ()),
            kinds=request.get("kinds", ()),
        )
        return [protocol.hit_facts(hit) for hit in hits]

    def _read(self, request: Request) -> Any:
        self._take_in()
        events = self._store.read(request["project"], request.get("first", 1), request.get("last"))
        return protocol.facts_of_all(events)

    def _take_in(self) -> None:
        """Take in what was acknowledged but had to wait in the spool: it may be what is asked for."""
        if self._spool.waits():
            self._spool.import_into(self._store)

    def _forget(self, request: Request) -> Any:
        self._take_in()
        done = self._store.forget(
            request["project"],
            numbers=request.get("numbers", ()),
            session=request.get("session", ""),
            match=request.get("match", ""),
            dry_run=request.get("dry_run", False),
        )
        return asdict(done)

    def _status(self, request: Request) -> Any:
        about = self._about()
        told = {**self._store.status(), **about, "spooled": len(self._spool.files())}
        return {**told, "uptime": round(time.time() - about["started"], 3)}

    def _drain(self, request: Request) -> Any:
        self._end("asked to drain")
        return {"pid": os.getpid()}
