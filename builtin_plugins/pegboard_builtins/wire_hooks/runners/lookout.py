"""Sees what many programs do (they end, they print, they are late) through one descriptor and one timer of the loop."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

PATIENCE = 0.01
"""Seconds before a program's pipes are watched: many hooks end sooner, and theirs are read once, when they have.

Also how often the timer fires at most: it is left alone when the program that it was set for has ended, since to take
it back and to set it anew costs more than to be woken for nothing now and then.
"""
EARLY = 0.0005
"""Seconds by which a timer may fire before its time."""
AT_ONCE = 64


class Waits(Protocol):
    """A program that somebody waits for: what it printed is read from `patience` on, and it is late at `deadline`."""

    patience: float
    deadline: float

    def watch(self) -> None: ...
    def wake(self) -> None: ...


class Lookout:
    """For the programs of one loop. Made in it; `close` it there.

    To have the loop look at a descriptor costs it more than everything else that it does for a short program, and each
    of three timers as much again. So it looks at one only, which stands for all of ours, and has one timer.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._calls: dict[int, Callable[[], object]] = {}
        self._waiting: dict[Waits, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        if self._epoll is not None:
            self.loop.add_reader(self._epoll.fileno(), self._look)

    # --- descriptors -------------------------------------------------------------------------------------

    def add(self, fd: int, call: Callable[[], object]) -> None:
        """Have *call* called whenever *fd* can be read."""
        self._calls[fd] = call
        if self._epoll is not None:
            self._epoll.register(fd, select.EPOLLIN)
        else:
            self.loop.add_reader(fd, call)

    def remove(self, fd: int) -> None:
        """Forget a descriptor, before it is closed; one that is not known is fine."""
        if self._calls.pop(fd, None) is None:
            return
        if self._epoll is not None:
            self._epoll.unregister(fd)
        else:
            self.loop.remove_reader(fd)
        if self._closed and not self._calls:
            self._shut()

    def _look(self) -> None:
        assert self._epoll is not None
        for fd, _ in self._epoll.poll(0, AT_ONCE):
            call = self._calls.get(fd)
            if call is not None:  # what was called before it may have removed it
                call()

    def for_exit(self, pid: int, ended: Callable[[], object]) -> int:
        """Have *ended* called when a program has; return the descriptor that tells it, -1 where a thread waits."""
        fd = exit_descriptor(pid)
        if fd >= 0:
            self.add(fd, ended)
        else:
            wait_in_thread(pid, self.loop, ended)
        return fd

    # --- time --------------------------------------------------------------------------------------------

    def begin(self, process: Waits, seconds: float) -> None:
        """Somebody waits for a program, for so many seconds at most."""
        now = self.loop.time()
        process.patience, process.deadline = now + PATIENCE, now + seconds
        self._waiting[process] = None
        self._set_timer(min(process.patience, process.deadline))

    def finish(self, process: Waits) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(process, None)
        if not self._waiting and self._timer is not None and self._timer.when() > process.patience:
            self._timer.cancel()  # it is for a deadline, which may be minutes away
            self._timer = None

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._look_at_the_time)

    def _look_at_the_time(self) -> None:
        self._timer = None
        now = self.loop.time() + EARLY
        following = []
        for process in list(self._waiting):
            if process.patience <= now:
                process.watch()
            if process.deadline <= now:
                process.wake()
            else:
                following.append(process.deadline if process.patience <= now else process.patience)
        if following:
            self._set_timer(min(following))

    # --- its end -----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of everything once nothing is looked at any more."""
        self._closed = True
        if not self._calls:
            self._shut()

    def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._epoll is not None and not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


def exit_descriptor(pid: int) -> int:
    """Return a descriptor that can be read once a program has ended, -1 where there are none."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # a system without them, or too many open files
        return -1


def wait_in_thread(pid: int, loop: asyncio.AbstractEventLoop, ended: Callable[[], object]) -> None:
    """Have *ended* called in the loop when a program has ended."""

    def wait() -> None:
        with suppress(OSError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with suppress(RuntimeError):  # the loop is gone, and nobody waits any more
            loop.call_soon_threadsafe(ended)

    threading.Thread(target=wait, name=f"wait for hook {pid}", daemon=True).start()
