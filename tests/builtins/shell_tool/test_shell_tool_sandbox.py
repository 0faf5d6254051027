"""The sandbox: what a command can write and reach in it, and that it is never left out silently."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from shell_tool_desk import ShellDesk

from pegboard.errors import ToolError
from pegboard_builtins.shell_tool import sandbox
from pegboard_builtins.shell_tool.bash import bash
from pegboard_builtins.shell_tool.settings import ShellSettings

ON = ShellSettings(sandbox="bubblewrap")
needs_bubblewrap = pytest.mark.skipif(
    sandbox.health(ON) is not None, reason="bubblewrap is not installed, or may not be used here"
)


@pytest.fixture
def boxed(desk: ShellDesk) -> ShellDesk:
    desk.services.settings = ON
    return desk


def run(desk: ShellDesk, command: str, **more: Any) -> str:
    return str(desk.call(bash, command=command, **more).content)


@needs_bubblewrap
def test_the_project_can_be_written_and_nothing_else(boxed: ShellDesk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert run(boxed, "echo x > a.txt && cat a.txt") == "x"
    assert (boxed.folder / "a.txt").read_text() == "x\n"
    failed = run(boxed, f"echo x > {Path.home()}/pegboard-was-here")
    assert "Read-only file system" in failed
    assert "ran in a sandbox" in failed
    assert not (Path.home() / "pegboard-was-here").exists()
    run(boxed, f"echo x > {outside}/b.txt")
    assert not (outside / "b.txt").exists()


@needs_bubblewrap
def test_what_decides_about_the_outside_stays_as_it_is(boxed: ShellDesk) -> None:
    subprocess.run(["git", "init", "-q", str(boxed.folder)], check=True)
    (boxed.folder / ".pegboard").mkdir()
    for name in (".git/hooks/post-commit", ".git/config", ".pegboard/settings.toml"):
        assert "Read-only file system" in run(boxed, f"echo evil >> {name}")
    who = "-c user.name=n -c user.email=e"
    assert run(boxed, f"echo x > a && git add a && git {who} commit -q -m one && git log --format=%s") == "one"


@needs_bubblewrap
@pytest.mark.parametrize(
    "command",
    [
        pytest.param("mv .git old && cp -r old .git && echo evil >> .git/hooks/post-commit", id="by another name"),
        pytest.param("rm -rf .git/hooks; mkdir -p .git/hooks && echo evil > .git/hooks/post-commit", id="made anew"),
        pytest.param("mv .git/config .git/c; printf '[core]\\n\\tfsmonitor = evil\\n' > .git/config", id="settings"),
        pytest.param("mv .pegboard x; mkdir .pegboard; echo evil > .pegboard/settings.toml", id="ours"),
    ],
)
@pytest.mark.parametrize("with_hooks", [True, False], ids=["", "without hooks"])
def test_no_detour_leads_to_what_runs_outside(boxed: ShellDesk, command: str, with_hooks: bool) -> None:
    subprocess.run(["git", "init", "-q", str(boxed.folder)], check=True)
    if not with_hooks:
        shutil.rmtree(boxed.folder / ".git" / "hooks")
    (boxed.folder / ".pegboard").mkdir()
    run(boxed, command)
    for name in (".git/hooks/post-commit", ".git/config", ".pegboard/settings.toml"):
        path = boxed.folder / name
        assert not path.exists() or "evil" not in path.read_text()


@pytest.fixture
def running_folder() -> Iterator[Path]:
    """A folder where programs of this machine keep their sockets."""
    place = Path(os.environ.get("XDG_RUNTIME_DIR", "/run"))
    if not place.is_relative_to("/run") or not os.access(place, os.W_OK):
        pytest.skip("no folder in /run may be written")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


@needs_bubblewrap
@pytest.mark.parametrize("network", [False, True])
def test_no_program_outside_can_be_told_to_do_it(boxed: ShellDesk, running_folder: Path, network: bool) -> None:
    """The user's D-Bus would start any program outside; so would an editor's or a container engine's socket."""
    boxed.services.settings = ShellSettings(sandbox="bubblewrap", network=network)
    path = running_folder / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        connect = f"import socket; print('begun'); socket.socket(socket.AF_UNIX).connect('{path}'); print('reached')"
        said = run(boxed, f"'{os.path.realpath(sys.executable)}' -I -c \"{connect}\"")
    assert "begun" in said
    assert "\nreached" not in said


@needs_bubblewrap
def test_a_project_below_the_folder_of_sockets_can_be_written(running_folder: Path, tmp_path: Path) -> None:
    desk = ShellDesk(running_folder / "project")
    desk.folder.mkdir()
    desk.services.settings = ON
    assert run(desk, "echo x > a.txt && cat a.txt") == "x"
    assert (desk.folder / "a.txt").exists()


@needs_bubblewrap
def test_there_is_no_network_unless_it_is_allowed(boxed: ShellDesk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached"
        assert "reached" not in run(boxed, command)
        boxed.services.settings = ShellSettings(sandbox="bubblewrap", network=True)
        assert run(boxed, command) == "reached"


@needs_bubblewrap
def test_the_temporary_folder_is_the_sessions_own_and_lasts(boxed: ShellDesk, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    place = tempfile.gettempdir()
    assert "No such file" in run(boxed, f"echo kept > {place}/mine; cat {tmp_path}/x")
    assert run(boxed, f"cat {place}/mine") == "kept"
    assert not Path(place, "mine").exists()


@needs_bubblewrap
def test_the_working_folder_lasts_and_folders_may_be_added(boxed: ShellDesk, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    boxed.services.settings = ShellSettings(sandbox="bubblewrap", writable=(str(more),))
    assert run(boxed, f"mkdir sub && cd sub && echo x > {more}/y") == "(no output)"
    assert (more / "y").exists()
    assert run(boxed, "pwd") == f"{boxed.folder}/sub"


@needs_bubblewrap
def test_what_takes_too_long_is_ended_inside_as_well(boxed: ShellDesk) -> None:
    command = "trap '' TERM; echo up; (setsid sleep 60 &) ; sleep 60"
    result = boxed.cut_off(bash, command, lambda result: bool(result.data["stdout"]))
    assert result.data["interrupted"]
    assert result.data["stdout"] == "up"
    assert boxed.still_running() == []


def test_without_bubblewrap_nothing_runs_and_it_is_said(boxed: ShellDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "bwrap" else f"/bin/{name}")
    with pytest.raises(ToolError, match="bubblewrap is not installed"):
        boxed.call(bash, command="echo x > a.txt")
    assert not (boxed.folder / "a.txt").exists()
    assert "no command runs" in str(sandbox.health(ON))
    assert sandbox.health(ShellSettings()) is None


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "bwrap"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_doctor_says_why_it_does_not_work(broken: None) -> None:
    assert "does not work here: setting up uid map" in str(sandbox.health(ON))


def test_in_a_worktree_git_can_commit_and_what_starts_programs_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, worktree = tmp_path / "project", tmp_path / "worktree"
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    for words in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *words], cwd=_made(project), check=True)
    subprocess.run(["git", "worktree", "add", "-q", str(worktree)], cwd=project, check=True)
    program = _made(tmp_path / "bin") / "bwrap"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    given: dict[str, Any] = {"scratch": tmp_path / "scratch", "sourced": tmp_path / "none", "report": None}
    words = sandbox.sandboxed(["true"], ON, project=worktree, origin=project / "sub", **given)
    git = project / ".git"
    writable = [words[n + 1] for n, word in enumerate(words) if word == "--bind"]
    guarded = [words[n + 1] for n, word in enumerate(words) if word == "--ro-bind"]
    assert {str(worktree), str(git)} <= set(writable)
    assert str(project) not in writable
    assert {f"{git}/config", f"{git}/hooks", str(worktree / ".git")} <= set(guarded)
    # Where it says that the repository is elsewhere, that place does not become writable.
    (worktree / ".git").write_text(f"gitdir: {tmp_path}/elsewhere\n")
    again = sandbox.sandboxed(["true"], ON, project=worktree, origin=project, **given)
    assert f"{tmp_path}/elsewhere" not in again


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
