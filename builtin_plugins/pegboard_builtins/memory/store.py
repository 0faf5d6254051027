"""All of a user's memory in this process: what the daemon serves, and what works where there is no daemon."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import Event, Forgotten, Hit, MemoryFailure, check
from pegboard_builtins.memory.housekeeping import Limits, drop, dropped, due, last_of
from pegboard_builtins.memory.project import Project
from pegboard_builtins.memory.projects import read_meta

MOST_OPEN = 8
"""So many projects are open at once; each keeps a few megabytes of its index in memory."""
IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


class Store:
    """Projects under one folder, opened when first asked for. Owns the folder's lock; one thread."""

    def __init__(self, root: Path, *, durability: str = "fsync") -> None:
        self.root = disk.private_folder(root)
        self.durability = durability
        self._open: dict[str, Project] = {}
        with disk.kept_or_told(root):
            self._lock = disk.lock(root / "lock")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def project(self, identity: str, *, make: bool = True) -> Project:
        """Return a project, open. Raises MemoryFailure for what is no identity, or is not there where it must be."""
        found = self._open.get(identity)
        if found is None:
            folder = self.folder_of(identity)
            if not make and not folder.is_dir():
                raise MemoryFailure(f"nothing is remembered of a project {identity!r}; see `pegboard memory projects`")
            while len(self._open) >= MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            found = self._open[identity] = Project(folder, identity, durability=self.durability)
        return found

    def check(self, identity: str) -> None:
        """Refuse what can be no project's identity. Raises MemoryFailure."""
        if identity not in self._open and not IDENTITY.fullmatch(identity):
            raise MemoryFailure(f"{identity!r} is no project's identity")

    def folder_of(self, identity: str) -> Path:
        """Return a project's folder, there or not."""
        self.check(identity)
        return self.root / "projects" / identity

    def projects(self) -> list[str]:
        """Return the identities of all projects, sorted."""
        return sorted(path.name for path in (self.root / "projects").glob("*") if IDENTITY.fullmatch(path.name))

    def open_projects(self) -> Iterator[Project]:
        """Go through those that are open."""
        yield from self._open.values()

    # --- Memory ----------------------------------------------------------------------------------------

    def put(self, events: Sequence[Event]) -> list[int]:
        """See Memory. All events of one project are kept together or not at all."""
        for event in events:
            check(event)
        numbers = [0] * len(events)
        by_project: dict[str, list[int]] = {}
        for position, event in enumerate(events):
            by_project.setdefault(event.project, []).append(position)
        for identity, positions in by_project.items():
            given = self.project(identity).put([events[position] for position in positions])
            for position, number in zip(positions, given, strict=True):
                numbers[position] = number
        return numbers

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
        """See Memory."""
        if not self.folder_of(project).is_dir():
            return []
        return self.project(project).search(
            query, limit=limit, neighbours=neighbours, worktree=worktree, origins=origins, kinds=kinds
        )

    def read(self, project: str, first: int = 1, last: int | None = None) -> list[Event]:
        """See Memory."""
        return self.project(project).read(first, last) if self.folder_of(project).is_dir() else []

    def forget(
        self, project: str, *, numbers: Iterable[int] = (), session: str = "", match: str = "", dry_run: bool = False
    ) -> Forgotten:
        """See Memory."""
        from pegboard_builtins.memory.forgetting import forget

        meant = self.project(project, make=False)
        return forget(meant, self.root / "spool", numbers=numbers, session=session, match=match, dry_run=dry_run)

    def facts_folder(self, project: str) -> Path:
        """See Memory."""
        return disk.private_folder(self.folder_of(project) / "facts")

    def status(self) -> dict[str, Any]:
        """See Memory."""
        projects = {identity: self._status_of(self.project(identity)) for identity in self.projects()}
        return {
            "root": str(self.root),
            "durability": self.durability,
            "pid": os.getpid(),
            "socket": "",
            "events": sum(one["events"] for one in projects.values()),
            "projects": projects,
        }

    def owns_its_folder(self) -> bool:
        """Whether the lock that is held still lies where others look for it: somebody may have deleted all of it."""
        try:
            return os.path.samestat(os.fstat(self._lock), os.stat(self.root / "lock"))
        except OSError:
            return False

    def hurry(self) -> None:
        """See Memory. There is nobody that this waits for."""

    # --- keeping house ---------------------------------------------------------------------------------

    def merge(self, project: str, worktree: str) -> int:
        """Give all of a project what a worktree remembered until now, and return how many events that are."""
        return self.project(project, make=False).merge(worktree)

    def verify(self, project: str = "") -> dict[str, Any]:
        """Read every byte of one project or of all, and say what is there and what is wrong."""
        from pegboard_builtins.memory.checking import checked

        wanted = [project] if project else self.projects()
        return {identity: checked(self.project(identity, make=False)) for identity in wanted}

    def gc(self, *, quota: int, retention_days: int, dry_run: bool = False) -> dict[str, Any]:
        """Drop whole segments that are too old or too much, and return which, by project.

        What a project's own settings allow counts for it; *quota* and *retention_days* where that is not known.
        """
        found = {}
        for identity in self.projects():
            limits = self.limits_of(identity) or Limits(quota, retention_days)
            gone = due(self.folder_of(identity), limits)
            if not gone:
                continue
            project = self.project(identity)
            found[identity] = {"last": last_of(project, gone), "segments": [asdict(one) for one in gone]}
            if not dry_run:
                deque(drop(project, gone), maxlen=0)
        return found

    def tidy(self) -> Iterator[None]:
        """Drop what the settings of each project do not let it keep, a little at a time; nothing of any other."""
        for identity in self.projects():
            limits = self.limits_of(identity)
            gone = due(self.folder_of(identity), limits) if limits is not None else ()
            if gone:
                yield from drop(self.project(identity), gone)

    def limits_of(self, identity: str) -> Limits | None:
        """Return what a project may keep, as the last who opened it was told by its settings; None if nobody was."""
        meta = read_meta(self.folder_of(identity))
        return Limits(meta.quota, meta.retention_days) if meta.quota and meta.retention_days else None

    def _status_of(self, project: Project) -> dict[str, Any]:
        return {
            "events": project.count(),
            "last": project.log.last,
            "waiting": project.waiting,
            "bytes": sum(project.log.path_of(first).stat().st_size for first in project.log.segments()),
            "damaged": len(project.log.damaged()),
            "repairs": list(project.log.repairs),
            "dropped": dropped(project.folder),
        }

    def close(self) -> None:
        """Index what is waiting, close all, and let go of the lock."""
        for project in self._open.values():
            project.close()
        self._open.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
