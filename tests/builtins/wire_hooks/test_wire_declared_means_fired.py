"""Declared means fired: each event that the table says is fired is, exactly as often as its path should fire it."""

from __future__ import annotations

import asyncio
import json
import pathlib as files
import sys
from dataclasses import replace

import pytest

from pegboard.host import Options
from pegboard.records import DirectoryAdded, Notification, Setup
from pegboard.testing import call, turn_table
from pegboard_builtins.wire_hooks.events import EVENTS

pytestmark = pytest.mark.anyio

BASH = call("Bash", command="echo out")
FAILS = call("Bash", command="false")
LONG = call("Bash", command="seq 4000")
AGENT = call("Agent", description="look around", prompt="Look around.")


def sub(*turns):
    """What the model says in each sub-agent."""
    return [{**turn_table(turn), "purpose": "subagent"} for turn in turns]


class Path:
    """One way through a session. `turns` are the model's, `counts` how often each event is fired on the way."""

    def __init__(self, *turns, setup=None, after=None, allow=("Bash", "Write"), **counts):
        self.turns = turns
        self.setup = setup
        self.after = after
        self.allow = allow
        self.counts = {"SessionStart": 1, "UserPromptSubmit": 1, "SessionEnd": 1, **counts}


async def resume(host, project):
    host._stale = True  # a new process
    host.model.script("Done.")
    await host.prompt("Go on.")


async def compact(host, project):
    assert await host.session.compact("focus")


async def fork(host, project):
    path = host.host.store.fork(host.session.path)
    async with host.host.resume(path.stem):
        pass


async def set_up(host, project):
    await host.session.fire(Setup(trigger="init"))


async def interrupt(host, project):
    host.model.script(call("Bash", command="sleep 60"))
    running = asyncio.create_task(host.session.run("Wait."))
    for _ in range(200):
        if host.records("tool_start"):
            break
        await asyncio.sleep(0.02)
    await host.session.interrupt()
    await running


async def interrupt_agent(host, project):
    host.model.script(AGENT)
    running = asyncio.create_task(host.session.run("Wait."))
    await until(lambda: project.ran.count("PreToolUse") == 2)
    await host.session.interrupt()
    await running


async def type_command(host, project):
    host.file("../config/commands/go.md", "Go on.")
    host.model.script("Done.")
    await host.prompt("/go")


async def switch_model(host, project):
    (project.root / "other.toml").write_text('[[turn]]\ntext = "Two."\n')
    await host.session.use_model("scripted:other.toml")
    await host.session.use_model("scripted:other.toml")  # it is that already


async def resume_elsewhere(host, project):
    (project.root / "other.toml").write_text('[[turn]]\ntext = "Two."\n')
    await host.session.close()
    async with host.host.resume(host.session.session_id, Options(model="scripted:other.toml")):
        pass


async def add_folder(host, project):
    await host.session.fire(DirectoryAdded(directory=str(project.root)))


async def change_file(host, project):
    await asyncio.sleep(0.3)
    (project.root / "watched.txt").write_text("new\n")
    await until(lambda: "FileChanged" in project.ran)


async def change_settings(host, project):
    await asyncio.sleep(0.3)
    path = project.root / ".claude" / "settings.json"
    path.write_text(path.read_text() + "\n")
    await until(lambda: "ConfigChange" in project.ran)


async def until(true):
    for _ in range(300):
        if true():
            return
        await asyncio.sleep(0.05)


def memory(project):
    (project.root / "CLAUDE.md").write_text("Be kind.\n")


PATHS = {
    "a prompt and an answer": Path("Done.", Stop=1, MessageDisplay=1),
    "a tool that runs": Path(BASH, "Done.", PreToolUse=1, PostToolUse=1, PostToolBatch=1, Stop=1, MessageDisplay=1),
    "two tools of one message": Path(
        [BASH, BASH], "Done.", PreToolUse=2, PostToolUse=2, PostToolBatch=1, Stop=1, MessageDisplay=1
    ),
    "a tool that fails": Path(
        FAILS, "Done.", PreToolUse=1, PostToolUseFailure=1, PostToolBatch=1, Stop=1, MessageDisplay=1
    ),
    "a tool that nobody allows": Path(
        call("Bash", command="touch x"),
        "Done.",
        allow=(),
        PreToolUse=1,
        PermissionRequest=1,
        PostToolBatch=1,
        Stop=1,
        MessageDisplay=1,
    ),
    "a tool with an input that does not fit": Path(
        call("Bash", wrong=1), "Done.", PostToolBatch=1, Stop=1, MessageDisplay=1
    ),
    "a tool that moves the folder": Path(
        call("Bash", command="cd sub"),
        "Done.",
        setup=lambda project: (project.root / "sub").mkdir(),
        PreToolUse=1,
        PostToolUse=1,
        CwdChanged=1,
        PostToolBatch=1,
        Stop=1,
        MessageDisplay=1,
    ),
    "an error of the API": Path({"error": {"status": 401}}, StopFailure=1),
    "a sub-agent": Path(
        AGENT,
        "Done.",
        *sub(BASH, "Found."),
        PreToolUse=2,
        PostToolUse=2,
        PostToolBatch=2,
        SubagentStart=1,
        SubagentStop=1,
        Stop=1,
        MessageDisplay=1,
    ),
    "two sub-agents of one message": Path(
        [AGENT, AGENT],
        "Done.",
        *sub("Found."),
        PreToolUse=2,
        PostToolUse=2,
        PostToolBatch=1,
        SubagentStart=2,
        SubagentStop=2,
        Stop=1,
        MessageDisplay=1,
    ),
    "a sub-agent of a sub-agent": Path(
        AGENT,
        "Done.",
        *sub(AGENT, "Found."),
        PreToolUse=2,
        PostToolUse=2,
        PostToolBatch=3,
        SubagentStart=2,
        SubagentStop=2,
        Stop=1,
        MessageDisplay=1,
    ),
    "a sub-agent whose model fails": Path(
        AGENT,
        "Done.",
        {"error": {"status": 401}, "purpose": "subagent"},
        PreToolUse=1,
        PostToolUseFailure=1,
        PostToolBatch=1,
        SubagentStart=1,
        StopFailure=1,
        Stop=1,
        MessageDisplay=1,
    ),
    "a sub-agent that is interrupted": Path(
        "Done.",
        *sub(call("Bash", command="sleep 60")),
        after=interrupt_agent,
        UserPromptSubmit=2,
        Stop=1,
        MessageDisplay=1,
        PreToolUse=2,
        SubagentStart=1,
    ),
    "a turn that is interrupted": Path(
        "Done.", after=interrupt, UserPromptSubmit=2, Stop=1, MessageDisplay=1, PreToolUse=1
    ),
    "a memory file": Path("Done.", setup=memory, InstructionsLoaded=1, Stop=1, MessageDisplay=1),
    "a session that is resumed": Path(
        "Done.", after=resume, SessionStart=2, SessionEnd=2, UserPromptSubmit=2, Stop=2, MessageDisplay=2
    ),
    "a session whose model is changed": Path(
        "Done.", after=switch_model, PreModelSwitch=1, PostModelSwitch=1, Stop=1, MessageDisplay=1
    ),
    "a session that is resumed with another model": Path(
        "Done.", after=resume_elsewhere, SessionStart=2, SessionEnd=2, PostModelSwitch=1, Stop=1, MessageDisplay=1
    ),
    "a session that is forked": Path("Done.", after=fork, SessionStart=2, SessionEnd=2, Stop=1, MessageDisplay=1),
    "a compaction": Path(
        LONG,
        "Done.",
        after=compact,
        PreToolUse=1,
        PostToolUse=1,
        PostToolBatch=1,
        Stop=1,
        MessageDisplay=1,
        PreCompact=1,
        PostCompact=1,
        SessionStart=2,
    ),
    "a task that is made, changed and done": Path(
        call("TaskCreate", subject="Say hello", description="To all."),
        call("TaskUpdate", taskId="1", status="in_progress"),
        call("TaskUpdate", taskId="1", status="completed"),
        call("TaskUpdate", taskId="1", status="completed"),
        "Done.",
        PreToolUse=4,
        PostToolUse=4,
        PostToolBatch=4,
        TaskCreated=1,
        TaskCompleted=1,
        Stop=1,
        MessageDisplay=1,
    ),
    "a set-up": Path("Done.", after=set_up, Setup=1, Stop=1, MessageDisplay=1),
    "a command that is typed": Path(
        "Done.", after=type_command, UserPromptExpansion=1, UserPromptSubmit=2, Stop=2, MessageDisplay=2
    ),
    "a folder that is added": Path("Done.", after=add_folder, DirectoryAdded=1, Stop=1, MessageDisplay=1),
    "a watched file": Path("Done.", after=change_file, FileChanged=1, Stop=1, MessageDisplay=1),
    "settings that change": Path("Done.", after=change_settings, ConfigChange=1, Stop=1, MessageDisplay=1),
}


@pytest.mark.parametrize("name", PATHS)
async def test_each_event_is_fired_as_often_as_its_path_says(project, host_of, name):
    path = PATHS[name]
    fired = [event for event, row in EVENTS.items() if row.fires]
    groups = {event: [project.hook(event)] for event in fired if event != "FileChanged"}
    project.declare({**groups, "FileChanged": [{"matcher": "watched.txt", "command": project.hook("FileChanged")}]})
    (project.root / "watched.txt").write_text("old\n")
    if path.setup is not None:
        path.setup(project)
    async with host_of(allow=path.allow) as host:
        host.settings["flags"] = {"values": {"tasks": True}}
        host.builtin("project_memory", "commands", "agents", "planning_tools", "flags")
        host.model.script(*path.turns)
        await host.prompt("Go.")
        if path.after is not None:
            await path.after(host, project)
    counts = {event: project.ran.count(event) for event in fired if event in project.ran}
    assert counts == {event: number for event, number in path.counts.items() if number}


async def test_a_call_that_is_deferred_asks_for_attention(project, host_of):
    defer = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "defer"}}
    project.declare({"PreToolUse": [project.hook("h", stdout=defer)], "Notification": [project.hook("Notification")]})
    async with host_of() as host:
        host.model.script(BASH)
        await host.prompt("Go.")
    assert project.ran == ["h", "Notification"]
    assert project.seen[1][1]["notification_type"] == "agent_needs_input"


async def test_the_effort_is_told_where_the_models_work_is_what_it_is_about(project, host_of):
    events = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolBatch", "Stop")
    command = 'echo "{} $CLAUDE_EFFORT" >> efforts'
    project.declare({event: [project.hook(event), {"command": command.format(event)}] for event in events})
    async with host_of() as host:
        host.settings["model"] = {"effort": "high"}
        host.model.script(call("Bash", command="echo $CLAUDE_EFFORT"), "Done.")
        await host.prompt("Go.")
        assert "high" in str(host.messages[2].content)
    working = events[2:]
    assert {event: payload.get("effort") for event, payload in project.seen} == {
        event: {"level": "high"} if event in working else None for event in events
    }
    lines = sorted((project.root / "efforts").read_text().split("\n")[:-1])
    assert lines == sorted(f"{event} {'high' if event in working else ''}" for event in events)


@pytest.mark.parametrize(
    ("kind", "said", "told"),
    [
        ("permission_prompt", "Pegboard needs your permission to use Bash", "Claude needs your permission to use Bash"),
        ("idle_prompt", "Pegboard is waiting for your input", "Claude is waiting for your input"),
    ],
)
async def test_published_hooks_hear_of_a_wait_in_the_words_that_they_compare_with(project, host_of, kind, said, told):
    project.declare({"Notification": [{"matcher": kind, "command": project.hook("n")}]})
    async with host_of() as host:
        await host.open()
        await host.session.fire(Notification(message=said, notification_type=kind))
    [(_, payload)] = project.seen
    assert (payload["notification_type"], payload["message"], "title" in payload) == (kind, told, False)


async def test_a_refusal_of_auto_mode_is_told_with_what_was_refused(project, host_of):
    answer = {"hookSpecificOutput": {"hookEventName": "PermissionDenied", "retry": True}}
    project.declare({"PermissionDenied": [project.hook("PermissionDenied", stdout=answer)]})
    verdict = {"call": 1, "verdict": "deny", "category": "routine", "reason": "nobody asked for it", "consent": ""}
    judge = {"purpose": "classifier", "call": [{"name": "verdicts", "input": {"verdicts": [verdict]}}]}
    async with host_of(allow=()) as host:
        host.settings["flags"] = {"values": {"auto_mode": True}}
        host.options = replace(host.options, mode="auto")
        host.builtin("auto_mode", "flags")
        host.model.script(call("Bash", command="touch x"), judge, "Done.")
        await host.prompt("Go.")
        result = str(host.messages[2].content)
    assert project.ran == ["PermissionDenied"]
    payload = project.seen[0][1]
    assert (payload["tool_name"], payload["tool_input"]["command"]) == ("Bash", "touch x")
    assert (payload["permission_mode"], payload["reason"]) == ("auto", "nobody asked for it")
    assert "you may try it again" in result


@pytest.mark.parametrize(
    ("stdout", "exit_code", "sent"),
    [
        pytest.param(None, 0, {"action": "cancel"}, id="nobody answers"),
        pytest.param({"action": "accept", "content": {"user": "Ann"}}, 0,
                     {"action": "accept", "content": {"user": "Ann"}}, id="a hook answers"),
        pytest.param({"action": "accept", "content": {"nobody": 1}}, 0, {"action": "cancel"}, id="it does not fit"),
        pytest.param(None, 2, {"action": "decline"}, id="a hook blocks"),
    ],
)  # fmt: skip
async def test_what_an_mcp_server_asks_is_answered_by_hooks(project, host_of, stdout, exit_code, sent):
    pytest.importorskip("mcp")
    said = {"hookSpecificOutput": {"hookEventName": "Elicitation", **stdout}} if stdout else None
    project.declare(
        {
            "Elicitation": [{"matcher": "orc", "command": project.hook("Elicitation", stdout=said, exit=exit_code)}],
            "ElicitationResult": [project.hook("ElicitationResult")],
        }
    )
    server = str(files.Path(__file__).parents[1] / "mcp" / "mcp_bare_server.py")
    async with host_of() as host:
        host.settings["mcp"] = {"servers": {"orc": {"command": sys.executable, "args": ["-I", "-S", server]}}}
        host.builtin("mcp")
        host.model.script(call("mcp__orc__ask"), "Done.")
        await host.prompt("Go.")
        assert json.loads(host.messages[2].content[0].content) == sent
    assert project.ran == ["Elicitation", "ElicitationResult"]
    asked, answered = (payload for _, payload in project.seen)
    assert (asked["mcp_server_name"], asked["message"], asked["mode"]) == ("orc", "Who?", "form")
    assert asked["requested_schema"]["required"] == ["user"]
    assert (answered["mcp_server_name"], answered["action"]) == ("orc", sent["action"])


async def test_a_worktree_of_a_hooks_own_is_made_once_and_taken_away_once(project, host_of):
    making = "git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m begin"
    assert await (await asyncio.create_subprocess_shell(making, cwd=project.root)).wait() == 0
    made = project.outer / "made"
    clone = f"cat >> {project.outer}/log; git clone -q {project.root} {made}; echo {made}"
    remove = f"tee -a {project.outer}/log | grep -q '\"{made}\"' && rm -rf {made}"
    project.declare({"WorktreeCreate": [clone], "WorktreeRemove": [remove]})
    async with host_of(options=Options(worktree="w")) as host:
        host.builtin("worktrees")
        host.model.script(BASH, "Done.")
        await host.prompt("Go.")
        assert host.session.workspace == made
    assert not made.exists()
    log = (project.outer / "log").read_text()
    assert [log.count(f'"hook_event_name":"{name}"') for name in ("WorktreeCreate", "WorktreeRemove")] == [1, 1]


def test_every_event_either_is_fired_on_some_path_or_says_what_is_missing():
    apart = {"Notification", "PermissionDenied", "Elicitation", "ElicitationResult", "WorktreeCreate", "WorktreeRemove"}
    shown = {event for path in PATHS.values() for event in path.counts} | apart
    assert shown == {event for event, row in EVENTS.items() if row.fires}
    assert all(bool(row.fires) != bool(row.missing) for row in EVENTS.values())
