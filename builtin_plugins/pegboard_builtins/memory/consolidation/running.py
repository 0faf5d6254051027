"""One consolidation of one project: plan without a model, ask one if allowed, apply as one patch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pegboard.errors import PegboardError
from pegboard_builtins.memory.consolidation import planning, proposing
from pegboard_builtins.memory.consolidation.gates import Gates, Progress, alone
from pegboard_builtins.memory.events import Event, Memory, MemoryFailure
from pegboard_builtins.memory.factsfolder import FactsFolder
from pegboard_builtins.memory.patches import Edit, Patches, Run
from pegboard_builtins.memory.uses import Use

AT_ONCE = 5_000
"""Events that one consolidation looks at; the next goes on from there."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a model said, what it cost, and in which session that is kept."""

    text: str
    cost_usd: float | None = None
    session: str = ""


AskModel = Callable[[str, str], Spoken]
"""Takes a system prompt and a text."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `closed` says why nothing was done; `run` is None where nothing had to change."""

    run: Run | None = None
    edits: tuple[Edit, ...] = ()
    dropped: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    events: int = 0
    cursor: int = 0


class BusyError(MemoryFailure):
    """Another process consolidates this project."""

    def __init__(self) -> None:
        super().__init__("another process is consolidating this project; it will be done in a moment")


def consolidate(
    memory: Memory,
    project: str,
    facts: FactsFolder,
    *,
    uses: Mapping[str, Use],
    gates: Gates | None = None,
    ask: AskModel | None = None,
    model: str = "",
    daily_usd: float = 0.0,
    caps: planning.Caps = planning.Caps(),
    dry_run: bool = False,
) -> Report:
    """Make facts of what was observed since the last time; *gates* None means that a person asked for it.

    Raises BusyError, and MemoryFailure for what cannot be read or written.
    """
    with alone(facts.private) as ours:
        if not ours:
            raise BusyError
        progress = Progress.read(facts.private)
        events = [event for event in memory.read(project, progress.cursor + 1) if event.number > progress.cursor]
        last = events[-1] if events else None
        if gates is not None:
            closed = gates.closed(
                progress, last_number=last.number if last else progress.cursor, last_at=last.at if last else 0.0
            )
            if closed:
                return Report(closed=closed, events=len(events), cursor=progress.cursor)
        events = events[:AT_ONCE]
        cursor = events[-1].number if events else progress.cursor
        return _work(facts, events, cursor, progress, uses, ask, model, daily_usd, caps, dry_run=dry_run)


def _work(
    facts: FactsFolder,
    events: Sequence[Event],
    cursor: int,
    progress: Progress,
    uses: Mapping[str, Use],
    ask: AskModel | None,
    model: str,
    daily_usd: float,
    caps: planning.Caps,
    *,
    dry_run: bool,
) -> Report:
    patches = Patches(facts)
    patches.settle()
    known = facts.all()
    texts = {fact.name: facts.text_of(fact.name) or "" for fact in known}
    bench = planning.plan(known, texts, events, uses=uses, rejected=facts.ledger()["rejected"], caps=caps)
    spoken = _with_model(bench, events, ask, progress, daily_usd) if ask is not None and events else []
    edits, dropped = bench.edits(), bench.dropped
    if dry_run:
        if spoken:
            Progress.write(progress, facts.private)  # what was asked was paid for; the cursor stays
        return Report(None, tuple(edits), tuple(dropped), (), len(events), cursor)
    costs = [one.cost_usd for one in spoken if one.cost_usd is not None]
    run = None
    if edits:
        run = patches.apply(
            edits,
            by="consolidation",
            cursor=cursor,
            model=model if spoken else "",
            cost_usd=sum(costs) if costs else None,
            session=next((one.session for one in spoken if one.session), ""),
            dropped=tuple(dropped),
        )
    progress.cursor = cursor
    progress.write(facts.private)
    return Report(run, tuple(edits), tuple(dropped), (), len(events), cursor)


def _with_model(
    bench: planning.Workbench, events: Sequence[Event], ask: AskModel, progress: Progress, daily_usd: float
) -> list[Spoken]:
    """Let a model propose on top of what was planned without it. A model that fails costs only its proposals."""
    spoken: list[Spoken] = []

    def asked(system: str, text: str) -> str:
        said = ask(system, text)
        spoken.append(said)
        progress.spend(said.cost_usd)
        return said.text

    for batch in proposing.batches(events):
        broke = progress.broke(daily_usd)
        if broke:
            bench.dropped.append(f"no model was asked about {len(batch.events)} events: {broke}")
            continue
        try:
            proposing.propose(bench, batch, asked)
        except PegboardError as error:
            bench.dropped.append(f"the model failed: {error}")
    return spoken
