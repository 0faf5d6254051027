"""What `pegboard doctor` says of declared hooks: problems in files, with file and line, and what waits for consent."""

from __future__ import annotations

from pathlib import Path

from pegboard.settings import SettingsView
from pegboard_builtins.wire_hooks.load import load
from pegboard_builtins.wire_hooks.sources import hook_files


def problems_of(view: SettingsView, project: Path, wrong: str | None) -> str | None:
    """Return what is wrong, a line each; None if nothing is."""
    table = load(hook_files(view, project))
    found = [wrong] if wrong else []
    return "\n".join([*found, *map(str, table.problems)]) or None
