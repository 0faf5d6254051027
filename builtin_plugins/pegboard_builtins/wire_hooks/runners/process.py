"""One hook program: spawned close to the floor, waited for, and ended with all that it started."""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Protocol

from pydantic_core import from_json

from pegboard_builtins.wire_hooks.runners.capture import Capture, NewFile
from pegboard_builtins.wire_hooks.runners.lookout import Lookout
from pegboard_builtins.wire_hooks.runners.tree import ProcessTree

DRAIN = 0.1
"""Seconds that the output of a program which has ended may still take to arrive, if somebody else holds its pipe."""
GRACE = 0.2
"""Seconds between the polite signal and the last one."""
SMALLEST_PIPE = 1 << 12
"""Bytes that go into every pipe, also where its owner has too many of them."""
PIPE = 1 << 16
LARGEST_PIPE = 1 << 20
RESTORED = tuple(
    getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)
)  # Python ignores them; programs expect them


class HookProcess:
    """A running program. Whoever starts one also awaits `end`, on every way out, or calls `let_go` once it has ended.

    What counts is the program's own end, and not that of its pipes, which a grandchild may hold open. `listens` says
    that `wait` shall come back, too, when its first line says that it goes on by itself.
    """

    __slots__ = (
        *("_change", "_lookout", "_pidfd", "_watching"),
        *("_tree", "deadline", "listens", "patience", "pid", "status", "stderr", "stdout"),
    )

    def __init__(self, pid: int, stdout: Capture, stderr: Capture, lookout: Lookout) -> None:
        self.pid = pid
        self.status: int | None = None
        self.stdout = stdout
        self.stderr = stderr
        self._tree: ProcessTree | None = None
        self.listens = False
        self.deadline = self.patience = 0.0
        self._lookout = lookout
        self._watching = False
        self._change: asyncio.Future[None] | None = None
        self._pidfd = lookout.for_exit(pid, self._reap)
        RUNNING[pid] = self
        kill_all_at_exit()

    @property
    def tree(self) -> ProcessTree:
        """All that it started."""
        if self._tree is None:
            self._tree = ProcessTree(self.pid)
        return self._tree

    # --- its end -----------------------------------------------------------------------------------------

    def _reap(self) -> None:
        """The program has ended: take its status."""
        if self.status is not None:
            return
        self.status = wait_status(self.pid)
        if self.status is None:
            return
        RUNNING.pop(self.pid, None)
        if self._pidfd >= 0:
            self._lookout.remove(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self.wake()

    async def wait(self, seconds: float) -> bool:
        """Wait until the program ends, reading what it prints; False if it has not after so many seconds."""
        if self.status is None:
            self._change = self._lookout.loop.create_future()
            self._lookout.begin(self, seconds)
            try:
                await self._change
            finally:
                self._lookout.finish(self)
        return self.status is not None

    def wake(self) -> None:
        """Let who waits look again."""
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    def has_all(self) -> bool:
        """Take what is there of its output; whether nobody can print any more."""
        out, err = self.stdout, self.stderr
        out.take_rest()
        err.take_rest()
        return out.ended and err.ended

    async def drain(self) -> None:
        """Take the rest of the output: what is there, and what still comes within a moment."""
        if self.has_all():
            return
        self.watch()
        loop = self._lookout.loop
        deadline = loop.time() + DRAIN
        while not (self.stdout.ended and self.stderr.ended) and loop.time() < deadline:
            self._change = loop.create_future()
            timer = loop.call_at(deadline, self.wake)
            try:
                await self._change
            finally:
                timer.cancel()

    async def end(self) -> None:
        """End it and all that it started, unless it has ended: TERM, a short grace, KILL. Lets go of its pipes."""
        try:
            if self.status is None:
                await self.tree.end(GRACE)
                if self.status is None:
                    self._change = self._lookout.loop.create_future()
                    await asyncio.wait([self._change], timeout=GRACE)
        finally:
            # Without waiting for anything, so that it happens even if we are cancelled a second time.
            if self.status is None:
                self.tree.kill()
                self._reap()
            self.let_go()

    def let_go(self) -> None:
        """Close its pipes."""
        for capture in (self.stdout, self.stderr):
            if self._watching:
                self._unwatch(capture)
            capture.close()

    # --- its output --------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Read its output as it comes, so that it never waits for us."""
        if self._watching:
            return
        self._watching = True
        for capture in (self.stdout, self.stderr):
            if not capture.ended and capture.fd >= 0:
                self._lookout.add(capture.fd, partial(self._read, capture))

    def _read(self, capture: Capture) -> None:
        capture.take()
        if capture.ended or capture.endless:
            self._unwatch(capture)
            if capture.endless or self.status is not None:
                self.wake()
        if self.listens and self.status is None and self.goes_on():
            self.wake()

    def goes_on(self) -> bool:
        """Whether its first line is `{"async": true}`: nobody should wait for it (hook-contract 1.6)."""
        line = self.stdout.first_line()
        if line is None or b'"async"' not in line:
            return False
        try:
            said = from_json(line)
        except ValueError:
            return False
        return isinstance(said, dict) and said.get("async") is True

    def _unwatch(self, capture: Capture) -> None:
        if capture.fd >= 0:
            self._lookout.remove(capture.fd)


# --- starting -------------------------------------------------------------------------------------------


def start(
    argv: Sequence[str],
    *,
    given: bytes,
    folder: str,
    environment: Mapping[str, str] | Mapping[bytes, bytes],
    new_file: NewFile,
    lookout: Lookout,
) -> HookProcess:
    """Start a program in a session of its own and without a terminal; *given* is its stdin. Raises OSError."""
    stdin = stdin_of(given)
    ends = [stdin]
    try:
        out, theirs_out = open_pipe(large=len(given) > PIPE)  # what is given is long: so may the answer be
        ends += out, theirs_out
        err, theirs_err = open_pipe()
        ends += err, theirs_err
        pid = spawn(argv, stdin, theirs_out, theirs_err, folder=folder, environment=environment)
    except BaseException:
        for fd in ends:
            os.close(fd)
        raise
    os.close(stdin)
    os.close(theirs_out)
    os.close(theirs_err)
    process = HookProcess(pid, Capture(out, new_file, "stdout"), Capture(err, new_file, "stderr"), lookout)
    if len(given) > PIPE // 2:
        process.watch()
    return process


def spawn(
    argv: Sequence[str],
    stdin: int,
    stdout: int,
    stderr: int,
    *,
    folder: str,
    environment: Mapping[str, str] | Mapping[bytes, bytes],
) -> int:
    """Start a program with these three files, as the leader of a session; return its number. Raises OSError.

    posix_spawn knows no folder, so it serves where the host stands in the right one already, which is nearly always;
    else Popen does, which takes a little longer. Both start without a fork, whatever the host's size.
    """
    if stands_in(folder) and min(stdin, stdout, stderr) > 2:
        moves = [
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, stderr, 2),
            *_not_handed_on(),
        ]
        try:
            return os.posix_spawn(
                argv[0], list(argv), environment, file_actions=moves, setsid=True, setsigdef=RESTORED, setsigmask=()
            )
        except NotImplementedError:  # a system whose posix_spawn makes no session
            pass
    process = subprocess.Popen(
        argv, stdin=stdin, stdout=stdout, stderr=stderr, cwd=folder, env=dict(environment), start_new_session=True
    )
    process.returncode = 0  # it is ours to wait for: without this the object would, when it goes
    return process.pid


def stands_in(folder: str) -> bool:
    """Whether the host's own folder is this one, and there."""
    try:
        return os.getcwd() == folder
    except OSError:
        return False


def stdin_of(given: bytes) -> int:
    """Return an open file from which *given* can be read, and then its end: nobody has to write while it runs.

    A pipe that holds all of it; a file in memory or on disk where it is too long for one.
    """
    size = len(given)
    if size <= LARGEST_PIPE:
        ready = _stdin_pipe(given)
        if ready >= 0:
            return ready
    handle = _nameless_file()
    try:
        view = memoryview(given)
        while view:
            view = view[os.write(handle, view) :]
        os.lseek(handle, 0, os.SEEK_SET)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("pegboard-hook")
    handle, name = tempfile.mkstemp(prefix="pegboard-hook-")
    os.unlink(name)
    return handle


def _stdin_pipe(given: bytes) -> int:
    """Return a pipe's reading end with all of it inside; -1 where it does not fit."""
    ours, theirs = os.pipe()
    try:
        if len(given) > PIPE:
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, LARGEST_PIPE)
        if len(given) > SMALLEST_PIPE:
            os.set_blocking(theirs, False)
        if os.write(theirs, given) == len(given):
            return ours
    except (OSError, AttributeError):
        pass
    finally:
        os.close(theirs)
    os.close(ours)
    return -1


def open_pipe(*, large: bool = False) -> tuple[int, int]:
    """Return a pipe's two ends: ours, which never waits, and theirs."""
    ours, theirs = os.pipe()
    if large:
        with suppress(OSError, AttributeError):
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, LARGEST_PIPE)
    os.set_blocking(ours, False)
    return ours, theirs


@cache
def _not_handed_on() -> list[tuple[int, int]]:
    """Return the moves that close what this process itself was started with, beside stdin, stdout and stderr.

    Files that Python opens are closed in programs anyway; these are no business of a hook, and one that lives on
    would hold a pipe of whoever started us.
    """
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []
    return [(os.POSIX_SPAWN_CLOSE, fd) for fd in sorted(numbers) if fd > 2 and _is_handed_on(fd)]


def _is_handed_on(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


# --- waiting --------------------------------------------------------------------------------------------


def wait_status(pid: int) -> int | None:
    """Return the exit status as a shell says it (128 + N for signal N); None while it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 255  # somebody else waited for it
    if not found:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


class Leads(Protocol):
    """A program that leads others."""

    @property
    def tree(self) -> ProcessTree: ...


RUNNING: dict[int, Leads] = {}
"""What was started here and has not ended, by its leader's number."""


@cache
def kill_all_at_exit() -> None:
    """See to it that nothing outlives this process; once, and not before the first hook."""
    atexit.register(kill_all)


def kill_all() -> None:
    """End what still runs, without waiting: the last resort, for what a broken loop left behind."""
    for one in list(RUNNING.values()):
        one.tree.kill()
