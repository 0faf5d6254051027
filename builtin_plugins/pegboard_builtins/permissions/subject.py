"""A call as rules look at it."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from pegboard.decisions import Decision, Verdict
from pegboard.typed import dataclass
from pegboard_builtins.permissions.commands import Analysis, analyse
from pegboard_builtins.permissions.paths import Place, both_shapes, place_of
from pegboard_builtins.permissions.plain import folders_of


@dataclass(frozen=True)
class Subject:
    """A call as rules look at it. What takes time to work out is worked out when a rule asks for it."""

    tool: str
    given: dict[str, Any]
    read_only: bool
    cwd: Path
    project: Path
    journal: Path | None = None
    """The session's journal. Its long outputs lie in the folder of that name: the model was told to read them."""

    @cached_property
    def analysis(self) -> Analysis | None:
        """The command of a Bash call, read."""
        return analyse(str(self.given.get("command", ""))) if self.tool == "Bash" else None

    @cached_property
    def here(self) -> str:
        """The folder in which the call begins."""
        return str(self.cwd)

    @cached_property
    def folders(self) -> list[str] | None:
        """Every folder in which a part of a Bash call's command may run; None if that cannot be told."""
        return [self.here] if self.analysis is None else folders_of(self.analysis, self.here)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The paths that a file tool names."""
        path = self.given.get("file_path") or self.given.get("notebook_path") or self.given.get("path")
        if self.tool not in ("Glob", "Grep"):
            return (place_of(path, self.cwd),) if isinstance(path, str) else ()
        root = path if isinstance(path, str) else "."
        places: tuple[Place, ...] = (place_of(root, self.cwd),)
        if self.tool == "Glob":
            # The pattern may lead out of the folder, or into one that a rule names.
            fixed = re.split(r"[*?\[{]", str(self.given.get("pattern", "")))[0]
            places += (place_of(fixed if fixed[:1] in ("/", "~") else os.path.join(root, fixed), self.cwd),)
        return places

    @cached_property
    def real_project(self) -> str:
        """The project's folder with its links followed: what allow rules are seen from."""
        return os.path.realpath(self.project)

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """What relative paths of deny and ask rules may be seen from: a `cd` must not evade them."""
        return both_shapes((str(self.project), self.here))


def answer(verdict: Verdict, reason: str, rule: str) -> Decision:
    """Build a decision that names its rule."""
    return Decision(verdict=verdict, reason=reason, rule=rule)
