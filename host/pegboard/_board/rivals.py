"""Who may rewrite the same: packs that change one field of what a hook hands them, in the order in which they do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from pegboard._board.discovery import OWN_DISTRIBUTION
from pegboard._board.plan import NAMES
from pegboard._board.registry import Board
from pegboard._dataclass import dataclass

HOOKS = {"prompt_submit": "the prompt", "pre_tool": "the input", "post_tool": "the result"}
"""The hooks whose implementations say whether they rewrite, each with what."""
Seen = Mapping[str, Collection[str]]
"""What each plugin was seen to rewrite, as `Tool.field`."""
NOTHING: Seen = {}


@dataclass(frozen=True)
class Rewriter:
    """A plugin that rewrites what one hook hands it. `fields` is empty where it does not say which."""

    plugin: str
    fields: tuple[str, ...] = ()
    matcher: str | None = None


@dataclass(frozen=True)
class Rivalry:
    """Plugins that may rewrite the same, in their order: each sees what the one before it has left.

    `what` is a field that all of them name; where `unsaid` do not say what they rewrite, it is all that there is.
    """

    what: str
    plugins: tuple[str, ...]
    unsaid: tuple[str, ...] = ()

    def words(self, seen: Seen = NOTHING) -> str:
        """Return it for a person; *seen* is what each was seen to rewrite."""
        may = "may " if self.unsaid else ""
        text = f"{', then '.join(self.plugins)} {may}rewrite {self.what}, each what the one before has left"
        told = [f"{name}: {', '.join(sorted(seen[name])[:5])}" for name in self.plugins if seen.get(name)]
        if told and self.unsaid:
            text += f" (in this folder's sessions they were seen to rewrite {'; '.join(told)})"
        elif self.unsaid and self.what == HOOKS["pre_tool"]:
            text += f" ({', '.join(self.unsaid)}: which fields is not said, rewrites=[...] would)"
        return text


def rivalries_on(board: Board) -> list[tuple[str, Rivalry]]:
    """Return where packs may rewrite the same, each with its hook, or `filters` for what leaves.

    Built-ins are left out: how they go together is the host's to know.
    """
    own = {record.name for record in board.active if record.distribution == OWN_DISTRIBUTION}
    hooks = {record.name: record.hooks for record in board.active}
    found = []
    for hook, what in HOOKS.items():
        names = [name for name in board.ordered(hook) if name not in own and hooks[name][hook].rewrites]
        rewriters = [Rewriter(name, hooks[name][hook].fields, hooks[name][hook].matcher) for name in names]
        found += [(hook, one) for one in rivalries(rewriters, what, tools=hook != "prompt_submit")]
    filters = [(name, surface) for name, surface, _ in board.filters if name not in own]
    for surface in sorted({surface for _, surface in filters}):
        plugins = tuple(dict.fromkeys(name for name, where in filters if where in (surface, "*")))
        if len(plugins) > 1:
            found.append(("filters", Rivalry(f"what leaves by {surface}", plugins)))
    return found


def rivalries(rewriters: Sequence[Rewriter], what: str, *, tools: bool = True) -> Iterator[Rivalry]:
    """Go through where two of these, who stand in their order, may rewrite the same.

    Without *tools* their matchers are for something else, and each may meet each.
    """

    def meet(one: Rewriter, others: Sequence[Rewriter]) -> bool:
        return any(not tools or may_meet(one.matcher, other.matcher) for other in others if other is not one)

    for field in sorted({field for one in rewriters for field in one.fields}):
        named = [one for one in rewriters if field in one.fields]
        plugins = tuple(one.plugin for one in named if meet(one, named))
        if plugins:
            yield Rivalry(f"{field!r} of {what}", plugins)
    unsaid = [one for one in rewriters if not one.fields]
    met = [one for one in rewriters if (meet(one, rewriters) if not one.fields else meet(one, unsaid))]
    if met:
        yield Rivalry(what, tuple(one.plugin for one in met), tuple(one.plugin for one in met if not one.fields))


def may_meet(one: str | None, other: str | None) -> bool:
    """Whether two matchers may let through one tool; of two regular expressions nobody knows."""
    mine, others = _tools_of(one), _tools_of(other)
    if mine is not None and others is not None:
        return bool(mine & others)
    if mine is None and others is None:
        return True
    names, pattern = (mine, other) if mine is not None else (others, one)
    return not pattern or pattern == "*" or any(re.search(pattern, name) for name in names or ())


def _tools_of(matcher: str | None) -> frozenset[str] | None:
    """Return the tools that a matcher names; None for all, and for a regular expression."""
    if matcher is None or matcher in ("", "*") or NAMES.fullmatch(matcher) is None:
        return None
    return frozenset(name.strip() for name in re.split(r"[|,]", matcher))
