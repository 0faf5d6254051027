"""A host with sub-agents and a few tools."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from agents_room import Tools

from pegboard.testing import HostFixture


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
async def host(tmp_path: Path, tools: Tools, anyio_backend: str) -> AsyncIterator[HostFixture]:
    async with HostFixture(folder=tmp_path) as fixture:
        fixture.builtin("agents")
        fixture.load(tools, "some_tools")
        yield fixture
