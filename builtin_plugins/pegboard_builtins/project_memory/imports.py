"""`@path/to/file` in a memory file brings that file in, once, five files deep at most."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pegboard.typed import dataclass

MAX_DEPTH = 5

# Not compiled here: most projects have no memory file, and most files no mention.
_FENCE = r" {0,3}(`{3,}|~{3,})"
_CODE_SPAN = r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)"
_MENTION = r"(?<![^\s(\[])@(?P<path>(?:\\ |[^\s\\])+)"
_ALONE = r"\s*(?:[-*+] +)?@(?:\\ |\S)+\s*"

Load = Callable[[Path], "str | None"]
"""Takes a path and returns its text, or None where the mention is to stay as it is."""


@dataclass(frozen=True)
class Import:
    """A file that was brought in, and by which."""

    path: Path
    parent: Path


def expand(text: str, path: Path, load: Load, *, depth: int = 0) -> tuple[str, list[Import]]:
    """Return *text* with the files that it mentions, and what was brought in, in its order.

    A line that is nothing but a mention gives way to the file; a mention in a sentence stays, and the file follows
    the line. Code blocks and code spans are left alone.
    """
    if depth >= MAX_DEPTH:
        return text, []
    lines: list[str] = []
    found: list[Import] = []
    fence = ""
    for line in text.split("\n"):
        mark = re.match(_FENCE, line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            lines.append(line)
            continue
        if mark:
            fence = mark[1]
            lines.append(line)
            continue
        blocks = _blocks_of(line, path, load, found, depth)
        if not (blocks and re.fullmatch(_ALONE, line)):
            lines.append(line)
        lines += blocks
    return "\n".join(lines), found


def _blocks_of(line: str, path: Path, load: Load, found: list[Import], depth: int) -> list[str]:
    if "@" not in line:
        return []
    blocks = []
    for match in re.finditer(_MENTION, re.sub(_CODE_SPAN, "", line)):
        mention = match["path"].replace("\\ ", " ")
        # A sentence may end right behind the path.
        for written in dict.fromkeys((mention, mention.rstrip(".,;:!?)]"))):
            candidate = _resolve(written, path)
            text = load(candidate) if written else None
            if text is not None:
                found.append(Import(candidate, path))
                inner, deeper = expand(text, candidate, load, depth=depth + 1)
                found += deeper
                blocks.append(f"Contents of {candidate} (imported by {path.name}):\n\n{inner.strip()}\n")
                break
    return blocks


def _resolve(mention: str, path: Path) -> Path:
    if mention == "~" or mention.startswith("~/"):
        return Path.home() / mention[2:]
    return path.parent / mention
