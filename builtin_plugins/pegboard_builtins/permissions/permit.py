"""Allow rules: they cover every simple command of a list, or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pegboard.decisions import Decision, Verdict
from pegboard.shell import Simple
from pegboard_builtins.permissions.commands import Analysis, Command, without_harmless
from pegboard_builtins.permissions.grammar import PATH_TOOLS, input_matches
from pegboard_builtins.permissions.index import CommandIndex
from pegboard_builtins.permissions.plain import (
    HARMLESS_VARIABLES,
    REDEFINED,
    folders_of,
    is_plainly_reading,
    redirects_stay_inside,
)
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject, answer


def permission(subject: Subject, rules: RuleSet) -> Decision | None:
    """Return the allow of the first rule that covers the call; of several together for a list of commands."""
    of_tool = rules.of(subject.tool)
    if not of_tool.allow:
        return None
    listed: Iterable[Rule] = of_tool.allow
    if subject.analysis is not None:
        listed = of_tool.whole  # one with a spec is about its commands
    elif subject.tool in PATH_TOOLS and subject.places:
        listed = of_tool.paths("allow").about(subject.places, (subject.real_project,))
    for rule in listed:
        if _covers(rule, subject):
            return answer(Verdict.ALLOW, f"allowed by the rule {rule} ({rule.origin})", str(rule))
    if subject.analysis is None:
        return None
    own = of_tool.index("allow")
    used: list[Rule] = []
    if not _all_covered(subject.analysis, subject, own, rules, used) or not used:
        return None
    texts = ", ".join(f"{rule} ({rule.origin})" for rule in used)
    word = "rule" if len(used) == 1 else "rules"
    return answer(Verdict.ALLOW, f"allowed by the {word} {texts}", ", ".join(map(str, used)))


def covered_commands(rule: Rule, subject: Subject, rules: RuleSet) -> tuple[int, int]:
    """Return how many commands of a call an allow rule covers, and of how many; a call without commands is one."""
    if subject.analysis is None or rule.pattern.spec is None:
        return int(_covers(rule, subject)), 1
    commands = subject.analysis.commands
    return sum(_covers_command(rule, command) for command in commands), len(commands)


def _covers(rule: Rule, subject: Subject) -> bool:
    pattern = rule.pattern
    if pattern.spec is None:
        return True
    if subject.analysis is not None:
        return False
    if rule.path is not None and subject.tool in PATH_TOOLS:
        path, base = rule.path, subject.real_project
        return bool(subject.places) and all(path.covers(place, base) for place in subject.places)
    return input_matches(pattern, subject.tool, subject.given, strict=True)


def _all_covered(analysis: Analysis, subject: Subject, own: CommandIndex, rules: RuleSet, used: list[Rule]) -> bool:
    """Whether each simple command is covered by a rule or plainly only reads; *used* collects the rules."""
    if analysis.problems or not analysis.commands or not REDEFINED.isdisjoint(analysis.functions):
        return False
    if analysis.substitutes and any(command.simple.nested and command.uncertain for command in analysis.commands):
        return False
    bases = subject.folders if analysis is subject.analysis else folders_of(analysis, subject.here)
    for command in analysis.commands:
        if not redirects_stay_inside(command.redirects, bases or (), rules.workspace):
            return False
        if bases is None and command.redirects and not redirects_stay_inside(command.redirects, (), ()):
            return False
        if command.words[:1] and command.simple.words[0].text in analysis.functions and not command.assigned:
            continue  # the commands of its body are among these
        if bases is not None and is_plainly_reading(command, bases, rules.readable):
            continue
        if _only_sets(command):
            continue
        rule = next((rule for rule in own.allowing(command) if _covers_command(rule, command)), None)
        if rule is not None and _covers_what_it_runs(rule, command, own, bases or (), rules):
            if rule not in used:
                used.append(rule)
        elif command.script is None or command.assigned or not _all_covered(command.script, subject, own, rules, used):
            return False
    return True


def _only_sets(command: Command) -> bool:
    """Whether a command sets variables and does nothing else, and no program looks at such variables."""
    names = command.assigned
    if not names or command.words or command.redirects:
        return False
    return all(re.fullmatch("[a-z][a-z0-9_]*", name) and not name.endswith("proxy") for name in names)


def _covers_command(rule: Rule, command: Command) -> bool:
    """Whether an allow rule covers a simple command, as it is written or without a harmless wrapper."""
    shell = rule.pattern.shell
    simple = command.simple
    if not simple.words or any(name not in HARMLESS_VARIABLES for name in command.assigned):
        return bool(simple.words) and not command.uncertain and shell.matches(simple.raw)
    for form in command.readings:
        if shell.matches(form.text) if form.certain is None else shell.surely_matches(form.text[: form.certain]):
            return True
    # Written exactly as the rule is: then its author has seen what the shell makes of it.
    return simple.raw == shell.spec or (not command.uncertain and not simple.redirects and shell.matches(simple.raw))


def _covers_what_it_runs(rule: Rule, command: Command, own: CommandIndex, bases: Sequence[str], rules: RuleSet) -> bool:
    """Whether what a command runs in its turn (`xargs rm`, `find -exec`) is covered too, or named by the rule."""
    named = rule.pattern.shell.prefix.split()[1:]
    for run in command.runs[1:]:
        name = run[0].text
        if name in named or (name == "git" and command.words[:1] == run[:1]):
            continue
        inner = Command(Simple(run, (), " ".join(word.raw for word in run)), without_harmless(run), (), (), (run,))
        reads = bool(bases) and is_plainly_reading(inner, bases, rules.readable)
        if not reads and not any(_covers_command(other, inner) for other in own.allowing(inner)):
            return False
    return True
