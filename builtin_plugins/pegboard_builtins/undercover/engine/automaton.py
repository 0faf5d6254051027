"""Many byte strings looked for at once: the Aho-Corasick automaton of `ahocorasick_rs`, behind two words."""

from __future__ import annotations

from collections.abc import Sequence


class MissingAutomatonError(ImportError):
    """The library that looks for names is not installed."""

    def __init__(self) -> None:
        super().__init__("names cannot be looked for without the package ahocorasick_rs: pip install ahocorasick_rs")


class Automaton:
    """Finds every occurrence of every pattern, overlapping ones too."""

    __slots__ = ("_found",)

    def __init__(self, patterns: Sequence[bytes]) -> None:
        try:
            from ahocorasick_rs import BytesAhoCorasick
        except ImportError:
            raise MissingAutomatonError from None
        self._found = BytesAhoCorasick(list(patterns)).find_matches_as_indexes

    def find(self, text: bytes) -> list[tuple[int, int, int]]:
        """Return (place of the pattern, start, end) of all occurrences."""
        return self._found(text, overlapping=True)
