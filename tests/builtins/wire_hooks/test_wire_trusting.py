"""Who may let hooks run: `trust` with its diff, the options of `run`, and what `doctor` says of hooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SCRIPT = '[[turn]]\n[[turn.call]]\nname = "Bash"\ninput = { command = "touch a" }\n[[turn]]\ntext = "Done."\n'


@pytest.fixture
def go(typed: Any, project: Any) -> Any:
    """Runs a session in which the model touches a file, with these options."""

    def run(*words: str) -> str:
        script = project.outer / "script.toml"
        script.write_text(SCRIPT)
        return typed("run", "-m", f"scripted:{script}", "--allow", "Bash", *words, "Go")

    return run


def deny(project: Any, name: str = "guard") -> str:
    return project.hook(name, exit=2, stderr="not so")


# --- trust ---------------------------------------------------------------------------------------------


def test_trust_shows_each_entry_and_its_script_and_a_diff_when_one_changed(typed: Any, project: Any) -> None:
    script = project.root / "guard.sh"
    script.write_text("#!/bin/sh\necho first\n")
    path = project.declare({"PreToolUse": [{"matcher": "Bash", "id": "guard", "command": "sh guard.sh"}]})
    told = typed.json("trust")
    [one] = told["waiting"]
    assert one["key"] == "hook guard (.claude/settings.json)"
    for said in ("event: PreToolUse", "matcher: Bash", "command: sh guard.sh", "--- guard.sh", "echo first"):
        assert said in one["text"]
    typed.fine("trust", "--yes")
    assert typed.json("trust")["waiting"] == []
    script.write_text("#!/bin/sh\necho second\n")
    [entry] = typed.json("hooks", "list")["hooks"]
    assert entry["standing"] == "untrusted"
    shown = typed.fine("trust", "--yes")
    assert "hook guard (.claude/settings.json) (changed)" in shown
    assert "-echo first" in shown
    assert "+echo second" in shown
    path.write_text(path.read_text().replace("sh guard.sh", "sh guard.sh --fast"))
    assert "+command: sh guard.sh --fast" in typed.fine("trust", "--yes")
    assert [one["standing"] for one in typed.json("hooks", "list")["hooks"]] == ["active"]


@pytest.mark.parametrize("kind", ["commands", "skills", "agents"])
def test_a_file_that_leads_nowhere_keeps_no_hook_from_consent(typed: Any, project: Any, kind: str) -> None:
    project.declare({"PreToolUse": [deny(project)]})
    folder = project.root / ".claude" / kind
    folder.mkdir(parents=True)
    if kind == "skills":
        (folder / "lost").mkdir()
        (folder / "lost" / "SKILL.md").write_bytes(b"\0" * 600_000)
    else:
        (folder / "lost.md").symlink_to("/no/such/file.md")
    typed.fine("trust", "--yes")
    assert [one["standing"] for one in typed.json("hooks", "list")["hooks"]] == ["active"]


def test_without_consent_a_headless_run_leaves_project_hooks_out_and_says_so(project: Any, typed: Any, go: Any) -> None:
    project.declare({"PreToolUse": [deny(project)]})
    go()
    assert "do not run, because nobody consented to them" in typed.stderr
    assert (project.ran, (project.root / "a").exists()) == ([], True)


def test_trust_project_hooks_lets_them_run_in_this_run_alone(project: Any, typed: Any, go: Any) -> None:
    project.declare({"PreToolUse": [deny(project)]})
    go("--trust-project-hooks")
    assert (project.ran, (project.root / "a").exists()) == (["guard"], False)
    assert typed.json("hooks", "list")["hooks"][0]["standing"] == "untrusted"
    go()
    assert project.ran == ["guard"]


def test_a_project_cannot_trust_itself(project: Any, typed: Any, go: Any) -> None:
    project.declare({"PreToolUse": [deny(project)]})
    (project.root / ".pegboard").mkdir()
    (project.root / ".pegboard" / "settings.toml").write_text("[hooks]\ntrust_project = true\n")
    go()
    assert project.ran == []


# --- settings for one run ------------------------------------------------------------------------------


def test_settings_of_the_command_line_bring_hooks_and_rules(project: Any, typed: Any, go: Any, tmp_path: Path) -> None:
    hooks = {"PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": deny(project)}]}]}
    file = tmp_path / "ci.json"
    file.write_text(json.dumps({"$schema": "x", "hooks": hooks, "model": "y"}, indent=1))
    go("--settings", str(file))
    assert (project.ran, (project.root / "a").exists()) == (["guard"], False)
    assert "nobody reads model here" in typed.stderr
    why = typed.json("why", "last")
    line = 1 + next(n for n, said in enumerate(file.read_text().splitlines()) if '"type"' in said)
    assert why["declared"]["where"] in (f"{file}:{line}", f"{file}:{line - 1}")
    go("--settings", json.dumps({"permissions": {"deny": ["Bash(touch *)"]}}))
    assert typed.json("why", "last")["winner"] == "permissions"
    go("--settings", json.dumps({"hooks": hooks}))
    assert project.ran == ["guard", "guard"]


def test_settings_of_the_command_line_may_be_toml(project: Any, typed: Any, go: Any, tmp_path: Path) -> None:
    file = tmp_path / "ci.toml"
    file.write_text(f"[[hooks.pre-tool]]\ntype = \"command\"\ncommand = '{deny(project)}'\n")
    go("--settings", str(file))
    assert project.ran == ["guard"]


def test_c14_all_hooks_are_switched_off_by_the_command_line_for_one_run(project: Any, typed: Any, go: Any) -> None:
    project.declare({"PreToolUse": [deny(project)]}, where="user")
    go("--settings", '{"disableAllHooks": true}')
    assert (project.ran, (project.root / "a").exists()) == ([], True)
    go()
    assert project.ran == ["guard"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{", "--settings:1: is no JSON"),
        ("nowhere.json", "takes a file, or a JSON object"),
        ("nowhere.toml", "there is no such file"),
        ('{"hooks": []}', "'hooks' is no object"),
    ],
)
def test_settings_that_are_none_are_an_error(typed: Any, go: Any, said: str, problem: str) -> None:
    go("--settings", said)
    assert typed.code == 1
    assert problem in typed.stderr


def test_plugin_folders_of_the_command_line_run(project: Any, typed: Any, go: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name / "hooks"
        folder.mkdir(parents=True)
        command = f'{project.hook(name)}; test -d "${{CLAUDE_PLUGIN_ROOT}}/hooks" || exit 2'
        groups = [{"hooks": [{"type": "command", "command": command}]}]
        (folder / "hooks.json").write_text(json.dumps({"hooks": {"PreToolUse": groups}}))
    go("--plugin-dir", str(tmp_path / "one"), "--plugin-dir", str(tmp_path / "two"))
    assert (sorted(project.ran), (project.root / "a").exists()) == (["one", "two"], True)
    go("--plugin-dir", str(tmp_path / "three"))
    assert typed.code == 2


# --- doctor --------------------------------------------------------------------------------------------


def test_doctor_names_wrong_untrusted_and_broken_hooks_with_file_and_line(typed: Any, project: Any) -> None:
    mine = project.declare(
        {"PreTolUse": ["true"], "Stop": [{"id": "gone", "command": "no-such-program"}]}, where="user"
    )
    theirs = project.declare({"Stop": [{"id": "waiting", "command": "true"}]})
    found = [one for one in typed.json("doctor")["findings"] if one["subject"] == "wire_hooks: declared hooks"]
    assert typed.code == 1
    wrong = {one["text"]: one for one in found if one["state"] == "wrong"}
    [unknown] = [one for text, one in wrong.items() if "no event 'PreTolUse'" in text]
    assert unknown["text"].startswith(f"{mine}:")
    [broken] = [one for text, one in wrong.items() if "the hook gone is broken" in text]
    assert broken["text"].startswith(f"{mine}:")
    assert "install it" in broken["mend"]
    [waiting] = [one for one in found if one["state"] == "note"]
    assert waiting["text"].startswith(f"{theirs}:")
    assert "pegboard trust" in waiting["mend"]
    assert "the hook gone is broken" in typed("doctor")


def test_doctor_says_that_hooks_are_well(typed: Any, project: Any) -> None:
    project.declare({"Stop": ["true"]}, where="user")
    found = [one for one in typed.json("doctor")["findings"] if one["subject"] == "wire_hooks: declared hooks"]
    assert [(one["state"], one["text"]) for one in found] == [("ok", "is well")]
