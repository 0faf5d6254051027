"""However a command ends, it ends in time, with what it printed, and with all that it started."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from shell_tool_desk import ShellDesk

import pegboard_builtins
from pegboard_builtins.shell_tool import process as module
from pegboard_builtins.shell_tool.bash import bash


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def test_a_command_that_takes_too_long_is_ended_with_what_it_printed(desk: ShellDesk) -> None:
    with within(55):
        result = desk.cut_off(bash, "echo begun; sleep 60; echo never", lambda result: bool(result.data["stdout"]))
    assert result.is_error
    assert result.data["stdout"] == "begun"
    assert result.data["interrupted"] is True
    assert re.search(r"timed out after (0\.3|3|30) s", str(result.content))


def test_a_timeout_ends_grandchildren_too(desk: ShellDesk) -> None:
    with within(15):
        desk.call(bash, command="(sleep 60 & (sleep 60 & sleep 60)) & sleep 60", timeout=300)
    assert desk.still_running() == []


def test_what_ignores_the_polite_signal_is_killed(desk: ShellDesk) -> None:
    command = "trap '' TERM INT HUP; echo ready; while true; do sleep 0.05; done"
    with within(90):
        result = desk.cut_off(bash, command, lambda result: bool(result.data["stdout"]))
    assert result.data["stdout"].startswith("ready")
    assert desk.still_running() == []


def test_what_is_stopped_is_ended_as_well(desk: ShellDesk) -> None:
    with within(20):
        desk.call(bash, command="kill -STOP $$", timeout=300)
    assert desk.still_running() == []


def test_the_polite_signal_gives_time_to_clean_up(desk: ShellDesk) -> None:
    command = "trap 'echo bye > farewell; exit' TERM; echo ready; sleep 60 & wait"
    desk.cut_off(bash, command, lambda result: bool(result.data["stdout"]))
    assert (desk.folder / "farewell").read_text() == "bye\n"


def test_a_grandchild_that_holds_the_pipe_does_not_block(desk: ShellDesk) -> None:
    with within(15):
        result = desk.call(bash, command="sleep 60 & echo done")
    assert result.content == "done"
    assert desk.still_running() == []


def test_a_grandchild_that_left_the_group_does_not_block_either(desk: ShellDesk) -> None:
    with within(15):
        result = desk.call(bash, command="setsid sleep 20 & sleep 0.2; echo done")
    assert result.content == "done"


def test_output_that_comes_a_moment_after_the_end_is_there(desk: ShellDesk) -> None:
    assert desk.call(bash, command="(sleep 0.02; echo late) & echo soon").data["stdout"] in ("soon\nlate", "soon")
    assert desk.call(bash, command="seq 1 100000 | tail -n 1").content == "100000"


@pytest.mark.parametrize("command", ["sleep 60", "timeout 50 sleep 60", "set -m; sleep 60"])
def test_what_stays_behind_silently_is_ended(desk: ShellDesk, command: str) -> None:
    with within(15):
        desk.call(bash, command=f"{command} >/dev/null 2>&1 &")
    assert desk.still_running() == []


@pytest.mark.parametrize(
    "command",
    [
        "sleep 60",
        "sleep 60 & sleep 60",
        "trap '' TERM; sleep 60",
        "yes",
        "timeout 50 sleep 60",
        "set -m; sleep 60 & sleep 60",
    ],
)
def test_cancelling_ends_the_group(desk: ShellDesk, command: str) -> None:
    async def run() -> None:
        call = asyncio.create_task(desk.acall(bash, command=command))
        await asyncio.sleep(0.3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with within(15):
        asyncio.run(run())
    assert desk.still_running() == []


def test_cancelling_twice_kills_at_once(desk: ShellDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 60.0)

    async def run() -> None:
        call = asyncio.create_task(desk.acall(bash, command="trap '' TERM; while true; do sleep 0.05; done"))
        await asyncio.sleep(0.3)
        call.cancel()
        await asyncio.sleep(0.1)
        assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    with within(20):
        asyncio.run(run())
    assert desk.still_running() == []


@pytest.mark.parametrize("steps", range(6))
def test_cancelling_at_any_early_moment_leaves_nothing(desk: ShellDesk, steps: int) -> None:
    async def run() -> None:
        call = asyncio.create_task(desk.acall(bash, command="sleep 60 & sleep 60"))
        for _ in range(steps):
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(run())
    assert desk.still_running() == []


def test_fifty_megabytes_are_counted_and_the_ends_kept(desk: ShellDesk) -> None:
    with within(60):
        result = desk.call(bash, command="echo first; head -c 50000000 /dev/zero | tr '\\0' x; echo; echo last")
    text = result.data["stdout"]
    assert text.startswith("first\n")
    assert text.endswith("\nlast")
    assert "bytes left out here" in text
    assert len(text) < 11_000_000


def test_a_flood_ends_in_time_and_the_loop_stays_awake(desk: ShellDesk) -> None:
    async def run() -> int:
        # Ended by its timeout, and that must be long enough for it to begin on a busy machine.
        call = asyncio.create_task(desk.acall(bash, command="yes", timeout=1_500))
        ticks = 0
        while not call.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert (await call).data["stdout"].startswith("y\ny\n")
        return ticks

    with within(30):
        assert asyncio.run(run()) > 5


def test_several_sessions_run_at_once(tmp_path: Path) -> None:
    desks = []
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        desks.append(ShellDesk(tmp_path / str(number), session_id=str(number)))

    async def run() -> list[str]:
        calls = (desk.acall(bash, command="sleep 0.5; echo $PEGBOARD_SESSION_ID") for desk in desks)
        return [str(result.content) for result in await asyncio.gather(*calls)]

    with within(8):
        assert asyncio.run(run()) == [str(number) for number in range(20)]


PROGRAM = """
import asyncio, sys
from pathlib import Path
from shell_tool_desk import ShellDesk
from pegboard_builtins.shell_tool.bash import bash

async def main():
    desk = ShellDesk(Path(sys.argv[1]))
    call = asyncio.ensure_future(desk.acall(bash, command="sleep 60 & sleep 60", **{given}))
    await asyncio.sleep(0.3)
    {end}

{start}
"""


@pytest.mark.parametrize("given", ["{}", "{'run_in_background': True}"])
@pytest.mark.parametrize(
    ("end", "start"),
    [
        pytest.param("return", "asyncio.run(main())", id="the loop ends"),
        pytest.param("raise SystemExit(3)", "asyncio.run(main())", id="the program exits"),
        pytest.param("raise KeyboardInterrupt", "asyncio.run(main())", id="Ctrl-C"),
        pytest.param("return", "asyncio.new_event_loop().run_until_complete(main())", id="the loop is abandoned"),
    ],
)
def test_nothing_outlives_the_host(desk: ShellDesk, given: str, end: str, start: str) -> None:
    roots = [Path(__file__).parent, Path(pegboard_builtins.__file__).parents[1], Path(module.__file__).parents[2]]
    import pegboard

    path = os.pathsep.join(str(root) for root in [*roots, Path(str(pegboard.__file__)).parents[1]])
    program = PROGRAM.replace("{given}", given).replace("{end}", end).replace("{start}", start)
    with within(60):
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, str(desk.folder)],
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.DEVNULL,
            check=False,
        )
    assert desk.still_running() == []


DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for number in range(3): os.close(number)
open("daemon.pid", "w").write(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="a daemon is found through /proc")
@pytest.mark.parametrize("ends", ["", "; sleep 60"], ids=["with its command", "with the time"])
def test_a_daemon_does_not_outlive_its_command(desk: ShellDesk, ends: str) -> None:
    (desk.folder / "daemon.py").write_text(DAEMON)
    started = "python3 -S daemon.py; while [ ! -s daemon.pid ]; do sleep 0.01; done; echo up"
    with within(20):
        result = desk.call(bash, command=started + ends, timeout=2000)
    assert result.data["stdout"] == "up"
    pid = int((desk.folder / "daemon.pid").read_text())
    for _ in range(100):
        if not is_alive(pid):
            break
        time.sleep(0.05)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether it runs; the dead whom nobody waits for do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


@pytest.mark.parametrize(
    "command",
    [
        "read answer",
        "read answer < /dev/tty",
        "python3 -S -c 'input()'",
        "python3 -S -c 'open(\"/dev/tty\")'",
        "ssh -o BatchMode=no localhost true < /dev/tty",
    ],
)
def test_what_wants_an_answer_gets_none_and_ends(desk: ShellDesk, command: str) -> None:
    with within(20):
        result = desk.call(bash, command=f"echo before; {command}; echo after $?", timeout=10_000)
    assert not result.data["interrupted"]
    assert result.data["stdout"].startswith("before\n")
    assert "after 0" not in result.data["stdout"]
