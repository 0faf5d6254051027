"""Which file a call means, and whether it may be written there."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pegboard.errors import ToolError, did_you_mean
from pegboard.tools import Claims, Normalise


def absolute(path: str, cwd: Path) -> Path:
    """Return *path* with ~ expanded, made absolute and free of "..", without asking the disk.

    The ".." is taken away here, not by the file system, so that the path which hooks and permissions judge is the
    very path that is opened.
    """
    return Path(absolute_text(path, cwd))


def absolute_text(path: str, cwd: Path) -> str:
    """Return what `absolute` does, as a text; each call of a file tool asks three times."""
    if path.startswith("/") and "//" not in path and "/." not in path and not path.endswith("/"):
        return path
    plain = os.path.normpath(os.path.join(cwd, os.path.expanduser(path)))
    return "/" + plain.lstrip("/")  # POSIX lets "//etc" stand; a rule for "/etc" must see it


def normalise(*names: str, **defaults: Any) -> Normalise:
    """Return a function that makes the paths called *names* absolute and writes *defaults* out."""

    def with_absolute_paths(given: dict[str, Any], cwd: Path) -> dict[str, Any]:
        paths = {name: absolute_text(given[name], cwd) for name in names if given.get(name)}
        left_out = {name: value for name, value in defaults.items() if name not in given}
        return {**given, **paths, **left_out}

    return with_absolute_paths


def real_path(path: Path) -> Path:
    """Return *path* with symbolic links followed; what is no path at all stays, and the call itself will fail."""
    return Path(real_text(os.fspath(path)))


def real_text(path: str) -> str:
    """Return what `real_path` does, as a text.

    The kernel is asked where it has a name for what it opened: `realpath` looks at each folder on the way, which
    takes four times as long. O_PATH opens nothing to read from, so a pipe or a device does not mind.
    """
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            real = name_of(descriptor)
        finally:
            os.close(descriptor)
        if real:
            return real
    except (OSError, ValueError, AttributeError):
        pass  # it is not there yet, or this system has no such thing
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def name_of(descriptor: int) -> str:
    """Return the kernel's own name for what is open there; empty where it has none (any more)."""
    try:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""
    return name if name.startswith("/") and not name.endswith(" (deleted)") else ""


def claim_to_read(given: dict[str, Any], cwd: Path) -> Claims:
    """Claims of a call that reads the file `file_path`."""
    return Claims.read_if_asked(partial(_claim, given["file_path"], cwd))


def claim_to_write(name: str = "file_path") -> Callable[[dict[str, Any], Path], Claims]:
    """Return a claims function of calls that write the file which their input calls *name*."""

    def claims(given: dict[str, Any], cwd: Path) -> Claims:
        return Claims.write(_claim(given[name], cwd))

    return claims


def _claim(path: str, cwd: Path) -> str:
    """Return the name of the file itself: two links to one file must not be written side by side."""
    return f"file:{real_text(absolute_text(str(path), cwd))}"


def claim_tree(given: dict[str, Any], cwd: Path) -> Claims:
    """Claims of a search: it reads everything below `path`."""
    root = real_text(absolute_text(str(given.get("path") or "."), cwd))
    return Claims.read(f"file:{root.rstrip('/')}/")


def shown(path: str | Path, cwd: Path) -> str:
    """Return *path* as results name it: relative to the working folder where it lies below, else absolute."""
    text, base = str(path), f"{str(cwd).rstrip('/')}/"
    return text[len(base) :] if text.startswith(base) else text


def explain(error: OSError, path: Path | str, cwd: Path) -> ToolError:
    """Say what the operating system refused, so that the model knows what to do."""
    if isinstance(error, FileNotFoundError):
        folder, name = os.path.split(path)
        near = did_you_mean(name, _names_in(folder))
        return ToolError(f"File does not exist. Note: your current working directory is {cwd}.{near}")
    if isinstance(error, IsADirectoryError):
        return ToolError(f"{path} is a directory. Use Glob, or `ls` in Bash, to see what is in it.")
    if isinstance(error, PermissionError):
        return ToolError(f"No permission for {path}: {error.strerror}. Ask the user if you should have it.")
    return ToolError(f"{path}: {error.strerror or error}")


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)[:2000]
    except OSError:
        return []


def regular_file(path: Path | str, cwd: Path) -> os.stat_result:
    """Return the status of a file that can be read to its end. Raises ToolError for all else.

    A pipe or a device is never opened: reading it might wait for ever, or never end.
    """
    try:
        status = os.stat(path)
    except ValueError as wrong:
        raise ToolError(f"{str(path)!r} is no path: {wrong}") from None
    except OSError as error:
        raise explain(error, path, cwd) from None
    if stat.S_ISDIR(status.st_mode):
        raise explain(IsADirectoryError(), path, cwd)
    if not stat.S_ISREG(status.st_mode):
        raise ToolError(f"{path} is no regular file (a pipe, socket or device). Use Bash if you must read from it.")
    return status


def place_to_write(path: Path, project: Path) -> Path:
    """Return the real path to write for *path*, symbolic links followed.

    Raises ToolError if a link leads out of the workspace: who allowed the call saw the link's name, not the place.
    A plain path outside the workspace is for permissions to decide, and they have.
    """
    real = real_path(path)
    if real == path:
        return real
    workspace = [os.path.realpath(folder) for folder in (project, tempfile.gettempdir())]
    if any(real.is_relative_to(folder) for folder in workspace):
        return real
    raise ToolError(
        f"{path} leads through a symbolic link out of the workspace, to {real}; nothing was written. "
        f"If that is the file you mean, name it by its real path."
    )
