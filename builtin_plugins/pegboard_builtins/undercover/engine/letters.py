"""What letters remain of a text: case, look-alikes, separators and invisible characters folded away.

The skeleton of a text is that of its characters one after another, with no regard to what stands beside them; so it
can be taken in blocks, and two texts that look alike have the same one.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from functools import lru_cache
from pathlib import Path

LIKE = {"i": "l", "1": "l", "0": "o", "m": "rn", "w": "vv"}
"""What cannot be told apart in many fonts; longer forms, because `rn` may come from two words."""

_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5\u034f")
"""Letters and symbols that show nothing."""
_NAMED = re.compile(
    r"(?:REGIONAL INDICATOR SYMBOL|(?:NEGATIVE |CROSSED )*(?:SQUARED|CIRCLED)(?: LATIN CAPITAL)?) LETTER ([A-Z])"
)
_VARIETY = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH .+|LATIN LETTER SMALL CAPITAL ([A-Z])")
_INVISIBLE = frozenset({"Cf", "Mn", "Me", "Cc"})

ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_TABLE = bytes(
    ord(LIKE.get(chr(code).lower(), chr(code).lower())) if chr(code) in ASCII_LETTERS and chr(code) not in "mMwW"
    else ord(chr(code).lower()) if code < 128
    else code
    for code in range(256)
)  # fmt: skip
_DELETED = bytes(code for code in range(128) if chr(code) not in ASCII_LETTERS)

OTHER_READINGS = {"ſ": "f", "ϲ": "c", "Ϲ": "C", "ͺ": "i", "\u1fbe": "i"}
"""Letters that Unicode's decomposition and its look-alikes read in two ways; this is the second."""


def skeleton(text: str) -> bytes:
    """Return the letters of a text as UTF-8: lower case, look-alikes as one, and nothing else."""
    return fold_bytes(text.encode() if text.isascii() else text.encode("ascii", _handler()))


def fold_bytes(raw: bytes) -> bytes:
    """Return the skeleton of bytes, whose ASCII counts; other bytes stay as they are."""
    return raw.translate(_TABLE, _DELETED).replace(b"m", b"rn").replace(b"w", b"vv")


@lru_cache(maxsize=1)
def _handler() -> str:
    """Return the name of what the encoder asks about rows of letters beyond ASCII: it finds them faster than we can."""
    codecs.register_error("pegboard.undercover.letters", _letters_of)
    return "pegboard.undercover.letters"


def _letters_of(row: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(row, UnicodeEncodeError)
    return "".join(map(letters, row.object[row.start : row.end])).encode(), row.end


@lru_cache(maxsize=16_384)
def letters(character: str) -> str:
    """Return the letters of one character; empty for separators and for what is invisible."""
    code = ord(character)
    if code < 128:
        return fold_bytes(character.encode()).decode()
    if 0xE0020 <= code <= 0xE007E:  # tag characters carry ASCII that no font shows
        return letters(chr(code - 0xE0000))
    if is_invisible(character) or 0xD800 <= code <= 0xDFFF:
        return ""
    named = _NAMED.fullmatch(unicodedata.name(character, ""))
    text = named[1] if named else character if character in OTHER_READINGS else _look(character)
    for _ in range(2):  # what one step yields, the other may read: a look-alike of a ligature, say
        text = "".join(map(_look, unicodedata.normalize("NFKD", text)))
        text = unicodedata.normalize("NFKD", text).casefold()
    plain = (one for one in text if one.isalnum() and one not in _FILLERS)
    return "".join(LIKE.get(one, one) for one in plain)


def _look(character: str) -> str:
    return character if character.isascii() else _look_alikes().get(character) or _plain_one(character)


def _plain_one(character: str) -> str:
    """Return the letter that another is a variety of by its Unicode name: strokes, hooks, small capitals."""
    found = _VARIETY.fullmatch(unicodedata.name(character, ""))
    return (found[1] or found[2]).lower() if found else character


@lru_cache(maxsize=1)
def _look_alikes() -> dict[str, str]:
    """Return what the table beside this file says; it is read when the first letter beyond ASCII is met."""
    found: dict[str, str] = {}
    for line in Path(__file__).with_name("confusables.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            prototype, _, others = line.partition("\t")
            found.update(dict.fromkeys(others, prototype))
    return found


@lru_cache(maxsize=16_384)
def is_invisible(character: str) -> bool:
    """Whether a character shows nothing and separates nothing: zero width, combining, a selector, a direction."""
    if character in _FILLERS:
        return True
    if 0xE0020 <= ord(character) <= 0xE007E:
        return not letters(character)
    return unicodedata.category(character) in _INVISIBLE and not character.isspace()


@lru_cache(maxsize=16_384)
def is_unspaced(character: str) -> bool:
    """Whether a letter belongs to a script that is written without spaces, so that words end anywhere."""
    code = ord(character)
    return (
        0x0E00 <= code <= 0x0EFF  # Thai, Lao
        or 0x1000 <= code <= 0x109F  # Myanmar
        or 0x1780 <= code <= 0x17FF  # Khmer
        or 0x2E80 <= code <= 0x9FFF  # Han, kana, bopomofo, hangul compatibility
        or 0xAC00 <= code <= 0xD7A3
        or 0xF900 <= code <= 0xFAFF
        or 0xFF66 <= code <= 0xFFDC
        or 0x20000 <= code <= 0x323AF
    )
