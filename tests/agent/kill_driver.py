"""Runs a scripted session in child processes and kills them (SIGKILL) at random moments, until one gets to the end.

A program of its own: `kill_driver.py FOLDER SEED KILLS` prints one JSON line per session with its journal and how
often it was killed. It forks, so that a session costs milliseconds; the children are real processes all the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from pegboard import hookimpl, tool
from pegboard.errors import PegboardError
from pegboard.host import Host, Options
from pegboard.messages import EndReason
from pegboard_builtins import scripted_model

PROMPT = "Do the work."
MODEL = "kill-test"


@tool(read_only=True)
async def look(name: str, seconds: float = 0.0) -> str:
    """Look at something, for a while."""
    await asyncio.sleep(seconds)
    return f"seen {name}"


@tool(repeatable=True)
async def store(name: str, text: str, seconds: float = 0.0) -> str:
    """Write a whole file."""
    Path(name).write_text(text)
    await asyncio.sleep(seconds)
    return f"stored {len(text)} characters"


class Tools:
    """The two tools; everything is allowed."""

    @hookimpl
    def register(self, registry):
        registry.add_tool(look, store)

    @hookimpl
    def pre_tool(self, call):
        from pegboard import Decision

        return Decision.allow("a test")

    @hookimpl
    def post_tool(self, call, outcome):
        return None


def turns() -> list[dict]:
    """A conversation with calls alone and in batches, thinking, text in pieces, and a request that fails first."""
    made: list[dict] = []
    for number in range(8):
        one = {"name": "look", "input": {"name": f"n{number}", "seconds": 0.002}}
        two = {"name": "store", "input": {"name": f"f{number}", "text": "x" * number, "seconds": 0.002}}
        calls = ([one], [two], [one, two, {**one, "input": {"name": "again"}}], [two, {**two, "input": {"wrong": 1}}])
        made.append({"text": f"Step {number}, in a few pieces.", "chunk_delay": 0.001, "call": calls[number % 4]})
    made[3]["thinking"] = "Let me think about that."
    return [*made, {"text": "All done, at long last.", "chunk_delay": 0.002}]


async def session(folder: Path) -> int:
    """Begin the session, or go on with it; 0 when it is complete."""
    model = scripted_model.play(MODEL, turns())
    async with Host(
        folder / "project",
        state_dir=folder / "state",
        config_dir=folder / "config",
        environment={},
        entry_points=[],
        plugins=[("model", scripted_model), ("tools", Tools())],
    ) as host:
        found = host.store.paths(host.cwd)
        options = Options(model=model)
        async with host.resume(found[0].stem, options) if found else host.session(options) as opened:
            try:
                result = await opened.run(None if found else PROMPT)
            except PegboardError as nothing:
                if "nothing to go on with" not in str(nothing):
                    raise
                if opened.messages():
                    return 0  # it was killed after its last word
                result = await opened.run(PROMPT)
            return 0 if result.reason is EndReason.COMPLETED else 1


def child(folder: Path) -> int:
    """Fork; the child runs the session and exits."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.chdir(folder / "project")
        code = asyncio.run(session(folder))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def until_done(folder: Path, chance: random.Random, most: int, span: float) -> tuple[int, float]:
    """Run one session with up to *most* kills; return how many hit a living process, and how long the last took."""
    (folder / "project").mkdir(parents=True)
    kills = 0
    while True:
        started = time.monotonic()
        pid = child(folder)
        if kills < most:
            time.sleep(chance.uniform(0, span))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            kills += 1
            continue
        assert os.WEXITSTATUS(status) == 0, f"{folder}: exit code {os.WEXITSTATUS(status)}"
        return kills, time.monotonic() - started


def main() -> None:
    """Run sessions until the kills are used up; the first one is left alone."""
    folder, seed, wanted = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    _, span = until_done(folder / "0", chance, 0, 0)
    number = kills = 0
    print(json.dumps({"folder": str(folder / "0"), "kills": 0}), flush=True)
    while kills < wanted:
        number += 1
        here = folder / str(number)
        hit, _ = until_done(here, chance, min(chance.randint(1, 4), wanted - kills), span)
        kills += hit
        print(json.dumps({"folder": str(here), "kills": hit}), flush=True)


if __name__ == "__main__":
    main()
