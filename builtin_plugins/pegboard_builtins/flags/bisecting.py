"""Which flags and packs a recorded decision hangs from: its hooks are asked again with fewer of them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from pegboard.context import HostView
from pegboard.errors import PegboardError
from pegboard.flags import Flag, FlagSnapshot, Ramp
from pegboard.output import say
from pegboard.typed import dataclass
from pegboard_builtins.flags.recorded import read_session

VERDICTS = ("allow", "ask", "defer", "deny", "none")
LARGEST_SET = 3
"""Sets with more members than this are not looked for: that many causes are nobody's explanation."""
MOST_REPLAYS = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that may be otherwise: a flag at another value, or a pack that takes no part."""

    kind: str
    name: str
    value: Any = None

    def __str__(self) -> str:
        return f"without {self.name}" if self.kind == "pack" else f"{self.name} = {self.value!r}"


def parse_expectation(text: str) -> tuple[str, str]:
    """Return verdict and call of `deny on toolu_1`. Raises PegboardError."""
    found = re.fullmatch(r"\s*(\w+)\s+on\s+(\S+)\s*", text)
    if found is None or found[1] not in VERDICTS:
        raise PegboardError(f"{text!r} is no expectation: say 'VERDICT on CALL', with one of {', '.join(VERDICTS)}")
    return found[1], found[2]


def bisected(host: HostView, session: str | None, expect: str) -> dict[str, Any]:
    """Find the smallest sets of changes after which the hooks say what was expected."""
    wanted, call = parse_expectation(expect)
    path = host.find_session(session)
    ran = read_session(host, path)
    asked = 0

    def verdict(changes: tuple[Change, ...]) -> str:
        nonlocal asked
        asked += 1
        flags = {change.name: change.value for change in changes if change.kind == "flag"}
        return host.replay(path, call, flags=flags, without=[one.name for one in changes if one.kind == "pack"])

    now = verdict(())
    recorded = host.recorded_verdict(path, call)
    found = [] if now == wanted else smallest(list(changes_of(host, ran.last)), verdict, wanted)
    return {
        "session": path.stem,
        "call": call,
        "expected": wanted,
        "recorded": recorded,
        "replayed": now,
        "flips": [[str(change) for change in one] for one in found],
        "replays": asked,
    }


def changes_of(host: HostView, snapshot: FlagSnapshot) -> Iterator[Change]:
    """Go through everything that may be otherwise: flags to the values that they can have, packs out."""
    for name, flag in host.flags().items():
        value = snapshot.details[name].value if name in snapshot.details else flag.default
        for other in other_values(flag, value):
            yield Change("flag", name, other)
    for name, (status, _) in host.plugins().items():
        if status == "active":
            yield Change("pack", name)


def other_values(flag: Flag, value: Any) -> list[Any]:
    """Return the values to try: the other side of a switch, each choice or variant, else the default."""
    if type(flag.default) is bool:
        return [not value]
    known: list[Any] = [*flag.choices] or [*flag.variants.values()] or [flag.default]
    if set(map(str, Ramp)) <= set(map(str, known)):
        known = [Ramp.OFF.value, Ramp.ENFORCE.value]
    return [one for one in known if one != value]


def smallest(
    changes: list[Change], verdict: Callable[[tuple[Change, ...]], str], wanted: str
) -> list[tuple[Change, ...]]:
    """Return every set of the smallest size that makes the verdict *wanted*; none if none of up to three does."""
    replays = 0
    for size in range(1, LARGEST_SET + 1):
        found: list[tuple[Change, ...]] = []
        for some in itertools.combinations(changes, size):
            if len({change.name for change in some}) < size:
                continue
            replays += 1
            if replays > MOST_REPLAYS:
                return found
            if verdict(some) == wanted:
                found.append(some)
        if found:
            return found
    return []


def print_bisected(found: dict[str, Any]) -> None:
    """Print it for a person."""
    say(f"call {found['call']} of session {found['session']}", "bold")
    recorded = found["recorded"] or "no verdict"
    say(f"  recorded: {recorded}; asked again: {found['replayed']}; expected: {found['expected']}")
    if found["replayed"] == found["expected"]:
        say("  the hooks say what was expected already: what decided then is not here any more", "yellow")
    elif not found["flips"]:
        say(f"  no set of up to {LARGEST_SET} flags and packs flips it ({found['replays']} tries)", "yellow")
    for one in found["flips"]:
        say(f"  flips with: {' and '.join(one)}", "green")
