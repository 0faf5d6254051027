"""Names within runs of base64, base32 or hexadecimal: whether a text may hold one, fast, and in which run."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from .letters import fold_bytes, letters, skeleton
from .views import (
    PAIRS,
    RUN,
    RUN_BYTES,
    URL_SAFE,
    View,
    digit_readings,
    escapes,
    hex_reading,
    quoted_printable,
    run_readings,
    texts_of,
    wrapped_runs,
)

_BETWEEN = b"////////"
"""Reads as bytes 0xff wherever decoding begins, so that neighbours do not become one."""
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_ENCODED = re.compile(
    rb"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*|=(?:[0-9A-Fa-f]{2}(?:=[0-9A-Fa-f]{2})*|\r?\n)"
    rb"|\\(?:x[0-9A-Fa-f]{2}|[uU]\{?[0-9A-Fa-f]{2,8}\}?|[0-3]?[0-7]{2})|&[#A-Za-z][0-9A-Za-z]{1,8};"
)
_KINDS = bytes(
    ord("h") if chr(code) in "0123456789abcdefABCDEF" else code if chr(code) in " :,-x" else ord(".")
    for code in range(256)
)
_PAIRED = tuple(
    b"hh%bhh%bh".replace(b"%b", between).replace(b"h" + between + b"hh", b"h" + between + prefix + b"hh", 1)
    for between in (b" ", b":", b",", b"-", b", ")
    for prefix in (b"", b"hx")
)
"""A pair, what stands between, a second pair or one with `0x` before it, the same between, and a third one's first."""
_RUN_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
_ROWS = bytes(code if code in _RUN_LETTERS else ord(" ") for code in range(256))
_SHORTEST = 5
_LONG = 16
_FEW = 4
_REMEMBERED = 100_000
_SHORT = 48

May = Callable[[bytes], bool]
"""Whether a skeleton holds one of the names."""


class Innocent:
    """Runs that hold no name, so that the vocabulary of a text is read once."""

    def __init__(self) -> None:
        self._known: tuple[set[bytes], set[bytes]] = (set(), set())

    def unknown(self, tokens: Iterable[bytes], *, deeper: bool) -> list[bytes]:
        """Return those tokens of which it is not known, each once; those that are too short hold none."""
        known = self._known[deeper]
        unknown = set(tokens).difference(known)
        if not unknown:
            return []
        short = {token for token in unknown if len(token) < _SHORTEST}
        if len(known) <= _REMEMBERED:
            known |= short
        return [*(unknown - short)]

    def add(self, tokens: Iterable[bytes], *, deeper: bool) -> None:
        """Remember that they hold none."""
        known = self._known[deeper]
        if len(known) > _REMEMBERED:
            known.clear()
        known.update(token for token in tokens if len(token) <= _SHORT)


def readings(text: str, may: May, innocent: Innocent, *, deeper: bool) -> Iterator[tuple[int, int, str]]:
    """Go through what the runs of a text may say: where a run is, and its reading.

    Only runs that may hold a name are read; *may* is asked about many of them at once.
    """
    raw = text.encode("utf-8", "replace")
    unknown = innocent.unknown(raw.translate(_ROWS).split(), deeper=deeper)
    lines = _line_ends(raw) if b"\n" in raw else set()
    paired = may_hold_pairs(raw)
    if not unknown and not lines and not paired:
        return iter(())  # nearly always
    return _readings(text, may, innocent, unknown, lines, paired=paired, deeper=deeper)


def _line_ends(raw: bytes) -> set[str]:
    """Return the long runs that end a line, with that end."""
    found: set[str] = set()
    for line in raw.split(b"\n")[:-1]:
        bare = line.removesuffix(b"\r")
        at = len(bare.rstrip(_RUN_LETTERS))
        if len(bare) - at >= _LONG:
            found.add((line[at:] + b"\n").decode())
    return found


def _readings(
    text: str,
    may: May,
    innocent: Innocent,
    unknown: list[bytes],
    lines: set[str],
    *,
    paired: bool,
    deeper: bool,
) -> Iterator[tuple[int, int, str]]:
    if unknown:
        guilty = set(_narrow(unknown, may, deeper=deeper))
        innocent.add(guilty.symmetric_difference(unknown) if guilty else unknown, deeper=deeper)
        for match in RUN.finditer(text) if guilty else ():
            if match[1].encode() in guilty:
                yield from _texts(match.start(), match.end(), run_readings(match[1].encode()))
    if lines:
        for start, end, run in wrapped_runs(text, lines):
            yield from _texts(start, end, run_readings(run))
    if paired:
        yield from _of_pairs(text, may, deeper=deeper)


def _of_pairs(text: str, may: May, *, deeper: bool) -> Iterator[tuple[int, int, str]]:
    found = [(match.start(), match.end(), hex_reading(match[0])) for match in PAIRS.finditer(text)]
    whole = b"\xff\xff".join(raw for _, _, raw in found)
    if any(may(skeleton(read)) for read in texts_of(whole)) or (deeper and _suspicious_within(whole, may)):
        for start, end, raw in found:
            yield from _texts(start, end, [raw])


def _texts(start: int, end: int, found: Iterable[bytes]) -> Iterator[tuple[int, int, str]]:
    for raw in found:
        for read in texts_of(raw):
            yield start, end, read


def _narrow(tokens: Sequence[bytes], may: May, *, deeper: bool) -> Iterator[bytes]:
    """Halve until only runs are left that may hold a name."""
    if not suspicious(tokens, may, deeper=deeper):
        return
    if len(tokens) <= _FEW:
        yield from tokens
        return
    middle = len(tokens) // 2
    yield from _narrow(tokens[:middle], may, deeper=deeper)
    yield from _narrow(tokens[middle:], may, deeper=deeper)


def may_hold_pairs(raw: bytes) -> bool:
    """Whether there are pairs of digits with something between them: `6e 6f`, `6e:6f`, `0x6e, 0x6f`."""
    kinds = raw.translate(_KINDS)
    return any(one in kinds for one in _PAIRED)


def suspicious(tokens: Sequence[bytes], may: May, *, deeper: bool) -> bool:
    """Whether one of the runs may hold a name: all are decoded as one, base64 from each of four places."""
    if not tokens:
        return False
    raw = b"\xff\xff".join(_bulk(tokens))  # as one: most of the time goes into asking, not into what is asked about
    return may(fold_bytes(_MULTIBYTE.sub(_letters_of, raw))) or (deeper and _suspicious_within(raw, may))


def _bulk(tokens: Sequence[bytes]) -> Iterator[bytes]:
    joined = _BETWEEN.join(tokens).translate(URL_SAFE)
    for offset in range(4):
        part = joined[offset:]
        yield binascii.a2b_base64(part[: len(part) & ~3] + _ending(part))
    digits = [*digit_readings(b" ".join(tokens))]
    if digits:
        whole = b"\xff\xff".join(digits)
        yield whole
        if b"\0" in whole:
            for raw in digits:
                for read in texts_of(raw):
                    yield skeleton(read)


def _ending(part: bytes) -> bytes:
    rest = len(part) & 3
    return part[-rest:] + b"=" * (4 - rest) if rest > 1 else b""


def _suspicious_within(raw: bytes, may: May) -> bool:
    """Whether what was decoded holds a name that is encoded once more."""
    plain = _ENCODED.sub(_decoded, raw)
    if plain != raw and may(fold_bytes(_MULTIBYTE.sub(_letters_of, plain))):
        return True
    return may_hold_pairs(raw) or suspicious(RUN_BYTES.findall(raw), may, deeper=False)


def _decoded(match: re.Match[bytes]) -> bytes:
    view = View(match[0].decode("latin-1"))
    for read in (escapes, quoted_printable):
        view = read(view) or view
    return view.text.encode("utf-8", "replace")


class _Letters(dict[bytes, bytes]):
    def __missing__(self, raw: bytes) -> bytes:
        try:
            found = "".join(map(letters, raw.decode())).encode()
        except UnicodeDecodeError:
            found = b"\xff"
        if len(self) < 65_536:
            self[raw] = found
        return found


_LETTERS = _Letters()


def _letters_of(match: re.Match[bytes]) -> bytes:
    return _LETTERS[match[0]]
