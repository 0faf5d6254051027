"""Writes the tables of the undercover engine: `python tools/undercover_tables.py`, with two packages installed.

`confusables.txt` comes from the PyPI package `confusable-homoglyphs` (MIT), which has the data of Unicode's UTS #39;
`words.txt.gz` from `zxcvbn` (MIT), which carries lists of frequent English words. Neither is needed at run time.
"""

from __future__ import annotations

import gzip
import json
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

ENGINE = Path(__file__).resolve().parent.parent / "builtin_plugins" / "pegboard_builtins" / "undercover" / "engine"
DIRECTION_MARKS = "\u200e\u200f"
SHORTEST, LONGEST = 4, 24
MOST = 15_000


def main() -> int:
    """Write both tables."""
    (ENGINE / "confusables.txt").write_text(confusables(), encoding="utf-8")
    (ENGINE / "words.txt.gz").write_bytes(gzip.compress(words().encode(), 9, mtime=0))
    return 0


# --- confusables ---------------------------------------------------------------------------------------


def confusables() -> str:
    """Return a line for each prototype: the prototype, a tab, and the characters that look like it."""
    raw = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_text(encoding="utf-8"))
    pairs = {bare(key): {bare(other["c"]) for other in others} for key, others in raw.items()}
    looks: dict[str, set[str]] = defaultdict(set)
    for group in groups(pairs):
        prototype = min(group, key=preference)
        letters = "".join(character for character in prototype if character.isalnum())
        for one in group if letters else ():
            if len(one) == 1 and not one.isascii() and plain(one) != plain(letters):
                looks[letters] |= {one}
    lines = [
        "# What looks like what (UTS #39), for letters and digits: a prototype, a tab, its look-alikes.",
        "# Written by tools/undercover_tables.py from confusable-homoglyphs (MIT, its data (c) Unicode, Inc.).",
    ]
    lines += [f"{prototype}\t{''.join(sorted(others))}" for prototype, others in sorted(looks.items()) if others]
    return "\n".join(lines) + "\n"


def bare(text: str) -> str:
    """Return a text without the marks that the package puts round what is written from right to left."""
    return text.strip(DIRECTION_MARKS) or text


def groups(pairs: dict[str, set[str]]) -> Iterable[set[str]]:
    """Return what looks alike, in sets: the package lists each pair once, from either side."""
    near: dict[str, set[str]] = defaultdict(set)
    for one, others in pairs.items():
        for other in others:
            near[one].add(other)
            near[other].add(one)
    seen: set[str] = set()
    for start in sorted(near):
        if start in seen:
            continue
        group, waiting = set(), [start]
        while waiting:
            one = waiting.pop()
            if one not in group:
                group.add(one)
                waiting += near[one]
        seen |= group
        yield group


def plain(text: str) -> str:
    """Return what `unicodedata` alone makes of a text, so that the table has only what it does not know."""
    return "".join(one for one in unicodedata.normalize("NFKD", text).casefold() if one.isalnum())


def preference(text: str) -> tuple[bool, bool, bool, int, str]:
    """Order what may stand for a group: plain letters first, then digits; `rn` before `m`, because that one unfolds."""
    simple = unicodedata.normalize("NFKD", text)
    return (not simple.isascii(), not text.isascii(), not text.isalpha(), -len(text), text)


# --- words ---------------------------------------------------------------------------------------------


def words() -> str:
    """Return frequent English words, the most frequent first."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    ranks: dict[str, int] = {}
    # Each word is in one of these lists only: `stone` among the surnames, `falcon` among the passwords.
    for name in sorted(FREQUENCY_LISTS):
        for rank, word in enumerate(FREQUENCY_LISTS[name][:MOST]):
            if word.isascii() and word.isalpha() and SHORTEST <= len(word) <= LONGEST:
                ranks[word] = min(rank, ranks.get(word, rank))
    return "\n".join(sorted(ranks, key=lambda word: (ranks[word], word))) + "\n"


if __name__ == "__main__":
    sys.exit(main())
