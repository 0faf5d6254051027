"""All processes that a command started: reaching each of them, and knowing when none is left.

Run as a program, `python -I -S family.py NAME...`, it ends families by their names. It needs the standard library only.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROC = Path("/proc")
MARK = "PEGBOARD_COMMAND"
"""A variable by which all that a command starts can be known, wherever it goes."""
GRACE = 1.0
"""Seconds between the polite signal and the last one."""
ROUNDS = 3
"""How often the last signal is sent, for what was just being started."""


class Family:
    """The session that a process leads, with all its process groups; and whoever left it, but has its mark.

    A group alone would not do: `timeout` and `set -m` give their children groups of their own. Nor would a session: a
    daemon starts one of its own. It is known by its *mark*, the value of a variable that the leader was given and its
    children inherit. Where there is no /proc only the leader's group can be reached.
    """

    def __init__(self, leader: int, mark: str) -> None:
        """*leader* is 0 where it is not known."""
        self.leader = leader
        self.name = f"{mark}:{leader}" if leader else mark
        """What a program that is to end it is told."""
        self._mark = f"{MARK}={mark}".encode()
        self._gone = False

    @classmethod
    def of(cls, name: str) -> Family:
        """Return the family of this name."""
        mark, _, leader = name.partition(":")
        return cls(int(leader or 0), mark)

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
        return {self.leader} - {0} if members is None else {_group(member) for member in members} - {0}

    def _members(self) -> list[int] | None:
        try:
            names = os.listdir(PROC)
        except OSError:
            return None
        numbers = [int(name) for name in names if name.isdigit()]
        return [number for number in numbers if self._is_member(number)] if numbers else None

    def _is_member(self, number: int) -> bool:
        # Session 0 is the kernel's, and that of processes outside of a container.
        return bool(self.leader and _session(number) == self.leader) or self._mark in _environment(number)


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


def main(names: Sequence[str]) -> None:
    """End the families of these names: TERM, a short grace, KILL."""
    families = [Family.of(name) for name in names]
    for number in (signal.SIGTERM, signal.SIGCONT):
        families = [one for one in families if one.signal(number)]
    deadline = time.monotonic() + GRACE
    while any(one.is_alive() for one in families) and time.monotonic() < deadline:
        time.sleep(0.02)
    for one in families:
        one.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
