"""The runners: one per type of handler, in a table, opened together and closed together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.job import Job, RawResult, Runner

if TYPE_CHECKING:
    from pegboard_builtins.wire_hooks.runners.worker import WorkerRunner


def _command() -> Runner:
    from pegboard_builtins.wire_hooks.runners.command import CommandRunner

    return CommandRunner()


def _http() -> Runner:
    from pegboard_builtins.wire_hooks.runners.http import HttpRunner

    return HttpRunner()


def _function() -> Runner:
    from pegboard_builtins.wire_hooks.runners.function import FunctionRunner

    return FunctionRunner()


def _prompt() -> Runner:
    from pegboard_builtins.wire_hooks.runners.prompt import PromptRunner

    return PromptRunner()


def _agent() -> Runner:
    from pegboard_builtins.wire_hooks.runners.agent import AgentRunner

    return AgentRunner()


def _mcp_tool() -> Runner:
    from pegboard_builtins.wire_hooks.runners.mcp_tool import McpToolRunner

    return McpToolRunner()


RUNNERS: Mapping[HandlerType, Callable[[], Runner]] = {
    HandlerType.COMMAND: _command,
    HandlerType.HTTP: _http,
    HandlerType.FUNCTION: _function,
    HandlerType.PROMPT: _prompt,
    HandlerType.AGENT: _agent,
    HandlerType.MCP_TOOL: _mcp_tool,
}
"""What makes the runner of each type; it is imported when the first handler of its type is run."""


LARGEST_BLOCK = 4 << 20


class Runners:
    """Runs handlers of every type. Made by `open_runners`, which closes it."""

    def __init__(self) -> None:
        self._opened: dict[HandlerType, Runner] = {}
        self._workers: WorkerRunner | None = None

    def run(self, handler: Handler, job: Job) -> Coroutine[Any, Any, RawResult]:
        """Run one handler for one event. Raises only CancelledError, and leaves nothing running then."""
        if handler.worker and handler.type is HandlerType.COMMAND:
            return self._warm().run(handler, job)
        runner = self._opened.get(handler.type)
        if runner is None:
            runner = self._opened[handler.type] = RUNNERS[handler.type]()
        return runner.run(handler, job)

    async def end_session(self, session_id: str) -> None:
        """End what is kept for one session: its workers."""
        if self._workers is not None:
            await self._workers.end_session(session_id)

    def _warm(self) -> WorkerRunner:
        if self._workers is None:
            from pegboard_builtins.wire_hooks.runners.command import CommandRunner
            from pegboard_builtins.wire_hooks.runners.worker import WorkerRunner

            self._workers = WorkerRunner(CommandRunner())
        return self._workers

    async def close(self) -> None:
        """Close all that was opened; one that fails does not keep the others open."""
        opened: list[Any] = [*self._opened.values(), self._workers]
        closing = [runner.close() for runner in opened if hasattr(runner, "close")]
        self._opened, self._workers = {}, None
        await asyncio.gather(*closing, return_exceptions=True)


@asynccontextmanager
async def open_runners() -> AsyncIterator[Runners]:
    """Open the runners; on the way out nothing of theirs is left running."""
    # Reads ask for 256 KB and more. While malloc's threshold for mmap is at its default, each such block is mapped and
    # unmapped; having freed a larger one once raises it, and takes a third off a round trip over a socket.
    bytearray(LARGEST_BLOCK)
    runners = Runners()
    try:
        yield runners
    finally:
        await runners.close()
