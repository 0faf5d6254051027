"""Whether a hook or a tool has anything to do here: one of the paths that it names exists."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pegboard.settings import SettingsView

FOLDERS = "folders:"
"""What begins like this means a part of plugin folders (`folders:skills`)."""


def is_somewhere(where: Iterable[str], project: Path, config_dir: Path, view: SettingsView) -> bool:
    """Whether one of the paths exists (see `hookspecs.hookimpl`)."""
    return any(
        any(folder.has(one.removeprefix(FOLDERS)) for folder in view.plugin_folders)
        if one.startswith(FOLDERS)
        else os.path.exists(place_of(one, project, config_dir))
        for one in where
    )


def place_of(path: str, project: Path, config_dir: Path) -> str:
    """Return what a path of `where` means. `~/.claude` lies where the contract's variable says, if it says."""
    if path.startswith("@/"):
        return os.path.join(config_dir, path[2:])
    claude = os.environ.get("CLAUDE_CONFIG_DIR")
    if claude and path.startswith("~/.claude/"):
        return os.path.join(claude, path[len("~/.claude/") :])
    return os.path.join(project, os.path.expanduser(path))
