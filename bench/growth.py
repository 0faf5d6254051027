"""2,000 turns in one session: what a turn costs near the end, beside what it costs at the beginning."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from bench import floor
from bench.measure import Effort, Reach, Row, Sample, Table, cpu, interleaved, row
from bench.subject import Bench, PlainHooks, converse, fresh_session, looking_tool, scripted
from pegboard.host import Host

GROWTH = Reach.ratio(1.1)


class Stamps:
    """The processor time at which each turn ran its tool."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self) -> None:
        self.times.append(cpu())

    def quarters(self) -> tuple[float, float]:
        """Return the mean µs per turn of the first and the last quarter, and forget the turns.

        The mean, not the median turn: a collection of garbage that takes longer with every turn is growth as well.
        """
        turns = [after - before for before, after in pairwise(self.times)]
        self.times = []
        part = len(turns) // 4
        return sum(turns[:part]) / part * 1e6, sum(turns[-part:]) / part * 1e6


def measure(effort: Effort) -> list[Table]:
    """Measure a session without and with hooks, and the floor."""
    turns, repetitions = effort.pick(2_000, 80), effort.pick(7, 2)
    last: dict[str, list[float]] = {}
    with Bench() as bench:
        stamps = Stamps()
        look = looking_tool(stamps)
        model = scripted(turns)
        variants = {
            "no hook": partial(_host_quarters, bench, bench.host(look=look), model, turns, stamps),
            "10 + 10 no-op hooks": partial(
                _host_quarters, bench, bench.host(*(PlainHooks() for _ in range(10)), look=look), model, turns, stamps
            ),
            "the bare loop": partial(_floor_quarters, bench, turns, stamps),
        }

        def keep_last(name: str) -> float:
            early, late = variants[name]()
            last.setdefault(name, []).append(late)
            return early

        first = interleaved({name: partial(keep_last, name) for name in variants}, repetitions)
    rows = [
        _row(name, Sample(tuple(last[name][-repetitions:])), early, None if "bare" in name else GROWTH)
        for name, early in first.items()
    ]
    return [Table(f"{turns:,} turns in one session: a turn of the last quarter (CPU time)", rows)]


def _row(name: str, late: Sample, early: Sample, reach: Reach | None) -> Row:
    return row(f"{name}, last quarter", late, "µs", beside="first quarter", floor=early, reach=reach)


def _host_quarters(bench: Bench, host: Host, model: str, turns: int, stamps: Stamps) -> tuple[float, float]:
    async def once() -> None:
        async with fresh_session(host, model) as session:
            await converse(session, calls=turns)

    bench.run(once())
    return stamps.quarters()


def _floor_quarters(bench: Bench, turns: int, stamps: Stamps) -> tuple[float, float]:
    path = bench.folder / "floor.jsonl"
    bench.run(floor.run_turns(path, turns, (), stamps))
    path.unlink()
    return stamps.quarters()
