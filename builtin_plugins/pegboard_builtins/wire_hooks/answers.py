"""Objects in the text of a program that are answers, and what of them nobody reads.

It takes braces and keys for what they look like, in any language: a key is `"key":`, `key:`, `\\"key\\":` or, in a list
of names, `key`. So it finds what is written out, and not what a program puts together as it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.events import EVENTS, EventRow
from pegboard_builtins.wire_hooks.outputs import BESIDE, Output, unknown_keys

TOKEN = re.compile(
    r"""[{}]|\.\.\.|\*\*|\\?["']?\b([A-Za-z_]\w*)\b\\?["']?\s*(?=:(?!:))|(?<=[{,])\s*([A-Za-z_]\w*)\s*(?=[,}])"""
)
SENT = re.compile(
    r"""(?:\bprint\(\s*json\.dumps\(|\b(?:console\.log|stdout\.write)\(\s*JSON\.stringify\(|\b(?:echo|printf)\s+["'])\s*$"""
)
"""What stands before an object that is sent as it is."""
ELSEWHERE = re.compile(r"""[^\n;]*?(?:>|\|(?!\|)|file\s*=)""")
"""After an object that is sent elsewhere: to a file, to stderr, to another program."""
TOP = frozenset(spec.alias or name for name, spec in Output.model_fields.items()) | BESIDE
INNER = {
    name: frozenset(row.specific.model_fields) if row.specific is not None else frozenset({"hookEventName"})
    for name, row in EVENTS.items()
}
ONLY_INNER = frozenset().union(*INNER.values()) - TOP - {"hookEventName", "action", "content", "retry"}
"""Fields that an answer has within `hookSpecificOutput` alone, and that hardly mean anything else."""


@dataclass(slots=True)
class Written:
    """An object that a text holds: where it begins and ends, its keys, the key that it stands under."""

    start: int
    under: str = ""
    end: int = 0
    keys: list[str] = field(default_factory=list)
    spread: bool = False
    parent: Written | None = None


def objects_in(text: str) -> list[Written]:
    """Return the objects of a text in the order in which they begin; one without an end is none."""
    open_ones: list[Written] = []
    found: list[Written] = []
    last = ""
    for token in TOKEN.finditer(text):
        said = token[0]
        if said == "{":
            parent = open_ones[-1] if open_ones else None
            open_ones.append(Written(token.start(), last, parent=parent))
            last = ""
        elif said == "}":
            if open_ones:
                done = open_ones.pop()
                done.end = token.end()
                found.append(done)
            last = ""
        elif said in ("...", "**"):
            if open_ones:
                open_ones[-1].spread = True
        else:
            last = token[1] or token[2]
            if open_ones:
                open_ones[-1].keys.append(last)
    return sorted(found, key=lambda one: one.start)


def unread(text: str, row: EventRow) -> Iterator[tuple[str, str, str, int, bool]]:
    """Find what nobody reads in the answers that a text holds, as (kind, text, mend, place, whether it is sure).

    A program that also holds a right answer to this event speaks to several hosts, or to several events: it is left
    in peace.
    """
    objects = objects_in(text)
    if _answers(text, row, objects):
        return
    for one in objects:
        inner = [key for key in one.keys if key in ONLY_INNER]
        if one.spread:
            continue
        if one.under == "hookSpecificOutput":
            if inner and "hookEventName" not in text:
                mend = f'Write "hookEventName": "{row.name}" into it.'
                yield "hookEventName", "hookSpecificOutput has no hookEventName, which voids it", mend, one.start, True
        elif inner and "hookEventName" not in one.keys and _is_answer(text, one):
            key = inner[0]
            right = f'"hookSpecificOutput": {{"hookEventName": "{row.name}", "{key}": ...}}'
            yield "output field", f"nobody reads {key!r} at the top of an answer", f"Write {right}.", one.start, False
        elif one.keys and TOP.isdisjoint(one.keys) and one.parent is None and _is_sent(text, one):
            named = ", ".join(repr(key) for key in dict.fromkeys(one.keys))
            mend = "Write decision and reason, systemMessage, or hookSpecificOutput."
            yield "output field", f"nobody reads any field of this answer: {named:.80}", mend, one.start, False


def misplaced(text: str, row: EventRow) -> Iterator[tuple[str, str, str, int, bool]]:
    """Find fields in an answer to this very event that the event does not have."""
    for one in objects_in(text):
        if one.under != "hookSpecificOutput" or not _names(text, one, row.name):
            continue
        strange = [key for key in one.keys if key not in INNER[row.name] and key in ONLY_INNER | TOP]
        for said in unknown_keys({"hookSpecificOutput": dict.fromkeys(strange)}, row.specific):
            yield "output field", f"{row.name} does not read {said}", "", one.start, True


def _answers(text: str, row: EventRow, objects: list[Written]) -> bool:
    return any(_names(text, one, row.name) for one in objects if "hookEventName" in one.keys)


def _names(text: str, one: Written, event: str) -> bool:
    body = text[one.start : one.end]
    return re.search(rf"""hookEventName\\?["']?\s*:\s*\\?["']{event}\b""", body) is not None


def _is_sent(text: str, one: Written) -> bool:
    line = text.rfind("\n", 0, one.start) + 1
    sent = SENT.search(text[line : one.start]) is not None and ELSEWHERE.match(text, one.end, one.end + 2000) is None
    return sent and not captured(text, one.start)


def captured(text: str, place: int) -> bool:
    """Whether a shell's `$(...)` around a place takes what is said there."""
    before = text[max(0, place - 600) : place]
    depth = 0
    for found in re.finditer(r"\$\(|\)", before):
        depth = depth + 1 if found[0] == "$(" else max(0, depth - 1)
    return depth > 0


def _is_answer(text: str, one: Written) -> bool:
    """Whether an object is an answer as a whole: it is sent, or has a field of an answer beside."""
    return _is_sent(text, one) or (one.parent is None and not TOP.isdisjoint(one.keys))
