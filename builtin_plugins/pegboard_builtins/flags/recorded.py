"""What journals tell of flags: which session ran with which, and whether it mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Any

from pegboard.context import Gate, HostView
from pegboard.errors import PegboardError
from pegboard.flags import FlagSnapshot, UnknownFlagError
from pegboard.records import FlagReads, FlagSnapshotRecord, HookRecord, PlanRecord, ShadowRecord, ToolStarted
from pegboard.typed import dataclass


@dataclass(slots=True)
class Ran:
    """A session's flags as its journal has them."""

    session: str
    snapshots: list[tuple[FlagSnapshotRecord, FlagSnapshot]] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    hooks: set[tuple[str, str]] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)
    shadows: Counter[str] = field(default_factory=Counter)

    @property
    def last(self) -> FlagSnapshot:
        """The snapshot at the end."""
        return self.snapshots[-1][1] if self.snapshots else FlagSnapshot()


def read_session(host: HostView, path: Path) -> Ran:
    """Read a journal."""
    ran = Ran(path.stem)
    plans: dict[str, PlanRecord] = {}
    for record in host.records(path):
        if isinstance(record, FlagSnapshotRecord):
            ran.snapshots.append((record, FlagSnapshot.restore(record.values, record.facts)))
        elif isinstance(record, FlagReads):
            ran.reads.update(record.reads.keys())
        elif isinstance(record, PlanRecord):
            plans[record.plan] = record
        elif isinstance(record, HookRecord) and record.plan in plans:
            names = plans[record.plan].hooks.get(record.point, ())
            ran.hooks |= {(record.point, name) for place, name in enumerate(names) if place not in record.skipped}
        elif isinstance(record, ToolStarted):
            ran.tools.add(record.name)
        elif isinstance(record, ShadowRecord):
            ran.shadows[record.flag] += 1
    return ran


def sessions(host: HostView, session: str = "", *, everywhere: bool = False) -> Iterator[Path]:
    """Go through the journals that are meant, newest first."""
    if session:
        yield host.find_session(session)
    else:
        yield from host.sessions(everywhere=everywhere)


def snapshots(host: HostView) -> list[dict[str, Any]]:
    """Return the snapshots of this folder's sessions."""
    return [
        {
            "snapshot": record.snapshot,
            "session": path.stem,
            "time": record.timestamp,
            "source": record.source,
            "flags": len(record.values),
        }
        for path in host.sessions()
        for record, _ in read_session(host, path).snapshots
    ]


def snapshot_of(host: HostView, wanted: str) -> FlagSnapshot:
    """Return a snapshot by its own id, by a session's id, or the one that a session would get now."""
    if wanted == "now":
        found = host.resolve_flags()
        if found.problems:
            raise found.problems[0]
        return found.snapshot
    for path in host.sessions(everywhere=True):
        ran = read_session(host, path)
        if path.stem.startswith(wanted) and ran.snapshots:
            return ran.last
        for record, snapshot in ran.snapshots:
            if record.snapshot == wanted:
                return snapshot
    try:
        return host.snapshot(wanted)
    except PegboardError:
        raise PegboardError(f"there is no snapshot {wanted!r}; `pegboard flags snapshot list` shows them") from None


def differences(left: FlagSnapshot, right: FlagSnapshot) -> list[dict[str, Any]]:
    """Return the flags whose value differs, sorted; one that is on one side alone too."""
    found = []
    for name in sorted({*left.details, *right.details}):
        a, b = left.details.get(name), right.details.get(name)
        if a is None or b is None:
            why = f"only in the {'second' if a is None else 'first'}"
        elif a.value == b.value:
            continue
        else:
            why = f"{a.layer} / {b.layer}"
        values = {"left": a.value if a is not None else None, "right": b.value if b is not None else None}
        found.append({"name": name, **values, "why": why})
    return found


def audited(host: HostView, name: str, session: str, *, everywhere: bool) -> list[dict[str, Any]]:
    """Return a row per session and flag. Raises UnknownFlagError for one that no declaration and no journal has."""
    gates = list(host.gates())
    flags = host.flags()
    found = []
    known = set(flags)
    for path in sessions(host, session, everywhere=everywhere):
        ran = read_session(host, path)
        known |= set(ran.last.details)
        for one in ran.last.details.values():
            changed = one.name not in flags or one.value != flags[one.name].default
            if one.name == name or (not name and (changed or one.name in ran.reads)):
                gated = [gate for gate in gates if gate.flag == one.name]
                found.append(
                    {
                        "session": path.stem,
                        "snapshot": ran.last.id,
                        "flag": one.name,
                        "value": one.value,
                        "layer": str(one.layer),
                        "variant": one.variant,
                        "rule": one.rule,
                        "reads": ran.reads[one.name],
                        "mattered": mattered(ran, one.name, gated),
                    }
                )
    if name and name not in known:
        raise UnknownFlagError(name, known)
    return found


def mattered(ran: Ran, name: str, gates: list[Gate]) -> str:
    """Return in words whether a flag can have changed anything in a session; empty if it cannot."""
    words = []
    if ran.reads[name]:
        words.append("code read it")
    if ran.shadows[name]:
        words.append(f"held {ran.shadows[name]} answers back")
    value = ran.last.details[name].value
    for gate in gates:
        if gate.kind == "hook" and (gate.name, gate.plugin) in ran.hooks:
            words.append(f"let {gate.plugin}.{gate.name} take part")
        elif gate.kind == "tool" and gate.name in ran.tools:
            words.append(f"let {gate.name} run")
        elif gate.kind == "plugin" and any(plugin == gate.plugin for _, plugin in ran.hooks):
            words.append(f"let {gate.plugin} take part")
        elif gate.kind in ("hook", "tool", "plugin") and value in (False, "off"):
            words.append(f"kept {gate.kind} {gate.name} out")
        elif gate.kind in ("section", "setting"):
            words.append(f"decided about the {gate.kind} {gate.name}")
    return "; ".join(words)
