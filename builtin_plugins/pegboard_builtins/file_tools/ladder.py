"""What `old_string` means where it does not stand in the file letter by letter: one place beyond doubt, or none.

Three things are overlooked: blanks at the ends of lines, the indentation of a whole block, and the typographic forms of
quotes, dashes and spaces. A place counts only if it is the only one in the file that is alike in any of these ways,
however much better one of two may fit; and what the model did not change there keeps the form that the file has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import SequenceMatcher
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from pegboard_builtins.file_tools.matching import common_ends

BLANKS = " \t"
FORMS = ("'‘’‚‛′", '"“”„‟″', "-‐‑‒–—―−", " \u00a0\u2002\u2003\u2007\u2009\u202f\u3000")
"""Each row is one sign in the forms that editors, chats and models turn it into."""
PLAIN = {ord(form): row[0] for row in FORMS for form in row}
CLASSES = {form: "[" + re.escape(row) + "]" for row in FORMS for form in row}
CAREFUL = 4_000_000
"""Words times words up to which two texts are compared word by word."""


class Place(NamedTuple):
    """From `start` stands `old`, which is to become `new`; `apart` says in what it differs from what was asked for."""

    start: int
    old: str
    new: str
    apart: str


def alike(text: str, wanted: str) -> list[int]:
    """Return where something stands that differs from *wanted* in blanks and typographic forms only, two at most."""
    found: list[int] = []
    wanted = wanted.strip(BLANKS + "\n")
    if not wanted:
        return found
    pattern = re.compile(_loosely(wanted))
    match = pattern.search(text)
    while match and len(found) < 2:
        found.append(match.start())
        match = pattern.search(text, match.start() + 1)
    return found


def place_of(text: str, old: str, new: str) -> Place | None:
    """Return the place that *old* means in *text* and what *new* means there; None if there is any doubt.

    It must be known that `alike` finds one place only.
    """
    return _letter_by_letter(text, old, new) or _indented_otherwise(text, old, new)


def _loosely(wanted: str) -> str:
    """A pattern that overlooks blanks at both ends of a line. Its repeats give nothing back: it takes linear time."""
    return rf"[{BLANKS}]*+\n[{BLANKS}]*+".join(_in_all_forms(line.strip(BLANKS)) for line in wanted.split("\n"))


def _in_all_forms(line: str) -> str:
    return "".join(CLASSES.get(char) or re.escape(char) for char in line)


def _letter_by_letter(text: str, old: str, new: str) -> Place | None:
    """Blanks at the ends of lines and forms of signs may differ: every other letter of *old* is one of the file."""
    lines = [_in_all_forms(line.rstrip(BLANKS)) for line in old.split("\n")]
    end = rf"[{BLANKS}]*+" if old[-1] in BLANKS else ""
    match = re.search(rf"[{BLANKS}]*+\n".join(lines) + end, text)
    if match is None:
        return None
    there = match[0]
    same = [line.rstrip(BLANKS) for line in old.split("\n")] == [line.rstrip(BLANKS) for line in there.split("\n")]
    apart = "blanks at the ends of lines" if same else "the form of quotes, dashes or spaces"
    return Place(match.start(), there, _carried_over(old, new, there), apart)


def _carried_over(old: str, new: str, there: str) -> str:
    """Return *new*, but what it has in common with *old* in the form that it has *there*, line by line."""
    mine, its, wanted = old.split("\n"), there.split("\n"), new.split("\n")
    # Where the blanks at the ends are those of the file, they tell which of several empty lines is meant.
    exact = all(_end(a) == _end(b) for a, b in zip(mine, its, strict=True))
    before, after = (lines if exact else [line.rstrip(BLANKS) for line in lines] for lines in (mine, wanted))
    made: list[str] = []
    for _, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if b - a == d - c:
            made += map(_line_carried_over, mine[a:b], wanted[c:d], its[a:b])
        else:
            made += wanted[c:d]
    return "\n".join(made)


def _end(line: str) -> str:
    return line[len(line.rstrip(BLANKS)) :]


def _line_carried_over(old: str, new: str, there: str) -> str:
    """The same for one line; its blanks at the end are those of the file unless they were to change."""
    if not there.strip(BLANKS):  # blanks of an empty line belong to no text that takes its place
        return new if new.strip(BLANKS) else there
    before, after, its = (line.rstrip(BLANKS) for line in (old, new, there))
    end = _end(there) if _end(old) == _end(new) else _end(new)
    if before == after:
        return its + end
    kept, named = set(re.findall(r"\w+", before)), set(re.findall(r"\w+", after))
    if 2 * len(kept & named) < len(kept) or (named and not kept):
        return new  # another line in its place, which owes nothing to this one
    words, others = re.findall(r"\w+|.", before), re.findall(r"\w+|.", after)
    if len(words) * len(others) > CAREFUL:
        lead, trail = common_ends(before, after)
        return its[:lead] + after[lead : len(after) - trail] + its[len(its) - trail :] + end
    at_old, at_new = _starts(words), _starts(others)
    steps = SequenceMatcher(None, words, others, autojunk=False).get_opcodes()
    pieces = [
        its[at_old[a] : at_old[b]] if tag == "equal" else after[at_new[c] : at_new[d]] for tag, a, b, c, d in steps
    ]
    return "".join(pieces) + end


def _starts(words: list[str]) -> list[int]:
    return [0, *accumulate(map(len, words))]


# --- a block that is indented otherwise ----------------------------------------------------------------------


def _indented_otherwise(text: str, old: str, new: str) -> Place | None:
    """Whole lines whose indentation differs by one rule from that of *old*; the rule then holds for *new*."""
    wanted = old.removesuffix("\n").split("\n")
    lines = text.split("\n")
    keys = [_key(line) for line in lines]
    sought = [_key(line) for line in wanted]
    if not any(sought):
        return None
    at = next((at for at in range(len(lines) - len(sought) + 1) if keys[at : at + len(sought)] == sought), None)
    if at is None:
        return None
    there = lines[at : at + len(wanted)]
    if old.endswith("\n") and at + len(wanted) == len(lines):
        return None  # the last line has no end, so this is not quite it
    translate = _rule([(_indent(a), _indent(b)) for a, b in zip(wanted, there, strict=True) if a.strip(BLANKS)])
    if translate is None:
        return None
    made: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, wanted, _lines(new, old), autojunk=False).get_opcodes():
        if tag == "equal":
            made += there[a:b]
            continue
        for line in _lines(new, old)[c:d]:
            indent = translate(_indent(line)) if line.strip(BLANKS) else ""
            if indent is None:
                return None
            made.append(indent + line[len(_indent(line)) :])
    start = sum(len(line) + 1 for line in lines[:at])
    end = "\n" if old.endswith("\n") else ""
    whole = "\n".join(made) + ("\n" if new.endswith("\n") and old.endswith("\n") else "")
    return Place(start, "\n".join(there) + end, whole if new else "", "indentation")


def _lines(new: str, old: str) -> list[str]:
    if not new:
        return []
    return (new.removesuffix("\n") if old.endswith("\n") else new).split("\n")


def _key(line: str) -> str:
    return line.strip(BLANKS).translate(PLAIN)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(BLANKS))]


def _rule(pairs: list[tuple[str, str]]) -> Callable[[str], str | None] | None:
    """Return the one rule by which every first indentation becomes the second: a shift, or tabs for spaces."""
    return _shift(pairs) or _tabs(pairs)


def _shift(pairs: list[tuple[str, str]]) -> Callable[[str], str | None] | None:
    mine, its = min(pairs, key=lambda pair: len(pair[0]))
    if its.endswith(mine):
        more = its[: len(its) - len(mine)]
        fits = all(theirs == more + ours for ours, theirs in pairs) and _one_kind(pairs)
        return (lambda indent: more + indent) if fits else None
    if mine.endswith(its):
        less = mine[: len(mine) - len(its)]
        fits = all(ours == less + theirs for ours, theirs in pairs) and _one_kind(pairs)
        return (lambda indent: indent[len(less) :] if indent.startswith(less) else None) if fits else None
    return None


def _one_kind(pairs: list[tuple[str, str]]) -> bool:
    """Whether there are only tabs or only spaces: else a shift may be a chance."""
    return len(set("".join(mine + its for mine, its in pairs))) <= 1


def _tabs(pairs: list[tuple[str, str]]) -> Callable[[str], str | None] | None:
    """So many spaces are a tab, or the other way round."""
    if _are(" ", pairs, 0) and _are("\t", pairs, 1):
        width = _width([(len(mine), len(its)) for mine, its in pairs])
        return partial(_spaces_to_tabs, width) if width else None
    if _are("\t", pairs, 0) and _are(" ", pairs, 1):
        width = _width([(len(its), len(mine)) for mine, its in pairs])
        return partial(_tabs_to_spaces, width) if width else None
    return None


def _are(sign: str, pairs: list[tuple[str, str]], side: int) -> bool:
    return not any(pair[side].strip(sign) for pair in pairs)


def _width(counts: list[tuple[int, int]]) -> int | None:
    """Return how many spaces a tab is, if that is the same everywhere."""
    found = {spaces / tabs if tabs else spaces for spaces, tabs in counts if spaces or tabs}
    width = found.pop() if len(found) == 1 else 0
    return int(width) if width >= 1 and width == int(width) and any(tabs for _, tabs in counts) else None


def _spaces_to_tabs(width: int, indent: str) -> str | None:
    return None if indent.strip(" ") or len(indent) % width else "\t" * (len(indent) // width)


def _tabs_to_spaces(width: int, indent: str) -> str | None:
    return None if indent.strip("\t") else " " * (len(indent) * width)
