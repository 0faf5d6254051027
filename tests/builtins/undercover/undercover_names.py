"""Names that mean nothing, and texts to hide them in; all made up from a seed."""

from __future__ import annotations

import random

ONSETS = [
    "b",
    "br",
    "c",
    "cl",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "qu",
    "r",
    "s",
    "sk",
    "st",
    "t",
    "tr",
    "v",
    "vr",
    "w",
    "z",
]
NUCLEI = ["a", "e", "i", "o", "u", "ae", "ou", "ia"]
CODAS = ["", "", "l", "n", "r", "x", "rt", "nd", "sk", "th"]
FIRST = [
    "amber",
    "blue",
    "coral",
    "dusky",
    "ebon",
    "fallow",
    "gilded",
    "hollow",
    "ivory",
    "jade",
    "keen",
    "lunar",
    "mossy",
    "noble",
    "ochre",
    "pale",
    "quiet",
    "russet",
]
SECOND = [
    "anvil",
    "badger",
    "cobalt",
    "drifter",
    "ember",
    "falcon",
    "gannet",
    "harrier",
    "ibex",
    "jackal",
    "kestrel",
    "lantern",
    "marlin",
    "nightjar",
    "osprey",
]
CHAT = [
    "we",
    "looked",
    "at",
    "the",
    "numbers",
    "again",
    "this",
    "morning",
    "and",
    "they",
    "are",
    "better",
    "than",
    "last",
    "week",
    ".",
    "can",
    "you",
    "run",
    "the",
    "tests",
    "once",
    "more",
    "before",
    "lunch",
    "?",
    "the",
    "second",
    "service",
    "keeps",
    "restarting",
    ",",
    "probably",
    "because",
    "of",
    "memory",
    ".",
    "i",
    "think",
    "that",
    "the",
    "new",
    "index",
    "helps",
    "a",
    "lot",
    ",",
    "but",
    "somebody",
    "should",
    "read",
    "the",
    "plan",
    "of",
    "the",
    "query",
    ".",
    "thanks",
    "for",
    "the",
    "review",
    "!",
    "let",
    "us",
    "talk",
    "about",
    "it",
    "on",
    "monday",
    ";",
    "until",
    "then",
    "please",
    "leave",
    "the",
    "branch",
    "as",
    "it",
    "is",
    ",",
    "and",
    "write",
    "down",
    "what",
    "you",
    "find",
    "in",
    "the",
    "issue",
    ".",
]


def coined(rnd: random.Random) -> str:
    while True:
        name = "".join(rnd.choice(ONSETS) + rnd.choice(NUCLEI) + rnd.choice(CODAS) for _ in range(rnd.randint(2, 3)))
        if 7 <= len(name) <= 14:
            return name.capitalize()


def two_words(rnd: random.Random) -> str:
    if rnd.random() < 0.5:
        return f"{rnd.choice(FIRST).capitalize()} {rnd.choice(SECOND).capitalize()}"
    return f"{coined(rnd)} {rnd.choice(SECOND).capitalize()}"


def names(count: int, seed: int = 7) -> list[str]:
    """Return so many different names, coined and of two words."""
    rnd = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[coined(rnd) if rnd.random() < 0.4 else two_words(rnd)] = None
    return list(found)


def chat(size: int, seed: int = 3) -> str:
    """Return about so many characters of talk, made of frequent words."""
    from pegboard_builtins.undercover.engine.words import word_list

    rnd = random.Random(seed)
    common = word_list()
    out: list[str] = []
    length = 0
    while length < size:
        if rnd.random() < 0.7:
            word = rnd.choice(CHAT)
        else:
            word = common[min(int(rnd.paretovariate(0.7)), len(common) - 1)]
        if rnd.random() < 0.08:
            word = word.capitalize()
        if rnd.random() < 0.03:
            word += "\n"
        out.append(word)
        length += len(word) + 1
    return " ".join(out)
