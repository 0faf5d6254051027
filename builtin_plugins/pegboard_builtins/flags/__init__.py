"""Feature flags: declared in files too, voted on in layers, and shown with who said what."""

from __future__ import annotations

from pegboard.context import Registry
from pegboard.hookspecs import hookimpl
from pegboard_builtins.flags.settings import FlagsTable
from pegboard_builtins.flags.sources import Desk


@hookimpl
def register(registry: Registry) -> None:
    """Declare what the flags files declare, and vote for what settings, variables and options say."""
    settings = registry.settings(FlagsTable)
    desk = Desk(registry.host, settings)
    registry.add_flag(*desk.declared)
    registry.add_flag_source(desk.votes, live=desk.live)
    registry.add_health_check("feature flags", desk.health)
    registry.add_command(
        "flags", "pegboard_builtins.flags.verbs:app", help="What may be switched, who switched it, and why."
    )
