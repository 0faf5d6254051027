"""The calls of one message: side by side where claims allow it, in order where not, one result each in source order."""

from __future__ import annotations

import asyncio
import random

import pytest
from agent_room import AllowAll, assert_whole, load_tools, log, results
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard._agent.scheduler import run_calls
from pegboard.messages import EndReason, ToolCall
from pegboard.testing import HostFixture, call
from pegboard.tools import READS_ANYTHING, Claims

NAMES = st.sampled_from(["file:/a", "file:/b", "file:/d/", "file:/d/x", "terminal:1", "*"])
CLAIMS = st.one_of(
    st.just(Claims.alone()),
    st.just(READS_ANYTHING),
    st.just(Claims()),
    st.builds(lambda r, w: Claims(frozenset(r), frozenset(w)), st.sets(NAMES, max_size=2), st.sets(NAMES, max_size=2)),
)


def made(number: int) -> list[ToolCall]:
    return [ToolCall(id=str(place), name="x", input={}) for place in range(number)]


async def played(claims, *, at_once=8, seed=0, hold_after=None, cancel_after=None):
    """Run calls with these claims; return results, the log of beginnings and ends, and what was skipped."""
    chance = random.Random(seed)
    events: list[tuple[str, int]] = []
    skipped: list[int] = []

    async def run(one):
        place = int(one.id)
        events.append(("begin", place))
        try:
            for _ in range(chance.randint(0, 4)):
                await asyncio.sleep(0)
        finally:
            events.append(("end", place))
        return f"ran {place}"

    async def skip(one, reason):
        skipped.append(int(one.id))
        return f"skipped {one.id}"

    def hold():
        ended = sum(kind == "end" for kind, _ in events)
        return "enough" if hold_after is not None and ended >= hold_after else ""

    work = asyncio.create_task(run_calls(made(len(claims)), claims, run, skip, at_once=at_once, hold=hold))
    if cancel_after is not None:
        for _ in range(cancel_after):
            await asyncio.sleep(0)
        work.cancel()
    try:
        return await work, events, skipped
    except asyncio.CancelledError:
        return None, events, skipped


@given(st.lists(CLAIMS, min_size=1, max_size=8), st.integers(1, 4), st.integers(0, 99))
@settings(deadline=None, max_examples=150)
def test_results_keep_the_source_order_and_conflicting_calls_never_overlap(claims, at_once, seed):
    done, events, skipped = asyncio.run(played(claims, at_once=at_once, seed=seed))
    assert done == [f"ran {place}" for place in range(len(claims))]
    assert skipped == []
    running: list[int] = []
    ended: set[int] = set()
    for kind, place in events:
        if kind == "end":
            running.remove(place)
            ended.add(place)
            continue
        assert not any(claims[place].conflicts(claims[other]) for other in running)
        assert all(other in ended for other in range(place) if claims[place].conflicts(claims[other]))
        running.append(place)
        assert len(running) <= at_once


@given(st.lists(CLAIMS, min_size=1, max_size=6), st.integers(1, 6), st.integers(0, 99), st.booleans())
@settings(deadline=None, max_examples=150)
def test_every_call_has_one_end_whenever_it_is_held_or_cancelled(claims, after, seed, cancel):
    how = {"cancel_after": after} if cancel else {"hold_after": after}
    done, events, skipped = asyncio.run(played(claims, seed=seed, **how))
    began = [place for kind, place in events if kind == "begin"]
    assert sorted(began) == sorted(place for kind, place in events if kind == "end")
    assert sorted([*began, *skipped]) == list(range(len(claims))) or (done is None and len(claims) == 1)
    if done is not None:
        assert [text.split()[1] for text in done] == [str(place) for place in range(len(claims))]


@given(st.lists(st.booleans(), min_size=2, max_size=12), st.integers(1, 12))
@settings(deadline=None)
def test_calls_begin_in_source_order_and_one_that_waits_holds_up_none_beside_it(waits, at_once):
    async def play():
        began, gate = [], asyncio.Event()

        async def run(one):
            began.append(int(one.id))
            if waits[int(one.id)]:
                await gate.wait()
            return one.id

        async def skip(one, reason):
            raise AssertionError(reason)

        none = [Claims()] * len(waits)
        work = asyncio.create_task(run_calls(made(len(waits)), none, run, skip, at_once=at_once, hold=str))
        for _ in range(3 * len(waits) + 3):
            await asyncio.sleep(0)
        before = list(began)
        gate.set()
        return before, began, await work

    before, began, done = asyncio.run(play())
    assert began == list(range(len(waits)))
    assert done == [str(place) for place in range(len(waits))]
    waiting = [place for place, wait in enumerate(waits) if wait]
    assert len(before) == (waiting[at_once - 1] + 1 if len(waiting) >= at_once else len(waits))


def test_calls_that_never_wait_need_no_task_each():
    async def play():
        tasks = set()

        async def run(one):
            tasks.add(asyncio.current_task())
            return one.id

        async def skip(one, reason):
            raise AssertionError(reason)

        await run_calls(made(8), [Claims()] * 8, run, skip, at_once=8, hold=str)
        return len(tasks)

    assert asyncio.run(play()) == 1


def test_an_error_of_the_journal_ends_the_batch_and_is_raised():
    async def play():
        ended = []

        async def run(one):
            if one.id == "1":
                raise OSError("full")
            try:
                await asyncio.sleep(30)
            finally:
                ended.append(one.id)

        async def skip(one, reason):
            return None

        with pytest.raises(OSError, match="full"):
            await run_calls(made(3), [Claims()] * 3, run, skip, at_once=8, hold=str)
        return ended

    assert set(asyncio.run(play())) in ({"0"}, {"0", "2"})


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("made", "overlap"),
    [
        pytest.param([call("look", name=name, seconds=0.05) for name in "ab"], True, id="two reads"),
        pytest.param([call("change", name=name, seconds=0.05) for name in "ab"], True, id="writes of different things"),
        pytest.param([call("change", name="a", seconds=0.05)] * 2, False, id="writes of one thing"),
        pytest.param(
            [call("alone", name="a", seconds=0.05), call("look", name="b")], False, id="an undeclared one first"
        ),
        pytest.param(
            [call("look", name="a", seconds=0.05), call("alone", name="b")], False, id="an undeclared one last"
        ),
    ],
)
async def test_a_batch_in_a_session(made, overlap):
    async with HostFixture() as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script(made, "Done.")
        assert (await host.prompt("Go.")).reason is EndReason.COMPLETED
        assert (log[1].endswith("+")) is overlap
        assert list(results(host.messages)) == ["toolu_1_1", "toolu_1_2"]
        assert_whole(host)
