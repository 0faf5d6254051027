"""The plugin `memory`: what it adds to a host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pegboard.context import HostView, Registry
from pegboard.declares import Declares
from pegboard.egress import Surface
from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard_builtins.memory.hooks import event, lifecycle, pre_tool, prepare_request, prompt_submit
from pegboard_builtins.memory.memory_tool import memory
from pegboard_builtins.memory.names import SERVICE
from pegboard_builtins.memory.settings import MemorySettings

if TYPE_CHECKING:
    from pegboard_builtins.memory.opened import Opened

declares = Declares(permissions=["approve", "context", "secret", "model"])

__all__ = ["ASKING", "event", "lifecycle", "pre_tool", "prepare_request", "prompt_submit", "register"]


ASKING = flag(
    "memory.consolidate_with_model",
    True,
    live=True,
    safe=False,
    kind="ops",
    help="A model is asked for facts where [memory.consolidate] model names one; it costs requests.",
)


@hookimpl
def register(registry: Registry) -> None:
    """Declare the table `[memory]` and the verbs; unless it is switched off, add the tool and the service."""
    settings = registry.settings(MemorySettings)
    registry.add_command("memory", "pegboard_builtins.memory.verbs:app")
    registry.add_surface(Surface("memory", "What is kept for later sessions."))
    if settings.on:
        registry.add_service(SERVICE, lambda: _opened(registry.host, settings))
        registry.add_tool(memory)


@asynccontextmanager
async def _opened(host: HostView, settings: MemorySettings) -> AsyncIterator[Opened]:
    from pegboard_builtins.memory.opening import open_memory

    opened = await asyncio.to_thread(open_memory, host, settings=settings, waits=False)
    try:
        yield opened
    finally:
        opened.memory.hurry()  # else a search that nobody waits for any more would hold up the end
        await asyncio.to_thread(opened.memory.close)
