"""The difference between two texts, in the shape that hooks read: `structuredPatch`."""

from __future__ import annotations

from typing import Any

from pegboard_builtins.file_tools.text import printable

CONTEXT = 3
CAREFUL = 1_000_000
"""Lines times lines up to which a block is compared line by line; a larger one is shown as replaced."""

NO_NEWLINE = "\\ No newline at end of file"

Span = tuple[int, int, int, int]
"""Old lines from, to (exclusive) and the new lines from, to that take their place."""


def structured_patch(old: str, new: str) -> list[dict[str, Any]]:
    """Return the hunks {oldStart, oldLines, newStart, newLines, lines} that lead from *old* to *new*."""
    before, after = lines_of(old), lines_of(new)
    return [_hunk(group, before, after) for group in _grouped(_changed(before, after))]


def lines_of(text: str) -> list[str]:
    """Split after each LF and nowhere else; the ends stay, so that equal lines are equal bytes."""
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _changed(before: list[str], after: list[str]) -> list[Span]:
    start, ends = 0, min(len(before), len(after))
    while start < ends and before[start] == after[start]:
        start += 1
    tail = 0
    while tail < ends - start and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[start : len(before) - tail], after[start : len(after) - tail]
    if not old and not new:
        return []
    if len(old) * len(new) > CAREFUL:
        return _line_for_line(old, new, start) or [(start, start + len(old), start, start + len(new))]
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [(start + a, start + b, start + c, start + d) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]


def _line_for_line(old: list[str], new: list[str], start: int) -> list[Span]:
    """The usual large change: one word replaced everywhere, no line added."""
    if len(old) != len(new):
        return []
    different = [i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    return [(start + i, start + i + 1, start + i, start + i + 1) for i in different]


def _grouped(spans: list[Span]) -> list[list[Span]]:
    groups: list[list[Span]] = []
    for span in spans:
        if groups and span[0] - groups[-1][-1][1] <= 2 * CONTEXT:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups


def _hunk(spans: list[Span], before: list[str], after: list[str]) -> dict[str, Any]:
    lead = min(CONTEXT, spans[0][0])
    trail = min(CONTEXT, len(before) - spans[-1][1])
    at = spans[0][0] - lead
    lines: list[str] = []
    for a, b, c, d in spans:
        lines += _marked(" ", before[at:a]) + _marked("-", before[a:b]) + _marked("+", after[c:d])
        at = b
    lines += _marked(" ", before[at : at + trail])
    old_start, new_start = spans[0][0] - lead, spans[0][2] - lead
    old_lines, new_lines = spans[-1][1] + trail - old_start, spans[-1][3] + trail - new_start
    return {
        "oldStart": old_start + (old_lines > 0),
        "oldLines": old_lines,
        "newStart": new_start + (new_lines > 0),
        "newLines": new_lines,
        "lines": lines,
    }


def _marked(sign: str, lines: list[str]) -> list[str]:
    marked = []
    for line in map(printable, lines):
        if line.endswith("\n"):
            marked.append(sign + line[:-1])
        else:
            marked += [sign + line, NO_NEWLINE]
    return marked
