"""Every way out of every tool and plugin that is installed: covered, blocked, open or unknown."""

from __future__ import annotations

from collections.abc import Iterator

from pegboard.context import HostView
from pegboard.typed import dataclass
from pegboard_builtins.undercover.guard import surfaces_of
from pegboard_builtins.undercover.settings import DONE, TOLD, Policy, UndercoverSettings

COVERED, BLOCKED, OPEN, UNKNOWN = "covered", "blocked", "open", "unknown"
INSIDE, UNUSED = "inside", "unused"
STATES = {Policy.MASK: COVERED, Policy.DENY: BLOCKED, Policy.ASK: BLOCKED, Policy.ALLOW: OPEN}


@dataclass(frozen=True, slots=True)
class Row:
    """One way out: whose it is, its name, the policy, and what that comes to."""

    kind: str
    owner: str
    name: str
    surface: str
    policy: str
    state: str


def audit(host: HostView, settings: UndercoverSettings) -> Iterator[Row]:
    """Go through all ways out. *unknown* is what nobody declared; it is treated as external. *unused* is what
    nothing that is installed sends anything by.
    """
    for name, (owner, surface) in host.surfaces().items():
        policy = settings.policy(name)
        state = STATES[policy] if settings.on else OPEN
        if surface.reserved:
            yield Row("surface", owner, name, name, str(policy), UNUSED)
        elif surface.inside and state == OPEN:
            aliased = settings.on and settings.aliases
            yield Row(
                "surface", owner, name, name, "aliases" if aliased else str(policy), COVERED if aliased else INSIDE
            )
        else:
            yield Row("surface", owner, name, name, str(policy), state)
    for tool in host.tools().values():
        declared = tool.egress is not None or tool.name.startswith("mcp__")
        ways = surfaces_of(tool, tool.name)
        if not ways:
            yield Row("tool", tool.owner, tool.name, "none", "", INSIDE)
        for way in ways:
            known = declared and (way in DONE or way in TOLD or way == "shell")
            if way == "shell":
                yield Row(
                    "tool", tool.owner, tool.name, way, "by what a command does", BLOCKED if settings.on else OPEN
                )
                continue
            policy = settings.policy(way)
            state = STATES[policy] if settings.on else OPEN
            yield Row("tool", tool.owner, tool.name, way, str(policy), state if known else UNKNOWN)
