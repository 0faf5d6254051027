"""Awaits a stranger's coroutine in the task that asks for it, for so long at most."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

GRACE = 0.2
"""Seconds that it has to clean up when its time is over; then it is left behind."""
LONGER_GRACE = 1.0
"""The same where its task was cancelled and nobody can tell by whom: a time limit of its own does so, too."""


OUT_OF_NOWHERE = "it raised CancelledError, though nobody cancelled it"


class LateError(Exception):
    """It missed its deadline; the text says what became of it. A TimeoutError of its own is another matter."""


@types.coroutine
def awaited(work: Coroutine[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
    """Return what *work* comes to. Raises LateError, and what it raises.

    It has a context of its own, but no task: one that never waits is done with its first step, and a task costs more
    than all else that is done for such a function. It stays in the task of that step, because `asyncio.timeout` and
    task groups remember it. What still waits a grace after it was cancelled is not stepped any more, so that it keeps
    neither the loop from closing nor the host from ending.
    """
    run = copy_context().run
    try:
        waits_for = run(work.send, None)
    except StopIteration as end:
        return end.value
    except asyncio.CancelledError as cancelled:
        raise RuntimeError(OUT_OF_NOWHERE) from cancelled
    limit = _Limit(seconds)
    try:
        while True:
            try:
                sent = yield waits_for
            except asyncio.CancelledError as cancelled:
                if limit.is_over:
                    raise
                limit.heed()
                waits_for = run(work.throw, cancelled)
            except BaseException as error:
                waits_for = run(work.throw, error)
            else:
                waits_for = run(work.send, sent)
    except StopIteration as end:
        limit.judge("it was cancelled")
        return end.value
    except asyncio.CancelledError as cancelled:
        limit.judge("it ignored its cancellation and was left behind" if limit.is_over else "it was cancelled")
        raise RuntimeError(OUT_OF_NOWHERE) from cancelled
    finally:
        limit.close()


class _Limit:
    """Cancels the task that made it when its time is over, and once more after a grace: then it `is_over`."""

    def __init__(self, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._before = task.cancelling()
        self._ours = 0
        self._loop = asyncio.get_running_loop()
        self._grace: asyncio.TimerHandle | None = None
        self._timer = self._loop.call_later(seconds, self._late)
        self.is_over = False

    @property
    def _is_cancelled(self) -> bool:
        """Whether somebody else wants the task to end: a time limit that has done its work has taken that back."""
        return self._task.cancelling() > self._before + self._ours

    def _late(self) -> None:
        self._ours += 1
        self._task.cancel()

    def heed(self) -> None:
        """The work is about to be told that its task was cancelled: it must come to its end."""
        if self._ours and self._grace is None:
            self._grace = self._loop.call_later(GRACE, self._give_up)
        elif self._is_cancelled and self._grace is None:
            self._grace = self._loop.call_later(LONGER_GRACE, self._give_up)

    def _give_up(self) -> None:
        self._grace = None
        if self._ours or self._is_cancelled:
            self.is_over = True
            self._late()

    def judge(self, what: str) -> None:
        """The work has ended: raise what became of it, unless it may have answered in time."""
        if self._is_cancelled:
            raise asyncio.CancelledError
        if self._ours:
            raise LateError(what)

    def close(self) -> None:
        """Take back what it has done to the task."""
        self._timer.cancel()
        if self._grace is not None:
            self._grace.cancel()
        for _ in range(self._ours):
            self._task.uncancel()
