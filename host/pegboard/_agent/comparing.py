"""What is another in the packs of a session since it was last open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pegboard.records import PluginStamp

Facts = tuple[str, str, frozenset[str]]


def changes(then: Sequence[Mapping[str, Any]], now: Iterable[PluginStamp]) -> list[str]:
    """Return what differs between the plugins that a journal names and those of today, a few words for each."""
    before, after = _by_distribution(then), _by_distribution(one.model_dump() for one in now)
    said = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            said.append(f"{name} {new[0]} is new".replace("  ", " "))
        elif new is None and old is not None:
            said.append(f"{name} {old[0]} takes no part any more".replace("  ", " "))
        elif old is not None and new is not None:
            said += _difference(name, old, new)
    return said


def _by_distribution(stamps: Iterable[Mapping[str, Any]]) -> dict[str, Facts]:
    found: dict[str, Facts] = {}
    for stamp in stamps:
        name = str(stamp.get("distribution", ""))
        if not name:
            continue  # a part of the program that held the session, such as the chat
        names = found[name][2] if name in found else frozenset()
        facts = (str(stamp.get("version", "")), str(stamp.get("hash", "")))
        found[name] = (*facts, names | {str(stamp.get("name", ""))})
    return found


def _difference(name: str, old: Facts, new: Facts) -> list[str]:
    if old[0] != new[0]:
        return [f"{name} was {old[0]} and is {new[0]}"]
    if old[1] and new[1] and old[1] != new[1]:
        return [f"{name} {new[0]} has other files"]
    gone, more = sorted(old[2] - new[2]), sorted(new[2] - old[2])
    return [f"{name}: without {one}" for one in gone] + [f"{name}: with {one}" for one in more]
