"""What the recorded cases taught and their outcomes do not show: kinds of failure, words for the next turn, grants."""

from __future__ import annotations

import pytest

from pegboard.messages import EndReason
from pegboard.settings import from_environment
from pegboard.testing import Options, call

pytestmark = pytest.mark.anyio


def specific(event, **facts):
    return {"hookSpecificOutput": {"hookEventName": event, **facts}}


def said_to_the_model(host):
    return "\n".join(
        str(getattr(block, "content", "") or getattr(block, "text", ""))
        for message in host.messages
        if message.role == "user"
        for block in message.content
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_failed"),
        (403, "authentication_failed"),
        (404, "model_not_found"),
        (413, "invalid_request"),
        (429, "rate_limit"),
        (400, "unknown"),
        (500, "server_error"),
        (529, "server_error"),
    ],
)
async def test_a_failed_request_has_the_kind_that_was_recorded(project, host_of, status, kind):
    project.declare({"StopFailure": [project.hook("failed")], "Stop": [project.hook("stop")]})
    async with host_of() as host:
        host.model.script({"error": {"status": status, "message": "it has 50 keys"}})
        await host.prompt("Go.")
        [(name, sent)] = project.seen
        assert (name, sent["error"]) == ("failed", kind)


async def test_an_answer_that_is_cut_again_and_again_is_a_failure_and_no_end(project, host_of):
    project.declare({"StopFailure": [project.hook("failed")], "Stop": [project.hook("stop")]})
    async with host_of() as host:
        host.model.script(*[{"text": "and", "stop_reason": "max_tokens"}] * 4)
        assert (await host.prompt("Go.")).reason is EndReason.ERROR
        assert [(name, sent["error"]) for name, sent in project.seen] == [("failed", "max_output_tokens")]


async def test_a_stop_hook_is_told_that_the_turn_goes_on_because_of_it_whatever_the_model_did_since(project, host_of):
    project.declare({"Stop": [project.hook("stop", by_call=[{"exit": 2, "stderr": "not yet"}, {}])]})
    async with host_of() as host:
        host.model.script("Done.", call("Bash", command="true"), "Done now.")
        await host.prompt("Go.")
        assert [sent["stop_hook_active"] for _, sent in project.seen] == [False, True]


@pytest.mark.parametrize(
    ("event", "turn"),
    [
        ("PostToolUse", call("Bash", command="true")),
        ("PostToolBatch", call("Bash", command="true")),
        ("UserPromptSubmit", "Done."),
    ],
)
async def test_the_reason_why_a_hook_stopped_is_told_to_the_model_in_the_next_turn(project, host_of, event, turn):
    answers = [{"stdout": {"continue": False, "stopReason": "out of budget"}}, {}]
    project.declare({event: [project.hook("stopper", by_call=answers)]})
    async with host_of() as host:
        host.model.script(turn, "Later.")
        assert (await host.prompt("Go.")).reason is EndReason.STOPPED
        if event == "UserPromptSubmit":
            assert "Go." in said_to_the_model(host)
        await host.prompt("Again.")
        assert "out of budget" in said_to_the_model(host)


async def test_a_key_that_the_tool_does_not_have_is_dropped_from_a_new_input(project, host_of):
    new = {"command": "echo new", "bogus": 1}
    project.declare({"PreToolUse": [project.hook("change", stdout=specific("PreToolUse", updatedInput=new))]})
    async with host_of() as host:
        host.model.script(call("Bash", command="echo old"), "Done.")
        await host.prompt("Go.")
        assert "new" in said_to_the_model(host)
        assert any("bogus" in notice for notice in host.notices)


async def test_a_hook_may_allow_such_calls_for_the_session_and_nothing_is_written(project, host_of):
    rules = [{"type": "addRules", "rules": [{"toolName": "Bash", "ruleContent": "touch *"}], "behavior": "allow"}]
    decision = {"behavior": "allow", "updatedPermissions": [{**rules[0], "destination": "session"}]}
    project.declare(
        {"PermissionRequest": [project.hook("ask", stdout=specific("PermissionRequest", decision=decision))]}
    )
    before = sorted(path.name for path in (project.root / ".claude").iterdir())
    async with host_of(allow=()) as host:
        host.model.script(
            call("Bash", command="touch a"), call("Bash", command="touch b"), call("Bash", command="make")
        )
        await host.prompt("Go.")
        assert [sent["tool_input"]["command"] for _, sent in project.seen] == ["touch a", "make"]
        assert (project.root / "a").exists()
        assert (project.root / "b").exists()
        assert sorted(path.name for path in (project.root / ".claude").iterdir()) == before


async def test_a_hook_that_allows_does_not_open_the_files_that_decide_what_runs(project, host_of):
    project.declare({"PreToolUse": [project.hook("yes", stdout=specific("PreToolUse", permissionDecision="allow"))]})
    target = project.root / ".git" / "hooks" / "pre-commit"
    async with host_of(allow=()) as host:
        host.model.script(call("Write", file_path=str(target), content="#!/bin/sh\n"), "Done.")
        await host.prompt("Go.")
        assert not target.exists()


async def test_what_is_set_up_is_set_up_before_the_session_starts(project, host_of):
    project.declare({"Setup": [project.hook("setup")], "SessionStart": [project.hook("start")]})
    async with host_of(options=Options(setup=("init",))) as host:
        host.model.script("Done.")
        await host.prompt("Go.")
        assert [(name, sent.get("trigger")) for name, sent in project.seen] == [("setup", "init"), ("start", None)]


async def test_a_notifier_in_the_background_comes_to_its_end_though_the_session_ends(project, host_of):
    entry = {"command": project.hook("notify", sleep=0.2), "async": True}
    project.declare({"Stop": [entry]})
    async with host_of() as host:
        host.model.script("Done.")
        await host.prompt("Go.")
    assert project.ran == ["notify"]


def test_the_contracts_name_for_the_cap_of_continuations_is_read_from_the_environment():
    assert from_environment({"CLAUDE_CODE_STOP_HOOK_BLOCK_CAP": "0"}).values == {"session": {"max_continuations": 0}}
    both = {"CLAUDE_CODE_STOP_HOOK_BLOCK_CAP": "0", "PEGBOARD_SESSION__MAX_CONTINUATIONS": "3"}
    assert from_environment(both).values == {"session": {"max_continuations": 3}}
