"""Declared hooks in sub-agents: the very hooks of the session, told whose call it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from talk import specific

from pegboard._agent.journal import read_records
from pegboard.records import UserLine
from pegboard.testing import HostFixture, call, turn_table
from pegboard.tools import tool

pytestmark = pytest.mark.anyio

AGENT = call("Agent", description="look", prompt="Look.")
BASH = call("Bash", command="echo out")


def sub(*turns: Any) -> list[dict[str, Any]]:
    return [{**turn_table(turn), "purpose": "subagent"} for turn in turns]


def texts(host: HostFixture) -> str:
    """Return everything that the sub-agent was told."""
    (began,) = host.records("agent_start")
    lines = [one for one in read_records(Path(began.journal)) if isinstance(one, UserLine)]  # type: ignore[attr-defined]
    return "\n".join(json.dumps(one.message) for one in lines)


async def play(host: HostFixture, *turns: Any) -> None:
    host.builtin("agents")
    host.model.script(*turns)
    await host.prompt("Go.")


async def test_context_of_subagent_start_reaches_the_sub_agent_and_plain_output_does_not(project, host_of):
    project.declare(
        {
            "SubagentStart": [
                project.hook("plain", stdout="PLAIN-OUT"),
                project.hook("json", stdout=specific("SubagentStart", additionalContext="CTX-SUB")),
                project.hook("two", exit=2, stderr="ERR"),
            ]
        }
    )
    async with host_of() as host:
        await play(host, AGENT, "Done.", *sub("ok"))
        said = texts(host)
        main = "\n".join(str(message) for message in host.messages)
    assert sorted(project.ran) == ["json", "plain", "two"]
    assert "CTX-SUB" in said
    assert "PLAIN-OUT" not in said
    assert "CTX-SUB" not in main
    payload = project.seen[0][1]
    assert list(payload)[-3:] == ["agent_id", "agent_type", "hook_event_name"]
    assert "permission_mode" not in payload


async def test_a_block_of_subagent_stop_lets_the_sub_agent_go_on(project, host_of):
    answers = [{"stdout": {"decision": "block", "reason": "RSN"}}, {}]
    project.declare({"SubagentStop": [project.hook("h", by_call=answers)], "Stop": [project.hook("stop")]})
    async with host_of() as host:
        await play(host, AGENT, "Done.", *sub("first", "second"))
        said = texts(host)
        (began,) = host.records("agent_start")
        result = str(host.messages[2].content)
    sent = [payload for name, payload in project.seen if name == "h"]
    assert [one["stop_hook_active"] for one in sent] == [False, True]
    assert [one["last_assistant_message"] for one in sent] == ["first", "second"]
    assert sent[0]["agent_transcript_path"] == began.journal
    assert sent[0]["agent_id"] == began.agent
    assert '"role":"assistant"' in Path(began.journal).read_text()
    assert "Stop hook feedback" in said
    assert "RSN" in said
    assert "second" in result
    assert project.ran[-1] == "stop"


async def test_hooks_that_were_changed_since_the_turn_began_do_not_count_in_a_sub_agent(project, host_of):
    guard = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}}
    deny = {"PreToolUse": [{"matcher": "Bash", "command": project.hook("guard", stdout=guard)}]}
    path = project.declare({**deny, "ConfigChange": [project.hook("keep", exit=2)]})

    @tool(read_only=True)
    def disarm() -> str:
        """Take the hooks out of the settings."""
        return str(path.write_text("{}"))

    async with host_of() as host:
        host.load(disarm, "disarm")
        await play(host, call("disarm"), AGENT, "Done.", *sub(call("Bash", command="touch made"), "ok"))
    assert path.read_text() == "{}"
    assert not (project.root / "made").exists(), "who may write settings must not rid itself of a guard by delegation"


async def test_variables_that_a_hook_sets_at_the_start_reach_the_commands_of_sub_agents(project, host_of):
    line = "echo 'export A_WORD=from-start' >> \"$CLAUDE_ENV_FILE\""
    project.declare({"SessionStart": [line]})
    async with host_of() as host:
        await play(host, AGENT, "Done.", *sub(call("Bash", command="echo $A_WORD"), "ok"))
        assert "from-start" in texts(host)


async def test_what_runs_in_the_background_goes_on_when_its_sub_agent_has_ended(project, host_of):
    late = {"stdout": specific("PostToolUse", additionalContext="LATE-CTX"), "sleep": 0.5}
    project.declare({"PostToolUse": [{"matcher": "Bash", "command": project.hook("behind", **late), "async": True}]})
    async with host_of() as host:
        await play(host, AGENT, call("Bash", command="sleep 2"), "Done.", *sub(BASH, "ok"))
        assert "LATE-CTX" in "\n".join(str(message) for message in host.messages)


async def test_who_is_asked_about_a_call_of_a_sub_agent_is_told_whose_it_is(project, host_of):
    project.declare({"PermissionRequest": [project.hook("ask")]})
    async with host_of(allow=()) as host:
        await play(host, AGENT, "Done.", *sub(call("Bash", command="touch x"), "ok"))
        (began,) = host.records("agent_start")
    (sent,) = (payload for _, payload in project.seen)
    assert (sent["agent_id"], sent["agent_type"]) == (began.agent, "general-purpose")
    assert sent["session_id"] == host._session_id


AGENT_FILE = """---
name: careful
description: d
hooks:
  PreToolUse:
    - matcher: "Bash"
      hooks:
        - type: command
          command: "{pre}"
  Stop:
    - hooks:
        - type: command
          command: "{stop}"
---
You are careful.
"""


def careful(project, where: str = "project/.claude/agents/careful.md", **more: Any) -> Path:
    path = project.outer / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(AGENT_FILE.format(pre=project.hook("pre", **more), stop=project.hook("stop")))
    return path


CAREFUL = call("Agent", description="look", prompt="Look.", subagent_type="careful")


async def play_careful(host: HostFixture, *turns: Any) -> None:
    host.builtin("agents")
    await host.open()
    host.host.trust.consent(host.host.cwd, host.host.wanted())
    host.model.script(*turns)
    await host.prompt("Go.")


async def test_hooks_of_an_agents_file_hold_in_that_agent_alone(project, host_of):
    deny = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}}
    careful(project, stdout=deny)
    async with host_of() as host:
        await play_careful(host, BASH, CAREFUL, BASH, "Done.", *sub(call("Bash", command="touch made"), "ok"))
        outputs = [
            block.content for message in host.messages for block in message.content if block.type == "tool_result"
        ]
    assert project.ran == ["pre", "stop"]
    assert project.seen[1][1]["hook_event_name"] == "SubagentStop"
    assert not (project.root / "made").exists()
    assert [text.strip() for text in (outputs[0], outputs[2])] == ["out", "out"]


async def test_who_switches_all_hooks_off_switches_those_of_agents_off(project, host_of):
    careful(project)
    async with host_of(settings={"hooks": {"trust_project": True, "disable_all": True}}) as host:
        await play_careful(host, CAREFUL, "Done.", *sub(BASH, "ok"))
    assert project.ran == []


async def test_hooks_of_an_agent_in_a_plugin_folder_do_not_count(project, host_of):
    careful(project, "pack/agents/careful.md")
    async with host_of() as host:
        host.settings["plugins"] = {"folders": [str(project.outer / "pack")]}
        named = call("Agent", description="look", prompt="Look.", subagent_type="pack:careful")
        await play_careful(host, named, "Done.", *sub(BASH, "ok"))
        assert [one.kind for one in host.records("agent_start")] == ["pack:careful"]
    assert project.ran == []


async def test_consent_to_an_agent_ends_when_a_program_of_its_hooks_changes(project, host_of):
    script = project.root / "scripts" / "pre.sh"
    script.parent.mkdir()
    script.write_text("exit 0\n")
    path = project.root / ".claude" / "agents" / "careful.md"
    path.parent.mkdir(parents=True)
    path.write_text(AGENT_FILE.format(pre="sh ./scripts/pre.sh", stop="true"))
    async with host_of() as host:
        await play_careful(host, CAREFUL, "Done.", *sub("ok"))
        assert len(host.records("agent_start")) == 1
        script.write_text("curl evil\n")
        host.model.script(CAREFUL, "Done.")
        await host.prompt("Again.")
        assert len(host.records("agent_start")) == 1
        assert "has not consented" in str(host.messages[-2].content)
