"""Whether letters that spell a name are the name: what stands between them, and whether a word begins and ends there.

Every answer may be None: the text ends before that can be known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .letters import is_invisible, is_unspaced, letters
from .names import Pattern

WIDEST_JOINT = 64
"""Separators between two words of a name: an indented line end, not half a page."""
WIDEST_GAP = 3
"""Separators between all letters of a name: `n a m e`, `n . a . m . e`."""
WIDEST_MARKUP = 16
SPLIT = re.compile(
    r"""[*_~`]{1,3}
      | [*_~]{0,3}["'`]\s*(?:\+|\.{1,2}|\|\||&|<>|,|\\)?\s*["'`][*_~]{0,3}
      | \\?-?\r?\n[ \t>#*/]*
      | \{\}|\[\]|\(\)""",
    re.VERBOSE,
)
"""What splits a word in the eyes of a machine alone: markup, the joint of two string literals, a hyphenated line."""
SPLIT_CHARACTERS = frozenset("*_~`\"'+.|&<>,\\-{}[]()#/ \t\r\n")


def visible(text: str) -> str:
    """Return a gap without what shows nothing."""
    return text if text.isascii() and text.isprintable() else "".join(one for one in text if not is_invisible(one))


# --- words ---------------------------------------------------------------------------------------------


def _before(text: str, at: int) -> int:
    at -= 1
    while at >= 0 and is_invisible(text[at]):
        at -= 1
    return at


def _after(text: str, at: int) -> int:
    at += 1
    while at < len(text) and is_invisible(text[at]):
        at += 1
    return at


def begins(text: str, at: int, *, unknown: bool = False) -> bool:
    """Whether a word begins with the letter at *at*; *unknown* is the answer where the text ends too early."""
    before = _before(text, at)
    return before < 0 or _parts(text, before, at, unknown=unknown)


def ends(text: str, at: int, *, final: bool) -> bool | None:
    """Whether a word ends with the letter at *at*."""
    after = _after(text, at)
    if after >= len(text):
        return True if final else None
    here, there = text[at], text[after]
    if here.isupper() and there.isupper() and not is_unspaced(here) and letters(there):
        beyond = _after(text, after)
        if beyond >= len(text):
            return False if final else None
        return text[beyond].islower()
    return _parts(text, at, after)


def _parts(text: str, left: int, right: int, *, unknown: bool = False) -> bool:
    """Whether two neighbours belong to two words."""
    here, there = text[left], text[right]
    if not letters(here) or not letters(there) or is_unspaced(here) or is_unspaced(there):
        return True
    if here.isdigit() != there.isdigit():
        return True
    if not there.isupper():
        return False
    if not here.isupper():
        return True
    after = _after(text, right)
    return text[after].islower() if after < len(text) else unknown


def _hump(text: str, left: int, right: int) -> bool:
    return text[right].isupper() and not text[left].isupper()


# --- a whole name --------------------------------------------------------------------------------------


def fits(
    text: str, pattern: Pattern, places: Sequence[int], before: int, after: int, *, strict: bool, final: bool
) -> bool | None:
    """Whether the letters at *places* are the pattern; *before* and *after* are the letters beside them, or -1."""
    first, last = places[0], places[-1]
    if before == first or after == last:
        return False  # half of a letter that unfolds into two
    loose, jointed = _gaps(text, pattern, places)
    if loose is None:
        return False
    if pattern.exact and not _same_case(text, pattern, places):
        return False
    if not _spread(loose) and not (strict and all(not gap or _split(gap) for gap in loose)):
        return False
    apart = jointed or any(loose)
    if pattern.anywhere and not apart and not _humps_within(text, pattern, places):
        return True
    if not begins(text, first):
        return False
    return ends(text, last, final=final)


def _gaps(text: str, pattern: Pattern, places: Sequence[int]) -> tuple[list[str] | None, bool]:
    """Return what stands between letters where no word begins, and whether words are told apart at a joint.

    None for the first if a joint is too wide.
    """
    loose: list[str] = []
    jointed = False
    previous = places[0]
    for offset, place in enumerate(places):
        if place == previous:
            continue
        gap = visible(text[previous + 1 : place]) if place > previous + 1 else ""
        if offset in pattern.joints:
            if len(gap) > WIDEST_JOINT:
                return None, True
            jointed = jointed or bool(gap) or _hump(text, previous, place)
        else:
            loose.append(gap)
        previous = place
    return loose, jointed


def _spread(loose: Sequence[str]) -> bool:
    """Whether nothing, or one and the same short separator, stands between all letters."""
    return not loose or (len(loose[0]) <= WIDEST_GAP and all(gap == loose[0] for gap in loose))


def _split(gap: str) -> bool:
    return len(gap) <= WIDEST_MARKUP and SPLIT.fullmatch(gap) is not None


def _humps_within(text: str, pattern: Pattern, places: Sequence[int]) -> bool:
    """Whether a word begins between two letters of a word of the name: `volumeP` of `volumePath`."""
    previous = places[0]
    for offset, place in enumerate(places):
        if place != previous and offset not in pattern.joints and _hump(text, previous, place):
            return True
        previous = place
    return False


def _same_case(text: str, pattern: Pattern, places: Sequence[int]) -> bool:
    """Whether it is written as in the list, letter by letter."""
    written = "".join(text[place] for place in dict.fromkeys(places))
    return any(written == "".join(one for one in spelling if letters(one)) for spelling in pattern.exact)


# --- a name's beginning --------------------------------------------------------------------------------


def may_become(text: str, places: Sequence[int], joints: int, *, anywhere: bool, strict: bool) -> bool:
    """Whether the letters at *places*, and what stands behind them to the end, may be the beginning of a name.

    *joints* has a bit for each place where a word begins in one of the names that begin so.
    """
    loose: list[str] = []
    jointed = False
    previous = places[0]
    for offset, place in enumerate(places):
        if place == previous:
            continue
        gap = visible(text[previous + 1 : place]) if place > previous + 1 else ""
        if joints >> offset & 1:
            if len(gap) > WIDEST_JOINT:
                return False
            jointed = jointed or bool(gap) or _hump(text, previous, place)
        else:
            loose.append(gap)
        previous = place
    rest = visible(text[previous + 1 :]) if previous + 1 < len(text) else ""
    if not _gap_may_stand(loose, rest, joint=bool(joints >> len(places) & 1), strict=strict):
        return False
    return (anywhere and not jointed and not rest and not any(loose)) or begins(text, places[0], unknown=True)


def _gap_may_stand(loose: Sequence[str], rest: str, *, joint: bool, strict: bool) -> bool:
    if _spread(loose):
        if not rest:
            return True
        if joint and len(rest) <= WIDEST_JOINT:
            return True
        if len(rest) <= WIDEST_GAP and (not loose or (loose[0] != "" and loose[0].startswith(rest))):
            return True
    if not strict or any(gap and not _split(gap) for gap in loose):
        return False
    if joint and len(rest) <= WIDEST_JOINT:
        return True
    return len(rest) <= WIDEST_MARKUP and all(one in SPLIT_CHARACTERS for one in rest)
