"""The ready-to-use hooks that work around a session: formatting, tests, context, notes, notifications."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HookFile = Callable[[str], Path]


def program(path: Path, text: str) -> None:
    """Write an executable of a test's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(desk: Any, tmp_path: Path) -> Path:
    """A folder that is first on the path of the hooks."""
    folder = tmp_path / "bin"
    folder.mkdir()
    desk.environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return folder


# --- git-context ---------------------------------------------------------------------------------------


@pytest.fixture
def repository(desk: Any) -> Any:
    desk.git("init", "-q", "-b", "main")
    desk.file("a b.txt", "one\n")
    desk.git("add", ".")
    desk.git("commit", "-q", "-m", "Add a file; rm -rf $(whoami) `id`")
    return desk


def test_the_state_of_the_repository_is_told(repository: Any, hook_file: HookFile) -> None:
    path = hook_file("git-context")
    clean = repository.fire(path, repository.recorded("SessionStart"))
    assert clean.exit == 0, clean.stderr
    assert clean.context.splitlines()[:3] == ["Git: on main.", "Nothing is uncommitted.", "Last commits:"]
    assert "Add a file; rm -rf $(whoami) `id`" in clean.context
    repository.file("a b.txt", "two\n")
    for number in range(25):
        repository.file(f"new {number}.txt")
    dirty = repository.fire(path, repository.recorded("SessionStart", source="resume"))
    assert "Uncommitted (26):" in dirty.context
    assert "... and 6 more" in dirty.context


def test_ahead_behind_detached_and_a_merge_under_way_are_told(
    repository: Any, hook_file: HookFile, tmp_path: Path
) -> None:
    path, event = hook_file("git-context"), repository.recorded("SessionStart")
    repository.git("clone", "-q", "--bare", ".", str(tmp_path / "remote.git"))
    repository.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    repository.git("fetch", "-q", "origin")
    repository.git("branch", "-q", "-u", "origin/main")
    repository.file("b.txt")
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "second")
    assert "1 commits ahead of origin/main and 0 behind" in repository.fire(path, event).context
    (repository.project / ".git" / "MERGE_HEAD").write_text(repository.git("rev-parse", "HEAD"))
    assert "A merge is under way." in repository.fire(path, event).context
    (repository.project / ".git" / "MERGE_HEAD").unlink()
    repository.git("checkout", "-q", "--detach")
    assert "no branch (detached at" in repository.fire(path, event).context


def test_where_there_is_no_repository_or_no_git_nothing_is_said(desk: Any, hook_file: HookFile, tmp_path: Path) -> None:
    fired = desk.fire(hook_file("git-context"), desk.recorded("SessionStart"))
    assert (fired.exit, fired.stdout, fired.stderr) == (0, "", "")
    (tmp_path / "empty").mkdir()
    desk.environment["PATH"] = str(tmp_path / "empty")
    words = [shutil.which("sh") or "/bin/sh", str(hook_file("git-context"))]
    assert desk.fire(words, desk.recorded("SessionStart")).stdout == ""


def test_a_monitor_that_the_repository_names_is_not_started(repository: Any, hook_file: HookFile) -> None:
    program(repository.project / "monitor", f"touch '{repository.home}/started'")
    repository.git("config", "core.fsmonitor", "./monitor")
    assert "Git: on main." in repository.fire(hook_file("git-context"), repository.recorded("SessionStart")).context
    assert not (repository.home / "started").exists()


def test_an_empty_repository_is_told_as_one(desk: Any, hook_file: HookFile) -> None:
    desk.git("init", "-q", "-b", "main")
    fired = desk.fire(hook_file("git-context"), desk.recorded("SessionStart"))
    assert fired.context == "Git: on main.\nNothing is uncommitted.\n"


# --- format-after-edit ---------------------------------------------------------------------------------

needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def edited(desk: Any, path: Path | str) -> dict[str, Any]:
    event: dict[str, Any] = desk.tool(
        "PostToolUse", "Edit", {"file_path": str(path), "old_string": "a", "new_string": "b"}
    )
    return event


@needs_jq
def test_a_file_is_formatted_and_the_model_told_if_it_changed(desk: Any, hook_file: HookFile, programs: Path) -> None:
    program(programs / "ruff", '[ "$1" = format ] && for f; do :; done; echo formatted > "$f"; echo noise')
    path = desk.file("-odd $name; 'x'.py", "x=1\n")
    fired = desk.fire(hook_file("format-after-edit"), edited(desk, path))
    assert (fired.exit, path.read_text()) == (0, "formatted\n"), fired.stderr
    assert f"ruff has formatted {path}" in fired.context
    again = desk.fire(hook_file("format-after-edit"), edited(desk, path))
    assert (again.exit, again.stdout) == (0, "")


@needs_jq
def test_the_projects_own_formatter_goes_first(desk: Any, hook_file: HookFile, programs: Path) -> None:
    program(programs / "prettier", 'for f; do :; done; echo machine > "$f"')
    program(desk.project / "node_modules" / ".bin" / "prettier", 'for f; do :; done; echo project > "$f"')
    path = desk.file("src/x.ts", "const x=1")
    desk.fire(hook_file("format-after-edit"), edited(desk, path))
    assert path.read_text() == "project\n"


@needs_jq
def test_what_a_formatter_cannot_read_is_told_to_the_model(desk: Any, hook_file: HookFile, programs: Path) -> None:
    program(programs / "gofmt", "echo 'x.go:1:1: expected package' >&2; exit 2")
    fired = desk.fire(hook_file("format-after-edit"), edited(desk, desk.file("x.go", "oops")))
    assert fired.exit == 2
    assert "gofmt cannot format" in fired.stderr
    assert "expected package" in fired.stderr


@needs_jq
def test_what_is_not_its_business_is_left_alone(desk: Any, hook_file: HookFile, programs: Path, tmp_path: Path) -> None:
    program(programs / "ruff", 'for f; do :; done; echo formatted > "$f"')
    outside = tmp_path / "outside.py"
    outside.write_text("x=1\n")
    (desk.project / "link.py").symlink_to(outside)
    (desk.project / "folder").symlink_to(tmp_path)
    text = desk.file("notes.txt", "x=1\n")
    for path in (
        outside,
        desk.project / "link.py",
        desk.project / "folder" / "outside.py",
        text,
        desk.project / "no.py",
    ):
        fired = desk.fire(hook_file("format-after-edit"), edited(desk, path))
        assert (fired.exit, fired.stdout, fired.stderr) == (0, "", "")
    assert outside.read_text() == "x=1\n"
    event = desk.recorded("PostToolUse")  # of Bash: it has no file
    assert desk.fire(hook_file("format-after-edit"), event).exit == 0


def test_without_jq_it_says_so(desk: Any, hook_file: HookFile, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    desk.environment["PATH"] = str(folder)
    words = [shutil.which("sh") or "/bin/sh", str(hook_file("format-after-edit"))]
    fired = desk.fire(words, edited(desk, desk.file("x.py")))
    assert (fired.exit, fired.stderr) == (1, "format-after-edit needs jq, which is not installed\n")


# --- notify-when-done ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "fields", "text"),
    [
        ("Stop", {"last_assistant_message": 'done: $(rm x)\n"q" `id`'}, 'done: $(rm x) "q" `id`'),
        ("Stop", {"last_assistant_message": None}, "The agent is done."),
        ("Notification", {"message": "-n needs you"}, "-n needs you"),
    ],
)
@needs_jq
def test_a_notification_is_shown_with_the_words_as_they_are(
    desk: Any, hook_file: HookFile, tmp_path: Path, event: str, fields: dict[str, Any], text: str
) -> None:
    program(tmp_path / "show", f"printf '%s\\n' \"$@\" > '{tmp_path}/shown'; echo noise")
    desk.environment["NOTIFY_COMMAND"] = str(tmp_path / "show")
    fired = desk.fire(hook_file("notify-when-done"), desk.recorded(event, **fields))
    assert (fired.exit, fired.stdout, fired.stderr) == (0, "", "")
    assert (tmp_path / "shown").read_text() == f"project\n{text}\n"


def test_without_jq_a_notification_says_what_happened(desk: Any, hook_file: HookFile, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ("sh", "cat", "basename"):
        (folder / name).symlink_to(shutil.which(name) or name)
    program(folder / "notify-send", f"printf '%s\\n' \"$@\" > '{tmp_path}/shown'")
    desk.environment["PATH"] = str(folder)
    words = [str(folder / "sh"), str(hook_file("notify-when-done"))]
    assert desk.fire(words, desk.recorded("Notification")).exit == 0
    assert (tmp_path / "shown").read_text() == "--app-name=agent\n--\nproject\nThe agent waits for you.\n"
    (folder / "notify-send").unlink()
    nobody = desk.fire(words, desk.recorded("Stop"))
    assert (nobody.exit, "set NOTIFY_COMMAND" in nobody.stderr) == (1, True)


# --- tests-before-stop ---------------------------------------------------------------------------------


def stop(desk: Any, hook_file: HookFile, *, again: bool = False, how: str = "cold") -> Any:
    fired = desk.fire(hook_file("tests-before-stop"), desk.recorded("Stop", stop_hook_active=again), how=how)
    assert fired.exit == 0, fired.stderr
    return fired


@pytest.fixture
def tested(repository: Any, hook_file: HookFile) -> Any:
    """A repository whose tests fail as long as there is a file `broken`; each run leaves a line in `$HOME/runs`."""
    repository.file(".pegboard/test-command", 'echo run >> "$HOME/runs"; echo "testing..."; ! test -e broken\n')
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "tests")
    started = repository.fire(hook_file("tests-before-stop"), repository.recorded("SessionStart"))
    assert (started.exit, started.stdout) == (0, ""), started.stderr
    return repository


def runs(desk: Any) -> int:
    path = desk.home / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_tests_run_only_when_something_changed(tested: Any, hook_file: HookFile) -> None:
    assert stop(tested, hook_file).output == {}
    assert runs(tested) == 0
    tested.file("new.py", "x")
    assert stop(tested, hook_file).output == {}
    assert runs(tested) == 1
    assert stop(tested, hook_file).output == {}
    assert runs(tested) == 1
    tested.git("add", ".")
    tested.git("commit", "-q", "-m", "all is committed, so nothing is changed by git's measure")
    assert stop(tested, hook_file).output == {}
    assert runs(tested) == 2


def test_failing_tests_send_the_agent_back_three_times_at_most(tested: Any, hook_file: HookFile) -> None:
    tested.file("broken")
    first = stop(tested, hook_file)
    assert (first.verdict, "testing..." in first.reason, "exit code 1" in first.reason) == ("deny", True, True)
    assert stop(tested, hook_file, again=True).verdict == "deny"
    third = stop(tested, hook_file, again=True)
    assert (third.verdict, "after 3 tries" in third.notice) == ("", True)
    assert stop(tested, hook_file).verdict == "deny", "a new turn begins to count anew"
    (tested.project / "broken").unlink()
    assert stop(tested, hook_file, again=True).output == {}


def test_tests_that_take_too_long_decide_nothing_and_are_ended(tested: Any, hook_file: HookFile) -> None:
    tested.file(".pegboard/test-command", 'sleep 60 & echo $! > "$HOME/child"; sleep 60\n')
    slow = tested.file("slow.py", hook_file("tests-before-stop").read_text().replace("SECONDS = 300", "SECONDS = 0.5"))
    fired = tested.fire(slow, tested.recorded("Stop"))
    assert (fired.verdict, "took more than 0.5 s" in fired.notice) == ("", True), fired.stderr
    child = (tested.home / "child").read_text().strip()
    state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True, check=False).stdout
    assert state.strip()[:1] in ("", "Z")


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"package.json": '{"scripts": {"test": "vitest"}}'}, "npm test --silent"),
        ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, ""),
        ({"package.json": "broken"}, ""),
        ({"pytest.ini": ""}, "python3 -m pytest -q"),
        ({"tests/test_a.py": "", "pyproject.toml": ""}, "python3 -m pytest -q"),
        ({"go.mod": ""}, "go test ./..."),
        ({"Cargo.toml": ""}, "cargo test --quiet"),
        ({"Makefile": "all:\n\ntest:\n\ttrue\n"}, "make test"),
        ({"Makefile": "all:\n"}, ""),
        ({}, ""),
    ],
)
def test_the_command_is_guessed_from_what_lies_there(
    desk: Any, hook_file: HookFile, files: dict[str, str], command: str
) -> None:
    import importlib.util

    for name, text in files.items():
        desk.file(name, text)
    spec = importlib.util.spec_from_file_location("tests_before_stop", hook_file("tests-before-stop"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.command_of(str(desk.project)) == command


# --- notes-before-compaction ---------------------------------------------------------------------------


def transcript(desk: Any, path: Path) -> str:
    lines: list[dict[str, Any]] = [
        {"type": "user", "message": {"role": "user", "content": "Please add\nthe  parser"}},
        {"type": "user", "message": {"role": "user", "content": "<system-reminder>no words of mine</system-reminder>"}},
        {"type": "user", "isMeta": True, "message": {"role": "user", "content": "put in by the host"}},
        {"type": "user", "message": {"role": "user", "content": [{"type": "tool_result", "content": "x"}]}},
    ]
    calls = [
        ("Write", {"file_path": "/p/parser.py", "content": "x"}),
        ("Edit", {"file_path": "/p/parser.py"}),
        ("Read", {"file_path": "/p/only-read.py"}),
        (
            "TodoWrite",
            {"todos": [{"content": "write it", "status": "completed"}, {"content": "test it", "status": "pending"}]},
        ),
    ]
    lines += [
        {
            "message": {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": str(n), "name": name, "input": given}],
            }
        }
        for n, (name, given) in enumerate(calls)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_notes_are_kept_through_a_compaction_and_given_back_once(
    repository: Any, hook_file: HookFile, tmp_path: Path
) -> None:
    path = hook_file("notes-before-compaction")
    repository.file("a b.txt", "two\n")
    event = repository.recorded("PreCompact", transcript_path=transcript(repository, tmp_path / "t.jsonl"))
    kept = repository.fire_all_ways(path, event).context
    for line in ("- Please add the parser", "- /p/parser.py", "- test it (pending)", '-  M "a b.txt"'):
        assert line in kept
    for text in ("no words of mine", "put in by the host", "only-read", "write it"):
        assert text not in kept
    given = repository.fire(path, repository.recorded("SessionStart", source="compact"))
    assert given.context.startswith("Notes from before the compaction:\n\nWhat the user said:\n- Please add the parser")
    assert repository.fire(path, repository.recorded("SessionStart", source="compact")).output == {}


def test_notes_are_cut_to_what_hosts_take(desk: Any, hook_file: HookFile, tmp_path: Path) -> None:
    lines = [{"message": {"role": "user", "content": f"{n} " + "x" * 5000}} for n in range(100)]
    calls = [{"type": "tool_use", "name": "Write", "input": {"file_path": f"/{n}/" + "y" * 300}} for n in range(100)]
    lines.append({"message": {"role": "assistant", "content": calls}})
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    event = desk.recorded(
        "PreCompact", trigger="auto", custom_instructions=None, transcript_path=str(tmp_path / "t.jsonl")
    )
    context = desk.fire(hook_file("notes-before-compaction"), event).context
    assert 4000 < len(context) < 8200
    assert "- 99 " in context


def test_where_nothing_is_to_be_noted_nothing_is_said(desk: Any, hook_file: HookFile) -> None:
    event = desk.recorded("PreCompact")
    assert desk.fire_all_ways(hook_file("notes-before-compaction"), event).output == {}


# --- all of them ---------------------------------------------------------------------------------------


def test_the_state_of_hooks_is_readable_by_the_user_alone(desk: Any, hook_file: HookFile) -> None:
    desk.fire(hook_file("loop-breaker"), desk.bash("ls"))
    files = list(Path(desk.environment["PEGBOARD_STATE_DIR"]).rglob("*.json"))
    assert files
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_shell_hooks_are_read_by_every_shell(shell: str, hook_file: HookFile) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    for name in ("git-context", "format-after-edit", "notify-when-done"):
        subprocess.run([shell, "-n", str(hook_file(name))], check=True)
