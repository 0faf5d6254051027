"""Packs that were written for the `llm` command: their tools, and their models as `llm:MODEL`, like any others.

None takes part unless `[llm_packs] packs` names it: the library and its packs are imported only then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pegboard.context import Ailment, Ctx, Registry
from pegboard.hookspecs import hookimpl
from pegboard.requests import CallNext, ModelInfo, Request, StreamEvent
from pegboard_builtins.llm_packs.settings import LlmPackSettings

PREFIX = "llm:"
MODEL = ModelInfo(prefix="llm", help="A model of a pack for the `llm` command, by its id.")

_packs: dict[str, Any] = {}
"""What was found, by the settings that name it; a test or a second host may have others."""


LOADING = 30.0
"""Seconds that the import of the library and of the packs may take."""


@hookimpl(timeout=LOADING)
def register(registry: Registry) -> None:
    """Bring the tools and the models of the packs that the settings name."""
    settings = registry.settings(LlmPackSettings)

    def packs_are_well() -> list[Ailment]:
        return list(_packs[_key(settings)].ailments) if settings.packs else []

    registry.add_health_check("packs of llm", packs_are_well)
    if not settings.packs:
        return
    from pegboard_builtins.llm_packs.finding import find
    from pegboard_builtins.llm_packs.tools import tools_of

    packs = _packs[_key(settings)] = find(settings.packs, models=settings.models)
    registry.add_tool(*tools_of(packs, settings.toolboxes))
    if settings.models:
        registry.add_model(MODEL)


def _key(settings: LlmPackSettings) -> str:
    return settings.model_dump_json()


@hookimpl(after="*", when="models")
def model_call(request: Request, call_next: CallNext, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Answer where the request is for a model of a pack."""
    if not request.model.startswith(PREFIX):
        return call_next(request)
    from pegboard_builtins.llm_packs.models import answer

    return answer(request, _packs[_key(ctx.settings)], ctx)
