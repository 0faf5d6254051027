"""A call that nobody allowed is asked about; without an answer it is refused."""

from __future__ import annotations

import pytest
from agent_room import Watch, assert_whole, load_tools, log, results

from pegboard import Decision, Resolution, hookimpl
from pegboard.messages import EndReason
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio


class Resolver:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    @hookimpl
    def resolve_ask(self, ask):
        self.asked.append((ask.call.name, dict(ask.call.input), ask.reason))
        return self.answer


class Says:
    """A pre_tool that always gives one decision."""

    def __init__(self, decision):
        self.decision = decision

    @hookimpl
    def pre_tool(self, call):
        return self.decision


async def asked(*plugins, made=None, **named):
    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        for plugin in (watch, *plugins):
            host.load(plugin)
        for name, plugin in named.items():
            host.load(plugin, name=name)
        host.model.script(made or call("alone", name="a"), "Done.")
        result = await host.prompt("Go.")
        assert_whole(host) if result.reason is EndReason.COMPLETED else None
        return result, results(host.messages)["toolu_1_1"], watch, host.records("ask")


async def test_no_opinion_about_a_change_and_nobody_to_ask_is_a_refusal():
    _, told, watch, (record,) = await asked()
    assert "needs permission" in told.content
    assert (told.is_error, watch.kinds, log) == (True, ["denied"], [])
    assert (record.allowed, record.by, record.answer) == (False, "host", "nobody could be asked")


async def test_a_read_needs_no_permission():
    _, told, watch, records = await asked(made=call("look", name="a"))
    assert (told.content, watch.kinds, records) == ("seen a", ["ok"], [])


async def test_a_read_that_a_hook_wants_asked_about_is_asked_about():
    _, told, watch, (record,) = await asked(Says(Decision.ask("odd")), made=call("look", name="a"))
    assert (watch.kinds, record.reason) == (["denied"], "odd")
    assert "odd" in told.content


@pytest.mark.parametrize("decision", [None, Decision.ask("hm")], ids=["no opinion", "ask"])
async def test_an_answer_of_yes_runs_the_call(decision):
    resolver = Resolver(Resolution(allow=True, remember="session"))
    _, told, watch, (record,) = await asked(resolver, Says(decision))
    assert (told.content, watch.kinds) == ("did a", ["ok"])
    assert (record.allowed, record.by, record.remember) == (True, "Resolver", "session")
    assert resolver.asked == [("alone", {"name": "a"}, "hm" if decision else "no rule allows it")]


async def test_the_first_answer_in_order_counts_and_the_others_are_not_asked():
    silent, first, second = (
        Resolver(None),
        Resolver(Resolution(allow=False, reason="no")),
        Resolver(Resolution(allow=True)),
    )
    _, told, _, (record,) = await asked(a_silent=silent, b_first=first, c_second=second)
    assert (told.content, record.by) == ("no", "b_first")
    assert [len(one.asked) for one in (silent, first, second)] == [1, 1, 0]


async def test_a_resolver_that_breaks_is_left_out():
    class Broken:
        @hookimpl
        def resolve_ask(self, ask):
            raise RuntimeError("boom")

    _, told, _, _ = await asked(a_broken=Broken(), b_yes=Resolver(Resolution(allow=True)))
    assert told.content == "did a"


@pytest.mark.parametrize("decision", [Decision.deny("never"), Decision.allow("sure")], ids=["deny", "allow"])
async def test_what_is_decided_is_not_asked_about(decision):
    resolver = Resolver(Resolution(allow=True))
    _, told, _, records = await asked(resolver, Says(decision))
    assert (resolver.asked, records) == ([], [])
    assert told.content == ("never" if decision.verdict == "deny" else "did a")


async def test_an_input_that_the_answer_changes_is_decided_again():
    seen = []

    class Guard:
        @hookimpl
        def pre_tool(self, call):
            seen.append(call.input["name"])
            return Decision.deny("not b") if call.input["name"] == "b" else None

    changed = Resolver(Resolution(allow=True, updated_input={"name": "b"}))
    _, told, watch, _ = await asked(Guard, changed)
    assert (told.content, watch.kinds, seen, log) == ("not b", ["denied"], ["a", "b"], [])
    changed = Resolver(Resolution(allow=True, updated_input={"name": "c"}))
    _, told, watch, _ = await asked(Guard, changed)
    assert (told.content, watch.kinds, log) == ("did c", ["ok"], ["c+", "c-"])


async def test_a_changed_input_that_does_not_fit_is_refused():
    _, told, watch, _ = await asked(Resolver(Resolution(allow=True, updated_input={"nome": "b"})))
    assert "does not fit its schema" in told.content
    assert (watch.kinds, log) == (["denied"], [])


async def test_a_no_may_end_the_turn_and_skip_the_rest():
    stop = Resolver(Resolution(allow=False, reason="stop it", interrupt=True))
    result, told, watch, _ = await asked(stop, made=[call("alone", name="a"), call("alone", name="b")])
    assert (result.reason, result.detail, told.content) == (EndReason.STOPPED, "stop it", "stop it")
    assert (watch.kinds, len(stop.asked)) == (["denied", "cancelled"], 1)


async def test_the_users_own_calls_need_no_permission_and_hooks_still_see_them():
    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        assert (await host.invoke("alone", name="mine")).result.content == "did mine"
        host.load(Says(Decision.deny("not even you")))
        assert (await host.invoke("alone", name="mine")).result.content == "not even you"
        assert watch.kinds == ["ok", "denied"]


async def test_an_answer_with_another_input_is_asked_about_anew_where_somebody_else_minds_that():
    """Who answers with a new input consents to it; nobody has answered the question that only the new input raises."""

    class Minds:
        @hookimpl
        def pre_tool(self, call):
            return Decision.ask("not b") if call.input["name"] == "b" else None

    class Answers:
        asked: list = []

        @hookimpl
        def resolve_ask(self, ask):
            self.asked.append((ask.call.input["name"], ask.by))
            return Resolution(allow=True, updated_input={"name": "b"}) if ask.by == "" else None

    _, told, watch, records = await asked(Minds, Answers())
    assert (watch.kinds, log) == (["denied"], [])
    assert "not b" in told.content
    assert Answers.asked == [("a", ""), ("b", "Minds")]
    assert [record.allowed for record in records] == [True, False]


async def test_answers_that_change_the_input_for_ever_end_in_a_refusal():
    class Minds:
        @hookimpl
        def pre_tool(self, call):
            return Decision(verdict="ask", rule=call.input["name"])

    class Changes:
        @hookimpl
        def resolve_ask(self, ask):
            return Resolution(allow=True, updated_input={"name": ask.call.input["name"] + "x"})

    _, told, watch, records = await asked(Minds, Changes)
    assert (watch.kinds, log) == (["denied"], [])
    assert "again and again" in told.content
    assert len(records) == 5
