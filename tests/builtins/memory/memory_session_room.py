"""A host with memory in this process: its log is a store of the test, not a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pegboard import hookimpl
from pegboard.context import Registry
from pegboard.records import UserLine
from pegboard.testing import HostFixture, ScriptedTurn
from pegboard_builtins.memory import hooks as real
from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.memory_tool import memory
from pegboard_builtins.memory.names import SERVICE
from pegboard_builtins.memory.opened import Opened
from pegboard_builtins.memory.settings import MemorySettings


class MemoryHere:
    """The plugin with another service: hooks, tool and settings are the real ones."""

    event = staticmethod(real.event)
    lifecycle = staticmethod(real.lifecycle)
    pre_tool = staticmethod(real.pre_tool)
    prepare_request = staticmethod(real.prepare_request)
    prompt_submit = staticmethod(real.prompt_submit)

    def __init__(self, opened: Opened) -> None:
        self.opened = opened

    @hookimpl
    def register(self, registry: Registry) -> None:
        settings = registry.settings(MemorySettings)
        if settings.on:
            registry.add_service(SERVICE, lambda: self._open(settings))
            registry.add_tool(memory)

    @asynccontextmanager
    async def _open(self, settings: MemorySettings) -> AsyncIterator[Opened]:
        yield replace(self.opened, settings=settings)


@asynccontextmanager
async def session_with(
    opened: Opened, *turns: ScriptedTurn, folder: Path | None = None, settings: Mapping[str, Any] | None = None
) -> AsyncIterator[HostFixture]:
    """A host whose model says *turns*, with this memory."""
    tables = {"memory": dict(settings)} if settings else {}
    async with HostFixture(settings=tables, folder=folder) as host:
        host.load(MemoryHere(opened), "memory")
        if turns:
            host.model.script(*turns)
        yield host


async def kept(opened: Opened, count: int) -> list[Event]:
    """Wait until so many events are kept, and return them."""
    for _ in range(400):
        found = opened.memory.read(opened.project)
        if len(found) >= count:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(f"{len(found)} events of {count}: {[event.text for event in found]}")


def contexts(host: HostFixture) -> list[str]:
    """What the model was told beside prompts, from memory."""
    lines = [record for record in host.records() if isinstance(record, UserLine) and record.source == "memory"]
    return [block["text"] for line in lines for block in line.message["content"]]
