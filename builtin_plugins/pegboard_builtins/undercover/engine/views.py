"""Other readings of a text: escapes decoded, markup taken out; each with the way back to where it came from."""

from __future__ import annotations

import codecs
import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from .letters import OTHER_READINGS


@dataclass(slots=True)
class View:
    """A reading of a text.

    Where it differs, `starts` and `ends` are the places in it, `froms` and `tos` those of what was replaced.
    """

    text: str
    parent: View | None = None
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    froms: list[int] = field(default_factory=list)
    tos: list[int] = field(default_factory=list)
    depth: int = 0
    runs: bool = True

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return where [start, end) came from in the first text of all; what was decoded counts as a whole."""
        view: View | None = self
        while view is not None and view.parent is not None:
            start, end = view._back(start)[0], view._back(end - 1)[1] if end > start else view._back(start)[0]
            view = view.parent
        return start, end

    def finished(self) -> str:
        """Return this reading without half a terminal's escape at its end."""
        if self.parent is None or ("\x1b" not in self.text and "\x9b" not in self.text):
            return self.text
        found = UNFINISHED.search(self.text, max(0, len(self.text) - 600))
        return self.text if found is None else self.text[: found.start()]

    def removed(self) -> Iterator[tuple[int, int]]:
        """Go through the places in the first text of all of what this reading takes out without a trace."""
        if self.parent is not None:
            for start, end, first, last in zip(self.starts, self.ends, self.froms, self.tos, strict=True):
                if start == end:
                    yield self.parent.origin(first, last)

    def _back(self, at: int) -> tuple[int, int]:
        number = bisect_right(self.starts, at) - 1
        if number < 0:
            return at, at + 1
        if at < self.ends[number]:
            return self.froms[number], self.tos[number]
        there = at - self.ends[number] + self.tos[number]
        return there, there + 1

    def decoded_rows(self) -> list[tuple[int, int]]:
        """Return the rows of letters that may hold a run which was none before: part of it was decoded, or it is of
        digits and stood behind a letter that is taken out now.

        What was taken out without a trace joins no rows: nobody can tell then where a run begins while it comes in.
        Nor does a row count for what stands beside it, which may have been shown long ago.
        """
        if not self.runs or self.parent is None:
            return []
        text = self.text
        gaps = [start for start, end in zip(self.starts, self.ends, strict=True) if start == end]
        found: list[tuple[int, int]] = []
        reach = 0
        for start, end in zip(self.starts, self.ends, strict=True):
            next_gap = bisect_right(gaps, start)
            last = gaps[next_gap] if next_gap < len(gaps) else len(text)
            if start == end:
                digits = _DIGITS.match(text, start, min(last, start + ROW))
                if digits is not None and found[-1:] != [digits.span()]:
                    found.append(digits.span())
            elif end > reach and text[start:end].strip(_NO_RUN):
                first = _row_from(text, start, gaps[next_gap - 1] if next_gap else 0)
                reach = _row_to(text, end, last)
                found.append((first, reach))
        return found


def _row_from(text: str, at: int, earliest: int) -> int:
    part = text[max(earliest, at - ROW) : at]
    return at - len(part) + len(part.rstrip(_IN_RUNS))


def _row_to(text: str, at: int, last: int) -> int:
    part = text[at : min(last, at + ROW)]
    return at + len(part) - len(part.lstrip(_IN_RUNS))


ROW = 4_096
"""Characters of a run that are looked at on either side of what was decoded in it."""
_IN_RUNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-="
_NO_RUN = " \t\r\n\"'<>(),.;:!?"
_DIGITS = re.compile(r"(?:(?:0x)?(?:[0-9A-Fa-f]{2}){3,}|[A-Z2-7]{5,})(?![0-9A-Za-z])")
"""Digits in hexadecimal or base32; base64 is found wherever it begins."""

Reader = Callable[[re.Match[str]], str | None]


def _read(view: View, pattern: re.Pattern[str], reader: Reader) -> View | None:
    """Return the view in which each match is replaced by what *reader* makes of it; None if nothing is."""
    text = view.text
    found: list[str] = []
    made: View | None = None
    at = size = 0
    for match in pattern.finditer(text):
        new = reader(match)
        if new is None:
            continue
        if made is None:
            made = View("", view, depth=view.depth + 1)
        start, end = match.span()
        found += (text[at:start], new)
        size += start - at
        made.starts.append(size)
        size += len(new)
        made.ends.append(size)
        made.froms.append(start)
        made.tos.append(end)
        at = end
    if made is None:
        return None
    found.append(text[at:])
    made.text = "".join(found)
    return made


# --- escapes -------------------------------------------------------------------------------------------

ESCAPE = re.compile(
    r"""%(?P<percent>[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*)
      | %u(?P<wide>[0-9A-Fa-f]{4})
      | &(?P<entity>\#[0-9]{1,7};?|\#[xX][0-9A-Fa-f]{1,6};?|[A-Za-z][A-Za-z0-9]{1,31};)
      | \\u(?P<high>[dD][89abAB][0-9A-Fa-f]{2})\\u(?P<low>[dD][c-fC-F][0-9A-Fa-f]{2})
      | \\(?:u(?P<four>[0-9A-Fa-f]{4})|U(?P<eight>[0-9A-Fa-f]{8})|[ux]\{(?P<braced>[0-9A-Fa-f]{1,6})\}
          |x(?P<two>[0-9A-Fa-f]{2})|(?P<octal>[0-3]?[0-7]{2})|(?P<letter>[abefnrtv0]))
      | \x1b(?P<ansi>\][^\x07\x1b\n]{0,250}(?:\x07|\x1b\\)|\[[0-?]*[ -/]*[@-~]|[ -/]+[0-~]|[@-Z\\-_])
      | \x9b(?P<control>[0-?]*[ -/]*[@-~])
    """,
    re.VERBOSE,
)  # each way begins with a character of its own: that is what makes the search for them fast
UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[ -/]*|\][^\x07\x1b\n]{0,250}\x1b?)?\Z|\x9b[0-?]*[ -/]*\Z")
"""A terminal's escape of which more may follow."""
QUOTED = re.compile(r"=(?:[0-9A-Fa-f]{2}(?:=[0-9A-Fa-f]{2})*|[ \t]{0,8}\r?\n)")


def _escape(match: re.Match[str]) -> str | None:
    kind = match.lastgroup
    value = match[kind] if kind else ""
    if kind == "letter":
        return "\x1b" if value == "e" else "\n"
    if kind == "percent":
        return _utf8(bytes.fromhex(value.replace("%", "")))
    if kind == "entity":
        source = f"&{value.rstrip(';')};"
        read = html.unescape(source)
        return None if read == source else read
    if kind == "low":
        return (bytes.fromhex(match["high"]) + bytes.fromhex(value)).decode("utf-16-be", "replace")
    if kind == "octal":
        return chr(int(value, 8))
    if kind in ("ansi", "control"):
        return ""
    code = int(value, 16)
    return chr(code) if code < 0x110000 else None


def _quoted(match: re.Match[str]) -> str | None:
    text = match[0]
    return "" if text[1] in " \t\r\n" else _utf8(bytes.fromhex(text.replace("=", "")))


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def escapes(view: View) -> View | None:
    """Read percent, entity, backslash and terminal escapes."""
    text = view.text
    if "\\" not in text and "%" not in text and "&" not in text and "\x1b" not in text and "\x9b" not in text:
        return None
    return _read(view, ESCAPE, _escape)


def quoted_printable(view: View) -> View | None:
    """Read quoted-printable."""
    if "=" not in view.text:
        return None
    return _read(view, QUOTED, _quoted)


_OTHER = re.compile(f"[{''.join(OTHER_READINGS)}]")


def other_letters(view: View) -> View | None:
    """Read the few letters that look like another one than they decompose to."""
    text = view.text
    if text.isascii() or not any(one in text for one in OTHER_READINGS):
        return None
    return _read(view, _OTHER, lambda match: OTHER_READINGS[match[0]])


# --- strict --------------------------------------------------------------------------------------------

TAG = re.compile(r"<(?:/?[A-Za-z][^<>]{0,80}|!--[^<>]{0,80}--)>")
_LEET = {"4": "a", "@": "a", "8": "b", "3": "e", "€": "e", "6": "g", "9": "g", "!": "i", "5": "s", "$": "s"}
_LEET |= {"7": "t", "+": "t", "2": "z", "|": "l", "(": "c", "#": "h"}
LEET = re.compile(f"[{re.escape(''.join(_LEET))}]")


def tags(view: View) -> View | None:
    """Read a text without its tags."""
    return _read(view, TAG, lambda match: "")


def leet(view: View) -> View | None:
    """Read digits and signs as the letters that they resemble."""
    made = _read(view, LEET, lambda match: _LEET[match[0]])
    if made is not None:
        made.runs = False  # whoever encodes has no need of it
    return made


NORMAL = (escapes, quoted_printable, other_letters)
STRICT = (*NORMAL, tags, leet)


_SIGNS = "\\%&=\x1b"  # beside those that are not ASCII


def views_of(text: str, *, strict: bool, depth: int) -> Iterable[View]:
    """Go through the text itself and its readings, and the readings of those, to *depth*."""
    if strict or not text.isascii() or any(sign in text for sign in _SIGNS):
        return _views_of(text, strict=strict, depth=depth)
    return (View(text),)


def _views_of(text: str, *, strict: bool, depth: int) -> Iterator[View]:
    waiting = [View(text)]
    seen = {text}
    while waiting:
        view = waiting.pop(0)
        yield view
        if view.depth >= depth:
            continue
        for read in STRICT if strict else NORMAL:
            made = read(view)
            if made is not None and made.text not in seen:
                seen.add(made.text)
                waiting.append(made)


# --- runs ----------------------------------------------------------------------------------------------

RUN = re.compile(r"([A-Za-z0-9+/_-]{5,})={0,6}")
RUN_BYTES = re.compile(rb"[A-Za-z0-9+/_-]{5,}")
PIECES = re.compile(rb"[A-Za-z0-9]{5,}")
PAIRS = re.compile(
    r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?P<between>[ :,-]|,[ ])(?:0x)?[0-9A-Fa-f]{2}"
    r"(?:(?P=between)(?:0x)?[0-9A-Fa-f]{2})+(?![0-9A-Za-z])"
)
HEX_RUN = re.compile(rb"(?<![0-9A-Za-z])(?:0x)?((?:[0-9A-Fa-f]{2}){3,})(?![0-9A-Za-z])")
BASE32_RUN = re.compile(rb"(?<![0-9A-Za-z])[A-Z2-7]{5,}(?![0-9A-Za-z])")
WRAPPED = re.compile(r"(?<![A-Za-z0-9+/_=-])(?:[A-Za-z0-9+/_-]{16,}\r?\n[ \t>]*)+[A-Za-z0-9+/_-]+={0,2}")
_SPACE = re.compile(r"[ \t>\r\n]+")
URL_SAFE = bytes.maketrans(b"-_", b"+/")


def run_readings(run: bytes) -> Iterator[bytes]:
    """Go through what a run may mean: base64, which may begin at any of four places, hexadecimal, base32."""
    pieces = PIECES.findall(run)
    for part in [run, *pieces] if len(pieces) > 1 else [run]:
        letters = part.translate(URL_SAFE)
        for offset in range(4):
            if len(letters) >= offset + 4:
                yield decode_base64(letters[offset:])
    yield from digit_readings(run)


def digit_readings(runs: bytes) -> Iterator[bytes]:
    """Go through the readings of runs in hexadecimal and in base32."""
    for digits in HEX_RUN.findall(runs):
        yield bytes.fromhex(digits.decode())
    for digits in BASE32_RUN.findall(runs):
        yield base32_reading(digits)


def decode_base64(raw: bytes) -> bytes:
    """Decode letters of the plain alphabet, whatever is missing at the end."""
    import binascii

    rest = len(raw) % 4
    if rest == 1:
        raw, rest = raw[:-1], 0
    return binascii.a2b_base64(raw + b"=" * (-rest % 4))


_BASE32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")


def base32_reading(run: bytes) -> bytes:
    """Decode a run of base32, whatever is missing at the end."""
    digits = run.translate(_BASE32)
    size = len(digits) * 5 // 8
    return (int(digits, 32) >> (len(digits) * 5 - size * 8)).to_bytes(size, "big")


def hex_reading(run: str) -> bytes:
    """Decode pairs of hexadecimal digits, whatever stands between them."""
    return bytes.fromhex(re.sub(r"0x|[ :,-]", "", run))


def wrapped_runs(text: str, lines: Iterable[str]) -> Iterator[tuple[int, int, bytes]]:
    """Go through runs of base64 that are wrapped into lines: where they are, and the run in one piece.

    *lines* are runs that end a line, one of which each of them begins with.
    """
    reach = 0
    for at in sorted({at for line in lines for at in _all_places(text, line)}):
        match = WRAPPED.match(text, at) if at >= reach else None
        if match is not None:
            reach = match.end()
            yield at, reach, _SPACE.sub("", match[0]).rstrip("=").encode()


def _all_places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def texts_of(raw: bytes) -> Iterator[str]:
    """Go through what bytes may say: UTF-8, or UTF-16 in either order where there are zeros."""
    yield raw.decode("utf-8", "replace")
    if b"\0" in raw:
        for codec in ("utf-16-le", "utf-16-be"):
            yield codecs.decode(raw, codec, "replace")
