"""BashOutput and KillShell: what a background command printed, and its end."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Annotated, Any

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import Claims, tool
from pegboard.typed import fact
from pegboard_builtins.shell_tool import line_filter
from pegboard_builtins.shell_tool.background import SHELLS

FILTER_SECONDS = 5.0


def _claim_shell(name: str) -> Any:
    # Each look takes the output away, so two of them at one shell must not overlap.
    return lambda given, cwd: Claims.write(f"shell:{given[name]}")


@tool(name="BashOutput", read_only=True, repeatable=False, claims=_claim_shell("bash_id"), egress=())
async def bash_output(
    bash_id: Annotated[str, fact(description="The ID that Bash gave.")],
    ctx: Ctx,
    filter: Annotated[
        str | None, fact(description="A regular expression: show only lines that match; all others are dropped.")
    ] = None,
) -> ToolResult:
    """Show what a background command printed since you last looked, and whether it still runs."""
    shell = SHELLS.get(ctx.session_id, bash_id)
    if filter:
        _check(filter)
    over = shell.task.done()
    text = shell.process.output.take(final=over)
    if filter:
        text = await _matching(text, filter)
    state, status = shell.state, shell.process.status if over else None
    head = f"Status: {state}" if status is None else f"Status: {state}, exit code {status}"
    facts: dict[str, Any] = {"output": text, "status": state}
    if status is not None:
        facts["exitCode"] = status
    return ToolResult(content=f"{head}\n{text.rstrip() or '(no new output)'}", data=facts)


def _check(pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as wrong:
        raise ToolError(f"{pattern!r} is no regular expression: {wrong}. Escape literal signs with \\.") from None


async def _matching(text: str, pattern: str) -> str:
    """Return the lines of *text* that match. Python's regular expressions cannot be ended, a program can."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-X", "utf8", line_filter.__file__, pattern),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(FILTER_SECONDS):
            output, _ = await process.communicate(text.encode())
    except TimeoutError:
        return f"[the filter took longer than {FILTER_SECONDS:g} s, so all lines are shown]\n{text}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode() if process.returncode == 0 else text


@tool(name="KillShell", repeatable=True, claims=_claim_shell("shell_id"), egress=())
async def kill_shell(
    shell_id: Annotated[str, fact(description="The ID that Bash gave.")],
    ctx: Ctx,
) -> ToolResult:
    """End a background command with all that it started."""
    shell = SHELLS.get(ctx.session_id, shell_id)
    if shell.task.done():
        raise ToolError(f"The background shell {shell_id} has ended already: {shell.state}.")
    await shell.end()
    message = f"Ended the background shell {shell_id} ({shell.command})"
    return ToolResult(content=message, data={"message": message, "shell_id": shell_id})
