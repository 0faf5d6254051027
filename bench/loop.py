"""One tool call through the whole loop: request, answer, hooks, validation, tool, journal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pluggy

from bench import floor
from bench.measure import Effort, Reach, Row, Sample, Table, cpu, interleaved, row
from bench.subject import (
    AsyncHooks,
    BareModel,
    Bench,
    PlainHooks,
    builtin_entry_points,
    converse,
    fresh_session,
    looking_tool,
    scripted,
)
from pegboard.host import Host

COUNTS = (0, 1, 10, 100)
# The aims were set where the bare loop took 5.6 µs, and one more implementation in a raw pluggy call 0.31.
CALL = Reach(42.0, there=5.6)
HOOK = Reach(0.5, there=0.31)
PLUGGY_CALLS = 200


def measure(effort: Effort) -> list[Table]:
    """Measure short and long sessions; what hooks add is told from the short ones."""
    with Bench() as bench:
        short, long = effort.pick(200, 20), effort.pick(2_000, 40)
        first = _interleave(bench, short, effort.pick(15, 2), kinds=("def", "async def"))
        second = _interleave(bench, long, effort.pick(5, 2), kinds=("def",))
        more = _information(bench, short, effort.pick(15, 2))
    return [
        _calls_table(first, short),
        _hooks_table(first, short),
        _calls_table(second, long),
        more,
    ]


def _interleave(bench: Bench, turns: int, repetitions: int, *, kinds: tuple[str, ...]) -> dict[str, Sample]:
    """Measure host, floor and pluggy in turn; all in µs of processor time per tool call."""
    plugins = {"def": PlainHooks, "async def": AsyncHooks}
    model = scripted(turns)
    variants: dict[str, Callable[[], float]] = {}
    for count in COUNTS:
        variants[f"floor {count}"] = partial(floor_run, bench, turns, [_no_opinion] * count)
        variants[f"pluggy {count}"] = partial(_pluggy_run, _pluggy_hook(count))
        for kind in kinds if count else kinds[:1]:
            host = bench.host(*(plugins[kind]() for _ in range(count)))
            variants[f"{kind} {count}"] = partial(host_run, bench, host, model, turns)
    return interleaved(variants, repetitions)


def _calls_table(found: dict[str, Sample], turns: int) -> Table:
    rows = []
    for kind in ("def", "async def"):
        for count in COUNTS:
            sample = found.get(f"{kind} {count}")
            if sample is not None:
                rows.append(
                    row(
                        _label(kind, count),
                        sample,
                        "µs",
                        beside=f"bare loop, {count} + {count} flat calls" if count else "bare loop",
                        floor=found[f"floor {count}"],
                        reach=None if count else CALL,
                    )
                )
    return Table(
        f"one tool call through the whole loop, journal on, {turns:,} turns in a session (CPU time per call)", rows
    )


def _label(kind: str, count: int) -> str:
    return f"{count} + {count} no-op hooks, {kind}" if count else "no hook on pre_tool and post_tool"


def _hooks_table(found: dict[str, Sample], turns: int) -> Table:
    bare = found["def 0"]
    rows: list[Row] = []
    for kind in ("def", "async def"):
        for count in COUNTS[1:]:
            sample = found.get(f"{kind} {count}")
            if sample is not None:
                rows.append(
                    row(
                        f"{count} + {count} {kind} add to a call",
                        sample.minus(bare),
                        "µs",
                        beside=f"two raw pluggy calls of {count}",
                        floor=found[f"pluggy {count}"],
                    )
                )
    for kind in ("def", "async def"):
        if f"{kind} 100" in found:
            added = found[f"{kind} 100"].minus(bare).times(1 / 200)
            each = found["pluggy 100"].minus(found["pluggy 0"]).times(1 / 200)
            name = f"one added implementation at 100, {kind}"
            rows.append(row(name, added, "µs", beside="one more in a raw pluggy call", floor=each, reach=HOOK))
    return Table(f"what hooks add to a call, {turns:,} turns (CPU time)", rows)


def _information(bench: Bench, turns: int, repetitions: int) -> Table:
    """Measure what is no aim, but explains the figures."""
    model, bare = scripted(turns), f"bare:{turns}"
    empty, generator = bench.host(), bench.host(model=BareModel())
    threaded = bench.host(look=looking_tool(in_thread=True))
    everything = bench.host(entry_points=list(builtin_entry_points()))
    found = interleaved(
        {
            "scripted": partial(host_run, bench, empty, model, turns),
            "bare": partial(host_run, bench, generator, bare, turns),
            "thread": partial(host_run, bench, threaded, model, turns),
            "all": partial(host_run, bench, everything, model, turns),
        },
        repetitions,
    )
    scripted_row = found["scripted"]
    rows = [
        row("a bare generator as the model", found["bare"], "µs", beside="the scripted model", floor=scripted_row),
        row("a plain def as the tool (in a thread)", found["thread"], "µs", beside="an async def", floor=scripted_row),
        row("with all built-in plugins", found["all"], "µs", beside="with none", floor=scripted_row),
    ]
    broken = [f"{r.name}: {r.reason}" for r in everything.board.records if r.status != "active"]
    notes = [f"left out of all built-in plugins: {'; '.join(broken)}"] if broken else []
    return Table(f"where some of it goes, {turns:,} turns (CPU time per call)", rows, notes)


# --- one repetition each -------------------------------------------------------------------------------


def host_run(bench: Bench, host: Host, model: str, turns: int) -> float:
    """Run a session of *turns* calls and return µs per call; opening and closing it are not counted."""

    async def once() -> float:
        async with fresh_session(host, model) as session:
            started = cpu()
            await converse(session, calls=turns)
            return cpu() - started

    spent: float = bench.run(once())
    return spent / turns * 1e6


def floor_run(bench: Bench, turns: int, hooks: list[floor.Hook]) -> float:
    """Run the bare loop and return µs per call."""
    path = bench.folder / "floor.jsonl"

    async def once() -> float:
        started = cpu()
        await floor.run_turns(path, turns, hooks)
        return cpu() - started

    spent: float = bench.run(once())
    path.unlink()
    return spent / turns * 1e6


def _no_opinion(call: Any, batch: Any, ctx: Any) -> None:
    return None


def _pluggy_hook(count: int) -> Any:
    """Return a raw pluggy hook with *count* implementations without an opinion."""
    spec, impl = pluggy.HookspecMarker("bench"), pluggy.HookimplMarker("bench")

    class Spec:
        @spec
        def pre_tool(self, call: Any, batch: Any, ctx: Any) -> Any:
            """The same arguments as ours."""

    class NoOpinion:
        @impl
        def pre_tool(self, call: Any) -> None:
            return None

    manager = pluggy.PluginManager("bench")
    manager.add_hookspecs(Spec)
    for number in range(count):
        manager.register(NoOpinion(), f"noop_{number}")
    return manager.hook.pre_tool


def _pluggy_run(hook: Any) -> float:
    """Call it twice, as a tool call does, and return µs for both."""
    started = cpu()
    for _ in range(PLUGGY_CALLS):
        hook(call=None, batch=None, ctx=None)
        hook(call=None, batch=None, ctx=None)
    return (cpu() - started) / PLUGGY_CALLS * 1e6
