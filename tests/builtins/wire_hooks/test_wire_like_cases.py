"""The like of the recorded cases, played in sessions: odd answers, odd entries, several hooks; one row each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from talk import outcomes, pre, specific, told

from pegboard.testing import call
from pegboard_builtins.wire_hooks.conditions import holds
from pegboard_builtins.wire_hooks.match import matcher_test

anyio = pytest.mark.anyio

TOUCH = (call("Bash", command="touch x"), "Done.")
DENY, ALLOW = json.dumps(pre("deny", "BECAUSE")), json.dumps(pre("allow", "FINE"))
ERROR = ("hook error",)


def block(reason: str) -> dict[str, Any]:
    return {"stdout": {"decision": "block", "reason": reason}}


@dataclass
class Case:
    """Hooks by event: (name, answer) or (name, answer, more of the entry). What is None is not looked at."""

    hooks: dict[str, list[tuple[Any, ...]]]
    turns: tuple[Any, ...] = TOUCH
    allow: tuple[str, ...] = ("Bash",)
    outcome: str | None = None
    ran: list[str] | None = None
    told: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    end: str | None = None
    touched: bool | None = None
    order: tuple[str, ...] = ()
    again: list[bool] = field(default_factory=list)
    """What `stop_hook_active` was, time by time."""


def said(stdout: Any, outcome: str, **facts: Any) -> Case:
    """One PreToolUse hook that prints this."""
    more = {key: facts.pop(key) for key in ("exit", "stderr") if key in facts}
    return Case({"PreToolUse": [("h", {"stdout": stdout, **more})]}, outcome=outcome, **facts)


def entry(facts: dict[str, Any], **expected: Any) -> Case:
    """One PreToolUse hook that denies, and whose entry says more."""
    return Case({"PreToolUse": [("h", {"stdout": DENY}, facts)]}, **expected)


def asked(decision: Any, outcome: str, **facts: Any) -> Case:
    """One PermissionRequest hook, where no rule allows the call."""
    answer = {"stdout": specific("PermissionRequest", decision=decision)}
    return Case({"PermissionRequest": [("h", answer)]}, allow=(), outcome=outcome, **facts)


CASES = {
    # what is printed
    "of a key that is there twice the last counts": said(
        '{"decision":"approve","decision":"block","reason":"LAST"}', "denied", told=("LAST",)
    ),
    "a mark of byte order and line ends of another system": said(
        "\ufeff" + json.dumps(pre("deny", "BECAUSE"), indent=1).replace("\n", "\r\n") + "\r\n", "denied"
    ),
    "an allow before another object is none": said(f"{ALLOW}\n{DENY}", "denied", allow=(), notices=ERROR),
    "an allow with NaN in it is no JSON": said('{"x":NaN,' + ALLOW[1:], "denied", allow=(), notices=("NaN",)),
    "a deny with NaN in it was meant all the same": said('{"x":NaN,' + DENY[1:], "denied", told=("BECAUSE",)),
    "half a character in a reason": said('{"decision":"block","reason":"bad \\ud800 x"}', "denied", told=("bad ",)),
    "a number for a message voids the block beside it": said(
        {"systemMessage": 5, "decision": "block"}, "ok", notices=ERROR
    ),
    "an answer inside of an answer": said(specific("PreToolUse", **pre("deny", "INNER")), "ok", untold=("INNER",)),
    "exit 3 beside a deny": said(DENY, "denied", exit=3, stderr="boom", told=("BECAUSE",), untold=("boom",)),
    "exit 2 beside context": said(
        specific("PreToolUse", additionalContext="CTX"), "denied", exit=2, stderr="ERR", told=("CTX", "ERR")
    ),
    # what an entry says
    "a rule in `if` that is none": entry({"if": "Bash(touch"}, ran=[], notices=("one permission rule",)),
    "a type in capitals": entry({"type": "Command"}, ran=[], notices=("Did you mean 'command'?",)),
    "a switch that is a text": entry({"async": "true"}, ran=[], notices=('`async` is "true"',)),
    "a deadline beyond all numbers": entry({"timeout": 1e300}, outcome="denied"),
    "once, which is for skills": Case({"PreToolUse": [("h", {}, {"once": True})]}, (TOUCH[0], *TOUCH), ran=["h", "h"]),
    # several hooks
    "an input that somebody else refuses": Case(
        {
            "PreToolUse": [
                ("a", {"stdout": specific("PreToolUse", updatedInput={"command": "touch y"})}),
                ("b", {"stdout": pre("ask", "HM")}),
            ]
        },
        outcome="denied",
        told=("HM",),
        touched=False,
    ),
    "contexts in the order of the file": Case(
        {
            "PostToolUse": [
                ("a", {"sleep": 0.2, "stdout": specific("PostToolUse", additionalContext="ONE")}),
                ("b", {"stdout": specific("PostToolUse", additionalContext="TWO")}),
            ]
        },
        order=("ONE", "TWO"),
    ),
    "nothing is told of a call that was refused": Case(
        {"PreToolUse": [("h", {"stdout": DENY})], "PostToolUse": [("p", {})], "PostToolUseFailure": [("f", {})]},
        outcome="denied",
        ran=["h"],
    ),
    # other events
    "an output for an MCP tool from a hook on Bash": Case(
        {"PostToolUse": [("h", {"stdout": specific("PostToolUse", updatedMCPToolOutput="NEW")})]},
        (call("Bash", command="echo OLD"), "Done."),
        told=("OLD",),
        untold=("NEW",),
    ),
    "a verdict on a prompt": Case(
        {"UserPromptSubmit": [("h", {"stdout": specific("UserPromptSubmit", permissionDecision="deny")})]},
        end="completed",
        notices=("permissionDecision",),
    ),
    "a title that is null voids the context": Case(
        {
            "UserPromptSubmit": [
                ("h", {"stdout": specific("UserPromptSubmit", sessionTitle=None, additionalContext="C1")})
            ]
        },
        untold=("C1",),
        notices=ERROR,
    ),
    "a block of a session's start": Case({"SessionStart": [("h", block("NO"))]}, end="completed", untold=("NO",)),
    "two hooks that want to go on": Case(
        {
            "Stop": [
                ("a", {"by_call": [block("MORE"), {}]}),
                ("b", {"by_call": [{"exit": 2, "stderr": "TESTS"}, {}]}),
            ]
        },
        ("A.", "B."),
        told=("MORE", "TESTS"),
        again=[False, False, True, True],
    ),
    "a stop beside a block": Case(
        {"Stop": [("a", {"stdout": {"continue": False, "stopReason": "S"}}), ("b", block("MORE"))]},
        ("A.", "B."),
        untold=("MORE",),
    ),
    # permission requests
    "an answer with an input that does not fit": asked(
        {"behavior": "allow", "updatedInput": {"command": 5}}, "denied", touched=False
    ),
    "a refusal that interrupts": asked(
        {"behavior": "deny", "message": "PRM", "interrupt": True}, "denied", told=("PRM",), end="stopped_by_hook"
    ),
    "an answer that is a word": asked("allow", "denied", notices=ERROR),
}


@anyio
@pytest.mark.parametrize("name", CASES)
async def test_the_like_of_a_recorded_case_means_the_same(name, project, host_of):
    case = CASES[name]
    declared = {}
    for event, listed in case.hooks.items():
        entries = [{"command": project.hook(one[0], **one[1]), **(one[2] if one[2:] else {})} for one in listed]
        declared[event] = [{"hooks": [{"type": "command", **one}]} for one in entries]
    project.declare(declared)
    async with host_of(allow=case.allow) as host:
        host.model.script(*case.turns)
        result = await host.prompt("Go.")
        text, notices, came = told(host), list(host.notices), outcomes(host)
    if case.outcome is not None:
        assert came == [case.outcome], notices
    if case.ran is not None:
        assert project.ran == case.ran
    if case.end is not None:
        assert str(result.reason) == case.end
    if case.touched is not None:
        assert (project.root / "x").exists() is case.touched
    if case.again:
        assert [sent["stop_hook_active"] for _, sent in project.seen] == case.again
    assert [part for part in case.told if part not in text] == []
    places = [text.find(part) for part in case.order]
    assert places == sorted(places)
    assert -1 not in places
    assert [part for part in case.untold if part in text] == []
    assert [part for part in case.notices if not any(part in one for one in notices)] == []


@anyio
@pytest.mark.parametrize("odd", ['"\\ud800"', '"x\\u0000y"', '"\\udfff", "matcher": "a"'])
async def test_an_entry_that_no_system_can_start_disarms_no_other(project, host_of, odd):
    project.declare({"PreToolUse": [project.hook("h", stdout=DENY)]})
    path = project.root / ".claude" / "settings.json"
    text = path.read_text()
    strange = '{"hooks": [{"type": "command", "command": ODD}]}, '.replace("ODD", odd)
    path.write_text(text.replace('"PreToolUse": [', '"PreToolUse": [' + strange, 1))
    async with host_of(trusted=False) as host:
        host.model.script(*TOUCH)
        await host.prompt("Go.")
        assert not [one for one in host.notices if "AssertionError" in one]
    async with host_of() as host:
        host.model.script(*TOUCH)
        await host.prompt("Go.")
        assert outcomes(host) == ["denied"]
        assert len(host.notices) == 1


HALF = "half \ud800."


@anyio
async def test_half_a_character_leads_nothing_past_a_hook(project, host_of):
    project.declare(
        {
            "UserPromptSubmit": [project.hook("p", stdout=specific("UserPromptSubmit", additionalContext=HALF))],
            "PreToolUse": [project.hook("h", stdout=pre("deny", "BECAUSE"))],
            "Stop": [project.hook("s", by_call=[block(HALF), {}])],
        }
    )
    async with host_of() as host:
        host.model.script(call("Bash", command=f"touch x; echo {HALF}"), HALF, "Done.")
        await host.prompt(HALF)
        assert outcomes(host) == ["denied"]
        assert project.ran == ["p", "h", "s", "s"]
        assert not (project.root / "x").exists()
        assert not [one for one in host.notices if "failed" in one]


@anyio
async def test_half_a_character_in_a_new_input_becomes_a_whole_one(project, host_of):
    answer = specific("PreToolUse", updatedInput={"command": f"echo {HALF}"})
    project.declare({"PreToolUse": [project.hook("h", stdout=answer)]})
    async with host_of() as host:
        host.model.script(*TOUCH)
        await host.prompt("Go.")
        assert outcomes(host) == ["ok"]
        assert "half \ufffd." in told(host)


@pytest.mark.parametrize(
    ("matcher", "matches"),
    [
        (" Bash ", True),
        ("Write,Bash", True),
        ("Bash|", True),
        ("|", False),
        ("bash", False),
        ("Bash\n", False),
        ("^(?<n>Bash)$", True),
        (r"\bBash\b", True),
        ("^(?!Bash)", False),
        ("/bash/i", False),
        ("[[:alpha:]]ash", False),
        ("[a-z&&B]ash", True),
        (r"^\p{L}+$", False),
        ("**", False),
    ],
)
def test_a_matcher_is_read_as_javascript_reads_it(matcher: str, matches: bool) -> None:
    assert matcher_test(matcher)("Bash") is matches


@pytest.mark.parametrize("command", ["'rm' x", '"rm" x', r"r\m x", "r'm' x", "true; 'rm' x", "echo \"$('rm' x)\""])
def test_quotes_around_a_commands_name_do_not_keep_a_hook_from_running(command: str) -> None:
    assert holds("Bash(rm *)", {"tool_name": "Bash", "tool_input": {"command": command}})
    assert not holds("Bash(mv *)", {"tool_name": "Bash", "tool_input": {"command": "'rm' x"}})
