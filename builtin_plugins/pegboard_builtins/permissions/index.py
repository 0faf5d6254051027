"""Which of many rules can be about a call at all: by the word that a command begins with, or by all paths at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pegboard_builtins.permissions.paths import Place, both_shapes

if TYPE_CHECKING:
    from pegboard_builtins.permissions.commands import Analysis, Command
    from pegboard_builtins.permissions.rule import Rule


class CommandIndex:
    """The rules of one list for Bash, by first word; those without one are always asked."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._always: list[int] = []
        self._by_word: dict[str, list[tuple[str, int]]] = {}
        for place, rule in enumerate(rules):
            words = _first_words(rule)
            if words:
                self._by_word.setdefault(words[0], []).append((words[1] if words[1:] else "", place))
            else:
                self._always.append(place)

    def restricting(self, analysis: Analysis) -> Iterator[Rule]:
        """Go in order through the rules that a command, or what may hide in it, can have to do with."""
        said = analysis.said
        places = [*self._always]
        for word, own in self._by_word.items():
            if word in said:
                places += [place for second, place in own if second in said]
        for begun in analysis.begun:
            places += [place for word, own in self._by_word.items() if word.startswith(begun) for _, place in own]
        if analysis.problems and self.rules:
            places.append(0)  # what cannot be followed may be what any rule is about: the first is named
        return (self.rules[place] for place in sorted(set(places)))

    def allowing(self, command: Command) -> Iterator[Rule]:
        """Go in order through the rules that may cover one command."""
        words = {run[0].text for run in command.runs if run}
        words |= {words[0].text for words in (command.simple.words, command.words) if words}
        raw = command.simple.raw.split(None, 1)
        words |= {raw[0]} if raw else set()
        said = command.said
        places = [*self._always]
        for word in words:
            places += [place for second, place in self._by_word.get(word, ()) if second in said]
        return (self.rules[place] for place in sorted(set(places)))


class PathIndex:
    """The rules of one list that are about files: all patterns of one base are tried at once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._always = [place for place, rule in enumerate(rules) if rule.path is None]
        groups: dict[str | None, list[int]] = {}
        for place, rule in enumerate(rules):
            if rule.path is not None:
                groups.setdefault(rule.path.fixed_base, []).append(place)
        self._groups = [(_roots(base), self._together(own), own) for base, own in groups.items()]

    def _together(self, places: list[int]) -> re.Pattern[str]:
        paths = [self.rules[place].path for place in places]
        return re.compile("|".join(f"(?:{path.source})" for path in paths if path is not None), re.DOTALL)

    def about(self, places: Sequence[Place], bases: Sequence[str]) -> Iterator[Rule]:
        """Go in order through the rules that may hold for one of the places."""
        found = [*self._always]
        for roots, together, own in self._groups:
            if not places or any(_is_below(place, root, together) for place in places for root in roots or bases):
                found += own
        return (self.rules[place] for place in sorted(found))


def _roots(base: str | None) -> tuple[str, ...]:
    return () if base is None else both_shapes((base,))


def _is_below(place: Place, root: str, together: re.Pattern[str]) -> bool:
    prefix = root.rstrip("/") + "/"
    for path in {place.written, place.real}:
        if path == root or (path.startswith(prefix) and together.fullmatch(path, len(prefix))):
            return True
    return False


def _first_words(rule: Rule) -> list[str]:
    """Return up to two words with which all commands begin that a rule matches."""
    if rule.pattern.spec is None:
        return []
    shell = rule.pattern.shell
    words = shell.prefix.split()
    if not words or not shell.prefix.startswith(words[0]):
        return []
    whole = shell.prefix[-1:].isspace() or shell.open_end or "*" not in shell.spec
    return (words if whole else words[:-1])[:2]
