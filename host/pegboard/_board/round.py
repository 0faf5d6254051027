"""The implementations of one dispatch that are not plain: how those that wait are waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from time import perf_counter_ns
from types import coroutine
from typing import Any

from pegboard._board.caught import describe, pass_on
from pegboard._board.forking import end_if_forked
from pegboard._board.outcomes import Failure
from pegboard._board.plan import Impl
from pegboard._board.waiting import GRACE, LateError, go_on, start_task, until_each_deadline
from pegboard._board.watchdog import OverrunError, Watchdog
from pegboard.context import Ctx
from pegboard.errors import HookTimeoutError


class Round:
    """The implementations of one dispatch that are not plain: stepped in place, in a thread, or as tasks.

    The first coroutine that waits goes on in the task that called it; only those after it get tasks of their own.
    """

    __slots__ = ("_answers", "_dog", "_first", "_ns", "_tasks", "in_place", "left")

    def __init__(self, answers: list[Any], ns: list[int], first: int, left: list[str], dog: Watchdog) -> None:
        self._dog = dog
        self._answers = answers
        self._ns = ns
        self._first = first
        self.in_place: tuple[int, Impl, Coroutine[Any, Any, Any], Any, float | None, int] | None = None
        self._tasks: dict[asyncio.Future[None], tuple[int, Impl, float | None]] = {}
        self.left = left  # the dispatcher's own: some are found out only a grace after the round

    @property
    def waits(self) -> bool:
        """Whether somebody has not answered yet."""
        return self.in_place is not None or bool(self._tasks)

    def start(self, place: int, impl: Impl, ctx: Ctx, args: tuple[Any, ...], limit: float | None) -> None:
        """Call one implementation, as far as it goes without waiting. Raises what it raises."""
        if impl.options.blocking:
            self._tasks[self._in_thread(place, impl, ctx, args)] = (place, impl, limit)
        elif not impl.is_async:
            self._answers[place] = impl.call(*args, ctx)
        elif self.in_place is None:
            began = perf_counter_ns()
            coroutine = impl.call(*args, ctx)
            try:
                waits_for = coroutine.send(None)
            except StopIteration as end:
                self._answers[place] = end.value
            else:
                self.in_place = (place, impl, coroutine, waits_for, limit, began)
        else:
            task = start_task(self._as_task(place, impl, ctx, args, limit))
            if not task.done():
                self._tasks[task] = (place, impl, limit)

    async def finish(self) -> list[Any]:
        """Wait for all, each until its own deadline; return the answers."""
        end_if_forked(self._dog.forks)
        loop = asyncio.get_running_loop()
        now = loop.time()
        pending = {task: None if limit is None else now + limit for task, (_, _, limit) in self._tasks.items()}
        if self.in_place is None:
            await until_each_deadline(pending, self._late)
            return self._answers
        others = loop.create_task(until_each_deadline(pending, self._late)) if pending else None
        try:
            await self._go_on(*self.in_place)
            if others is not None:
                await others
        except BaseException:
            if others is not None:
                others.cancel()
                await asyncio.wait([others])
            raise
        return self._answers

    async def _go_on(
        self, place: int, impl: Impl, coroutine: Any, waits_for: Any, limit: float | None, began: int
    ) -> None:
        try:
            self._answers[place] = await go_on(Steps(coroutine, impl, self._dog), waits_for, limit)
        except OverrunError:
            self._missed(place, impl, limit)
        except LateError as late:
            self._missed(place, impl, limit)
            if late.left:
                self.left.append(str(impl))
        except BaseException as error:
            pass_on(error)
            self._answers[place] = Failure(describe(error))
        self._ns[self._first + place] = perf_counter_ns() - began

    async def _as_task(self, place: int, impl: Impl, ctx: Ctx, args: tuple[Any, ...], limit: float | None) -> None:
        began = perf_counter_ns()
        me = asyncio.current_task()
        assert me is not None
        try:
            answer = await Steps(impl.call(*args, ctx), impl, self._dog).all()
        except OverrunError:
            self._missed(place, impl, limit)
            return
        except BaseException as error:  # also SystemExit, which would end the loop
            pass_on(error)
            answer = Failure(describe(error))
        if me.cancelling():
            return  # it ate its cancellation: too late, whatever it says now
        if limit is not None and perf_counter_ns() - began > limit * 1e9:
            self._missed(place, impl, limit)  # it computed past its deadline, and no timer could fire
            return
        self._answers[place] = answer
        if self._first + place < len(self._ns):
            self._ns[self._first + place] = perf_counter_ns() - began

    def _in_thread(self, place: int, impl: Impl, ctx: Ctx, args: tuple[Any, ...]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        context = copy_context()

        def finish(answer: Any) -> None:
            if not done.done():
                self._answers[place] = answer
                done.set_result(None)

        def run() -> None:
            try:
                answer = context.run(impl.call, *args, ctx)
            except BaseException as error:
                answer = Failure(describe(error))
            try:
                loop.call_soon_threadsafe(finish, answer)
            except RuntimeError:  # the loop has ended: nobody waits any more
                pass

        threading.Thread(target=run, name=f"pegboard-{impl}", daemon=True).start()
        return done

    def _late(self, future: asyncio.Future[None]) -> None:
        place, impl, limit = self._tasks[future]
        self._missed(place, impl, limit)

        def look() -> None:
            if not future.done() or impl.options.blocking:
                self.left.append(str(impl))

        asyncio.get_running_loop().call_later(GRACE, look)

    def _missed(self, place: int, impl: Impl, limit: float | None) -> None:
        self._answers[place] = Failure(str(HookTimeoutError(impl.plugin, impl.hook, limit or 0)), timeout=True)


class Steps:
    """A coroutine whose every step the watchdog sees: also who has waited once can hold the loop afterwards."""

    __slots__ = ("_dog", "_impl", "_steps")

    def __init__(self, steps: Coroutine[Any, Any, Any], impl: Impl, dog: Watchdog) -> None:
        self._steps = steps
        self._impl = impl
        self._dog = dog

    def send(self, value: Any) -> Any:
        """Go on with a value."""
        self._begin()
        try:
            return self._steps.send(value)
        finally:
            self._end()

    def throw(self, error: BaseException) -> Any:
        """Go on with an error."""
        self._begin()
        try:
            return self._steps.throw(error)
        finally:
            self._end()

    @coroutine
    def all(self) -> Generator[Any, Any, Any]:
        """Take every step; return what the coroutine returns."""
        try:
            waits_for = self.send(None)
            while True:
                try:
                    sent = yield waits_for
                except BaseException as error:
                    waits_for = self.throw(error)
                else:
                    waits_for = self.send(sent)
        except StopIteration as end:
            return end.value

    def _end(self) -> None:
        self._dog.running = None
        end_if_forked(self._dog.forks)

    def _begin(self) -> None:
        self._dog.count += 1
        self._dog.running = self._impl
