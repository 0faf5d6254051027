"""Background commands: looked at in pieces, ended by name, by the session and by the loop."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from shell_tool_desk import ShellDesk

import pegboard_builtins.shell_tool as plugin
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.records import SessionEnd, TurnEnd
from pegboard.testing import HostFixture, call
from pegboard_builtins.shell_tool import shells
from pegboard_builtins.shell_tool.background import SHELLS
from pegboard_builtins.shell_tool.bash import bash
from pegboard_builtins.shell_tool.shells import bash_output, kill_shell


async def started(desk: ShellDesk, command: str) -> str:
    result = await desk.acall(bash, command=command, run_in_background=True)
    assert not result.is_error
    shell_id: str = result.data["backgroundTaskId"]
    assert f"ID: {shell_id}" in str(result.content)
    return shell_id


async def until(desk: ShellDesk, shell_id: str, state: str) -> tuple[str, ToolResult]:
    """Look again and again until it is in *state*; return all output and the last look."""
    text = ""
    deadline = time.monotonic() + 20
    while True:
        look = await desk.acall(bash_output, bash_id=shell_id)
        text += look.data["output"]
        if look.data["status"] == state:
            return text, look
        assert time.monotonic() < deadline, f"still {look.data}"
        await asyncio.sleep(0.02)


async def over(desk: ShellDesk) -> None:
    await plugin.lifecycle(SessionEnd(), desk.ctx)


def test_a_background_command_comes_back_at_once_and_is_read_in_pieces(desk: ShellDesk) -> None:
    async def run() -> None:
        before = time.monotonic()
        shell_id = await started(desk, "for i in 1 2 3; do echo $i; sleep 0.2; done; exit 4")
        assert time.monotonic() - before < 5
        first = await desk.acall(bash_output, bash_id=shell_id)
        assert first.data["status"] == "running"
        text, last = await until(desk, shell_id, "failed")
        assert first.data["output"] + text == "1\n2\n3\n"
        assert last.data["exitCode"] == 4
        again = await desk.acall(bash_output, bash_id=shell_id)
        assert "(no new output)" in str(again.content)
        await over(desk)

    asyncio.run(run())


def test_a_filter_shows_the_lines_that_match_and_drops_the_others(desk: ShellDesk) -> None:
    async def run() -> None:
        shell_id = await started(desk, "printf 'error 1\\nfine\\nerror 2\\n'")
        await SHELLS.get(desk.ctx.session_id, shell_id).task
        look = await desk.acall(bash_output, bash_id=shell_id, filter="^error")
        assert look.data["output"] == "error 1\nerror 2"
        assert (await desk.acall(bash_output, bash_id=shell_id)).data["output"] == ""
        await over(desk)

    asyncio.run(run())


def test_a_filter_that_is_no_pattern_loses_nothing(desk: ShellDesk) -> None:
    async def run() -> None:
        shell_id = await started(desk, "echo kept")
        await SHELLS.get(desk.ctx.session_id, shell_id).task
        with pytest.raises(ToolError, match="no regular expression"):
            await desk.acall(bash_output, bash_id=shell_id, filter="(")
        assert (await desk.acall(bash_output, bash_id=shell_id)).data["output"] == "kept\n"
        await over(desk)

    asyncio.run(run())


def test_a_filter_that_never_ends_shows_all_lines(desk: ShellDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "FILTER_SECONDS", 0.5)

    async def run() -> None:
        shell_id = await started(desk, f"echo {'a' * 60}!")
        await SHELLS.get(desk.ctx.session_id, shell_id).task
        look = await desk.acall(bash_output, bash_id=shell_id, filter="(a+)+$")
        assert look.data["output"].endswith("a!\n")
        assert "longer than 0.5 s" in look.data["output"]
        await over(desk)

    asyncio.run(run())


def test_killing_ends_the_whole_group_and_keeps_the_output(desk: ShellDesk) -> None:
    async def run() -> None:
        shell_id = await started(desk, "echo begun; sleep 60 & sleep 60")
        text = ""
        while "begun" not in text:
            text += (await desk.acall(bash_output, bash_id=shell_id)).data["output"]
            await asyncio.sleep(0.01)
        result = await desk.acall(kill_shell, shell_id=shell_id)
        assert result.data["shell_id"] == shell_id
        assert desk.still_running() == []
        assert (await desk.acall(bash_output, bash_id=shell_id)).data["status"] == "killed"
        with pytest.raises(ToolError, match="ended already: killed"):
            await desk.acall(kill_shell, shell_id=shell_id)
        await over(desk)

    asyncio.run(run())


def test_killing_right_after_the_start_leaves_nothing(desk: ShellDesk) -> None:
    async def run() -> None:
        for _ in range(5):
            shell_id = await started(desk, "sleep 60 & sleep 60")
            await SHELLS.get(desk.ctx.session_id, shell_id).end()
        await over(desk)

    asyncio.run(run())
    assert desk.still_running() == []


def test_an_unknown_id_names_those_that_there_are(desk: ShellDesk) -> None:
    async def run() -> None:
        await started(desk, "sleep 60")
        for tool, name in ((bash_output, "bash_id"), (kill_shell, "shell_id")):
            with pytest.raises(ToolError, match=r"no background shell 'bash_7'.*bash_1"):
                await desk.acall(tool, **{name: "bash_7"})
        await over(desk)

    asyncio.run(run())


def test_a_session_sees_and_ends_only_its_own(desk: ShellDesk) -> None:
    other = ShellDesk(desk.folder, session_id="another")

    async def run() -> None:
        mine, theirs = await started(desk, "sleep 60"), await started(other, "sleep 60")
        assert mine == theirs == "bash_1"
        await over(desk)
        with pytest.raises(ToolError):
            await desk.acall(bash_output, bash_id=mine)
        assert (await other.acall(bash_output, bash_id=theirs)).data["status"] == "running"
        await over(other)

    asyncio.run(run())


def test_the_end_of_a_turn_ends_nothing(desk: ShellDesk) -> None:
    async def run() -> None:
        shell_id = await started(desk, "sleep 60")
        await plugin.lifecycle(TurnEnd(reason="completed"), desk.ctx)
        assert (await desk.acall(bash_output, bash_id=shell_id)).data["status"] == "running"
        await over(desk)

    asyncio.run(run())


def test_the_end_of_the_session_ends_all_together(desk: ShellDesk) -> None:
    async def run() -> None:
        for _ in range(8):
            await started(desk, "trap '' TERM; while true; do sleep 0.05; done")
        await asyncio.sleep(0.3)
        before = time.monotonic()
        await over(desk)
        assert time.monotonic() - before < 10

    asyncio.run(run())
    assert desk.still_running() == []


def test_what_a_background_command_leaves_behind_is_ended_with_it(desk: ShellDesk) -> None:
    async def run() -> None:
        shell_id = await started(desk, "sleep 60 >/dev/null 2>&1 & echo done")
        text, _ = await until(desk, shell_id, "completed")
        assert text == "done\n"
        assert desk.still_running() == []
        await over(desk)

    asyncio.run(run())


def test_a_background_command_does_not_move_the_session(desk: ShellDesk) -> None:
    (desk.folder / "sub").mkdir()

    async def run() -> None:
        await SHELLS.get(desk.ctx.session_id, await started(desk, "cd sub")).task
        await over(desk)

    asyncio.run(run())
    assert desk.services.moves == []


def test_two_looks_at_one_shell_do_not_overlap(desk: ShellDesk) -> None:
    one, two = (bash_output.claims_of({"bash_id": name}, desk.folder) for name in ("bash_1", "bash_2"))
    assert one.conflicts(one)
    assert not one.conflicts(two)
    assert one.conflicts(kill_shell.claims_of({"shell_id": "bash_1"}, desk.folder))


@pytest.mark.anyio
async def test_stop_hooks_are_told_what_runs_in_the_background(tmp_path: Path) -> None:
    hooks = {"Stop": [{"hooks": [{"type": "command", "command": "cat > stop.json"}]}]}
    settings = {"hooks": hooks, "permissions": {"allow": ["Bash"]}}
    async with HostFixture(folder=tmp_path, settings=settings) as host:
        host.builtin("shell_tool", "permissions", "wire_hooks")
        given = {"command": "sleep 60", "run_in_background": True}
        host.model.script([call("Bash", **given), call("Bash", **{**given, "command": "true"})], "Started.")
        await host.prompt("Start it.")
        told = json.loads((host.project / "stop.json").read_text())["background_tasks"]
    shell = {"id": "bash_1", "type": "shell", "status": "running", "description": "sleep 60", "command": "sleep 60"}
    assert shell in told
