"""The parts of the chat that need no terminal: streaming, painting, history, questions, commands."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from pegboard import Decision, hookimpl, tool
from pegboard._cli.chat import drawing
from pegboard._cli.chat.asking import HumanAnswer
from pegboard._cli.chat.history import MOST, TypedHistory
from pegboard._cli.chat.paint import Paint
from pegboard._cli.chat.slash import SLASHES, commands
from pegboard._cli.chat.streaming import MarkdownStream, Readable, clean
from pegboard._cli.chat.transcript import Transcript
from pegboard.host import Options, Shown
from pegboard.output import exact, readable
from pegboard.testing import HostFixture, call

COLOUR = re.compile("\x1b\\[[0-9;]*m")
NASTY = st.text("ab \n\t\r\x00\x07\x08\x1b[]0;m\x9b\x9d\x7f\u202e\u2066\u200b漢🎉`*#-|<>&\\_", max_size=80)
BLOCKS = st.sampled_from(
    [
        "A paragraph with **bold** words\nin two lines.",
        "# A heading",
        "- one\n- two\n  - two and a half\n- three",
        "\n".join(f"{number}. item {number}" for number in range(1, 40)),
        "```python\n" + "\n".join(f"line_{number} = {number}" for number in range(50)) + "\n```",
        "~~~\n```\nnot the end\n~~~",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "> said by others",
        "    indented code",
        "<div>not gone</div>",
        "***",
    ]
)


def obeyed(text: str) -> str:
    """Return what a terminal would obey in a text, colours apart."""
    return "".join(re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", COLOUR.sub("", text)))


def words(text: str) -> list[str]:
    return re.findall(r"\w+", COLOUR.sub("", text))


@pytest.mark.parametrize(
    ("term", "text", "printed"),
    [
        ("xterm", "\x1b]2;t\x07", ["\x1b]2;t\x07"]),
        ("dumb", "\x1b]2;t\x07", []),
        ("xterm", "\x1b]2;[masked]\x07\x1b[2J", []),
    ],
)
def test_a_signal_reaches_the_terminal_as_it_is_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, term: str, text: str, printed: list[str]
) -> None:
    monkeypatch.setenv("TERM", term)
    out: list[str] = []
    Transcript(out.append, lambda: 60, Path("/"), PAINT).show(Shown("signal", text))
    assert out == printed


@given(NASTY)
def test_nothing_that_a_terminal_obeys_is_left_in_a_readable_text(text: str) -> None:
    assert obeyed(readable(text)) == ""


@given(NASTY)
def test_an_exact_text_shows_every_character(text: str) -> None:
    pieces = exact(text)
    assert obeyed("".join(piece for piece, _ in pieces)) == ""
    back = "".join(chr(int(piece[3:-1], 16)) if stands_for else piece for piece, stands_for in pieces)
    assert back == text


@pytest.mark.parametrize("blank", ["\u200b", "\u2800", "\u3164", "\u00a0", "\u00ad", "\U000e0041", "\u034f"])
def test_a_character_that_nobody_sees_is_named_in_a_question(blank: str) -> None:
    assert exact(f"rm{blank}x") == [("rm", False), (f"<U+{ord(blank):04X}>", True), ("x", False)]


@given(NASTY, st.integers(20, 120))
@settings(max_examples=60, deadline=None)
def test_whatever_is_painted_obeys_nothing_and_fits(text: str, width: int) -> None:
    for renderable in (Readable(clean(text)), Text(text), drawing.shown_exactly(text), drawing.prompt(text)):
        painted = PAINT.ansi(renderable, width)
        assert obeyed(painted) == ""
        assert all(Text(COLOUR.sub("", line)).cell_len <= width for line in painted.split("\n"))


PAINT = Paint(plain=True)


@given(st.lists(BLOCKS, max_size=5), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_a_text_in_pieces_says_what_the_whole_says(blocks: list[str], size: int) -> None:
    text = "\n\nBetween them.\n\n".join(blocks)  # two lists side by side are one
    stream = MarkdownStream()
    parts = [stream.take(text[start : start + size]) for start in range(0, len(text), size)] + [stream.end()]
    pieces = "\n".join(PAINT.ansi(Readable(part), 80) for part in parts if part.strip())
    assert words(pieces) == words(PAINT.ansi(Readable(text), 80))


def test_a_long_block_is_printed_before_its_end_and_little_of_it_is_drawn_anew() -> None:
    stream = MarkdownStream()
    stream.take("```python\n")
    for number in range(500):
        stream.take(f"line_{number} = {number}\n")
        assert stream.rest.count("\n") < 30


def test_what_breaks_off_is_printed_once_and_what_begins_again_is_not() -> None:
    printed: list[str] = []
    transcript = Transcript(printed.append, lambda: 60, Path("/"), PAINT)
    transcript.show(Shown("delta", "void"))
    assert "void" in transcript.live(10)
    transcript.show(Shown("restart"))
    transcript.show(Shown("delta", "It begins\n\nand br"))
    transcript.finish()
    assert "".join(printed).split() == ["It", "begins", "and", "br"]
    assert transcript.live(10) == ""


def test_a_running_call_shows_the_end_of_its_output_in_few_lines() -> None:
    printed: list[str] = []
    transcript = Transcript(printed.append, lambda: 40, Path("/"), PAINT)
    transcript.show(Shown("tool", "Bash", {"id": "1", "input": {"command": "seq 1000"}}))
    for number in range(1000):
        transcript.show(Shown("output", f"{number} {'x' * 300}\n", {"id": "1"}))
    live = transcript.live(20).split("\n")
    assert len(live) <= 6
    assert all(len(line) <= 40 for line in live)
    assert len(transcript.running["1"].output) <= 8_192
    facts = {"id": "1", "name": "Bash", "outcome": "ok", "is_error": False}
    transcript.show(Shown("result", "\n".join(map(str, range(1000))), facts))
    assert "seq 1000" in printed[0]
    assert "992 more lines" in "".join(printed)
    assert transcript.live(20) == ""


# --- history -------------------------------------------------------------------------------------------


def test_what_was_typed_is_there_again_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "typed"
    history = TypedHistory(path)
    for text in ("one", "two\nlines", "\udce4"):
        history.append_string(text)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open("ab") as file:
        file.write(b'{"no": "text"}\n"torn')
    assert list(TypedHistory(path).load_history_strings())[-2:] == ["two\nlines", "one"]


def test_history_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "typed"
    path.write_text("".join(f'"{number}"\n' for number in range(2 * MOST + 5)))
    assert next(iter(TypedHistory(path).load_history_strings())) == str(2 * MOST + 4)
    assert path.read_text().count("\n") == MOST
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["typed"]


# --- questions -----------------------------------------------------------------------------------------


class Person:
    """Answers as told, and remembers what was drawn."""

    def __init__(self, choice: str, line: str = "") -> None:
        self.choice = choice
        self.said = line
        self.drawn: list[str] = []
        self.choices: list[str] = []

    def draw(self, renderable: Any) -> None:
        self.drawn.append(PAINT.ansi(renderable, 80))

    async def choose(self, choices: Any) -> int:
        self.choices = list(choices)
        return next(place for place, text in enumerate(choices) if text.startswith(self.choice))

    async def line(self, hint: str) -> str:
        return self.said


@tool
def change(command: str) -> str:
    """Change something."""
    return f"changed by {command}"


class Wary:
    @hookimpl
    def pre_tool(self, call):
        return Decision.ask("somebody should look at this")


async def asked(person: Person, command: str, *plugins: Any) -> tuple[str, Any]:
    human = HumanAnswer()
    human.face = person
    fixture = HostFixture(options=Options(interactive=True))
    async with fixture as host:
        host.load(human, "human")
        host.load(change)
        for plugin in plugins:
            host.load(plugin)
        host.model.script(call("change", command=command), "Done.")
        await host.prompt("Go.")
        return str(host.messages), host.records("ask")[-1]


@pytest.mark.anyio
async def test_a_question_says_what_runs_who_asks_and_why() -> None:
    person = Person("Yes, once")
    _, record = await asked(person, "a\x1b[2J\u200bb", Wary())
    assert "change wants to run" in person.drawn[0]
    assert "a<U+001B>[2J<U+200B>b" in person.drawn[0]
    assert "somebody should look at this" in person.drawn[0]
    assert (record.allowed, record.by) == (True, "human")


@pytest.mark.anyio
async def test_a_no_with_words_reaches_the_model() -> None:
    conversation, record = await asked(Person("No", "do it by hand"), "x")
    assert record.allowed is False
    assert "do it by hand" in conversation


@pytest.mark.anyio
async def test_a_question_that_nobody_would_scroll_through_names_the_file_that_has_all_of_it() -> None:
    person = Person("Yes, once")
    command = "\n".join(f"echo {number}" for number in range(1, 5000))
    await asked(person, command, Wary())
    (drawn,) = [text for text in person.drawn if "wants to run" in text]
    assert "echo 1\n" in drawn
    assert "echo 4999" in drawn
    assert len(drawn.split("\n")) < 200
    assert "4,999 lines" in drawn
    assert ".txt" in drawn


async def answered_in_chat(person: Person, **more: Any) -> str:
    human = HumanAnswer()
    human.face = person
    options = [{"label": "Red", "description": "as it was"}, {"label": "Blue\x1b[2J"}]
    async with HostFixture(options=Options(interactive=True)) as host:
        host.load(human, "human")
        host.builtin("planning_tools")
        host.model.script(
            call("AskUserQuestion", questions=[{"question": "Which?", "options": options, **more}]), "Fine."
        )
        await host.prompt("Go.")
        return str(host.messages[-2].content[0].content)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("choice", "said", "result"),
    [
        pytest.param("Red", "", "Which?\n  Red", id="one of the answers"),
        pytest.param("Something else", "green", "Which?\n  green", id="own words"),
        pytest.param("No answer", "", "decide yourself", id="none"),
        pytest.param("Something else", " ", "decide yourself", id="no words"),
    ],
)
async def test_a_question_of_the_model_is_answered_by_choosing(choice: str, said: str, result: str) -> None:
    person = Person(choice, said)
    assert result in await answered_in_chat(person)
    assert "Which?" in person.drawn[0]
    assert person.choices[:2] == ["Red: as it was", readable("Blue\x1b[2J")]


class Several(Person):
    """Takes one after another."""

    async def choose(self, choices: Any) -> int:
        self.choices = list(choices)
        return 0 if len(self.choices) > 3 else len(self.choices) - 1


@pytest.mark.anyio
async def test_several_answers_may_be_chosen() -> None:
    three = [{"label": "A"}, {"label": "B"}, {"label": "C"}]
    person = Several("")
    assert "Which?\n  A, B" in await answered_in_chat(person, multiSelect=True, options=three)
    assert person.choices == ["C", "Something else, in my own words", "That is all"]


class Hiding:
    @hookimpl
    def register(self, registry):
        registry.add_filter("text", lambda surface, payload: payload.replace("Zanzibar", "[a name]"))


class Closed:
    @hookimpl
    def register(self, registry):
        def fail(surface, payload):
            raise RuntimeError("broken")

        registry.add_filter("text", fail)


@pytest.mark.anyio
async def test_a_question_passes_the_filters_and_says_that_it_was_masked() -> None:
    person = Person("Yes, once")
    await asked(person, "ship Zanzibar", Hiding())
    assert "Zanzibar" not in "".join(person.drawn)
    assert "ship [a name]" in person.drawn[0]
    assert "masked here; what runs is not" in person.drawn[0]


@pytest.mark.anyio
async def test_nobody_consents_to_what_cannot_be_shown() -> None:
    person = Person("Yes, once")
    _, record = await asked(person, "x", Closed())
    assert person.choices == []
    assert record.allowed is False


# --- commands ------------------------------------------------------------------------------------------


async def lines(words: str, ctx: Any) -> str:
    return f"{words} in {ctx.plugin}"


class Bringing:
    @hookimpl
    def register(self, registry):
        registry.add_command("lines", chat=f"{__name__}:lines", help="count lines")
        registry.add_command("help", chat=f"{__name__}:lines")


@pytest.mark.anyio
async def test_commands_of_plugins_are_there_and_take_no_name_of_ours() -> None:
    async with HostFixture() as host:
        host.load(Bringing(), "bringing")
        await host.open()
        found = commands(host.host)
        assert found["lines"].plugin == "bringing"
        assert found["lines"].help == "count lines"
        assert found["help"].plugin == ""
        assert list(found) == sorted(found)
        assert {one.name for one in SLASHES} <= set(found)


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        pytest.param("go on", 40, ["> go on"], id="a line that fits"),
        pytest.param("x" * 30, 32, ["> " + "x" * 30], id="to the last column"),
        pytest.param("x" * 31, 32, ["> " + "x" * 30, "  x"], id="one more goes on below the text"),
        pytest.param("語" * 16, 32, ["> " + "語" * 15, "  語"], id="wide ones count twice"),
        pytest.param("a\nb", 40, ["> a", "  b"], id="two lines stand below each other"),
    ],
)
def test_what_stands_beside_a_sign_stays_in_its_column(text: str, width: int, lines: list[str]) -> None:
    said = Paint(plain=True).ansi(drawing.Beside(">", "bold", Text(text)), width)
    assert said.split("\n") == lines
