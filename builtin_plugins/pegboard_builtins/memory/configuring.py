"""From a host's settings to what a daemon and its clients are told."""

from __future__ import annotations

import sys

from pegboard.context import HostView
from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.settings import MemorySettings

PLUGIN = "memory"


def settings_of(host: HostView) -> MemorySettings:
    """Return the table `[memory]` as it stands for a host."""
    host.settings.declare(PLUGIN, MemorySettings)
    return host.settings.parse(PLUGIN, MemorySettings)


def config_of(host: HostView, settings: MemorySettings | None = None) -> Config:
    """Return what a daemon of this user is told; the one that starts it decides for all until it ends."""
    found = settings if settings is not None else settings_of(host)
    by_itself = found.consolidate.on and bool(sys.executable)
    return Config(
        host.state_dir / PLUGIN,
        durability=found.durability,
        idle_exit=found.idle_exit,
        settings=str(host.config_dir / "settings.toml"),
        consolidate=(sys.executable, "-I", "-m", "pegboard", "memory", "consolidate", "--due") if by_itself else (),
        idle_minutes=found.consolidate.idle_minutes,
        min_events=found.consolidate.min_events,
        max_seconds=found.consolidate.max_seconds,
    )


def client_of(host: HostView, *, starts: bool = True) -> Client:
    """Return a client for a verb."""
    return Client(config_of(host), starts=starts)
