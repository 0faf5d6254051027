"""What a program prints: its beginning in memory, and all of it in a file when it is long."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job

CHUNK = 1 << 16
AT_ONCE = 1 << 20
"""Bytes taken in one go, so that a program which prints without end leaves time to others."""
KEPT = 16 << 20
"""Bytes of one output that are kept in memory, to be read as an answer."""
MOST = 256 << 20
"""Bytes of one output after which it is called endless."""

NewFile = Callable[[str], Path]
"""Makes the file for a long output: "stdout" or "stderr"."""


class Capture:
    """One output of a program, read from the pipe *fd*, which it owns.

    `ended` is True once nobody can write any more. `endless` says that it printed more than anybody may. `file` is
    where all of it is, once it does not fit into memory; `problem` says why some of it is not even there.
    """

    __slots__ = ("_kept", "_new_file", "_out", "_what", "ended", "fd", "file", "problem", "size")

    def __init__(self, fd: int, new_file: NewFile, what: str) -> None:
        self.fd = fd
        self.ended = False
        self.size = 0
        self.file: Path | None = None
        self.problem = ""
        self._kept: list[bytes] = []
        self._new_file = new_file
        self._what = what
        self._out = -1

    @property
    def endless(self) -> bool:
        """Whether so much was printed that the rest is nobody's business."""
        return self.size > MOST

    def take(self) -> bool:
        """Take what is in the pipe now, within limits; whether anything came."""
        before = self.size
        while not self.ended and self.size - before < AT_ONCE:
            try:
                data = os.read(self.fd, AT_ONCE if self.size > CHUNK else CHUNK)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if data:
                self._add(data)
            else:
                self.ended = True
        return self.size > before

    def take_rest(self) -> None:
        """Take all that is in the pipe now: what fits into it, not what somebody who got away writes for ever."""
        for _ in range(2):
            if self.ended or not self.take():
                return

    def _add(self, data: bytes) -> None:
        self.size += len(data)
        if self._out < 0 and self.size <= KEPT:
            self._kept.append(data)
        elif not self.problem and not self.endless:
            self._spill(data)

    def _spill(self, data: bytes) -> None:
        try:
            if self._out < 0:
                self.file = self._new_file(self._what)
                self._out = os.open(self.file, os.O_WRONLY | os.O_APPEND)
                for part in self._kept:
                    _write(self._out, part)
            _write(self._out, data)
        except OSError as error:
            self.problem = f"the rest could not be saved: {error.strerror or error}"

    def text(self) -> str:
        """Return what is kept in memory; bytes that are no UTF-8 become U+FFFD."""
        if not self._kept:
            return ""
        return b"".join(self._kept).decode("utf-8", errors="replace")

    def first_line(self) -> bytes | None:
        """Return the first line without its end, None while there is none."""
        if not self._kept:
            return None
        head = self._kept[0]
        if b"\n" not in head and len(self._kept) > 1:
            head = b"".join(self._kept)
        line, found, _ = head.partition(b"\n")
        return line if found else None

    def close(self) -> None:
        """Let go of the pipe and of the file."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._out >= 0:
            os.close(self._out)
            self._out = -1


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def new_file(handler: Handler, job: Job, what: str) -> Path:
    """Make the file for a long output: beside the journal, or where there is none in /tmp."""
    if job.ctx is not None:
        return job.ctx.spill(f"hook-{handler.id}-{what}", "")
    handle, name = tempfile.mkstemp(prefix=f"pegboard-hook-{what}-", suffix=".txt")
    os.close(handle)
    return Path(name)
