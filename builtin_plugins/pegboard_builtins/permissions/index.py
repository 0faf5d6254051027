"""Which of many rules can be about a call at all: by the word that a command begins with, or by all paths at once."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pegboard_builtins.permissions.paths import Place, both_shapes

if TYPE_CHECKING:
    from pegboard_builtins.permissions.commands import Analysis, Command
    from pegboard_builtins.permissions.rule import Rule


class CommandIndex:
    """The rules of one list for Bash, by the words with which their commands begin.

    What a rule is about says each of these words somewhere: so a rule waits under one of its names (a run of letters
    and digits), and is looked at only where all of them are said.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        from pegboard_builtins.permissions.commands import names_in  # all of what reads the shell: not at a start

        self.rules = rules
        self._always: list[int] = []
        self._by_name: dict[str, list[tuple[frozenset[str], int]]] = {}
        for place, rule in enumerate(rules):
            names = names_in(" ".join(_whole_words(rule)))
            if names:
                # The longest: it is said least often.
                self._by_name.setdefault(max(sorted(names), key=len), []).append((names, place))
            else:
                self._always.append(place)
        self._prefixes = sorted((_prefix_of(rule), place) for place, rule in enumerate(rules))
        self._lengths = sorted({len(prefix) for prefix, _ in self._prefixes})

    def restricting(self, analysis: Analysis) -> Iterable[Rule]:
        """Return in order the rules that a command, or what may hide in it, can have to do with."""
        places = self._said_in(analysis.names)
        for begun in analysis.begun:
            places |= self._begin_so(begun)
        if analysis.problems and self.rules:
            places.add(0)  # what cannot be followed may be what any rule is about: the first is named
        return [self.rules[place] for place in sorted(places)]

    def allowing(self, command: Command) -> Iterable[Rule]:
        """Return in order the rules that may cover one command."""
        return [self.rules[place] for place in sorted(self._said_in(command.names))]

    def _said_in(self, names: frozenset[str]) -> set[int]:
        places = set(self._always)
        by_name = self._by_name
        for name in names:
            for wanted, place in by_name.get(name, ()):
                if wanted <= names:
                    places.add(place)
        return places

    def _begin_so(self, begun: str) -> set[int]:
        """Return the rules for a command of which only the beginning is certain."""
        shorter = {begun[:length] for length in self._lengths if length <= len(begun)}
        at = bisect_left(self._prefixes, (begun, -1))
        places = set()
        for prefix, place in self._prefixes[at:]:
            if not prefix.startswith(begun):
                break
            places.add(place)
        for prefix in shorter:
            at = bisect_left(self._prefixes, (prefix, -1))
            while at < len(self._prefixes) and self._prefixes[at][0] == prefix:
                places.add(self._prefixes[at][1])
                at += 1
        return places


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


def _prefix_of(rule: Rule) -> str:
    return "" if rule.pattern.spec is None else rule.pattern.shell.prefix


def _whole_words(rule: Rule) -> list[str]:
    """Return the words with which all commands begin that a rule matches, as far as they are whole."""
    if rule.pattern.spec is None:
        return []
    shell = rule.pattern.shell
    words = shell.prefix.split()
    if not words or not shell.prefix.startswith(words[0]):
        return []
    return words if shell.whole else words[:-1]
