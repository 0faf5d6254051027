"""Texts that say nearly the same are found by a hash of 64 bits, and told from those that only look alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from pegboard_builtins.memory.origins import words_of

BITS = 64
NEAR = 22
"""So many bits may differ; what is nearer is compared word by word."""
ALIKE = 0.72
"""So much of the words of two texts together must be in both."""
_TURNING = """
not no never none nor neither without dont don doesnt doesn isnt isn wont won cant cannot
always only except unless instead before after on off enable disable enabled disabled true false
"""
TURNING = frozenset(_TURNING.split())
"""A text with one of these more or less says something else."""


@lru_cache(maxsize=4096)
def _bits_of(part: str) -> int:
    return int.from_bytes(hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@lru_cache(maxsize=8192)
def simhash(text: str) -> int:
    """Return the hash of a text: of its words and of pairs of words that follow each other."""
    words = words_of(text)
    parts = [*words, *(f"{a} {b}" for a, b in pairwise(words))]
    counts = [0] * BITS
    for part in parts:
        bits = _bits_of(part)
        for place in range(BITS):
            counts[place] += 1 if bits >> place & 1 else -1
    return sum(1 << place for place, n in enumerate(counts) if n > 0)


def distance(left: int, right: int) -> int:
    """Return in how many bits two hashes differ."""
    return (left ^ right).bit_count()


def same(left: str, right: str) -> bool:
    """Whether two texts say the same: nearly the same words, and none more or less that turns the meaning."""
    one, other = _words(left), _words(right)
    if one == other:
        return True
    apart = one ^ other
    if any(word in TURNING or any(mark.isdigit() for mark in word) for word in apart):
        return False
    return len(one & other) / max(1, len(one | other)) >= ALIKE


@lru_cache(maxsize=8192)
def _words(text: str) -> frozenset[str]:
    return frozenset(words_of(text))


def alike(left: str, right: str) -> bool:
    """Whether two texts say the same, asked the quick way first."""
    return distance(simhash(left), simhash(right)) <= NEAR and same(left, right)


def nearest(text: str, known: Iterable[tuple[str, int, str]]) -> str | None:
    """Return the key of a known (key, hash, text) that says the same as *text*, the nearest; None if none does."""
    mine = simhash(text)
    near = sorted((distance(mine, hashed), key, other) for key, hashed, other in known)
    return next((key for apart, key, other in near if apart <= NEAR and same(text, other)), None)
