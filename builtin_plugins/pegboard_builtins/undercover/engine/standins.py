"""Stand-ins for names, and the way back: whatever text is hidden comes out again byte for byte.

A stand-in is one word of a fixed shape for each word of a name, in the case that the word had: `blue_heron` becomes
`zavomiru_zukelani`, `BlueHeron` becomes `ZavomiruZukelani`. A name in another dress (encoded, spelled out, with
look-alikes) becomes one word as a whole. Words of the same shape that stand in the text already are marked by a letter
q behind them, so that there is nothing that a stand-in could be mistaken for:

    a name's word with k letters q behind it    -> the stand-in with 2k of them
    a word of the shape with k letters q        -> the same word with 2k + 1 of them

Every word of the shape begins with z and has no other, so that none can begin in the middle of another: a text can be
read back in one way only, and piece by piece.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from .letters import letters
from .matching import Hit, merged
from .names import words_of
from .payload import Finder

VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnprstvx"
PAIRS = 3
_LOWER = f"z(?:[{VOWELS}][{CONSONANTS}]){{{PAIRS}}}[{VOWELS}]"
_SHAPE = re.compile(f"({_LOWER}|Z{_LOWER[1:]}|{_LOWER.upper()})(q*)")


def _beginning(first: str, rest: list[str]) -> str:
    """Return the pattern of any beginning of a word of the shape, `rest` being what follows the first letter."""
    pattern = ""
    for one in reversed(rest):
        pattern = f"(?:{one}{pattern})?"
    return first + pattern


_REST = [f"[{VOWELS}]", f"[{CONSONANTS}]"] * PAIRS + [f"[{VOWELS}]q*"]
_UPPER_REST = [one.upper() for one in _REST[:-1]] + [f"[{VOWELS.upper()}]q*"]
_OPEN = re.compile(f"(?:{_beginning('[zZ]', _REST)}|{_beginning('Z', _UPPER_REST)})\\Z")
_WORD = 1 + 2 * PAIRS + 1

Known = Mapping[str, str]
"""Stand-ins by the keyed ids of what they stand for."""


class StandIns:
    """The stand-ins of one session.

    They follow from *key*, so that they are the same each time; *known* are those that were given before, *remember*
    is told of each new one by its id, which tells nothing without the key.
    """

    def __init__(
        self,
        finder: Finder,
        key: bytes,
        known: Known | None = None,
        remember: Callable[[str, str], None] = lambda id_, word: None,
    ) -> None:
        self._finder = finder
        self._key = key[:64]
        self._known = dict(known or {})
        self._taken = set(self._known.values())
        self._remember = remember
        self._meant: dict[str, tuple[str, bool]] = {}

    def __repr__(self) -> str:
        return f"<{len(self._meant)} stand-ins>"

    def needed_in(self, text: str) -> bool:
        """Whether a text holds a name."""
        return bool(self._finder.find(text))

    # --- there -------------------------------------------------------------------------------------------

    def hide(self, text: str) -> str:
        """Return a text with stand-ins in the place of names; the very same if there is nothing to do."""
        hits = self._finder.find(text)
        if not hits:
            return _SHAPE.sub(_marked, text) if "z" in text or "Z" in text else text
        parts: list[str] = []
        at = 0
        for start, end in merged(hits):
            parts.append(_plain(text[at:start], behind_a_name=bool(at or parts)))
            parts.append(self._in_place_of(text, start, end, [hit for hit in hits if start <= hit.start < end]))
            at = end
        return "".join([*parts, _plain(text[at:], behind_a_name=True)])

    def _in_place_of(self, text: str, start: int, end: int, hits: list[Hit]) -> str:
        places = _words_at(text, hits[0]) if len(hits) == 1 else None
        if places is None:
            return self._word(text[start:end], exact=True)
        parts: list[str] = []
        style: Callable[[str], str] = str.lower
        for first, last in places:
            word = text[first:last]
            parts.append(text[start:first])
            found = _style_of(word)
            if found is None:
                parts.append(self._word(word, exact=True))
            else:
                style = found if word.upper() != word.lower() else style
                parts.append(style(self._word(word.lower(), exact=False)))
            start = last
        return "".join([*parts, text[start:end]])

    def _word(self, text: str, *, exact: bool) -> str:
        """Return the stand-in of a word in lower case, or of a text as it stands."""
        id_ = self._digest(f"{int(exact)}{text}")
        word = self._known.get(id_)
        if word is None:
            attempt = 0
            while word is None or word in self._taken or self._finder.find(f"{word} {word.upper()} {word.title()}"):
                word = _made_from(hashlib.blake2b(f"{id_} {attempt}".encode(), key=self._key).digest())
                attempt += 1
            self._known[id_] = word
            self._taken.add(word)
            self._remember(id_, word)
        self._meant[word] = (text, exact)
        return word

    def _digest(self, text: str) -> str:
        raw = text.encode("utf-8", "surrogatepass")
        return "name#" + hashlib.blake2b(raw, key=self._key, digest_size=10, person=b"stand-in").hexdigest()

    # --- and back ----------------------------------------------------------------------------------------

    def show(self, text: str) -> str:
        """Return a text with the names in the place of their stand-ins; the very same if there is nothing to do."""
        if "z" not in text and "Z" not in text:
            return text
        shown = _SHAPE.sub(self._shown, text)
        return text if shown == text else shown

    def _shown(self, match: re.Match[str]) -> str:
        word, marks = match[1], len(match[2])
        if marks % 2:
            return word + "q" * (marks // 2)
        meant = self._meant.get(word.lower())
        if meant is None:
            return match[0]  # a word that the model made up
        text, exact = meant
        if not exact:
            text = text.upper() if word.isupper() else text if word.islower() else _titled(text)
        return text + "q" * (marks // 2)

    def stream(self) -> ShownStream:
        """Return what shows one text in pieces."""
        return ShownStream(self)


class ShownStream:
    """A text in pieces, shown: what may still become a stand-in is held back."""

    def __init__(self, stand_ins: StandIns) -> None:
        self._stand_ins = stand_ins
        self._held = ""

    def take(self, piece: str) -> str:
        """Add a piece and return what is certain now."""
        text = self._held + piece
        tail = text.rstrip("q")
        found = _OPEN.search(text, max(0, len(tail) - _WORD))
        at = found.start() if found is not None else len(text)
        self._held = text[at:]
        return self._stand_ins.show(text[:at])

    def end(self) -> str:
        """Return what is left."""
        text, self._held = self._held, ""
        return self._stand_ins.show(text)


def _marked(match: re.Match[str]) -> str:
    return match[0] + "q" * (len(match[2]) + 1)


def _plain(text: str, *, behind_a_name: bool) -> str:
    marks = len(text) - len(text.lstrip("q")) if behind_a_name else 0
    return "q" * marks + _SHAPE.sub(_marked, text)


def _made_from(digest: bytes) -> str:
    number = int.from_bytes(digest[:16], "big")
    word = "z"
    for of in [*[VOWELS, CONSONANTS] * PAIRS, VOWELS]:
        number, at = divmod(number, len(of))
        word += of[at]
    return word


def _titled(word: str) -> str:
    return word[:1].upper() + word[1:]


def _style_of(word: str) -> Callable[[str], str] | None:
    """Return what makes this word of its lower case; None if nothing that is known does."""
    lower = word.lower()
    return next((style for style in (str.lower, str.upper, _titled) if style(lower) == word), None)


def _words_at(text: str, hit: Hit) -> list[tuple[int, int]] | None:
    """Return where the words of a plainly written name stand; None for one in any other dress."""
    if hit.how != "plain":
        return None
    places = [at for at in range(hit.start, hit.end) if letters(text[at])]
    written = "".join(text[at] for at in places)
    for phrase in hit.name.phrases:
        words = words_of(phrase)
        listed = "".join(words)
        if written.lower() in (listed.lower(), listed.lower() + "s") and len(written) - len(listed) in (0, 1):
            sizes = [len(word) for word in words]
            sizes[-1] += len(written) - len(listed)
            return _contiguous(places, sizes)
    return None


def _contiguous(places: list[int], sizes: list[int]) -> list[tuple[int, int]] | None:
    found: list[tuple[int, int]] = []
    at = 0
    for size in sizes:
        first, last = places[at], places[at + size - 1] + 1
        if last - first != size:
            return None  # spelled out, or with something invisible in it
        found.append((first, last))
        at += size
    return found
