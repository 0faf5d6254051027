"""Forms that MCP servers want filled in: asked in the chat, field by field."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from chat_room import Room, needs_tmux, says

from pegboard import Ctx, hookimpl, tool
from pegboard._cli.chat.asking import HumanAnswer
from pegboard.records import PersonAsked
from pegboard.testing import HostFixture

SERVER = Path(__file__).parents[1] / "builtins/mcp/mcp_test_server.py"


class Person:
    """A face with a person before it: what is chosen and typed, in order; and all that was shown."""

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.shown: list[str] = []

    def draw(self, renderable: Any) -> None:
        from rich.console import Console

        console = Console(width=100)
        with console.capture() as captured:
            console.print(renderable)
        self.shown.append(captured.get())

    async def choose(self, choices: Sequence[str]) -> int:
        self.shown += choices
        chosen = self.answers.pop(0)
        assert isinstance(chosen, int), f"{chosen!r} is typed where one of {choices} is to be chosen"
        return chosen

    async def line(self, hint: str) -> str:
        self.shown.append(hint)
        typed = self.answers.pop(0)
        assert isinstance(typed, str), f"{typed!r} is chosen where words are wanted ({hint})"
        return typed


async def answer_of(folder: Path, person: Person, **asked: Any) -> dict[str, Any]:
    """Ask the person through a session, and return what the asking plugin gets."""
    human = HumanAnswer()
    human.face = person
    got: list[dict[str, Any]] = []

    @tool(name="Wonder", read_only=True)
    async def wonder(ctx: Ctx) -> str:
        """Ask the person."""
        answers = await ctx.fire(PersonAsked(by="the server 'x\x1b[31m'", message="What now?", **asked))
        got.extend({"action": answer.action, "content": answer.content} for _, answer in answers)
        return "asked"

    class Wondering:
        @hookimpl
        def register(self, registry: Any) -> None:
            registry.add_tool(wonder)

    async with HostFixture(folder=folder) as host:
        host.load(Wondering())
        host.load(human)
        await host.invoke("Wonder")
    assert not person.answers, "the person was asked less than expected"
    return got[0]


def form(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("field", "answers", "value"),
    [
        pytest.param({"type": "string"}, ["Oslo"], "Oslo", id="words"),
        pytest.param({"type": "string", "minLength": 3}, ["ab", "abc"], "abc", id="words that are too short"),
        pytest.param({"type": "integer"}, ["x", "1.5", "-3"], -3, id="a whole number"),
        pytest.param({"type": "number", "maximum": 2}, ["2.5", "1.5"], 1.5, id="a number that is too large"),
        pytest.param({"type": "boolean"}, [1], False, id="yes or no"),
        pytest.param({"enum": ["a", "b"], "enumNames": ["Ann", "Bob"]}, [1], "b", id="one of several"),
        pytest.param({"oneOf": [{"const": "a", "title": "Ann"}, {"const": "b"}]}, [0], "a", id="one with a title"),
        pytest.param({"type": "array", "items": {"enum": ["a", "b", "c"]}}, [2, 0, 1], ["c", "a"], id="several"),
        pytest.param({"type": "string", "default": "Rome"}, [""], "Rome", id="the default"),
        pytest.param({"type": "string"}, ["", "so"], "so", id="nothing where an answer is needed"),
    ],
)
async def test_a_field_is_asked_for_until_the_answer_fits(
    tmp_path: Path, field: dict[str, Any], answers: list[int | str], value: Any
) -> None:
    person = Person(0, *answers, 0)
    got = await answer_of(tmp_path, person, requested_schema=form("it", it=field))
    assert got == {"action": "accept", "content": {"it": value}}
    assert "\x1b[31m" not in "".join(person.shown), "what a server says is obeyed by the terminal"


@pytest.mark.anyio
async def test_what_needs_no_answer_may_be_left_out(tmp_path: Path) -> None:
    fields = {"a": {"type": "string"}, "b": {"type": "boolean"}, "c": {"type": "array", "items": {"enum": ["x"]}}}
    got = await answer_of(tmp_path, Person(0, "", 2, 1, 0), requested_schema=form(**fields))
    assert got == {"action": "accept", "content": {}}


@pytest.mark.anyio
@pytest.mark.parametrize(("chosen", "action"), [(1, "decline"), (2, "cancel")])
async def test_a_form_can_be_refused_before_and_after_it_is_filled_in(tmp_path: Path, chosen: int, action: str) -> None:
    schema = form("a", a={"type": "string"})
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    before = await answer_of(tmp_path / "1", Person(chosen), requested_schema=schema)
    after = await answer_of(tmp_path / "2", Person(0, "secret", chosen), requested_schema=schema)
    assert before == after == {"action": action, "content": None}


@pytest.mark.anyio
async def test_an_address_is_shown_and_never_opened(tmp_path: Path) -> None:
    person = Person(0)
    got = await answer_of(tmp_path, person, mode="url", url="https://login.example/x")
    assert got == {"action": "accept", "content": None}
    assert any("https://login.example/x" in text for text in person.shown)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.end()


@needs_tmux
def test_a_person_answers_what_a_server_of_the_official_package_asks(room: Room) -> None:
    pytest.importorskip("mcp")
    room.config.mkdir()
    (room.config / "settings.toml").write_text(
        f'[mcp]\nwait = 60\n\n[mcp.servers.all]\ncommand = "{sys.executable}"\nargs = ["{SERVER}"]\n'
    )
    room.start('[[turn]]\n[[turn.call]]\nname = "mcp__all__ask"\ninput = {}\n' + says("The end."))
    room.type("go")
    room.wait("the MCP server 'all' asks")
    room.wait("❯ 1. Answer it")
    room.press("1")
    room.wait("your answer")
    room.type("Oslo")
    room.wait("a whole number")
    room.type("cold")
    room.wait("'cold' is no whole number")
    room.type("7")
    room.wait("❯ 1. Yes: send it")
    room.press("1")
    room.wait("The end.")
    assert "Oslo: 7" in room.records()
