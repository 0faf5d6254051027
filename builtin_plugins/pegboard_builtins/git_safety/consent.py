"""Whether the user asked for what a command destroys: in so many words, in the prompt that is worked on."""

from __future__ import annotations

import re

from pegboard.context import Ctx
from pegboard.messages import Origin, TextBlock

_LOSE = r"(?:throw away|discard|drop|undo|revert|restore)\b.*"
ASKED = {
    "force-push": r"force[- ]?(?:with[- ]lease[- ])?push|push\S*\s(?:.*\s)?(?:--force|-f\b)|--force-with-lease",
    "push-delete": r"push\s.*--delete|delete\b.*\b(?:remote|origin)|(?:remote|origin)\b.*\bdelete",
    "reset-hard": rf"reset\b.*--hard|hard[- ]reset|{_LOSE}\b(?:changes|everything|all|work)",
    "clean": r"git clean|(?:delete|remove|clean up)\b.*\buntracked",
    "branch-delete": r"branch\s+-D|(?:delete|remove|drop)\b.*\bbranch",
    "branch-move": r"branch\s+-[fMC]|(?:move|rename|reset)\b.*\bbranch",
    "discard": rf"git (?:checkout|restore)|{_LOSE}\b(?:changes?|files?|edits?|all|everything|work)",
    "rewrite": r"rebase|amend|squash|filter-(?:branch|repo)|rewrite\b.*\bhistory|history\b.*\brewrite|reflog|prune",
    "stash-drop": r"stash\s+(?:drop|clear)|(?:drop|clear|delete|throw away)\b.*\bstash",
    "tag-delete": r"tag\s+-d|(?:delete|remove|drop)\b.*\btag",
    "tag-move": r"tag\s+-f|(?:move|overwrite|force)\b.*\btag",
    "delete": r"(?:delete|remove|rm\b).*(?:\.git\b|\brepo)",
}
"""What a person says who wants it, by the kind of danger."""
_AGAINST = re.compile(
    r"\b(?:do not|don.?t|dont|never|without|not|no|avoid|instead of|rather than|must ?n.?t|stop)\b", re.I
)
_SENTENCE = re.compile(r"[.!?;\n]+(?:\s|$)|\n+|,\s*(?:but|and then|then)\b")


def asked_for(kind: str, prompt: str) -> bool:
    """Whether *prompt* asks for this kind of thing. A sentence that says "not" asks for nothing."""
    pattern = re.compile(ASKED[kind], re.IGNORECASE)
    return any(pattern.search(one) and not _AGAINST.search(one) for one in _SENTENCE.split(prompt))


def last_prompt(ctx: Ctx) -> str:
    """Return the user's own words of this turn: not those of files, tools, hooks or other agents."""
    for message in reversed(ctx.journal.messages()):
        if message.role != "user":
            continue
        texts = [block.text for block in message.content if isinstance(block, TextBlock) and _is_users(block)]
        if texts:
            return "\n".join(texts)
    return ""


def _is_users(block: TextBlock) -> bool:
    return block.origins == (Origin.USER,)
