"""A host that is killed leaves nothing running: what its commands started is ended by what watches over it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from shell_tool_desk import ShellDesk

import pegboard
import pegboard_builtins
from pegboard.errors import ToolError
from pegboard_builtins.shell_tool import family
from pegboard_builtins.shell_tool.bash import bash
from pegboard_builtins.shell_tool.family import MARK, Family
from pegboard_builtins.shell_tool.guard import GUARD, Guard

PROGRAM = """
import asyncio, json, os, sys
from pathlib import Path
from pegboard.testing import HostFixture, call

async def main():
    command, background = json.loads(sys.argv[2])
    async with HostFixture(folder=Path(sys.argv[1]), settings={"permissions": {"allow": ["Bash"]}}) as host:
        host.builtin("shell_tool", "permissions")
        calls = [call("Bash", command=command, run_in_background=background)]
        host.model.script(*([calls, [call("Bash", command="sleep 600")]] if background else [calls]), "done")
        await host.prompt("Go.")

asyncio.run(main())
"""
DAEMON = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(600)"
PATH = os.pathsep.join(str(Path(str(one.__file__)).parents[1]) for one in (pegboard, pegboard_builtins))


@contextmanager
def host(desk: ShellDesk, command: str, *, background: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Run a host with this command until it says that it is ready (by a file), and kill it in the end."""
    import json

    words = [sys.executable, "-c", PROGRAM, str(desk.folder), json.dumps([command, background])]
    process = subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": PATH}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: list(desk.folder.rglob("ready")))
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(what: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    assert callable(what)
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


WAITED, BACK = False, True


@pytest.mark.parametrize(
    ("command", "background"),
    [
        pytest.param("touch ready; sleep 600 & sleep 600", WAITED, id="children"),
        pytest.param("touch ready; sleep 600 & sleep 600", BACK, id="children in the background"),
        pytest.param("trap '' TERM HUP INT; touch ready; while true; do sleep 0.05; done", BACK, id="ignores signals"),
        pytest.param(f"'{sys.executable}' -c '{DAEMON}'; touch ready; sleep 600", WAITED, id="a daemon"),
        pytest.param("touch ready; exec env -i sleep 600", BACK, id="without its environment"),
        pytest.param("touch ready; kill -STOP $$", WAITED, id="stopped"),
    ],
)
def test_nothing_outlives_a_host_that_is_killed(desk: ShellDesk, command: str, background: bool) -> None:
    with host(desk, command, background=background) as process:
        assert desk.processes()
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not desk.processes())


@pytest.mark.parametrize("command", ["true", "sleep 600 &", "exit 3"])
def test_a_command_that_ended_is_watched_over_no_longer(desk: ShellDesk, command: str) -> None:
    """Else its number might be that of somebody else's process by then."""
    before = dict(GUARD._families)
    desk.call(bash, command=command)
    assert before == GUARD._families
    assert GUARD._process is not None


def test_a_command_that_cannot_be_started_is_not_watched_over(desk: ShellDesk) -> None:
    before = dict(GUARD._families)
    with pytest.raises(ToolError, match="too long"):
        desk.call(bash, command="x" * 5_000_000)
    assert before == GUARD._families


@pytest.fixture
def guard() -> Iterator[Guard]:
    made = Guard()
    yield made
    made.close()


def sleeper(mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "600"], env={**os.environ, MARK: mark}, start_new_session=True)


def test_what_was_taken_back_is_left_alone_and_the_rest_is_ended(guard: Guard) -> None:
    kept, ended, late = (sleeper(f"{os.getpid()}{letter}") for letter in "abc")
    try:
        names = [
            Family(process.pid, f"{os.getpid()}{letter}").name
            for process, letter in zip((kept, ended, late), "abc", strict=True)
        ]
        for name in names[:2]:
            guard.watch(name)
        guard.watch("abc")
        guard.watch(names[2], instead_of="abc")
        guard.leave(names[0])
        guard.leave("of nobody")
        guard.close()
        assert ended.wait(60) == late.wait(60) == -signal.SIGTERM
        assert kept.poll() is None
    finally:
        for process in (kept, ended, late):
            process.kill()
            process.wait()


def test_a_guard_that_was_ended_is_started_again_and_knows_all(guard: Guard) -> None:
    first, second = (sleeper(f"{os.getpid()}{letter}") for letter in "de")
    try:
        guard.watch(Family(first.pid, f"{os.getpid()}d").name)
        assert guard._process is not None
        guard._process.kill()
        guard._process.wait()
        guard.watch(Family(second.pid, f"{os.getpid()}e").name)
        guard.close()
        assert first.wait(60) == second.wait(60) == -signal.SIGTERM
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_a_guard_with_nothing_to_do_ends_at_once_and_runs_nothing(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(family, "__file__", "/nonexistent")  # python would end with an error
    guard.watch("a")
    guard.watch("a:1", instead_of="a")
    guard.leave("a:1")
    process = guard._process
    assert process is not None
    guard.close()
    assert process.wait(60) == 0


def test_processes_of_no_session_are_nobodys_family() -> None:
    """The kernel's own threads, and what runs outside of a container: their session is 0."""
    assert Family(0, "a mark that nobody has").is_alive() is False
