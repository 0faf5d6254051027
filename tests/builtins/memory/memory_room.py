"""A memory of a test's own: its folder, its daemons, and the certainty that none of them is left."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.place import Config, is_locked

P = "project"


def event(number: int, writer: str = "w", project: str = P, **facts) -> Event:
    return Event(project, f"{writer} saw observation {number}", key=f"{writer}:{number}", session=writer, **facts)


def daemons(root: Path) -> list[int]:
    """Return the processes that were started as a daemon of *root*."""
    mark = f'"root": "{root}"'.encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = path.joinpath("cmdline").read_bytes()
            if (
                mark in command
                and b"memory.daemon" in command
                and "Z" not in path.joinpath("stat").read_text().split()[2]
            ):
                found.append(int(path.name))
    return found


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process ends by then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def end_all(root: Path) -> None:
    """End whatever daemon of *root* is left, so that no test leaves one behind."""
    with contextlib.suppress(Exception), Client(Config(root), starts=False) as client:
        client.drain()
    for pid in daemons(root) if is_locked(root) else []:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
