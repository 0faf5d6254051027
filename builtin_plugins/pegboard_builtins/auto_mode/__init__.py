"""Auto mode: a model judges what nobody allowed, by the user's own words; behind the flag `auto_mode`, off by default.

It answers only where nobody has said anything: what a rule, a hook or the shape of a command asks about is for a
person. What plainly is routine runs, all other calls of the message are judged in one request, and whatever goes wrong
with that is a refusal.
"""

from __future__ import annotations

from pegboard.context import Ctx, Registry
from pegboard.decisions import Answer, Resolution
from pegboard.declares import Declares
from pegboard.flags import Flag
from pegboard.hookspecs import Ask, hookimpl
from pegboard.records import Event, JudgeTold
from pegboard_builtins.auto_mode.settings import AutoModeSettings

declares = Declares(permissions=["approve", "model"])

FLAG = "auto_mode"
MOST_SAID = 2_000
"""Characters of that, together (hook-contract 1.5)."""


@hookimpl
def register(registry: Registry) -> None:
    """Declare the flag and `[auto_mode]`."""
    registry.settings(AutoModeSettings)
    registry.add_flag(Flag(FLAG, default=False, help="Let a model judge calls in the permission mode auto."))


@hookimpl(flag=FLAG, matcher="JudgeTold")
def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """Keep what hooks have to say to the judge; of too much the newest."""
    if isinstance(event, JudgeTold):
        from pegboard_builtins.auto_mode.judging import HOOKS_SAID

        said = [*ctx.state.get(HOOKS_SAID, []), {"hook": event.by, "says": event.text[:MOST_SAID]}]
        while sum(len(one["says"]) for one in said) > MOST_SAID:
            del said[0]
        ctx.state[HOOKS_SAID] = said
    return None


@hookimpl(flag=FLAG, after=("permissions", "wire_hooks"))
async def resolve_ask(ask: Ask, ctx: Ctx) -> Resolution | None:
    """Answer for the person, where nobody minds the call and the mode is auto."""
    if ctx.mode != "auto" or ask.by:
        return None
    from pegboard_builtins.auto_mode.judging import judged

    return await judged(ask, ctx)
