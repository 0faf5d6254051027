"""Ready-to-use hooks are read from their headers and added to settings files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

import pegboard.hook
from pegboard.errors import PegboardError, SettingsError
from pegboard.shipped import shipped
from pegboard.testing import HookFixture, payload
from pegboard_builtins.wire_hooks import adding
from pegboard_builtins.wire_hooks.adding import addition_of, changed_json, changed_toml, groups_of, write
from pegboard_builtins.wire_hooks.ready import BrokenHeaderError, ReadyHook, read_header, ready_hook, ready_hooks

HOOKS = ready_hooks()
NAMES = [hook.name for hook in HOOKS]

# --- headers -------------------------------------------------------------------------------------------


def test_there_is_a_hook_for_each_purpose() -> None:
    assert {
        "block-dangerous-commands",
        "protect-paths",
        "format-after-edit",
        "tests-before-stop",
        "git-context",
        "notify-when-done",
        "audit-to-webhook",
        "rate-limit",
        "secrets-in-prompts",
        "conventional-commits",
        "notes-before-compaction",
        "loop-breaker",
        "ask-a-webhook",
    } <= set(NAMES)
    assert {kind for hook in HOOKS for kind in hook.kinds} == {"command", "http"}
    assert {hook.path.suffix for hook in HOOKS} == {".py", ".sh"}


@pytest.mark.parametrize("hook", HOOKS, ids=NAMES)
def test_a_header_is_true(hook: ReadyHook) -> None:
    assert hook.name == hook.path.stem
    assert os.access(hook.path, os.X_OK)
    assert set(hook.groups) <= set(pegboard.hook._OFFERS)
    text = hook.path.read_text()
    assert f"pegboard hooks add {hook.name}" in hook.about
    assert "What it does not" in hook.about, "a hook says what it does not catch"
    assert hook.kit is ("import pegboard_hook as hook" in text)
    assert ("jq" in hook.needs) or (
        "jq "
        not in text.replace("neither JSON nor jq", "")
        .replace("command -v jq", "")
        .replace("With jq", "")
        .replace("| jq -r", "")
    )
    for groups in hook.groups.values():
        for handler in (handler for group in groups for handler in group["hooks"]):
            assert 0 < handler["timeout"] <= 600
            assert handler["type"] != "command" or handler["command"].endswith('"{hook}"')
            assert handler["type"] != "http" or handler["url"].startswith("http://127.0.0.1:")


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(PegboardError, match="Did you mean 'protect-paths'"):
        ready_hook("protect-path")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = 1\n", "no header"),
        ("# /// hook\n# name = \n# ///\n", "no TOML"),
        ('# /// hook\n# name = "x"\n# ///\n', "lacks name, summary or hooks"),
        ('# /// hook\n# name = "x"\n# sumary = "y"\n# ///\n', "Did you mean 'summary'"),
        ("# /// hook\n# name = 1\n# ///\n", "'name' in its header is no str"),
        ('# /// hook\n# name = "x"\n# summary = "y"\n# hooks.Stop = [1]\n# ///\n', "no list of groups"),
    ],
)
def test_a_broken_header_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.py"
    path.write_text(text)
    with pytest.raises(BrokenHeaderError, match=problem):
        read_header(path)


def test_data_lies_in_the_wheel_or_beside_the_host() -> None:
    root = Path(__file__).parents[3]
    assert shipped("hooks") == root / "hooks"
    included = tomli.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert included["force-include"]["hooks"] == "pegboard/_data/hooks"
    with pytest.raises(PegboardError, match="'nothing-like-it' of Pegboard's data is missing"):
        shipped("nothing-like-it")


# --- settings ------------------------------------------------------------------------------------------

GROUPS: dict[str, list[dict[str, Any]]] = groups_of(ready_hook("protect-paths"), "${CLAUDE_PROJECT_DIR}/h.py")
SETTINGS = Path("settings")
GROUP = '{ matcher = "A", hooks = [{ type = "command", command = "x" }] }'
TOML = [
    pytest.param("", id="empty"),
    pytest.param("# mine\n[model]\nname = 'x'  # and why\n", id="another table"),
    pytest.param("[hooks]\nclaude = false\n\n[memory]\non = true\n", id="a table of hooks"),
    pytest.param("[hooks]\nclaude = false", id="no newline at the end"),
    pytest.param(
        '[[hooks.PreToolUse]]\nmatcher = "A"\n[[hooks.PreToolUse.hooks]]\ntype = "command"\ncommand = "x"\n[memory]\n',
        id="another group",
    ),
    pytest.param(f"[hooks]\nPreToolUse = [{GROUP}]\n", id="an inline list"),
    pytest.param(f"hooks.PreToolUse = [{GROUP}]\n[model]\n", id="dotted"),
    pytest.param(f"hooks = {{ Stop = [{GROUP}] }}\n", id="an inline table"),
    pytest.param("[hooks]\r\nclaude = false\r\n", id="another end of line"),
]


@pytest.mark.parametrize("text", TOML)
def test_toml_gets_the_hook_and_keeps_the_rest(text: str) -> None:
    after = changed_toml(text, GROUPS, SETTINGS)
    expected = tomli.loads(text)
    expected.setdefault("hooks", {}).setdefault("PreToolUse", [])
    expected["hooks"]["PreToolUse"] = [*expected["hooks"]["PreToolUse"], *GROUPS["PreToolUse"]]
    assert tomli.loads(after) == expected
    assert changed_toml(after, GROUPS, SETTINGS) == after, "what is there is not added again"
    for comment in ("# mine", "# and why"):
        assert (comment in text) is (comment in after)
    if "= [" not in text and "= {" not in text:
        assert after.startswith(text)


def test_what_is_added_to_toml_reads_well() -> None:
    assert changed_toml("", GROUPS, SETTINGS) == (
        "[[hooks.PreToolUse]]\n"
        'matcher = "Write|Edit|MultiEdit|NotebookEdit|Bash"\n'
        "[[hooks.PreToolUse.hooks]]\n"
        'type = "command"\n'
        "command = 'python3 \"${CLAUDE_PROJECT_DIR}/h.py\"'\n"
        "timeout = 10\n"
        'on_error = "closed"\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{\n    "model": "x",\n    "hooks": {"Stop": []},\n    "é": 1\n}\n',
        '{"hooks": {"PreToolUse": [{"matcher": "A", "hooks": [{"type": "command", "command": "x"}]}]}}',
    ],
)
def test_json_gets_the_hook_and_keeps_the_rest(text: str) -> None:
    after = changed_json(text, GROUPS, SETTINGS)
    expected = json.loads(text or "{}")
    expected.setdefault("hooks", {}).setdefault("PreToolUse", []).extend(GROUPS["PreToolUse"])
    assert json.loads(after) == expected
    assert list(json.loads(after)) == list(expected)
    assert changed_json(after, GROUPS, SETTINGS) == after
    assert "\\u" not in after
    if text.startswith("{\n    "):
        assert '\n    "model"' in after


@pytest.mark.parametrize(
    ("change", "text", "problem"),
    [
        (changed_json, '{\n// no\n"a": 1}', "settings:2: it is no JSON"),
        (changed_json, "[]", "its `hooks` is no object"),
        (changed_json, '{"hooks": []}', "its `hooks` is no object"),
        (changed_json, '{"hooks": {"PreToolUse": {}}}', "no list"),
        (changed_toml, "a = \n", "it is no TOML"),
        (changed_toml, "hooks = 1\n", "add by hand:\n\\[\\[hooks.PreToolUse\\]\\]"),
        (changed_toml, "[hooks]\nPreToolUse = 1\n", "add by hand"),
    ],
)
def test_a_file_that_cannot_take_it_is_named_and_unchanged(change: Any, text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        change(text, GROUPS, SETTINGS)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20).filter(
        lambda name: name.strip(".") != ""
    )
)
@settings(max_examples=40, deadline=None)
def test_a_path_of_any_name_survives_the_settings_and_the_shell(name: str) -> None:
    program = Path("/") / name / "h.py"
    groups = groups_of(ready_hook("protect-paths"), adding._reference(program, None))
    for change, parse in ((changed_toml, tomli.loads), (changed_json, json.loads)):
        handler = parse(change("", groups, SETTINGS))["hooks"]["PreToolUse"][0]["hooks"][0]
        shown = subprocess.run(
            ["sh", "-c", handler["command"].replace("python3", "printf %s")], capture_output=True, check=True
        )
        assert shown.stdout.decode() == str(program)


# --- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "file"),
    [
        *(pytest.param(hook, ".pegboard/settings.toml", id=hook.name) for hook in HOOKS),
        pytest.param(ready_hook("rate-limit"), ".claude/settings.json", id="rate-limit, in JSON"),
    ],
)
def test_an_added_hook_works_as_the_settings_say(
    pegboard_hook: HookFixture, tmp_path: Path, hook: ReadyHook, file: str
) -> None:
    """The program is started as its entry says, by `sh -c`, in a folder with a blank, by a Python that knows no kit."""
    project = pegboard_hook.project = tmp_path / "my $project's"
    project.mkdir()
    pegboard_hook.environment |= {"CLAUDE_PROJECT_DIR": str(project), "PYTHONPATH": "", "NOTIFY_COMMAND": "true"}
    write(addition_of(hook, project / file, project=project))
    text = (project / file).read_text()
    said = json.loads(text) if file.endswith(".json") else tomli.loads(text)
    assert str(project) not in text, "the settings hold on another machine, too"
    for event, groups in said["hooks"].items():
        for handler in (handler for group in groups for handler in group["hooks"]):
            if handler["type"] == "command":
                fired = pegboard_hook.fire(["sh", "-c", handler["command"]], payload(event, cwd=str(project)))
                assert (fired.exit, fired.stderr) == (0, "")


def test_an_added_guard_guards(pegboard_hook: HookFixture) -> None:
    project = pegboard_hook.project
    write(addition_of(ready_hook("protect-paths"), project / ".pegboard" / "settings.toml", project=project))
    said = tomli.loads((project / ".pegboard" / "settings.toml").read_text())
    command = said["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
    assert command == 'python3 "${CLAUDE_PROJECT_DIR}/.pegboard/hooks/protect-paths.py"'
    pegboard_hook.environment["PYTHONPATH"] = ""
    fired = pegboard_hook.fire(
        command, "PreToolUse", tool="Write", input={"file_path": f"{project}/.env", "content": "x"}
    )
    assert fired.verdict == "deny"


@pytest.mark.parametrize("hook", HOOKS, ids=NAMES)
def test_what_is_added_has_the_hook_s_name(hook: ReadyHook, tmp_path: Path) -> None:
    added = tomli.loads(addition_of(hook, tmp_path / "settings.toml").after)["hooks"]
    handlers = [(event, one) for event, groups in added.items() for group in groups for one in group["hooks"]]
    ids = [one["id"] for _, one in handlers]
    assert ids == ([hook.name] if len(ids) == 1 else [f"{hook.name}-{event}" for event, _ in handlers])
    assert len(set(ids)) == len(ids)
    assert '"id"' not in addition_of(hook, tmp_path / "settings.json").after, "other hosts read this file"


def test_adding_twice_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "settings.toml"
    write(addition_of(ready_hook("rate-limit"), target))
    again = addition_of(ready_hook("rate-limit"), target)
    assert (again.changes_nothing, again.diff) == (True, "")
    (tmp_path / "hooks" / "rate-limit.py").unlink()
    assert not addition_of(ready_hook("rate-limit"), target).changes_nothing


def test_another_timeout_is_still_the_same_hook(tmp_path: Path) -> None:
    target = tmp_path / "settings.toml"
    write(addition_of(ready_hook("rate-limit"), target))
    target.write_text(target.read_text().replace("timeout = 10", "timeout = 99"))
    assert addition_of(ready_hook("rate-limit"), target).after == target.read_text()


def test_a_program_that_somebody_has_changed_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "settings.toml"
    program = tmp_path / "hooks" / "rate-limit.py"
    program.parent.mkdir()
    program.write_text("mine\n")
    addition = addition_of(ready_hook("rate-limit"), target)
    with pytest.raises(SettingsError, match=r"rate-limit.py: another file of that name is there"):
        write(addition)
    assert program.read_text() == "mine\n"
    assert os.listdir(tmp_path) == ["hooks"]
    assert os.listdir(tmp_path / "hooks") == ["rate-limit.py"]
    write(addition, overwrite=True)
    assert program.read_text() == ready_hook("rate-limit").path.read_text()


def test_settings_that_change_meanwhile_are_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "settings.toml"
    addition = addition_of(ready_hook("git-context"), target)
    target.write_text("[model]\n")
    with pytest.raises(SettingsError, match="changed meanwhile"):
        write(addition)
    assert target.read_text() == "[model]\n"
    assert not (tmp_path / "hooks").exists()


def test_when_the_settings_cannot_be_written_no_program_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "settings.toml"
    addition = addition_of(ready_hook("rate-limit"), target)
    whole = adding.replace_whole

    def full(path: Path, content: bytes, mode: int | None) -> None:
        if path == target:
            raise OSError(28, "No space left on device")
        whole(path, content, mode)

    monkeypatch.setattr(adding, "replace_whole", full)
    with pytest.raises(OSError, match="No space left"):
        write(addition)
    assert not target.exists()
    assert os.listdir(tmp_path / "hooks") == []


def test_a_settings_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "settings.toml"
    real.parent.mkdir()
    real.write_text("")
    real.chmod(0o640)
    (tmp_path / "settings.toml").symlink_to(real)
    write(addition_of(ready_hook("git-context"), tmp_path / "settings.toml"))
    assert (tmp_path / "settings.toml").is_symlink()
    assert "git-context" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "dotfiles" / "hooks" / "git-context.sh").exists()


def test_the_diff_shows_what_will_change(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[model]")
    diff = addition_of(ready_hook("git-context"), tmp_path / "settings.toml").diff.splitlines()
    assert diff[0].startswith("--- ")
    assert "+[[hooks.SessionStart]]" in diff
    assert [line for line in diff if line.startswith("-") and not line.startswith("---")] == ["-[model]"]


def test_a_program_that_is_needed_and_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert addition_of(ready_hook("format-after-edit"), tmp_path / "settings.toml").missing == ("sh", "jq")
