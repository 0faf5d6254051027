"""A server as a program that is spoken to over its standard input and output.

The package has such a transport, too; this one reads no line without an end into memory, keeps what the program says on
its standard error, and ends its whole process group, whatever it did.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from pegboard_builtins.mcp.pace import Pace

PIECE = 65_536
GRACE = 1.0
"""Seconds that a program has to end by itself once its input is closed, and again after SIGTERM."""
ERROR_LINES = 20
ERROR_LINE = 400


class Said:
    """The last that a program said on its standard error, or on its output where that was no message."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=ERROR_LINES)
        self.ended = ""
        """Why nothing is read from it any more; empty while it runs."""
        self.over = asyncio.Event()
        """Set as soon as nothing is read from it any more."""

    def add(self, line: bytes) -> None:
        """Keep a line."""
        text = line[:ERROR_LINE].decode(errors="replace").rstrip()
        if text:
            self._lines.append(text)

    @property
    def last(self) -> str:
        """The last line."""
        return self._lines[-1] if self._lines else ""

    @property
    def lines(self) -> list[str]:
        """The last lines."""
        return list(self._lines)


@asynccontextmanager
async def pipes(
    argv: Sequence[str], *, env: dict[str, str], cwd: Path, max_message: int, said: Said
) -> AsyncIterator[tuple[Any, Any]]:
    """Start a program and yield the streams of messages from it and to it. Raises OSError if it cannot be started."""
    process, alive = await _started(argv, env, cwd)
    tasks: list[asyncio.Task[None]] = []
    to_us, from_it = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_it, from_us = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        tasks += [
            asyncio.create_task(_read(process, to_us, max_message, said), name="pegboard-mcp-read"),
            asyncio.create_task(_write(process, from_us), name="pegboard-mcp-write"),
            asyncio.create_task(_listen(process, said), name="pegboard-mcp-stderr"),
        ]
        yield from_it, to_it
    finally:
        # Whoever cancels us must not cancel this: the group would be left running.
        ending = asyncio.ensure_future(_end(process, tasks))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            _kill(process, signal.SIGKILL)
            await asyncio.wait([ending], timeout=GRACE)
            raise
        finally:
            os.close(alive)
            for stream in (to_us, from_it, to_it, from_us):
                stream.close()


WATCH = """read -r _ < "/dev/fd/$0"; kill -s KILL -- "-$1\""""
WATCHED = f"""/bin/sh -c '{WATCH}' "$1" "$$" < /dev/null > /dev/null 2>&1 & shift; exec "$@\""""
"""Beside the program a shell waits for the end of a pipe that nobody writes to; then it kills the whole group."""


async def _started(argv: Sequence[str], env: dict[str, str], cwd: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Start a program, and return it with a descriptor: once that is closed, the program's whole group is killed.

    Which the kernel does for us where we are killed ourselves: a program that does not heed the end of its input would
    stay for ever.
    """
    program = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=env.get("PATH"))
    if program is None or not os.path.exists(cwd / program):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
    pipe = asyncio.subprocess.PIPE
    ended, alive = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", WATCHED, "sh", str(ended), program, *argv[1:]),
            stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd=cwd, start_new_session=True, pass_fds=(ended,),
        )  # fmt: skip
    except BaseException:
        os.close(alive)
        raise
    finally:
        os.close(ended)
    return process, alive


async def _read(process: asyncio.subprocess.Process, to_us: Any, max_message: int, said: Said) -> None:
    """Pass on what the program writes, a line a message, until it ends or a line has no end."""
    assert process.stdout is not None
    pace, size = Pace(), 0
    parts: list[bytes] = []
    try:
        while True:
            piece = await process.stdout.read(PIECE)
            if not piece:
                said.ended = said.ended or await _how_it_ended(process)
                return
            *lines, rest = piece.split(b"\n")
            for line in lines:
                whole = b"".join([*parts, line])
                parts, size = [], 0
                await pace.take(len(whole))
                await _pass_on(whole, to_us, said)
            parts.append(rest)
            size += len(rest)
            if size > max_message:
                said.ended = f"it sent a message of more than {max_message:,} bytes"
                return
    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
        return  # nobody listens any more
    finally:
        to_us.close()
        said.over.set()


async def _pass_on(line: bytes, to_us: Any, said: Said) -> None:
    if not line.strip():
        return
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        said.add(line)  # a print where only messages belong
        return
    await to_us.send(SessionMessage(message))


async def _how_it_ended(process: asyncio.subprocess.Process) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):  # its output may be closed a little before its end is known
            while process.returncode is None:
                await asyncio.sleep(0.01)
    code = process.returncode
    if code is None:
        return "it closed its output"
    return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"


async def _write(process: asyncio.subprocess.Process, from_us: Any) -> None:
    assert process.stdin is not None
    async with from_us:
        async for message in from_us:
            json = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                process.stdin.write(json.encode() + b"\n")
                await process.stdin.drain()
            except OSError:
                return  # it has ended: the reader tells


async def _listen(process: asyncio.subprocess.Process, said: Said) -> None:
    assert process.stderr is not None
    pace = Pace()
    rest = b""
    while piece := await process.stderr.read(PIECE):
        await pace.take(len(piece))
        *lines, rest = (rest[:ERROR_LINE] + piece).split(b"\n")
        for line in lines[-ERROR_LINES:]:
            said.add(line)
    said.add(rest)


async def _end(process: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Close the program's input; end it and all that it has started."""
    assert process.stdin is not None
    process.stdin.close()
    await _gone(process)
    if process.returncode is None:
        _kill(process, signal.SIGTERM)
        await _gone(process)
    _kill(process, signal.SIGKILL)  # also where it has ended by itself: it may have children
    await _gone(process)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()  # else a grandchild in another session that holds the pipe keeps it open


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait a little for the program to end. Not `wait()`, which waits for its pipes, too."""
    end = asyncio.get_running_loop().time() + GRACE
    while process.returncode is None and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)


def _kill(process: asyncio.subprocess.Process, sign: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sign)
