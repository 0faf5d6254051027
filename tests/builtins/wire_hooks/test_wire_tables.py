"""The contract's tables, row by row: what each event may run and for how long, what it hears, what it leaves aside."""

from __future__ import annotations

import json

import pytest
from talk import outcomes, pre, specific, told

from pegboard.decisions import Verdict
from pegboard.messages import EndReason
from pegboard.records import SessionEnd
from pegboard.settings import SettingsLayer, Source
from pegboard.testing import call
from pegboard_builtins.wire_hooks import payloads, presence
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.job import RawResult
from pegboard_builtins.wire_hooks.merge import Heard, merge
from pegboard_builtins.wire_hooks.parse import read

pytestmark = pytest.mark.anyio

BASH = call("Bash", command="echo out")

# --- hook-contract 1.2 ---------------------------------------------------------------------------------

TABLE = """
SessionStart source 2 600
Setup trigger 2 600
InstructionsLoaded load_reason 3 600
UserPromptSubmit - 5 30/30/60
UserPromptExpansion command_name 5 600/30/60
MessageDisplay - 3 10
PreToolUse tool_name 5 600/30/60
PermissionRequest tool_name 5 600/30/60
PermissionDenied tool_name 5 600/30/60
PostToolUse tool_name 5 600/30/60
PostToolUseFailure tool_name 5 600/30/60
PostToolBatch - 5 600/30/60
Notification notification_type 3 600
SubagentStart agent_type 3 600
SubagentStop agent_type 5 600/30/60
TaskCreated - 5 600/30/60
TaskCompleted - 5 600/30/60
TeammateIdle - 5 600/30/60
Stop - 5 600/30/60
StopFailure error 3 600
ConfigChange source 3 600
CwdChanged - 3 600
DirectoryAdded source 3 600
FileChanged file_path 3 600
WorktreeCreate - 3 600
WorktreeRemove - 3 600
PreCompact trigger 3 600
PostCompact trigger 3 600
Elicitation mcp_server_name 3 600
ElicitationResult mcp_server_name 3 600
SessionEnd reason 3 1.5
PreModelSwitch to_model 5 30/30/30
PostModelSwitch to_model 3 30
"""
TYPES = {
    "2": {"command", "mcp_tool"},
    "3": {"command", "http", "mcp_tool"},
    "5": {"command", "http", "mcp_tool", "prompt", "agent"},
}


def test_there_are_the_events_of_the_table_and_no_others():
    assert sorted(line.split()[0] for line in TABLE.split("\n") if line) == sorted(EVENTS)


@pytest.mark.parametrize("line", [line for line in TABLE.split("\n") if line], ids=lambda line: line.split()[0])
def test_an_event_is_matched_runs_and_ends_as_the_table_says(line):
    name, matches, types, seconds = line.split()
    row = EVENTS[name]
    assert row.matches == ("" if matches == "-" else matches)
    assert {str(kind) for kind in row.types} - {"function"} == TYPES[types]
    limits = seconds.split("/")
    kinds = (HandlerType.COMMAND, HandlerType.PROMPT, HandlerType.AGENT)
    assert [row.seconds_of(kind) for kind, _ in zip(kinds, limits, strict=False)] == [float(one) for one in limits]


# --- hook-contract 1.5 and 1.6 -------------------------------------------------------------------------

STOPS = {"UserPromptSubmit", "UserPromptExpansion", "PreToolUse", "PermissionRequest", "PostToolUse", "PostToolBatch"}
STOPS |= {"Stop", "SubagentStop", "TaskCompleted", "TeammateIdle"}
SILENT = {"SessionStart", "MessageDisplay", "PermissionRequest", "PreCompact", "PostCompact", "SessionEnd"}
SILENT |= {"InstructionsLoaded", "StopFailure", "Notification", "WorktreeRemove"}


def said(event, kind=HandlerType.COMMAND, **raw):
    """What a hook is taken to have said."""
    handler = Handler("h", event, kind, Source(SettingsLayer.USER), command="x")
    return handler, read(EVENTS[event], handler, RawResult(**raw))


@pytest.mark.parametrize("event", EVENTS)
def test_continue_false_and_a_message_count_where_the_tables_say_so(event):
    handler, one = said(event, stdout='{"continue": false, "stopReason": "why", "systemMessage": "hello"}')
    together = merge(EVENTS[event], [Heard(handler, one)])
    assert together.stop is (event in STOPS)
    assert [text for _, text in together.messages] == ([] if event in SILENT else ["hello"])


BLOCKS = {"PreToolUse", "UserPromptSubmit", "UserPromptExpansion", "PostToolBatch", "Stop", "SubagentStop"}
BLOCKS |= {"TaskCreated", "TaskCompleted", "TeammateIdle", "ConfigChange", "PreCompact", "PreModelSwitch"}
TO_MODEL = {"PostToolUse", "PostToolUseFailure"}
BY_CODE_ALONE = {"Elicitation", "ElicitationResult"}
TO_USER = {"SessionStart", "Setup", "SubagentStart", "CwdChanged", "FileChanged", "PostCompact", "SessionEnd"}
TEXT = {"SessionStart", "UserPromptSubmit", "UserPromptExpansion", "PostModelSwitch", "PreCompact"}


@pytest.mark.parametrize("event", sorted(EVENTS.keys() - {"WorktreeCreate"}))  # that one must make something (C57)
def test_exit_2_a_decision_and_plain_text_mean_what_the_tables_say(event):
    _, by_code = said(event, exit=2, stderr="no")
    refuses = by_code.block or by_code.verdict is Verdict.DENY
    assert refuses is (event in BLOCKS | TO_MODEL | BY_CODE_ALONE)
    assert ("no" in by_code.problem) is (event in TO_USER)
    _, by_word = said(event, stdout='{"decision": "block", "reason": "r"}')
    assert (by_word.block or by_word.verdict is Verdict.DENY) is (event in BLOCKS | TO_MODEL)
    assert said(event, stdout="words")[1].text == ("words" if event in TEXT else "")


@pytest.mark.parametrize("event", sorted(BLOCKS | TO_MODEL))
def test_the_reason_of_a_refusal_in_the_answer_stands_before_stderr(event):
    _, one = said(event, exit=2, stdout='{"decision": "block", "reason": "said"}', stderr="printed")
    assert one.reason == "said"
    _, other = said(event, exit=2, stdout='{"decision": "approve", "reason": "said"}', stderr="printed")
    assert other.reason == "printed"


@pytest.mark.parametrize("event", ["Elicitation", "ElicitationResult"])
def test_what_an_answer_says_beside_exit_2_does_not_fill_in_a_form(event):
    answer = json.dumps(specific(event, action="accept", content={"a": 1}))
    _, accepts = said(event, stdout=answer)
    assert accepts.specific["action"] == "accept"
    _, one = said(event, stdout=answer, exit=2)
    assert (one.block, one.specific) == (True, {})


async def test_continue_false_at_an_expansion_sends_no_prompt_and_the_user_reads_why(project, host_of):
    (project.root / ".claude" / "commands").mkdir(parents=True)
    (project.root / ".claude" / "commands" / "foo.md").write_text("Do foo.\n")
    project.declare({"UserPromptExpansion": [project.hook("h", stdout={"continue": False, "stopReason": "not-foo"})]})
    async with host_of() as host:
        host.builtin("commands")
        await host.open()
        host.host.trust.consent(host.host.cwd, host.host.wanted())
        host.model.script("Never.")
        result = await host.prompt("/foo")
        assert project.ran == ["h"]
        assert result.reason in (EndReason.REFUSED, EndReason.STOPPED)
        assert host.records("request") == []
        assert "not-foo" in " ".join([result.detail, *host.notices])


async def test_continue_false_at_a_permission_request_refuses_and_ends_the_turn(project, host_of):
    answer = {"continue": False, "stopReason": "no more"}
    project.declare({"PermissionRequest": [project.hook("h", stdout=answer)]})
    async with host_of(allow=()) as host:
        host.model.script(call("Write", file_path="x", content="y"), "Never.")
        await host.prompt("Go.")
        assert (project.ran, outcomes(host), len(host.records("request"))) == (["h"], ["denied"], 1)


async def test_a_title_that_a_start_hook_gives_counts_at_a_start_and_not_after_a_compaction():
    from pegboard.records import SessionStart
    from pegboard_builtins.wire_hooks.apply import title_of

    handler, one = said(
        "SessionStart", stdout='{"hookSpecificOutput":{"hookEventName":"SessionStart","sessionTitle":"T"}}'
    )
    heard = [Heard(handler, one)]
    for source, title in (("startup", "T"), ("resume", "T"), ("fork", "T"), ("compact", ""), ("clear", "")):
        assert title_of(heard, SessionStart(source=source)) == title


# --- hook-contract 2.8, 2.10, 2.11 ---------------------------------------------------------------------


async def test_the_copy_of_a_hook_that_a_skill_brings_runs_beside_that_of_the_settings(project, host_of):
    command = project.hook("h")
    project.declare({"PreToolUse": [{"matcher": "Bash", "command": command}]})
    path = project.outer / "config" / "skills" / "guard" / "SKILL.md"
    path.parent.mkdir(parents=True)
    head = ["hooks:", "  PreToolUse:", "    - matcher: Bash", "      hooks:", "        - type: command"]
    path.write_text("\n".join(["---", "description: x", *head, f"          command: {command}", "---", "Text."]))
    async with host_of() as host:
        host.builtin("commands")
        host.model.script(call("Skill", skill="guard"), BASH, "Done.")
        await host.prompt("Go.")
    assert project.ran == ["h", "h"]


def test_only_a_prompt_hook_may_say_that_what_it_wants_cannot_be_had():
    answer = {"ok": False, "reason": "r", "impossible": True}
    _, by_prompt = said("Stop", HandlerType.PROMPT, answer=answer)
    _, by_agent = said("Stop", HandlerType.AGENT, answer=answer)
    assert (by_prompt.specific["impossible"], by_agent.specific["impossible"]) == (True, False)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(pre("deny", additionalContext="LATE") | {"continue": "x"}, id="one field of the wrong type"),
        pytest.param(specific("PreToolUse", permissionDecision="never", additionalContext="LATE"), id="no decision"),
        pytest.param({"systemMessage": "LATE", "decision": 3}, id="a message beside one"),
        pytest.param('loading\n{"systemMessage": "LATE"}\n{"systemMessage": "LATER"}', id="the first line of JSON"),
        pytest.param('loading\n{"no": \n{"metrics": {}, "systemMessage": "LATE"}\nbye', id="the first that is valid"),
    ],
)
async def test_what_a_background_hook_says_counts_field_by_field(project, host_of, answer):
    project.declare({"PreToolUse": [{"command": project.hook("h", stdout=answer), "async": True}]})
    async with host_of() as host:
        host.model.script(BASH, call("Bash", command="sleep 1"), "Done.")
        await host.prompt("Go.")
        assert outcomes(host) == ["ok", "ok"]
        assert "LATE" in told(host)
        assert "LATER" not in told(host)
        assert not [one for one in host.notices if "hook error" in one]


# --- hook-behaviour 3 ----------------------------------------------------------------------------------


async def test_a_session_that_is_resumed_tells_how_long_it_rested_and_how_much_it_holds(project, host_of):
    project.declare({"SessionStart": [project.hook("h")]})
    async with host_of() as host:
        host.model.script({"text": "One.", "usage": {"input_tokens": 12, "output_tokens": 5}})
        await host.prompt("Go.")
        host._stale = True  # a new process
        host.model.script("Two.")
        await host.prompt("On.")
    (_, first), (_, second) = project.seen
    assert "seconds_since_last_response" not in first
    assert list(second)[-3:] == ["seconds_since_last_response", "context_tokens", "prompt_cache_likely_expired"]
    assert second["source"] == "resume"
    assert 0 <= second["seconds_since_last_response"] < 300
    assert second["context_tokens"] == 17
    assert second["prompt_cache_likely_expired"] is False


@pytest.mark.parametrize(
    ("reason", "sent"),
    [("prompt_input_exit", "prompt_input_exit"), ("clear", "clear"), ("interrupted", "other"), ("", "other")],
)
async def test_a_session_ends_for_a_reason_of_the_contract_or_for_another(project, host_of, reason, sent):
    async with host_of() as host:
        await host.open()
        ctx = next(iter(host.session.dispatcher._bound["lifecycle"]))[1]
        told = payloads.lifecycle(SessionEnd(reason=reason), ctx)
    assert told.reason == sent


async def test_a_long_error_of_a_tool_loses_its_middle(project, host_of):
    project.declare({"PostToolUseFailure": [project.hook("h")]})
    async with host_of() as host:
        host.model.script(call("Bash", command="printf 'A%.0s' $(seq 15000); echo END; exit 1"), "Done.")
        await host.prompt("Go.")
    [(_, event)] = project.seen
    assert 10_000 <= len(event["error"]) < 10_200
    assert "truncated" in event["error"]
    assert event["error"].rstrip().endswith("END")


def test_parts_of_the_managed_settings_count_in_the_order_of_their_names(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "MANAGED", tmp_path / "managed-settings.json")
    folder = tmp_path / "managed-settings.d"
    folder.mkdir()
    for name in ("20-b.json", "10-a.json", "note.txt"):
        (folder / name).write_text("{}")
    found = [path.name for path, layer in presence.claude_files(tmp_path) if layer is SettingsLayer.MANAGED]
    assert found == ["managed-settings.json", "10-a.json", "20-b.json"]
