"""A desk in a fresh folder; at the end nothing may run there any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shell_tool_desk import ShellDesk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ShellDesk]:
    folder = tmp_path / "project"
    folder.mkdir()
    desk = ShellDesk(folder)
    yield desk
    assert desk.still_running() == []
