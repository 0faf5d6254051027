"""A model that works under stand-in names: what it gets holds no name, and whatever it answers means the real ones."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest
import undercover_dresses as dresses
import undercover_names as made_up
from hypothesis import example, given, settings
from hypothesis import strategies as st
from undercover_room import EXTERNAL, leaks_in, make_repository, table, write_list

from pegboard import hookimpl, tool
from pegboard.errors import PegboardError
from pegboard.host import Options
from pegboard.messages import Message, TextBlock, ThinkingBlock
from pegboard.records import StateRecord
from pegboard.requests import ModelInfo, Request
from pegboard.testing import HostFixture, call
from pegboard_builtins.undercover.engine import HashedList, Matcher, StandIns, read_names

KEY = b"a key for tests"
NAMES = ["Nova", "Blue Heron", "Heron Lake", "Zorblaxia", "db-7", "天狼", "Qorvantix", "iPhonia", "Zavomiruna"]
LISTED = read_names("\n".join(NAMES), key=KEY)
NORMAL, STRICT, HASHED = Matcher(LISTED), Matcher(LISTED, strict=True), HashedList.of(LISTED)
FIXED = StandIns(NORMAL, KEY)
OURS = [FIXED.hide(name) for name in ("nova", "Nova", "NOVA", "blueheron", "Blue Heron", "qorvantix", "db-7")]
PIECES = [
    *(
        "nova",
        "Nova",
        "NOVA",
        "blue",
        "Heron",
        "heron",
        "lake",
        "Zorblaxia",
        "db-7",
        "天狼",
        "天",
        "QORVANTIX",
        "iPhonia",
    ),
    *("q", "qq", "Q", "z", "Z", "s", " ", "_", "-", "\n", "x", "0", "zavomiru", "Zavomiru", "ZAVOMIRU", "zavo", "miru"),
    *("iPhonia", "\u200b", "cW9ydmFudGl4", "%6eova", "n o v a", "ſ", "\ud800", "Qorvantix", *OURS),
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=14).map("".join)


@settings(deadline=None, max_examples=400, database=None)
@given(TEXTS)
@example("blue heron lake")
@example("novaqq NOVAq zavomiruq zavomiruqq")
@example("".join(OURS))
@example(OURS[0] + "qorvantix")
def test_whatever_is_hidden_comes_out_byte_for_byte(text):
    for finder in (NORMAL, STRICT, HASHED):
        stand_ins = StandIns(finder, KEY)
        hidden = stand_ins.hide(text)
        assert stand_ins.show(hidden) == text
        assert (hidden is text) or hidden != text


@settings(deadline=None, max_examples=400, database=None)
@given(TEXTS, st.lists(st.integers(0, 300), max_size=30))
def test_pieces_show_what_the_whole_shows_and_take_nothing_back(text, cuts):
    FIXED.hide(text)
    for answer in (FIXED.hide(text), text):
        whole = FIXED.show(answer)
        stream, shown = FIXED.stream(), ""
        edges = [0, *sorted(cut for cut in cuts if cut < len(answer)), len(answer)]
        for first, last in pairwise(edges):
            shown += stream.take(answer[first:last])
            assert whole.startswith(shown)
        assert shown + stream.end() == whole


@pytest.mark.parametrize("strict", [False, True], ids=["normal", "strict"])
def test_a_name_in_any_dress_is_hidden_and_comes_out(strict, count):
    names = made_up.names(100)
    finder = Matcher(read_names("\n".join(names), key=KEY), strict=strict)
    stand_ins = StandIns(finder, KEY)
    rnd = random.Random(11)
    wardrobe = dresses.STRICT if strict else dresses.NORMAL
    for _ in range(count(60)):
        for label, dress in wardrobe.items():
            text = f"before it {dress(rnd.choice(names), rnd)} after it"
            hidden = stand_ins.hide(text)
            assert finder.find(hidden) == [], label
            assert stand_ins.show(hidden) == text, label


def test_a_stand_in_keeps_the_words_the_case_and_the_separators():
    first, second = FIXED.hide("blue heron").split(" ")
    assert FIXED.hide("src/blue_heron/BlueHeron.py: BLUE-HERON blueheron") == (
        f"src/{first}_{second}/{first.title()}{second.title()}.py: {first.upper()}-{second.upper()} {first}{second}"
    )
    assert FIXED.show(f"class {first.title()}{second.title()}Factory") == "class BlueHeronFactory"
    assert FIXED.show(f"the {second} service, {first}-7") == "the heron service, blue-7", (
        "a part of a name is known too"
    )


def test_stand_ins_are_the_same_each_time_and_say_nothing():
    once, again = StandIns(NORMAL, KEY), StandIns(NORMAL, KEY)
    assert once.hide("Qorvantix") == again.hide("Qorvantix") != StandIns(NORMAL, b"other").hide("Qorvantix")
    kept: dict[str, str] = {}
    first = StandIns(NORMAL, KEY, remember=kept.__setitem__)
    hidden = first.hide("Qorvantix and Blue Heron")
    assert not any(part in f"{kept} {first!r}".lower() for part in ("qorvantix", "heron"))
    other = {id_: word[:-1] + ("a" if word[-1] != "a" else "e") for id_, word in kept.items()}
    went_on = StandIns(NORMAL, KEY, other)
    assert went_on.hide("Qorvantix and Blue Heron") != hidden, "what was given once counts, not what would be now"
    assert sorted(went_on.hide("Qorvantix Blue Heron").lower().split()) == sorted(other.values())


def test_a_text_without_names_is_the_very_same_object():
    for text in ("nothing at all", "a zoo of zebras", made_up.chat(5_000)):
        assert FIXED.hide(text) is text
        assert FIXED.show(text) is text


# --- sessions ------------------------------------------------------------------------------------------


@tool(egress=("file",))
def note(path: str, lines: list[dict[str, str]]) -> str:
    """Write something down for Qorvantix."""
    return f"{path}: {json.dumps(lines)}"


@tool(egress=("external",))
def publish(text: str) -> str:
    """Publish something."""
    return f"published {text}"


class Watching:
    """A model that keeps what it was sent; named to come first, which must not put it outside."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.answers: list = []

    @hookimpl
    def register(self, registry):
        registry.add_model(ModelInfo(prefix="watching"))

    @hookimpl(after="*")
    def model_call(self, request, call_next):
        if not request.model.startswith("watching:"):
            return call_next(request)
        self.seen.append(request)
        return self._answer(self.answers[len(self.seen) - 1])

    async def _answer(self, make):
        from pegboard.requests import ModelDone, ModelStarted

        yield ModelStarted(model="watching:x")
        for event in make(self.sent()):
            yield event
        yield ModelDone(stop_reason="tool_use" if self.calls else "end_turn")

    calls = False

    def sent(self) -> str:
        return wire(self.seen[-1])


def wire(request: Request) -> str:
    return json.dumps(
        [
            request.system,
            [spec.model_dump() for spec in request.tools],
            [message.wire() for message in request.messages],
            request.allowed_tools,
        ],
        ensure_ascii=False,
    )


class AllowAll:
    """Allows, and keeps the bytes that it allowed."""

    def __init__(self) -> None:
        self.saw: list = []

    @hookimpl
    def pre_tool(self, call):
        from pegboard import Decision

        self.saw.append(call.input)
        return Decision.allow("a test")


def fixture(tmp_path, *, remote="", **more):
    folder = tmp_path / "host"
    if not (folder / "project").exists():
        make_repository(folder / "project", remote)
        write_list(tmp_path / "secret")
    settings = {"undercover": table(tmp_path / "secret" / "names.txt", aliases=True, **more)}
    return HostFixture(settings=settings, folder=folder)


def text_events(text, sizes=(1, 5, 2)):
    from pegboard.requests import BlockDone, TextDelta

    at, place = 0, 0
    while at < len(text):
        size = sizes[place % len(sizes)]
        yield TextDelta(text=text[at : at + size])
        at, place = at + size, place + 1
    yield BlockDone(block=TextBlock(text=text))


@pytest.mark.anyio
async def test_the_model_never_gets_a_name_and_its_words_mean_the_real_ones(tmp_path):
    from pegboard.messages import ToolUseBlock
    from pegboard.requests import BlockDone

    async with fixture(tmp_path, surfaces={"text": "mask"}) as host:
        (host.project / "AGENTS.md").write_text("Qorvantix is our customer; see velmora_drift/.\n")
        host.builtin("undercover", "project_memory")
        host.load(note)
        allowed = AllowAll()
        host.load(allowed)
        model = Watching()
        host.load(model, "aaa_model")

        def first(sent):
            model.calls = True
            word = sent.partition("about ")[2][:8]
            lines = [{f"{word} says": f"hello {word.upper()}"}]
            yield from text_events(f"I ask {word}.")
            yield BlockDone(block=ToolUseBlock(id="t1", name="note", input={"path": f"a/{word}.txt", "lines": lines}))

        def second(sent):
            model.calls = False
            word = sent.partition("about ")[2][:8]
            yield from text_events(f"{word} is done, zavomiru is not.")

        model.answers = [first, second]
        await host.open()
        async with host.host.session(Options(model="watching:x", stream=True), show=host.shown.append) as session:
            result = await session.run("Write about Qorvantix, please.")
            messages = list(session.messages())
            records = list(session.journal)
        assert len(model.seen) == 2
        for request in model.seen:
            assert not leaks_in(wire(request)), wire(request)
        assert "is our customer" in wire(model.seen[0]), "memory files go there too"
        assert allowed.saw == [{"path": "a/Qorvantix.txt", "lines": [{"Qorvantix says": "hello QORVANTIX"}]}]
        assert messages[1].content[0].text == "I ask Qorvantix."
        assert messages[2].content[0].content == 'a/Qorvantix.txt: [{"Qorvantix says": "hello QORVANTIX"}]'
        assert result.text == "[internal] is done, zavomiru is not."
        shown = "".join(one.text for one in host.shown if one.kind == "delta")
        assert shown == "I ask [internal].[internal] is done, zavomiru is not."
        kept = [one for one in records if isinstance(one, StateRecord) and one.plugin == "undercover"]
        assert kept
        assert not leaks_in("".join(one.key + one.value_json for one in kept))
        before, after = ([message.wire() for message in request.messages] for request in model.seen)
        assert after[: len(before)] == before, "what was sent once is sent again as it was"


@pytest.mark.anyio
async def test_a_stand_in_that_would_be_published_is_the_name_for_every_guard(tmp_path):
    async with fixture(tmp_path, remote=EXTERNAL) as host:
        host.builtin("undercover")
        host.load(publish)
        host.load(AllowAll())
        word = await stand_in_of(host, tmp_path, "Qorvantix")
        await host.prompt("Publish about Qorvantix")
        host.model.script(call("publish", text=f"hello {word}"), "done")
        await host.prompt("now")
        outcomes = [one.data["outcome"] for one in host.shown if one.kind == "result"]
        assert outcomes == ["denied"]
        (block,) = [b for m in host.messages for b in m.content if b.type == "tool_use"]
        assert block.input == {"text": "hello Qorvantix"}, "what was denied is what would have run"


async def stand_in_of(host, tmp_path, name):
    from pegboard_builtins.undercover.filtering import Undercover
    from pegboard_builtins.undercover.settings import UndercoverSettings

    host.model.script("Understood.")
    settings = UndercoverSettings.model_validate(table(tmp_path / "secret" / "names.txt"))
    found = Undercover(settings, config_dir=host.config_dir, project=host.project)
    return StandIns(found.finder, found.key).hide(name)


@pytest.mark.anyio
async def test_a_resumed_session_sends_the_same_bytes(tmp_path):
    seen = []
    session_id = ""
    for prompt in ("First, about Qorvantix", "Then, about velmora-drift"):
        async with fixture(tmp_path) as host:
            host.builtin("undercover")
            model = Watching()
            host.load(model, "aaa_model")
            model.answers = [lambda sent: text_events("Yes.")]
            await host.open()
            options = Options(model="watching:x")
            made = host.host.resume(session_id, options) if session_id else host.host.session(options)
            async with made as session:
                session_id = session.session_id
                await session.run(prompt)
            seen.append(model.seen[0])
    before, after = ([message.wire() for message in request.messages] for request in seen)
    assert after[: len(before)] == before
    assert not leaks_in(json.dumps(after))


@pytest.mark.anyio
async def test_where_the_list_cannot_be_read_the_model_is_not_asked(tmp_path):
    async with fixture(tmp_path) as host:
        host.builtin("undercover")
        model = Watching()
        host.load(model, "aaa_model")
        (tmp_path / "secret" / "names.txt").chmod(0o644)
        await host.open()
        async with host.host.session(Options(model="watching:x")) as session:
            result = await session.run("Qorvantix")
        assert result.reason == "error"
        assert model.seen == []


@pytest.mark.anyio
async def test_signed_reasoning_from_before_is_left_out_rather_than_sent(tmp_path):
    from pegboard_builtins.undercover.aliasing import LEFT_OUT, Aliases
    from pegboard_builtins.undercover.filtering import Undercover
    from pegboard_builtins.undercover.settings import UndercoverSettings

    async with fixture(tmp_path) as host:
        host.builtin("undercover")
        host.model.script("x")
        session = await host.open()
        settings = UndercoverSettings.model_validate(table(tmp_path / "secret" / "names.txt"))
        aliases = Aliases(
            Undercover(settings, config_dir=host.config_dir, project=host.project), session.ctx("undercover")
        )
        word = aliases.stand_ins.hide("Qorvantix")
        kept = ThinkingBlock(thinking=f"{word} it is", signature="s")
        message = Message(role="assistant", content=(ThinkingBlock(thinking="Qorvantix it is", signature="s"), kept))
        (hidden,) = aliases._messages([message])
        assert hidden.content[0] == TextBlock(text=LEFT_OUT)
        assert hidden.content[1] is kept, "what was thought under stand-ins stays signed as it is"


@pytest.mark.anyio
async def test_when_nothing_matches_the_request_is_the_very_same(tmp_path):
    async with fixture(tmp_path) as host:
        host.builtin("undercover")
        model = Watching()
        host.load(model, "aaa_model")
        outer = []

        class Outer:
            @hookimpl
            def model_call(self, request, call_next):
                outer.append(request)
                return call_next(request)

        host.load(Outer())
        model.answers = [lambda sent: text_events("Nothing to hide in a zoo.")]
        await host.open()
        async with host.host.session(Options(model="watching:x")) as session:
            await session.run("Go on.")
        assert model.seen[0] is outer[0]


@pytest.mark.anyio
async def test_a_failure_before_the_request_says_nothing_of_the_name(tmp_path, monkeypatch):
    from pegboard_builtins.undercover import aliasing

    async with fixture(tmp_path) as host:
        host.builtin("undercover")
        model = Watching()
        host.load(model, "aaa_model")
        await host.open()

        def broken(*given, **more):
            raise ZeroDivisionError("Qorvantix")

        monkeypatch.setattr(aliasing, "each_text", broken)
        async with host.host.session(Options(model="watching:x")) as session:
            result = await session.run("Qorvantix")
        assert model.seen == []
        assert "ZeroDivisionError" in result.detail
        assert not leaks_in(result.detail)


def test_names_cannot_be_hidden_without_a_list_that_can_be_read(tmp_path):
    from pegboard_builtins.undercover.filtering import Undercover
    from pegboard_builtins.undercover.settings import UndercoverSettings

    settings = UndercoverSettings(names=f"file:{tmp_path}/none.txt", aliases=True)
    with pytest.raises(PegboardError, match="cannot be read"):
        _ = Undercover(settings, config_dir=tmp_path, project=tmp_path).finder
