"""The tools: an edit of a large file, a search, a checkpoint, and calls that run together."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pydantic_core import to_json

from bench.measure import BenchError, Effort, Reach, Table, interleaved, row, wall
from pegboard.context import Ctx, Services
from pegboard.tools import Tool
from pegboard_builtins.file_tools import ripgrep
from pegboard_builtins.file_tools.edit import edit
from pegboard_builtins.file_tools.grep import grep
from pegboard_builtins.file_tools.read import read
from pegboard_builtins.git_safety.taking import Checkpoints

GREP_MORE = 20.0
"""Milliseconds that our search may take beside ripgrep alone."""
QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
WHO = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def measure(effort: Effort) -> list[Table]:
    """Measure all four, each in a folder of its own."""
    return [_edit(effort), _search(effort), _together(effort), _checkpoint(effort)]


class _Desk:
    """As much of a session as the file tools ask for."""

    def __init__(self, folder: Path) -> None:
        self._state: dict[str, Any] = {}
        services = SimpleNamespace(
            session_id="bench",
            agent_id="",
            cwd=folder,
            project=folder,
            state_of=lambda plugin: self._state,
            set_state=lambda plugin, key, value: self._state.__setitem__(key, value),
        )
        self.folder = folder
        self.ctx = Ctx(cast("Services", services), "file_tools")

    async def call(self, tool: Tool, **given: Any) -> Any:
        """Call a tool as the host does: normalise, validate, run."""
        wire = tool.normalised(given, self.folder)
        return await tool(**tool.arguments(wire), ctx=self.ctx)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as name:
        yield Path(name).resolve()


def _ms(work: Callable[[], object]) -> float:
    started = wall()
    work()
    return (wall() - started) * 1e3


def _edit(effort: Effort) -> Table:
    """A word of a large file is replaced, and back again."""
    size = effort.pick(10_000_000, 1_000_000)
    with _folder() as folder, asyncio.Runner() as runner:
        desk = _Desk(folder)
        path = folder / "large.txt"
        line = "some words of a line that is as long as lines are, with a number: "
        path.write_text("".join(f"{line}{number}\n" for number in range(size // 75)) + "the one place\n")
        runner.run(desk.call(read, file_path=str(path)))
        words = ["the one place", "another place"]

        def ours() -> float:
            old, new = words
            words.reverse()
            return _ms(lambda: runner.run(desk.call(edit, file_path=str(path), old_string=old, new_string=new)))

        def bare() -> float:
            return _ms(partial(_bare_edit, folder / "bare.txt", path.read_bytes()))

        found = interleaved({"ours": ours, "bare": bare}, effort.pick(9, 2))
    rows = [row("Edit", found["ours"], "ms", beside="read, replace, write, fsync, rename", floor=found["bare"])]
    return Table(f"an edit of a file of {size / 1e6:g} MB (wall)", rows)


def _bare_edit(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    text = path.read_bytes().decode().replace("place", "plaice")
    beside = path.with_suffix(".new")
    with open(beside, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    os.rename(beside, path)


def _search(effort: Effort) -> Table:
    """A word that stands in 1 of 100 files."""
    count = effort.pick(10_000, 500)
    with _folder() as folder, asyncio.Runner() as runner:
        _fill(folder, count)
        (folder / ".git").mkdir()  # so that ripgrep and we look for .gitignore
        desk = _Desk(folder)
        installed = ripgrep.installed()
        variants: dict[str, Callable[[], float]] = {"own": partial(_grep, runner, desk, None)}
        if installed:
            variants["with"] = partial(_grep, runner, desk, installed)
            variants["rg"] = lambda: _ms(partial(_run, [installed, "--hidden", "-l", "needle", "./"], folder))
        if shutil.which("grep"):
            variants["grep"] = lambda: _ms(partial(_run, ["grep", "-rlI", "--exclude-dir=.git", "needle", "."], folder))
        found = interleaved(variants, effort.pick(9, 2))
    notes = []
    rows = []
    if installed:
        most = Reach(found["rg"].median + GREP_MORE)
        rows.append(row("Grep with ripgrep", found["with"], "ms", beside="ripgrep", floor=found["rg"], reach=most))
    else:
        notes.append("ripgrep is not installed here, so Grep beside it was not measured")
    beside = {"beside": "grep -r", "floor": found["grep"]} if "grep" in found else {}
    rows.append(row("Grep, our own", found["own"], "ms", **beside))  # type: ignore[arg-type]
    return Table(f"a search in {count:,} files (wall)", rows, notes)


def _fill(folder: Path, count: int) -> None:
    chance = random.Random(1)
    words = [f"word{number}" for number in range(500)]
    for number in range(count):
        path = folder / f"d{number % 100}" / f"file_{number}.txt"
        path.parent.mkdir(exist_ok=True)
        lines = [" ".join(chance.choices(words, k=10)) for _ in range(20)]
        path.write_text("\n".join([*lines, "needle" if number % 100 == 0 else ""]))


def _grep(runner: asyncio.Runner, desk: _Desk, program: str | None) -> float:
    before = ripgrep.installed
    ripgrep.installed = lambda: program
    try:
        return _ms(lambda: runner.run(desk.call(grep, pattern="needle")))
    finally:
        ripgrep.installed = before


def _run(words: list[str], folder: Path) -> None:
    environment = {**os.environ, **QUIET, **WHO}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode not in (0, 1):
        raise BenchError(f"{words[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-200:]}")


LINE = "    line = a_line.as_long(as_lines_are)"
USUAL, LARGE = 135, 2000
"""Lines of a file: as many as the median file of this project has, and as many as one Read shows."""


def _together(effort: Effort) -> Table:
    """Eight calls of one message beside one, through a whole session."""
    from bench.subject import Bench, converse, fresh_session
    from pegboard_builtins import file_tools
    from pegboard_builtins.scripted_model import play

    with Bench() as bench, _folder() as folder:
        files: dict[int, list[Path]] = {}
        for lines in (USUAL, LARGE):
            files[lines] = [folder / str(lines) / f"{number}.py" for number in range(8)]
            files[lines][0].parent.mkdir()
            for number, path in enumerate(files[lines]):
                path.write_text("".join(f"{LINE}  # {number}\n" for _ in range(lines)))
        host = bench.host(file_tools)

        def turn(tool: str, calls: list[dict[str, Any]], name: str) -> float:
            model = play(name, [{"call": [{"name": tool, "input": one} for one in calls]}, {"text": "done"}])

            async def once() -> float:
                async with fresh_session(host, model) as session:
                    started = wall()
                    await converse(session, calls=1)
                    return (wall() - started) * 1e3

            return float(bench.run(once()))

        calls = {
            "Read": [{"file_path": str(path)} for path in files[USUAL]],
            "Read of a large file": [{"file_path": str(path)} for path in files[LARGE]],
            "Grep": [{"pattern": f"# {number}", "path": str(files[USUAL][0].parent)} for number in range(8)],
        }
        variants = {"none": partial(turn, "look", [{"path": "x"}], "tools-look")}
        for name, eight in calls.items():
            tool = name.partition(" ")[0]
            variants[f"1 {name}"] = partial(turn, tool, eight[:1], f"tools-1-{name}")
            variants[f"8 {name}"] = partial(turn, tool, eight, f"tools-8-{name}")
        for name, lines in (("Read", USUAL), ("Read of a large file", LARGE)):
            variants[f"bare {name}"] = partial(_ms, partial(_bare_reads, files[lines]))
        found = interleaved(variants, effort.pick(25, 2))
    rows = [
        row(f"a turn with eight of {name}", found[f"8 {name}"], "ms", beside="with one",
            floor=found[f"1 {name}"], reach=Reach.ratio(2.0) if name == "Read" else None)
        for name in calls
    ]  # fmt: skip
    for name, lines in (("Read", USUAL), ("Read of a large file", LARGE)):
        more = found[f"8 {name}"].minus(found["none"])
        rows.append(row(f"what eight of {name} add ({lines} lines each)", more, "ms",
                        beside="read, number, JSON, hash", floor=found[f"bare {name}"]))  # fmt: skip
    rows.append(row("a turn with a call that does nothing", found["none"], "ms"))
    notes = ["one thread computes at a time in Python: calls share their turn, not the processors"]
    return Table(f"read-only calls of one message, {os.cpu_count()} cores (wall)", rows, notes)


def _bare_reads(paths: list[Path]) -> None:
    """What nobody can leave out who shows a file to a model and keeps what he has shown."""
    for path in paths:
        data = path.read_bytes()
        hashlib.sha256(data).hexdigest()
        lines = data.decode().split("\n")
        to_json("\n".join([f"{number:>6}\t{line}" for number, line in enumerate(lines, 1)]))


def _checkpoint(effort: Effort) -> Table:
    """A work tree in which one file has changed since the last checkpoint."""
    if not shutil.which("git"):
        raise BenchError("git is not installed")
    count = effort.pick(20_000, 500)
    with _folder() as base:
        folder = base / "tree"
        folder.mkdir()
        _fill(folder, count)
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
            _run(["git", *words], folder)
        checkpoints = Checkpoints(base / "store.git", folder)
        first = _ms(lambda: checkpoints.take("before"))
        changes = iter(range(10**9))

        def change() -> None:
            (folder / "d1" / "file_1.txt").write_text(f"changed {next(changes)}")

        def ours() -> float:
            change()
            return _ms(lambda: checkpoints.take("before"))

        def git() -> float:
            change()
            return _ms(partial(_run, ["git", "stash", "create"], folder))

        found = interleaved({"ours": ours, "git": git}, effort.pick(9, 2), warm_up=2)
    rows = [
        row("a checkpoint", found["ours"], "ms", beside="git stash create", floor=found["git"], reach=Reach.ratio(1.5))
    ]
    notes = [f"the first checkpoint of the folder, which reads every file: {first:,.0f} ms, once",
             "git stash create looks at tracked files only"]  # fmt: skip
    return Table(f"a work tree of {count:,} files, one of them changed (wall)", rows, notes)
