"""The watchdog: names a plain `def` that keeps the loop to itself, and ends it where the interpreter can."""

from __future__ import annotations

import threading
import time
from typing import Any

from pegboard._board.breaking_in import Listener
from pegboard._board.forking import forks, watch

INTERVAL = 0.1
"""Seconds between two looks while a turn runs; a thread that looks ten times a second costs nothing to see."""


LATEST = 1000
"""Rounds of a loop within which an error that was sent to its own thread has been raised; CPython needs one."""


class OverrunError(BaseException):
    """Raised into a hook that overran. A BaseException, so that `except Exception` in the hook does not eat it."""


def raise_in(thread_id: int, error: type[BaseException]) -> None:
    """Raise *error* in another thread at its next bytecode. It takes the place of one that is still pending there."""
    _send(thread_id, error)
    take_back()  # until the other thread comes to it, this one would look for it as well


def take_back() -> None:
    """Let nothing be pending in this thread that `raise_in` has sent it.

    CPython 3.11 marks for all threads that some error waits, and only who receives one takes the mark away; meanwhile
    a call that is traced (by a debugger, coverage, hypothesis) looks for its error for ever and never begins. So what
    is pending is not replaced by NULL, which leaves the mark, but received. A thread that is still to receive its own
    sets the mark anew when it is next given the interpreter.
    """
    try:
        _send(threading.get_ident(), OverrunError)
        for _ in range(LATEST):
            pass
    except OverrunError:
        pass


def _send(thread_id: int, error: type[BaseException]) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(error))


class Watchdog:
    """Watches one event loop's thread. The dispatcher says whom it calls by setting `running` and `count`.

    `running` is what runs, or says when asked `who` does.

    The deadline is the `limit` of what runs; where that depends on the event, it is the one set here.

    No lock and no clock on the hot path: the thread looks now and then, and measures from when it first saw a call.
    """

    __slots__ = (
        "_busy",
        "_due",
        "_listener",
        "_lock",
        "_stopped",
        "_thread",
        "_wake",
        "count",
        "forks",
        "limit",
        "named",
        "running",
        "thread_id",
    )

    def __init__(self) -> None:
        self.running: Any = None
        self.limit: float | None = None
        self.count = 0
        self.named: list[str] = []
        self.thread_id = threading.get_ident()
        watch()
        self.forks = forks.count
        self._busy = 0
        self._stopped = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._due: tuple[Any, int] | None = None
        self._listener: Listener | None = None

    def enter(self) -> None:
        """A turn begins: look from now on."""
        self.thread_id = threading.get_ident()
        if self._listener is None:
            self._listener = Listener(self._end)
        self._busy += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="pegboard-watchdog", daemon=True)
            self._thread.start()
        if self._busy == 1:
            self._wake.set()

    def leave(self) -> None:
        """A turn is over."""
        self._busy -= 1
        if self._busy == 0:
            self._wake.clear()

    def close(self) -> None:
        """End the thread."""
        self._stopped = True
        self._wake.set()

    def settle(self) -> None:
        """Take back an error that was raised too late to hit its hook. Call it after a hook that overran."""
        with self._lock:
            self.running = None
        take_back()

    def _end(self) -> None:
        """End what was found to overrun, if that still runs; called in the main thread itself."""
        due, self._due = self._due, None
        if due is not None and self._who() is due[0] and self.count == due[1]:
            raise OverrunError

    def _who(self) -> Any:
        who = getattr(self.running, "who", None)
        return self.running if who is None else who()

    def _watch(self) -> None:
        seen: Any = None
        seen_count = -1
        since = 0.0
        while True:
            self._wake.wait()
            if self._stopped:
                return
            time.sleep(INTERVAL)
            running, count = self._who(), self.count
            limit = getattr(running, "limit", None)
            if callable(limit):
                limit = self.limit
            now = time.monotonic()
            if running is None or limit is None:
                seen = None
            elif running is not seen or count != seen_count:
                seen, seen_count, since = running, count, now
            elif now - since > limit:
                with self._lock:
                    # Look again: it may have ended while we waited for the lock.
                    if self._who() is running and self.count == count:
                        self.named.append(str(running))
                        self._due = running, count
                        if self._listener is None or not self._listener.send(self.thread_id):
                            self._due = None
                            raise_in(self.thread_id, OverrunError)
                seen = None
