"""Compaction in a session: when it happens, what must survive it, and how a session goes on after it."""

from __future__ import annotations

import pytest
from agent_room import assert_whole, dumped, load_tools, text_of

from pegboard import RequestPatch, StepDecision, hookimpl
from pegboard.decisions import Skip
from pegboard.messages import EndReason, Message, TextBlock
from pegboard.requests import CompactionResult, Section, Stability
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio

LONG = "l" * 3000
PIN = "The garden gate must stay shut."


class Compactor:
    """Answers as it is told, and remembers its jobs."""

    def __init__(self, answer):
        self.answer, self.jobs = answer, []

    @hookimpl
    def compact(self, job):
        self.jobs.append(job)
        return self.answer(job) if callable(self.answer) else self.answer


def summary(job, text="In short: nothing."):
    return CompactionResult(messages=(Message(role="user", content=(TextBlock(text=text),)),), strategy="summary")


class Pinned:
    @hookimpl
    def prepare_request(self, draft):
        section = Section(name="gate", text=PIN, stability=Stability.TURN, pinned=True)
        return RequestPatch(sections=(section,))


def used(tokens, turn):
    table = {"text": turn} if isinstance(turn, str) else {"call": [{"name": turn.name, "input": turn.input}]}
    return {**table, "usage": {"input_tokens": tokens}}


async def test_a_conversation_is_compacted_at_the_threshold_and_not_before():
    compactor = Compactor(summary)
    async with HostFixture() as host:
        load_tools(host)
        host.load(compactor)
        looks = [used(700, call("look", name=LONG)), used(850, call("look", name="b"))]
        host.model.script(*looks, "Done.", context_window=100_000)
        host.settings["model"] = {"context_window": 1_000}
        host._stale = True
        result = await host.prompt("Go.")
        assert (result.reason, result.text) == (EndReason.COMPLETED, "Done.")
        assert str(compactor.jobs[0].trigger) == "auto"
        assert compactor.jobs[0].tokens >= 800
        assert "In short" in text_of(host.messages[0])
        assert_whole(host)


async def test_a_result_that_loses_a_pin_is_dropped_and_the_rule_keeps_it():
    compactor = Compactor(summary)
    async with HostFixture() as host:
        load_tools(host)
        host.load(Pinned)
        host.load(compactor)
        host.model.script(call("look", name=LONG), call("look", name=LONG + "2"), "Done.", "More.")
        await host.prompt("Go.")
        assert await host.session.compact()
        assert compactor.jobs[0].pins == (PIN,)
        (record,) = host.records("compaction")
        assert record.by == "host"
        assert PIN in "".join(map(text_of, host.messages))
        dropped = [row.effect for one in host.records("hook") if one.point == "compact" for row in one.rows]
        assert any("lost a pinned text" in effect for effect in dropped)
        assert_whole(host)


async def test_pins_are_known_after_a_resume_too():
    compactor = Compactor(lambda job: summary(job, f"In short: {PIN}"))
    async with HostFixture() as host:
        load_tools(host)
        host.load(Pinned)
        host.load(compactor)
        host.model.script(call("look", name=LONG), "Done.", "More.", "-", "-")
        await host.prompt("Go.")
        host._stale = True
        session = await host.open()
        assert await session.compact("shorter")  # before any request
        assert (compactor.jobs[0].pins, compactor.jobs[0].instructions) == ((PIN,), "shorter")
        assert [record.by for record in host.records("compaction")] == ["Compactor"]
        after = dumped(host.messages)
        host._stale = True
        await host.open()
        assert dumped(host.messages) == after
        assert (await host.prompt("And now?")).reason is EndReason.COMPLETED
        assert "".join(map(text_of, host.messages)).count(PIN) == 1
        assert_whole(host)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda job: CompactionResult(messages=(), strategy="x"), id="nothing"),
        pytest.param(lambda job: CompactionResult(messages=tuple(job.messages), strategy="x"), id="not shorter"),
        pytest.param(lambda job: CompactionResult(messages=tuple(job.messages[1:]), strategy="x"), id="invalid"),
        pytest.param(lambda job: 1 / 0, id="an error"),
        pytest.param("a text", id="of the wrong type"),
    ],
)
async def test_a_result_that_will_not_do_is_dropped_and_the_next_is_asked(bad):
    good = Compactor(summary)
    async with HostFixture() as host:
        load_tools(host)
        host.load(Compactor(bad), name="a_bad")
        host.load(good, name="b_good")
        host.model.script(call("look", name=LONG), "Done.")
        await host.prompt("Go.")
        assert await host.session.compact()
        assert [record.by for record in host.records("compaction")] == ["b_good"]
        assert_whole(host)


async def test_a_skip_ends_the_job_but_not_where_the_window_has_overflowed():
    skip = Compactor(Skip(reason="not now"))
    async with HostFixture() as host:
        load_tools(host)
        host.load(skip)
        looks = [call("look", name=LONG * 2), call("look", name=LONG * 3)]
        host.model.script(*looks, "Done.", *looks, {"error": {"overflow": True}}, "Done.")
        await host.prompt("Go.")
        before = dumped(host.messages)
        assert not await host.session.compact()
        assert dumped(host.messages) == before
        (record,) = host.records("compaction_skipped")
        assert (record.by, record.reason) == ("Skip", "not now") or record.by == "Compactor"
        result = await host.prompt("Again.")
        assert result.reason is EndReason.COMPLETED
        assert [record.by for record in host.records("compaction")] == ["host"]
        assert_whole(host)


async def test_the_cut_by_rule_is_the_same_each_time():
    seen = []
    for _ in range(2):
        async with HostFixture() as host:
            load_tools(host)
            host.model.script(*[call("look", name=f"{n}{LONG}") for n in range(5)], "Done.")
            await host.prompt("Go.")
            assert await host.session.compact()
            seen.append(dumped(host.messages))
            assert "The" in text_of(host.messages[0])
            assert_whole(host)
    assert seen[0] == seen[1]


async def test_compaction_that_does_not_help_is_not_tried_again_and_again():
    useless = Compactor(
        lambda job: CompactionResult(messages=job.messages[:1] if len(job.messages) > 99 else (), strategy="x")
    )
    async with HostFixture() as host:
        load_tools(host)
        host.load(useless)
        host.settings["model"] = {"context_window": 1_000}
        host.model.script(*[used(5_000, call("look", name=str(n))) for n in range(8)], "Done.")
        result = await host.prompt("Go.")
        assert result.reason is EndReason.COMPLETED
        assert len(useless.jobs) <= 3


async def test_a_hook_may_ask_for_compaction():
    class Ask:
        @hookimpl
        def next_step(self, state):
            return StepDecision.compact("a break") if state.step == 2 and not state.ending else None

    async with HostFixture() as host:
        load_tools(host)
        host.load(Ask)
        host.load(Compactor(summary))
        host.model.script(*[call("look", name=f"{n}{LONG}") for n in range(3)], "Done.", "Done.")
        assert (await host.prompt("Go.")).reason is EndReason.COMPLETED
        assert len(host.records("compaction")) == 1
        assert_whole(host)


async def test_in_a_turn_the_last_word_stays_the_users():
    """A result that ends with the model's words would be sent as the beginning of its next answer."""
    talk = (
        Message(role="user", content=(TextBlock(text="x"),)),
        Message(role="assistant", content=(TextBlock(text="y"),)),
    )
    async with HostFixture() as host:
        load_tools(host)
        host.load(Compactor(CompactionResult(messages=talk, strategy="x")))
        looks = [call("look", name=LONG * 2), call("look", name=LONG * 3)]
        host.model.script(*looks, {"error": {"overflow": True}}, "Done.", "Done.")
        assert (await host.prompt("Go.")).reason is EndReason.COMPLETED
        assert [record.by for record in host.records("compaction")] == ["host"]
        assert_whole(host)
