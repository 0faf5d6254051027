"""How ordinary names are: how often each would be met by chance, in frequent words and in one's own repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pegboard.typed import dataclass
from pegboard_builtins.undercover.engine import Matcher, Name
from pegboard_builtins.undercover.engine.words import word_list
from pegboard_builtins.undercover.scanning import ScanError, _files_below, _read

TOO_OFTEN = 1.0
"""Hits per megabyte from which on a name needs a context or its exact case."""
LARGEST = 20_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one name: hits per megabyte of words and of the repository, and what to do."""

    id: str
    line: int
    words: float
    repository: float
    advice: str


def lint(names: Iterable[Name], against: Path | None = None) -> list[Verdict]:
    """Judge names one by one."""
    listed = list(names)
    matcher = Matcher(listed, depth=0)
    words = "\n".join(word_list())
    in_words, words_size = _count(matcher, [words])
    in_code, code_size = _count(matcher, _texts(against)) if against is not None else (Counter(), 0.0)
    return [
        _verdict(name, number, in_words[name.id] / words_size, in_code[name.id] / code_size if code_size else 0.0)
        for number, name in enumerate(listed, 1)
    ]


def _verdict(name: Name, number: int, words: float, code: float) -> Verdict:
    advice = ""
    if max(words, code) > TOO_OFTEN and not name.contexts:
        advice = 'give it a context, such as "project {name}"' + ("" if name.exact else ', or case = "exact"')
        if len(name.text) < 4:
            advice = "it is too ordinary to be looked for alone: give it a context"
    return Verdict(name.id, number, round(words, 2), round(code, 2), advice)


def _count(matcher: Matcher, texts: Iterable[str]) -> tuple[Counter[str], float]:
    found: Counter[str] = Counter()
    size = 0
    for text in texts:
        size += len(text)
        found.update(hit.name.id for hit in matcher.find(text))
    return found, size / 1e6


def _texts(folder: Path) -> Iterable[str]:
    size = 0
    for file in _files_below(folder):
        try:
            text = _read(file)
        except ScanError:
            continue
        if "\0" in text[:1000]:
            continue
        size += len(text)
        if size > LARGEST:
            return
        yield text
