"""Calls a tool of an MCP server; what it says is read like a program's output."""

from __future__ import annotations

import asyncio
import time

from pegboard.errors import PegboardError, did_you_mean
from pegboard.messages import ToolResult
from pegboard.tools import mcp_tool_name
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.runners.asking import asking, no_session, silent, substituted


class McpToolRunner:
    """Runs mcp_tool handlers through the host's tool chokepoint. The server must be connected already."""

    async def run(self, handler: Handler, job: Job) -> RawResult:
        """Call it once, for `job.seconds` at most. A tool that is not there, or fails, decides nothing."""
        if job.ctx is None:
            return no_session()
        began = time.perf_counter()
        name = mcp_tool_name(handler.server, handler.tool)
        if name not in job.ctx.tools:
            servers = [known for known in job.ctx.tools if known.startswith("mcp__")]
            hint = did_you_mean(name, servers) or " Is its server connected?"
            return RawResult(exit=None, error=f"there is no tool {name}.{hint}")
        with asking(handler) as may:
            if not may:
                return silent(job)
            try:
                async with asyncio.timeout(job.seconds):
                    result = _result(await job.ctx.invoke(name, substituted(handler.input, job.facts)))
            except TimeoutError:
                result = RawResult(exit=None, timed_out=True)
            except PegboardError as error:
                result = RawResult(exit=None, error=str(error))
        result.milliseconds = (time.perf_counter() - began) * 1e3
        return result


def _result(result: ToolResult) -> RawResult:
    text = result.text
    if result.is_error:
        return RawResult(exit=None, error=f"the tool failed: {text[:500]}")
    return RawResult(stdout=text)
