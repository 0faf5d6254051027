"""What `.gitignore` leaves out of a search: git's rules, without asking git."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from pegboard.typed import dataclass

FOLDER = "\0"
"""Stands behind the path of a folder: no name can have it, so no pattern can take it for a part of one."""
FILE = ".gitignore"
REPOSITORY = ".git"
_POSIX = {
    "alpha": "A-Za-z", "digit": "0-9", "alnum": "A-Za-z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f\x7f", "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}  # fmt: skip


class Rules:
    """The patterns of one file. The last that fits decides, so they stand in one expression in reverse order."""

    def __init__(self, text: str) -> None:
        found = [rule for line in text.split("\n") if (rule := _rule(line))]
        found.reverse()
        self._keeps = [keeps for _, keeps in found]
        self._regex = re.compile("|".join(f"({pattern})" for pattern, _ in found), re.DOTALL) if found else None

    def ignores(self, path: str) -> bool | None:
        """Whether *path*, seen from the folder of the file, is left out; None if nothing fits."""
        match = self._regex.fullmatch(path) if self._regex else None
        return None if match is None else not self._keeps[(match.lastindex or 1) - 1]


def _rule(line: str) -> tuple[str, bool] | None:
    """Translate one line; return an expression, and whether it brings files back."""
    line = _without_blanks(line.removesuffix("\r"))
    if not line or line.startswith("#"):
        return None
    keeps = line.startswith("!")
    line = line[keeps:]
    only_folders = line.endswith("/")
    line = line.removesuffix("/")
    if not line:
        return None
    anchored = "/" in line
    pattern = _translated(line.removeprefix("/"))
    if pattern is None:
        return None
    return f"{'' if anchored else '(?:.*/)?'}{pattern}{FOLDER if only_folders else FOLDER + '?'}", keeps


def _without_blanks(line: str) -> str:
    """Take away blanks at the end, unless a backslash stands before them."""
    stripped = line.rstrip(" ")
    slashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if len(stripped) < len(line) and slashes % 2 else stripped


def _translated(glob: str) -> str | None:
    """Return the expression for a pattern; None for one that git never matches."""
    parts: list[str] = []
    at = 0
    while at < len(glob):
        char = glob[at]
        if char == "*":
            end = at
            while end < len(glob) and glob[end] == "*":
                end += 1
            first, last = at == 0 or glob[at - 1] == "/", end == len(glob) or glob[end] == "/"
            if end - at == 2 and first and last:
                if end == len(glob):
                    parts.append(".+" if at else ".*")
                else:
                    parts.append("(?:.*/)?")
                    end += 1
            else:
                parts.append("[^/\0]*")
            at = end
        elif char == "?":
            parts.append("[^/\0]")
            at += 1
        elif char == "[":
            found = _class(glob, at)
            if found is None:
                return None
            members, at = found
            parts.append(members)
        elif char == "\\":
            if at + 1 == len(glob):
                return None
            parts.append(re.escape(glob[at + 1]))
            at += 2
        else:
            parts.append(re.escape(char))
            at += 1
    return "".join(parts)


def _class(glob: str, at: int) -> tuple[str, int] | None:
    """Translate `[...]`; return it and where it ends."""
    at += 1
    negative = glob[at : at + 1] in ("!", "^")
    at += negative
    members: list[str] = []
    first = True
    while at < len(glob):
        char = glob[at]
        if char == "]" and not first:
            inner = "".join(members)
            return (
                f"(?![/\0])[{'^' if negative else ''}{inner}]" if inner else ("[^/\0]" if negative else "(?!)")
            ), at + 1
        first = False
        named = re.match(r"\[:(\w+):\]", glob[at:])
        if named:
            if named[1] not in _POSIX:
                return None
            members.append(_POSIX[named[1]])
            at += named.end()
            continue
        low, at = _member(glob, at)
        if glob[at : at + 1] == "-" and glob[at + 1 : at + 2] not in ("]", ""):
            high, at = _member(glob, at + 1)
            if low <= high:
                members.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            members.append(re.escape(low))
    return None


def _member(glob: str, at: int) -> tuple[str, int]:
    if glob[at] == "\\" and at + 1 < len(glob):
        return glob[at + 1], at + 2
    return glob[at], at + 1


@dataclass(frozen=True, slots=True)
class Folder:
    """The rules that hold in a folder: its own, and those of the folders above as far as the repository reaches."""

    name: str
    up: Folder | None = None
    rules: Rules | None = None
    in_repository: bool = False

    def entering(self, path: Path, names: Collection[str]) -> Folder:
        """Return the rules inside the folder *path*, which has entries of these *names*.

        A repository begins anew: what surrounds it has no say in it. Without one, nothing is ignored.
        """
        if REPOSITORY in names:
            text = _text(_excludes(path)) + "\n" + (_text(path / FILE) if FILE in names else "")
            return Folder(path.name, None, _rules(text), True)
        if not self.in_repository:
            return Folder(path.name)
        return Folder(path.name, self, _rules(_text(path / FILE)) if FILE in names else None, True)

    def ignores(self, name: str, *, is_folder: bool) -> bool:
        """Whether the entry *name* of this folder is left out."""
        path = name + FOLDER if is_folder else name
        level: Folder | None = self
        while level is not None:
            if level.rules is not None:
                answer = level.rules.ignores(path)
                if answer is not None:
                    return answer
            path = f"{level.name}/{path}"
            level = level.up
        return False


def above(root: Path) -> Folder:
    """Return the rules that the folders above *root* bring into it. Root itself is searched even if it is ignored."""
    chain: list[Path] = []
    if not os.path.lexists(root / REPOSITORY):
        for folder in root.parents:
            chain.append(folder)
            if os.path.lexists(folder / REPOSITORY):
                break
        else:
            chain.clear()
    rules = Folder("")
    for folder in reversed(chain):
        rules = entered(rules, folder)
    return rules


def entered(rules: Folder, path: Path) -> Folder:
    """Return the rules inside the folder *path*, looking for the two names that matter."""
    return rules.entering(path, [name for name in (REPOSITORY, FILE) if os.path.lexists(path / name)])


class Sieve:
    """Takes ignored files out of names below a folder; each folder's rules are read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, Folder | None] = {"": entered(above(root), root)}

    def keeps(self, name: str) -> bool:
        """Whether the file *name*, relative to the root, is not ignored and lies in no folder that is."""
        folder, _, last = name.rpartition("/")
        rules = self._rules_in(folder)
        return rules is not None and not rules.ignores(last, is_folder=False)

    def _rules_in(self, folder: str) -> Folder | None:
        if folder not in self._folders:
            parent, _, last = folder.rpartition("/")
            outer = self._rules_in(parent)
            left_out = outer is None or outer.ignores(last, is_folder=True)
            self._folders[folder] = None if left_out or outer is None else entered(outer, self._root / folder)
        return self._folders[folder]


@lru_cache(maxsize=256)
def _rules(text: str) -> Rules | None:
    return Rules(text) if text.strip() else None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _excludes(repository: Path) -> Path:
    """Return the repository's own list; a work tree's lies in the repository that it belongs to."""
    git = repository / REPOSITORY
    if git.is_file():
        git = repository / _text(git).removeprefix("gitdir:").strip()
        git = git / (_text(git / "commondir").strip() or ".")
    return git / "info" / "exclude"
