"""`/add-dir`: one more folder belongs to the workspace, for this session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pegboard._cli.chat.talk import Talk
from pegboard.host import Options
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio


class Face:
    """Keeps what is said, and shows nothing."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str, level: str = "info") -> None:
        self.said.append(text)

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


@asynccontextmanager
async def talking(folder: Path, *script: Any) -> AsyncIterator[tuple[Talk, HostFixture]]:
    async with HostFixture(folder=folder / "home", options=Options(mode="acceptEdits")) as host:
        host.builtin("file_tools", "permissions")
        host.model.script(*script)
        await host.open()
        talk = Talk(Options())
        talk.host, talk.session, talk.face = host.host, host.session, Face()
        yield talk, host


async def typed(talk: Talk, text: str) -> str:
    talk.submit(text)
    assert talk._work is not None
    await talk._work
    return str(talk.face.said[-1])  # type: ignore[attr-defined]


async def test_an_added_folder_is_written_like_the_own_and_the_model_is_told(tmp_path: Path) -> None:
    other, third = tmp_path / "other", tmp_path / "third"
    other.mkdir()
    third.mkdir()
    writes = [call("Write", file_path=f"{folder}/a", content="x") for folder in (other, third)]
    async with talking(tmp_path, writes, "done", writes, "done") as (talk, host):
        await host.prompt("Go.")
        assert not (other / "a").exists()
        assert "belongs to the workspace now" in await typed(talk, f"/add-dir {other}")
        await host.prompt("Again.")
        assert ((other / "a").exists(), (third / "a").exists()) == (True, False)
        assert f"The user has added the folder {other}" in str(host.messages)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param("", "which folder?", id="none"),
        pytest.param(" ../othr", "Did you mean 'other'?", id="a slip"),
        pytest.param(" /no/such/place", "is no folder", id="nowhere"),
    ],
)
async def test_what_is_no_folder_is_an_error_that_helps(tmp_path: Path, words: str, said: str) -> None:
    async with talking(tmp_path) as (talk, host):
        (host.host.cwd.parent / "other").mkdir()
        assert said in await typed(talk, f"/add-dir{words}")
        assert not host.records("lifecycle") or "DirectoryAdded" not in str(host.records("lifecycle"))
