"""`pegboard hooks specs`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pegboard.errors import PegboardError
from pegboard.hookspecs import POLICIES


def test_all_hooks_are_shown_with_their_policies(acme: Any) -> None:
    told = json.loads(acme.fine("hooks", "specs", "--json"))
    assert [hook["name"] for hook in told] == list(POLICIES)
    for hook in told:
        policy = POLICIES[hook["name"]]
        assert (hook["mode"], hook["timeout"], hook["on_error"]) == (policy.mode, policy.timeout, policy.on_error)
        assert hook["contract"]


def test_implementations_stand_in_the_order_in_which_they_run(acme: Any) -> None:
    (hook,) = json.loads(acme.fine("hooks", "specs", "pre_tool", "--json"))
    # A rewriter runs before the guard that only decides, though built-ins come first otherwise.
    told = [(one["plugin"], one["marks"]) for one in hook["implementations"]]
    assert [one for one in told if one[0] in ("acme", "permissions")] == [
        ("acme", ["rewrites"]),
        ("permissions", ["guard"]),
    ]
    assert told[-1][0] == "undercover", "it sees what will run"


@pytest.mark.parametrize("name", ["pre_tool", "pre-tool"])
def test_one_hook_is_found_by_both_spellings(acme: Any, name: str) -> None:
    printed = acme.fine("hooks", "specs", name)
    assert "pre-tool: pre_tool(call, batch, ctx)" in printed
    assert "A tool is about to run" in printed
    assert "1. acme  (rewrites)" in printed


def test_an_unknown_hook_is_an_error_with_the_nearest(terminal: Any) -> None:
    error = terminal.error("hooks", "specs", "pre_tol")
    assert isinstance(error, PegboardError)
    assert "Did you mean 'pre_tool'?" in str(error)
