"""Who rewrites the same is told with the order; who rewrites something else is not, and is held to its word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard._agent.explaining import explain
from pegboard._agent.rewriting import seen_in
from pegboard._board.plan import matcher
from pegboard._board.rivals import Rewriter, may_meet, rivalries, rivalries_on
from pegboard._cli.doctor import examine
from pegboard.errors import PegboardError
from pegboard.testing import HostFixture, call

BASH, WRITE = Rewriter("bash", ("command",), "Bash"), Rewriter("write", ("content",), "Edit|Write")
LOUD, ANY = Rewriter("loud", ("command", "timeout"), "Bash|Read"), Rewriter("any")


@pytest.mark.parametrize(
    ("rewriters", "told"),
    [
        pytest.param([BASH, WRITE], [], id="other tools"),
        pytest.param([BASH, Rewriter("b", ("timeout",), "Bash")], [], id="other fields"),
        pytest.param([BASH, LOUD], [("'command' of x", ("bash", "loud"), ())], id="one field"),
        pytest.param([LOUD, BASH], [("'command' of x", ("loud", "bash"), ())], id="in their order"),
        pytest.param([WRITE, ANY, BASH], [("x", ("write", "any", "bash"), ("any",))], id="one that does not say"),
        pytest.param([Rewriter("s", (), "Read"), BASH, WRITE], [], id="one that does not say, of another tool"),
        pytest.param([ANY], [], id="one alone"),
        pytest.param([BASH, Rewriter("p", ("command",), r"^B.*")], [("'command' of x", ("bash", "p"), ())], id="regex"),
        pytest.param([BASH, Rewriter("p", ("command",), r"^W.*")], [], id="a regex that does not match"),
    ],
)
def test_rivals_are_those_that_may_change_one_field_of_one_call(rewriters: list[Rewriter], told: list[Any]) -> None:
    assert [(one.what, one.plugins, one.unsaid) for one in rivalries(rewriters, "x")] == told


TOOLS = ("Bash", "Read", "Write")
MATCHERS = st.sampled_from([None, "*", "Bash", "Read|Write", "Bash, Read", "^R", "Wri.e", "[BR].*", "mcp__.*"])


@given(MATCHERS, MATCHERS, st.sampled_from(TOOLS))
def test_two_matchers_that_let_one_tool_through_may_meet(one: str | None, other: str | None, tool: str) -> None:
    tests = [matcher(text) for text in (one, other)]
    if all(test is None or test(tool) for test in tests):
        assert may_meet(one, other)
        assert may_meet(other, one)


def packs(*fields: Any) -> list[Any]:
    """Return plugins that append their number to the fields that they are told to change."""
    import types

    from pegboard import Decision, Declares, hookimpl

    made = []
    for number, (says, changes) in enumerate(fields):
        module = types.ModuleType(f"pack_{number}")

        def pre_tool(call: Any, number: int = number, changes: tuple[str, ...] = changes) -> Any:
            return Decision.replace(dict(call.input) | {key: f"{call.input.get(key)}{number}" for key in changes})

        vars(module).update(pre_tool=hookimpl(rewrites=says)(pre_tool), declares=Declares(permissions=["rewrite"]))
        made.append(module)
    return made


def echo() -> Any:
    from pegboard import tool

    @tool(read_only=True)
    def echo(a: str, b: str = "") -> str:
        """Say it again."""
        return f"{a} {b}"

    return echo


@pytest.mark.anyio
async def test_a_rewriter_is_held_to_the_fields_that_it_names() -> None:
    async with HostFixture() as host:
        for one in (*packs(("a", ("a",)), (["a", "b"], ("b",)), ("a", ("a", "b"))), echo()):
            host.load(one)
        made = await host.fire("pre_tool", tool="echo", input={"a": "x", "b": "y"})
        assert made.verdict == "deny"
        assert (
            "pack_2 rewrote the input to one that does not fit: it changes b, which its rewrites= does" in made.reason
        )
        assert made.call.input == {"a": "x0", "b": "y1"}


@pytest.mark.anyio
async def test_a_change_in_place_does_not_slip_through(tmp_path: Any) -> None:
    from pegboard import Decision, Declares, hookimpl

    class Sly:
        declares = Declares(permissions=["rewrite"])

        @hookimpl(rewrites="a")
        def pre_tool(self, call: Any) -> Any:
            call.input["b"] = "another"
            return Decision.replace(call.input)

    async with HostFixture() as host:
        host.load(Sly, "sly")
        host.load(echo())
        made = await host.fire("pre_tool", tool="echo", input={"a": "x", "b": "y"})
        assert (made.verdict, made.call.input) == ("deny", {"a": "x", "b": "y"})


@pytest.mark.anyio
async def test_why_and_doctor_say_who_rewrote_what_and_after_whom() -> None:
    async with HostFixture() as host:
        for one in (*packs((True, ("a",)), (True, ("b",)), (True, ("a",))), echo()):
            host.load(one)
        host.model.script(call("echo", a="x", b="y"), "Done.")
        await host.prompt("go")
        told = explain(host.records(), "last")
        steps = {step.plugin: (step.rewrote, step.over) for step in told.dispatches[0].steps}
        assert steps == {"pack_0": (("a",), ()), "pack_1": (("b",), ()), "pack_2": (("a",), ("pack_0",))}
        assert seen_in([host.session.path]) == {"pack_0": {"echo.a"}, "pack_1": {"echo.b"}, "pack_2": {"echo.a"}}
        (said,) = [one.text for one in examine(host.host) if one.area == "order"]
        assert said == (
            "pack_0, then pack_1, then pack_2 may rewrite the input, each what the one before has left "
            "(in this folder's sessions they were seen to rewrite pack_0: echo.a; pack_1: echo.b; pack_2: echo.a)"
        )
        assert [hook for hook, _ in rivalries_on(host.host.board)] == ["pre_tool"]


def test_filters_of_one_way_out_are_rivals_too() -> None:
    import types

    from pegboard import Declares, hookimpl

    with HostFixture() as host:
        for name, surfaces in (("a", ["log"]), ("b", ["*"]), ("c", ["title", "log"])):
            module = types.ModuleType(name)

            def register(registry: Any, surfaces: list[str] = surfaces) -> None:
                for surface in surfaces:
                    registry.add_filter(surface, lambda payload: payload)

            vars(module).update(register=hookimpl(register), declares=Declares(permissions=["rewrite"]))
            host.load(module)
        host.run(host.open())
        found = [(hook, one.what, one.plugins) for hook, one in rivalries_on(host.host.board)]
        assert found == [
            ("filters", "what leaves by log", ("a", "b", "c")),
            ("filters", "what leaves by title", ("b", "c")),
        ]


def test_only_pre_tool_rewrites_fields_by_name() -> None:
    from pegboard import hookimpl

    @hookimpl(rewrites="prompt")
    def prompt_submit(prompt: str) -> None: ...

    with HostFixture() as host:
        host.load(prompt_submit)
        with pytest.raises(PegboardError, match="only pre_tool rewrites fields by name"):
            host.run(host.open())
