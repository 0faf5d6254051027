"""Rules that a flag holds back: they are evaluated and journaled, and decide nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pegboard.decisions import Decision
from pegboard.errors import SettingsError
from pegboard.flags import Ramp, ramp_of
from pegboard.typed import dataclass
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Held:
    """A rule that a flag holds: `rules` are those in force with it among them."""

    rule: str
    flag: str
    how: Ramp
    rules: RuleSet


def parted(
    rules: RuleSet, ramps: Mapping[str, str], flags: Mapping[str, Any], tell: Tell
) -> tuple[RuleSet, tuple[Held, ...]]:
    """Return the rules in force, and each rule that is in shadow or warns; one whose flag says off is in neither.

    *ramps* names a flag for a rule, as the rule is written. A flag that is wrong lets its rule count in full: *tell*
    is told.
    """
    steps = {text: (flag, _step(text, flag, flags, tell)) for text, flag in ramps.items()}
    loose = {text for text, (_, how) in steps.items() if how is not Ramp.ENFORCE}
    in_force = _without(rules, loose)
    held = [
        Held(text, flag, how, _without(rules, loose - {text}))
        for text, (flag, how) in steps.items()
        if how in (Ramp.SHADOW, Ramp.WARN)
    ]
    return in_force, tuple(held)


def _step(text: str, flag: str, flags: Mapping[str, Any], tell: Tell) -> Ramp:
    try:
        return ramp_of(flags, flag)
    except SettingsError as wrong:
        tell(f"the rule {text} counts in full, because its ramp is wrong: {wrong}")
        return Ramp.ENFORCE


def _without(rules: RuleSet, texts: set[str]) -> RuleSet:
    if not texts:
        return rules

    def kept(listed: tuple[Rule, ...]) -> tuple[Rule, ...]:
        return tuple(rule for rule in listed if str(rule) not in texts)

    return replace(rules, deny=kept(rules.deny), ask=kept(rules.ask), allow=kept(rules.allow), _by_tool={})


def differs(decision: Decision | None, other: Decision | None) -> bool:
    """Whether a rule would have changed the verdict."""
    return (decision.verdict if decision else None) != (other.verdict if other else None)
