"""The contract's statements C21 to C36, one test each: what is run, and what it finds (hook-contract 6 B)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from talk import outcomes, told

from pegboard.plugin_folders import read_plugin_folder
from pegboard.testing import call
from pegboard_builtins.wire_hooks.conditions import holds
from pegboard_builtins.wire_hooks.load import Standing, load
from pegboard_builtins.wire_hooks.sources import read_plugin

pytestmark = pytest.mark.anyio


def runs(condition, command):
    """Whether a Bash call with this command is what an `if` names."""
    return holds(condition, {"tool_name": "Bash", "tool_input": {"command": command}, "cwd": "/w"})


def edits(condition, path):
    return holds(condition, {"tool_name": "Edit", "tool_input": {"file_path": path}, "cwd": "/w"})


async def shows(project, host_of, event, command, **answer):
    """Run a hook that writes what *command* prints to a file, at *event*; return what it wrote."""
    out = project.folder / "out.txt"
    project.declare({event: [{"type": "command", "command": f"({command}) > {out}", **answer}]})
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
    return out.read_text()


def test_c21_a_condition_sees_through_assignments_and_lists():
    assert runs("Bash(git *)", "FOO=1 git push")
    assert runs("Bash(git *)", "npm test && git push")
    assert not runs("Bash(git *)", "ls")


def test_c22_a_condition_looks_into_substitutions():
    assert runs("Bash(rm *)", "echo $(rm -rf /)")
    assert not runs("Bash(rm *)", "echo $(date)")


@pytest.mark.parametrize(
    "command", ["cat <<EOF\nx\nEOF", "echo ${X}", "f() { true; }", "echo $((1))", "case a in a) ;; esac"]
)
def test_c23_what_is_known_only_at_run_time_lets_any_condition_hold(command):
    assert runs("Bash(git push *)", "echo $(date)")
    assert runs("Bash(git *)", command)


async def test_c24_a_condition_on_an_event_without_a_tool_never_runs(project, host_of):
    project.declare({"UserPromptSubmit": [{"command": project.hook("never"), "if": "Bash(*)"}]})
    async with host_of() as host:
        host.model.script("Done.")
        await host.prompt("Go.")
    assert project.ran == []


def test_c25_a_path_in_a_condition_begins_at_the_working_folder():
    assert not edits("Edit(src/**)", "/w/lib/src/a.ts")
    assert edits("Edit(src/**)", "/w/src/a.ts")
    assert edits("Edit(**/src/**)", "/w/lib/src/a.ts")


def test_c26_a_colon_star_is_a_space_star():
    for command in ("git push", "git push origin", "git pushx", "git pull"):
        assert runs("Bash(git push:*)", command) is runs("Bash(git push *)", command)
    assert runs("Bash(git push:*)", "git push origin")
    assert not runs("Bash(git push:*)", "git pull")


async def test_c27_the_shell_form_is_a_shell_and_the_exec_form_is_none(project, host_of):
    said = await shows(
        project,
        host_of,
        "PreToolUse",
        f'echo "$({sys.executable} -c \'import json,sys; print(json.load(sys.stdin)["tool_name"])\')" && echo two',
    )
    assert said == "Bash\ntwo\n"
    out = project.folder / "args.txt"
    script = project.folder / "args.py"
    script.write_text(f"import sys, pathlib; pathlib.Path({str(out)!r}).write_text(repr(sys.argv[1:]))")
    project.declare({"PreToolUse": [{"command": sys.executable, "args": [str(script), "a && b", "$HOME"]}]})
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
    assert out.read_text() == repr(["a && b", "$HOME"])


async def test_c28_a_placeholder_in_args_stays_one_argument(project, host_of):
    out = project.folder / "args.txt"
    script = project.folder / "args.py"
    script.write_text(f"import sys, pathlib; pathlib.Path({str(out)!r}).write_text(repr(sys.argv[1:]))")
    project.declare({"PreToolUse": [{"command": sys.executable, "args": [str(script), "${CLAUDE_PROJECT_DIR}/a b"]}]})
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
    assert out.read_text() == repr([f"{project.root}/a b"])


async def test_c29_a_user_option_in_the_shell_form_is_an_error_and_its_variable_works(project, host_of):
    plugin = project.outer / "plug"
    (plugin / "hooks").mkdir(parents=True)
    (plugin / ".claude-plugin").mkdir()
    manifest = {"name": "plug", "userConfig": {"WORD": {"type": "string", "default": "hello"}}}
    (plugin / ".claude-plugin" / "plugin.json").write_text(json.dumps(manifest))
    out = project.folder / "out.txt"
    entries = [
        {"type": "command", "command": f"echo ${{user_config.WORD}} > {out}.wrong"},
        {"type": "command", "command": f"echo $CLAUDE_PLUGIN_OPTION_WORD > {out}"},
    ]
    (plugin / "hooks" / "hooks.json").write_text(json.dumps({"hooks": {"PreToolUse": [{"hooks": entries}]}}))
    async with host_of(settings={"plugins": {"folders": [str(plugin)]}}) as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert outcomes(host) == ["ok"]
        assert any("user_config" in notice for notice in host.notices), (host.notices, host.records("declared"))
    assert out.read_text() == "hello\n"
    assert not Path(f"{out}.wrong").exists()


async def test_c30_a_hook_finds_the_contracts_variables_and_no_telemetry(project, host_of, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1")
    said = await shows(project, host_of, "PreToolUse", "env")
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    assert (found["CLAUDE_PROJECT_DIR"], found["CLAUDECODE"]) == (str(project.root), "1")
    assert (found["CLAUDE_CODE_CHILD_SESSION"], found["CLAUDE_PID"]) == ("1", str(os.getpid()))
    assert not [name for name in found if name.startswith("OTEL_")]
    assert "CLAUDE_ENV_FILE" not in found
    said = await shows(project, host_of, "SessionStart", "env")
    assert "CLAUDE_ENV_FILE=" in said


async def test_c31_what_a_start_hook_exports_is_there_for_bash(project, host_of):
    project.declare({"SessionStart": ['echo "export A=one" >> "$CLAUDE_ENV_FILE"']})
    async with host_of() as host:
        host.model.script(call("Bash", command="echo [$A]"), "Done.")
        await host.prompt("Go.")
        assert "[one]" in told(host)


async def test_c32_a_hook_follows_the_working_folder_and_the_project_stays(project, host_of):
    (project.root / "sub").mkdir()
    out = project.folder / "out.txt"
    note = f'echo "$(pwd) $CLAUDE_PROJECT_DIR" >> {out}'
    project.declare({"PreToolUse": [note, project.hook("seen")]})
    async with host_of() as host:
        host.model.script(call("Bash", command="cd sub"), call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
    assert out.read_text().splitlines() == [f"{project.root} {project.root}", f"{project.root / 'sub'} {project.root}"]
    assert [sent["cwd"] for _, sent in project.seen] == [str(project.root), str(project.root / "sub")]


async def test_c33_a_hook_has_no_terminal(project, host_of):
    said = await shows(project, host_of, "PreToolUse", "(: < /dev/tty) 2>/dev/null && echo there || echo none")
    assert said == "none\n"


async def test_c34_reading_nothing_is_no_error_and_read_gets_the_whole_event(project, host_of):
    out = project.folder / "out.txt"
    project.declare({"PreToolUse": ["exit 0", f'IFS= read -r LINE && printf %s "$LINE" > {out}']})
    async with host_of() as host:
        host.model.script(call("Bash", command="echo " + "x" * 50_000), "Done.")
        await host.prompt("Go.")
        assert outcomes(host) == ["ok"]
        assert [row.status for row in host.records("declared")[0].rows] == ["ran", "ran"]
    assert json.loads(out.read_text())["tool_input"]["command"].startswith("echo xxx")


async def test_c35_a_child_without_the_pipes_does_not_hold_the_hook(project, host_of):
    project.declare({"PreToolUse": [{"command": "sleep 60 >/dev/null 2>&1 </dev/null & echo ok", "timeout": 30}]})
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        [row] = host.records("declared")[0].rows
        assert (row.status, row.exit) == ("ran", 0)
        assert row.ms < 10_000


async def test_c36_paths_are_absolute_before_any_hook_sees_them(project, host_of):
    (project.root / "a.txt").write_text("one\n")
    project.declare({"PreToolUse": [project.hook("seen")]})
    async with host_of() as host:
        host.model.script(call("Read", file_path="a.txt"), call("Read", file_path="~/b.txt"), "Done.")
        await host.prompt("Go.")
    sent = [facts["tool_input"]["file_path"] for _, facts in project.seen]
    assert sent == [str(project.root / "a.txt"), str(project.home / "b.txt")]


def test_a_plugins_events_at_the_top_of_its_file_do_not_count_and_are_named(tmp_path):
    (tmp_path / "hooks").mkdir()
    entry = [{"hooks": [{"type": "command", "command": "x"}]}]
    (tmp_path / "hooks" / "hooks.json").write_text(json.dumps({"PreToolUse": entry}))

    loaded = load(list(read_plugin(read_plugin_folder(tmp_path, "user"))))
    assert loaded.active == ()
    assert "no `hooks`" in str(loaded.problems[0])


def test_a_condition_where_there_is_no_tool_is_listed_as_unreachable():
    from pegboard.settings import SettingsLayer
    from pegboard_builtins.wire_hooks.load import HookFile

    entry = [{"hooks": [{"type": "command", "command": "x", "if": "Bash(*)"}]}]
    [one] = load([HookFile(SettingsLayer.USER, "/f.json", {"Stop": entry})]).entries
    assert one.standing is Standing.UNREACHABLE
