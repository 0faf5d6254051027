"""Feature flags: declared in files too, voted on in layers, and shown with who said what."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pegboard.context import Ctx, Registry
from pegboard.declares import Declares
from pegboard.hookspecs import hookimpl
from pegboard.records import Event
from pegboard_builtins.flags.settings import FlagsTable
from pegboard_builtins.flags.sources import Desk

declares = Declares(permissions=["secret"])


@hookimpl
def register(registry: Registry) -> None:
    """Declare what the flags files declare, and vote for what settings, variables and options say."""
    settings = registry.settings(FlagsTable)
    desk = Desk(registry.host, settings)
    registry.add_flag(*desk.declared)
    registry.add_flag_source(desk.votes, live=desk.live)
    registry.add_service("openfeature", open_feature)
    registry.add_health_check("feature flags", desk.health)
    registry.add_command(
        "flags",
        "pegboard_builtins.flags.verbs:app",
        help="What may be switched, who switched it, and why.",
        chat="pegboard_builtins.flags.chat:flags_command",
    )


@hookimpl(matcher="SessionStart|SessionEnd")
def lifecycle(event: Event, ctx: Ctx) -> None:
    """Make the session a domain of OpenFeature, where some plugin has imported that."""
    if "openfeature.api" in sys.modules:
        from pegboard_builtins.flags.openfeature_provider import bind, release

        if event.name == "SessionEnd":
            release(ctx.session_id)
        else:
            bind(ctx.session_id, ctx.flags)


class OpenFeature:
    """The service `openfeature`: `(await ctx.service("openfeature")).client(ctx)`."""

    def client(self, ctx: Ctx) -> object:
        """Return the client of a session, an `openfeature.client.OpenFeatureClient`."""
        from openfeature import api

        from pegboard_builtins.flags.openfeature_provider import NAME, bind

        if api.get_provider_metadata(ctx.session_id).name != NAME:
            bind(ctx.session_id, ctx.flags)
        return api.get_client(ctx.session_id)


@asynccontextmanager
async def open_feature() -> AsyncIterator[OpenFeature]:
    """Give the service; OpenFeature itself is imported when a client is asked for."""
    yield OpenFeature()
