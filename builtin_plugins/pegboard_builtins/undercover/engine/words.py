"""Frequent English words: which names are a part of one, and how often a name would be met by chance."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from .automaton import Automaton
from .letters import fold_bytes


@lru_cache(maxsize=1)
def word_list() -> tuple[str, ...]:
    """Return the words, the most frequent first."""
    return tuple(gzip.decompress(_file().read_bytes()).decode().split())


def _file() -> Path:
    return Path(__file__).with_name("words.txt.gz")


@lru_cache(maxsize=1)
def _skeletons() -> bytes:
    """Return the skeletons of all words, each between two bytes that no skeleton has."""
    words = gzip.decompress(_file().read_bytes())
    return b"\xff" + fold_bytes(words.replace(b"\n", b"\xff"))


def within_words(skeletons: Sequence[bytes]) -> set[int]:
    """Return the places of the skeletons that are a word or a part of one."""
    if not skeletons:
        return set()
    return {place for place, _, _ in Automaton(skeletons).find(_skeletons())}
