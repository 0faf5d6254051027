"""One shell command: started, read, waited for, and ended with all that it started."""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import signal
import subprocess
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from pegboard_builtins.shell_tool.family import GRACE, MARK, Family
from pegboard_builtins.shell_tool.guard import GUARD
from pegboard_builtins.shell_tool.output import Output

DRAIN = 0.1
"""Seconds that a finished command's output may still take to arrive."""
CHUNK = 1 << 16

_running: weakref.WeakSet[ShellProcess] = weakref.WeakSet()


class ShellProcess:
    """A running command. Whoever starts one also awaits `end`, on every way out.

    `exited` is done when the program is: the program, not its pipe, which a grandchild may hold open.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        hear: Callable[[bytes], None] | None = None,
    ) -> None:
        """Start it, in a session of its own and without a terminal; *hear* gets what it prints, too. Raises OSError."""
        loop = asyncio.get_running_loop()
        self.output = Output()
        self._hear = hear
        self.exited: asyncio.Future[int] = loop.create_future()
        self._silent: asyncio.Future[None] = loop.create_future()
        self._pipe, theirs = os.pipe()
        mark = secrets.token_hex(8)
        _kill_all_at_exit()
        GUARD.watch(mark)  # before it is there, and so before we can be killed while nobody knows of it
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                cwd=cwd,
                env={**environment, MARK: mark},
                start_new_session=True,
            )
        except BaseException:
            GUARD.leave(mark)
            os.close(self._pipe)
            raise
        finally:
            os.close(theirs)
        self._loop = loop
        self._ended = False
        self._family = Family(self._process.pid, mark)
        GUARD.watch(self._family.name, instead_of=mark)
        os.set_blocking(self._pipe, False)
        loop.add_reader(self._pipe, self._read)
        _running.add(self)
        threading.Thread(target=self._wait, name=f"wait for {self._process.pid}", daemon=True).start()

    @property
    def status(self) -> int | None:
        """The exit status as a shell says it (128 + N for signal N); None while it runs."""
        return self.exited.result() if self.exited.done() else None

    async def wait(self, seconds: float | None) -> bool:
        """Wait until the program ends; False if it has not after so many seconds."""
        done, _ = await asyncio.wait([self.exited], timeout=seconds)  # unlike wait_for, leaves the future alone
        return bool(done)

    async def end(self) -> None:
        """Take the rest of the output, then end all that is left of it: TERM, a short grace, KILL."""
        if self._ended:
            return
        self._ended = True
        try:
            if self.exited.done():
                await asyncio.wait([self._silent], timeout=DRAIN)
            await self._end_politely()
        finally:
            # Without waiting for anything, so that it happens even if we are cancelled a second time.
            self.kill()
            self._close_pipe()

    async def _end_politely(self) -> None:
        if not self._family.signal(signal.SIGTERM):
            return
        self._family.signal(signal.SIGCONT)  # a stopped process gets no other signal before this one
        pause = 0.002
        deadline = self._loop.time() + GRACE
        while self._loop.time() < deadline:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)
            if not self._family.is_alive():
                break
        else:
            self.kill()
        await asyncio.wait([self.exited], timeout=GRACE)

    def kill(self) -> None:
        """End all of it at once."""
        self._family.kill()
        GUARD.leave(self._family.name)
        _running.discard(self)

    def _wait(self) -> None:
        """In a thread of its own: child watchers differ between versions and loops, waiting does not."""
        status = self._process.wait()
        shell_status = status if status >= 0 else 128 - status
        try:
            self._loop.call_soon_threadsafe(self._set_exited, shell_status)
        except RuntimeError:
            pass  # the loop is gone, and nobody waits any more

    def _set_exited(self, status: int) -> None:
        if not self.exited.done():
            self.exited.set_result(status)

    def _read(self) -> bool:
        """Take one piece of output; whether there may be more."""
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self.output.add(data)
            if self._hear is not None:
                self._hear(data)
            return True
        self._loop.remove_reader(self._pipe)
        if not self._silent.done():
            self._silent.set_result(None)
        return False

    def _close_pipe(self) -> None:
        for _ in range(64):  # what is in the pipe now, not what somebody who got away writes for ever
            if self._silent.done() or not self._read():
                break
        self._loop.remove_reader(self._pipe)
        if not self._silent.done():
            self._silent.set_result(None)
        os.close(self._pipe)


@cache
def _kill_all_at_exit() -> None:
    """Once per process, and not before the first command: importing this does nothing."""
    atexit.register(_kill_all)


def _kill_all() -> None:
    """At exit: the last resort for what a broken loop left behind."""
    for process in list(_running):
        process.kill()
    GUARD.close()
