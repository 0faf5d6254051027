"""All processes that a command started: reaching each of them, and knowing when none is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

PROC = Path("/proc")
ROUNDS = 3
"""How often the last signal is sent, for what was just being started."""


class Family:
    """The session that a process leads, with all its process groups; and whoever left it, but has its mark.

    A group alone would not do: `timeout` and `set -m` give their children groups of their own. Nor would a session: a
    daemon starts one of its own. It is known by *mark*, a variable that the leader was given and its children inherit.
    Where there is no /proc only the leader's group can be reached.
    """

    def __init__(self, leader: int, mark: str = "") -> None:
        self.leader = leader
        self._mark = mark.encode()
        self._gone = False

    def signal(self, number: int) -> bool:
        """Send a signal to all; whether anybody is there, the dead that nobody waited for included."""
        if self._gone:
            return False  # by now the leader's number may be another process's
        reached = False
        for group in self._groups():
            try:
                os.killpg(group, number)
                reached = True
            except ProcessLookupError:
                pass
            except PermissionError:
                reached = True  # one of them belongs to another user; the others got it
        self._gone = not reached
        return reached

    def kill(self) -> None:
        """End all at once."""
        for _ in range(ROUNDS):
            if not self.signal(signal.SIGKILL) or not self.is_alive():
                break

    def is_alive(self) -> bool:
        """Whether anybody still runs.

        The dead do not count: an orphan is waited for by process 1, and in a container that may be a program which
        never does.
        """
        members = self._members()
        if members is None:
            return self.signal(0)
        return any(_state(member) not in ("Z", "X", "") for member in members)

    def _groups(self) -> set[int]:
        members = self._members()
        return {self.leader} if members is None else {_group(member) for member in members} - {0}

    def _members(self) -> list[int] | None:
        try:
            names = os.listdir(PROC)
        except OSError:
            return None
        numbers = [int(name) for name in names if name.isdigit()]
        return [number for number in numbers if self._is_member(number)] if numbers else None

    def _is_member(self, number: int) -> bool:
        return _session(number) == self.leader or bool(self._mark and self._mark in _environment(number))


def _session(process: int) -> int:
    try:
        return os.getsid(process)
    except OSError:
        return 0


def _environment(process: int) -> list[bytes]:
    try:
        return (PROC / str(process) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # another user's, or gone


def _group(process: int) -> int:
    try:
        return os.getpgid(process)
    except OSError:
        return 0


def _state(process: int) -> str:
    try:
        text = (PROC / str(process) / "stat").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]  # a program's name may hold blanks and brackets
