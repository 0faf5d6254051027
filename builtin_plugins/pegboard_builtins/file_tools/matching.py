"""Where a piece of text stands in a file, and what stands there instead if it does not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from pegboard_builtins.file_tools.text import TextFile

MANY = 1000
"""More places than this are not counted."""
LINES_COMPARED = 5000
LINES_SHOWN = 12


def places(text: str, wanted: str) -> list[int]:
    """Return every offset at which *wanted* begins, also where it overlaps itself: each is a possible meaning."""
    found: list[int] = []
    at = text.find(wanted)
    while at >= 0 and len(found) < MANY:
        found.append(at)
        at = text.find(wanted, at + 1)
    return found


def side_by_side(text: str, wanted: str) -> list[int]:
    """Return the offsets that replacing everywhere means: from left to right, without overlaps."""
    found: list[int] = []
    at = text.find(wanted)
    while at >= 0:
        found.append(at)
        at = text.find(wanted, at + len(wanted))
    return found


def line_numbers(text: str, offsets: Iterable[int]) -> list[int]:
    """Return the line, from 1, of each of the ascending *offsets*."""
    numbers: list[int] = []
    line, counted = 1, 0
    for offset in offsets:
        line += text.count("\n", counted, offset)
        counted = offset
        numbers.append(line)
    return numbers


def spliced(file: TextFile, offsets: list[int], old: str, new: str) -> str:
    """Return the file's text with *new* for *old* at each offset of its plain text.

    Bytes outside the difference of *old* and *new* stay as they are, line endings too; a line that is added ends as
    the lines that it replaces, or as most lines of the file.
    """
    lead, trail = common_ends(old, new)
    new = new[lead : len(new) - trail]
    to_raw = _raw_offsets(file.text)
    pieces: list[str] = []
    at = 0
    for offset in offsets:
        start, end = to_raw(offset + lead), to_raw(offset + len(old) - trail)
        newline = _newline_of(file.text[start:end]) or file.newline
        pieces += [file.text[at:start], new if newline == "\n" else new.replace("\n", newline)]
        at = end
    return "".join([*pieces, file.text[at:]])


class _raw_offsets:
    """Turns an offset of the plain text into one of the text with its CR characters."""

    def __init__(self, text: str) -> None:
        pairs = side_by_side(text, "\r\n")
        self._line_feeds = [at - count for count, at in enumerate(pairs)]

    def __call__(self, offset: int) -> int:
        return offset + bisect_left(self._line_feeds, offset)


def common_ends(old: str, new: str) -> tuple[int, int]:
    """Return how many characters two texts share at their beginning, and of the rest at their end."""
    shorter = min(len(old), len(new))
    lead = 0
    while lead < shorter and old[lead] == new[lead]:
        lead += 1
    trail = 0
    while trail < shorter - lead and old[-1 - trail] == new[-1 - trail]:
        trail += 1
    return lead, trail


def _newline_of(piece: str) -> str | None:
    feeds = piece.count("\n")
    if not feeds:
        return None
    return "\r\n" if piece.count("\r\n") * 2 >= feeds else "\n"


def nearest_lines(text: str, wanted: str) -> str:
    """Return the lines that look most like *wanted*, with numbers; empty if none does."""
    lines = text.split("\n")
    asked = wanted.strip("\n").split("\n")
    longest = max(range(len(asked)), key=lambda i: len(asked[i].strip()))
    at = _most_alike(lines, asked[longest].strip())
    if at is None:
        return ""
    first = max(0, at - min(longest, LINES_SHOWN // 2))
    shown = lines[first : first + min(max(len(asked), 3), LINES_SHOWN)]
    return "\n".join(f"{number:>6}\t{line[:500]}" for number, line in enumerate(shown, first + 1))


def _most_alike(lines: list[str], wanted: str) -> int | None:
    if not wanted:
        return None
    for number, line in enumerate(lines):
        if line.strip() == wanted:
            return number
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted[:500])
    best, best_at = 0.6, None
    for number, line in enumerate(lines[:LINES_COMPARED]):
        matcher.set_seq1(line.strip()[:500])
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and matcher.ratio() > best:
            best, best_at = matcher.ratio(), number
    return best_at
