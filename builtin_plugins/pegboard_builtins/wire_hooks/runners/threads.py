"""Calls of plain functions: in a thread that can be left behind, or here and watched."""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

LOOK = 0.05
"""Seconds between two looks while functions are called."""
IDLE_LOOKS = 20
LATEST = 1000
"""Rounds of a loop within which an error that was sent to its own thread has been raised; CPython needs one."""


class OverrunError(BaseException):
    """Raised into a function that overran. A BaseException, so that its own `except Exception` does not eat it."""


class InThreads:
    """Daemon threads, used again while they answer; one that hangs is left behind and does not hold the process."""

    def __init__(self) -> None:
        self._free: list[SimpleQueue[Callable[[], None] | None]] = []

    def run(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call in a thread, with the caller's context variables."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        inbox = self._free.pop() if self._free else self._start()
        context = copy_context()

        def work() -> None:
            try:
                result, error = context.run(call), None
            except BaseException as caught:  # a SystemExit too: it ends neither the thread nor the host
                result, error = None, caught
            try:
                loop.call_soon_threadsafe(finish, result, error)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        def finish(result: Any, error: BaseException | None) -> None:
            self._free.append(inbox)
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error if isinstance(error, Exception) else RuntimeError(f"{error!r}"))

        inbox.put(work)
        return future

    def close(self) -> None:
        """Let the free threads end."""
        while self._free:
            self._free.pop().put(None)

    def _start(self) -> SimpleQueue[Callable[[], None] | None]:
        inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

        def work() -> None:
            while (job := inbox.get()) is not None:
                job()
                del job

        threading.Thread(target=work, name="pegboard-hook-function", daemon=True).start()
        return inbox


class Watched:
    """Calls on the loop's own thread, watched by another, which raises into a call that overruns.

    No lock and no clock on the way of a call: the watcher looks now and then, and measures from when it first saw a
    call. It cannot end what does not come back to Python: `time.sleep`, a request to a server.
    """

    def __init__(self) -> None:
        self._running: object = None
        self._count = 0
        self._limit = 0.0
        self._raised = False
        self._awake = False
        self._closed = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop_thread = 0

    def call(self, function: Callable[[Any], Any], given: Any, seconds: float) -> Any:
        """Return `function(given)`. Raises OverrunError, and what it raises."""
        self._count += 1
        self._limit = seconds
        self._loop_thread = threading.get_ident()
        self._running = function
        if not self._awake:
            self._wake_up()
        try:
            return function(given)
        finally:
            self._running = None
            if self._raised:
                self._settle()

    def close(self) -> None:
        """End the watcher."""
        self._closed = True
        self._wake.set()

    def _wake_up(self) -> None:
        self._awake = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="pegboard-hook-watch", daemon=True)
            self._thread.start()
        self._wake.set()

    def _settle(self) -> None:
        """Take back an error that was raised too late to hit its function."""
        with self._lock:
            self._raised = False
        _take_back()

    def _watch(self) -> None:
        seen_count, since, idle = -1, 0.0, 0
        while True:
            self._wake.wait()
            if self._closed:
                return
            time.sleep(LOOK)
            count, now = self._count, time.monotonic()
            idle = idle + 1 if count == seen_count and self._running is None else 0
            if idle > IDLE_LOOKS:
                self._wake.clear()
                self._awake = False
                if self._running is None:
                    idle = 0
                    continue
                self._awake = True  # somebody called while we went to sleep
                self._wake.set()
            if count != seen_count:
                seen_count, since = count, now
            elif self._running is not None and now - since > self._limit:
                with self._lock:
                    if self._running is not None and self._count == count:  # it may have ended meanwhile
                        self._raised = True
                        _raise_in(self._loop_thread, OverrunError)
                since = now


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise *error* in another thread at its next bytecode. It takes the place of one that is still pending there."""
    _send(thread, error)
    _take_back()  # until the other thread comes to it, this one would look for it as well


def _take_back() -> None:
    """Let no OverrunError be pending in this thread.

    It is received, and not replaced by NULL: CPython 3.11 marks for all threads that some error waits, and only who
    receives one takes the mark away. Meanwhile a call that is traced (by a debugger, coverage, hypothesis) never
    begins.
    """
    try:
        _send(threading.get_ident(), OverrunError)
        for _ in range(LATEST):
            pass
    except OverrunError:
        pass


def _send(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
