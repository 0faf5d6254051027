"""Opening a session again whose journal has 100,000 records."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic_core import from_json

from bench.measure import BenchError, Effort, Reach, Table, interleaved, row, wall
from bench.subject import BareModel, Bench, converse
from pegboard.host import Host, Options

RECORDS_PER_CALL = 4
SECONDS = Reach(2.0)


def measure(effort: Effort) -> list[Table]:
    """Write a long session with a real host, then resume it again and again."""
    records = effort.pick(100_000, 2_000)
    with Bench() as bench:
        host = bench.host(model=BareModel())
        path = bench.run(_long_session(host, records // RECORDS_PER_CALL))
        count = _count(path)
        if count < records:
            raise BenchError(f"the session has {count:,} records, not {records:,}")
        found = interleaved(
            {
                "resume": partial(_resume, bench, host, path),
                "first": partial(_resume, bench, host, path, send=True),
                "parse": partial(_parse, path),
            },
            effort.pick(5, 2),
        )
        size = path.stat().st_size / 1e6
    parse = found["parse"]
    rows = [
        row("resumed", found["resume"], "s", beside="parse each line", floor=parse, reach=SECONDS),
        row("resumed, and its next request answered", found["first"], "s", beside="parse each line", floor=parse),
    ]
    return [Table(f"a journal of {count:,} records, {size:.0f} MB (wall time)", rows)]


async def _long_session(host: Host, calls: int) -> Path:
    async with host.session(Options(model=f"bare:{calls}")) as session:
        await converse(session, calls=calls)
    return session.path


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _resume(bench: Bench, host: Host, path: Path, *, send: bool = False) -> float:
    """Resume and return the seconds until the session is open, or until it has answered one more prompt."""

    async def once() -> float:
        started = wall()
        session = host.resume(path.stem, Options(model="bare:0"))
        async with session:
            if send:
                await converse(session, calls=0)
            return wall() - started

    size = path.stat().st_size
    spent: float = bench.run(once())
    with path.open("rb+") as file:
        file.truncate(size)  # what the resume has appended: the next one shall find the same journal
    return spent


def _parse(path: Path) -> float:
    """Do the least that anybody can do who wants to know what is in the file."""
    started = wall()
    with path.open("rb") as file:
        for line in file:
            from_json(line)
    return wall() - started
