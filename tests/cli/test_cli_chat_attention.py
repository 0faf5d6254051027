"""Hooks hear of it when a question waits for a person, or a person is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pegboard._cli.chat import attention
from pegboard._cli.chat.asking import HumanAnswer
from pegboard._cli.chat.talk import Talk
from pegboard.hookspecs import hookimpl
from pegboard.host import Options
from pegboard.records import Notification
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio


class SlowPerson:
    """A face whose person answers when told to; nothing of it is shown anywhere."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = asyncio.Event()

    async def choose(self, choices: Sequence[str]) -> int:
        self.asked.set()
        await self.may_answer.wait()
        return 0

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


class Listener:
    """Keeps the notifications of a session."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.came = asyncio.Event()

    def hook(self) -> Any:

        @hookimpl(matcher="Notification")
        def lifecycle(event: Notification) -> None:
            self.heard.append((event.notification_type, event.message))
            self.came.set()

        return lifecycle


async def ask(folder: Path, person: SlowPerson, listener: Listener) -> None:
    """Let a call wait for the person, until he answers."""
    human = HumanAnswer()
    human.face = person
    async with HostFixture(folder=folder, options=Options(interactive=True)) as host:
        host.builtin("shell_tool")
        host.builtin("permissions")
        host.load(human, name="chat")
        host.load(listener.hook(), name="listener")
        host.model.script([call("Bash", command="touch x")], "done")
        await host.prompt("Go.")


async def test_a_question_that_waits_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "QUESTION", 0.01)
    person, listener = SlowPerson(), Listener()
    turn = asyncio.ensure_future(ask(tmp_path, person, listener))
    await asyncio.wait_for(listener.came.wait(), 60)
    person.may_answer.set()
    await turn
    assert listener.heard == [("permission_prompt", "Pegboard needs your permission to use Bash")]


async def test_a_question_that_is_answered_soon_is_not_told(tmp_path: Path) -> None:
    person, listener = SlowPerson(), Listener()
    person.may_answer.set()
    await ask(tmp_path, person, listener)
    assert person.asked.is_set()
    assert listener.heard == []


async def test_a_chat_in_which_nothing_happens_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "IDLE", 0.01)
    listener = Listener()
    async with HostFixture(folder=tmp_path) as host:
        host.load(listener.hook(), name="listener")
        host.model.script("done")
        await host.open()
        talk = Talk(Options())
        talk.host, talk.session, talk.face = host.host, host.session, SlowPerson()
        talk.submit("Go.")
        await asyncio.wait_for(listener.came.wait(), 60)
        talk.leave()
    assert listener.heard == [("idle_prompt", "Pegboard is waiting for your input")]
