"""The pytest plugin: `pegboard_host` and `pegboard_hook`. It imports nothing of ours until a test asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pegboard.hook_programs import HookFixture
    from pegboard.testing import HostFixture


@pytest.fixture
def pegboard_host(tmp_path: Path) -> Iterator[HostFixture]:
    """An isolated host without discovery (`pegboard.testing.HostFixture`), its folders below `tmp_path`.

    In a plain test: `pegboard_host.run(pegboard_host.prompt("..."))`.
    In an async test, whatever plugin runs it: `async with pegboard_host as host: await host.prompt("...")`.
    """
    from pegboard.testing import HostFixture

    with HostFixture(folder=tmp_path / "pegboard") as host:
        yield host


@pytest.fixture
def pegboard_hook(tmp_path: Path) -> HookFixture:
    """Fires hook programs cold, warm and in process (`pegboard.testing.HookFixture`), in folders below `tmp_path`.

    `pegboard_hook.fire("guard.py", "PreToolUse", tool="Bash", input={"command": "ls"}).verdict`
    """
    from pegboard.hook_programs import HookFixture

    return HookFixture(tmp_path / "pegboard-hook")
