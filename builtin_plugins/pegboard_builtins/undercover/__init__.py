"""Undercover: listed confidential names never leave, on any way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pegboard.context import Ctx, Registry
from pegboard.decisions import Decision
from pegboard.declares import Declares
from pegboard.errors import PegboardError
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolCall
from pegboard.requests import CallNext, Request, StreamEvent
from pegboard_builtins.undercover.settings import UndercoverSettings

if TYPE_CHECKING:
    from pegboard_builtins.undercover.filtering import Undercover

declares = Declares(permissions=["rewrite"])

_hosts: dict[tuple[str, str], Undercover] = {}
"""The names by the folders of their host: each host reads its list once."""


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[undercover]`; where it names a list, add the filter of all ways out."""
    settings = registry.settings(UndercoverSettings)
    registry.add_command("undercover", "pegboard_builtins.undercover.verbs:app")
    if not settings.on:
        return
    from pegboard_builtins.undercover.filtering import Filter, Undercover

    host = registry.host
    undercover = Undercover(settings, config_dir=host.config_dir, project=host.project)
    _hosts[str(host.config_dir), str(host.project)] = undercover
    registry.add_filter("*", Filter(undercover))
    registry.add_health_check("the list of names", lambda: _what_is_wrong(undercover))


def _what_is_wrong(undercover: Undercover) -> str | None:
    from pegboard_builtins.undercover.sources import ListError

    try:
        _ = undercover.finder
    except ListError as error:
        return f"{error}. Until then nothing leaves"
    return None


@hookimpl(guard=True, after="*", when="on", timeout=30.0, blocking=True)
def pre_tool(call: ToolCall, ctx: Ctx) -> Decision | None:
    """Refuse, or ask about, a call that would take a name out."""
    from pegboard_builtins.undercover.guard import decide

    given: dict[str, Any] = call.input
    try:
        return decide(_of(ctx), ctx.tools.get(call.name), call.name, given, ctx.cwd)
    except PegboardError as error:
        return Decision.deny(f"names cannot be looked for, so nothing leaves: {error}")
    except Exception as error:  # without its words: they may hold what must not leave
        return Decision.deny(f"names cannot be looked for, so nothing leaves: {type(error).__name__}")


@hookimpl(guard=True, after="*", when="aliased")
def model_call(request: Request, call_next: CallNext, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Let the model work under stand-in names: the innermost frame, so that nothing is added behind it."""
    from pegboard_builtins.undercover.aliasing import under_aliases

    return under_aliases(_of(ctx), request, call_next, ctx)


def _of(ctx: Ctx) -> Undercover:
    found = [one for one in _hosts.values() if one.settings is ctx.settings]
    if found:
        return found[-1]
    raise LookupError("the names of this host were not registered")
