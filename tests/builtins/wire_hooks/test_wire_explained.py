"""`pegboard why` and `pegboard trace` name the declared hooks that stood behind a decision."""

from __future__ import annotations

from typing import Any

import pytest

from pegboard._agent.explaining import explain
from pegboard.records import DeclaredHooks, HookRecord
from pegboard.testing import call


def deny(reason: str) -> dict[str, Any]:
    specific = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason}
    return {"hookSpecificOutput": specific}


@pytest.mark.anyio
async def test_why_names_the_declared_hook_that_won(project: Any, host_of: Any) -> None:
    path = project.declare(
        {
            "PreToolUse": [
                {"id": "first", "command": project.hook("first")},
                {"id": "guard", "command": project.hook("guard", stdout=deny("not so"))},
                {"id": "later", "command": project.hook("later", stdout=deny("nor so"))},
            ],
            "PostToolUse": [{"id": "after", "command": project.hook("after")}],
        }
    )
    async with host_of() as host:
        host.model.script([call("Bash", command="touch a"), call("Write", file_path="b", content="c")], "Done.")
        await host.prompt("Go.")
        told = explain(host.records(), "toolu_1_1")
    assert (told.verdict, told.winner, told.reason) == ("deny", "wire_hooks", "not so")
    assert (told.declared.id, told.declared.verdict, told.declared.event) == ("guard", "deny", "PreToolUse")
    assert told.declared.where.startswith(f"{path}:")
    [decided] = [one for one in told.dispatches if one.point == "pre_tool"]
    [step] = [step for step in decided.steps if step.plugin == "wire_hooks"]
    assert [(one.id, one.status, one.verdict, one.effect, one.won) for one in step.declared] == [
        ("first", "ran", "", "", False),
        ("guard", "ran", "deny", "won", True),
        ("later", "ran", "deny", "kept", False),
    ]
    assert all(one.ms > 0 and one.exit == 0 for one in step.declared)


SCRIPT = """
[[turn]]
[[turn.call]]
name = "Bash"
input = { command = "touch a" }
[[turn.call]]
name = "Bash"
input = { command = "true" }

[[turn]]
text = "Done."
"""


def test_why_and_trace_show_declared_hooks_below_their_plugin(typed: Any, project: Any) -> None:
    guard = project.hook("guard", stdout=deny("not so"))
    path = project.declare(
        {
            "PreToolUse": [{"id": "guard", "command": guard, "if": "Bash(touch *)"}],
            "SessionStart": [{"id": "hello", "command": "echo hello"}],
            "Stop": [{"id": "bye", "command": "nowhere-to-be-found"}],
        },
        where="user",
    )
    script = project.outer / "script.toml"
    script.write_text(SCRIPT)
    typed("run", "-q", "-m", f"scripted:{script}", "--allow", "Bash", "Go")
    why = typed.json("why", "toolu_1_1")
    assert why["declared"]["id"] == "guard"
    assert why["declared"]["where"].startswith(f"{path}:")
    printed = typed.fine("why", "toolu_1_1")
    assert f"deny by wire_hooks (the hook guard, {why['declared']['where']}): not so" in printed
    lines = printed.splitlines()
    [place] = [number for number, line in enumerate(lines) if line.split()[1:2] == ["wire_hooks"] and "deny" in line]
    assert lines[place + 1].split()[:2] == ["guard", "deny"]
    assert "not so [won]" in lines[place + 1]
    assert "guard" not in typed.fine("why", "toolu_1_2")
    trace = typed.fine("trace")
    assert [line.split()[0] for line in trace.splitlines() if line.split()[:1] in (["guard"], ["hello"], ["bye"])] == [
        "hello",
        "guard",
        "bye",
    ]
    assert "broken" in next(line for line in trace.splitlines() if line.split()[:1] == ["bye"])
    rows = typed.json("trace")["rows"]
    [hook] = [row for row in rows if row["name"] == "pre_tool" and row["id"] == "toolu_1_1"]
    assert [one["id"] for step in hook["answers"] for one in step["declared"]] == ["guard"]


@pytest.mark.anyio
async def test_hooks_of_a_session_that_ended_in_them_are_not_lost(project: Any, host_of: Any) -> None:
    project.declare({"PreToolUse": [{"id": "guard", "command": project.hook("guard", stdout=deny("not so"))}]})
    async with host_of() as host:
        host.model.script([call("Bash", command="touch a")], "Done.")
        await host.prompt("Go.")
        records = host.records()
    [place] = [n for n, one in enumerate(records) if isinstance(one, DeclaredHooks)]
    after = next(n for n, one in enumerate(records) if n > place and isinstance(one, HookRecord))
    told = explain(records[:after], "toolu_1_1")
    [dispatch] = told.dispatches
    assert (dispatch.outcome, dispatch.steps[0].declared[0].id, told.verdict) == ("unfinished", "guard", "")
