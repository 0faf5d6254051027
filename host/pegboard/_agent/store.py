"""Where sessions lie: a folder per project, a journal per session."""

from __future__ import annotations

import gc
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from pegboard._agent.fold import Replay
from pegboard._agent.journal import Damage, Journal, read_lines, recover, timestamp
from pegboard._dataclass import dataclass
from pegboard._folders import make_private
from pegboard.errors import PegboardError, UnknownSessionError
from pegboard.records import Forked

AGENTS, AGENT = "subagents", "agent-"
"""The folder of sub-agents beside the journal of who started them, and how the names of their journals begin."""


def agents_below(path: Path) -> list[Path]:
    """Return the journals of the sub-agents of a session, and of theirs."""
    return sorted(path.with_suffix("").glob(f"**/{AGENTS}/{AGENT}*.jsonl"))


@dataclass(frozen=True)
class SessionInfo:
    """A session as a list shows it."""

    id: str
    path: Path
    project: str
    started: str
    changed: str
    prompt: str
    turns: int
    records: int
    end: str
    parent: str = ""
    title: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it with plain values."""
        return {
            name: str(getattr(self, name)) for name in ("id", "path", "project", "started", "changed", "prompt")
        } | {
            "turns": self.turns,
            "records": self.records,
            "end": self.end,
            "parent": self.parent,
            "title": self.title,
        }


class Store:
    """The sessions of a state folder."""

    def __init__(self, state_dir: Path) -> None:
        self.root = state_dir / "sessions"

    def folder_of(self, project: Path) -> Path:
        """Return the folder of a project's sessions: readable, and unique by a hash of the path."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", str(project)).strip("-")[-60:]
        return self.root / f"{slug}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}"

    def path_of(self, project: Path, session_id: str) -> Path:
        """Return where a session's journal lies."""
        return self.folder_of(project) / f"{session_id}.jsonl"

    def paths(self, project: Path | None = None) -> list[Path]:
        """Return all journals, newest first; of one project, or of all."""
        folder = self.folder_of(project) if project is not None else self.root
        found = folder.glob("*.jsonl") if project is not None else folder.glob("*/*.jsonl")
        return sorted(found, key=lambda path: (-path.stat().st_mtime_ns, path.name))

    def of_agents(self) -> list[Path]:
        """Return the journals of all sub-agents, which lie in the folders of the sessions that started them."""
        return sorted(self.root.glob(f"*/*/**/{AGENTS}/{AGENT}*.jsonl"))

    def newest(self, project: Path) -> Path:
        """Return the newest journal of a project. Raises UnknownSessionError."""
        found = self.paths(project)
        if not found:
            above = next((str(folder) for folder in project.parents if self.paths(folder)), "")
            raise UnknownSessionError("", above=above)
        return found[0]

    def find(self, wanted: str) -> Path:
        """Return the journal of a session by its id or the beginning of it. Raises UnknownSessionError."""
        paths = self.paths()
        exact = [path for path in paths if path.stem == wanted]
        close = exact or [path for path in paths if path.stem.startswith(wanted)]
        if not close:
            close = [
                path
                for path in self.of_agents()
                if path.stem.removeprefix(AGENT).startswith(wanted.removeprefix(AGENT))
            ]
        if len(close) == 1:
            return close[0]
        if len(close) > 1:
            some = ", ".join(path.stem for path in close[:4])
            raise PegboardError(f"{wanted!r} is the beginning of {len(close)} sessions: {some}. Give more of it.")
        raise UnknownSessionError(wanted, [path.stem for path in paths])

    def info(
        self,
        path: Path,
        passed: Callable[[Any], Any] = lambda raw: raw,
        as_title: Callable[[Any], Any] = lambda title: title,
    ) -> SessionInfo:
        """Read what a list shows of a session; *passed* and *as_title* say what may be shown of it."""
        started = changed = prompt = project = end = parent = title = ""
        turns = records = 0
        for _, _, _, raw in read_lines(path):
            if raw is None:
                continue
            records += 1
            changed = raw.get("timestamp", changed)
            kind = raw["type"]
            if kind == "session_start":
                started, project = raw.get("timestamp", ""), raw.get("project") or raw.get("cwd", "")
                parent = raw.get("parent", "")
            elif kind == "turn_start":
                turns, end = raw.get("turn", turns), "running"
            elif kind == "turn_end":
                end = raw.get("reason", "")
            elif kind == "title":
                title = raw["title"]
            elif kind == "user" and not prompt and raw.get("kind") == "prompt":
                prompt = _first_text(passed(raw))
        title = as_title(title) if title else ""
        return SessionInfo(path.stem, path, project, started, changed, prompt, turns, records, end, parent, title)

    def remove(self, path: Path) -> None:
        """Take a session away with all that lies beside it. Raises SessionLockedError while it is in use."""
        Journal(path).close()
        import shutil

        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        for beside in path.parent.glob(f"{path.name}.torn-*"):
            beside.unlink()
        path.unlink()

    def fork(self, path: Path, at: int | None = None) -> Path:
        """Copy a session up to record *at* (its `seq`; None for all) into a new one. Raises PegboardError."""
        if path.parent.name == AGENTS:
            raise PegboardError(f"{path.stem} is a sub-agent of {path.parent.parent.name}; fork that one")
        session_id = str(uuid.uuid4())
        target = path.with_name(f"{session_id}.jsonl")
        lines, last = _lines_until(path, at)
        first = _as_fork(next(lines), session_id, path.stem, last)
        make_private(target.parent)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(first)
            file.writelines(lines)
        journal = Journal(target, seq=last)
        journal.write(Forked(parent=path.stem, parent_seq=last))
        journal.close()
        return target


def _first_text(raw: dict[str, Any]) -> str:
    content = raw.get("message", {}).get("content")
    if isinstance(content, str):
        return content
    texts = [block.get("text", "") for block in content or () if isinstance(block, dict)]
    return " ".join(" ".join(texts).split())[:200]


def _lines_until(path: Path, at: int | None) -> tuple[Iterator[bytes], int]:
    kept: list[bytes] = []
    last = 0
    for _, _, line, raw in read_lines(path):
        if raw is None:
            continue
        seq = raw.get("seq", 0)
        if at is not None and seq > at:
            break
        kept.append(line)
        last = seq
    if not kept or (at is not None and at > last):  # whoever names a record wants that one, not another
        end = f", the last is {last}" if kept else ""
        raise PegboardError(
            f"there is no record {at} in {path.stem}{end}; `pegboard sessions show {path.stem}` has them all"
        )
    return iter(kept), last


def _as_fork(line: bytes, session_id: str, parent: str, at: int) -> bytes:
    from pydantic_core import from_json

    raw = from_json(line)
    made = timestamp(time.time_ns() // 1_000_000).decode()
    raw.update(sessionId=session_id, parent=parent, parent_seq=at, source="fork", timestamp=made, pid=os.getpid())
    return to_json(raw) + b"\n"


def open_journal(path: Path, *, fsync: str) -> tuple[Journal, Replay, Damage]:
    """Lock a journal, recover it and fold it. Raises SessionLockedError and JournalError."""
    journal = Journal(path, fsync=fsync)
    replay = Replay()
    collecting = gc.isenabled()
    gc.disable()  # a hundred thousand records make no garbage, and looking for some takes a quarter of the time
    try:
        damage = recover(path, replay.push)
    except BaseException:
        journal.close()
        raise
    finally:
        if collecting:
            gc.enable()
    journal.reopen_at_end(replay.seq)
    return journal, replay, damage
