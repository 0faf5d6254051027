"""Whether a project declares any hook at all; asked at each turn, so it imports and reads next to nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pegboard.settings import SettingsLayer, SettingsView
from pegboard_builtins.wire_hooks.settings import KEYS, TABLE

MANAGED = Path("/etc/claude-code/managed-settings.json")

Stamp = tuple[tuple[str, int, int], ...]


def claude_files(project: Path, environment: Mapping[str, str] = os.environ) -> Iterator[tuple[Path, SettingsLayer]]:
    """Go through the contract's settings files of a project, lowest layer first, whether they exist or not."""
    home = environment.get("CLAUDE_CONFIG_DIR") or str(Path.home() / ".claude")
    yield Path(home) / "settings.json", SettingsLayer.USER
    yield project / ".claude" / "settings.json", SettingsLayer.PROJECT
    yield project / ".claude" / "settings.local.json", SettingsLayer.LOCAL
    yield MANAGED, SettingsLayer.MANAGED
    if MANAGED.parent.is_dir():
        for part in sorted(MANAGED.with_suffix(".d").glob("*.json")):
            yield part, SettingsLayer.MANAGED


def stamp(view: SettingsView, project: Path) -> Stamp:
    """Return what changes when a file that may declare hooks does; equal stamps mean equal hooks."""
    paths = [path for path, _ in claude_files(project)]
    paths += [Path(file.file) for file in view.files if file.text]
    found = []
    for path in paths:
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append((str(path), facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def declares_anything(view: SettingsView, project: Path) -> bool:
    """Whether any file has a list of hooks or a plugin folder, right or wrong."""
    for file in view.files:
        hooks = file.values.get(TABLE)
        if isinstance(hooks, dict) and hooks.keys() - KEYS:
            return True
    return any(folder.has("hooks") for folder in view.plugin_folders) or any(
        _has_hooks(path) for path, _ in claude_files(project)
    )


def _has_hooks(path: Path) -> bool:
    try:
        return b'"hooks"' in path.read_bytes()
    except OSError:
        return False
