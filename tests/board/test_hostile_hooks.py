"""Whatever a hook does, the session goes on, a guard stays closed, and whose fault it was is told."""

from __future__ import annotations

import asyncio
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
from dispatch_stage import Stage, plugin

from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    Skip,
    StepDecision,
    Verdict,
)
from pegboard.errors import ModelError
from pegboard.hookspecs import POLICIES, hookimpl
from pegboard.messages import Outcome, OutcomeKind, ToolResult
from pegboard.records import Notice
from pegboard.requests import Purpose, Request, RequestPatch
from pegboard.testing import HostFixture, call
from pegboard.tools import tool

pytestmark = pytest.mark.anyio

HOOKS = [hook for hook in POLICIES if hook != "register"]
ANSWERS: dict[str, Any] = {
    "prompt_submit": PromptDecision,
    "prepare_request": RequestPatch,
    "pre_tool": Decision,
    "resolve_ask": Resolution,
    "post_tool": ResultPatch,
    "next_step": StepDecision,
    "compact": Skip,
    "lifecycle": Answer,
}
Body = Callable[[], Any]


# --- what a hook may do --------------------------------------------------------------------------------


class Odd(BaseException):
    """An error of a plugin's own that is no Exception."""


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class LastWords(Exception):
    def __str__(self) -> str:
        raise SystemExit(9)


class EqualsNothing:
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class OfNoClass:
    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("no class")


def raises(error: Any) -> Callable[[str], Body]:
    def make(hook: str) -> Body:
        def body() -> Any:
            raise error

        return body

    return make


def raises_later(error: Any) -> Callable[[str], Body]:
    def make(hook: str) -> Body:
        async def body() -> Any:
            await asyncio.sleep(0)
            raise error

        return body

    return make


def answers(value: Callable[[str], Any]) -> Callable[[str], Body]:
    def make(hook: str) -> Body:
        def body() -> Any:
            return value(hook)

        return body

    return make


async def a_coroutine() -> None: ...


def a_generator() -> Any:
    yield


async def an_async_generator() -> Any:
    yield "words that are no event"


def of_nonsense(hook: str) -> Any:
    """Return an answer of the right class, made around its checks."""
    kind = ANSWERS.get(hook)
    return kind.model_construct(**dict.fromkeys(kind.model_fields, object())) if kind else object()


def without_json(hook: str) -> Any:
    """Return an answer with data in it that nobody can write down."""
    made: dict[str, Any] = {
        "pre_tool": lambda: Decision.replace({"path": object()}),
        "post_tool": lambda: ResultPatch(data={"path": object()}),
        "prepare_request": lambda: RequestPatch(params={"path": object()}),
        "resolve_ask": lambda: Resolution(allow=True, updated_input={"path": object()}),
        "lifecycle": lambda: Answer(content={"path": object()}),
    }
    return made.get(hook, object)()


def in_a_circle(hook: str) -> Any:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    return Decision.replace(circle) if hook == "pre_tool" else circle


ERRORS: dict[str, Any] = {
    "an error": RuntimeError("oh no"),
    "SystemExit": SystemExit(9),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "GeneratorExit": GeneratorExit(),
    "CancelledError": asyncio.CancelledError(),
    "StopIteration": StopIteration(),
    "StopAsyncIteration": StopAsyncIteration(),
    "a BaseException": Odd("odd"),
    "an error without words": Wordless(),
    "an error whose words exit": LastWords(),
    "half a character": RuntimeError("\udc80"),
    "a whole book": RuntimeError("x" * 1_000_000),
    "a group": BaseExceptionGroup("both", [KeyboardInterrupt(), RuntimeError("oh no")]),
}
DEEDS: dict[str, Callable[[str], Body]] = {
    **{f"raises {name}": raises(error) for name, error in ERRORS.items()},
    **{f"waits and raises {name}": raises_later(error) for name, error in ERRORS.items()},
    "answers a number": answers(lambda hook: 42),
    "answers a class": answers(lambda hook: ANSWERS.get(hook, Decision)),
    "answers False": answers(lambda hook: False),
    "answers a coroutine": answers(lambda hook: a_coroutine()),
    "answers a generator": answers(lambda hook: a_generator()),
    "answers an async generator": answers(lambda hook: an_async_generator()),
    "answers a future": answers(lambda hook: asyncio.get_running_loop().create_future()),
    "answers what equals nothing": answers(lambda hook: EqualsNothing()),
    "answers what has no class": answers(lambda hook: OfNoClass()),
    "answers a mock": answers(lambda hook: MagicMock(spec=ANSWERS.get(hook, Request))),
    "answers nonsense of the right class": answers(of_nonsense),
    "answers what has no JSON": answers(without_json),
    "answers a circle": answers(in_a_circle),
}


@pytest.fixture(autouse=True)
def _with_a_handler_of_our_own() -> Any:
    """Take Ctrl-C as the command line does: under the interpreter's own handler it cannot be told from a plugin's."""
    before = signal.signal(signal.SIGINT, lambda number, frame: pytest.exit("interrupted"))
    yield
    signal.signal(signal.SIGINT, before)


@tool(read_only=True)
def look(path: str) -> str:
    """Look."""
    return f"seen {path}"


@tool
def change(path: str) -> str:
    """Change."""
    return f"changed {path}"


class Yes:
    @hookimpl(after="*")
    def resolve_ask(self) -> Resolution:
        return Resolution(allow=True)


@pytest.mark.parametrize("deed", DEEDS)
async def test_the_session_goes_on_whatever_all_of_its_hooks_do_and_each_is_named(deed: str) -> None:
    async with HostFixture() as host:
        for hook in HOOKS:
            host.load(hookimpl(specname=hook)(DEEDS[deed](hook)), f"bad_{hook}")
        host.load(look)
        host.load(change)
        host.load(Yes)
        host.model.script(call("look", path="a"), call("change", path="b"), "done", "and again")
        result = await host.prompt("go")
        assert (result.reason, result.text) == ("completed", "done")
        await host.session.compact()
        assert (await host.prompt("more")).text == "and again"
        await host.session.close()
        told = [record for record in host.records("notice") if isinstance(record, Notice)]
        failed = {record.plugin for record in told if " failed" in record.text}
        assert failed == {f"bad_{hook}" for hook in HOOKS}
        assert max(len(record.text) for record in told) < 10_000


# --- a guard that misbehaves ---------------------------------------------------------------------------

FAR = 0.05


def hangs(hook: str) -> Body:
    async def body() -> Any:
        await asyncio.Event().wait()

    return body


def will_not_be_cancelled(hook: str) -> Body:
    async def body() -> Any:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    return body


def hangs_in_a_loop(hook: str) -> Body:
    def body() -> Any:
        while True:
            pass

    return body


def hangs_in_a_thread(hook: str) -> Body:
    def body() -> Any:
        time.sleep(2)

    return body


HANGS: dict[str, tuple[Callable[[str], Body], dict[str, Any]]] = {
    "waits for ever": (hangs, {}),
    "will not be cancelled": (will_not_be_cancelled, {}),
    "loops for ever": (hangs_in_a_loop, {}),
    "hangs in a thread": (hangs_in_a_thread, {"blocking": True}),
}
BAD = {**{deed: (make, {}) for deed, make in DEEDS.items()}, **HANGS}


@pytest.mark.parametrize("deed", BAD)
async def test_a_guard_is_closed_whatever_it_does(deed: str) -> None:
    make, options = BAD[deed]
    if deed in HANGS:
        options = {**options, "timeout": FAR}

    def bad(hook: str) -> list[tuple[str, Any]]:
        return [("bad", plugin(hook, make(hook), guard=True, **options))]

    with Stage(bad("pre_tool")) as stage:
        outcome = await stage.pre_tool()
        assert (outcome.verdict, outcome.by) == (Verdict.DENY, "bad")
        assert "a guard" in outcome.reason
        assert stage.told("bad")
    with Stage(bad("prompt_submit")) as stage:
        prompt = await stage.dispatcher.prompt_submit("x")
        assert (prompt.blocked, prompt.by) == (True, "bad")
    with Stage(bad("post_tool")) as stage:
        ok = Outcome(kind=OutcomeKind.OK, result=ToolResult(content="a secret"))
        after = await stage.dispatcher.post_tool((await stage.pre_tool()).call, ok)
        assert after.hidden
        assert "a secret" not in str(after.outcome.result)


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_frame_of_a_guard_refuses_the_request_whatever_it_does(deed: str) -> None:
    given = Request(purpose=Purpose.TURN, model="fake:x", system=(), tools=(), messages=[], max_tokens=10)
    stage = Stage([("bad", plugin("model_call", DEEDS[deed]("model_call"), guard=True))])
    with stage, pytest.raises(ModelError, match=r"bad \(a guard\) failed"):
        async for _ in stage.dispatcher.model_call(given):
            pass


# --- what holds the loop -------------------------------------------------------------------------------


def sleeps_in_c() -> None:
    time.sleep(60)


def waits_for_a_lock() -> None:
    threading.Event().wait(60)


def reads_from_nobody() -> None:
    select.select([], [], [], 60)


async def waits_and_sleeps_in_c() -> None:
    await asyncio.sleep(0)
    time.sleep(60)  # noqa: ASYNC251  (that is the point)


async def waits_and_loops() -> None:
    await asyncio.sleep(0)
    while True:
        pass


HOLDS = [sleeps_in_c, waits_for_a_lock, reads_from_nobody, waits_and_sleeps_in_c, waits_and_loops]


@pytest.mark.parametrize("holds", HOLDS)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside one that waits"])
async def test_what_holds_the_loop_is_ended_also_in_c_and_after_it_has_waited(holds: Any, beside: bool) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("in another thread only what takes steps of the interpreter can be ended")
    ended: list[BaseException] = []

    if asyncio.iscoroutinefunction(holds):

        async def body() -> None:
            try:
                await holds()
            except BaseException as error:
                ended.append(error)
                raise
    else:

        def body() -> None:  # type: ignore[misc]
            try:
                holds()
            except BaseException as error:
                ended.append(error)
                raise

    async def waits() -> None:
        await asyncio.sleep(0)

    others = [("first", plugin("pre_tool", waits))] if beside else []
    with Stage([*others, ("held", plugin("pre_tool", body, guard=True, timeout=FAR))]) as stage:
        outcome = await stage.pre_tool()
        assert (outcome.verdict, outcome.by) == (Verdict.DENY, "held")
        assert "did not answer 'pre_tool' within" in outcome.reason
        assert [type(error).__name__ for error in ended] == ["OverrunError"]


async def test_an_observer_that_is_never_done_has_nothing_to_say_once_the_session_is_closed() -> None:
    seen: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, facts: seen.append(facts.get("exception")))  # type: ignore[arg-type]
    async with HostFixture() as host:
        host.load(hookimpl(specname="event", timeout=FAR * 20)(will_not_be_cancelled("event")), "bad")
        host.model.script("done")
        assert (await host.prompt("go")).text == "done"
    await asyncio.sleep(FAR * 20)
    assert not seen


# --- what it hands out -----------------------------------------------------------------------------------


async def test_an_allow_that_was_slipped_past_the_checks_is_an_allow_like_any_other() -> None:
    """`model_copy` looks at nothing: the text "allow" is not `Verdict.ALLOW`, but must not count for more."""

    def slips(text: str, **more: Any) -> Any:
        return plugin("pre_tool", lambda: Decision().model_copy(update={"verdict": text, **more}), rewrites=True)

    later = plugin("pre_tool", lambda: Decision.replace({"command": "rm"}), rewrites=True)
    with Stage([("a", slips("allow")), ("b", later)]) as stage:
        outcome = await stage.pre_tool()
    assert outcome.verdict is None
    assert "changed after this allow" in stage.rows()["a"].effect
    with Stage([("a", slips("perhaps"))]) as stage:
        assert (await stage.pre_tool()).verdict is None
    assert "a Decision that is none (verdict:" in stage.told("a")[0]


async def test_who_still_holds_what_it_answered_cannot_change_it_afterwards() -> None:
    kept = {"command": "ls", "more": ["a"]}
    with Stage([("a", plugin("pre_tool", lambda: Decision.replace(kept), rewrites=True))]) as stage:
        outcome = await stage.pre_tool()
    kept["more"].append("b")  # type: ignore[attr-defined]
    assert outcome.call.input == {"command": "ls", "more": ["a"]}
