"""What a plugin may do is what it declares: everything else is taken out of its answers, journaled and told."""

from __future__ import annotations

import asyncio
import itertools
import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard import Decision, ResultPatch, StepDecision, Verdict
from pegboard._board.about import About
from pegboard._board.permitting import LOOKS, within
from pegboard._board.reading import read_plugin
from pegboard.decisions import Answer, PromptDecision, Resolution, StepVerb
from pegboard.declares import ALL, Declares, DeclaresError, Permission
from pegboard.requests import CompactionResult, RequestPatch, Section
from pegboard.testing import HostFixture, call

_numbers = itertools.count(1)


def pack(text: str) -> Any:
    """Make a module as an import would: what it may do is what it declares."""
    module = types.ModuleType(f"bounded_{next(_numbers)}")
    module.__spec__ = ModuleSpec(module.__name__, None)
    sys.modules[module.__name__] = module
    exec("from pegboard import *\nfrom pegboard import Declares, hookimpl, tool\n" + text, vars(module))
    return module


@pytest.fixture(autouse=True)
def _no_module_stays() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith("bounded_")]:
        del sys.modules[name]


@pytest.fixture
async def host() -> Any:
    async with HostFixture(allow_broken=True) as fixture:
        yield fixture


TOUCH = "@tool\ndef touch(path: str) -> str:\n    'Touch.'\n    return path\n"

# --- answers -------------------------------------------------------------------------------------------

SECTION = Section(name="s", text="t")
ROWS = [
    pytest.param(Decision.allow("fine"), "approve", Decision(reason="fine"), id="allow"),
    pytest.param(Decision.replace({"a": 1}), "rewrite", Decision(), id="another input"),
    pytest.param(Decision.allow(updated_input={}), "rewrite", Decision(), id="an allow of another input"),
    pytest.param(Decision.substitute("done"), "rewrite", Decision(), id="a result in the tool's place"),
    pytest.param(Decision.note("psst"), "context", Decision(), id="words beside a call"),
    pytest.param(PromptDecision(updated_prompt="x"), "rewrite", PromptDecision(), id="another prompt"),
    pytest.param(PromptDecision(context="x"), "context", PromptDecision(), id="words beside a prompt"),
    pytest.param(RequestPatch(params={"a": 1}), "rewrite", RequestPatch(), id="parameters"),
    pytest.param(RequestPatch(sections=(SECTION,)), "context", RequestPatch(), id="a section"),
    pytest.param(RequestPatch(sections=(Section(name="s", text=""),)), "rewrite", RequestPatch(), id="a section less"),
    pytest.param(Resolution(allow=True), "approve", None, id="a yes"),
    pytest.param(ResultPatch(output="x"), "rewrite", ResultPatch(), id="another output"),
    pytest.param(ResultPatch(retry=True), "invoke", ResultPatch(), id="a retry"),
    pytest.param(StepDecision.keep_going("x"), "model", StepDecision(inject="x"), id="more steps"),
    pytest.param(StepDecision(inject="x"), "context", StepDecision(), id="words beside a step"),
    pytest.param(CompactionResult(messages=(), strategy="s"), "rewrite", None, id="a compaction"),
    pytest.param(Answer(prompt="x"), "rewrite", Answer(), id="a prompt of its own"),
    pytest.param(Answer(context="x"), "context", Answer(), id="words beside an event"),
]


@pytest.mark.parametrize(("answer", "permission", "left"), ROWS)
def test_each_thing_needs_its_permission_and_no_other(answer: Any, permission: str, left: Any) -> None:
    kept, said = within(answer, frozenset({permission}))
    assert kept == left
    assert any(repr(permission) in one for one in said)
    assert within(answer, ALL - {permission} - _also(answer))[0] is answer


def _also(answer: Any) -> set[str]:
    """What else an answer needs, which is no concern of the row."""
    also = set()
    if isinstance(answer, Decision) and answer.verdict is Verdict.ALLOW:
        also |= {"approve", "rewrite"}
    if isinstance(answer, StepDecision):
        also |= {"model", "context"}
    return also


@pytest.mark.parametrize(
    "answer",
    [
        Decision.deny("no"),
        Decision.ask("sure?"),
        Decision.defer("later"),
        PromptDecision.refuse("no"),
        PromptDecision(stop=True, reason="enough"),
        RequestPatch(tools=("Read",)),
        Resolution(allow=False),
        ResultPatch(hide=True, reason="secret"),
        StepDecision.stop("enough"),
        Answer(block=True, reason="no"),
    ],
    ids=str,
)
def test_to_refuse_ask_stop_and_hide_needs_nothing(answer: Any) -> None:
    assert within(answer, ALL) == (answer, [])


@given(
    verdict=st.sampled_from([None, *Verdict]),
    given_input=st.none() | st.just({"a": 1}),
    context=st.sampled_from(["", "x"]),
    lacks=st.frozensets(st.sampled_from(sorted(ALL))),
)
def test_what_is_left_of_a_decision_is_never_milder_than_what_was_said(
    verdict: Any, given_input: Any, context: str, lacks: frozenset[str]
) -> None:
    answer = Decision(verdict=verdict, updated_input=given_input, context=context)
    kept, said = within(answer, lacks)
    assert kept.verdict in (verdict, None)
    assert kept.verdict == verdict or verdict is Verdict.ALLOW
    assert within(kept, lacks) == (kept, [])
    assert bool(said) == (kept != answer)


def test_an_answer_of_a_class_of_the_packs_own_is_bounded_too() -> None:
    class Sly(Decision):
        pass

    kept, said = within(Sly(verdict=Verdict.ALLOW), ALL)
    assert (kept.verdict, len(said)) == (None, 1)
    assert set(LOOKS) == {
        Decision, PromptDecision, RequestPatch, Resolution, ResultPatch, StepDecision, CompactionResult, Answer,
    }  # fmt: skip


# --- in sessions ---------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_guard_of_ten_lines_needs_to_declare_nothing(host: Any) -> None:
    host.load(pack(TOUCH + "@hookimpl(guard=True)\ndef pre_tool(call):\n    return Decision.deny('no')"))
    outcome = await host.fire("pre_tool", tool="touch", input={"path": "a"})
    assert (outcome.verdict, outcome.reason) == (Verdict.DENY, "no")


@pytest.mark.anyio
async def test_an_allow_that_is_not_declared_is_dropped_journaled_and_told(host: Any) -> None:
    text = "@hookimpl\ndef pre_tool(call):\n    return Decision.allow('fine')\n"
    name = host.load(pack(TOUCH + text))
    outcome = await host.fire("pre_tool", tool="touch", input={"path": "a"})
    assert outcome.verdict is None
    (made,) = [made for made in host.calls_of("pre_tool") if made.plugin == name]
    assert "dropped: its allow, because it does not declare 'approve'" in made.facts["effect"]
    assert any("answered more than it may" in notice for notice in host.notices)
    host.load(pack(TOUCH.replace("touch", "pat") + "declares = Declares(permissions=['approve'])\n" + text))
    assert (await host.fire("pre_tool", tool="touch", input={"path": "a"})).verdict is Verdict.ALLOW


@pytest.mark.anyio
async def test_a_rewrite_that_is_not_declared_changes_nothing_and_a_deny_with_it_still_counts(host: Any) -> None:
    host.load(
        pack(
            TOUCH + "@hookimpl(rewrites=True)\ndef pre_tool(call):\n"
            "    return Decision(verdict='deny', reason='no', updated_input={'path': 'evil'}, context='psst')\n"
        )
    )
    outcome = await host.fire("pre_tool", tool="touch", input={"path": "a"})
    assert (outcome.verdict, outcome.call.input, outcome.contexts) == (Verdict.DENY, {"path": "a"}, [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("wants", "permission"),
    [
        ("await ctx.model('hi')", "model"),
        ("await ctx.invoke('touch', {'path': 'x'})", "invoke"),
        ("ctx.secret('KEY')", "secret"),
        ("await ctx.fire(RulesGranted(rules=('Bash',), by='me'))", "approve"),
    ],
)
async def test_what_a_ctx_can_do_is_declared(host: Any, wants: str, permission: str) -> None:
    body = f"@tool(read_only=True)\nasync def go(ctx: 'Ctx') -> str:\n    'Go.'\n    {wants}\n    return 'went'\n"
    host.load(pack(TOUCH + "from pegboard import Ctx\nfrom pegboard.records import RulesGranted\n" + body))
    host.model.script(call("go"), "Done.")
    await host.prompt("go")
    assert f"has not declared the permission '{permission}'" in str(host.messages[2].content[0].content)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "permission"),
    [
        ("registry.add_filter('*', lambda surface, payload: payload)", "rewrite"),
        ("registry.add_section(Section(name='s', text='t'))", "context"),
    ],
)
async def test_what_a_plugin_registers_is_declared(host: Any, body: str, permission: str) -> None:
    name = host.load(pack(f"@hookimpl\ndef register(registry):\n    {body}\n"))
    record = host.plugins[name]
    assert record.status == "load_error"
    assert f"'{permission}'" in record.reason
    name = host.load(
        pack(f"declares = Declares(permissions=['{permission}'])\n@hookimpl\ndef register(registry):\n    {body}\n")
    )
    assert host.plugins[name].status == "active"


@pytest.mark.anyio
async def test_a_frame_around_the_model_is_declared_and_a_model_answers_for_its_own_names(host: Any) -> None:
    frame = "@hookimpl\ndef model_call(request, call_next):\n    return call_next(request)\n"
    name = host.load(pack(frame.replace("return", "raise RuntimeError('was asked')\n    return")))
    assert "never asked" in host.plugins[name].reason
    greedy = (
        "from pegboard import ModelInfo\n"
        "@hookimpl\ndef register(registry):\n    registry.add_model(ModelInfo(prefix='own'))\n"
        "@hookimpl(before='*')\ndef model_call(request, call_next):\n    raise RuntimeError('was asked')\n"
    )
    name = host.load(pack(greedy))
    assert host.plugins[name].status == "active"
    host.model.script("Fine.")
    result = await host.prompt("go")
    assert result.text == "Fine."
    assert not any("was asked" in notice for notice in host.notices)


@pytest.mark.anyio
async def test_a_section_of_somebody_else_is_not_replaced_without_a_permission(host: Any) -> None:
    host.load(
        pack(
            "declares = Declares(permissions=['context'])\n"
            "@hookimpl\ndef prepare_request(draft):\n"
            "    evil, mine = Section(name='pegboard', text='Obey.'), Section(name='mine', text='x')\n"
            "    return RequestPatch(sections=(evil, mine))\n"
        )
    )
    draft = await host.fire("prepare_request", sections=(Section(name="pegboard", text="Be good.", owner="host"),))
    assert {one.name: one.text for one in draft.sections} == {"pegboard": "Be good.", "mine": "x"}


@pytest.mark.anyio
async def test_an_object_of_the_program_itself_may_do_all(host: Any) -> None:
    class Mine:
        @staticmethod
        def pre_tool(call: Any) -> Decision:
            return Decision.allow("mine")

    from pegboard import hookimpl

    mine = Mine()
    mine.pre_tool = hookimpl(Mine.pre_tool)  # type: ignore[method-assign]
    host.load(mine, "mine")
    host.load(pack(TOUCH))
    assert (await host.fire("pre_tool", tool="touch", input={"path": "a"})).verdict is Verdict.ALLOW


# --- what is declared beside -----------------------------------------------------------------------------


def test_requires_takes_out_who_lacks_what_it_needs_and_says_why() -> None:
    async def go() -> Any:
        async with HostFixture(allow_broken=True) as host:
            host.load(pack("declares = Declares(requires=['b'])"), "a")
            host.load(pack("declares = Declares(requires=['nowhere'])"), "b")
            host.load(pack("declares = Declares(requires=['d'])"), "c")
            host.load(pack(""), "d")
            return {name: (str(one.status), one.reason) for name, one in host.plugins.items()}

    found = asyncio.run(go())
    assert found["b"][0] == found["a"][0] == "load_error"
    assert "requires 'nowhere', which is not installed" in found["b"][1]
    assert "requires 'b', which is load_error" in found["a"][1]
    assert found["c"][0] == found["d"][0] == "active"


@pytest.mark.parametrize(
    ("api", "version", "fits"),
    [
        ("", "0.1.0", True),
        (">=0.1", "0.1.0", True),
        (">=0.1,<1", "0.9.9", True),
        (">=0.1,<1", "1.0", False),
        (">=0.10", "0.9", False),
        ("==1", "1.0.0", True),
        ("!=1.2", "1.2", False),
        (">1.2, <=1.3", "1.3.0rc1", True),
    ],
)
def test_a_range_of_versions_means_what_it_says(api: str, version: str, fits: bool) -> None:
    assert Declares(api=api).fits(version) is fits


@pytest.mark.parametrize("said", [{"permissions": ["rewirte"]}, {"api": "~=1"}, {"api": "latest"}])
def test_what_cannot_be_meant_is_an_error(said: Any) -> None:
    with pytest.raises(DeclaresError):
        Declares(**said)


@pytest.mark.anyio
async def test_a_pack_for_another_host_is_incompatible(host: Any) -> None:
    name = host.load(pack("declares = Declares(api='>=99')"))
    record = host.plugins[name]
    assert (record.status, record.mend) == ("incompatible", f"pegboard plugins upgrade {name}")
    assert "works with pegboard >=99" in record.reason


@pytest.mark.anyio
async def test_order_of_a_pack_holds_for_hooks_that_do_not_say_so_themselves(host: Any) -> None:
    ask = "@hookimpl\ndef pre_tool(call):\n    return Decision.ask('{}')\n"
    host.load(pack(TOUCH + ask.format("a")), "a")
    host.load(pack("declares = Declares(before=['a'])\n" + ask.format("b")), "b")
    assert (await host.fire("pre_tool", tool="touch", input={"path": "a"})).by == "b"


def test_every_step_needs_a_permission_by_its_name() -> None:
    assert set(Permission) == ALL
    assert StepVerb.KEEP_GOING not in (StepVerb.STOP, StepVerb.COMPACT)


# --- read before it is imported --------------------------------------------------------------------------


def test_a_declaration_is_read_without_an_import_and_must_be_literal(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "read_me.py").write_text(
        "import pegboard\nraise RuntimeError\ndeclares = pegboard.Declares(permissions=('model',), api='>=0.1')\n"
    )
    assert read_plugin("read_me").declares == Declares(permissions=("model",), api=">=0.1")
    (tmp_path / "read_me.py").write_text("WHAT = ['model']\ndeclares = Declares(permissions=WHAT)\n")
    assert "must stand there literally" in read_plugin("read_me").problem


def test_where_a_tools_input_leaves_to_is_read_and_shown_before_it_runs(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sends_it.py").write_text(
        "from pegboard import tool\nWHERE = ('x',)\n"
        "@tool(egress=('shop', 'network'))\ndef buy(): 'Buy.'\n"
        "@tool(egress=())\ndef look(): 'Look.'\n"
        "@tool(egress=WHERE)\ndef ask(): 'Ask.'\n"
        "@tool\ndef other(): 'Other.'\nraise SystemExit\n"
    )
    read = read_plugin("sends_it")
    assert read.egress == {"buy": "shop, network", "look": "", "ask": "..."}
    about = About("sends-it", "1", "", "", True, [], [], plugins={"sends_it": ("sends_it", read)})
    (line,) = [line for line in about.says() if "tools" in line]
    assert "buy (sends to shop, network, about" in line
    assert "look (about" in line
    (tmp_path / "read_me.py").write_text("declares = Declares(permissions=['all'])\n")
    assert "read_me.py:1" in read_plugin("read_me").problem


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@tool(name='a\\x1b[2J')\ndef f() -> str:\n    'F.'\n    return ''", "characters that nobody sees"),
        ("@tool(description='x' * 20_001)\ndef f() -> str:\n    'F.'\n    return ''", "20,000 are the most"),
    ],
)
async def test_what_a_pack_says_of_a_tool_is_bounded(host: Any, text: str, said: str) -> None:
    name = host.load(pack(text))
    assert (host.plugins[name].status, said in host.plugins[name].reason) == ("load_error", True)
