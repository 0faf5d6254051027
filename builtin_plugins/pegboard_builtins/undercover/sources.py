"""Where the list of names comes from: a file of one's own, a keyring, a command; never a repository."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from typing import Protocol

from pegboard.errors import PegboardError
from pegboard_builtins.undercover.engine import (
    HashedList,
    Hit,
    Matcher,
    MissingAutomatonError,
    Name,
    NamesError,
    objection,
    read_names,
)
from pegboard_builtins.undercover.settings import Rule, UndercoverSettings

KEY_FILE = "undercover.key"
SECONDS = 20


class ListError(PegboardError):
    """The list of names cannot be used; so nothing may leave. Never says what stands in it."""

    exit_code = 3


class Finder(Protocol):
    """What finds names in texts."""

    def find(self, text: str) -> list[Hit]: ...
    def __len__(self) -> int: ...


def finder_of(settings: UndercoverSettings, *, config_dir: Path, project: Path | None = None) -> Finder:
    """Return what finds the names of the settings. Raises ListError."""
    kind, _, where = settings.names.partition(":")
    if kind == "hashed":
        try:
            return HashedList.load(_file(where, project, secret=False))
        except NamesError as error:
            raise ListError(f"{where} {error}") from None
    names = names_of(settings, config_dir=config_dir, project=project)
    try:
        return Matcher(ruled(names, settings.rule), strict=settings.mode == "strict")
    except MissingAutomatonError as error:
        raise ListError(str(error)) from None


def names_of(settings: UndercoverSettings, *, config_dir: Path, project: Path | None = None) -> list[Name]:
    """Read the list. Raises ListError."""
    text = _text(settings.names, project)
    try:
        names = read_names(text, key=key_of(config_dir))
    except NamesError as error:
        raise ListError(f"the list of names: {error}") from None
    if not names:
        raise ListError("the list of names is empty: put a name a line into it, or set [undercover] enabled = false")
    return names


def _text(source: str, project: Path | None) -> str:
    kind, colon, where = source.partition(":")
    if not colon or kind not in ("file", "keyring", "cmd"):
        raise ListError('[undercover] names must be "file:PATH", "keyring:NAME", "cmd:COMMAND" or "hashed:PATH"')
    if kind == "file":
        return _file(where, project, secret=True)
    return _keyring(where) if kind == "keyring" else _command(where)


def _file(where: str, project: Path | None, *, secret: bool) -> str:
    path = Path(where).expanduser()
    try:
        mode = path.stat().st_mode
        if secret and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ListError(f"{path} may be read by others: chmod 600 {shlex.quote(str(path))}")
        if secret and (repository_of(path.parent) or (project is not None and project in path.resolve().parents)):
            raise ListError(f"{path} lies in a repository or in the project: keep the list of names outside of both")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ListError(f"the list of names cannot be read: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ListError(f"the list of names is no UTF-8: {path}") from None


def repository_of(folder: Path) -> Path | None:
    """Return the repository that a folder lies in."""
    folder = folder.resolve()
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)


def _keyring(where: str) -> str:
    try:
        import keyring
    except ImportError:
        raise ListError("a list in the keyring needs the package keyring: pip install 'pegboard[keyring]'") from None
    try:
        found = keyring.get_password("pegboard", where)
    except Exception as error:  # whatever a keyring's backend raises
        raise ListError(f"the keyring cannot be read: {type(error).__name__}") from None
    if not found:
        raise ListError(f"the keyring has no {where!r} of the service 'pegboard'")
    return found


def _command(where: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(where), stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
        if done.returncode:
            raise ListError(f"the command that gives the list of names ended with {done.returncode}")
        return done.stdout.decode()
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        # Not what it says: its output may be the list.
        raise ListError(f"the command that gives the list of names failed: {type(error).__name__}") from None


def ruled(names: Iterable[Name], rules: Iterable[Rule]) -> list[Name]:
    """Return names with what the rules say about them."""
    found = []
    for name in names:
        for rule in rules:
            if rule.match in ("*", name.id, f"group:{name.group}"):
                name = replace(name, exact=rule.case == "exact", contexts=rule.context)
        found.append(name)
    return found


def key_of(config_dir: Path) -> bytes:
    """Return the key of this user's ids, made when it is first needed."""
    path = config_dir / KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ListError(f"the key of the ids cannot be read: {path}: {error.strerror}") from None
    try:
        config_dir.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return key_of(config_dir)
    except OSError as error:
        raise ListError(f"the key of the ids cannot be written: {path}: {error.strerror}") from None
    with open(descriptor, "wb") as file:
        key = token_bytes(32)
        file.write(key)
    return key


def check(text: str) -> str:
    """Return what speaks against a name; empty if nothing does."""
    return objection(text)
