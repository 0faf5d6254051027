"""What `pegboard doctor --fix` may do by itself: nothing that a person could miss, nothing that asks for consent."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pegboard.errors import PegboardError

LEFT_BEHIND = re.compile(r"\.?.+\.(\d+)")
"""A file that was being written, beside the one that it was to replace: its name ends with the process."""
OLD = 60.0
"""Seconds after which such a file is nobody's, if its process is gone."""
MOST = 20_000
"""Files of the state folder that are looked at."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def is_open_to_others(folder: Path) -> bool:
    """Whether others may look into a folder: all in the state folder is the user's alone."""
    return bool(folder.stat().st_mode & OTHERS)


def close_to_others(folder: Path) -> Callable[[], str]:
    """Return what takes the rights of others away."""

    def fix() -> str:
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) & ~OTHERS)
        return f"{folder} is the user's alone now"

    return fix


def left_behind(folder: Path) -> list[Path]:
    """Return what processes that are gone were writing when they ended; what it was to replace is whole."""
    found = []
    for path in _paths(folder):
        named = LEFT_BEHIND.fullmatch(path.name)
        if named is None or not path.is_file() or not path.with_name(_whole_name(path.name)).exists():
            continue
        if not _lives(int(named[1])) and time.time() - path.stat().st_mtime > OLD:
            found.append(path)
    return found


def _whole_name(name: str) -> str:
    return name.rpartition(".")[0].lstrip(".")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def take_away(paths: list[Path]) -> Callable[[], str]:
    """Return what removes these files."""

    def fix() -> str:
        for path in paths:
            path.unlink(missing_ok=True)
        return f"took away {', '.join(path.name for path in paths[:5])}{' ...' if len(paths) > 5 else ''}"

    return fix


def cut_torn_end(path: Path) -> Callable[[], str]:
    """Return what cuts the torn end of a journal, as resuming would, and keeps what was cut beside it."""

    def fix() -> str:
        from pegboard._agent.store import open_journal

        try:
            journal, _, damage = open_journal(path, fsync="off")
        except PegboardError as error:
            return f"left alone: {error}"
        try:
            for record in damage.records():
                journal.write(record)
        finally:
            journal.close()
        return f"the torn end was cut; what was cut is in {', '.join(str(one.kept) for one in damage.records())}"

    return fix


def _paths(folder: Path) -> Iterator[Path]:
    number = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in (*folders, *sorted(names)):
            number += 1
            if number > MOST:
                return
            yield Path(place) / name
