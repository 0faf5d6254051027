"""`pegboard trace` and `pegboard why` in a folder with a session."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pegboard.errors import PegboardError, UnknownCallError, UnknownSessionError


@pytest.fixture
def told(acme: Any) -> Any:
    """A terminal in whose folder a scripted session has been."""
    acme.id = acme.session()
    return acme


def test_the_trace_has_model_calls_tools_and_hooks_in_order(told: Any) -> None:
    rows = json.loads(told.fine("trace", "--json"))["rows"]
    seen = [(row["kind"], row["name"], row["decision"]) for row in rows if row["kind"] in ("model", "tool")]
    name = next(row["name"] for row in rows if row["kind"] == "model")
    assert seen == [
        ("model", name, "tool_use"),
        ("tool", "word_count", "ok"),
        ("tool", "touch", "denied"),
        ("model", name, "tool_use"),
        ("tool", "touch", "denied"),  # rewritten, then nobody had an opinion and nobody could be asked
        ("tool", "touch", "ok"),
        ("model", name, "end_turn"),
    ]
    below = [row["name"] for row in rows if row["level"] == 1 and row["id"] == "toolu_2_1"]
    assert below == ["pre_tool", "resolve_ask", "question", "post_tool"]
    assert all(row["ms"] is not None for row in rows if row["kind"] == "hook")


def test_the_trace_is_the_same_by_id_and_by_default(told: Any) -> None:
    assert told.fine("trace") == told.fine("trace", told.id[:8]) == told.fine("trace", "--cwd", str(told.folder))
    assert told.fine("trace", "--json") == told.fine("trace", told.id, "--json")


def test_the_trace_for_a_person_names_who_decided(told: Any) -> None:
    printed = told.fine("trace")
    assert "1,200 in, 30 out" in printed
    assert "stay in the project [won]" in printed
    assert "\x1b" not in printed


def test_no_session_is_an_error(terminal: Any) -> None:
    assert "no session of this folder yet" in str(terminal.error("trace"))
    assert isinstance(terminal.error("trace"), UnknownSessionError)
    assert isinstance(terminal.error("why", "last"), UnknownSessionError)


def test_why_shows_hashes_verdict_and_versions(told: Any) -> None:
    why = json.loads(told.fine("why", "toolu_2_1", "--json"))
    assert (why["tool"], why["verdict"], why["winner"], why["outcome"]) == ("touch", "none", "", "denied")
    assert why["input"] == {"path": "~/x"}
    assert why["question"]["by"] == "host"
    steps = {step["plugin"]: step for step in why["dispatches"][0]["steps"]}
    rewriter, guard = steps["acme"], steps["permissions"]
    assert (rewriter["plugin"], rewriter["distribution"], rewriter["version"]) == ("acme", "acme-pack", "1.2")
    assert rewriter["before"] != rewriter["after"] == guard["before"] == guard["after"]
    assert why["removable"] == ["git_safety", "permissions", "planning_tools"]


def test_why_takes_a_beginning_and_the_last(told: Any) -> None:
    assert json.loads(told.fine("why", "last", "--json"))["call"] == "toolu_2_2"
    assert json.loads(told.fine("why", "toolu_1_2", "--json")) == json.loads(
        told.fine("why", "toolu_1_2", "--session", told.id[:6], "--json")
    )
    error = told.error("why", "toolu_1")
    assert isinstance(error, PegboardError)
    assert "2 calls: toolu_1_1, toolu_1_2" in str(error)


def test_why_for_a_person_says_who_won_and_who_was_not_needed(told: Any) -> None:
    printed = told.fine("why", "toolu_1_2")
    assert "decided:   deny by acme: stay in the project" in printed
    assert "yes, else none" in printed
    assert "without changing the verdict: git_safety, permissions, planning_tools." in printed


def test_an_unknown_call_is_an_error_with_the_nearest(told: Any) -> None:
    error = told.error("why", "tolu_1_2")
    assert isinstance(error, UnknownCallError)
    assert "Did you mean 'toolu_1_2'?" in str(error)


def test_last_in_a_session_without_a_call_says_so(acme: Any) -> None:
    acme.session('[[turn]]\ntext = "Hi."\n')
    assert "no tool call yet" in str(acme.error("why", "last"))
