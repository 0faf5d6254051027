"""The total order of plugins: a function of the set alone, whatever the order in which they were found."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import IntEnum

from pegboard._dataclass import dataclass
from pegboard.errors import OrderCycleError

ALL = "*"
Key = tuple[int, str, str]


class Tier(IntEnum):
    """Who brought a plugin; an earlier tier comes first where nothing else is said."""

    HOST = 0
    MANAGED = 1
    USER = 2
    PROJECT = 3
    SESSION = 4


@dataclass(frozen=True)
class Place:
    """A plugin as far as order is concerned. `before` and `after` name plugins, or "*" for all that do not.

    What is `innermost` comes after all others, those that say after="*" too: models, below every frame.
    """

    name: str
    tier: Tier = Tier.USER
    distribution: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    innermost: bool = False

    @property
    def key(self) -> Key:
        """What decides between two plugins that say nothing of each other."""
        return (self.tier, self.distribution, self.name)


def total_order(places: Sequence[Place], *, hook: str = "") -> list[Place]:
    """Return *places* in their one order. Names that are not among them are ignored.

    What is said by name comes first; "*" yields to it. Who says something moves, and not who is spoken of: a plugin
    that nobody names, and that does not ask to come between others by name, leaves the order of all others as it
    was. Raises OrderCycleError naming the circle.
    """
    by_name = {place.name: place for place in places}
    followers = _named_edges(by_name)
    _refuse_circle(followers, hook)
    groups = _groups(by_name)
    for earlier, later in _star_edges(groups, followers):
        followers[earlier].add(later)
    return _smallest_first(by_name, followers, groups)


def _named_edges(by_name: dict[str, Place]) -> dict[str, set[str]]:
    followers: dict[str, set[str]] = {name: set() for name in by_name}
    for place in by_name.values():
        for other in place.before:
            if other in by_name and other != place.name:
                followers[place.name].add(other)
        for other in place.after:
            if other in by_name and other != place.name:
                followers[other].add(place.name)
    return followers


class _Group(IntEnum):
    FIRST = 0
    MIDDLE = 1
    LAST = 2
    INNERMOST = 3


def _groups(by_name: dict[str, Place]) -> dict[str, _Group]:
    """Return where each plugin stands by its own star, moved as far as its own names ask.

    Who comes before one of the first is one of the first, and who says "after all, and before x" stands with x: else
    all others, which come before it, would come before x too.
    """
    own = {name: _own_group(place) for name, place in by_name.items()}
    free = {name: place for name, place in by_name.items() if own[name] is not _Group.INNERMOST}
    found = {name: _Group.FIRST if name in free else _Group.INNERMOST for name in by_name}
    while True:  # they only ever rise, so this ends, and with the same groups in whichever order
        raised = dict(found)
        for name, place in free.items():
            later = [found[other] for other in place.before if other in by_name and other != name]
            earlier = [found[other] for other in place.after if other in by_name and other != name]
            raised[name] = max([min([own[name], *later]), *earlier])
        if raised == found:
            return found
        found = raised


def _own_group(place: Place) -> _Group:
    if place.innermost:
        return _Group.INNERMOST
    return _Group.FIRST if ALL in place.before else _Group.LAST if ALL in place.after else _Group.MIDDLE


def _star_edges(groups: dict[str, _Group], followers: dict[str, set[str]]) -> list[tuple[str, str]]:
    below = {name: _reachable(name, followers) for name in groups}
    wanted = [(a, b) for a in groups for b in groups if groups[a] < groups[b]]
    # What was said by name wins: no star edge against a path of named ones. Those kept cannot close a circle,
    # because every one of them leads from an earlier of the groups to a later one, unless a named path
    # leads back; such a path is looked for again with the kept edges in place.
    kept: list[tuple[str, str]] = []
    grown = {name: set(later) for name, later in followers.items()}
    for earlier, later in sorted(wanted):
        if earlier in below[later] or earlier in _reachable(later, grown):
            continue
        grown[earlier].add(later)
        kept.append((earlier, later))
    return kept


def _reachable(start: str, followers: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in followers[waiting.pop()]:
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen


def _refuse_circle(followers: dict[str, set[str]], hook: str) -> None:
    for name in sorted(followers):
        if name in _reachable(name, followers):
            raise OrderCycleError(hook, _circle_through(name, followers))


def _circle_through(start: str, followers: dict[str, set[str]]) -> tuple[str, ...]:
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop(0)
        for name in sorted(followers[here]):
            if name == start:
                path = [start, here]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return tuple(reversed(path))
            if name not in came_from:
                came_from[name] = here
                waiting.append(name)
    raise AssertionError("no circle")


def _smallest_first(
    by_name: dict[str, Place], followers: dict[str, set[str]], groups: dict[str, _Group]
) -> list[Place]:
    keys = _keys(by_name, groups)
    waits_for = dict.fromkeys(by_name, 0)
    for later in followers.values():
        for name in later:
            waits_for[name] += 1
    ready = [(keys[name], name) for name, count in waits_for.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[Place] = []
    while ready:
        _, name = heapq.heappop(ready)
        ordered.append(by_name[name])
        for later_name in followers[name]:
            waits_for[later_name] -= 1
            if waits_for[later_name] == 0:
                heapq.heappush(ready, (keys[later_name], later_name))
    return ordered


def _keys(by_name: dict[str, Place], groups: dict[str, _Group]) -> dict[str, tuple[Key, ...]]:
    """Return what decides between two that may both come next: who says "before x" goes when it is x's turn.

    Of several that wait for x each goes in its own place; so the key of one is x's, with its own behind.
    """
    found: dict[str, tuple[Key, ...]] = {}

    def of(name: str) -> tuple[Key, ...]:
        if name not in found:
            place = by_name[name]
            found[name] = (place.key,)
            near = [
                other for other in place.before if other in by_name and groups[other] is groups[name] and other != name
            ]
            found[name] = min([(place.key,), *((*of(other), place.key) for other in near)])
        return found[name]

    for name in sorted(by_name):
        of(name)
    return found
