"""One rule of one list, with its origin."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pegboard.settings import Source
from pegboard.typed import dataclass
from pegboard_builtins.permissions.grammar import PATH_TOOLS, Pattern
from pegboard_builtins.permissions.paths import PathPattern


@dataclass(frozen=True)
class Rule:
    """One rule of one list, with its origin."""

    pattern: Pattern
    source: Source
    root: Path

    def __str__(self) -> str:
        return self.pattern.text

    @property
    def origin(self) -> str:
        """Layer, file and line, for a reason that a person can follow."""
        source = self.source
        where = f" {source.file}" if source.file and source.file != str(source.layer) else ""
        return f"{source.layer}{where}:{source.line}" if source.line else f"{source.layer}{where}"

    @cached_property
    def path(self) -> PathPattern | None:
        """The spec as a pattern for paths, where the tool is one for files."""
        if self.pattern.spec is None or self.pattern.tool not in PATH_TOOLS:
            return None
        return PathPattern(self.pattern.spec, self.root)
