"""Whether a hook or a tool has anything to do here: one of the paths that it names exists."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pegboard.settings import SettingsView

FOLDERS = "folders:"
"""What begins like this means a part of plugin folders (`folders:skills`)."""
SETTINGS = "settings:"
"""What begins like this means a table of the settings in which somebody has said something (`settings:agents`)."""
AS_AGENT = "session:agent"
"""Means a session that is to be an agent itself; who asks whether a hook takes part knows that."""


def is_somewhere(where: Iterable[str], project: Path, config_dir: Path, view: SettingsView) -> bool:
    """Whether one of the paths exists (see `hookspecs.hookimpl`)."""
    return any(_is_there(one, project, config_dir, view) for one in where)


def _is_there(one: str, project: Path, config_dir: Path, view: SettingsView) -> bool:
    if one.startswith(FOLDERS):
        return any(folder.has(one.removeprefix(FOLDERS)) for folder in view.plugin_folders)
    if one.startswith(SETTINGS):
        return bool(view.table(one.removeprefix(SETTINGS)))
    return one != AS_AGENT and os.path.exists(place_of(one, project, config_dir))


def place_of(path: str, project: Path, config_dir: Path) -> str:
    """Return what a path of `where` means. `~/.claude` lies where the contract's variable says, if it says."""
    if path.startswith("@/"):
        return os.path.join(config_dir, path[2:])
    claude = os.environ.get("CLAUDE_CONFIG_DIR")
    if claude and path.startswith("~/.claude/"):
        return os.path.join(claude, path[len("~/.claude/") :])
    return os.path.join(project, os.path.expanduser(path))
