"""The switches beside hooks: each must have its type, or it is told and does not count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pegboard.settings import Source
from pegboard_builtins.wire_hooks.load import Problem, shown
from pegboard_builtins.wire_hooks.settings import SPELLINGS

LISTS = frozenset({"disabled", "allowed_urls", "allowed_variables"})
BOUNDS = frozenset({"allowed_urls", "allowed_variables"})
"""Lists that hold something back: one that cannot be read lets nothing through."""
THEIRS = {ours: theirs for theirs, ours in SPELLINGS.items()}


def judged(said: Mapping[str, Any], where: Callable[[str], Source]) -> tuple[dict[str, Any], list[Problem]]:
    """Return those of the right type, and what is wrong with the others. *where* says where a key stands."""
    counts: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in said.items():
        if _is_well(key, value):
            counts[key] = value
            continue
        place = where(key)
        name = THEIRS.get(key, key) if place.file.endswith(".json") else key
        what = "a list of texts" if key in LISTS else "true or false"
        so = "nothing is let through" if key in BOUNDS else "it does not count"
        problems.append(Problem(f"`{name}` is {shown(value)}; it must be {what}, so {so}", place))
        if key in BOUNDS:
            counts[key] = ()
    return counts, problems


def _is_well(key: str, value: Any) -> bool:
    if key not in LISTS:
        return isinstance(value, bool)
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
