"""Opens a project's memory for a session or a verb, and cleans what a verb keeps in it."""

from __future__ import annotations

from pegboard.context import HostView
from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.configuring import config_of, settings_of
from pegboard_builtins.memory.opened import Opened
from pegboard_builtins.memory.projects import identify, note_root
from pegboard_builtins.memory.settings import MemorySettings


def open_memory(
    host: HostView, *, project: str = "", settings: MemorySettings | None = None, waits: bool = True
) -> Opened:
    """Open the memory of a host's project, or of another one by its id. Raises MemoryFailure.

    With `waits=False` nothing waits for a daemon to start.
    """
    settings = settings or settings_of(host)
    config = config_of(host, settings)
    client = Client(config, waits=waits)
    if project:
        return Opened(client, project, "", host.project, settings)
    found = identify(host.project, config.root, worktrees=settings.scope == "project+worktree")
    note_root(config.root, found, quota=settings.quota, retention_days=settings.retention_days)
    return Opened(client, found.project, found.worktree, found.root, settings)


def clean(host: HostView, settings: MemorySettings, text: str) -> tuple[str, tuple[str, ...]]:
    """Return a text as the settings let it be kept, without secrets and names, and which secrets there were."""
    found: tuple[str, ...] = ()
    if "secrets" in settings.capture.redact:
        from pegboard_builtins.memory.secrets import Secrets

        text, found = Secrets().masked(text)
    return (str(host.emit("memory", text)) if "names" in settings.capture.redact else text), found
