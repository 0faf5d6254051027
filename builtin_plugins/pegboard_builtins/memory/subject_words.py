"""Which words say what a text is about."""

from __future__ import annotations

from pegboard_builtins.memory.origins import words_of

_COMMON = """
a about after all also am an and any are as at be been but by can could did do does done each for from get go got
had has have how i if in into is it its just let like make me more my need new no not now of on one only or other
our out please run see set should so some than that the their them then there these they this to up us use used
using want was we were what when where which who why will with would you your add change check code file fix
find help show tell test try update write work
"""
COMMON = frozenset(_COMMON.split())
"""Words that say nothing about what a prompt is about."""


def informative(text: str) -> set[str]:
    """Return the words that say what a text is about, shortened to their stems."""
    return {stem(word) for word in words_of(text) if len(word) > 2 and word not in COMMON}


def stem(word: str) -> str:
    """Return a word without the commonest English endings; only good for comparing."""
    for ending in ("ingly", "edly", "ing", "ies", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word
