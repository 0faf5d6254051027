"""A session is opened again: found, read back byte for byte, its broken calls settled, forked, locked."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from agent_room import AllowAll, Watch, assert_whole, dumped, fold, load_tools, log, results, text_of

from pegboard import Answer, PromptDecision, RequestPatch, ResultPatch, StepDecision, hookimpl
from pegboard._agent.journal import Journal, read_lines
from pegboard._agent.validate import check_messages
from pegboard.errors import PegboardError, SessionLockedError, UnknownSessionError
from pegboard.host import Host
from pegboard.messages import EndReason
from pegboard.records import Event, ToolStarted
from pegboard.requests import Section, Stability
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio


def truncate_after(path: Path, wanted) -> None:
    """Cut a journal after the first record that *wanted* is true of, as a crash would."""
    for _, end, _, raw in read_lines(path):
        if wanted(raw):
            os.truncate(path, end)
            return
    raise AssertionError("there is no such record")


def again(tmp_path, path: Path, **options) -> HostFixture:
    """A host in which the session goes on; nothing of the last one is left but its files."""
    host = HostFixture(folder=tmp_path / "host", **options)
    host._session_id = path.stem
    return host


# --- finding -------------------------------------------------------------------------------------------


async def test_a_session_is_found_by_id_by_its_beginning_and_as_the_newest(tmp_path):
    async with HostFixture(folder=tmp_path / "host") as host:
        host.model.script("One.", "Two.")
        await host.prompt("Go.")
        first = host.session.session_id
        real = host.host
        async with real.session(host.session.options) as other:
            await other.run("Hello.")
        await host._close()
        async with host._make_host() as real:
            for wanted in (first, first[:8]):
                async with real.resume(wanted) as found:
                    assert found.session_id == first
            os.utime(real.store.find(other.session_id), (2**31, 2**31))
            async with real.resume() as found:
                assert found.session_id == other.session_id
            with pytest.raises(UnknownSessionError):
                real.resume("nothing-like-that")
            with pytest.raises(PegboardError, match="beginning of 2 sessions"):
                real.store.find("")
        with pytest.raises(UnknownSessionError):
            real.store.newest(tmp_path)


async def test_a_session_in_use_is_locked(tmp_path):
    async with HostFixture(folder=tmp_path / "host") as host:
        host.model.script("One.")
        await host.prompt("Go.")
        with pytest.raises(SessionLockedError) as locked:
            host.host.resume(host.session.session_id)
        assert locked.value.pid == os.getpid()
        assert (await host.prompt("Still there?")).reason is EndReason.ERROR  # out of turns, but it runs


# --- what is read back ---------------------------------------------------------------------------------


class Talker:
    """Puts context beside everything, and counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    def say(self, what):
        self.asked += 1
        return f"{what} number {self.asked}"

    @hookimpl
    def prompt_submit(self, prompt):
        return PromptDecision(context=self.say("prompt context"))

    @hookimpl
    def post_tool(self, call, outcome):
        return ResultPatch(output=self.say("result"), context=self.say("result context"))

    @hookimpl
    def next_step(self, state):
        return StepDecision(inject=self.say("step")) if not state.ending else None

    @hookimpl
    def prepare_request(self, draft):
        text = self.say("section") if draft.step == 1 else "the same from here on"
        return RequestPatch(sections=(Section(name="turn", text=text, stability=Stability.TURN),))

    @hookimpl
    def lifecycle(self, event):
        return Answer(context=self.say("start")) if event.name == "SessionStart" and event.source == "startup" else None


async def test_context_of_hooks_is_replayed_byte_for_byte_and_the_hooks_are_not_asked_again(tmp_path):
    async with HostFixture(folder=tmp_path / "host") as host:
        load_tools(host)
        host.load(Talker)
        host.model.script(call("look", name="a"), call("look", name="b"), "Done.")
        await host.prompt("Go.")
        before, path = dumped(host.messages), host.session.path
        assert_whole(host)
    new = Talker()
    async with again(tmp_path, path) as host:
        load_tools(host)
        host.load(new)
        host.model.script("Done.")
        await host.open()
        assert dumped(host.messages) == before
        assert (new.asked, log) == (0, [])


async def test_the_next_request_after_a_resume_is_the_one_that_the_first_process_would_have_sent(tmp_path):
    hashes = []
    for resumed in (False, True):
        folder = tmp_path / str(resumed)
        async with HostFixture(folder=folder / "host") as host:
            load_tools(host)

            class Turns:
                @hookimpl
                def prepare_request(self, draft):
                    section = Section(name="turn", text="You are in the garden.", stability=Stability.TURN)
                    fixed = Section(name="house", text="The house is green.", stability=Stability.SESSION)
                    return RequestPatch(sections=(section, fixed))

            host.load(Turns)
            host.model.script(call("look", name="a"), "Done.", "Again.")
            await host.prompt("Go.")
            host._stale = resumed
            await host.prompt("More.")
            system = host.records("system")[0].system
            assert "The house is green." in system
            hashes.append([record.messages for record in host.records("request")])
            said = json.dumps(dumped(host.messages))
            assert said.count("You are in the garden.") == 1
            hashes[-1].append(said)
            assert len(host.records("system")) == 1
    assert hashes[0] == hashes[1]


async def test_state_folder_model_and_usage_come_back(tmp_path):
    class Keeper:
        @hookimpl
        def prompt_submit(self, prompt, ctx):
            ctx.state["seen"] = [*ctx.state.get("seen", []), prompt]
            ctx.state["gone"] = 1
            del ctx.state["gone"]
            (ctx.project / "sub").mkdir(exist_ok=True)
            ctx.chdir(ctx.project / "sub")

    async with HostFixture(folder=tmp_path / "host") as host:
        host.load(Keeper)
        host.model.script({"text": "Done.", "usage": {"input_tokens": 11, "output_tokens": 7, "cost_usd": 0.5}})
        await host.prompt("Go.")
        path, model = host.session.path, host.session.model_name
    async with again(tmp_path, path) as host:
        host.load(Keeper)
        session = await host.open()
        ctx = session.ctx("Keeper")
        assert dict(ctx.state) == {"seen": ["Go."]}
        assert session.cwd == session.project / "sub"
        assert session.model_name == model
        assert (session.usage.input_tokens, session.usage.cost_usd) == (11, 0.5)
        assert session.fill()[0] == 18


async def test_the_fill_counts_what_was_added_since_the_model_last_counted(tmp_path):
    async with HostFixture(folder=tmp_path / "host") as host:
        load_tools(host)
        one = {"call": [{"name": "look", "input": {"name": "n" * 8000}}], "usage": {"input_tokens": 100}}
        host.model.script(one, {"error": {"status": 400, "retryable": False}})
        await host.prompt("Go.")
        live, path = host.session.fill()[0], host.session.path
        assert live > 2000
    async with again(tmp_path, path) as host:
        load_tools(host)
        assert (await host.open()).fill()[0] == live


# --- calls that were broken off ------------------------------------------------------------------------


async def broken_off(tmp_path, calls, *, at) -> Path:
    """A session that died after the record that *at* is true of."""
    async with HostFixture(folder=tmp_path / "host") as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script([*calls], "Done.")
        await host.prompt("Go.")
        path = host.session.path
    truncate_after(path, at)
    log.clear()
    return path


def is_last_call(raw):
    return raw["type"] == "response"


def begun(name):
    return lambda raw: raw["type"] == "tool_start" and raw["name"] == name


@pytest.mark.parametrize(
    ("made", "at", "ran"),
    [
        pytest.param(call("look", name="a"), is_last_call, True, id="a read that had not begun"),
        pytest.param(call("alone", name="a"), is_last_call, True, id="a change that had not begun"),
        pytest.param(call("alone", name="a"), begun("alone"), False, id="a change that had begun"),
        pytest.param(call("store", path="f", text="x"), begun("store"), True, id="a repeatable change that had begun"),
    ],
)
async def test_a_call_without_a_result_is_settled(tmp_path, monkeypatch, made, at, ran):
    monkeypatch.chdir(tmp_path)
    path = await broken_off(tmp_path, [made], at=at)
    watch = Watch()
    async with again(tmp_path, path) as host:
        load_tools(host)
        host.load(AllowAll)
        host.load(watch)
        host.model.script("(the call)", "Done.")
        result = await host.prompt(None)
        assert (result.reason, result.text) == (EndReason.COMPLETED, "Done.")
        told = results(host.messages)["toolu_1_1"]
        assert watch.kinds == ["ok" if ran else "cancelled"]
        assert ("what it did is not known" in told.content) is not ran
        assert (log == ["a+", "a-"] or made.name == "store") is ran
        assert_whole(host)


async def test_a_new_prompt_after_a_crash_runs_nothing(tmp_path):
    path = await broken_off(tmp_path, [call("look", name="a"), call("alone", name="b")], at=is_last_call)
    async with again(tmp_path, path) as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script("(the call)", "Done.")
        assert (await host.prompt("Never mind.")).reason is EndReason.COMPLETED
        assert log == []
        assert all("before it began" in block.content for block in results(host.messages).values())
        assert_whole(host)


async def test_results_that_were_there_are_kept_and_the_others_join_them_in_source_order(tmp_path):
    path = await broken_off(
        tmp_path, [call("alone", name=name) for name in "abc"], at=lambda raw: raw["type"] == "user" and raw.get("tool")
    )
    async with again(tmp_path, path) as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script("(the calls)", "Done.")
        await host.prompt(None)
        assert log == ["b+", "b-", "c+", "c-"]
        assert [block.content for block in results(host.messages).values()] == ["did a", "did b", "did c"]
        assert_whole(host)


async def test_a_hook_that_stops_at_an_orphan_stops_the_turn(tmp_path):
    path = await broken_off(tmp_path, [call("look", name="a"), call("look", name="b")], at=is_last_call)

    class Stop:
        @hookimpl
        def post_tool(self, call, outcome):
            return ResultPatch(stop=True, reason="enough")

    async with again(tmp_path, path) as host:
        load_tools(host)
        host.load(Stop)
        host.model.script("(the calls)", "Done.")
        result = await host.prompt(None)
        assert (result.reason, result.detail, log) == (EndReason.STOPPED, "enough", ["a+", "a-"])
        assert_whole(host)


async def test_an_answer_that_was_broken_off_is_asked_for_again(tmp_path):
    async with HostFixture(folder=tmp_path / "host") as host:
        load_tools(host)
        host.model.script(["I look.", call("look", name="a")], "Done.")
        await host.prompt("Go.")
        path = host.session.path
    truncate_after(path, lambda raw: raw["type"] == "assistant")
    async with again(tmp_path, path) as host:
        load_tools(host)
        host.model.script(["I look.", call("look", name="a")], "Done.")
        result = await host.prompt(None)
        assert result.text == "Done."
        assert len(host.records("discarded")) == 1
        assert [text_of(message) for message in host.messages if message.role == "assistant"] == ["I look.", "Done."]
        assert_whole(host)


@pytest.mark.parametrize(
    ("first", "more"),
    [
        pytest.param({"text": "One, ", "stop_reason": "pause_turn"}, "two.", id="pause_turn"),
        pytest.param({"text": "One, ", "stop_reason": "max_tokens"}, "two.", id="max_tokens"),
    ],
)
async def test_a_crash_after_an_answer_that_was_not_the_last_goes_on(tmp_path, first, more):
    async with HostFixture(folder=tmp_path / "host") as host:
        host.model.script(first, more)
        await host.prompt("Go.")
        path, whole = host.session.path, dumped(host.messages)
    truncate_after(path, lambda raw: raw["type"] == "response")
    async with again(tmp_path, path) as host:
        host.model.script(first, more)
        result = await host.prompt(None)
        assert (result.reason, result.text) == (EndReason.COMPLETED, "One, two.")
        assert dumped(host.messages) == whole


async def test_a_crash_after_the_last_word_asks_the_hooks_that_may_keep_it_going(tmp_path):
    class Nag:
        @hookimpl
        def next_step(self, state):
            return StepDecision.keep_going("And the tests?") if state.ending and "tests" not in state.text else None

    async with HostFixture(folder=tmp_path / "host") as host:
        host.load(Nag)
        host.model.script("Done.", "The tests pass.")
        await host.prompt("Go.")
        path, whole = host.session.path, dumped(host.messages)
    truncate_after(path, lambda raw: raw["type"] == "response")
    async with again(tmp_path, path) as host:
        host.load(Nag)
        host.model.script("Done.", "The tests pass.")
        assert (await host.prompt(None)).text == "The tests pass."
        assert dumped(host.messages) == whole


@pytest.mark.parametrize("turns", [0, 1])
async def test_a_crash_before_the_prompt_was_kept_is_said(tmp_path, turns):
    async with HostFixture(folder=tmp_path / "host") as host:
        host.model.script("One.", "Two.")
        for number in range(turns + 1):
            await host.prompt(f"Go {number}.")
        path = host.session.path
    truncate_after(path, lambda raw: raw["type"] == "turn_start" and raw["turn"] == turns + 1)
    async with again(tmp_path, path) as host:
        host.model.script(*["One.", "Two."])
        await host.open()
        with pytest.raises(PegboardError, match="nothing to go on with"):
            await host.session.run(None)
        assert (await host.session.run("Go again.")).reason is EndReason.COMPLETED


async def test_a_finished_session_has_nothing_to_go_on_with(tmp_path):
    async with HostFixture(folder=tmp_path / "host") as host:
        host.model.script("Done.")
        await host.prompt("Go.")
        with pytest.raises(PegboardError, match="Give a prompt"):
            await host.session.run(None)


@pytest.mark.parametrize("size", [0, 20])
async def test_a_journal_of_nothing_becomes_a_session(tmp_path, size):
    async with HostFixture(folder=tmp_path / "host") as host:
        await host.open() if host.model.script("Done.") else None
        path = host.session.path
    os.truncate(path, size)
    async with again(tmp_path, path) as host:
        host.model.script("Done.")
        assert (await host.prompt("Go.")).reason is EndReason.COMPLETED
        assert host.records()[0].type == "session_start"
        assert host.records()[0].sessionId == path.stem
        assert len(host.records("damaged")) == bool(size)


# --- forks ---------------------------------------------------------------------------------------------


async def test_a_fork_goes_its_own_way_from_a_record(tmp_path):
    starts = []

    class Starts:
        @hookimpl
        def lifecycle(self, event):
            if event.name == "SessionStart":
                starts.append(event.source)

    async with HostFixture(folder=tmp_path / "host") as host:
        load_tools(host)
        host.load(Starts)
        host.model.script(call("look", name="a"), "One.", "Two.", "Three.")
        await host.prompt("Go.")
        at = host.records("turn_end")[-1].seq
        before = dumped(host.messages)
        await host.prompt("More.")
        path, whole = host.session.path, dumped(host.messages)
        fork = host.host.store.fork(path, at)
    assert dumped(fold(fork).conversation.view()) == before
    assert fork.stat().st_mode & 0o777 == 0o600
    for expected in ("fork", "resume"):
        async with again(tmp_path, fork) as host:
            load_tools(host)
            host.load(Starts)
            host.model.script("-", "-", "Two and a half.", "More.")
            assert (await host.prompt("Another way.")).reason is EndReason.COMPLETED
            assert host.session.session_id == fork.stem
            assert starts[-1] == expected
            first = host.records()[0]
            assert (first.sessionId, first.parent, first.parent_seq) == (fork.stem, path.stem, at)
            numbers = [record.seq for record in host.records()]
            assert numbers == list(range(1, len(numbers) + 1))
    assert dumped(fold(path).conversation.view()) == whole


async def test_a_fork_in_the_middle_of_a_batch_settles_its_calls(tmp_path):
    async with HostFixture(folder=tmp_path / "host") as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script([call("alone", name="a"), call("alone", name="b")], "Done.")
        await host.prompt("Go.")
        at = next(record.seq for record in host.records("user") if record.tool)
        fork = host.host.store.fork(host.session.path, at)
    log.clear()
    async with again(tmp_path, fork) as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script("-", "Done.")
        await host.prompt(None)
        assert log == ["b+", "b-"]
        check_messages(host.messages, ending=False)


async def test_an_orphan_of_an_earlier_life_is_not_taken_for_one_of_a_later_call(tmp_path):
    """A tool_start of a call whose result is there says nothing of a call that comes later."""
    path = await broken_off(tmp_path, [call("alone", name="a")], at=lambda raw: raw["type"] == "turn_end")
    journal = Journal(path, fsync="off", seq=99)
    journal.write(ToolStarted(call="side_1", name="alone", input="{}", input_hash=""))
    journal.close()
    async with again(tmp_path, path) as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script("-", "-", "Done.")
        assert (await host.prompt("More.")).text == "Done."
        assert_whole(host)


def test_a_new_session_never_goes_into_the_journal_of_another(tmp_path: Path) -> None:
    host = Host(tmp_path, state_dir=tmp_path / "state", config_dir=tmp_path, environment={}, entry_points=[]).open()
    path = host.store.path_of(host.cwd, "taken")
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(PegboardError, match="there is a session taken already"):
        host.session(session_id="taken")


async def test_hooks_of_the_end_are_cut_off_after_their_budget_and_the_journal_is_closed_in_good_order() -> None:
    class Lingers:
        @hookimpl
        async def lifecycle(self, event: Event) -> None:
            if event.name == "SessionEnd":
                await asyncio.sleep(60)

    async with HostFixture(settings={"session": {"end_budget": 0.2}}) as host:
        host.load(Lingers())
        host.model.script("done")
        await host.prompt("go")
        started = time.monotonic()
        await host.session.close()
        assert time.monotonic() - started < 30
        lines = [raw for _, _, _, raw in read_lines(host.session.path)]
    assert [line["type"] for line in lines][-2:] == ["notice", "session_end"]
    assert "took longer than 0.2 s together" in lines[-2]["text"]


async def test_going_on_where_no_prompt_was_ever_kept_says_that_and_not_that_a_turn_has_ended():
    async with HostFixture() as host:
        host.model.script("One.")
        await host.open()
        with pytest.raises(PegboardError, match="has kept no prompt yet"):
            await host.session.run(None)
