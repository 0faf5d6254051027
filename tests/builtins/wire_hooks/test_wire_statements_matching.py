"""The contract's statements C1 to C20, one test each: configuration and matching (hook-contract 6 A)."""

from __future__ import annotations

import json

import pytest
from talk import outcomes, pre

from pegboard.settings import SettingsLayer
from pegboard.testing import call
from pegboard_builtins.wire_hooks import presence
from pegboard_builtins.wire_hooks.choose import choose
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.handlers import PluginFolder
from pegboard_builtins.wire_hooks.load import HookFile, load

pytestmark = pytest.mark.anyio

LAYERS = {"user": SettingsLayer.USER, "project": SettingsLayer.PROJECT, "managed": SettingsLayer.MANAGED}


def table(*files, event="PreToolUse"):
    """A table of files, each (layer, groups) or (layer, groups, switches)."""
    made = []
    for number, (layer, groups, *switches) in enumerate(files):
        made.append(HookFile(LAYERS[layer], f"/f{number}.json", {event: groups}, *switches))
    return load(made)


def fires(matcher, value, *, event="PreToolUse"):
    """Whether a handler with this matcher runs when the event's field has this value."""
    group = {"hooks": [{"type": "command", "command": "x"}]}
    if matcher is not None:
        group["matcher"] = matcher
    row = EVENTS[event]
    [choice] = choose(table(("user", [group]), event=event).of(event), row, {row.matches: value})
    return choice.runs


@pytest.mark.parametrize("matcher", [None, "", "*"])
def test_c01_a_matcher_that_is_absent_empty_or_a_star_fires_for_any_tool(matcher):
    assert fires(matcher, "Bash")
    assert fires(matcher, "mcp__a__b")


def test_c02_edit_is_exact_and_edit_dot_star_is_not_anchored():
    assert not fires("Edit", "NotebookEdit")
    assert fires("Edit.*", "NotebookEdit")


@pytest.mark.parametrize("matcher", ["Edit|Write", "Edit, Write", "Edit ,Write"])
def test_c03_a_list_fires_for_each_of_its_names_and_for_no_other(matcher):
    assert fires(matcher, "Write")
    assert fires(matcher, "Edit")
    assert not fires(matcher, "MultiEdit")


def test_c04_names_are_case_sensitive():
    assert not fires("bash", "Bash")


def test_c05_a_name_with_a_hyphen_is_exact():
    assert not fires("code-reviewer", "senior-code-reviewer", event="SubagentStop")
    assert fires("code-reviewer", "code-reviewer", event="SubagentStop")


def test_c06_a_server_alone_names_no_tool():
    assert not fires("mcp__memory", "mcp__memory__create_entities")
    assert fires("mcp__memory__.*", "mcp__memory__create_entities")


def test_c07_a_plugin_agent_is_matched_by_an_anchored_pattern():
    assert fires("^my-plugin:reviewer$", "my-plugin:reviewer", event="SubagentStart")


@pytest.mark.parametrize(
    "event",
    ["Stop", "UserPromptSubmit", "CwdChanged", "PostToolBatch", "TaskCreated", "WorktreeCreate", "MessageDisplay"],
)
def test_c08_a_matcher_is_ignored_where_there_is_nothing_to_match(event):
    assert fires("Nothing", "anything", event=event)


async def test_c09_a_matcher_on_the_source_leaves_a_start_alone_and_a_fork_says_so(project, host_of):
    project.declare(
        {
            "SessionStart": [
                {"matcher": "resume", "command": project.hook("resume")},
                {"matcher": "fork", "command": project.hook("fork")},
            ]
        }
    )
    async with host_of() as host:
        host.model.script("Done.")
        await host.prompt("Go.")
        assert project.ran == []
        forked = host.host.store.fork(host.session.path, host.records()[-1].seq)
        async with host.host.resume(forked.stem) as session:
            assert session.session_id != host.session.session_id
        assert project.ran == ["fork"]
        assert project.seen[0][1]["source"] == "fork"


async def test_c10_a_matcher_that_is_a_list_costs_only_its_own_group_and_is_named(project, host_of):
    """Deviation: the contract drops all hooks of the file; here the entry that is wrong costs only itself."""
    groups = [
        {"matcher": ["Bash"], "hooks": [{"type": "command", "command": project.hook("wrong")}]},
        {"matcher": "Bash", "hooks": [{"type": "command", "command": project.hook("right")}]},
    ]
    path = project.declare({"PreToolUse": groups})
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert project.ran == ["right"]
        assert any(str(path) in notice and "no text" in notice for notice in host.notices)


def test_c11_an_unknown_event_costs_only_itself_and_is_told_with_the_nearest_name():
    entry = [{"hooks": [{"type": "command", "command": "x"}]}]
    loaded = load([HookFile(SettingsLayer.USER, "/f.json", {"PreToolUze": entry, "Stop": entry})])
    assert [handler.event for handler in loaded.active] == ["Stop"]
    assert "Did you mean 'PreToolUse'" in str(loaded.problems[0])


def test_c12_unknown_keys_are_tolerated_in_groups_and_handlers():
    group = {
        "description": "d",
        "id": "i",
        "// Description": "x",
        "hooks": [{"type": "command", "command": "x", "name": "n", "_comment": "c", "commandWindows": "w"}],
    }
    loaded = table(("project", [group]))
    assert len(loaded.active) == 1
    assert loaded.problems == ()
    assert loaded.active[0].unknown == ("_comment", "commandWindows", "name")


async def test_c13_equal_commands_in_two_files_run_once_and_a_plugins_copy_runs_too(project, host_of):
    command = project.hook("one")
    project.declare({"PreToolUse": [command]}, where="user")
    project.declare({"PreToolUse": [command]})
    plugin = project.outer / "plug" / "hooks"
    plugin.mkdir(parents=True)
    groups = {"PreToolUse": [{"hooks": [{"type": "command", "command": command}]}]}
    (plugin / "hooks.json").write_text(json.dumps({"hooks": groups}))
    for folders, times in (([], 1), ([str(plugin.parent)], 2)):
        (project.folder / "seen.jsonl").unlink(missing_ok=True)
        async with host_of(settings={"hooks": {"trust_project": True}, "plugins": {"folders": folders}}) as host:
            host.model.script(call("Bash", command="true"), "Done.")
            await host.prompt("Go.")
        assert project.ran == ["one"] * times


def test_c14_the_higher_layer_says_whether_hooks_run_at_all():
    entry = [{"hooks": [{"type": "command", "command": "x"}]}]
    project_wins = table(("user", entry, {"disable_all": True}), ("project", entry, {"disable_all": False}))
    assert len(project_wins.active) == 2
    command_line = HookFile(SettingsLayer.COMMAND_LINE, "command line", switches={"disable_all": True})
    managed = HookFile(SettingsLayer.MANAGED, "/m.json", {"Stop": entry})
    files = [HookFile(SettingsLayer.USER, "/u.json", {"Stop": entry}), command_line, managed]
    assert [handler.where.layer for handler in load(files).active] == [SettingsLayer.MANAGED]


def test_c15_managed_hooks_run_whatever_the_user_switches_off():
    entry = [{"hooks": [{"type": "command", "command": "x"}]}]
    loaded = table(("user", entry, {"disable_all": True}), ("managed", entry))
    assert [handler.where.layer for handler in loaded.active] == [SettingsLayer.MANAGED]


def test_c16_managed_only_leaves_no_other_hook_and_counts_only_from_a_managed_file():
    entry = [{"hooks": [{"type": "command", "command": "x"}]}]
    loaded = table(("user", entry), ("project", entry), ("managed", entry, {"managed_only": True}))
    assert [handler.where.layer for handler in loaded.active] == [SettingsLayer.MANAGED]
    assert len(table(("user", entry, {"managed_only": True})).active) == 1


def test_what_only_plugins_may_bring_leaves_managed_hooks_and_counts_only_from_a_managed_file(tmp_path):
    entry = [{"hooks": [{"type": "command", "command": "x"}]}]
    plugin = PluginFolder("tools", tmp_path, tmp_path)
    files = [
        HookFile(SettingsLayer.USER, "user", {"PreToolUse": entry}),
        HookFile(SettingsLayer.USER, "hooks.json", {"PreToolUse": entry}, plugin=plugin),
        HookFile(SettingsLayer.MANAGED, "managed", {"PreToolUse": entry}, {"plugins_only": True}),
    ]
    assert [handler.where.file for handler in load(files).active] == ["hooks.json", "managed"]
    assert len(table(("user", entry, {"plugins_only": True})).active) == 1


@pytest.mark.parametrize(
    ("said", "runs"),
    [(["hooks"], []), (True, []), (["skills"], ["user"]), ("hooks", ["user"]), (False, ["user"]), (None, ["user"])],
)
async def test_a_managed_file_may_leave_hooks_to_plugins(project, host_of, monkeypatch, said, runs):
    managed = project.outer / "managed.json"
    managed.write_text(json.dumps({"strictPluginOnlyCustomization": said, "hooks": {}}))
    monkeypatch.setattr(presence, "MANAGED", managed)
    project.declare({"PreToolUse": [project.hook("user")]}, where="user")
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
    assert project.ran == runs


async def test_c17_user_hooks_need_no_trust(project, host_of):
    """Deviation: the contract holds them back, too, in a folder that is not trusted; they are the user's own."""
    project.declare({"PreToolUse": [project.hook("user")]}, where="user")
    async with host_of(trusted=False) as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
    assert project.ran == ["user"]


async def test_c18_project_hooks_do_not_run_without_consent_even_where_nobody_is_asked(project, host_of):
    """Deviation: the contract runs what a repository brings in headless runs; here consent is needed everywhere."""
    project.declare({"PreToolUse": [project.hook("guard", stdout=pre("deny", "no"))]})
    async with host_of(trusted=False) as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert project.ran == []
        assert outcomes(host) == ["ok"]
        assert any("pegboard trust" in notice for notice in host.notices)
        host.host.trust.consent(project.root, host.host.wanted())
    async with host_of(trusted=False) as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert outcomes(host) == ["denied"]


async def test_c19_an_edit_of_the_settings_counts_from_the_next_turn_on(project, host_of):
    """Deviation: the contract lets it count from the next event on; here a turn has one set of hooks."""
    project.declare({"PreToolUse": [project.hook("old")]})
    async with host_of() as host:
        path = project.root / ".claude" / "settings.json"
        new = project.hook("new")
        groups = {"hooks": {"PreToolUse": [{"hooks": [{"type": "command", "command": new}]}]}}
        text = json.dumps(groups)
        host.model.script(call("Bash", command=f"printf %s '{text}' > {path}"), call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert project.ran == ["old", "old"]
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go on.")
        assert project.ran == ["old", "old", "new"]


async def test_c20_a_watched_file_fires_whoever_writes_it_and_another_does_not(project, host_of):
    import asyncio

    project.declare({"FileChanged": [{"matcher": ".envrc|.env", "command": project.hook("watch")}]})
    (project.root / ".env").write_text("A=1\n")
    async with host_of() as host:
        host.model.script("Done.")
        await host.prompt("Go.")
        await asyncio.sleep(0.3)
        (project.root / "README.md").write_text("x\n")
        (project.root / ".env").write_text("A=2\n")
        for _ in range(100):
            if project.ran:
                break
            await asyncio.sleep(0.1)
        assert project.ran == ["watch"]
        sent = project.seen[0][1]
        assert (sent["event"], sent["file_path"]) == ("change", str(project.root / ".env"))
