"""Asks a model again when it was only busy, and another model when that does not help; never without saying so."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pegboard.context import Ctx, Registry
from pegboard.declares import Declares
from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard.requests import CallNext, Request, StreamEvent
from pegboard_builtins.retry.settings import RetrySettings

declares = Declares(permissions=["rewrite"])

FALLBACK = flag(
    "retry.fallback", True, live=True, safe=False, kind="ops", help="Other models are asked where one is too busy."
)
NO_REPLAY = "no_replay"
"""A request with this parameter is never sent twice."""


@hookimpl
def register(registry: Registry) -> None:
    """Declare the table `[retry]`."""
    registry.settings(RetrySettings)


@hookimpl
def model_call(request: Request, call_next: CallNext, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Stand around the models and ask again where the error says that this may help."""
    settings: RetrySettings = ctx.settings
    if request.params.get(NO_REPLAY) or (settings.attempts == 1 and not settings.fallback):
        return call_next(request)
    from pegboard_builtins.retry.frame import retrying

    return retrying(request, call_next, ctx, settings)
