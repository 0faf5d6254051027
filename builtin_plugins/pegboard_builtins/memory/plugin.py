"""The plugin `memory`: what it adds to a host."""

from __future__ import annotations

from pegboard.context import Registry
from pegboard.hookspecs import hookimpl
from pegboard_builtins.memory.settings import MemorySettings


@hookimpl
def register(registry: Registry) -> None:
    """Declare the table `[memory]`."""
    registry.settings(MemorySettings)
    registry.add_command("memory", "pegboard_builtins.memory.verbs:app")
