"""The flags of one session: resolved once, handed on to what it starts, and moved to the safe side by kill switches."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from pegboard import __version__
from pegboard._agent.chokepoints import Invoker
from pegboard._agent.journal import Journal
from pegboard._agent.shapes import HostServices
from pegboard._board.dispatch import Dispatcher
from pegboard._folders import make_private
from pegboard.errors import PegboardError
from pegboard.flags import (
    Flag,
    FlagDetails,
    FlagError,
    FlagLayer,
    FlagRequest,
    FlagSnapshot,
    FlagView,
)
from pegboard.records import FlagSnapshotRecord, Record

SNAPSHOT_VARIABLE = "PEGBOARD_FLAGS_SNAPSHOT"
FILE_VARIABLE = "PEGBOARD_FLAGS_FILE"
SAID_AGAIN = (FlagLayer.SESSION, FlagLayer.COMMAND_LINE, FlagLayer.MANAGED)
"""Layers that count even where a session's flags are known already: somebody said it for this very session."""


class FlagOwner(Protocol):
    """What the flags of a session take from the session."""

    session_id: str
    project: Path
    model_name: str
    dispatcher: Dispatcher
    invoker: Invoker

    def write(self, record: Record) -> None: ...
    def put(self, kind: type[Record], facts: dict[str, Any]) -> None: ...
    def notice(self, plugin: str, text: str, level: str) -> None: ...


class SessionFlags:
    """Chooses a session's snapshot and keeps what belongs to it.

    *recorded* is what the journal has of a session that is resumed, *given* the snapshot of the session above in
    another process; *above* that of the session whose sub-agent this is: those are its flags, whoever says what since.
    """

    def __init__(
        self,
        host: HostServices,
        session: FlagOwner,
        journal: Journal,
        *,
        recorded: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
        given: FlagSnapshot | None = None,
        above: FlagSnapshot | None = None,
    ) -> None:
        self._host = host
        self._session = session
        self._recorded_id = ""
        self._problems: list[str] = []
        self._environment: dict[str, str] | None = None
        declared = host.declared_flags()
        self.source = "resolved"
        if above is not None:
            snapshot, self.source = above, "inherited"
        else:
            snapshot = self._choose(declared, recorded, given) if declared else FlagSnapshot()
        told = journal.reads_of(snapshot)
        self.view = FlagView(snapshot, declared=declared, on_read=told, live=host.live_check())
        self.live = self.view.has_live

    def _choose(
        self,
        declared: Mapping[str, Flag],
        recorded: tuple[Mapping[str, Any], Mapping[str, Any]] | None,
        given: FlagSnapshot | None,
    ) -> FlagSnapshot:
        base = given
        if base is not None:
            self.source = "inherited"
        elif recorded is not None:
            base, self.source = FlagSnapshot.restore(*recorded), "resumed"
            self._recorded_id = base.id
        else:
            base = self._of_the_process_above()
        request = FlagRequest(
            declared,
            fresh=base is None,
            session_id=self._session.session_id,
            project=self._session.project,
            model=self._session.model_name,
            version=__version__,
        )
        resolution = self._host.resolve_flags(request)
        if resolution.problems:
            raise resolution.problems[0]
        return resolution.snapshot if base is None else self._kept(base, resolution.snapshot, declared)

    def _of_the_process_above(self) -> FlagSnapshot | None:
        wanted = self._host.environment.get(SNAPSHOT_VARIABLE)
        if not wanted:
            return None
        try:
            found = read_snapshot(self._host.state_dir, wanted)
        except PegboardError as error:
            self._problems.append(f"{SNAPSHOT_VARIABLE}: {error} The flags are resolved anew.")
            return None
        self.source = "inherited"
        return found

    def _kept(self, base: FlagSnapshot, fresh: FlagSnapshot, declared: Mapping[str, Flag]) -> FlagSnapshot:
        """Return *base* for the flags that are declared here, and *fresh* where that was said for this process."""
        kept: dict[str, FlagDetails] = {}
        for name, flag in declared.items():
            new, old = fresh.details[name], base.details.get(name)
            if old is None or new.layer in SAID_AGAIN:
                kept[name] = new
                continue
            try:
                flag.check(old.value)
                kept[name] = old
            except FlagError as wrong:  # it was declared otherwise when that session began
                kept[name] = new
                self._problems.append(f"the recorded value does not fit any more, so {new.value!r} counts: {wrong}")
        return FlagSnapshot(kept)

    def record(self) -> None:
        """Write the snapshot to the journal, unless that has it."""
        for problem in (*self._host.flag_problems, *self._problems):
            self._session.notice("", problem, "warning")
        snapshot = self.view.snapshot
        if snapshot.details and snapshot.id != self._recorded_id:
            source = "changed" if self._recorded_id else self.source
            facts = {"snapshot": snapshot.id, "values": snapshot.values, "facts": snapshot.facts, "source": source}
            self._session.put(FlagSnapshotRecord, facts)

    def heed(self, session: FlagOwner) -> None:
        """Take what kill switches did since the last call: hooks and tools behind them take part no longer."""
        if not self.view.look_at_live():
            return
        plan = self._host.plan(self.view)
        if plan is not session.dispatcher.plan:
            session.dispatcher.use(plan)
            session.write(plan.record(self.view.snapshot_id))
        session.invoker.switched_off = self._host.switched_off(self.view)
        session.notice("", f"switched off: {', '.join(self.view.gone_safe)}", "warning")

    def child_environment(self) -> dict[str, str]:
        """Return the variables for processes of this session; writes the snapshot's file when first asked."""
        if not self.view.snapshot.details:
            return {}
        if self._environment is None:
            snapshot = self.view.snapshot
            try:
                path = write_snapshot(self._host.state_dir, snapshot)
            except OSError as error:
                text = f"processes that this session starts cannot be given its flags: {error}"
                self._session.notice("", text, "warning")
                self._environment = {}
            else:
                self._environment = {SNAPSHOT_VARIABLE: snapshot.id, FILE_VARIABLE: str(path)}
        return self._environment


# --- files ---------------------------------------------------------------------------------------------


def snapshot_path(state_dir: Path, wanted: str) -> Path:
    """Return where a snapshot lies."""
    return state_dir / "flags" / "snapshots" / f"{wanted}.json"


def write_snapshot(state_dir: Path, snapshot: FlagSnapshot) -> Path:
    """Write a snapshot whole, unless it is there already, and return where. Raises OSError."""
    path = snapshot_path(state_dir, snapshot.id)
    if path.exists():
        return path
    make_private(path.parent)
    content = to_json({"id": snapshot.id, "values": snapshot.values, "facts": snapshot.facts}, indent=1)
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def read_snapshot(state_dir: Path, wanted: str) -> FlagSnapshot:
    """Return a snapshot by its id. Raises PegboardError for one that is not there, or is not what it was."""
    path = snapshot_path(state_dir, wanted)
    if not wanted.isalnum():
        raise PegboardError(f"{wanted!r} is no id of a snapshot.")
    try:
        raw = from_json(path.read_bytes())
        snapshot = FlagSnapshot.restore(raw["values"], raw["facts"])
    except OSError as error:
        raise PegboardError(f"the snapshot {path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PegboardError(f"the snapshot {path} is damaged.") from None
    if snapshot.id != wanted:
        raise PegboardError(f"the snapshot {path} was changed: its content is {snapshot.id}.")
    return snapshot
