"""A command once more, with what its own text says filled in: `X=rm; $X a` reads `rm a`, and so does `$(echo rm) a`.

These readings serve rules that restrict. They are guesses at what a shell will find, so no rule that allows may lean
on them, and what they miss is still asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from pegboard.shell import Script, Simple, Word, read
from pegboard.shell_wrappers import name_of, plain_words, reads_its_script

READINGS = 12
"""So many at most: whoever needs more is asked about for other reasons."""
ROUNDS = 3
"""How often what was filled in may lead to more."""

_LOOP = re.compile(r"\bfor\s+([A-Za-z_]\w*)\s+in\s+([^;\n]*)")
_ARRAY = re.compile(r"([A-Za-z_]\w*)\+?=\(([^()]*)\)")
_DEFAULT = re.compile(r"\$\{[A-Za-z_]\w*:?[-=+]([^${}]*)\}")
_PRINTED = re.compile(r"\$\(\s*(?:echo|printf)\s+([^()$`|;&<>]*)\)|`\s*(?:echo|printf)\s+([^()$`|;&<>]*)`")
_ALL_OF = re.compile(r'"(\$\{\w+\[[@*]\]\}|\$[@*])"')
"""Quoted, but still several words."""
_BRACES = re.compile(r"(?<![\w$}])\{([^{}\s'\"$]*,[^{}\s'\"$]*)\}(?![\w$])")
_HAS_MORE = re.compile(r"[$`|{]|<[<(]")


def filled(source: str, script: Script, *, piped: bool = False) -> list[str]:
    """Return further readings of a source; none for one that leaves nothing to fill in.

    *piped* says that what it prints is run by it.
    """
    if not piped and not _HAS_MORE.search(source):
        return []
    found: dict[str, None] = {}
    wave = [(source, script)]
    for _ in range(ROUNDS):
        fresh = [
            text
            for text, read_so in wave
            for text in _once(text, read_so, piped=piped)
            if text != source and text not in found
        ]
        fresh = list(islice(dict.fromkeys(fresh), READINGS - len(found)))
        found.update(dict.fromkeys(fresh))
        wave = [(text, read(text)) for text in fresh]
        if not wave:
            break
    return list(found)


def _once(source: str, script: Script, *, piped: bool) -> Iterator[str]:
    if piped or any(reads_its_script(plain_words(command.words)) for command in script.commands):
        yield from _piped(script)
    text = _PRINTED.sub(lambda match: _unquoted(match[1] or match[2]), source)
    text = _DEFAULT.sub(lambda match: match[1], text)
    text = _BRACES.sub(lambda match: match[1].replace(",", " "), text)
    values = _values(text, script)
    for turn in range(max(map(len, values.values()), default=0)):
        yield _put_in(text, {name: known[min(turn, len(known) - 1)] for name, known in values.items()})
    yield text


def _values(source: str, script: Script) -> dict[str, list[str]]:
    """Return what the text itself gives to variables, in order."""
    values: dict[str, list[str]] = {}
    for command in script.commands:
        for name, value in _assigned(command):
            values.setdefault(name, []).append(value)
    for name, words in _LOOP.findall(source):
        values.setdefault(name, []).extend(map(_unquoted, words.split()))
    for name, words in _ARRAY.findall(source):
        values.setdefault(name, []).append(_unquoted(words))
    return values


def _assigned(command: Simple) -> Iterator[tuple[str, str]]:
    for word in command.words:
        if word.assigned and word.certain is None:
            yield word.assigned, word.text.partition("=")[2]
    words = plain_words(command.words)
    name = name_of(words[0]) if words else ""
    if name == "set" and len(words) > 2 and words[1].text == "--":
        given = [word.text for word in words[2:]]
        yield from ((str(place), one) for place, one in enumerate(given, 1))
        yield from ((sign, " ".join(given)) for sign in "@*")
    elif name == "printf" and len(words) > 3 and words[1].text == "-v":
        yield words[2].text, words[-1].text
    elif name == "read" and len(words) > 1:
        for redirect in command.redirects:
            said = redirect.target.text if redirect.target is not None else redirect.body.strip()
            yield words[-1].text, said


def _put_in(source: str, values: dict[str, str]) -> str:
    """Write values in the place of variables; not within single quotes, where a shell does not either."""
    if not values:
        return source
    names = "|".join(map(re.escape, values))
    pattern = re.compile(rf"'[^']*'|\$\{{({names})(?:\[[^\]]*\])?\}}|\$({names})(?!\w)")

    def put(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return values[name] if name else match[0]

    return pattern.sub(put, _ALL_OF.sub(r"\1", source))


def _piped(script: Script) -> Iterator[str]:
    """Yield what a shell that reads its commands may be given: what others print that stand in the same text."""
    for command in script.commands:
        words = plain_words(command.words)
        for redirect in command.redirects:
            if redirect.body or redirect.op == "<<<":
                yield redirect.body or (redirect.target.text if redirect.target is not None else "")
        if words and name_of(words[0]) in ("echo", "printf"):
            yield from _printed(words[1:])


def _printed(words: Sequence[Word]) -> Iterator[str]:
    texts = [re.sub(r"\\n", "\n", word.text) for word in words if not re.fullmatch(r"-[neE]+|--", word.text)]
    yield " ".join(texts)
    yield from texts[:3]


def _unquoted(text: str) -> str:
    return text.strip().translate({ord(mark): None for mark in "'\"\\"})
