"""What packs do on the machine, as far as an audit hook sees it: files, processes, the network.

It observes and stops nothing, and what it says is no proof: code in C, a child process, or a pack that hides behind a
library's thread is not seen. The hook is put in when the first pack of another distribution is imported, because it
cannot be taken out again; without one nothing is paid.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pegboard._board.trust import read_known, save_known

NETWORK, PROCESS, WRITE = "network", "process", "writes"
EVENTS = {
    "socket.connect": NETWORK,
    "socket.bind": NETWORK,
    "socket.getaddrinfo": NETWORK,
    "socket.sendto": NETWORK,
    "subprocess.Popen": PROCESS,
    "os.system": PROCESS,
    "os.exec": PROCESS,
    "os.posix_spawn": PROCESS,
    "os.fork": PROCESS,
    "ctypes.dlopen": PROCESS,
    "open": WRITE,
    "os.remove": WRITE,
    "os.rename": WRITE,
    "os.rmdir": WRITE,
    "shutil.rmtree": WRITE,
}
DEEPEST = 60
"""Frames that are looked at: a deed far below its pack is a library's."""
KEPT = 20
"""Different things of one kind that are kept by name; the others are counted."""


class Observations:
    """What was seen of each pack since the process began."""

    def __init__(self) -> None:
        self.packages: dict[str, str] = {}
        """The distribution of each package that is watched."""
        self.seen: dict[str, dict[str, dict[str, int]]] = {}
        self._installed = False

    def watch(self, package: str, distribution: str) -> None:
        """Watch a package from now on."""
        self.packages[package] = distribution
        if not self._installed:
            self._installed = True
            sys.addaudithook(self._hook)

    def _hook(self, event: str, facts: tuple[Any, ...]) -> None:
        kind = EVENTS.get(event)
        if kind is None or (event == "open" and not _writes(facts)):
            return
        try:
            distribution = self._whose()
            if distribution:
                self._note(distribution, kind, f"{event} {_subject(facts)}".strip())
        except Exception:  # an observer must not be what breaks a pack
            return

    def _whose(self) -> str:
        """Return the distribution whose code is innermost on the stack; empty if none is, or Python itself imports."""
        frame: Any = sys._getframe(2)
        for _ in range(DEEPEST):
            if frame is None:
                return ""
            name = frame.f_globals.get("__name__", "")
            if name.startswith("importlib._bootstrap"):
                return ""
            found = self.packages.get(name.partition(".")[0])
            if found is not None:
                return found
            frame = frame.f_back
        return ""

    def _note(self, distribution: str, kind: str, what: str) -> None:
        kinds = self.seen.setdefault(distribution, {})
        known = kinds.setdefault(kind, {})
        key = what if what in known or len(known) < KEPT else "others"
        known[key] = known.get(key, 0) + 1

    def save(self, state_dir: Path) -> None:
        """Add what was seen to what is kept; forget it here. A state folder that cannot be written is no error."""
        seen, self.seen = self.seen, {}
        if not seen:
            return
        path = file_in(state_dir)
        kept = read_known(path)
        for distribution, kinds in seen.items():
            for kind, deeds in kinds.items():
                known = kept.setdefault(distribution, {}).setdefault(kind, {})
                for what, number in deeds.items():
                    key = what if what in known or len(known) < KEPT else "others"
                    known[key] = int(known.get(key, 0)) + number
        try:
            save_known(path, kept)
        except OSError:
            return


def file_in(state_dir: Path) -> Path:
    """Return where observations are kept."""
    return state_dir / "observed.json"


def observed(state_dir: Path, distribution: str) -> dict[str, dict[str, int]]:
    """Return what was ever seen of a distribution, by kind; nothing where nothing was."""
    found = read_known(file_in(state_dir)).get(distribution, {})
    return found if isinstance(found, dict) else {}


def _writes(facts: tuple[Any, ...]) -> bool:
    mode, flags = facts[1], facts[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR))


def _subject(facts: tuple[Any, ...]) -> str:
    """Return what a deed is about: an address, a program, a file."""
    for one in facts:
        if isinstance(one, bytes | os.PathLike):
            one = os.fsdecode(one)
        if isinstance(one, str) and one:
            return one[:200]
        if isinstance(one, tuple) and one:
            return json.dumps(one[:2], default=str)[:200]
    return ""


OBSERVATIONS = Observations()
