"""What a file system is asked for: private folders and files, writes that are whole or undone, and real syncs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pegboard_builtins.memory.events import NotKeptError, StoreBusyError

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
UNFINISHED = ".tmp"
"""The end of the names of files that are being written."""


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it, that only the user may look into. Raises NotKeptError."""
    try:
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise NotKeptError(path, reason_of(error)) from None
    return path


def reason_of(error: OSError) -> str:
    """Return what the system says, without number and path."""
    return error.strerror or type(error).__name__


def write_all(file: int, data: bytes) -> None:
    """Write all of it; a disk that is nearly full takes a part first, and then says so."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync(file: int) -> None:
    """Bring what was written to the disk itself. On macOS only F_FULLFSYNC does."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        fcntl.fcntl(file, full)
    else:
        os.fdatasync(file)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_whole(
    path: Path, data: bytes, *, mode: int = PRIVATE_FILE, durable: bool = True, folder_too: bool = True
) -> None:
    """Put *data* in place of a file, at once and for good; a crash leaves the old one or the new one.

    Any number of processes may do so at once: the last one counts. With `folder_too=False` a crash of the system may
    bring the old one back; `sync_folder` makes many last at once.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}{UNFINISHED}")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(file, data)
            if durable:
                sync(file)
        finally:
            os.close(file)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if durable and folder_too:
        sync_folder(path.parent)


def sweep(folder: Path, *, below: bool = False, only_we_write: bool = False) -> None:
    """Take away what killed processes left of files that they were writing, in a folder or also *below* it."""
    pattern = f".*{UNFINISHED}"
    for path in folder.rglob(pattern) if below else folder.glob(pattern):
        writer = path.name.removesuffix(UNFINISHED).split(".")[-2:-1]
        if only_we_write or not (writer and writer[0].isdigit() and _lives(int(writer[0]))):
            path.unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def append_whole(path: Path, data: bytes) -> None:
    """Append to a small file, durably."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
    try:
        write_all(file, data)
        sync(file)
    finally:
        os.close(file)


def lock(path: Path) -> int:
    """Take a lock for as long as the file that is returned is open; the kernel lets go of it, whoever dies how.

    Raises StoreBusyError where another has it.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise StoreBusyError(path.parent) from None
    except BaseException:
        os.close(file)
        raise
    return file


@contextlib.contextmanager
def kept_or_told(path: Path) -> Iterator[None]:
    """Turn an OSError into a NotKeptError that names *path*."""
    try:
        yield
    except OSError as error:
        raise NotKeptError(path, reason_of(error)) from error
