"""All processes that a hook started: finding them, signalling each of them, knowing when none is left."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import field
from pathlib import Path

from pegboard.typed import dataclass

PROC = Path("/proc")
POLLING = 0.01


@dataclass(frozen=True, slots=True)
class Member:
    """One process. Its start tells it from a later one with the same number."""

    pid: int
    started: str = ""


@dataclass(slots=True)
class ProcessTree:
    """What a process leads: its session with all groups in it, and its descendants, also in sessions of their own.

    A group alone would not do: `timeout` and `set -m` give their children groups of their own, `setsid` a session.
    Where there is no /proc only the leader's group can be reached. The leader must not have been waited for when the
    first signal is sent, else its number may be another's.
    """

    leader: int
    _seen: dict[int, Member] = field(default_factory=dict)

    def signal(self, number: int) -> bool:
        """Send a signal to all that are there now or were there before; whether anybody still runs."""
        alive = self._look()
        if alive is None:
            return _signal(self.leader, number, group=True)
        for member in alive:
            _signal(member.pid, number)
        return bool(alive)

    async def end(self, grace: float) -> None:
        """Ask them to end, and after *grace* seconds end them; on every way out, cancellation too, none is left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        try:
            alive = self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)  # a stopped process gets no other signal before this one
            while alive and loop.time() < deadline:
                await asyncio.sleep(POLLING)
                left = self._look()
                alive = left is None or bool(left)
        finally:
            self.kill()

    def kill(self) -> None:
        """End all at once; the group as a whole, for what is just being started."""
        if self.signal(signal.SIGKILL):
            _signal(self.leader, signal.SIGKILL, group=True)
            self.signal(signal.SIGKILL)

    def _look(self) -> list[Member] | None:
        """Return who runs (the dead that nobody waited for do not count); None where this cannot be known."""
        table = _table()
        if table is None:
            return None
        for pid, (_, parent, session, started) in table.items():
            if pid == self.leader or session == self.leader or parent in self._seen or parent == self.leader:
                self._seen.setdefault(pid, Member(pid, started))
        return [
            member
            for pid, member in self._seen.items()
            if pid in table and table[pid][3] == member.started and table[pid][0] not in "ZX"
        ]


def _table() -> dict[int, tuple[str, int, int, str]] | None:
    """Return (state, parent, session, start) of every process by its number, parents first where numbers tell."""
    try:
        numbers = sorted(int(name) for name in os.listdir(PROC) if name.isdigit())
    except OSError:
        return None
    found = {}
    for number in numbers:
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                text = file.read().decode(errors="replace")
        except OSError:
            continue
        facts = text.rpartition(")")[2].split()  # a program's name may hold blanks and brackets
        found[number] = (facts[0], int(facts[1]), int(facts[3]), facts[19])
    return found or None


def _signal(pid: int, number: int, *, group: bool = False) -> bool:
    try:
        (os.killpg if group else os.kill)(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it belongs to another user by now
    return True
