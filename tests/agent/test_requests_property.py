"""What plugins do never makes a request invalid, and plugins that do nothing leave no trace in its bytes."""

from __future__ import annotations

import asyncio
import json
from itertools import cycle

import pytest
from agent_room import load_tools
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pegboard import (
    Answer,
    Decision,
    PromptDecision,
    RequestPatch,
    Resolution,
    ResultPatch,
    StepDecision,
    ToolResult,
    hookimpl,
    tool,
)
from pegboard.messages import EndReason, Message, Origin, TextBlock, ToolResultBlock, ToolUseBlock
from pegboard.requests import CompactionResult, Section, Stability
from pegboard.testing import Answer as Says
from pegboard.testing import HostFixture, MessagesServer, Options

MODEL = "anthropic:claude-test"


class Key:
    """The loopback server takes any key."""

    @staticmethod
    def into(host, server, monkeypatch):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        host.builtin("anthropic_model")


def noop(name: str):
    """A plugin that implements everything and does nothing."""
    from pegboard.hookspecs import POLICIES

    members = {}
    for hook in POLICIES:
        if hook == "model_call":

            @hookimpl
            def model_call(self, request, call_next):
                return call_next(request)

            members[hook] = model_call
            continue

        def nothing(self):
            return None

        nothing.__name__ = hook
        members[hook] = hookimpl(nothing)
    return type(name, (), members)()


CONVERSATION = [
    Says(text="I look.", thinking="Hm.", calls=[("look", {"name": "a"}), ("look", {"name": "b"})]),
    Says(calls=[("fails", {})]),
    Says(calls=[("alone", {"name": "x"})]),
    Says(text="Done."),
    Says(text="Done again."),
]


async def bodies(tmp_path, monkeypatch, plugins, *, spread):
    with MessagesServer() as server:
        server.script(*CONVERSATION)
        async with HostFixture(folder=tmp_path, options=Options(model=MODEL)) as host:
            Key.into(host, server, monkeypatch)
            load_tools(host)
            for number in range(plugins):
                host.load(noop(f"Noop{number}"), name=f"{'az'[number % 2] if spread else 'n'}{number}")
            await host.prompt("Go.")
            await host.prompt("More.")
            assert server.refused == []
            hashes = [record.hash for record in host.records("request")]
        return [json.dumps(request.body).encode() for request in server.requests], hashes


@pytest.mark.anyio
@pytest.mark.parametrize("plugins", [1, 7])
async def test_plugins_that_do_nothing_leave_the_bytes_of_every_request_as_they_are(tmp_path, monkeypatch, plugins):
    bare, bare_hashes = await bodies(tmp_path / "host", monkeypatch, 0, spread=False)
    import shutil

    shutil.rmtree(tmp_path / "host")
    full, full_hashes = await bodies(tmp_path / "host", monkeypatch, plugins, spread=True)
    assert len(bare) == 5
    assert full == bare
    assert full_hashes == bare_hashes


# --- random edits --------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["", " ", "\n\t", "x", "é\u2028", "</system-reminder>", "half \ud83d", "a " * 300, "\x00"])
MAYBE = st.none() | TEXTS
PARAMS = st.dictionaries(
    st.sampled_from(["messages", "system", "tools", "stream", "max_tokens", "model", "stop_sequences", "nonsense"]),
    st.sampled_from([None, [], "x", 1, ["stop"], {}]),
    max_size=2,
).map(lambda params: {k: v for k, v in params.items() if k != "stop_sequences" or v in (None, ["stop"])})
SECTIONS = st.builds(
    Section,
    name=st.sampled_from(["a", "b", "pegboard", "place"]),
    text=TEXTS,
    stability=st.sampled_from(list(Stability)),
    pinned=st.booleans(),
)
PATCHES = st.builds(
    RequestPatch,
    sections=st.lists(SECTIONS, max_size=2).map(tuple),
    tools=st.none() | st.lists(st.sampled_from(["odd", "alone", "nothing"]), max_size=2).map(tuple),
    params=PARAMS,
)
RESULTS = st.builds(ResultPatch, output=MAYBE, context=TEXTS, hide=st.booleans(), retry=st.booleans(), reason=TEXTS)
PROMPTS = st.builds(PromptDecision, updated_prompt=MAYBE, context=TEXTS)
STEPS = st.one_of(
    st.none(),
    st.builds(StepDecision, inject=TEXTS),
    TEXTS.map(lambda text: StepDecision.keep_going(text)),
    st.just(StepDecision.compact("a test")),
)
DECISIONS = st.one_of(
    st.none(),
    st.builds(Decision, context=TEXTS),
    TEXTS.map(lambda text: Decision.deny(text)),
    TEXTS.map(lambda text: Decision.substitute(text)),
    st.just(Decision.allow(updated_input={"kind": "other"})),
    st.just(Decision.allow("a test")),
    st.just(Decision.ask("a test")),
)
MESSAGES = st.lists(
    st.sampled_from(
        [
            Message(role="user", content=(TextBlock(text="short"),)),
            Message(role="user", content=(TextBlock(text=" "),)),
            Message(role="user", content=()),
            Message(role="user", content=(ToolResultBlock(tool_use_id="nobody", content="x"),)),
            Message(role="assistant", content=(TextBlock(text="answer"),)),
            Message(role="assistant", content=(ToolUseBlock(id="open", name="odd", input={}),)),
        ]
    ),
    max_size=4,
).map(tuple)
COMPACTIONS = st.none() | MESSAGES | st.sampled_from(["head", "tail", "last"])
TOOL_OUTPUTS = st.sampled_from(
    [
        "",
        " ",
        "text",
        "half \udcff",
        ToolResult(content=""),
        ToolResult(content=(), is_error=True),
        ToolResult(content="", is_error=True),
        ToolResult(content=(TextBlock(text=""), TextBlock(text="x"))),
        ToolResult(content=(TextBlock(text=" "),), origins=(Origin.WEB,)),
        None,
        {"a": [1, 2]},
    ]
)
MODEL_TURNS = st.sampled_from(
    [
        Says(text="word"),
        Says(thinking="only thoughts"),
        Says(text=" ", calls=[("odd", {"kind": "x"})]),
        Says(calls=[("odd", {"kind": "x"}), ("odd", {"wrong": 1}), ("alone", {"name": "n"})]),
        Says(thinking="Hm.", text="so", calls=[("nothing", {})]),
        Says(text="cut", calls=[("odd", {"kind": "x"})], stop_reason="max_tokens"),
        Says(text="paused", stop_reason="pause_turn"),
        Says(text="cut", stop_reason="max_tokens"),
    ]
)


class Editor:
    """Edits everything, as the data says."""

    def __init__(self, draw):
        self.draw = draw

    @hookimpl(rewrites=True)
    def prompt_submit(self, prompt):
        return self.draw(PROMPTS)

    @hookimpl
    def prepare_request(self, draft):
        return self.draw(PATCHES)

    @hookimpl(rewrites=True)
    def pre_tool(self, call):
        return self.draw(DECISIONS)

    @hookimpl
    def resolve_ask(self, ask):
        return Resolution(allow=self.draw(st.booleans()), reason=self.draw(TEXTS))

    @hookimpl
    def post_tool(self, call, outcome):
        return self.draw(RESULTS)

    @hookimpl
    def next_step(self, state):
        return self.draw(STEPS)

    @hookimpl
    def lifecycle(self, event):
        return Answer(context=self.draw(TEXTS))

    @hookimpl
    def compact(self, job):
        wanted = self.draw(COMPACTIONS)
        if wanted is None:
            return None
        if isinstance(wanted, str):
            messages = list(job.messages)
            wanted = tuple({"head": messages[:1], "tail": messages[-2:], "last": messages[-1:]}[wanted])
        return CompactionResult(messages=wanted, strategy="random")


class Pools:
    """Values drawn before the session begins: the host would take hypothesis's own errors for a hook's."""

    KINDS = (PROMPTS, PATCHES, DECISIONS, RESULTS, STEPS, TEXTS, COMPACTIONS, TOOL_OUTPUTS, MODEL_TURNS, st.booleans())

    def __init__(self, data):
        self._pools = {id(kind): cycle(data.draw(st.lists(kind, min_size=1, max_size=3))) for kind in self.KINDS}

    def __call__(self, kind):
        return next(self._pools[id(kind)])

    @property
    def yes(self):
        return self(self.KINDS[-1])


async def edited(server, folder, draw, turns, monkeypatch):
    server.requests.clear()
    options = Options(model=MODEL, max_steps=6)
    async with HostFixture(folder=folder, options=options, settings={"session": {"max_continuations": 2}}) as host:
        Key.into(host, server, monkeypatch)

        @tool(read_only=True)
        async def odd(kind: str = "") -> object:
            """Give back something odd."""
            return draw(TOOL_OUTPUTS)

        load_tools(host)
        host.load(odd)
        host.load(Editor(draw))
        session = await host.open()
        for turn in range(turns):
            server.default = lambda request: draw(MODEL_TURNS)
            if draw.yes:
                await session.steer(draw(TEXTS))
            result = await session.run(f"Prompt {turn}.")
            assert server.refused == []
            cut = "reached its token limit" in result.detail  # the model's own doing, and no refused request
            assert result.reason is not EndReason.ERROR or cut, result
            if draw.yes:
                await session.compact()
            if draw.yes:
                host._stale = True
                session = await host.open()
        return len(server.requests)


def test_no_sequence_of_edits_makes_a_request_that_the_api_refuses(tmp_path, monkeypatch, full):
    sent = []

    @given(st.data())
    @settings(
        deadline=None,
        max_examples=500 if full else 60,
        database=None,
        phases=[Phase.generate, Phase.shrink] if full else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def holds(data):
        draw, turns = Pools(data), data.draw(st.integers(1, 3))
        sent.append(asyncio.run(edited(server, tmp_path / str(len(sent)), draw, turns, monkeypatch)))

    with MessagesServer() as server:
        holds()
    assert sum(sent) > len(sent)
