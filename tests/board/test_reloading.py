"""Reloading a plugin: its source anew, what that changes in words, and the way back for one that broke."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pegboard._board.discovery import Status
from pegboard._board.reloading import reload_plugin
from pegboard.errors import PluginError

ONE = """
from pegboard import tool

@tool(read_only=True)
def count(text: str) -> int:
    \"\"\"Count.\"\"\"
    return len(text)
"""
TWO = (
    ONE.replace("text: str", "words: str").replace("len(text)", "99")
    + """
@tool(read_only=True)
def more() -> int:
    \"\"\"More.\"\"\"
    return 1
"""
)


def source_of(host: Any, name: str = "acme") -> Any:
    from pathlib import Path

    return Path(sys.modules[host.board.record(name).value].__file__)


def test_a_reloaded_plugin_is_its_source_as_it_is_now_and_says_what_that_changes(make_host: Any, pack: Any) -> None:
    host = make_host(pack(ONE)).open()
    assert reload_plugin(host.board, "acme").changes == ()
    generation = host.board.generation
    source_of(host).write_text(TWO)
    done = reload_plugin(host.board, "acme")
    assert done.status == "active"
    assert done.changes == ("- tool count ['text']", "+ tool count ['words']", "+ tool more []")
    assert host.board.tools["count"].function("abc") == 99
    assert host.board.generation > generation


def test_one_that_is_broken_is_off_the_board_until_it_is_mended(make_host: Any, pack: Any) -> None:
    host = make_host(pack(ONE)).open()
    source = source_of(host)
    source.write_text("def def")
    done = reload_plugin(host.board, "acme")
    assert (done.status, done.changes) == ("load_error", ("- tool count ['text']",))
    assert "SyntaxError" in done.reason
    assert host.board.tools == {}
    source.write_text(TWO)
    assert reload_plugin(host.board, "acme").status == "active"
    assert sorted(host.board.tools) == ["count", "more"]


def test_what_cannot_be_reloaded_says_why(make_host: Any, pack: Any) -> None:
    host = make_host(pack(ONE), no_plugins="acme").open()
    with pytest.raises(PluginError, match="Did you mean 'acme'"):
        reload_plugin(host.board, "acne")
    with pytest.raises(PluginError, match="takes no part"):
        reload_plugin(host.board, "acme")
    other = make_host(pack(ONE, "binary")).open()
    sys.modules[other.board.record("binary").value].__file__ = "/x/module.so"
    with pytest.raises(PluginError, match="compiled code"):
        reload_plugin(other.board, "binary")
    assert other.board.record("binary").status is Status.ACTIVE
