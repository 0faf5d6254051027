"""The rest of the author kit: fuzzed hooks, golden sessions, a clock, a web server for tests."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.decisions import Decision, PromptDecision, ResultPatch
from pegboard.hook_fuzz import strategy_of
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolCall
from pegboard.testing import (
    BrokenPromiseError,
    Clock,
    HookFuzz,
    HostFixture,
    HttpMock,
    assert_golden,
    call,
    golden_lines,
)


@pytest.fixture
def host() -> Iterator[HostFixture]:
    with HostFixture() as fixture:
        fixture.builtin("shell_tool", "file_tools")
        yield fixture


class Good:
    """Keeps all promises."""

    @hookimpl(guard=True)
    def pre_tool(self, call: ToolCall) -> Decision | None:
        return Decision.deny("no") if "rm" in str(call.input) else None

    @hookimpl
    def post_tool(self, outcome: Any) -> ResultPatch | None:
        text = outcome.result.content
        return ResultPatch(output=text.replace("key", "***")) if isinstance(text, str) and "key" in text else None

    @hookimpl
    def prompt_submit(self, prompt: str) -> PromptDecision | None:
        return PromptDecision(context="short") if len(prompt) < 3 else None


class Crashes:
    @hookimpl
    def pre_tool(self, call: ToolCall) -> Decision | None:
        return Decision.deny(call.input["command"].split()[0]) if call.name == "Bash" else None


class Changes:
    _count = itertools.count()

    @hookimpl
    def pre_tool(self, call: ToolCall) -> Decision | None:
        return Decision.deny(f"no {next(self._count)}")


class FoolsItself:
    @hookimpl(guard=True, matcher="Bash")
    def pre_tool(self, call: ToolCall) -> Decision | None:
        return Decision.deny("no force") if call.input["command"].startswith("git push --force") else None


class GoesOn:
    @hookimpl(rewrites=True, matcher="Bash")
    def pre_tool(self, call: ToolCall) -> Decision | None:
        return Decision.replace({**call.input, "command": "time " + call.input["command"]})


class InPlace:
    @hookimpl(matcher="Bash")
    def pre_tool(self, call: ToolCall) -> None:
        call.input["command"] = "echo changed"


class Slow:
    @hookimpl(timeout=0.02)
    async def prompt_submit(self, prompt: str) -> None:
        if len(prompt) > 2:
            await asyncio.sleep(0.1)


def test_a_plugin_that_keeps_its_promises_passes(host: HostFixture) -> None:
    host.load(Good(), "good")
    HookFuzz(host, "good").run(examples=15)
    assert not host.calls_of("pre_tool")  # what was fired here is nobody's journal


@pytest.mark.parametrize(
    ("plugin", "promise"),
    [
        pytest.param(Crashes, "it crashes", id="crash"),
        pytest.param(Changes, "answers differ", id="non-determinism"),
        pytest.param(FoolsItself, "milder where there is more", id="monotonicity"),
        pytest.param(GoesOn, "a rewriter is not done after once", id="a rewriter without end"),
        pytest.param(InPlace, "its input is changed in place", id="in place"),
        pytest.param(Slow, "a deadline is missed", id="timeout"),
    ],
)
def test_a_promise_that_is_broken_is_found_with_its_input(host: HostFixture, plugin: Any, promise: str) -> None:
    host.load(plugin(), "acme")
    recorded = [ToolCall(id="r", name="Bash", input={"command": "git push --force origin main"})]
    fuzz = HookFuzz(host, "acme", tools=["Bash"], recorded=recorded if plugin is FoolsItself else ())
    with pytest.raises(BrokenPromiseError) as found:
        fuzz.run(examples=25, seconds=2)
    assert found.value.promise == promise
    assert found.value.plugin == "acme"


def test_calls_of_a_journal_are_fired_again(host: HostFixture) -> None:
    host.model.script([call("Bash", command="git push --force origin main")], "done")
    host.run(host.prompt("go"))
    journal = host.session.path
    host.load(FoolsItself(), "acme")
    fuzz = HookFuzz(host, "acme", tools=["nothing"], recorded=journal)
    with pytest.raises(BrokenPromiseError, match="milder"):
        fuzz.run(examples=5)


def test_a_plugin_without_such_hooks_and_one_that_is_not_there_say_so(host: HostFixture) -> None:
    class Quiet:
        @hookimpl
        def event(self, record: Any) -> None: ...

    host.load(Quiet(), "quiet")
    with pytest.raises(Exception, match="none of the hooks"):
        HookFuzz(host, "quiet").run()
    with pytest.raises(Exception, match="Did you mean 'quiet'"):
        HookFuzz(host, "quite").run()


@given(st.data())
def test_what_a_schema_allows_is_made(data: st.DataObject) -> None:
    import jsonschema

    schema = {
        "type": "object",
        "required": ["a", "e"],
        "properties": {
            "a": {"type": "string", "minLength": 1},
            "b": {"anyOf": [{"type": "integer", "minimum": 3, "maximum": 9}, {"type": "null"}]},
            "c": {"type": "array", "items": {"$ref": "#/$defs/one"}, "minItems": 1},
            "d": {"const": 4},
            "e": {"enum": ["x", "y"]},
            "f": {"type": ["boolean", "number"]},
        },
        "$defs": {"one": {"type": "object", "properties": {"z": {"type": "boolean"}}, "required": ["z"]}},
    }
    jsonschema.validate(data.draw(strategy_of(schema)), schema)


# --- golden sessions -----------------------------------------------------------------------------------


def run_once(folder: Path, *, denies: bool) -> HostFixture:
    host = HostFixture(folder=folder)
    with host:
        host.builtin("shell_tool", "permissions")
        if denies:
            host.settings["permissions"] = {"deny": ["Bash"]}
        else:
            host.settings["permissions"] = {"allow": ["Bash"]}
        host.model.script([call("Bash", command="pwd")], "done")
        host.run(host.prompt("Where are we?"))
        host.lines = golden_lines(host)  # type: ignore[attr-defined]
        assert_golden(host, folder.parent / "where.golden")
    return host


def test_a_session_is_the_same_lines_each_time_and_another_one_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    first = run_once(tmp_path / "one", denies=False)
    second = run_once(tmp_path / "two", denies=False)
    assert first.lines == second.lines  # type: ignore[attr-defined]
    assert "result Bash ok: <project>" in first.lines  # type: ignore[attr-defined]
    assert str(tmp_path) not in (tmp_path / "where.golden").read_text()
    with pytest.raises(AssertionError, match=r"\+result Bash denied"):
        run_once(tmp_path / "three", denies=True)
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    run_once(tmp_path / "four", denies=True)
    monkeypatch.delenv("UPDATE_GOLDEN")
    run_once(tmp_path / "five", denies=True)


# --- the clock -----------------------------------------------------------------------------------------


def test_the_clock_stands_still_until_it_is_let_on() -> None:
    before = time.monotonic()
    with Clock("2026-03-01T09:00:00Z", modules=[__name__]) as clock:
        assert time.time() == 1772355600.0
        assert datetime.datetime is not clock  # the module itself is left alone
        clock.advance(hours=1)
        assert time.time_ns() == 1772359200 * 10**9
        clock.set("2027-01-01")
        assert time.gmtime(time.time()).tm_year == 2027
    assert time.monotonic() >= before
    assert time.time() > 1772355600.0


def test_modules_that_are_named_have_dates_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dated_pack.py").write_text(
        "from datetime import UTC, date, datetime\n"
        "def both(): return datetime.now(UTC), date.today()\n"
        "def knows(one): return isinstance(one, datetime)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import dated_pack  # type: ignore[import-not-found]

    real = datetime.datetime.now(datetime.UTC)
    with Clock("2026-03-01T09:00:00Z", modules=["dated_pack"]):
        moment, day = dated_pack.both()
        assert moment.isoformat() == "2026-03-01T09:00:00+00:00"
        assert day.year == 2026
        assert dated_pack.knows(real)
    assert dated_pack.both()[0] >= real


# --- the web -------------------------------------------------------------------------------------------


def ask(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method, headers={"X-One": "1"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_web_answers_as_it_was_told_and_keeps_what_it_was_asked() -> None:
    with HttpMock() as web:
        web.on("GET", "/rates", {"eur": 1.1}).on("GET", "/rates", status=503, times=1)
        web.on("POST", "/echo", lambda asked: asked.json["say"])
        assert ask(f"{web.url}/rates?day=1")[0] == 503
        assert json.loads(ask(f"{web.url}/rates")[1]) == {"eur": 1.1}
        assert ask(f"{web.url}/echo", "POST", b'{"say": "hi"}') == (200, b"hi")
        assert ask(f"{web.url}/else")[0] == 404
        assert [(one.method, one.path) for one in web.unexpected] == [("GET", "/else")]
        assert web.asked[0].query == {"day": "1"}
        assert web.asked[0].headers["x-one"] == "1"
    with pytest.raises(Exception, match="is not open"):
        web.url  # noqa: B018
