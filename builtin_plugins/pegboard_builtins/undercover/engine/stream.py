"""Names in a text that comes in pieces: held back exactly as long as it may become one, never shown and taken back."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from .letters import OTHER_READINGS
from .matching import Hit, masked, merged
from .views import PAIRS, TAG, WRAPPED

if TYPE_CHECKING:
    from .matching import Matcher

_RUN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-%\\&#;{}" + "".join(OTHER_READINGS)
"""Escapes and runs consist of these; no place within a row of them is where the text may be parted."""
_HEX_TAIL = re.compile(r"(?:(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?:[ :,]|,[ ])?)+(?:0x?[0-9A-Fa-f]?|[0-9A-Fa-f])?\Z")
_ANSI_TAIL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*)?\Z")
_LINES_TAIL = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?:[A-Za-z0-9+/_-]{16,}\r?\n[ \t>]*)*"
    r"[A-Za-z0-9+/_-]{16,}(?:\r?\n?[ \t>]*[A-Za-z0-9+/_=-]*)?\Z"
)
_TAG_TAIL = re.compile(r"<[^<>]{0,82}\Z")
_HEX = "0123456789abcdefABCDEFx :,"
_LINES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-\r\n\t >"
_LONG = 2_048
"""From so many held characters on, small pieces are not looked at one by one: holding is always safe."""
_LOOK_BACK = 256


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
            limit = max(before, self._limit(text, min(scan.open_from, len(known)), scan.hits))
        inside = [hit for hit in scan.hits if hit.start >= before and hit.end <= limit]
        self.hits += [
            Hit(hit.start - before + self._given, hit.end - before + self._given, hit.name, hit.how) for hit in inside
        ]
        shown = text[before:limit]
        if inside:
            shown = masked(shown, [Hit(hit.start - before, hit.end - before, hit.name) for hit in inside], self._mask)
        self._given += limit - before
        self._held = text[limit:]
        self._context = _context(text, limit)
        return shown

    def _limit(self, text: str, limit: int, hits: tuple[Hit, ...]) -> int:
        """Return the place up to which nothing can change any more, whatever follows."""
        if limit >= len(text) and not hits:
            return limit
        strict = self._matcher.strict
        ranges = merged(hits)
        for pattern, first in (
            (PAIRS, len(text[:limit].rstrip(_HEX))),
            (WRAPPED, len(text[:limit].rstrip(_LINES))),
            (TAG, max(0, limit - _LOOK_BACK) if strict else len(text)),
        ):
            ranges += [match.span() for match in pattern.finditer(text, first)]
        while True:
            start = _row_start(text, limit)
            for first, last in ranges:
                if first < start < last:
                    start = first
            if start == limit:
                return limit
            limit = start


def _row_start(text: str, at: int) -> int:
    """Return the beginning of the row of escapes and runs in which *at* stands; *at* itself if it stands in none."""
    if not 0 < at < len(text) or text[at] not in _RUN or text[at - 1] not in _RUN:
        return at
    return len(text[:at].rstrip(_RUN))


def _open_row(text: str, *, strict: bool) -> int:
    """Return where the row begins that the end of a text stands in, and so may still go on."""
    start = len(text.rstrip(_RUN))
    tails = [(_HEX_TAIL, len(text.rstrip(_HEX))), (_LINES_TAIL, len(text.rstrip(_LINES)))]
    if strict:
        tails.append((_TAG_TAIL, max(0, len(text) - _LOOK_BACK)))
    for pattern, tail in tails:
        found = pattern.search(text, tail)
        if found is not None:
            start = min(start, found.start())
    while True:
        earlier = _row_start(text, start)
        found = _ANSI_TAIL.search(text, max(0, earlier - _LOOK_BACK), earlier)
        if found is not None:
            earlier = found.start()
        if earlier == start:
            return start
        start = earlier


def _context(text: str, limit: int) -> str:
    """Return what must be remembered of what was shown: the last visible character before *limit*."""
    from .letters import is_invisible

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
