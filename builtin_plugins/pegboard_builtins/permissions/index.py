"""Which of many rules can be about a command at all: found by the word that a rule begins with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pegboard_builtins.permissions.commands import Analysis, Command

if TYPE_CHECKING:
    from pegboard_builtins.permissions.rules import Rule


class CommandIndex:
    """The rules of one list for Bash, by first word; those without one are always asked."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._always: list[int] = []
        self._by_word: dict[str, list[int]] = {}
        for place, rule in enumerate(rules):
            word = _first_word(rule)
            (self._always if word is None else self._by_word.setdefault(word, [])).append(place)

    def restricting(self, analysis: Analysis) -> Iterator[Rule]:
        """Go in order through the rules that a command, or what may hide in it, can have to do with."""
        said = analysis.said
        places = [*self._always]
        for word, own in self._by_word.items():
            if word in said:
                places += own
        for begun in analysis.begun:
            places += [place for word, own in self._by_word.items() if word.startswith(begun) for place in own]
        if analysis.problems and self.rules:
            places.append(0)  # what cannot be followed may be what any rule is about: the first is named
        return (self.rules[place] for place in sorted(set(places)))

    def allowing(self, command: Command) -> Iterator[Rule]:
        """Go in order through the rules that may cover one command."""
        words = {run[0].text for run in command.runs if run}
        words |= {words[0].text for words in (command.simple.words, command.words) if words}
        raw = command.simple.raw.split(None, 1)
        words |= {raw[0]} if raw else set()
        places = [*self._always, *(place for word in words for place in self._by_word.get(word, ()))]
        return (self.rules[place] for place in sorted(set(places)))


def _first_word(rule: Rule) -> str | None:
    """Return the first word of all commands that a rule matches; None where they do not share one."""
    if rule.pattern.spec is None:
        return None
    shell = rule.pattern.shell
    parts = shell.prefix.split(None, 1)
    if not parts or not shell.prefix.startswith(parts[0]):
        return None
    whole = len(parts) > 1 or shell.prefix[-1:].isspace() or shell.open_end or "*" not in shell.spec
    return parts[0] if whole else None
