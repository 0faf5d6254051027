"""One program that stays up: a JSON line in, a JSON line out, one event at a time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from pegboard_builtins.wire_hooks.runners.capture import CHUNK, KEPT
from pegboard_builtins.wire_hooks.runners.command import Launch
from pegboard_builtins.wire_hooks.runners.lookout import exit_descriptor, wait_in_thread
from pegboard_builtins.wire_hooks.runners.process import (
    GRACE,
    RUNNING,
    kill_all_at_exit,
    open_pipe,
    spawn,
    wait_status,
)
from pegboard_builtins.wire_hooks.runners.tree import ProcessTree

VARIABLE = "PEGBOARD_HOOK_WORKER"
LOG_LINES = 50
EARLY = 0.001
"""Seconds by which a timer may fire before its time."""


class WorkerFailedError(Exception):
    """A worker gave no answer; the text says why. It is not to be asked again."""


class Worker:
    """A running program. Whoever starts one also ends it.

    It is `fit` as long as every event that it was given was answered by exactly one line: a line too many would be
    taken for the answer to the next event.
    """

    def __init__(self, launch: Launch) -> None:
        """Start it. Raises OSError."""
        theirs_in, self._in = os.pipe()
        fds = [theirs_in, self._in]
        try:
            self._out, theirs_out = open_pipe()
            fds += [self._out, theirs_out]
            self._err, theirs_err = open_pipe()
            fds += [self._err, theirs_err]
            pid = spawn(
                launch.argv, theirs_in, theirs_out, theirs_err, folder=str(launch.folder), environment=launch.variables
            )
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        for fd in (theirs_in, theirs_out, theirs_err):
            os.close(fd)
        os.set_blocking(self._in, False)
        self.fit = True
        self.status: int | None = None
        self.log: deque[bytes] = deque(maxlen=LOG_LINES)
        self.tree = ProcessTree(pid)
        self._pid = pid
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bytes] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._closed = False
        RUNNING[pid] = self
        kill_all_at_exit()
        self._pidfd = exit_descriptor(pid)
        if self._pidfd >= 0:
            self._loop.add_reader(self._pidfd, self._reap)
        else:
            wait_in_thread(pid, self._loop, self._reap)
        self._loop.add_reader(self._out, self._read)
        self._loop.add_reader(self._err, self._read_log)

    # --- asking ------------------------------------------------------------------------------------------

    async def ask(self, line: bytes, seconds: float) -> dict[str, Any]:
        """Return the answer to one event. Raises WorkerFailedError, and TimeoutError; both leave it unfit."""
        if self.status is not None or not self.fit:
            raise WorkerFailedError(self._how_it_ended())
        self.fit = False  # until it has answered: whoever cancels us leaves it in the middle of something
        self._answer = answer = self._loop.create_future()
        self._deadline = deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > deadline:
            self._set_timer(deadline)
        try:
            await self._write(line)
            text = await answer
        finally:
            self._answer = None
        found = _object(text)
        self.fit = self.status is None
        return found

    async def _write(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            try:
                view = view[os.write(self._in, view) :]
            except BlockingIOError:
                await self._writable()
            except OSError:  # it has closed its stdin, or ended: its end is told to who waits for the answer
                return
            if self._answer is not None and self._answer.done():
                return

    async def _writable(self) -> None:
        assert self._answer is not None
        ready = asyncio.Event()
        self._loop.add_writer(self._in, ready.set)
        self._answer.add_done_callback(lambda _: ready.set())
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(self._in)

    def _set_timer(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._look_at_the_time)

    def _look_at_the_time(self) -> None:
        """Fail if it is late. One timer for many events: it is set anew when it fires, and not for each event."""
        self._timer = None
        if self._answer is None:
            return
        if self._deadline - self._loop.time() > EARLY:
            self._set_timer(self._deadline)
        else:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        self.fit = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _read(self) -> None:
        try:
            data = os.read(self._out, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._out)
            # A moment later, because most often it has ended, and its exit code says more.
            self._loop.call_later(0.02, self._fail, WorkerFailedError("it closed its stdout"))
            return
        self._parts.append(data)
        self._size += len(data)
        if b"\n" in data:
            self._take_line()
        elif self._size > KEPT:
            self._fail(WorkerFailedError(f"it printed more than {KEPT >> 20} MB without a line's end"))

    def _take_line(self) -> None:
        line, _, rest = b"".join(self._parts).partition(b"\n")
        self._parts.clear()
        self._size = 0
        if self._answer is None or self._answer.done() or rest:
            self._fail(WorkerFailedError("it printed more than one line for an event"))
        else:
            self._answer.set_result(line)

    def _read_log(self) -> None:
        try:
            data = os.read(self._err, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.log.extend(data.splitlines())
        else:
            self._loop.remove_reader(self._err)

    # --- ending ------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        if self.status is None:
            self.status = wait_status(self._pid)
        if self.status is None:
            return
        RUNNING.pop(self._pid, None)
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        # What it said before it ended may still be in the pipe; its end is told after that.
        self._loop.call_soon(self._fail, WorkerFailedError(self._how_it_ended()))

    def _how_it_ended(self) -> str:
        said = b" ".join(list(self.log)[-1:]).decode(errors="replace").strip()
        ended = f"it ended with exit code {self.status}" if self.status is not None else "it was left in mid-answer"
        return f"{ended}: {said[:300]}" if said else ended

    async def end(self) -> None:
        """Let it end by itself (its stdin ends), then end it with all that it started."""
        self.fit = False
        self._close_stdin()
        try:
            deadline = self._loop.time() + GRACE
            while self.status is None and self._loop.time() < deadline:
                await asyncio.sleep(0.005)
            if self.status is None:
                await self.tree.end(GRACE)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.fit = False
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self.status is None:
            self.tree.signal(signal.SIGKILL)
        self._close_stdin()
        for fd in (self._out, self._err):
            self._loop.remove_reader(fd)
            os.close(fd)

    def _close_stdin(self) -> None:
        if self._in >= 0:
            with suppress(OSError):
                os.close(self._in)
            self._in = -1


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = from_json(text)
    except ValueError:
        raise WorkerFailedError(f"it answered no JSON: {text[:200].decode(errors='replace')!r}") from None
    if not isinstance(found, dict):
        raise WorkerFailedError(f"it answered no JSON object: {text[:200].decode(errors='replace')!r}")
    return found
