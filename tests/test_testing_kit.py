"""The author kit: an isolated host, a scripted model, hooks fired by hand, a record of who was asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pegboard import testing
from pegboard.context import Ctx, Registry
from pegboard.decisions import Answer, Decision, PromptDecision, Resolution, ResultPatch, StepDecision, Verdict
from pegboard.errors import PegboardError, PluginError
from pegboard.flags import flag
from pegboard.hookspecs import POLICIES, hookimpl
from pegboard.messages import EndReason, Message, OutcomeKind, ToolCall
from pegboard.records import Notification
from pegboard.requests import BlockDone, CompactionResult, RequestPatch, Section
from pegboard.testing import (
    HostFixture,
    assert_allowed,
    assert_asked,
    assert_deferred,
    assert_denied,
    assert_no_opinion,
    call,
)
from pegboard.tools import tool

pytestmark = pytest.mark.anyio


@tool(read_only=True)
def word_count(path: str) -> int:
    """Count words."""
    return len(path)


@tool
def erase(path: str) -> str:
    """Erase a file."""
    return f"erased {path}"


class NoSecrets:
    """Denies whatever names a secret."""

    @hookimpl
    def pre_tool(self, call: ToolCall) -> Decision | None:
        return Decision.deny("that is a secret") if call.input.get("path") == ".env" else None


# --- the example that the module shows -----------------------------------------------------------------


async def test_a_scripted_session_runs_tools_and_ends_with_the_scripted_text() -> None:
    async with HostFixture() as host:
        host.load(word_count)
        host.load(NoSecrets)
        host.model.script(["I look.", call("word_count", path=".env")], call("word_count", path="four"), "Four words.")
        result = await host.prompt("How many?")
        assert (result.reason, result.text, result.steps) == (EndReason.COMPLETED, "Four words.", 3)
        results = [
            block.content for message in host.messages for block in message.content if block.type == "tool_result"
        ]
        assert results == ["that is a secret", "4"]
        assert [made.facts.get("verdict", "") for made in host.calls_of("pre_tool")] == ["deny", ""]


async def test_the_conversation_goes_on_when_more_is_scripted_and_when_a_plugin_joins() -> None:
    @hookimpl
    def prompt_submit(prompt: str) -> PromptDecision:
        return PromptDecision.refuse("not today")

    async with HostFixture() as host:
        host.model.script("one")
        await host.prompt("first")
        session_id = host.session.session_id
        host.model.script("two")
        assert (await host.prompt("second")).text == "two"
        host.load(prompt_submit)
        assert (await host.prompt("third")).reason is EndReason.REFUSED
        assert host.session.session_id == session_id
        assert [message.text for message in host.messages] == ["first", "one", "second", "two"]
        assert [made.plugin for made in host.calls_of("prompt_submit")] == ["prompt_submit"]
        assert host.model.turns_left == 0


async def test_a_prompt_without_a_script_says_how_to_give_one() -> None:
    async with HostFixture() as host:
        with pytest.raises(PegboardError, match=r"host\.model\.script"):
            await host.prompt("hello")


async def test_a_script_given_after_the_session_was_opened_counts() -> None:
    async with HostFixture() as host:
        await host.open()
        host.model.script("late")
        assert (await host.prompt("hello")).text == "late"


def test_a_plain_test_runs_everything_on_one_loop() -> None:
    with HostFixture() as host:
        host.load(word_count)
        host.model.script(call("word_count", path="abc"), "done")
        assert host.run(host.prompt("go")).text == "done"
        assert host.run(host.invoke("word_count", path="abc")).result.content == "3"


@pytest.mark.parametrize(
    ("turn", "table"),
    [
        pytest.param("hi", {"text": "hi"}, id="text"),
        pytest.param(call("A", x=1), {"call": [{"name": "A", "input": {"x": 1}}]}, id="one call"),
        pytest.param(
            ["hi", call("A"), call("B")],
            {"text": "hi", "call": [{"name": "A", "input": {}}, {"name": "B", "input": {}}]},
            id="text and calls",
        ),
        pytest.param({"error": {"status": 529}}, {"error": {"status": 529}}, id="the table itself"),
    ],
)
def test_a_turn_becomes_the_table_of_a_script(turn: Any, table: dict[str, Any]) -> None:
    assert testing.turn_table(turn) == table


# --- isolation -----------------------------------------------------------------------------------------


async def test_nothing_takes_part_that_was_not_loaded() -> None:
    async with HostFixture() as host:
        session = await host.open()
        assert host.plugins == {}
        assert dict(session.tools()) == {}


async def test_environment_and_home_are_the_fixtures_own_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere/else")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "real")
    async with HostFixture() as host:
        assert Path.home() == host.home
        assert "ANTHROPIC_API_KEY" not in os.environ
        await host.open()
        assert host.host.secret("x", "ANTHROPIC_API_KEY") is None
        folder = host.folder
        assert host.project.is_relative_to(folder)
        assert host.session.path.is_relative_to(folder)
    assert os.environ["HOME"] == "/somewhere/else"
    assert os.environ["ANTHROPIC_API_KEY"] == "real"
    assert not folder.exists()


async def test_a_given_folder_stays(tmp_path: Path) -> None:
    async with HostFixture(folder=tmp_path / "here") as host:
        host.file("src/a.py", "x = 1\n")
    assert (tmp_path / "here/project/src/a.py").read_text() == "x = 1\n"


async def test_settings_are_tables_and_files_of_the_project_count_if_it_is_trusted() -> None:
    for trusted, steps in ((True, 7), (False, 200)):
        async with HostFixture(settings={"session": {"max_parallel": 3}}, trusted=trusted) as host:
            host.file(
                ".pegboard/settings.toml",
                "[session]\nmax_steps = 300\n" if not trusted else "[session]\nmax_steps = 7\n",
            )
            await host.open()
            table = host.host.view.session
            assert (table.max_parallel, table.max_steps) == (3, steps)


async def test_what_is_used_before_it_is_open_says_how_to_open_it() -> None:
    host = HostFixture()
    for wrong in (lambda: host.folder, lambda: host.session, lambda: host.records()):
        with pytest.raises(PegboardError, match="open"):
            wrong()
    with pytest.raises(PegboardError, match="async with"):
        await host.open()


# --- loading -------------------------------------------------------------------------------------------


async def test_modules_objects_classes_functions_tools_and_names_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kit_pack_of_words.py").write_text(
        "from pegboard import tool\n\n@tool(read_only=True)\ndef shout(text: str) -> str:\n"
        '    """Shout."""\n    return text.upper()\n'
    )
    monkeypatch.syspath_prepend(tmp_path)

    @hookimpl
    def pre_tool() -> None: ...

    async with HostFixture() as host:
        names = [host.load("kit_pack_of_words"), host.load(NoSecrets), host.load(NoSecrets()), host.load(pre_tool)]
        names += [host.load(word_count), host.load(sys.modules[__name__].__class__("empty"), "named")]
        assert names == ["kit_pack_of_words", "NoSecrets", "NoSecrets_2", "pre_tool", "word_count", "named"]
        assert (await host.invoke("shout", text="hi")).result.content == "HI"
        assert {record.status for record in host.plugins.values()} == {"active"}
    sys.modules.pop("kit_pack_of_words", None)


async def test_a_plugin_that_cannot_be_loaded_is_an_error_unless_that_is_what_is_tested() -> None:
    class Broken:
        @hookimpl
        def register(self, registry: Registry) -> None:
            raise RuntimeError("no disk")

    async with HostFixture() as host:
        host.load(Broken)
        with pytest.raises(PluginError, match="no disk"):
            await host.open()
    async with HostFixture(allow_broken=True) as host:
        host.load(Broken)
        await host.open()
        assert host.plugins["Broken"].status == "load_error"


async def test_builtins_come_by_the_names_of_their_entry_points() -> None:
    async with HostFixture() as host:
        host.builtin("scripted_model")
        record = host.plugins["scripted_model"]
        assert (record.value, record.distribution, record.status) == (
            "pegboard_builtins.scripted_model",
            "pegboard",
            "active",
        )
        with pytest.raises(PegboardError, match=r"'file_tolls'.*'file_tools'"):
            host.builtin("file_tolls")


# --- firing --------------------------------------------------------------------------------------------


class Everything:
    """Answers every hook."""

    @hookimpl
    def register(self, registry: Registry) -> None:
        registry.add_flag(flag("loud", True))

    @hookimpl
    def prompt_submit(self, prompt: str) -> PromptDecision:
        return PromptDecision(context=f"about {prompt}")

    @hookimpl
    def prepare_request(self, ctx: Ctx) -> RequestPatch:
        return RequestPatch(sections=(Section(name="more", text="more"),))

    @hookimpl
    def pre_tool(self, call: ToolCall) -> Decision:
        return Decision.ask("sure?")

    @hookimpl
    def resolve_ask(self) -> Resolution:
        return Resolution(allow=True, reason="yes")

    @hookimpl
    def post_tool(self) -> ResultPatch:
        return ResultPatch(output="patched")

    @hookimpl
    def next_step(self) -> StepDecision:
        return StepDecision.keep_going("one more")

    @hookimpl
    async def compact(self, job: Any) -> CompactionResult:
        return CompactionResult(messages=job.messages[-1:], strategy="last")

    @hookimpl
    def lifecycle(self, event: Any) -> Answer | None:
        return Answer(context="noted") if event.name == "Notification" else None

    @hookimpl
    def event(self) -> None: ...


async def test_every_hook_can_be_fired_with_friendly_arguments() -> None:
    async with HostFixture() as host:
        host.load(Everything, "all")
        host.load(word_count)
        host.model.script("one", "two", "three")
        fired = {"register": await host.fire("register")}
        assert fired["register"]["all"].status == "active"
        fired["prompt_submit"] = await host.fire("prompt_submit", prompt="cats")
        assert fired["prompt_submit"].contexts == [("all", "about cats")]
        fired["prepare_request"] = await host.fire("prepare_request")
        assert [section.name for section in fired["prepare_request"].sections] == ["more"]
        fired["model_call"] = await host.fire("model_call", prompt="hello")
        assert [getattr(event.block, "text", "") for event in fired["model_call"] if isinstance(event, BlockDone)] == [
            "one"
        ]
        fired["pre_tool"] = await host.fire("pre_tool", tool="word_count", input={"path": "x"})
        assert_asked(fired["pre_tool"], match="sure")
        fired["resolve_ask"] = await host.fire("resolve_ask", tool="word_count", input={"path": "x"})
        assert_allowed(fired["resolve_ask"], match="yes")
        fired["post_tool"] = await host.fire("post_tool", tool="word_count", input={"path": "x"}, output="raw")
        assert fired["post_tool"].outcome.result.content == "patched"
        fired["next_step"] = await host.fire("next_step", text="bye", ending=True)
        assert (fired["next_step"].verb, fired["next_step"].injects) == ("keep_going", [("all", "one more")])
        long = [host_message(text) for text in ("a" * 4000, "b", "short")]
        long[1] = Message(role="assistant", content=long[1].content)
        fired["compact"] = await host.fire("compact", messages=long)
        assert (fired["compact"][0].strategy, fired["compact"][1]) == ("last", "all")
        fired["lifecycle"] = await host.fire("lifecycle", event=Notification(message="hi", notification_type="idle"))
        assert fired["lifecycle"][0][1].context == "noted"
        fired["event"] = await host.fire("event", record=host.records()[0])
        assert set(fired) == set(POLICIES)
        with pytest.raises(PegboardError, match=r"'pre_tol'.*'pre_tool'"):
            await host.fire("pre_tol")


def host_message(text: str) -> Any:
    from pegboard.messages import TextBlock

    return Message(role="user", content=(TextBlock(text=text),))


async def test_a_users_own_call_needs_no_permission_and_is_seen_by_hooks() -> None:
    async with HostFixture() as host:
        host.load(erase)
        host.load(NoSecrets)
        assert (await host.invoke("erase", path="a")).result.content == "erased a"
        denied = await host.invoke("erase", path=".env")
        assert denied.kind is OutcomeKind.DENIED
        assert_denied(denied, match="secret")


# --- who was asked -------------------------------------------------------------------------------------


async def test_the_recorder_names_hook_plugin_and_what_became_of_it() -> None:
    class OnlyErase:
        @hookimpl(matcher="erase", rewrites=True)
        def pre_tool(self, call: ToolCall) -> Decision:
            return Decision.replace({"path": "tmp/" + call.input["path"]})

    class Quiet:
        @hookimpl
        def pre_tool(self) -> None: ...

    async with HostFixture() as host:
        for plugin in (OnlyErase, Quiet, NoSecrets, erase, word_count):
            host.load(plugin)
        await host.fire("pre_tool", tool="erase", input={"path": "a"})
        await host.fire("pre_tool", tool="word_count", input={"path": ".env"})
        made = host.calls_of("pre_tool")
        assert [one.plugin for one in made] == ["OnlyErase", "NoSecrets", "Quiet", "NoSecrets", "Quiet"]
        assert made[0].facts["effect"] == "rewrote"
        assert made[0].facts["before"] != made[0].facts["after"]
        assert (made[3].facts["verdict"], made[3].facts["winner"], made[3].facts["effect"]) == (
            "deny",
            "NoSecrets",
            "won",
        )
        assert all(one.facts["ns"] > 0 for one in made)
        assert [one.hook for one in host.calls] == ["pre_tool"] * 5


# --- assertions ----------------------------------------------------------------------------------------

CHECKS = {
    Verdict.ALLOW: assert_allowed,
    Verdict.ASK: assert_asked,
    Verdict.DEFER: assert_deferred,
    Verdict.DENY: assert_denied,
    None: assert_no_opinion,
}


@pytest.mark.parametrize("wanted", CHECKS)
@pytest.mark.parametrize("given", CHECKS)
def test_an_assertion_holds_for_its_own_verdict_alone(wanted: Verdict | None, given: Verdict | None) -> None:
    check = CHECKS[wanted]
    decision = Decision(verdict=given, reason="because")
    if wanted is given:
        check(decision)
    else:
        with pytest.raises(
            AssertionError, match=f"wanted {wanted or 'no opinion'}, got {given or 'no opinion'}.*because"
        ):
            check(decision)


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        pytest.param(None, assert_no_opinion, id="None"),
        pytest.param(PromptDecision.refuse("no"), assert_denied, id="a refused prompt"),
        pytest.param(PromptDecision(context="x"), assert_no_opinion, id="context for a prompt"),
        pytest.param((Resolution(allow=False, reason="no"), "me"), assert_denied, id="an answer to a question"),
        pytest.param((None, ""), assert_no_opinion, id="a question without an answer"),
    ],
)
def test_what_hooks_answer_can_be_asserted_as_well(answer: Any, check: Any) -> None:
    check(answer)


def test_a_reason_that_does_not_match_is_shown() -> None:
    with pytest.raises(AssertionError, match=r"reason 'no' does not match 'never'"):
        assert_denied(Decision.deny("no"), match="never")
    with pytest.raises(TypeError, match="int holds no verdict"):
        assert_denied(3)


def test_the_loopback_server_is_in_the_kit_and_imported_when_used() -> None:
    from pegboard.messages_server import MessagesServer

    assert testing.MessagesServer is MessagesServer
    later = testing._FROM_THE_SERVER | testing._FROM_HOOK_PROGRAMS | testing._FROM_OTHERS.keys()
    assert set(testing.__all__) <= set(dir(testing)) | later
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        testing.Nothing  # noqa: B018
