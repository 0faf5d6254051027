"""What every rule says about one call: for `pegboard permissions test`."""

from __future__ import annotations

from collections.abc import Iterator

from pegboard.decisions import Decision, Verdict
from pegboard.typed import dataclass
from pegboard_builtins.permissions.decide import decide
from pegboard_builtins.permissions.permit import covered_commands
from pegboard_builtins.permissions.restrict import Match, matches
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.settings import LISTS
from pegboard_builtins.permissions.subject import Subject


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule and what it says: `holds` is yes, no, maybe (only a shell could tell) or part (some of its commands)."""

    list: str
    rule: str
    origin: str
    holds: str
    decides: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A call with its verdict: `by` is permissions, or host where no rule and no mode says anything."""

    verdict: str
    by: str
    reason: str
    rule: str
    considered: tuple[Considered, ...]
    commands: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def judge(subject: Subject, rules: RuleSet, mode: str) -> Judged:
    """Decide on a call as a session would, and say what every rule of its tool says about it."""
    decision = decide(subject, rules, mode)
    verdict, by, reason = _as_words(decision, subject)
    analysis = subject.analysis
    return Judged(
        verdict,
        by,
        reason,
        decision.rule if decision is not None else "",
        tuple(_considered(subject, rules, decision)),
        tuple(command.simple.raw for command in analysis.commands) if analysis is not None else (),
        analysis.problems if analysis is not None else (),
    )


def _as_words(decision: Decision | None, subject: Subject) -> tuple[str, str, str]:
    if decision is not None and decision.verdict is not None:
        return str(decision.verdict), "permissions", decision.reason
    if subject.read_only:
        return "allow", "host", "no rule is about it, and it only reads"
    return "ask", "host", "no rule allows it, so a person is asked; without one it is refused"


def _considered(subject: Subject, rules: RuleSet, decision: Decision | None) -> Iterator[Considered]:
    of_tool = rules.of(subject.tool)
    named = {decision.rule, *decision.rule.split(", ")} if decision is not None else set()
    allows = decision is not None and decision.verdict is Verdict.ALLOW
    for name in reversed(LISTS):  # deny, ask, allow: the order in which they are asked
        own: tuple[Rule, ...] = getattr(of_tool, name)
        for rule in own:
            holds = _covers(rule, subject, rules) if name == "allow" else _WORDS[matches(rule, subject)]
            decides = holds != "no" and str(rule) in named and (name == "allow") is allows
            yield Considered(name, str(rule), rule.origin, holds, decides)
    for name in ("deny", "ask"):
        for rule in getattr(rules, name):
            if rule not in getattr(of_tool, name) and matches(rule, subject) is not Match.NO:
                yield Considered(name, str(rule), rule.origin, "yes", str(rule) in named)


_WORDS = {Match.NO: "no", Match.MAYBE: "maybe", Match.YES: "yes"}


def _covers(rule: Rule, subject: Subject, rules: RuleSet) -> str:
    covered, total = covered_commands(rule, subject, rules)
    return "no" if not covered else "yes" if covered == total else "part"
