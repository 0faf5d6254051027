"""A list of names as keyed digests, for whom it is enough to know that a text holds one: contractors and CI.

It finds whole words and rows of words only, in plain text. Who has the file can try names one by one: it hides the
list from eyes, not from a patient guesser.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from secrets import token_bytes

from .letters import letters, skeleton
from .matching import Hit, masked
from .names import Name, NamesError, words_of

_ROW = re.compile(r"[^\W_]+", re.UNICODE)
_SIZE = 10
_GAP = 64


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    bones: bytes


class HashedList:
    """The digests of names, and what finds them. It shows nothing of them but ids."""

    def __init__(self, key: bytes, digests: Iterable[str], words: int) -> None:
        self._key = key
        self._digests = frozenset(digests)
        self._words = words

    def __repr__(self) -> str:
        return f"<{len(self._digests)} hashed names>"

    def __len__(self) -> int:
        return len(self._digests)

    @classmethod
    def of(cls, names: Iterable[Name]) -> HashedList:
        """Make a list of names, under a key of its own."""
        key = token_bytes(16)
        phrases = [phrase for name in names for phrase in name.phrases]
        longest = max((len(words_of(phrase)) for phrase in phrases), default=1)
        return cls(key, (_digest(key, skeleton(phrase)) for phrase in phrases), longest)

    def dump(self) -> str:
        """Return what is written to a file."""
        return json.dumps(
            {"hashed": 1, "key": self._key.hex(), "words": self._words, "names": sorted(self._digests)}, indent=0
        )

    @classmethod
    def load(cls, text: str) -> HashedList:
        """Read what `dump` has written. Raises NamesError."""
        try:
            raw = json.loads(text)
            return cls(bytes.fromhex(raw["key"]), raw["names"], int(raw["words"]))
        except (ValueError, KeyError, TypeError):
            raise NamesError("is no hashed list: write one with `pegboard undercover names hash`") from None

    def find(self, text: str) -> list[Hit]:
        """Return the names in a text."""
        words = list(_words(text))
        hits: list[Hit] = []
        for place, first in enumerate(words):
            bones, previous = b"", first.start
            for word in words[place : place + self._words]:
                if bones and word.start - previous > _GAP:
                    break
                bones += word.bones
                previous = word.end
                digest = _digest(self._key, bones)
                if digest in self._digests:
                    hits.append(Hit(first.start, word.end, Name("", id=f"name#{digest[:6]}"), "hashed"))
        return hits

    def mask(self, text: str, mask: str = "[internal]") -> str:
        """Return a text with a mask in the place of each name."""
        hits = self.find(text)
        return masked(text, hits, mask) if hits else text


def _words(text: str) -> Iterable[_Word]:
    for row in _ROW.finditer(text):
        at = row.start()
        for word in words_of(row[0]):
            start = text.find(word, at)
            at = start + len(word)
            if any(map(letters, word)):
                yield _Word(start, at, skeleton(word))
        if len(words_of(row[0])) > 1:
            yield _Word(row.start(), row.end(), skeleton(row[0]))


def _digest(key: bytes, bones: bytes) -> str:
    return hashlib.blake2b(bones, key=key, digest_size=_SIZE).hexdigest()
