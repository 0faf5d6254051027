"""`pegboard run` with the scripted model: how long until its first turn can begin."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic_core import from_json

from bench.installation import Installation, install
from bench.measure import BenchError, Effort, Reach, Row, Sample, Table, interleaved, row, wall

READY = Reach(120.0)
SCRIPT = """\
[[turn]]
text = "done"
"""
PROGRAM = """\
import asyncio
from pegboard.host import Host, Options

async def main():
    async with Host() as host, host.session(Options(model="scripted:script.toml")) as session:
        await session.run("go")

asyncio.run(main())
"""
"""What a program does that brings its own command line."""


def measure(effort: Effort) -> list[Table]:
    """Measure the command and a program that uses the host, both beside an interpreter that does nothing."""
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        one = install(Path(folder, "one"))
        (one.folder / "project" / "script.toml").write_text(SCRIPT)
        commands: dict[str, list[str | Path]] = {
            "pegboard run": [one.script, "run", "--model", "scripted:script.toml", "go"],
            "a program": [one.python, "-c", PROGRAM],
        }
        problems = _problems(one, commands)
        requests: dict[str, list[float]] = {name: [] for name in commands}
        variants: dict[str, Callable[[], float]] = {"pass": partial(one.seconds, [one.python, "-c", "pass"])}
        for name in commands.keys() - problems.keys():
            variants[name] = partial(run_once, one, commands[name], requests[name])
        repetitions = effort.pick(21, 3)
        found = interleaved(variants, repetitions)
        rows: list[Row] = []
        for name in commands:
            aim = READY if name == "pegboard run" else None
            if name in problems:
                rows.append(Row(f"{name}: ready for its first turn", None, "ms", reach=aim))
                continue
            ready = Sample(tuple(requests[name][-repetitions:]))
            rows += _rows(name, ready, found[name], found["pass"], aim)
    notes = [f"{name}: {why}" for name, why in problems.items()]
    notes.append("ready: from the start of the process to the time that the journal has for the first request")
    notes.append("figures are what is left after `python -c pass` was taken off; the ratio is to that")
    return [Table("`run` with the scripted model (wall time after `python -c pass` would be)", rows, notes)]


def _rows(name: str, ready: Sample, whole: Sample, floor: Sample, aim: Reach | None) -> list[Row]:
    under = floor.times(1e3)
    return [
        row(
            f"{name}: ready for its first turn",
            ready.minus(floor).times(1e3),
            "ms",
            beside="python -c pass",
            floor=under,
            reach=aim,
        ),
        row(f"{name}: all of it", whole.minus(floor).times(1e3), "ms", beside="python -c pass", floor=under),
    ]


def _problems(one: Installation, commands: dict[str, list[str | Path]]) -> dict[str, str]:
    problems = {}
    for name, command in commands.items():
        try:
            one.output(*command)
        except BenchError as error:
            problems[name] = str(error)
    return problems


def run_once(one: Installation, command: list[str | Path], requests: list[float]) -> float:
    """Run a command; note when its first request was journaled, and return how long all of it took."""
    before = _journals(one)
    began, started = time.time(), wall()
    with subprocess.Popen(
        command,
        cwd=one.folder / "project",
        env=one.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        code = process.wait()
    spent = wall() - started
    new = _journals(one) - before
    if code or len(new) != 1:
        raise BenchError(f"the run ended with {code} and left {len(new)} journals")
    requests.append(_first_request(new.pop()) - began)
    return spent


def _journals(one: Installation) -> set[Path]:
    return set(one.state.glob("**/*.jsonl"))


def _first_request(journal: Path) -> float:
    """Return when the first request was written, to the millisecond."""
    with journal.open("rb") as file:
        for line in file:
            record = from_json(line)
            if record["type"] == "request":
                return datetime.fromisoformat(record["timestamp"]).timestamp()
    raise BenchError(f"{journal.name} has no request")
