"""Deny and ask rules: they hold however a call is dressed, and where only a shell could tell, they ask."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from glob import glob

from pegboard.decisions import Decision, Verdict
from pegboard.shell import Word
from pegboard_builtins.permissions.commands import Analysis
from pegboard_builtins.permissions.grammar import PATH_TOOLS, input_matches
from pegboard_builtins.permissions.hiding import may_hide
from pegboard_builtins.permissions.index import PathIndex
from pegboard_builtins.permissions.naming import named_files, perhaps_named
from pegboard_builtins.permissions.paths import Place, place_of, places_inside
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject, answer

GLOBBED = 1_000
"""Files that one glob may stand for, and that are looked at in a folder; of more nobody knows."""


class Match(IntEnum):
    """How surely a rule holds: MAYBE where only a shell could tell."""

    NO = 0
    MAYBE = 1
    YES = 2


def restriction(subject: Subject, rules: RuleSet) -> Decision | None:
    """Return the deny or ask that holds; where only a shell could tell, an ask."""
    of_tool = rules.of(subject.tool)
    doubtful: Rule | None = None
    for verdict, name in ((Verdict.DENY, "deny"), (Verdict.ASK, "ask")):
        own: Iterable[Rule] = getattr(of_tool, name)
        if subject.analysis is not None and own:
            own = of_tool.index(name).restricting(subject.analysis)
        elif own and subject.tool in PATH_TOOLS and subject.places:
            own = of_tool.paths(name).about(subject.places, subject.bases)
        candidates = [(rule, _holds(rule, subject)) for rule in own]
        if subject.analysis is not None:
            candidates += _file_rules(subject.analysis, subject, rules, verdict)
        for rule, match in candidates:
            if match is Match.YES:
                did = "denied by" if verdict is Verdict.DENY else "asked because of"
                return answer(verdict, f"{did} the rule {rule} ({rule.origin})", str(rule))
            if match is Match.MAYBE and doubtful is None:
                doubtful = rule
    if doubtful is None:
        return None
    text = f"the rule {doubtful} ({doubtful.origin}) may be meant: only running it could tell"
    if subject.analysis is not None and subject.analysis.problems:
        text += f" ({'; '.join(subject.analysis.problems[:3])})"
    return answer(Verdict.ASK, text, str(doubtful))


def matches(rule: Rule, subject: Subject) -> Match:
    """Whether a deny or ask rule holds for a call, also one of another tool that does what the rule is about."""
    if rule.pattern.names(subject.tool):
        return _holds(rule, subject)
    if subject.analysis is None or rule.path is None:
        return Match.NO
    alone = RuleSet(deny=(rule,))
    found = [match for _, match in _file_rules(subject.analysis, subject, alone, Verdict.DENY)]
    return max(found, default=Match.NO)


def _holds(rule: Rule, subject: Subject) -> Match:
    """Whether a deny or ask rule holds for a call that its tool name covers."""
    pattern = rule.pattern
    if pattern.spec is None:
        return Match.YES
    if subject.analysis is not None:
        return _holds_for_command(rule, subject.analysis)
    if rule.path is not None and subject.tool in PATH_TOOLS:
        if not subject.places:
            return Match.MAYBE
        return Match.YES if any(rule.path.holds(place, subject.bases) for place in subject.places) else Match.NO
    return Match.YES if input_matches(pattern, subject.tool, subject.given, strict=False) else Match.NO


def _holds_for_command(rule: Rule, analysis: Analysis) -> Match:
    shell = rule.pattern.shell
    best = Match.MAYBE if analysis.problems else Match.NO  # what cannot be followed might hide anything
    for form in analysis.forms:
        if shell.matches(form.text):
            return Match.YES
        if form.certain is not None and shell.may_match(form.text[: form.certain]):
            best = Match.MAYBE
    if best is Match.NO and may_hide(shell, analysis):
        return Match.MAYBE
    return best


def _file_rules(analysis: Analysis, subject: Subject, rules: RuleSet, verdict: Verdict) -> Iterable[tuple[Rule, Match]]:
    """Yield Read and Edit rules that a command's own file arguments or redirections would get round."""
    name = "deny" if verdict is Verdict.DENY else "ask"
    for tool, writes in (("Read", False), ("Write", True)):
        of_tool = rules.of(tool)  # what is about Edit is about Write too
        if not getattr(of_tool, name):
            continue
        folders, anywhere = subject.folders or [subject.here], subject.folders is None
        places, unknown = _places_of(named_files(analysis, writes=writes), folders, anywhere)
        yield from ((rule, Match.YES) for rule in _about(of_tool.paths(name), places, subject))
        perhaps, _ = _places_of(perhaps_named(analysis, writes=writes), folders, anywhere=False)
        # What is done to a folder may be done to all that is in it.
        perhaps += places_inside((*places, *perhaps) if writes else places, GLOBBED)
        yield from ((rule, Match.MAYBE) for rule in _about(of_tool.paths(name), perhaps, subject))
        if unknown or analysis.problems:
            yield from [(rule, Match.MAYBE) for rule in getattr(of_tool, name) if rule.path is not None][:1]


def _about(index: PathIndex, places: list[Place], subject: Subject) -> Iterable[Rule]:
    """Return the rules that hold for one of the places."""
    listed = index.about(places, subject.bases) if places else ()
    return [
        rule
        for rule in listed
        if rule.path is not None and any(rule.path.holds(place, subject.bases) for place in places)
    ]


def _places_of(words: Iterable[Word], folders: list[str], anywhere: bool) -> tuple[list[Place], bool]:
    """Return the places that words name, and whether some of them name places that only a shell could tell."""
    places: list[Place] = []
    unknown = False
    for word in words:
        text = word.text.partition("=")[2] if word.text.startswith("-") else word.text
        if not text:
            unknown = unknown or word.certain is not None
            continue
        if word.certain is not None and not _is_glob(word):
            unknown = True
        elif word.certain is not None:
            found = [match for base in folders for match in glob(text, root_dir=base)]
            places += [place_of(match, base) for base in folders for match in found[:GLOBBED]]
            unknown = unknown or len(found) > GLOBBED
        else:
            places += [place_of(text, base) for base in folders]
        unknown = unknown or (anywhere and not text.startswith(("/", "~")))
    return places, unknown


def _is_glob(word: Word) -> bool:
    """Whether nothing but the names in a folder decides what the shell makes of a word."""
    return re.search(r"[$`{]|[<>]\(", word.raw) is None
