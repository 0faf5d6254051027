"""`pegboard tools`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pegboard.errors import SettingsError, UnknownToolError


def test_tools_are_listed_with_owner_and_schema(acme: Any) -> None:
    listed = {tool["name"]: tool for tool in json.loads(acme.fine("tools", "list", "--json"))}
    assert listed["word_count"]["plugin"] == "acme"
    assert listed["word_count"]["read_only"] is True
    assert listed["word_count"]["input_schema"]["required"] == ["text"]
    assert list(listed) == sorted(listed)


def test_a_call_prints_the_result_alone(acme: Any) -> None:
    assert acme.fine("tools", "call", "word_count", "--input", '{"text": "a b c"}') == "3\n"
    assert acme.fine("tools", "call", "word_count", "--input", "-", input='{"text": "a b"}') == "2\n"


def test_what_a_tool_prints_stands_beside_the_result(acme: Any) -> None:
    chatty = (
        "from pegboard import tool\n\n\n@tool(read_only=True)\ndef chatty() -> str:\n    '''Chat.'''\n"
        "    print('on my way')\n    return 'there'\n"
    )
    acme.install("acme-chatty", {"acme_chatty": "acme_chatty"}, acme_chatty=chatty)
    result = acme.type("tools", "call", "chatty", "--json")
    assert json.loads(result.stdout)["output"] == "there"
    assert "on my way" in result.stderr


def test_a_tool_of_a_plugin_that_is_broken_is_not_just_absent(acme: Any) -> None:
    acme.install("acme-broken", {"acme_broken": "acme_broken"}, acme_broken="raise ValueError('half written')\n")
    result = acme.type("tools", "call", "acme_thing")
    assert isinstance(result.exception, UnknownToolError)
    assert "the plugin 'acme_broken' takes no part: ValueError: half written" in result.stderr


def test_a_call_passes_all_hooks_and_is_in_a_journal(acme: Any) -> None:
    told = json.loads(acme.fine("tools", "call", "touch", "--json", "-i", '{"path": "~/x"}'))
    assert told["output"] == "touched /home/x"
    assert told["input"] == {"path": "/home/x"}
    assert [journal.stem for journal in acme.journals] == [told["session"]]
    why = json.loads(acme.fine("why", "last", "--json"))
    assert why["call"] == told["call"]
    assert why["origin"] == "user"


def test_a_denied_call_prints_the_reason_and_ends_with_1(acme: Any) -> None:
    result = acme.type("tools", "call", "touch", "-i", '{"path": "/etc/x"}')
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "denied: stay in the project" in result.stderr
    assert "pegboard why side_" in result.stderr


def test_a_failed_call_ends_with_1(acme: Any) -> None:
    result = acme.type("tools", "call", "touch", "--json", "-i", '{"path": "breaks"}')
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["outcome"] == "error"
    assert "it broke" in told["output"]


def test_a_filter_of_a_plugin_sees_what_is_printed(acme: Any) -> None:
    filter_ = (
        "from pegboard import Declares, hookimpl\n\ndeclares = Declares(permissions=['rewrite'])\n\n\n"
        "@hookimpl\ndef register(registry):\n"
        "    registry.add_filter('text', lambda surface, text: text.replace('touched', 'did'))\n"
    )
    acme.install("acme-filter", {"acme_filter": "acme_filter"}, acme_filter=filter_)
    assert acme.fine("tools", "call", "touch", "-i", '{"path": "y"}') == "did y\n"


@pytest.mark.parametrize("given", ["{", "[1]", "3"])
def test_input_that_is_no_object_is_wrong_usage(acme: Any, given: str) -> None:
    assert acme.type("tools", "call", "touch", "-i", given).exit_code == 2
    assert acme.journals == []


def test_an_unknown_tool_begins_no_session(acme: Any) -> None:
    error = acme.error("tools", "call", "tuch")
    assert isinstance(error, UnknownToolError)
    assert "Did you mean 'touch'?" in str(error)
    assert acme.journals == []


def test_wrong_settings_stop_a_call_because_a_rule_could_be_missing(acme: Any) -> None:
    acme.settings("[session]\nmax_step = 3\n", where="user")
    assert isinstance(acme.error("tools", "call", "touch", "-i", '{"path": "y"}'), SettingsError)
    assert "touch" in acme.fine("tools", "list")
