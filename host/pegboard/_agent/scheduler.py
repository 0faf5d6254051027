"""Runs the calls of one message by their claims; exactly one result per call, in source order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from pegboard._board.waiting import start_task
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
        self.running: dict[asyncio.Task[None], int] = {}
        self.waiting = list(range(len(calls)))
        self.writes = any(one.writes for one in claims)

    async def work(self) -> None:
        while self.waiting or self.running:
            self.start_what_can()
            if not self.running:
                if self.waiting:
                    await self.skip_rest(self.hold() or "the turn was stopped")
                return
            done, _ = await asyncio.wait(self.running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self.running.pop(task, None)
                task.result()

    def start_what_can(self) -> None:
        for place in list(self.waiting):
            if len(self.running) >= self.at_once or self.hold():
                return
            if not self.must_wait(place):
                self.waiting.remove(place)
                task = start_task(self.one(place))
                if task.done():
                    task.result()
                else:
                    self.running[task] = place

    def must_wait(self, place: int) -> bool:
        if not self.writes:
            return False
        unfinished = [other for other in (*self.running.values(), *self.waiting) if other < place]
        return any(self.claims[place].conflicts(self.claims[other]) for other in unfinished)

    async def one(self, place: int) -> None:
        self.results[place] = await self.run(self.calls[place])

    async def skip_rest(self, reason: str) -> None:
        for place in self.waiting:
            self.results[place] = await self.skip(self.calls[place], reason)
        self.waiting.clear()

    async def stop(self) -> None:
        """Cancel what runs and give everything that has not begun its result."""
        for task in self.running:
            task.cancel()
        if self.running:
            await asyncio.wait(self.running)
        await self.skip_rest("interrupted")
