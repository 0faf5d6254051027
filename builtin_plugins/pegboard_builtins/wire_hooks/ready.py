"""The hooks that come with Pegboard, each known by the header of its file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli

from pegboard.errors import PegboardError, did_you_mean
from pegboard.shipped import shipped
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.sources import KIT as KIT

PLACEHOLDER = "{hook}"
"""Stands in a header's commands for the path of the installed program, inside double quotes."""

_HEADER = re.compile(r"(?m)^# /// hook$\n((?:#.*\n)*?)^# ///$")
_PREFIX = re.compile(r"(?m)^# ?")


class BrokenHeaderError(PegboardError):
    """A file that should be a ready-to-use hook does not say what it is."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}. A header is TOML in comments, between `# /// hook` and `# ///`.")


@dataclass(frozen=True, slots=True)
class ReadyHook:
    """A hook that can be added: what its header says.

    `groups` are the settings it needs, by event, as `[[hooks.EVENT]]` has them; `needs` the programs that must be on
    the path; `kit` says that the kit is to be copied beside it; `about` is what its author tells.
    """

    name: str
    summary: str
    path: Path
    groups: Mapping[str, Sequence[Mapping[str, Any]]]
    needs: tuple[str, ...] = ()
    kit: bool = False
    about: str = ""

    @property
    def events(self) -> tuple[str, ...]:
        """The events that it answers."""
        return tuple(self.groups)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of its handlers: command, http."""
        handlers = [handler for groups in self.groups.values() for group in groups for handler in group["hooks"]]
        return tuple(dict.fromkeys(str(handler["type"]) for handler in handlers))

    @property
    def matchers(self) -> tuple[str, ...]:
        """The matchers of its groups."""
        found = [group["matcher"] for groups in self.groups.values() for group in groups if "matcher" in group]
        return tuple(dict.fromkeys(found))


def ready_hooks(folder: Path | None = None) -> list[ReadyHook]:
    """Return all hooks that come with Pegboard (or lie in *folder*), by name."""
    folder = folder or shipped("hooks")
    files = [
        path for path in folder.iterdir() if path.suffix in (".py", ".sh") and not path.name.startswith((".", "_"))
    ]
    return sorted(map(read_header, files), key=lambda hook: hook.name)


def ready_hook(name: str, folder: Path | None = None) -> ReadyHook:
    """Return the hook of that name. Raises PegboardError with the nearest name."""
    found = {hook.name: hook for hook in ready_hooks(folder)}
    if name not in found:
        hint = did_you_mean(name, found)
        raise PegboardError(f"there is no ready-to-use hook {name!r}.{hint} There are: {', '.join(found)}.")
    return found[name]


def read_header(path: Path) -> ReadyHook:
    """Return what the header of a file says. Raises BrokenHeaderError."""
    text = path.read_text(encoding="utf-8")
    header = _HEADER.search(text)
    if header is None:
        raise BrokenHeaderError(path, "it has no header")
    try:
        said = tomli.loads(_PREFIX.sub("", header[1]))
    except tomli.TOMLDecodeError as wrong:
        raise BrokenHeaderError(path, f"its header is no TOML: {wrong}") from None
    known = {"name": str, "summary": str, "hooks": dict, "needs": list, "kit": bool}
    for key, value in said.items():
        if key not in known:
            raise BrokenHeaderError(path, f"its header has a key {key!r}.{did_you_mean(key, known)}")
        if not isinstance(value, known[key]):
            raise BrokenHeaderError(path, f"{key!r} in its header is no {known[key].__name__}")
    if not said.get("name") or not said.get("summary") or not said.get("hooks"):
        raise BrokenHeaderError(path, "its header lacks name, summary or hooks")
    for event, groups in said["hooks"].items():
        if not isinstance(groups, list) or not all(isinstance(group, dict) and group.get("hooks") for group in groups):
            raise BrokenHeaderError(path, f"hooks.{event} is no list of groups with hooks")
    return ReadyHook(
        name=said["name"],
        summary=said["summary"],
        path=path,
        groups=said["hooks"],
        needs=tuple(said.get("needs", ())),
        kit=said.get("kit", False),
        about=_about(text[header.end() :]),
    )


def _about(text: str) -> str:
    """Return the first docstring or block of comments after a header."""
    if text.lstrip().startswith('"""'):
        return text.split('"""')[1].strip()
    lines: list[str] = []
    for line in text.strip("\n").splitlines():
        if not line.startswith("#"):
            break
        lines.append(_PREFIX.sub("", line))
    return "\n".join(lines).strip()
