"""Runs the calls of one message by their claims; exactly one result per call, in source order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from pegboard.messages import ToolCall
from pegboard.tools import Claims

Result = TypeVar("Result")


async def run_calls(
    calls: Sequence[ToolCall],
    claims: Sequence[Claims],
    run: Callable[[ToolCall], Awaitable[Result]],
    skip: Callable[[ToolCall, str], Awaitable[Result]],
    *,
    at_once: int,
    hold: Callable[[], str],
) -> list[Result]:
    """Run every call as soon as no earlier one that is not finished conflicts with it.

    Before each start *hold* is asked; a reason from it means that no further call starts: the rest is *skip*ped.
    When this is cancelled, all that run are cancelled and waited for (`run` gives its result then too), the
    others are skipped, and CancelledError is raised again; so is whatever *run* raises.
    """
    if len(calls) == 1:
        reason = hold()
        return [await (skip(calls[0], reason) if reason else run(calls[0]))]
    batch = _Batch(calls, claims, run, skip, at_once, hold)
    try:
        await batch.work()
    except BaseException:  # cancelled; or the journal takes no more, and nothing may go on running
        await batch.stop()
        raise
    return [batch.results[place] for place in range(len(calls))]


class _Batch(Generic[Result]):
    """The calls of one message at work.

    A task runs call after call. Before each it sees to it that another one stands by, which begins with what may run
    beside it as soon as it waits for something: calls that never wait need two tasks, however many they are.
    """

    def __init__(
        self,
        calls: Sequence[ToolCall],
        claims: Sequence[Claims],
        run: Callable[[ToolCall], Awaitable[Result]],
        skip: Callable[[ToolCall, str], Awaitable[Result]],
        at_once: int,
        hold: Callable[[], str],
    ) -> None:
        self.calls, self.claims, self.run, self.skip = calls, claims, run, skip
        self.at_once, self.hold = at_once, hold
        self.results: dict[int, Result] = {}
        self.running: set[int] = set()
        self.waiting = list(range(len(calls)))
        self.writes = any(one.writes for one in claims)
        self.tasks: set[asyncio.Task[None]] = set()
        self.stands_by = False
        self.stopped = False
        self.ended = asyncio.Event()

    async def work(self) -> None:
        self.stand_by()
        while self.tasks:
            await self.ended.wait()
            self.ended.clear()
            for task in [task for task in self.tasks if task.done()]:
                self.tasks.discard(task)
                task.result()
        if self.waiting:
            await self.skip_rest(self.hold() or "the turn was stopped")

    def stand_by(self) -> None:
        """Have a task that begins with the next call, if there is one that may begin now."""
        if self.stands_by or len(self.running) >= self.at_once or self.next_place() is None:
            return
        self.stands_by = True
        task = asyncio.create_task(self.some())
        self.tasks.add(task)
        task.add_done_callback(lambda _: self.ended.set())

    async def some(self) -> None:
        """Run calls until none may begin."""
        self.stands_by = False
        while len(self.running) < self.at_once and (place := self.next_place()) is not None:
            self.waiting.remove(place)
            self.running.add(place)
            self.stand_by()
            self.results[place] = await self.run(self.calls[place])
            self.running.discard(place)

    def next_place(self) -> int | None:
        """Return the first call that may begin now."""
        if not self.waiting or self.stopped or self.hold():
            return None
        if not self.writes:
            return self.waiting[0]
        return next((place for place in self.waiting if not self.must_wait(place)), None)

    def must_wait(self, place: int) -> bool:
        unfinished = [other for other in (*self.running, *self.waiting) if other < place]
        return any(self.claims[place].conflicts(self.claims[other]) for other in unfinished)

    async def skip_rest(self, reason: str) -> None:
        for place in self.waiting:
            self.results[place] = await self.skip(self.calls[place], reason)
        self.waiting.clear()

    async def stop(self) -> None:
        """Cancel what runs and give everything that has not begun its result."""
        self.stopped = True
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        await self.skip_rest("interrupted")
