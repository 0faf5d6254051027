"""Hooks that change while a session runs count from the next turn on, unless a ConfigChange hook keeps them out."""

from __future__ import annotations

import asyncio
import json

import pytest
from talk import outcomes, results

from pegboard.testing import call
from pegboard_builtins.wire_hooks import session as session_module

pytestmark = pytest.mark.anyio

BASH = call("Bash", command="true")


async def prompt(host):
    host.model.script(BASH, "Done.")
    await host.prompt("Go.")


async def until(true):
    for _ in range(200):
        if true():
            return
        await asyncio.sleep(0.05)


async def test_a_session_that_began_without_hooks_takes_those_that_come(project, host_of):
    async with host_of() as host:
        await prompt(host)
        project.declare({"PreToolUse": [project.hook("new")]})
        await asyncio.sleep(0.1)
        await prompt(host)
        assert project.ran == ["new"]
        (project.root / ".claude" / "settings.json").unlink()
        await asyncio.sleep(0.1)
        await prompt(host)
        assert project.ran == ["new"]


async def test_a_config_change_hook_that_blocks_keeps_the_old_hooks(project, host_of):
    old = {"PreToolUse": [project.hook("old")], "ConfigChange": [project.hook("veto", exit=2)]}
    path = project.declare(old)
    async with host_of() as host:
        await prompt(host)
        await asyncio.sleep(0.3)
        entry = {"hooks": [{"type": "command", "command": project.hook("new")}]}
        path.write_text(json.dumps({"hooks": {"PreToolUse": [entry]}}))
        await until(lambda: "veto" in project.ran)
        await asyncio.sleep(0.1)
        await prompt(host)
        assert project.ran == ["old", "veto", "old"]


async def test_a_file_that_breaks_while_it_is_written_disarms_no_hook(project, host_of):
    path = project.declare({"PreToolUse": [project.hook("h")]})
    async with host_of() as host:
        await prompt(host)
        whole = path.read_text()
        path.write_text(whole[: len(whole) // 2])
        await asyncio.sleep(0.1)
        await prompt(host)
        assert any("is no JSON" in notice and str(path) in notice for notice in host.notices)
        assert project.ran == ["h", "h"]
        path.write_text(whole)
        await asyncio.sleep(0.1)
        await prompt(host)
        assert project.ran == ["h", "h", "h"]


@pytest.mark.parametrize("later", [False, True])
async def test_a_fault_of_ours_while_reading_hooks_leaves_no_guard_out(project, host_of, monkeypatch, later):
    right = session_module.read_table

    def fails(*_):
        raise RuntimeError("a fault")

    project.declare({"PreToolUse": [project.hook("first")]})
    async with host_of() as host:
        if later:
            await prompt(host)
            project.declare({"PreToolUse": [project.hook("second")]})
        await asyncio.sleep(0.1)
        monkeypatch.setattr(session_module, "read_table", fails)
        await prompt(host)
        assert outcomes(host)[-1] == ("ok" if later else "denied")
        assert later or "could not be read (RuntimeError: a fault)" in results(host)[-1]
        assert project.ran == ["first", "first"] * later
        assert any("declared hooks could not be read" in notice for notice in host.notices)
        monkeypatch.setattr(session_module, "read_table", right)
        project.declare({"PreToolUse": [project.hook("mended")]})
        await asyncio.sleep(0.1)
        await prompt(host)
        assert outcomes(host)[-1] == "ok"
    assert project.ran[-1] == "mended"
