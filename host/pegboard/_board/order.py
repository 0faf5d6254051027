"""The total order of plugins: a function of the set alone, whatever the order in which they were found."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import IntEnum

from pegboard._dataclass import dataclass
from pegboard.errors import OrderCycleError

ALL = "*"


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
    def key(self) -> tuple[int, str, str]:
        """What decides between two plugins that say nothing of each other."""
        return (self.tier, self.distribution, self.name)


def total_order(places: Sequence[Place], *, hook: str = "") -> list[Place]:
    """Return *places* in their one order. Names that are not among them are ignored.

    What is said by name comes first; "*" yields to it. Raises OrderCycleError naming the circle.
    """
    by_name = {place.name: place for place in places}
    followers = _named_edges(by_name)
    _refuse_circle(followers, hook)
    for earlier, later in _star_edges(places, followers):
        followers[earlier].add(later)
    return _smallest_first(by_name, followers)


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


def _star_edges(places: Sequence[Place], followers: dict[str, set[str]]) -> list[tuple[str, str]]:
    inner = {place.name for place in places if place.innermost}
    first = {place.name for place in places if ALL in place.before} - inner
    last = {place.name for place in places if ALL in place.after} - first - inner
    middle = {place.name for place in places} - first - last - inner
    groups = (first, middle, last, inner)
    below = {place.name: _reachable(place.name, followers) for place in places}
    wanted = [(a, b) for at, group in enumerate(groups) for later in groups[at + 1 :] for a in group for b in later]
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


def _smallest_first(by_name: dict[str, Place], followers: dict[str, set[str]]) -> list[Place]:
    waits_for = dict.fromkeys(by_name, 0)
    for later in followers.values():
        for name in later:
            waits_for[name] += 1
    ready = [(by_name[name].key, name) for name, count in waits_for.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[Place] = []
    while ready:
        _, name = heapq.heappop(ready)
        ordered.append(by_name[name])
        for later_name in followers[name]:
            waits_for[later_name] -= 1
            if waits_for[later_name] == 0:
                heapq.heappush(ready, (by_name[later_name].key, later_name))
    return ordered
