"""What of a project's memory comes into a session's beginning, and beside a prompt."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from pegboard_builtins.memory.events import Hit
from pegboard_builtins.memory.fence import Recalled
from pegboard_builtins.memory.opened import Opened
from pegboard_builtins.memory.patches import Patches
from pegboard_builtins.memory.recall import AUTOMATIC_KINDS, Recall, Rules, for_prompt, for_session
from pegboard_builtins.memory.settings import MemorySettings
from pegboard_builtins.memory.subject_words import informative
from pegboard_builtins.memory.uses import add_uses, read_uses

PROMPT_SHARE = 4
"""One prompt may bring a quarter of what a session's beginning may."""


def session_rules(settings: MemorySettings) -> Rules:
    """Return how much a session's beginning may bring, and of which origins."""
    return Rules(settings.recall.budget_tokens, settings.recall.auto_trust)


def prompt_rules(settings: MemorySettings) -> Rules:
    """Return how much one prompt may bring."""
    rules = session_rules(settings)
    return Rules(rules.budget_tokens // PROMPT_SHARE, rules.allowed)


def chosen_for_session(opened: Opened, settings: MemorySettings) -> list[Recalled]:
    """Choose what a session is told from its beginning, and count it as used."""
    facts = opened.facts
    Patches(facts).settle()
    items = for_session(facts.all(), session_rules(settings), read_uses(facts.private)).items
    if items:
        add_uses(facts.private, [item.id for item in items])
    return items


def chosen_for_prompt(
    opened: Opened, settings: MemorySettings, prompt: str, *, shown: AbstractSet[str], session: str
) -> list[Recalled]:
    """Choose what one prompt is told beside; *shown* was told before."""
    # An event needs two words in common, a fact may do with one.
    hits = _about(opened, prompt, session_rules(settings)) if len(informative(prompt)) > 1 else []
    facts = opened.facts.all()
    return for_prompt(prompt, facts, hits, prompt_rules(settings), shown=shown, session=session).items


def recalled_for(opened: Opened, prompt: str = "") -> Recall:
    """Return what would come into a prompt by itself; without a prompt, what a session would begin with."""
    facts, settings = opened.facts, opened.settings
    Patches(facts).settle()
    rules = session_rules(settings)
    if not prompt.strip():
        return for_session(facts.all(), rules, read_uses(facts.private))
    return for_prompt(prompt, facts.all(), _about(opened, prompt, rules), prompt_rules(settings))


def _about(opened: Opened, prompt: str, rules: Rules) -> list[Hit]:
    """Return the events that are about a prompt and may come by themselves."""
    return opened.memory.search(
        opened.project,
        prompt[:2_000],
        limit=12,
        neighbours=0,
        worktree=opened.worktree,
        origins=sorted(rules.allowed),
        kinds=AUTOMATIC_KINDS,
    )
