"""What a checkpoint holds beside the content that git keeps: all modes, nested repositories, and why it was taken."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Modes(BaseModel):
    """The modes of a tree's files. Most have the same, which stands here once for plain files and for programs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    plain: int = 0o644
    program: int = 0o755
    others: dict[str, int] = Field(default_factory=dict)
    """Those that have another mode, by path; bytes that are no UTF-8 are written as surrogates would be: `\\udcff`."""

    @classmethod
    def of(cls, found: Mapping[str, int]) -> Modes:
        """Say the modes of files in short."""
        counts = Counter(found.values())
        plain = _most([mode for mode in counts if not mode & 0o100], counts, 0o644)
        program = _most([mode for mode in counts if mode & 0o100], counts, 0o755)
        if counts.keys() <= {plain, program}:
            return cls(plain=plain, program=program)
        others = {written(name): mode for name, mode in found.items() if mode not in (plain, program)}
        return cls(plain=plain, program=program, others=others)

    def mode(self, name: str, *, program: bool) -> int:
        """Return the mode of a file, of which git knows whether its owner may run it."""
        return self.others.get(written(name), self.program if program else self.plain)


YOUNG = 2.0
"""Seconds after a change within which the next one may leave a file with the same times: git compares whole seconds."""


def modes_in(root: Path, names: Iterable[str]) -> tuple[dict[str, int], set[str]]:
    """Look at regular files: return the mode of each that is there, and which of them changed a moment ago."""
    found: dict[str, int] = {}
    young: set[str] = set()
    base = os.fspath(root) + "/"
    lstat, is_file, since = os.lstat, stat.S_ISREG, time.time() - YOUNG
    for name in names:
        try:
            status = lstat(base + name)
        except OSError:
            continue
        if is_file(status.st_mode):
            found[name] = status.st_mode & 0o7777
            if status.st_ctime >= since:
                young.add(name)
    return found, young


def _most(modes: list[int], counts: Counter[int], default: int) -> int:
    return max(modes, key=lambda mode: (counts[mode], mode), default=default)


def written(name: str) -> str:
    """Return a file's name as JSON can hold it; two names never become one."""
    if "\\" not in name and name.isprintable():
        return name
    return name.encode("utf-8", "surrogateescape").decode("latin-1").replace("\\", "\\\\") + "\\"


def read_name(path: str) -> str:
    """Undo `written`."""
    if not path.endswith("\\"):
        return path
    return path[:-1].replace("\\\\", "\\").encode("latin-1").decode("utf-8", "surrogateescape")


class Part(BaseModel):
    """One tree of a checkpoint: of the folder itself, or of a repository inside it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    """Where it lies, as `written`; empty for the folder itself."""
    tree: str
    modes: Modes


class Manifest(BaseModel):
    """All that a checkpoint knows."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    root: str
    parts: tuple[Part, ...]
    kind: str
    """`before` or `after` a turn, before a `restore` and when it is done (`restored`), or `now`."""
    session: str = ""
    turn: int = 0
    reason: str = ""
    time: float = 0.0
