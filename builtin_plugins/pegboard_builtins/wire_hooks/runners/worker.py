"""Runs programs that stay up between events, and runs them cold where that does not work."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import field, replace
from typing import Any

from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.runners.command import CannotRunError, CommandRunner, Launch
from pegboard_builtins.wire_hooks.runners.warm import VARIABLE, Worker, WorkerFailedError

FAILURES = 3
"""After so many in a row a handler runs cold for the rest of the session."""

Key = tuple[str, str, str]
Stamp = tuple[int, int, int] | None


@dataclass(slots=True)
class Place:
    """Where one handler's worker stands in one session; it is empty until the first event, and after a failure."""

    handler: Handler
    worker: Worker | None = None
    launch: Launch | None = None
    stamp: Stamp = None
    failures: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_cold(self) -> bool:
        """Whether nobody tries to keep it warm any more."""
        return self.failures >= FAILURES


class WorkerRunner:
    """Keeps a program per handler and session; one event at a time, in the order in which they came."""

    def __init__(self, cold: CommandRunner) -> None:
        self._cold = cold
        self._places: dict[Key, Place] = {}

    async def run(self, handler: Handler, job: Job) -> RawResult:
        """Ask the worker; if it gives no answer, run the program once as every other host would."""
        began = time.perf_counter()
        place = await self._place(handler, job)
        if place.is_cold:
            return await self._cold.run(handler, job)
        deadline = asyncio.get_running_loop().time() + job.seconds
        if place.turn.locked():
            try:
                async with asyncio.timeout(job.seconds):
                    await place.turn.acquire()
            except TimeoutError:
                return _late(began, "it was busy with earlier events")
        else:
            await place.turn.acquire()  # it is free: this does not wait
        try:
            return await self._ask(place, job, deadline, began)
        finally:
            place.turn.release()

    async def _ask(self, place: Place, job: Job, deadline: float, began: float) -> RawResult:
        loop = asyncio.get_running_loop()
        left = deadline - loop.time()
        try:
            worker = self._worker(place, job)
            answer = await worker.ask(job.line, left)
        except CannotRunError as cannot:
            cannot.result.milliseconds = (time.perf_counter() - began) * 1e3
            return cannot.result
        except TimeoutError:
            self._failed(place, job, f"it gave no answer within {left:.3g} s")
            return _late(began, "the worker was ended; the next event starts a new one")
        except (WorkerFailedError, OSError) as failed:
            self._failed(place, job, str(failed))
            return await self._run_cold(place, job, deadline, began, str(failed))
        except BaseException:
            self._drop(place)  # it is in the middle of an answer that nobody wants any more
            raise
        place.failures = 0
        return _result(answer, began)

    async def _run_cold(self, place: Place, job: Job, deadline: float, began: float, why: str) -> RawResult:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return _late(began, why)
        result = await self._cold.run(place.handler, replace(job, seconds=left))
        result.note = f"its worker failed ({why}), so it ran cold"
        result.milliseconds = (time.perf_counter() - began) * 1e3
        return result

    # --- places ------------------------------------------------------------------------------------------

    async def _place(self, handler: Handler, job: Job) -> Place:
        key = (handler.id, job.session_id, str(job.project))
        place = self._places.get(key)
        if place is None or (place.handler is not handler and place.handler != handler):
            if place is not None:
                await self._end([place])  # the settings say something else now
            place = self._places[key] = Place(handler)
        return place

    def _worker(self, place: Place, job: Job) -> Worker:
        """Return a worker that is fit, started if need be, also when its script has changed. Raises CannotRunError."""
        worker = place.worker
        if worker is not None and worker.fit and (place.launch is None or place.stamp == _stamp(place.launch)):
            return worker
        self._drop(place)
        place.launch = launch = Launch(place.handler, job, {VARIABLE: "1"})
        if launch.resolution.problem:
            raise WorkerFailedError(launch.resolution.problem)
        place.stamp = _stamp(launch)
        place.worker = Worker(launch)
        return place.worker

    def _failed(self, place: Place, job: Job, why: str) -> None:
        self._drop(place)
        place.failures += 1
        if job.ctx is not None:
            job.ctx.log.warning("the worker of hook %s failed: %s", place.handler.id, why)
            if place.is_cold:
                job.ctx.notice(
                    f"the hook {place.handler.label!r} ({place.handler.where}) failed as a worker {FAILURES} times "
                    f"in a row and runs cold from here on; the last time: {why}",
                    level="warning",
                )

    def _drop(self, place: Place) -> None:
        if place.worker is not None:
            place.worker.kill()
            place.worker = None

    async def end_session(self, session_id: str) -> None:
        """End the workers of a session."""
        await self._end([self._places.pop(key) for key in list(self._places) if key[1] == session_id])

    async def close(self) -> None:
        """End all workers."""
        places, self._places = list(self._places.values()), {}
        await asyncio.gather(self._end(places), self._cold.close())

    async def _end(self, places: list[Place]) -> None:
        workers = [place.worker for place in places if place.worker is not None]
        for place in places:
            place.worker = None
        try:
            await asyncio.gather(*(worker.end() for worker in workers))
        finally:
            for worker in workers:
                worker.kill()


def _stamp(launch: Launch) -> Stamp:
    script = launch.resolution.script
    if script is None:
        return None
    try:
        found = os.stat(script)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _result(answer: dict[str, Any], began: float) -> RawResult:
    """Take out what a cold program would have said beside its stdout."""
    status, stderr = answer.pop("exit", 0), answer.pop("stderr", "")
    return RawResult(
        exit=status if isinstance(status, int) else 1,
        stderr=stderr if isinstance(stderr, str) else "",
        answer=answer,
        milliseconds=(time.perf_counter() - began) * 1e3,
    )


def _late(began: float, note: str) -> RawResult:
    return RawResult(exit=None, timed_out=True, note=note, milliseconds=(time.perf_counter() - began) * 1e3)
