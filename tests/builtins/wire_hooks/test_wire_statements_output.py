"""The contract's statements C37 to C59, one test each: exit codes and what a hook prints (hook-contract 6 C)."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from talk import outcomes, pre, results, specific, told

from pegboard.errors import PegboardError
from pegboard.host import Options
from pegboard.messages import EndReason
from pegboard.settings import SettingsLayer, Source
from pegboard.testing import call
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.job import RawResult
from pegboard_builtins.wire_hooks.parse import read

pytestmark = pytest.mark.anyio

BASH = call("Bash", command="echo out")
TOUCH = call("Bash", command="touch x")


def said(event="PreToolUse", **raw):
    """What a command hook is taken to have said."""
    handler = Handler("h", event, HandlerType.COMMAND, Source(SettingsLayer.USER), command="x")
    return read(EVENTS[event], handler, RawResult(**raw))


async def one_call(project, host, event, *, turns=(BASH, "Done."), **answer):
    """Declare one hook, run one prompt, return what it came to."""
    project.declare({event: [project.hook("h", **answer)]})
    host.model.script(*turns)
    return await host.prompt("Go.")


async def test_c37_exit_2_refuses_the_call_and_stderr_is_the_result(project, host_of):
    async with host_of() as host:
        await one_call(project, host, "PreToolUse", exit=2, stderr="no")
        assert outcomes(host) == ["denied"]
        assert "no" in results(host)[0]


async def test_c38_exit_2_blocks_although_the_answer_allows(project, host_of):
    async with host_of() as host:
        await one_call(project, host, "PreToolUse", exit=2, stdout=pre("allow"))
        assert outcomes(host) == ["denied"]


async def test_c39_a_valid_deny_counts_on_exit_1_and_is_no_error(project, host_of):
    async with host_of() as host:
        await one_call(project, host, "PreToolUse", exit=1, stdout=pre("deny", "because"))
        assert outcomes(host) == ["denied"]
        assert "because" in results(host)[0]
        assert not [notice for notice in host.notices if "hook error" in notice]


async def test_c40_text_and_exit_1_are_a_notice_and_the_tool_runs(project, host_of):
    async with host_of() as host:
        await one_call(project, host, "PreToolUse", exit=1, stdout="text", stderr="boom\nmore")
        assert outcomes(host) == ["ok"]
        [notice] = [notice for notice in host.notices if "Failed with non-blocking status code:" in notice]
        assert "boom" in notice


async def test_c41_a_command_that_is_not_there_lets_the_tool_run_and_is_told(project, host_of):
    project.declare({"PreToolUse": ["/no/such/guard --strict"]})
    async with host_of() as host:
        host.model.script(BASH, "Done.")
        await host.prompt("Go.")
        assert outcomes(host) == ["ok"]
        [row] = host.records("declared")[0].rows
        assert (row.status, row.exit) == ("broken", 127)
        assert any("/no/such/guard" in notice for notice in host.notices)


def test_c42_an_answer_of_the_wrong_shape_proceeds_on_0_and_blocks_on_2():
    fine = said(stdout='{"continue":"x"}')
    assert (fine.status, fine.verdict, fine.stop) == ("failed", None, False)
    assert "continue" in fine.problem
    blocked = said(stdout='{"continue":"x"}', exit=2, stderr="why")
    assert (blocked.verdict, blocked.reason) == ("deny", "why")


@pytest.mark.parametrize("text", ["[1,2]", '"text"', 'banner\n{"decision":"block"}'])
def test_c43_what_does_not_begin_with_a_brace_is_plain_text(text):
    taken = said("UserPromptSubmit", stdout=text)
    assert (taken.text, taken.block, taken.problem) == (text, False, "")


def test_c44_blanks_may_come_before_the_brace_and_a_broken_object_is_no_decision():
    assert said("UserPromptSubmit", stdout='\n  {"decision":"block","reason":"r"}').block
    unclosed = said("UserPromptSubmit", stdout='{"decision":"block"')
    assert (unclosed.text, unclosed.block) == ('{"decision":"block"', False)
    # The recording is newer than the statement: what looks like an object but is none is an error, not text.
    closed = said("UserPromptSubmit", stdout='{"decision":"block",}')
    assert (closed.text, closed.block, closed.status) == ("", False, "failed")


async def test_c45_plain_text_is_context_at_the_start_and_beside_a_prompt_but_not_at_a_tool(project, host_of):
    project.declare(
        {
            event: [project.hook(event, stdout=f"CTX-{event}")]
            for event in ("UserPromptSubmit", "SessionStart", "PreToolUse")
        }
    )
    async with host_of() as host:
        host.model.script(BASH, "Done.")
        await host.prompt("Go.")
        assert "CTX-UserPromptSubmit" in told(host)
        assert "CTX-SessionStart" in told(host)
        assert "CTX-PreToolUse" not in told(host)


async def test_c46_exit_2_on_a_prompt_keeps_it_from_the_model_and_tells_the_user(project, host_of):
    async with host_of() as host:
        result = await one_call(project, host, "UserPromptSubmit", exit=2, stderr="not that", turns=("Done.",))
        assert result.reason is EndReason.REFUSED
        assert "not that" in result.detail
        assert list(host.messages) == []
        assert host.records("request") == []


async def test_c47_a_refusal_may_keep_the_prompt_out_of_the_message(project, host_of):
    answer = {"decision": "block", "reason": "r", **specific("UserPromptSubmit", suppressOriginalPrompt=True)}
    async with host_of() as host:
        result = await one_call(project, host, "UserPromptSubmit", stdout=answer, turns=("Done.",))
        shown = [one.text for one in host.shown] + [result.detail]
        assert any("r" in text for text in shown)
        assert not any("Go." in text for text in shown)


def test_c48_context_counts_within_hook_specific_output_alone():
    assert said(stdout='{"additionalContext":"x"}').context == ""
    assert said(stdout='{"hookSpecificOutput":{"hookEventName":"PreToolUse","additionalContext":"x"}}').context == "x"


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_c49_suppress_output_changes_nothing(event):
    assert said(event, stdout='{"suppressOutput":true}') == said(event, stdout="{}")


async def test_c50_continue_false_ends_the_turn_and_the_user_alone_reads_why(project, host_of):
    """Deviation: before a tool it stops the tool, too, where the contract's program lets it run once more."""
    stop = {"continue": False, "stopReason": "STOP-WORD", "decision": "approve"}
    for event, ran in (("PreToolUse", False), ("PostToolUse", True)):
        async with host_of() as host:
            result = await one_call(project, host, event, stdout=stop)
            assert result.reason is EndReason.STOPPED
            assert "STOP-WORD" in result.detail
            assert (outcomes(host) == ["ok"]) is ran
            assert len(host.records("request")) == 1


async def test_c51_a_long_context_is_a_preview_and_a_file(project, host_of):
    long = "x" * 19_000 + "END" + "x" * 997
    async with host_of() as host:
        await one_call(project, host, "PreToolUse", stdout=specific("PreToolUse", additionalContext=long))
        assert "END" not in told(host)
        path = re.search(r"Full output saved to: (\S+)", told(host))[1]
        with open(path) as file:
            assert file.read() == long


async def test_c52_a_permission_request_is_decided_by_an_answer_and_not_by_an_exit_code(project, host_of):
    async with host_of(allow=()) as host:
        await one_call(project, host, "PermissionRequest", exit=2, stderr="IGNORED", turns=(TOUCH, "Done."))
        assert outcomes(host) == ["denied"]
        assert "IGNORED" not in told(host)
    deny = specific("PermissionRequest", decision={"behavior": "deny", "message": "m-word"})
    async with host_of(allow=()) as host:
        await one_call(project, host, "PermissionRequest", stdout=deny, turns=(TOUCH, "Done."))
        assert (outcomes(host), results(host)) == (["denied"], ["m-word"])


async def test_c53_exit_2_after_a_tool_leaves_the_result_and_tells_the_model(project, host_of):
    async with host_of() as host:
        await one_call(project, host, "PostToolUse", exit=2, stderr="lint failed")
        assert outcomes(host) == ["ok"]
        assert "out" in results(host)[0]
        assert "lint failed" in told(host)


async def test_c54_a_stop_hook_keeps_the_turn_going_until_the_cap(project, host_of):
    project.declare({"Stop": [project.hook("h", exit=2, stderr="KEEP")]})
    async with host_of() as host:
        host.model.script(*[f"t{n}" for n in range(12)])
        result = await host.prompt("Go.")
        assert result.reason is EndReason.COMPLETED
        assert [sent["stop_hook_active"] for _, sent in project.seen] == [False] + [True] * 8
        assert "KEEP" in told(host)
        assert any("8 times in a row" in notice for notice in host.notices)


async def test_c54_without_a_cap_it_goes_on(project, host_of):
    project.declare({"Stop": [project.hook("h", exit=2, stderr="KEEP")]})
    async with host_of(settings={"session": {"max_continuations": 0, "max_steps": 12}}) as host:
        host.model.script(*[f"t{n}" for n in range(14)])
        assert (await host.prompt("Go.")).reason is EndReason.STEP_LIMIT
        assert len(project.seen) == 12


async def test_c55_context_of_a_stop_hook_keeps_the_turn_going(project, host_of):
    async with host_of() as host:
        answer = specific("Stop", additionalContext="more to do")
        await one_call(project, host, "Stop", stdout=answer, turns=("one", "two", *["more"] * 9))
        assert "more to do" in told(host)
        assert "error" not in told(host)
        assert len(host.records("request")) > 1


async def test_c56_exit_2_before_a_compaction_keeps_it_from_happening(project, host_of):
    async with host_of() as host:
        project.declare({"PreCompact": [project.hook("h", exit=2, stderr="not now")]})
        host.model.script(call("Bash", command="seq 3000"), "Done.", "A summary.")
        await host.prompt("Go.")
        assert not await host.session.compact("focus")
        [record] = host.records("compaction_skipped")
        assert "not now" in record.reason
        assert (project.seen[0][1]["trigger"], project.seen[0][1]["custom_instructions"]) == ("manual", "focus")


WANTED = Options(worktree="w")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("noise\n\x1b[32m{dir}/w\x1b[0m\n\n", id="the last line, without colours"),
        pytest.param(json.dumps(specific("WorktreeCreate", worktreePath="{dir}/w")), id="JSON"),
    ],
)
async def test_c57_a_worktree_is_where_its_hook_says(project, host_of, said):
    (project.outer / "w").mkdir()
    project.declare({"WorktreeCreate": [project.hook("h", stdout=said.replace("{dir}", str(project.outer)))]})
    started_in = project.outer / "started-in"
    project.declare({"PreToolUse": [project.hook("p"), f"echo $CLAUDE_PROJECT_DIR > {started_in}"]}, where="local")
    async with host_of(options=WANTED) as host:
        host.builtin("worktrees")
        host.model.script(call("Bash", command="pwd"), "Done.")
        await host.prompt("Go.")
        assert str(project.outer / "w") in results(host)[0]
    (_, made), (_, pre_tool) = project.seen
    assert {key: made[key] for key in ("hook_event_name", "name", "cwd")} == {
        "hook_event_name": "WorktreeCreate",
        "name": "w",
        "cwd": str(project.root),
    }
    assert "prompt_id" not in made
    assert pre_tool["cwd"] == str(project.outer / "w")
    assert started_in.read_text().strip() == str(project.root)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        pytest.param([{"stdout": "\n"}], "it says no path", id="nothing printed"),
        pytest.param([{"stdout": "{dir}/w", "exit": 1, "stderr": "disk full"}], "disk full", id="exit 1"),
        pytest.param([{"stdout": "{dir}/w", "exit": 2, "stderr": "not now"}], "not now", id="exit 2"),
        pytest.param([{"stdout": "{dir}/w"}, {"exit": 3}], "made none", id="one of two fails"),
        pytest.param([{"stdout": "w"}], "it takes an absolute path", id="a relative path"),
        pytest.param([{"stdout": "{dir}/x/../w"}], "it takes an absolute path", id="a path with dots"),
        pytest.param([{"stdout": "{dir}/none"}], "there is no such folder", id="a folder that is not there"),
        pytest.param([{"stdout": "{{"}], "it says no path", id="half a JSON"),
    ],
)
async def test_c57_all_else_fails_the_creation_and_git_is_not_asked(project, host_of, answers, why):
    (project.outer / "w").mkdir()
    filled = [
        {key: value.format(dir=project.outer) if isinstance(value, str) else value for key, value in answer.items()}
        for answer in answers
    ]
    project.declare({"WorktreeCreate": [project.hook(f"h{n}", **answer) for n, answer in enumerate(filled)]})
    with pytest.raises(PegboardError, match=why):
        async with host_of(options=WANTED) as host:
            host.builtin("worktrees")
            await host.open()
    assert len(project.seen) == len(answers)


async def test_c41_a_missing_program_fails_the_creation(project, host_of):
    project.declare({"WorktreeCreate": ["/nowhere/at-all"]})
    with pytest.raises(PegboardError, match="nowhere/at-all"):
        async with host_of(options=WANTED) as host:
            host.builtin("worktrees")
            await host.open()


async def test_a_worktree_that_is_taken_away_is_told_of_once_and_one_that_is_kept_is_not(project, host_of):
    making = "git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m begin"
    assert await (await asyncio.create_subprocess_shell(making, cwd=project.root)).wait() == 0
    project.declare({"WorktreeRemove": [project.hook("r")]}, where="user")
    for content in ("", "x"):
        async with host_of(options=WANTED) as host:
            host.builtin("worktrees")
            session = await host.open()
            folder = session.workspace
            if content:
                (folder / "new.txt").write_text(content)
    ((_, removed),) = project.seen
    assert (removed["hook_event_name"], removed["worktree_path"]) == ("WorktreeRemove", str(folder))
    assert folder.is_dir()


async def test_c58_a_hook_that_is_late_is_cut_off_and_decides_nothing(project, host_of):
    project.declare(
        {"PreToolUse": [{"command": project.hook("h", sleep=30, stdout=pre("deny", "late")), "timeout": 0.3}]}
    )
    async with host_of() as host:
        host.model.script(BASH, "Done.")
        await host.prompt("Go.")
        assert outcomes(host) == ["ok"]
        [row] = host.records("declared")[0].rows
        assert (row.status, row.verdict) == ("timeout", "")


async def test_c58_a_late_hook_refuses_where_its_entry_says_so(project, host_of):
    entry = {"command": project.hook("h", sleep=30), "timeout": 0.3, "on_timeout": "closed"}
    project.declare({"PreToolUse": [entry]})
    async with host_of() as host:
        host.model.script(BASH, "Done.")
        await host.prompt("Go.")
        assert outcomes(host) == ["denied"]


@pytest.mark.parametrize(
    ("timeout", "override", "status"),
    [
        pytest.param(None, "", "timeout", id="1.5 s without a word"),
        pytest.param(10, "", "ran", id="longer where a settings file asks for it"),
        pytest.param(10, "300", "timeout", id="the variable wins"),
    ],
)
async def test_c59_the_end_of_a_session_has_a_budget(project, host_of, monkeypatch, timeout, override, status):
    entry = {"command": project.hook("h", sleep=2.0)}
    project.declare({"SessionEnd": [{**entry, "timeout": timeout} if timeout else entry]})
    async with host_of() as host:
        if override:
            monkeypatch.setenv("CLAUDE_CODE_SESSIONEND_HOOKS_TIMEOUT_MS", override)
        host.model.script("Done.")
        await host.prompt("Go.")
        path, read_all = host.session.path, host.session.journal
        await host.session.close()
        [record] = [one for one in read_all if one.type == "declared"]
        assert [row.status for row in record.rows] == [status], path
