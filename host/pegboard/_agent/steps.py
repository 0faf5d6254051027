"""What each implementation of a hook did in one dispatch, out of the journal's rows, durations and plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pegboard._agent.declared import DeclaredStep, steps_of
from pegboard._dataclass import dataclass
from pegboard.hookspecs import POLICIES, Mode
from pegboard.records import (
    DeclaredHooks,
    HookRecord,
    HookRow,
    PlanRecord,
    PluginStamp,
    Quarantined,
    Record,
    SessionResumed,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One implementation in one dispatch. `called` is False if its matcher left it out; `ms` is None if unknown.

    `before` and `after` are the input hashes that it saw and left. `removable` says whether the verdict would be the
    same without it, and `without` which verdict that would be; None and "" where that does not apply. `declared` are
    the hooks of settings files that it fired. `rewrote` are the fields of the input that it changed, `over` the plugins
    before it that had changed one of these.
    """

    plugin: str
    distribution: str = ""
    version: str = ""
    called: bool = True
    answered: bool = False
    verdict: str = ""
    reason: str = ""
    effect: str = ""
    error: str = ""
    before: str = ""
    after: str = ""
    ms: float | None = None
    removable: bool | None = None
    without: str = ""
    declared: tuple[DeclaredStep, ...] = ()
    rewrote: tuple[str, ...] = ()
    over: tuple[str, ...] = ()


class Plans:
    """What hook records refer to: the plans so far, and who is quarantined."""

    def __init__(self) -> None:
        self._plans: dict[str, PlanRecord] = {}
        self._stamps: dict[str, PluginStamp] = {}
        self._quarantined: set[str] = set()

    def take(self, record: Record) -> None:
        """Take note of a record, of whatever type."""
        if isinstance(record, PlanRecord):
            self._plans[record.plan] = record
            self._stamps = {stamp.name: stamp for stamp in record.plugins}
        elif isinstance(record, Quarantined):
            self._quarantined.add(record.plugin)
        elif isinstance(record, SessionResumed):
            self._quarantined.clear()

    def steps(self, record: HookRecord, declared: Sequence[DeclaredHooks] = ()) -> tuple[Step, ...]:
        """Return every implementation of a dispatch in order, also those that said nothing.

        *declared* are the declared hooks that were fired in it; each stands below its plugin.
        """
        plan = self._plans.get(record.plan)
        names = plan.hooks.get(record.point, ()) if plan else ()
        rows = {row.i: row for row in record.rows}
        ns = self._durations(record, names, rows)
        taken = sorted(rows.keys() | ns.keys() | set(record.skipped))
        steps = []
        seen = record.before
        for index in taken:
            row = rows.get(index) or HookRow(i=index, plugin=names[index] if index < len(names) else "?")
            left = row.after or seen
            stamp = self._stamps.get(row.plugin)
            steps.append(
                Step(
                    plugin=row.plugin,
                    distribution=stamp.distribution if stamp else "",
                    version=stamp.version if stamp else "",
                    called=index not in record.skipped,
                    answered=index in rows,
                    verdict=row.verdict,
                    reason=row.reason,
                    effect=row.effect,
                    error=row.error,
                    before=row.before or seen,
                    after=left,
                    ms=ns[index] / 1e6 if index in ns else None,
                )
            )
            seen = left
        for fired in declared:
            steps = _with_declared(steps, fired)
        return tuple(steps)

    def _durations(self, record: HookRecord, names: tuple[str, ...], rows: dict[int, HookRow]) -> dict[int, int]:
        """Say which implementation each entry of `ns` belongs to; nothing if they do not fit together."""
        ns = record.ns
        out = {i for i, name in enumerate(names) if name in self._quarantined and i not in rows}
        for left_out in (out, set()):
            called = [i for i in range(len(names)) if i not in left_out and i not in record.skipped]
            if record.point in POLICIES and POLICIES[record.point].mode is Mode.FIRST:
                # Asked one after another until one has answered; a nested default begins later than the first.
                won = [place for place, i in enumerate(called) if i in rows and rows[i].effect == "won"]
                end = won[0] + 1 if won else len(called)
                called = called[max(0, end - len(ns)) : end]
            if len(called) == len(ns):
                return dict(zip(called, ns, strict=True))
        return {}


def _with_declared(steps: list[Step], fired: DeclaredHooks) -> list[Step]:
    """Put declared hooks below their plugin, which has a step of its own if the dispatch never told of it."""
    if all(step.plugin != fired.plugin for step in steps):
        steps = [*steps, Step(plugin=fired.plugin)]
    return [
        replace(step, declared=(*step.declared, *steps_of(fired))) if step.plugin == fired.plugin else step
        for step in steps
    ]
