"""Changing one TOML file: a key at a time, comments kept, whole or not at all, one process after another."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pegboard.errors import SettingsError


def change_file(target: Path, edit: Callable[[str], str]) -> bool:
    """Put what *edit* makes of a file's text in its place; False if that is what was there.

    Whoever else changes files of that folder this way waits meanwhile. Raises SettingsError; the file is then as it
    was.
    """
    with folder_locked(target):
        before = text_of(target)
        after = edit(before)
        if after == before:
            return False
        write_whole(target, after)
        return True


@contextmanager
def folder_locked(target: Path) -> Iterator[None]:
    """Let nobody else change files of a file's folder meanwhile. The folder itself is the lock, so nothing is left."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(target.parent, os.O_RDONLY)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror}. Nothing was changed.", file=target) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def with_key(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return a TOML text with one key set and everything else, comments too, as it was. Raises SettingsError."""
    import tomlkit

    document = tomlkit.parse(text)
    table: Any = document
    for depth, name in enumerate(path[:-1], 1):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=depth < len(path) - 1)
        table = table[name]
        if not isinstance(table, MutableMapping):
            raise SettingsError(f"{'.'.join(path[:depth])} is no table in this file, so it can have no keys; edit it")
    table[path[-1]] = value
    return tomlkit.dumps(document)


def with_members(text: str, path: tuple[str, ...], members: Sequence[str]) -> str:
    """Return a TOML text in which the array at *path* has these members; those that it had keep place and comments."""
    import tomlkit
    from tomlkit.items import Array

    table: Any = tomlkit.parse(text)
    document = table
    for name in path[:-1]:
        table = table.get(name) if isinstance(table, MutableMapping) else None
    array = table.get(path[-1]) if isinstance(table, MutableMapping) else None
    if not isinstance(array, Array):
        return with_key(text, path, list(members))
    if list(array) == list(members):
        return text
    for place in reversed(range(len(array))):
        if array[place] not in members:
            del array[place]
    for name in members:
        if name not in array:
            array.append(name)
    return tomlkit.dumps(document)


def without_key(text: str, path: tuple[str, ...]) -> str:
    """Return a TOML text without one key; the text itself if it is not there. A table that is left empty stays."""
    import tomlkit

    document = tomlkit.parse(text)
    table: Any = document
    for name in path[:-1]:
        if not isinstance(table, MutableMapping) or name not in table:
            return text
        table = table[name]
    if not isinstance(table, MutableMapping) or path[-1] not in table:
        return text
    del table[path[-1]]
    return tomlkit.dumps(document)


def write_whole(target: Path, text: str) -> None:
    """Put a text in a file's place at once, through a link if it is one, with the mode that it had.

    Raises SettingsError: a file that is read-only stays, and so does one for which the disk has no room.
    """
    target = target.resolve()
    try:
        _write_whole(target, text)
    except OSError as error:
        raise SettingsError(f"cannot be written: {error.strerror}. Nothing was changed.", file=target) from None


def _write_whole(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    if not mode & 0o222 or (target.exists() and not os.access(target, os.W_OK)):
        raise SettingsError("is read-only, so it was not changed: chmod u+w it first", file=target)
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    fresh = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(mode)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def text_of(path: Path) -> str:
    """Return a file's text, line ends untouched; empty if there is none. Raises SettingsError."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"cannot be read: {wrong}", file=path) from None
