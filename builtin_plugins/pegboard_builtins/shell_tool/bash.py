"""Bash: one command, in the session's working folder."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import READS_ANYTHING, Claims, tool
from pegboard.typed import fact
from pegboard_builtins.shell_tool.analysis import meaning, only_reads
from pegboard_builtins.shell_tool.background import SHELLS
from pegboard_builtins.shell_tool.live import Live
from pegboard_builtins.shell_tool.process import ShellProcess
from pegboard_builtins.shell_tool.sandbox import remark, sandboxed
from pegboard_builtins.shell_tool.script import argv, env_file, environment, reported_folder
from pegboard_builtins.shell_tool.settings import ShellSettings

DEFAULT_TIMEOUT = 120_000
MAX_TIMEOUT = 600_000


def _claims(given: dict[str, Any], cwd: Path) -> Claims:
    reads = not given.get("run_in_background") and only_reads(str(given["command"]))
    return READS_ANYTHING if reads else Claims.alone()


@tool(name="Bash", claims=_claims, egress=("shell",), timeout=MAX_TIMEOUT / 1000 + 30)
async def bash(
    command: Annotated[str, fact(description="The command to run.")],
    ctx: Ctx,
    description: Annotated[str | None, fact(description="What it does, in five to ten words.")] = None,
    timeout: Annotated[int | None, fact(ge=1, description="Milliseconds it may take; at most 600000.")] = None,
    run_in_background: Annotated[
        bool, fact(description="Come back at once; BashOutput then shows what it prints.")
    ] = False,
) -> ToolResult:
    """Run a command in bash.

    The working folder stays from one command to the next, variables do not. There is no terminal and no input:
    choose options that ask nothing. stdout and stderr come together. A command may take 120 seconds unless you say
    a timeout; then it is ended. Whatever it started is ended with it: start servers with run_in_background, not
    with `&`. To read, search, write and edit files use Read, Grep, Glob, Write and Edit.
    """
    folder, note = _folder(ctx)
    if run_in_background:
        if not ctx.flags["shell.background"]:
            raise ToolError("commands may not run in the background here (shell.background is off); run it and wait")
        process = _started(command, ctx, folder, report=None)
        shell = SHELLS.add(ctx.session_id, command, process, description or "")
        text = f"Command running in background with ID: {shell.id}. BashOutput shows what it prints, KillShell ends it."
        return ToolResult(content=_joined(text, note), data=_facts("", note, backgroundTaskId=shell.id))
    seconds = min(timeout or DEFAULT_TIMEOUT, MAX_TIMEOUT) / 1000
    live = Live(ctx)
    with _report() as report:
        process = _started(command, ctx, folder, report=report, hear=live.hear)
        try:
            in_time = await process.wait(seconds)
        finally:
            await process.end()
            live.end()
        if in_time and report is not None:
            note = _joined(note, _follow(ctx, folder, reported_folder(report)))
    output = process.output.take(final=True).rstrip("\n")
    if not in_time:
        return _timed_out(output, seconds, note)
    if process.status:
        note = _joined(note, remark(output, ctx.settings))
    return _result(command, output, process.status or 0, note)


@contextmanager
def _report() -> Iterator[Path | None]:
    """Give a file for the folder in which a command ends; None where no file can be made (then no `cd` lasts)."""
    try:
        handle, name = tempfile.mkstemp(prefix="pegboard-folder-")
    except OSError:
        yield None
        return
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _folder(ctx: Ctx) -> tuple[Path, str]:
    """Return where to run, and what to say about it."""
    folder = ctx.cwd
    if folder.is_dir():
        return folder, ""
    return ctx.workspace, _back_to_project(ctx, folder)


def _back_to_project(ctx: Ctx, gone: Path) -> str:
    if not ctx.workspace.is_dir():
        raise ToolError(f"Neither the working folder {gone} nor the project folder {ctx.workspace} exists any more.")
    if ctx.cwd != ctx.workspace:
        ctx.chdir(ctx.workspace)
    return f"The working folder {gone} does not exist any more; it is {ctx.workspace} from here on."


def _follow(ctx: Ctx, old: Path, new: Path | None) -> str:
    """Let the session go where the command went; return what to say about it."""
    if new is None or new == old:
        new = old
    if not new.is_dir():
        return _back_to_project(ctx, new)
    if new != old:
        ctx.chdir(new)
    return ""


def _started(
    command: str, ctx: Ctx, folder: Path, *, report: Path | None, hear: Callable[[bytes], None] | None = None
) -> ShellProcess:
    try:
        program = argv(command, sourced=env_file(ctx), report=report)
        settings: ShellSettings = ctx.settings
        if settings.sandbox != "off":
            scratch, sourced = ctx.folder / "tmp", env_file(ctx)
            program = sandboxed(
                program,
                settings,
                project=ctx.workspace,
                origin=ctx.project,
                scratch=scratch,
                sourced=sourced,
                report=report,
            )
        return ShellProcess(program, cwd=folder, environment=environment(ctx, folder), hear=hear)
    except ValueError as wrong:  # a NUL, or half a character
        raise ToolError(f"The command cannot be run: {wrong}.") from None
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise ToolError(
                f"The command is too long ({len(command)} characters). Write it to a file and run that."
            ) from None
        raise ToolError(f"The command cannot be started in {folder}: {error.strerror}.") from None


def _result(command: str, output: str, status: int, note: str) -> ToolResult:
    interpretation = meaning(command, status)
    if interpretation is not None:
        facts = _facts(output, note, returnCodeInterpretation=interpretation)
        return ToolResult(content=_joined(output, f"[{interpretation}]", note), data=facts)
    first = f"Exit code {status}" if status else ""
    text = _joined(first, output, note) or "(no output)"
    return ToolResult(content=text, data=_facts(output, note), is_error=status != 0)


def _timed_out(output: str, seconds: float, note: str) -> ToolResult:
    told = (
        f"Command timed out after {seconds:g} s and was ended. "
        f"Say a longer timeout (at most {MAX_TIMEOUT} ms), or use run_in_background."
    )
    facts = _facts(output, _joined(told, note), interrupted=True)
    return ToolResult(content=_joined(told, output, note), data=facts, is_error=True)


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _facts(stdout: str, notices: str, *, interrupted: bool = False, **more: str) -> dict[str, Any]:
    """The contract's tool_response: `stdout` has both streams, `stderr` what the host has to say."""
    return {
        "stdout": stdout,
        "stderr": notices,
        "interrupted": interrupted,
        "isImage": False,
        "noOutputExpected": False,
        **more,
    }
