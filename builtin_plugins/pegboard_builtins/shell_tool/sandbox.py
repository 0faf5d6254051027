"""The sandbox for commands: bubblewrap, with the machine read-only and the project writable.

It bounds what a command does by mistake or because a page told the model to; a bug of the kernel still opens it. With
the network the command reaches what the user reaches.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pegboard.errors import ToolError
from pegboard_builtins.shell_tool.settings import ShellSettings

PROGRAM = "bwrap"
GUARDED = (".git/hooks", ".git/config", ".pegboard", ".claude", ".mcp.json")
"""What is in the project, but decides what runs outside of the sandbox: it stays as it is."""
RUN = "/run"
"""Where programs of the machine listen: the user's D-Bus starts any program outside, a container engine even as root.
A file system that is read-only does not keep anybody from talking to a socket in it, so nothing of it is there."""
SOCKETS = ("/var/run/docker.sock", "~/.docker/run/docker.sock", "~/.docker/desktop/docker.sock")
"""Others of that kind that may lie elsewhere."""
NAMES = "/etc/resolv.conf"
"""Who knows the names of hosts; often a link to what a program keeps in `/run`."""
MACHINE = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc")
MISSING = (
    'the settings ask for a sandbox ([shell_tool] sandbox = "bubblewrap"), and bubblewrap is not installed. '
    'Install it (apt install bubblewrap), or set sandbox = "off"'
)


def sandboxed(
    argv: Sequence[str],
    settings: ShellSettings,
    *,
    project: Path,
    origin: Path,
    scratch: Path,
    sourced: Path,
    report: Path | None,
) -> list[str]:
    """Return *argv* as it runs in the sandbox. Raises ToolError where there is none.

    *project* is where the session works: *origin*, where it started, or a worktree of that one's repository.
    The temporary folder is *scratch*, one of the session; *sourced* is a file that it reads first, *report* one that it
    may write to.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ToolError(f"The command was not run: {MISSING}.")
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = [program, *MACHINE]
    words += ["--bind", str(scratch), tempfile.gettempdir()]
    if not settings.network:
        words += ["--unshare-net"]
    words += _without_sockets()
    for folder in (str(project), *settings.writable):
        words += ["--bind", *(2 * [os.path.realpath(os.path.expanduser(folder))])]
    words += _repository(project) if project == origin else _worktree(project, origin)
    for name in GUARDED:
        if os.path.lexists(project / name):
            words += ["--ro-bind", *(2 * [os.path.realpath(project / name)])]
    if sourced.exists():
        words += ["--ro-bind", str(sourced), str(sourced)]
    if report is not None:
        words += ["--bind", str(report), str(report)]
    return [*words, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--", *argv]


def _without_sockets() -> list[str]:
    words = []
    if os.path.isdir(RUN):
        words += ["--tmpfs", RUN]
        names = os.path.realpath(NAMES)
        if names.startswith(f"{RUN}/") and os.path.isfile(names):
            words += ["--ro-bind", names, names]
    for name in SOCKETS:
        socket = os.path.realpath(os.path.expanduser(name))
        if os.path.exists(socket) and not socket.startswith(f"{RUN}/"):
            words += ["--ro-bind", "/dev/null", socket]
    return words


def _repository(project: Path) -> list[str]:
    """Make `.git` a place that cannot be renamed, and its hooks one that can be guarded.

    Else it could be moved away and a copy with other hooks put in its place.
    """
    folder = os.path.realpath(project / ".git")
    if not os.path.isdir(folder) or not Path(folder).is_relative_to(os.path.realpath(project)):
        return []
    with suppress(OSError):
        os.makedirs(f"{folder}/hooks", exist_ok=True)
    return ["--bind", folder, folder]


def _worktree(project: Path, origin: Path) -> list[str]:
    """Let git write where all worktrees of the repository keep what they have, but for what starts programs.

    That place is the one of *origin*: what the worktree itself says of it may have been written in the sandbox.
    """
    found = [folder / ".git" for folder in (origin, *origin.parents) if (folder / ".git").is_dir()]
    if not found:
        return []
    repository = os.path.realpath(found[0])
    words = ["--bind", repository, repository]
    for guarded in (f"{repository}/hooks", f"{repository}/config", os.path.realpath(project / ".git")):
        if os.path.lexists(guarded):
            words += ["--ro-bind", guarded, guarded]
    return words


def remark(output: str, settings: ShellSettings) -> str:
    """Return what to say of a command that failed, if the sandbox may be why."""
    if settings.sandbox == "off":
        return ""
    signs = ["Read-only file system"]
    if not settings.network:
        signs += ["Network is unreachable", "Could not resolve", "name resolution", "Name or service not known"]
    if not any(sign in output for sign in signs):
        return ""
    network = "" if settings.network else " and has no network"
    return f"[The command ran in a sandbox: it may write in the project and in /tmp only{network}.]"


def health(settings: ShellSettings) -> str | None:
    """Say what is wrong with the sandbox that the settings ask for."""
    if settings.sandbox == "off":
        return None
    program = shutil.which(PROGRAM)
    if program is None:
        return f"{MISSING}. Until then no command runs"
    words = [program, *MACHINE, "--unshare-pid", "--unshare-net", "true"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap cannot be run: {error}"
    if done.returncode:
        return f"bubblewrap does not work here: {done.stderr.strip() or done.returncode}"
    return None
