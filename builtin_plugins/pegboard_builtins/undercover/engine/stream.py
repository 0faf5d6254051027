"""Names in a text that comes in pieces: held back exactly as long as it may become one, never shown and taken back."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from .letters import OTHER_READINGS, is_invisible
from .matching import Hit, masked, merged
from .views import PAIRS, TAG, UNFINISHED, WRAPPED

if TYPE_CHECKING:
    from .matching import Matcher, Scan

_RUN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-%\\&#;{}" + "".join(OTHER_READINGS)
"""Escapes and runs consist of these; no place within a row of them is where the text may be parted."""
_HEX_TAIL = re.compile(r"(?:(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?:[ :,-]|,[ ])?)+(?:0x?[0-9A-Fa-f]?|[0-9A-Fa-f])?\Z")
_LINES_TAIL = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?:[A-Za-z0-9+/_-]{16,}\r?\n[ \t>]*)*"
    r"[A-Za-z0-9+/_-]{16,}(?:\r?\n?[ \t>]*[A-Za-z0-9+/_=-]*)?\Z"
)
_TAG_TAIL = re.compile(r"<[^<>]{0,82}\Z")
_HEX = "0123456789abcdefABCDEFx :,-"
_LINES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-\r\n\t >"
FEWEST_PAIRED, FEWEST_WRAPPED = 8, 16
"""Characters that pairs of digits, and the first line of a wrapped run, have at least."""
_LONG = 2_048
"""From so many held characters on, small pieces are not looked at one by one: holding is always safe."""
_LOOK_BACK, _FAR_BACK = 256, 600
"""How far back a tag, and a terminal's escape, may have begun."""


class Stream:
    """One text in pieces. `take` gives back what may be shown of it, with names masked; `end` the rest.

    `hits` has what was found so far, in places of the whole text.
    """

    def __init__(self, matcher: Matcher, mask: str = "[internal]") -> None:
        self._matcher = matcher
        self._mask = mask
        self._held = ""
        self._context = ""
        self._unseen = 0
        self._given = 0
        self.hits: list[Hit] = []

    @property
    def held(self) -> int:
        """How many characters are held back now."""
        return len(self._held)

    def take(self, piece: str) -> str:
        """Add a piece and return what may be shown now."""
        self._held += piece
        self._unseen += len(piece)
        if len(self._held) > _LONG and self._unseen * 4 < len(self._held):
            return ""
        return self._release(final=False)

    def end(self) -> str:
        """Return what is left."""
        return self._release(final=True)

    def _release(self, *, final: bool) -> str:
        self._unseen = 0
        before = len(self._context)
        text = self._context + self._held
        if not text:
            return ""
        if final:
            scan, limit = self._matcher.scan(text), len(text)
        else:
            # The row at the end may be half an escape, which nobody can read yet: it waits until it is whole.
            known = text[: _open_row(text, strict=self._matcher.strict)]
            if len(known) <= before:
                return ""
            scan = self._matcher.scan(known, final=False)
            limit = max(before, self._limit(text, min(scan.open_from, len(known)), scan))
        shown = text[before:limit]
        if scan.hits:
            shown = self._hidden(shown, scan.hits, before, limit)
        self._given += limit - before
        self._held = text[limit:]
        self._context = _context(text, limit)
        return shown

    def _hidden(self, shown: str, hits: tuple[Hit, ...], before: int, limit: int) -> str:
        """Return what is shown with its names masked; *before* is where it begins in what was looked at."""
        inside = [hit for hit in hits if hit.start >= before and hit.end <= limit]
        away = self._given - before
        self.hits += [Hit(hit.start + away, hit.end + away, hit.name, hit.how) for hit in inside]
        return masked(shown, [Hit(hit.start - before, hit.end - before, hit.name) for hit in inside], self._mask)

    def _limit(self, text: str, limit: int, scan: Scan) -> int:
        """Return the place up to which nothing can change any more, whatever follows."""
        if limit >= len(text) and not scan.hits and not scan.removed:
            return limit
        strict = self._matcher.strict
        ranges = merged(scan.hits)
        removed = [(first, last + _unseen(text, last)) for first, last in scan.removed]
        head = text[:limit]
        for pattern, first, fewest in (
            (PAIRS, len(head.rstrip(_HEX)), FEWEST_PAIRED),
            (WRAPPED, len(head.rstrip(_LINES)) if "\n" in text else len(text), FEWEST_WRAPPED),
            (TAG, max(0, limit - _LOOK_BACK) if strict else len(text), 1),
        ):
            if first < limit and first + fewest <= len(text):
                ranges += [match.span() for match in pattern.finditer(text, first)]
        while True:
            start = _row_start(text, limit)
            for first, last in ranges:
                if first < start < last:
                    start = first
            for first, last in removed:  # its last letter would stand before what follows as a neighbour
                if first < start <= last:
                    start = _row_before(text, first)
            if start == limit:
                return limit
            limit = start


def _row_start(text: str, at: int) -> int:
    """Return the beginning of the row of escapes and runs in which *at* stands; *at* itself if it stands in none."""
    if not 0 < at < len(text):
        return at
    if text[at] not in _RUN and not is_invisible(text[at]) and not is_invisible(text[at - 1]):
        return at
    return _row_before(text, at)


def _row_before(text: str, at: int) -> int:
    """Return the beginning of the row that ends before *at*; what shows nothing parts no row."""
    before = at
    while before and is_invisible(text[before - 1]):
        before -= 1
    return len(text[:before].rstrip(_RUN)) if before and text[before - 1] in _RUN else at


def _unseen(text: str, at: int) -> int:
    """Return how many characters from *at* on show nothing."""
    end = at
    while end < len(text) and is_invisible(text[end]):
        end += 1
    return end - at


def _open_row(text: str, *, strict: bool) -> int:
    """Return where the row begins that the end of a text stands in, and so may still go on.

    What shows nothing at the end leaves the row before it open: its escape would be the neighbour of what follows.
    """
    start = len(text.rstrip(_RUN))
    if start == len(text):
        start = _row_before(text, start)
    tails = [(_HEX_TAIL, len(text.rstrip(_HEX)), 1), (_LINES_TAIL, len(text.rstrip(_LINES)), FEWEST_WRAPPED)]
    if strict:
        tails.append((_TAG_TAIL, max(0, len(text) - _LOOK_BACK), 1))
    for pattern, tail, fewest in tails:
        found = pattern.search(text, tail) if tail + fewest <= len(text) else None
        if found is not None:
            start = min(start, found.start())
    bare = text.rstrip(" \t\r")
    if bare.endswith("="):  # a soft line end that has only begun
        start = min(start, len(bare) - 1)
    coloured = "\x1b" in text or "\x9b" in text
    while True:
        earlier = _row_start(text, start)
        found = UNFINISHED.search(text, max(0, earlier - _FAR_BACK), earlier) if coloured else None
        if found is not None:
            earlier = found.start()
        if earlier == start:
            return start
        start = earlier


def _context(text: str, limit: int) -> str:
    """Return what must be remembered of what was shown: the last visible character before *limit*."""
    at = limit - 1
    if at >= 0 and text[at].isascii() and text[at].isprintable():
        return text[at]
    while at > 0 and is_invisible(text[at]) and limit - at < 64:
        at -= 1
    return text[max(0, at) : limit]


class ByteStream:
    """A `Stream` of UTF-8 in pieces that may end within a character."""

    def __init__(self, matcher: Matcher, mask: str = "[internal]") -> None:
        self._stream = Stream(matcher, mask)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, piece: bytes) -> bytes:
        """Add a piece and return what may be shown now."""
        return self._stream.take(self._decoder.decode(piece)).encode()

    def end(self) -> bytes:
        """Return what is left."""
        return (self._stream.take(self._decoder.decode(b"", final=True)) + self._stream.end()).encode()
