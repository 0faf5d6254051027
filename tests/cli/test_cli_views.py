"""`pegboard trace --view`: what plugins make of a journal."""

from __future__ import annotations

import json
from typing import Any

import pytest

PACK = """
from collections import Counter
from pegboard import hookimpl


@hookimpl
def register(registry):
    registry.add_view("kinds", lambda records: dict(Counter(record.type for record in records)))
    registry.add_view("words", lambda records: "two\\nlines\\x1b[31m of text")
    registry.add_view("lines", lambda records: (record.seq for record in records if record.type == "session_start"))
    registry.add_view("broken", lambda records: 1 // 0)
    registry.add_view("odd", lambda records: object())
"""


@pytest.fixture
def seen(acme: Any) -> Any:
    """A folder with a session, in which a pack has views."""
    acme.install("views-pack", {"seen": "seen_mod"}, seen_mod=PACK)
    acme.session()
    return acme


def test_plain_data_is_printed_as_json_and_a_text_as_it_is(seen: Any) -> None:
    kinds = json.loads(seen.fine("trace", "--view", "kinds"))
    assert (kinds["session_start"], kinds["turn_end"]) == (1, 1)
    assert seen.fine("trace", "--view", "words") == "two\nlines of text\n"
    assert json.loads(seen.fine("trace", "--view", "lines")) == [1]
    whole = json.loads(seen.fine("trace", "--view", "seen.kinds", "--json"))
    assert (whole["plugin"], whole["view"], whole["value"]) == ("seen", "kinds", kinds)


def test_a_view_that_is_not_there_or_fails_is_an_error_that_says_whose(seen: Any) -> None:
    wrong = str(seen.error("trace", "--view", "kind"))
    assert "there is no view 'kind'" in wrong
    assert "Did you mean 'kinds'?" in wrong
    assert "seen.broken, seen.kinds" in wrong
    assert str(seen.error("trace", "--view", "broken")).startswith("the view 'broken' of seen failed: ZeroDivision")
    assert "neither text nor plain data" in str(seen.error("trace", "--view", "odd"))


def test_where_no_plugin_has_a_view_that_is_said(acme: Any) -> None:
    acme.session()
    assert "No plugin that takes part here has one" in str(acme.error("trace", "--view", "kinds"))
