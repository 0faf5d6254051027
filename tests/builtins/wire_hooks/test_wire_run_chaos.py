"""Programs that misbehave: the run ends within its deadline and half a second, and the result says what happened."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from wire_run_desk import RunDesk, command_handler, in_a_host_of_its_own

pytestmark = pytest.mark.anyio

DEADLINE = 0.4
SLACK = 5.0
"""Ten times what is promised, because other programs run on the machine that tests run on."""


async def run(desk: RunDesk, command: str, *, seconds: float = DEADLINE, shell: str = ""):
    began = time.monotonic()
    result = await desk.run(command_handler(command, shell=shell), desk.job(seconds=seconds, ctx=desk.ctx))
    assert time.monotonic() - began < seconds + SLACK
    return result


async def test_it_exits_at_once(desk: RunDesk):
    result = await run(desk, "exit 0")
    assert (result.exit, result.timed_out, result.error) == (0, False, "")


async def test_it_never_exits(desk: RunDesk):
    result = await run(desk, 'echo \'{"decision":"block"}\'; sleep 60')
    assert (result.exit, result.timed_out) == (None, True)
    assert desk.still_running() == []


async def test_it_ignores_sigterm(desk: RunDesk):
    result = await run(desk, "trap '' TERM INT HUP; while :; do sleep 0.05; done")
    assert result.timed_out
    assert desk.still_running() == []


async def test_it_ends_politely_when_it_is_asked_to(desk: RunDesk):
    result = await run(desk, "trap 'echo bye > bye; exit 0' TERM; echo x; while :; do sleep 0.02; done")
    assert result.timed_out
    assert (desk.folder / "bye").read_text() == "bye\n"


async def test_it_is_stopped(desk: RunDesk):
    assert (await run(desk, "kill -STOP $$")).timed_out
    assert desk.still_running() == []


async def test_its_grandchildren_go_with_it_even_those_with_sessions_and_groups_of_their_own(desk: RunDesk):
    result = await run(desk, "setsid sleep 61 & set -m; sleep 62 & timeout 63 sleep 64 & sleep 65", shell="bash")
    assert result.timed_out
    assert desk.still_running() == []


async def test_a_grandchild_holds_stdout_and_the_program_does_not_end(desk: RunDesk):
    assert (await run(desk, "sleep 61 & sleep 62")).timed_out
    assert desk.still_running() == []


async def test_it_prints_100_mb(desk: RunDesk):
    result = await run(desk, "head -c 100000000 /dev/zero", seconds=20)
    assert (result.exit, result.error) == (0, "")
    assert [path.stat().st_size for path in result.cut] == [100_000_000]
    result.cut[0].unlink()


async def test_it_prints_more_than_anybody_may(desk: RunDesk):
    result = await run(desk, "yes >&2", seconds=30)
    assert result.exit is None
    assert "printed more than" in result.error
    result.cut[0].unlink()


async def test_it_prints_half_a_json(desk: RunDesk):
    result = await run(desk, """printf '{"decision":"blo'""")
    assert (result.exit, result.stdout, result.answer) == (0, '{"decision":"blo', None)


async def test_it_prints_text_that_is_no_utf8(desk: RunDesk):
    result = await run(desk, r"""printf '{"decision":"block","reason":"\377"}'""")
    assert json.loads(result.stdout)["reason"] == "\ufffd"


async def test_it_closes_everything_and_goes_on(desk: RunDesk):
    result = await run(desk, "exec 0<&- 1>&- 2>&-; sleep 60")
    assert result.timed_out
    assert desk.still_running() == []


async def test_it_deletes_its_working_folder(desk: RunDesk):
    folder = desk.folder / "sub"
    folder.mkdir()
    result = await desk.run(command_handler('rmdir "$PWD"; echo gone'), desk.job(cwd=folder))
    assert (result.exit, result.stdout) == (0, "gone\n")
    again = await desk.run(command_handler("pwd"), desk.job(cwd=folder))
    assert again.stdout == f"{desk.folder}\n"


async def test_it_is_not_executable(desk: RunDesk):
    desk.file("x.sh", "#!/bin/sh\nexit 2\n")
    result = await run(desk, "./x.sh")
    assert result.exit == 126
    assert "chmod +x" in result.broken


async def test_it_kills_its_own_group(desk: RunDesk):
    result = await run(desk, "sleep 60 & kill -KILL 0")
    assert result.exit == 137
    assert desk.still_running() == []


async def test_it_kills_the_group_that_started_it_and_hits_only_itself(desk: RunDesk):
    """The host's group is another one: the group above a program of the hook is the hook's own."""
    result = await run(desk, "sh -c 'kill -KILL -$PPID'; echo survived")
    assert result.exit == 137


async def test_it_forks_without_end(desk: RunDesk):
    result = await run(desk, "while :; do sleep 66 & done", seconds=0.3)
    assert result.timed_out
    assert desk.still_running() == []


async def test_it_has_no_time_at_all(desk: RunDesk):
    assert (await run(desk, "sleep 60", seconds=0.0)).timed_out
    assert desk.still_running() == []


async def test_ten_that_never_exit_are_ended_together(desk: RunDesk):
    began = time.monotonic()
    results = await asyncio.gather(*(run(desk, "trap '' TERM; sleep 60") for _ in range(10)))
    assert all(result.timed_out for result in results)
    assert time.monotonic() - began < DEADLINE + SLACK
    assert desk.still_running() == []


async def test_the_loop_goes_on_while_a_program_prints_without_end(desk: RunDesk):
    """Another run beside it takes no longer than a run may."""
    endless = asyncio.create_task(run(desk, "yes", seconds=2))
    for _ in range(5):
        assert (await run(desk, "true", seconds=5)).exit == 0
    (await endless).cut[0].unlink()


async def test_closing_the_runners_while_one_runs_leaves_nothing(desk: RunDesk):
    task = asyncio.create_task(desk.shell("touch started; sleep 60"))
    while not (desk.folder / "started").exists():
        await asyncio.sleep(0.01)
    await desk.runners.close()
    result = await task
    assert result.exit == 143
    assert desk.still_running() == []


async def test_nothing_is_left_when_the_host_itself_is_torn_down_in_the_middle(desk: RunDesk):
    """The loop of this host is closed without a word; at exit the hooks are ended."""
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from wire_run_desk import *
from pegboard_builtins.wire_hooks.runners import Runners
async def main():
    desk = RunDesk(Path({str(desk.folder)!r}), Runners())
    global task
    task = asyncio.ensure_future(desk.shell("touch started; sleep 60"))
    while not (desk.folder / "started").exists():
        await asyncio.sleep(0.01)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
"""
    _, said = await in_a_host_of_its_own(script)
    assert (desk.folder / "started").exists(), said
    assert desk.still_running() == []


async def test_no_child_is_left_unwaited(desk: RunDesk):
    for command in ("true", "sleep 60", "kill -9 0"):
        await run(desk, command, seconds=0.2)
    assert not _dead_children()


def _dead_children() -> list[str]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit():
                facts = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                if facts[0] == "Z" and int(facts[1]) == os.getpid():
                    found.append(name)
        except OSError:
            continue
    return found
