"""Auto mode: a model judges what nobody allowed, by the user's own words; behind the flag `auto_mode`, off by default.

It answers only where nobody has said anything: what a rule, a hook or the shape of a command asks about is for a
person. What plainly is routine runs, all other calls of the message are judged in one request, and whatever goes wrong
with that is a refusal.
"""

from __future__ import annotations

from pegboard.context import Ctx, Registry
from pegboard.decisions import Resolution
from pegboard.declares import Declares
from pegboard.flags import Flag
from pegboard.hookspecs import Ask, hookimpl
from pegboard_builtins.auto_mode.settings import AutoModeSettings

declares = Declares(permissions=["approve", "model"])

FLAG = "auto_mode"


@hookimpl
def register(registry: Registry) -> None:
    """Declare the flag and `[auto_mode]`."""
    registry.settings(AutoModeSettings)
    registry.add_flag(Flag(FLAG, default=False, help="Let a model judge calls in the permission mode auto."))


@hookimpl(flag=FLAG, after=("permissions", "wire_hooks"))
async def resolve_ask(ask: Ask, ctx: Ctx) -> Resolution | None:
    """Answer for the person, where nobody minds the call and the mode is auto."""
    if ctx.mode != "auto" or ask.by:
        return None
    from pegboard_builtins.auto_mode.judging import judged

    return await judged(ask, ctx)
