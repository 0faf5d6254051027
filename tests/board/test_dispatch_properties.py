"""What holds for every set of plugins, whatever they answer and whoever is ready first."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from dispatch_stage import Stage, plugin
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pegboard._board.outcomes import CallOutcome
from pegboard.decisions import Decision, Verdict
from pegboard.messages import Batch, ToolCall, input_hash
from pegboard.records import HookRecord

Result = TypeVar("Result")
NAMES = [f"p{place}" for place in range(8)]


@dataclass(frozen=True)
class Handler:
    """How one implementation of pre_tool behaves."""

    name: str
    verdict: Verdict | None
    writes: str | None = None
    rewrites: bool = False
    guard: bool = False
    breaks: str = ""
    form: str = "def"
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def plugin(self, turn: Callable[[], Coroutine[Any, Any, None]]) -> Any:
        def decide(call: ToolCall) -> Any:
            if self.breaks == "in place":
                call.input["command"] = "harmless"
                return None
            if self.breaks == "raises":
                raise RuntimeError(self.name)
            if self.breaks == "wrong":
                return self.name
            new = None if self.writes is None else {"command": self.writes}
            return Decision(verdict=self.verdict, reason=f"{self.name} says so", updated_input=new)

        async def decide_later(call: ToolCall) -> Any:
            await turn()
            return decide(call)

        return plugin(
            "pre_tool",
            decide if self.form == "def" else decide_later,
            rewrites=self.rewrites,
            guard=self.guard,
            before=self.before,
            after=self.after,
        )


@st.composite
def some_handlers(draw: st.DrawFn, *, names: list[str] = NAMES, form: str | None = None) -> list[Handler]:
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=6))
    return [draw(a_handler(name, form=form)) for name in chosen]


@st.composite
def a_handler(draw: st.DrawFn, name: str, *, rewrites: bool | None = None, form: str | None = None) -> Handler:
    others = st.lists(st.sampled_from([*NAMES, "*"]), max_size=1).map(tuple)
    return Handler(
        name=name,
        verdict=draw(st.sampled_from([None, *Verdict])),
        writes=draw(st.sampled_from([None, None, "a", "b", ""])),
        rewrites=draw(st.booleans()) if rewrites is None else rewrites,
        guard=draw(st.booleans()),
        breaks=draw(st.sampled_from(["", "", "", "raises", "wrong", "in place"])),
        form=form or draw(st.sampled_from(["def", "async def"])),
        # only forwards, so that no circle takes plugins out: circles are another file's matter
        before=tuple(other for other in draw(others) if other > name or other == "*"),
        after=tuple(other for other in draw(others) if other < name or other == "*"),
    )


async def no_wait() -> None: ...


async def outcome_of(handlers: list[Handler], *, can_defer: bool, turn: Any = no_wait) -> tuple[CallOutcome, Stage]:
    given_input = {"command": "ls"}
    call = ToolCall(id="call", name="Bash", input=given_input, input_hash=input_hash(given_input))
    problems = lambda call: "" if call.input.get("command") else "command: it is empty"  # noqa: E731
    with Stage([(handler.name, handler.plugin(turn)) for handler in handlers], problems=problems) as stage:
        return await stage.dispatcher.pre_tool(call, Batch(calls=(call,)), can_defer=can_defer), stage


def executed(outcome: CallOutcome, *, read_only: bool) -> bool:
    """Whether the call runs where nobody can be asked: the host's own rule for ask and for no opinion."""
    return outcome.verdict is Verdict.ALLOW or (outcome.verdict is None and read_only)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner() as runner:
        return runner.run(work)


# --- a decider more ------------------------------------------------------------------------------------


def test_a_decider_more_never_turns_a_refused_call_into_an_executed_one(count: Callable[[int], int]) -> None:
    """A call that somebody refused. That nobody minded is no refusal: to allow such a call is what an allow is for."""
    refused = 0
    with asyncio.Runner() as runner:

        @settings(max_examples=count(10_000), deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(some_handlers(), a_handler("added", rewrites=False), st.booleans(), st.booleans())
        @example([Handler("p1", Verdict.DENY)], Handler("added", Verdict.ALLOW), True, True)
        @example([Handler("p1", Verdict.ASK)], Handler("added", Verdict.ALLOW), True, True)
        @example([Handler("p1", None, guard=True, breaks="raises")], Handler("added", Verdict.ALLOW), False, True)
        @example(
            [Handler("p1", Verdict.DENY, rewrites=True)],
            Handler("added", None, breaks="in place", before=("*",)),
            False,
            True,
        )
        @example(
            [
                Handler("p3", None, writes="a", rewrites=True),
                Handler("p4", None, writes="b", rewrites=True, before=("*",)),
                Handler("p5", Verdict.ASK),
            ],
            Handler("added", None, before=("p4",), after=("*",)),
            False,
            False,
        )
        def check(handlers: list[Handler], added: Handler, can_defer: bool, read_only: bool) -> None:
            nonlocal refused
            before, _ = runner.run(outcome_of(handlers, can_defer=can_defer))
            if before.verdict is None or executed(before, read_only=read_only):
                return
            refused += 1
            after, _ = runner.run(outcome_of([*handlers, added], can_defer=can_defer))
            assert not executed(after, read_only=read_only), (before, after)
            assert after.call.input_hash == before.call.input_hash

        check()
    assert refused > count(10_000) / 5


# --- who is ready first --------------------------------------------------------------------------------


class Turns:
    """Lets those that wait go on in an order of its own: by futures, or by different numbers of turns of the loop."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._waiting: list[asyncio.Future[None]] = []
        self._opener: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        if self._chance.random() < 0.5:
            for _ in range(self._chance.randrange(6)):
                await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._opener is None or self._opener.done():
            self._opener = asyncio.create_task(self._open())
        await future

    async def _open(self) -> None:
        while self._waiting:
            for _ in range(self._chance.randrange(1, 4)):
                await asyncio.sleep(0)
            self._waiting.pop(self._chance.randrange(len(self._waiting))).set_result(None)


def without_times(records: list[Any]) -> list[Any]:
    return [
        record.model_copy(update={"ns": len(record.ns)}) if isinstance(record, HookRecord) else record
        for record in records
    ]


def everything(outcome: CallOutcome, stage: Stage) -> tuple[Any, ...]:
    return (
        outcome.verdict,
        outcome.by,
        outcome.reason,
        outcome.contexts,
        outcome.call.input,
        outcome.call.input_hash,
        without_times(stage.notes.records),
        stage.notes.notices,
    )


def test_whoever_is_ready_first_one_verdict_one_hash_one_journal(count: Callable[[int], int]) -> None:
    orders = count(1_000)
    with asyncio.Runner() as runner:

        @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(some_handlers(form="async def"), st.booleans())
        def check(handlers: list[Handler], can_defer: bool) -> None:
            def once(seed: int) -> tuple[Any, ...]:
                return everything(*runner.run(outcome_of(handlers, can_defer=can_defer, turn=Turns(seed))))

            first = once(0)
            for seed in range(1, orders // 10):
                assert once(seed) == first

        check()


@pytest.mark.parametrize("size", [5])
def test_one_fixed_set_gives_one_outcome_in_all_random_orders(size: int, count: Callable[[int], int]) -> None:
    verdicts = [Verdict.ALLOW, Verdict.DENY, Verdict.ASK, Verdict.DENY, None]
    handlers = [Handler(f"p{place}", verdicts[place], form="async def") for place in range(size)]
    handlers += [Handler("r1", Verdict.ALLOW, writes="x", rewrites=True, form="async def")]
    handlers += [Handler("r2", None, writes="y", rewrites=True, form="async def", before=("r1",))]
    with asyncio.Runner() as runner:
        seen = [
            everything(*runner.run(outcome_of(handlers, can_defer=True, turn=Turns(seed))))
            for seed in range(count(1_000))
        ]
    assert all(one == seen[0] for one in seen)
    assert seen[0][:2] == (Verdict.DENY, "p1")


# --- who was registered first --------------------------------------------------------------------------


def test_all_permutations_of_registration_give_one_order_and_one_outcome(count: Callable[[int], int]) -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=count(200), deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(some_handlers(names=NAMES[:4]))
        def check(handlers: list[Handler]) -> None:
            def once(permuted: tuple[Handler, ...]) -> tuple[Any, ...]:
                outcome, stage = runner.run(outcome_of(list(permuted), can_defer=True))
                plan = stage.dispatcher.plan
                return plan.id, [impl.plugin for impl in plan.hooks["pre_tool"]], *everything(outcome, stage)

            first = once(tuple(handlers))
            assert all(once(permuted) == first for permuted in itertools.permutations(handlers))

        check()
