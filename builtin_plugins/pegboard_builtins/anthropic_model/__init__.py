"""Answers requests for `anthropic:NAME` through the official SDK, which is imported only when such a model is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from pegboard.context import Ctx, Registry
from pegboard.declares import Declares
from pegboard.hookspecs import hookimpl
from pegboard.records import Event, SessionStart
from pegboard.requests import CallNext, ModelInfo, Request, StreamEvent
from pegboard_builtins.anthropic_model.models import CONTEXT_WINDOWS
from pegboard_builtins.anthropic_model.settings import PREFIX, SERVICE, AnthropicSettings

declares = Declares(permissions=["secret"])


@hookimpl
def register(registry: Registry) -> None:
    """Declare the models, the settings, the clients and the question of `doctor`."""
    settings = registry.settings(AnthropicSettings)
    registry.add_model(
        ModelInfo(
            prefix=PREFIX.rstrip(":"),
            help="Claude models through the Anthropic API, for example anthropic:claude-opus-5-5.",
            context_window=200_000,
            max_output=64_000,
            windows=CONTEXT_WINDOWS,
            count_tokens=True,
        )
    )

    def clients() -> AbstractAsyncContextManager[Any]:
        from pegboard_builtins.anthropic_model.clients import Clients

        return Clients.open()

    registry.add_service(SERVICE, clients)

    def ask_for_key() -> str | None:
        from pegboard_builtins.anthropic_model.keys import check_key

        model = registry.all_settings().model.name
        return check_key(settings) if model.startswith(PREFIX) else None

    registry.add_health_check("anthropic key", ask_for_key)


@hookimpl(matcher="SessionStart")
def lifecycle(event: Event, ctx: Ctx) -> None:
    """Begin to import the SDK while the first hooks run: it takes about a second."""
    if isinstance(event, SessionStart) and ctx.model_name.startswith(PREFIX):
        from pegboard_builtins.anthropic_model.clients import begin_import

        begin_import()


@hookimpl(after="*")
def model_call(request: Request, call_next: CallNext, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Answer what is for us; leave everything else to the next plugin."""
    if not request.model.startswith(PREFIX):
        return call_next(request)
    from pegboard_builtins.anthropic_model.call import answer

    return answer(request, ctx)
