"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pegboard.errors import ToolError

ABANDONED = 600.0
"""Seconds after which a file of ours that was never renamed is one that a killed process left behind."""
OURS = re.compile(r"\.pegboard-[0-9a-f]{16}\.tmp")
_swept: set[Path] = set()
_LOCKS = tuple(threading.Lock() for _ in range(64))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let one writer of this process at a time read, decide about and replace *path*."""
    with _LOCKS[hash(path) % len(_LOCKS)]:
        yield


def unlinked(path: Path, status: os.stat_result) -> str:
    """Return what a model should know of a file that had other names, once it was replaced; empty if it had none.

    They keep the old text. It could be written in place, and half of it would stay there if we were killed; and most
    files of many names (stores of package tools, backups) are such that only one of them is meant.
    """
    others = status.st_nlink - 1
    if others < 1:
        return ""
    names = "another name (hard link), which keeps" if others == 1 else f"{others} other names (hard links), which keep"
    return f" Note: {path.name} had {names} the old text."


def replace(path: Path, data: bytes, *, expected: os.stat_result | None) -> None:
    """Put *data* in the place of *path*: a new file in the same folder, on the disk, then renamed.

    Mode and, where it is allowed, owner of the old file are kept. *expected* is the old file's status when it was
    read; raises ToolError if the file is another one by now, and OSError for what the system refuses.
    """
    if expected is not None:
        _must_be_writable(path, expected)
    _sweep(path.parent)
    beside = path.parent / f".pegboard-{secrets.token_hex(8)}.tmp"
    # A new file gets the mode that the umask leaves; the copy of an old one is nobody else's until it has its mode.
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if expected is None else 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            if expected is not None:
                _dress(file.fileno(), expected)
            file.flush()
            os.fsync(file.fileno())
        _unchanged(path, expected)
        os.rename(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _must_be_writable(path: Path, status: os.stat_result) -> None:
    """Raise ToolError for a file that is marked as one not to be written: a rename would not heed that."""
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise ToolError(
            f"{path} is read-only (mode {stat.S_IMODE(status.st_mode):o}), so nothing was written. Ask the user if it "
            f"is to be changed all the same; `chmod u+w` in Bash allows it."
        )


def _sweep(folder: Path) -> None:
    """Take away what a killed process left in a folder, when something is written there for the first time."""
    if folder in _swept:
        return
    _swept.add(folder)
    try:
        left = [entry for entry in os.scandir(folder) if OURS.fullmatch(entry.name)]
        for entry in left:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > ABANDONED:
                os.unlink(entry.path)
    except OSError:
        pass  # it can wait for the next process


def _dress(handle: int, old: os.stat_result) -> None:
    own = os.fstat(handle)
    if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(handle, old.st_uid, old.st_gid)
        except PermissionError:
            pass  # only root may give files away; the rename itself is still right
    os.fchmod(handle, stat.S_IMODE(old.st_mode))  # last, because a change of owner takes the set-id bits away


def _unchanged(path: Path, expected: os.stat_result | None) -> None:
    try:
        now = os.stat(path)
    except FileNotFoundError:
        if expected is None:
            return
        raise ToolError(f"{path} was deleted while it was being changed; nothing was written.") from None
    if expected is None:
        raise ToolError(f"{path} was created by somebody else just now; nothing was written. Read it first.")
    facts = [(status.st_ino, status.st_dev, status.st_size, status.st_mtime_ns) for status in (expected, now)]
    if facts[0] != facts[1]:
        raise ToolError(f"{path} was changed by somebody else just now; nothing was written. Read it again.")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last; some file systems cannot, and then it lasts a little later."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
