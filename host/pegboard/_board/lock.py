"""`pegboard.lock`: which packs a project works with, to the byte, and how what is installed here differs from that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pegboard._board.discovery import PluginRecord, Status
from pegboard._board.fingerprint import EDITABLE
from pegboard._board.installed import normal
from pegboard._dataclass import dataclass
from pegboard.errors import PegboardError

VERSION = 1
HEAD = """\
# The packs of this project, as `pegboard plugins lock` found them. `pegboard run --locked` refuses others, and
# `pegboard plugins sync` brings these back. A hash is made of what RECORD says of a distribution's files, without what
# differs from one environment to the next.
"""
OUT = (Status.DISABLED, Status.UNTRUSTED)
"""Who takes no part because somebody wants it so: such a plugin is neither locked nor missed."""


@dataclass(frozen=True)
class Pack:
    """A distribution with plugins. `print_` is its fingerprint; an editable install has no more than that kind."""

    name: str
    version: str
    print_: str
    plugins: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name as installers compare it."""
        return normal(self.name)


class LockError(PegboardError):
    """A lock file cannot be read."""


class LockDriftError(PegboardError):
    """The packs that are installed are not those of the lock; `drift` says how, a line for each."""

    def __init__(self, path: Path, drift: Sequence[str]) -> None:
        self.path = path
        self.drift = list(drift)
        super().__init__(
            "\n  ".join([f"the packs here are not those of {path}:", *drift])
            + "\n`pegboard plugins sync` brings the locked ones back, `pegboard plugins lock` locks what is here."
        )


def packs_of(records: Iterable[PluginRecord], print_of: Callable[[PluginRecord], str]) -> list[Pack]:
    """Return the distributions of those that would take part, sorted; our own with its version and hash, too."""
    found: dict[str, list[PluginRecord]] = {}
    for record in records:
        if record.distribution and record.status not in OUT:
            found.setdefault(record.distribution, []).append(record)
    packs = []
    for name, members in found.items():
        print_ = members[0].print_ or print_of(members[0])
        kind = print_.partition(":")[0]
        # Where an editable install lies differs from one machine to the next.
        pinned = EDITABLE if kind == EDITABLE else print_
        packs.append(Pack(name, members[0].version, pinned, tuple(sorted({one.point or one.name for one in members}))))
    return sorted(packs, key=lambda pack: pack.key)


def text_of(packs: Sequence[Pack]) -> str:
    """Return the text of a lock file."""
    parts = [HEAD, f"version = {VERSION}\n"]
    for pack in packs:
        parts.append(f"\n[[pack]]\nname = {_quoted(pack.name)}\nversion = {_quoted(pack.version)}\n")
        parts.append(f"hash = {_quoted(pack.print_)}\nplugins = [{', '.join(map(_quoted, pack.plugins))}]\n")
    return "".join(parts)


def read(path: Path) -> list[Pack]:
    """Read a lock file. Raises LockError."""
    import tomli

    try:
        said = tomli.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LockError(f"there is no {path}; `pegboard plugins lock` writes one") from None
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise LockError(f"{path} cannot be read: {error}") from None
    if said.get("version") != VERSION:
        raise LockError(f"{path} has version {said.get('version')!r}; this pegboard reads version {VERSION}")
    rows = said.get("pack", [])
    try:
        packs = [
            Pack(_text(row, "name"), _text(row, "version"), _text(row, "hash"), tuple(row.get("plugins", ())))
            for row in rows
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise LockError(f"{path}: a [[pack]] needs name, version and hash, each a text ({error})") from None
    return packs


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a lock file; empty where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def drift(locked: Sequence[Pack], here: Sequence[Pack], out: Iterable[PluginRecord] = ()) -> list[str]:
    """Return how what is here differs from what is locked, a line for each; *out* are those that take no part."""
    now = {pack.key: pack for pack in here}
    then = {pack.key: pack for pack in locked}
    resting = {normal(record.distribution): str(record.status) for record in out if record.status in OUT}
    lines = []
    for key in sorted({*now, *then}):
        old, new = then.get(key), now.get(key)
        if new is None and old is not None:
            why = f"takes no part here: {resting[key]}" if key in resting else "is not installed here"
            lines.append(f"{old.name} {old.version} is locked and {why}")
        elif old is None and new is not None:
            lines.append(f"{new.name} {new.version} is installed here and not locked")
        elif old is not None and new is not None:
            lines += _differences(old, new)
    return lines


def _differences(old: Pack, new: Pack) -> list[str]:
    if old.version != new.version:
        return [f"{old.name}: {old.version} is locked, {new.version} is installed"]
    if old.print_ != new.print_:
        return [f"{old.name} {old.version}: other files; {old.print_} is locked, {new.print_} is installed"]
    if old.plugins != new.plugins:
        gone, more = sorted(set(old.plugins) - set(new.plugins)), sorted(set(new.plugins) - set(old.plugins))
        said = [f"without {name}" for name in gone] + [f"with {name}" for name in more]
        return [f"{old.name} {old.version} takes part {' and '.join(said)}, other than locked"]
    return []


def _text(row: Any, key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} = {value!r}")
    return value


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
