"""What 1,000 sessions that wait in one process hold in memory. Each figure is taken in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.measure import BenchError, Effort, Reach, Table, interleaved, resident_mb, row
from bench.subject import BareModel, bare_host, builtin_entry_points, converse
from pegboard.host import Options

SPARE_FILES = 64
TOTAL = Reach(300.0)


@dataclass(frozen=True, slots=True)
class Case:
    """What the sessions of one process have behind them."""

    name: str
    calls: int
    builtins: bool = False


CASES = (
    Case("opened", calls=-1),
    Case("opened, after a turn with one tool call", calls=1),
    Case("the same with all built-in plugins", calls=1, builtins=True),
    Case("opened, after a turn with 20 tool calls", calls=20),
)
FLOOR = "floor"


def measure(effort: Effort) -> list[Table]:
    """Start a process per figure and ask it for its own memory."""
    count, repetitions = effort.pick(1_000, 50), effort.pick(3, 1)
    resident_mb()  # says at once where this cannot be measured
    variants = {name: lambda name=name: _in_child(name, count) for name in (FLOOR, *(case.name for case in CASES))}
    found = interleaved(variants, repetitions, warm_up=0)
    rows = [
        row(
            case.name,
            found[case.name],
            "MB",
            beside="tasks with an open file each",
            floor=found[FLOOR],
            reach=TOTAL if case.calls < 20 else None,
        )
        for case in CASES
    ]
    notes = ["over the base: the resident memory of the same process with one session of the kind, opened and closed"]
    return [Table(f"{count:,} idle sessions in one process (resident memory over the base)", rows, notes)]


def _in_child(name: str, count: int) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.memory", name, str(count)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the process for {name!r} failed: {done.stderr.strip()[-600:]}")
    return float(json.loads(done.stdout)["over_base_mb"])


# --- in the child --------------------------------------------------------------------------------------


def main() -> None:
    """Open the sessions and print what they hold."""
    name, count = sys.argv[1], int(sys.argv[2])
    _allow_files(count + SPARE_FILES)
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        if name == FLOOR:
            over_base = asyncio.run(_tasks(Path(folder), count))
        else:
            case = next(case for case in CASES if case.name == name)
            over_base = asyncio.run(_sessions(Path(folder), count, case))
    print(json.dumps({"over_base_mb": over_base}))


def _allow_files(wanted: int) -> None:
    """Let this process open a file per session, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else wanted
    if most < wanted:
        sys.exit(f"{wanted} open files are needed, and the system allows {most}: see `ulimit -Hn`")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _sessions(folder: Path, count: int, case: Case) -> float:
    host = bare_host(folder, model=BareModel(), entry_points=list(builtin_entry_points()) if case.builtins else ())
    options = Options(model=f"bare:{max(case.calls, 0)}")
    async with host, AsyncExitStack() as stack:
        async with host.session(options) as first:
            await converse(first, calls=max(case.calls, 0))
        base = resident_mb()
        for _ in range(count):
            session = await stack.enter_async_context(host.session(options))
            if case.calls >= 0:
                await converse(session, calls=case.calls)
        return resident_mb() - base


async def _tasks(folder: Path, count: int) -> float:
    """The least that a session can be: a task that waits, a list, and an open file."""
    gate = asyncio.Event()

    async def idle(number: int) -> None:
        messages: list[str] = []
        file = os.open(folder / f"{number}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        await gate.wait()
        os.close(file)
        messages.clear()

    base = resident_mb()
    tasks = [asyncio.create_task(idle(number)) for number in range(count)]
    await asyncio.sleep(0)
    over_base = resident_mb() - base
    gate.set()
    await asyncio.gather(*tasks)
    return over_base


if __name__ == "__main__":
    main()
