"""A broken plugin costs nobody but itself: it has a status, a reason and what mends it, and the rest goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pegboard._board import registry
from pegboard._board.discovery import Status
from pegboard.errors import SettingsError
from pegboard.hookspecs import POLICIES, hookimpl
from pegboard.records import Notice
from pegboard.testing import HostFixture, call
from pegboard.tools import tool

HEAD = "from pegboard import Decision, hookimpl, tool\nfrom pegboard.context import Registry\n"
FINE = HEAD + '@tool(read_only=True)\ndef fine(x: int = 1) -> int:\n    """Be fine."""\n    return x\n'


def loaded(make_host: Any, pack: Any, text: str, **options: Any) -> Any:
    """Open a host with a broken pack between two good ones, and return the broken one's record."""
    host = make_host(
        pack(FINE, "aaa"), pack(text, "broken"), pack(FINE.replace("fine", "good"), "zzz"), **options
    ).open()
    statuses = {record.name: record.status for record in host.board.records}
    assert (statuses["aaa"], statuses["zzz"]) == (Status.ACTIVE, Status.ACTIVE)
    assert sorted(host.board.tools) == ["fine", "good"]
    return host.board.record("broken")


BROKEN = {
    "does not import": ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
    "is no Python": ("def def", "SyntaxError"),
    "raises at import": ("1 / 0", "ZeroDivisionError"),
    "exits at import": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "exits without a word": ("raise SystemExit", "SystemExit"),
    "implements an unknown hook": ("@hookimpl\ndef brew_coffee(): ...", "'brew_coffee', which is no hook"),
    "misspells a hook": ("@hookimpl\ndef pre_tol(call): ...", "Did you mean 'pre_tool'?"),
    "misspells a specname": ("@hookimpl(specname='posttool')\ndef f(call): ...", "Did you mean 'post_tool'?"),
    "raises in register": ("@hookimpl\ndef register(registry): raise OSError('disk full')", "OSError: disk full"),
    "exits in register": ("@hookimpl\ndef register(registry): raise SystemExit(1)", "SystemExit: 1"),
    "raises a BaseException at import": ("class Odd(BaseException): ...\nraise Odd('odd')", "Odd: odd"),
    "interrupts at import": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "interrupts in register": ("@hookimpl\ndef register(registry): raise KeyboardInterrupt", "KeyboardInterrupt"),
    "has an error without words": (
        "class Odd(Exception):\n    def __str__(self): raise SystemExit(9)\nraise Odd",
        "Odd: (its words cannot be had)",
    ),
    "answers in register": ("@hookimpl\ndef register(registry): return 42", "'register' with int; it answers nothing"),
    "registers in a generator": (
        "@hookimpl\ndef register(registry):\n    yield registry.add_tool(None)",
        "'register' with generator; it answers nothing",
    ),
    "registers no tool": ("@hookimpl\ndef register(registry): registry.add_tool(print)", "what @tool makes"),
    "blocks asynchronously": (
        "@hookimpl(blocking=True)\nasync def pre_tool(call): ...",
        "blocking=True is for a plain def",
    ),
    "is silent before a tool": (
        "@hookimpl(unless=lambda ctx: True)\ndef pre_tool(call): ...",
        "only next_step is asked",
    ),
    "registers asynchronously": ("@hookimpl\nasync def register(registry): ...", "make it a plain def"),
    "takes keyword-only arguments": ("@hookimpl\ndef pre_tool(*, call): ...", "'call' is keyword-only"),
    "takes an unknown argument": ("@hookimpl\ndef pre_tool(call, color): ...", "takes 'color'"),
    "takes *args": ("@hookimpl\ndef pre_tool(*args): ...", "name the arguments you want"),
    "takes **kwargs": ("@hookimpl\ndef pre_tool(**given): ...", "name the arguments you want"),
    "is a wrapper": (
        "import pluggy\n@pluggy.HookimplMarker('pegboard')(wrapper=True)\ndef pre_tool(call):\n    return (yield)",
        "wrappers are not called here",
    ),
    "is an old wrapper": (
        "import pluggy\n@pluggy.HookimplMarker('pegboard')(hookwrapper=True)\ndef pre_tool(call):\n    yield",
        "wrappers are not called here",
    ),
    "wants to be first": (
        "import pluggy\n@pluggy.HookimplMarker('pegboard')(tryfirst=True)\ndef pre_tool(call): ...",
        "use before= and after=",
    ),
    "wants to be last": (
        "import pluggy\n@pluggy.HookimplMarker('pegboard')(trylast=True)\ndef pre_tool(call): ...",
        "use before= and after=",
    ),
    "has a tool without a docstring": ("@tool\ndef mute(): ...", "needs a docstring"),
    "has a tool that is there already": (
        '@tool\ndef fine():\n    """Again."""',
        "registers the tool 'fine', which 'aaa' has registered already",
    ),
    "has a matcher that is no regular expression": ("@hookimpl(matcher='[')\ndef pre_tool(call): ...", "matcher"),
}


@pytest.mark.parametrize(("text", "reason"), [pytest.param(*row, id=name) for name, row in BROKEN.items()])
def test_a_plugin_that_cannot_be_used_says_why(make_host: Any, pack: Any, text: str, reason: str) -> None:
    record = loaded(make_host, pack, HEAD + text)
    assert record.status is Status.LOAD_ERROR
    assert reason in record.reason
    assert record.mend


def test_nothing_stays_of_a_plugin_whose_register_failed_half_way(make_host: Any, pack: Any) -> None:
    text = HEAD + (
        '@tool\ndef half():\n    """Half."""\n'
        "@hookimpl\ndef pre_tool(call): return Decision.deny('from the grave')\n"
        "@hookimpl\ndef register(registry):\n    registry.add_command('half', 'x:y')\n    1 / 0\n"
    )
    host = make_host(pack(text)).open()
    assert host.board.record("acme").status is Status.LOAD_ERROR
    assert (host.board.tools, host.board.commands, host.board.ordered("pre_tool")) == ({}, {}, [])


def test_an_attribute_that_is_not_there_and_a_class_that_cannot_be_made_are_load_errors(
    make_host: Any, pack: Any
) -> None:
    host = make_host(
        pack("x = 1", "one", attribute="nothing"),
        pack("class P:\n    def __init__(self, wanted): ...", "two", attribute="P"),
        pack("class P: ...", "three", attribute="P"),
    ).open()
    statuses = {record.name: (record.status, record.reason) for record in host.board.records}
    assert statuses["one"][0] is Status.LOAD_ERROR
    assert "nothing" in statuses["one"][1]
    assert statuses["two"][0] is Status.LOAD_ERROR
    assert "wanted" in statuses["two"][1]
    assert statuses["three"][0] is Status.ACTIVE


@pytest.mark.parametrize(
    "hanging",
    [
        pytest.param("while True: pass", id="in Python"),
        pytest.param("import time; time.sleep(60)", id="in C"),
        pytest.param("import threading; threading.Event().wait()", id="on a lock"),
    ],
)
def test_a_plugin_that_hangs_in_register_is_left_behind(make_host: Any, pack: Any, hanging: str) -> None:
    started = time.monotonic()
    record = loaded(make_host, pack, HEAD + f"@hookimpl\ndef register(registry):\n    {hanging}\n")
    assert record.status is Status.LOAD_ERROR
    assert "within 2 s" in record.reason
    assert time.monotonic() - started < 20


def test_a_plugin_that_hangs_at_import_is_left_behind(
    make_host: Any, pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "IMPORT_SECONDS", 0.2)
    record = loaded(make_host, pack, "while True: pass\n")
    assert record.status is Status.LOAD_ERROR
    assert "'import' within 0.2 s" in record.reason


def test_two_entry_points_of_one_name_are_load_errors(make_host: Any, pack: Any) -> None:
    points = [pack(FINE, "twin", distribution="a-pack"), pack(FINE, "twin", distribution="b-pack")]
    host = make_host(*points).open()
    assert [record.status for record in host.board.records] == [Status.LOAD_ERROR] * 2
    assert host.board.tools == {}


def test_an_alias_lets_two_plugins_of_one_name_live_each_with_its_own_settings(make_host: Any, pack: Any) -> None:
    text = HEAD + (
        "from pydantic import BaseModel\nclass Own(BaseModel, extra='forbid'):\n    limit: int = 3\n"
        "LIMITS = []\n@hookimpl\ndef register(registry): LIMITS.append(registry.settings(Own).limit)\n"
    )
    points = [pack(text, "twin", distribution="a-pack"), pack(text, "twin", distribution="b-pack")]
    tables = {"plugins": {"aliases": {"b-pack:twin": "other"}}, "twin": {"limit": 1}, "other": {"limit": 2}}
    host = make_host(*points, tables=tables).open()
    assert {one.name: (one.distribution, one.plugin.LIMITS) for one in host.board.active} == {
        "twin": ("a-pack", [1]),
        "other": ("b-pack", [2]),
    }


def test_an_alias_in_the_settings_lets_two_tools_of_one_name_live(make_host: Any, pack: Any) -> None:
    aliases = {"plugins": {"aliases": {"second.fine": "finer"}}}
    host = make_host(pack(FINE, "first"), pack(FINE, "second"), tables=aliases).open()
    assert {name: one.owner for name, one in host.board.tools.items()} == {"fine": "first", "finer": "second"}
    without = make_host(pack(FINE, "first"), pack(FINE, "second")).open()
    second = without.board.record("second")
    assert second.status is Status.LOAD_ERROR
    assert '"second.fine" = "other_name"' in second.mend


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param("models", "registry.add_model(ModelInfo(prefix='twin'))", id="a model's prefix"),
        pytest.param("commands", "registry.add_command('twin', 'x:y')", id="a verb"),
    ],
)
def test_two_plugins_cannot_own_one_name(make_host: Any, pack: Any, kind: str, text: str) -> None:
    whole = HEAD + f"from pegboard import ModelInfo\n@hookimpl\ndef register(registry): {text}\n"
    host = make_host(pack(whole, "first"), pack(whole, "second")).open()
    assert [record.status for record in host.board.records] == [Status.ACTIVE, Status.LOAD_ERROR]
    assert "'first'" in host.board.record("second").reason
    assert list(getattr(host.board, kind)) == ["twin"]


def test_wrong_settings_of_a_plugin_are_its_own_config_error(make_host: Any, pack: Any) -> None:
    text = HEAD + (
        "from pydantic import BaseModel\nclass Own(BaseModel, extra='forbid'):\n    limit: int = 3\n"
        "@hookimpl\ndef register(registry): registry.settings(Own)\n"
    )
    wrong = {"acme": {"limt": 4}}
    host = make_host(pack(text), tables=wrong, strict=False).open()
    assert host.board.record("acme").status is Status.CONFIG_ERROR
    assert "Did you mean 'limit'?" in host.board.record("acme").reason
    with pytest.raises(SettingsError, match="limit"):
        make_host(pack(text), tables=wrong).open()


def test_plugins_in_a_circle_are_load_errors_that_name_each_other(make_host: Any, pack: Any) -> None:
    def wants(other: str) -> str:
        return HEAD + f"@hookimpl(before='{other}')\ndef pre_tool(call): ...\n"

    host = make_host(pack(wants("bees"), "ants"), pack(wants("ants"), "bees"), pack(FINE, "cats")).open()
    statuses = {record.name: record.status for record in host.board.records}
    assert statuses == {"ants": Status.LOAD_ERROR, "bees": Status.LOAD_ERROR, "cats": Status.ACTIVE}
    assert "ants before bees before ants" in host.board.record("ants").reason


# --- in a session --------------------------------------------------------------------------------------


@tool(read_only=True)
def look(path: str) -> str:
    """Look."""
    return f"seen {path}"


WRONG = {
    "pre_tool": "allow",
    "post_tool": ["no"],
    "prompt_submit": True,
    "prepare_request": {"tools": []},
    "model_call": 7,
    "next_step": "stop",
    "lifecycle": {"context": "x"},
    "event": "thanks",
}


def misbehaving(hook: str, how: str) -> Any:
    def answers_wrong() -> Any:
        return WRONG[hook]

    async def answers_wrong_later() -> Any:
        return WRONG[hook]

    def raises() -> Any:
        raise RuntimeError("oh no")

    def exits() -> Any:
        raise SystemExit(9)

    async def exits_later() -> Any:
        raise SystemExit(9)

    body = {one.__name__: one for one in (answers_wrong, answers_wrong_later, raises, exits, exits_later)}[how]
    return hookimpl(specname=hook)(body)


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["answers_wrong", "answers_wrong_later", "raises", "exits", "exits_later"])
@pytest.mark.parametrize("hook", WRONG)
async def test_a_hook_that_misbehaves_never_takes_the_session_down(hook: str, how: str) -> None:
    async with HostFixture() as host:
        host.load(look)
        host.load(misbehaving(hook, how), "bad")
        host.model.script(call("look", path="a"), "done")
        result = await host.prompt("go")
        await host.session.close()
        assert (result.reason, result.text) == ("completed", "done")
        told = [record for record in host.records("notice") if isinstance(record, Notice)]
        assert {record.plugin for record in told if "failed" in record.text} == {"bad"}


def test_each_hook_of_a_turn_is_among_those_that_misbehave() -> None:
    asked_elsewhere = {"register", "resolve_ask", "compact"}
    assert set(WRONG) == set(POLICIES) - asked_elsewhere


@pytest.mark.anyio
async def test_a_service_of_the_host_still_works_beside_a_broken_plugin(tmp_path: Path) -> None:
    async with HostFixture(allow_broken=True) as host:
        host.load("no_such_module_at_all", "gone")
        host.load(look)
        host.model.script(call("look", path="a"), "done")
        assert (await host.prompt("go")).text == "done"
        assert host.plugins["gone"].status is Status.LOAD_ERROR
