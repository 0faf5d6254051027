"""Threads that can be left behind: daemons, used again while they answer, abandoned when they hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any

Job = tuple[Callable[[], Any], Context, asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Threads:
    """A pool without a size: a free thread is used again, else one is started.

    The library's pools wait for their threads when the interpreter ends; a tool that hangs would hold the process.
    """

    def __init__(self) -> None:
        self._free: list[SimpleQueue[Job | None]] = []
        self.started = 0

    def run(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call in a thread, with the caller's context variables. The future may be cancelled: the thread goes on."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        inbox = self._free.pop() if self._free else self._start()
        inbox.put((call, copy_context(), loop, future))
        return future

    def close(self) -> None:
        """Let the free threads end."""
        while self._free:
            self._free.pop().put(None)

    def _start(self) -> SimpleQueue[Job | None]:
        inbox: SimpleQueue[Job | None] = SimpleQueue()
        self.started += 1
        threading.Thread(target=self._work, args=(inbox,), name=f"pegboard-tool-{self.started}", daemon=True).start()
        return inbox

    def _work(self, inbox: SimpleQueue[Job | None]) -> None:
        while (job := inbox.get()) is not None:
            call, context, loop, future = job
            try:
                result, error = context.run(call), None
            except BaseException as caught:
                result, error = None, caught
            try:
                loop.call_soon_threadsafe(self._finish, inbox, future, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return
            del job, call, context, future, result, error

    def _finish(
        self, inbox: SimpleQueue[Job | None], future: asyncio.Future[Any], result: Any, error: BaseException | None
    ) -> None:
        self._free.append(inbox)
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):  # a future refuses it
            future.set_exception(RuntimeError("StopIteration"))
        else:
            future.set_exception(error)
