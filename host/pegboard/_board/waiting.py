"""Waiting with a deadline: in place where that is possible, as a task where several wait side by side."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

FAR = 12 * 3600.0
"""Seconds: a deadline so far away gets no timer, which costs as much as a hook. It belongs to who keeps its own."""
GRACE = 0.2
"""Seconds that something cancelled has to clean up before it is left behind."""


class LateError(Exception):
    """What was awaited missed its deadline. `left` says that it ate its cancellation and was left where it is."""

    def __init__(self, *, left: bool) -> None:
        self.left = left
        super().__init__("late")


def being_cancelled() -> bool:
    """Whether the running task itself was cancelled: else a CancelledError comes from what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@types.coroutine
def go_on(steps: Any, waits_for: Any, seconds: float | None, *, strict: bool = True) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that was stepped once in this task, for *seconds* at most. Raises LateError.

    It stays in the task of its first step, because `asyncio.timeout` and task groups remember that one. At the
    deadline it is cancelled; if it still waits for something a grace later, it is not stepped any more. *strict*
    refuses an answer that was late although it came: the timer cannot fire while the coroutine computes.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    ends = None if seconds is None else loop.time() + seconds
    limit = _Limit(loop, task, ends) if seconds is not None and ends is not None and seconds < FAR else None
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:
                waits_for = steps.throw(error)
                if limit is not None and limit.cancels > 1:
                    raise LateError(left=True) from None
            else:
                waits_for = steps.send(sent)
    except StopIteration as end:
        if (limit is not None and limit.cancels) or (strict and ends is not None and loop.time() > ends):
            raise LateError(left=False) from None
        return end.value
    except asyncio.CancelledError:
        if limit is not None and limit.cancels and task.cancelling() <= limit.cancels:
            raise LateError(left=False) from None
        raise
    finally:
        if limit is not None:
            limit.close()


class _Limit:
    """Cancels a task at its deadline, and again after each grace until it is closed.

    An object and not a function within: one that sets itself anew knows itself, and whatever else it knows would stay
    until the collector looks for cycles.
    """

    __slots__ = ("_loop", "_task", "_timer", "cancels")

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], ends: float) -> None:
        self.cancels = 0
        self._loop = loop
        self._task = task
        self._timer = loop.call_at(ends, self._cancel)

    def _cancel(self) -> None:
        self.cancels += 1
        self._timer = self._loop.call_later(GRACE, self._cancel)
        self._task.cancel()

    def close(self) -> None:
        self._timer.cancel()
        for _ in range(self.cancels):
            self._task.uncancel()


@types.coroutine
def within(seconds: float, work: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """Await *work* for *seconds* at most; a timer is set only if it waits at all. Raises LateError."""
    steps = work.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as end:
        return end.value
    return (yield from go_on(steps, waits_for, seconds, strict=False))  # work that was done is not thrown away


def start_task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a coroutine as a task of its own, from Python 3.12 on without a turn of the loop if it never waits."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=loop, eager_start=True)
    return loop.create_task(work)


async def until_each_deadline(
    pending: dict[asyncio.Future[None], float | None], late: Callable[[asyncio.Future[None]], None]
) -> None:
    """Wait for all; *pending* has each one's deadline (the loop's time). Who misses it is cancelled, and *late* told.

    One timer for the earliest deadline, not one each. When this is cancelled, all of them are.
    """
    loop = asyncio.get_running_loop()
    pending = {future: deadline for future, deadline in pending.items() if not future.done()}
    try:
        while pending:
            deadlines = [deadline for deadline in pending.values() if deadline is not None]
            timeout = max(0.0, min(deadlines) - loop.time()) if deadlines else None
            await asyncio.wait(pending, timeout=timeout)
            now = loop.time()
            for future, deadline in list(pending.items()):
                if future.done():
                    del pending[future]
                elif deadline is not None and deadline <= now:
                    del pending[future]
                    future.cancel()
                    late(future)
    except asyncio.CancelledError:
        for future in pending:
            future.cancel()
        if pending:
            await asyncio.wait(pending, timeout=GRACE)
        raise
