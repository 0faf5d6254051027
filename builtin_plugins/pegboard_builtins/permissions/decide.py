"""One call, the rules and the mode: what the permissions say about it."""

from __future__ import annotations

import os

from pegboard.decisions import Decision, Verdict
from pegboard_builtins.permissions.commands import Command
from pegboard_builtins.permissions.paths import is_inside
from pegboard_builtins.permissions.permit import permission
from pegboard_builtins.permissions.plain import critical, is_plainly_reading, is_protected
from pegboard_builtins.permissions.restrict import restriction
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject, answer

READING = frozenset({"Read", "Glob", "Grep"})
EDITING = frozenset({"Edit", "Write", "NotebookEdit", "MultiEdit"})
NO_CHANGE = frozenset({"AskUserQuestion", "ExitPlanMode", "TodoWrite"})
"""Tools that belong to planning, whatever they declare."""


def decide(subject: Subject, rules: RuleSet, mode: str) -> Decision | None:
    """Return what the permissions say; None for no opinion, which leaves the host's default."""
    decision = _decide(subject, rules, mode)
    if mode != "dontAsk":
        return decision
    if decision is not None and decision.verdict is Verdict.ASK:
        return answer(Verdict.DENY, f"nobody is asked in the mode dontAsk: {decision.reason}", decision.rule)
    if decision is None and not subject.read_only:
        return answer(Verdict.DENY, f"no rule allows this {subject.tool} call, and the mode is dontAsk", "mode dontAsk")
    return decision


def _decide(subject: Subject, rules: RuleSet, mode: str) -> Decision | None:
    restricting = restriction(subject, rules)
    if restricting is not None and restricting.verdict is Verdict.DENY:
        return restricting
    reads = subject.read_only or subject.tool in NO_CHANGE
    if mode == "plan" and not reads and not plainly_reads(subject, rules):
        text = "the mode is plan: only reading is possible; finish the plan and say what you would change"
        return answer(Verdict.DENY, text, "mode plan")
    if restricting is not None:
        return restricting
    if subject.analysis is not None:
        reason = critical(subject.analysis, subject.folders or [subject.here], subject.project)
        if reason is not None:
            return answer(Verdict.ASK, f"{reason!r} cannot be undone; it is asked about in every mode", "critical")
    if mode == "bypassPermissions":
        return answer(Verdict.ALLOW, "the mode is bypassPermissions", "mode bypassPermissions")
    if mode == "acceptEdits" and subject.tool in EDITING and _in_workspace(subject, rules):
        return answer(Verdict.ALLOW, "the mode is acceptEdits, and the file is in the workspace", "mode acceptEdits")
    allowing = permission(subject, rules)
    if allowing is not None:
        return allowing
    return _without_rules(subject, rules)


def _without_rules(subject: Subject, rules: RuleSet) -> Decision | None:
    """Return what holds where no rule says anything."""
    if subject.tool in EDITING and any(is_protected(place.real, rules.workspace) for place in subject.places):
        text = f"{subject.places[0].real} is among the files that decide what runs later; only a rule allows that"
        return answer(Verdict.ASK, text, "protected files")
    if subject.tool in READING:
        outside = [place for place in subject.places if not is_inside(place.real, rules.readable)]
        if subject.journal is not None and outside:
            own = os.path.realpath(subject.journal.with_suffix(""))
            outside = [place for place in outside if not is_inside(place.real, (own,))]
        if outside:
            text = f"{outside[0].real} lies outside the workspace"
            return answer(Verdict.ASK, text, "outside the workspace")
    if subject.analysis is not None:
        if subject.analysis.problems:
            text = f"the command cannot be followed: {'; '.join(subject.analysis.problems[:3])}"
            return answer(Verdict.ASK, text, "not understood")
        if plainly_reads(subject, rules):
            return answer(Verdict.ALLOW, "the command plainly only reads", "read-only commands")
    return None


def plainly_reads_in(command: Command, subject: Subject, rules: RuleSet) -> bool:
    """Whether one command of the subject's needs no rule."""
    return subject.folders is not None and is_plainly_reading(command, subject.folders, rules.readable)


def plainly_reads(subject: Subject, rules: RuleSet) -> bool:
    analysis = subject.analysis
    if analysis is None or analysis.problems or analysis.substitutes or analysis.functions or not analysis.commands:
        return False
    return all(plainly_reads_in(command, subject, rules) for command in analysis.commands)


def _in_workspace(subject: Subject, rules: RuleSet) -> bool:
    return bool(subject.places) and all(
        is_inside(place.real, rules.workspace) and not is_protected(place.real, rules.workspace)
        for place in subject.places
    )
