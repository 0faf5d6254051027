"""What is run for a command: the shell, its environment, and how the working folder comes back."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from pegboard.context import Ctx


def env_file(ctx: Ctx) -> Path:
    """Return the file of a session and its sub-agents that is sourced before each command.

    It is what hooks find as `CLAUDE_ENV_FILE`; it exists once one of them has written to it.
    """
    return ctx.transcript.with_suffix("") / "env.sh"


def shell() -> str:
    """Return bash, or sh where there is none."""
    return shutil.which("bash") or shutil.which("sh") or "/bin/sh"


def argv(command: str, *, sourced: Path, report: Path | None) -> list[str]:
    """Return the program for *command*: *sourced* is read first, and *report* gets the folder in which it ends."""
    lines = []
    if report is not None:
        # In a trap, because the command may say `exit`; `>|` because it may say `set -C`.
        lines.append(f"trap {shlex.quote(f'command pwd >| {shlex.quote(str(report))} 2>/dev/null')} EXIT")
    if sourced.exists():
        file = shlex.quote(str(sourced))
        lines.append(f"if [ -r {file} ]; then . {file}; fi")
    # By eval, so that a syntax error is told with the command's own line numbers.
    lines.append(f"eval {shlex.quote(command)}")
    return [shell(), "-c", "\n".join(lines)]


def environment(ctx: Ctx, folder: Path) -> dict[str, str]:
    """Return the environment of a command: the host's, without its telemetry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    kept.pop("OLDPWD", None)
    # A shell believes PWD if it is the folder it stands in: so a folder that was reached by a link keeps its name.
    session = ctx.parents[0] if ctx.parents else ctx.session_id
    ours = {
        "PWD": str(folder),
        "CLAUDECODE": "1",
        "CLAUDE_CODE_CHILD_SESSION": "1",
        "CLAUDE_PID": str(os.getpid()),
        "CLAUDE_CODE_SESSION_ID": session,
        "PEGBOARD_SESSION_ID": session,
    }
    if ctx.all_settings.model.effort:
        ours["CLAUDE_EFFORT"] = ctx.all_settings.model.effort
    # Last in PATH: what a plugin folder brings takes nobody's name.
    programs = [str(one.root / "bin") for one in ctx.all_settings.plugin_folders if (one.root / "bin").is_dir()]
    if programs:
        ours["PATH"] = os.pathsep.join([kept.get("PATH", os.defpath), *programs])
    return {**kept, **ours, **ctx.child_environment()}


def reported_folder(report: Path) -> Path | None:
    """Return the folder that a command ended in; None if it did not say, or not in letters."""
    try:
        text = os.fsdecode(report.read_bytes()).removesuffix("\n")
        text.encode()
    except (OSError, UnicodeEncodeError):
        return None
    return Path(text) if text.startswith("/") else None
