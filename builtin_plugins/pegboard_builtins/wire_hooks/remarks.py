"""What is to be said of the text of a hook's program, and how far it is looked at."""

from __future__ import annotations

import re

from pegboard.typed import dataclass

LOOK = 2000
"""How far around a place is looked on one line: a program may be one line of half a megabyte."""
ENOUGH = 200
"""How many places of one kind are looked at in one program."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a program; `sure` says that it cannot work."""

    kind: str
    text: str
    mend: str = ""
    line: int | None = None
    sure: bool = True


def line_of(text: str, found: re.Match[str]) -> int:
    """Return the line on which something was found."""
    return text.count("\n", 0, found.start() + len(found[0]) - len(found[0].lstrip())) + 1
