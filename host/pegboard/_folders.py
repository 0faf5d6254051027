"""Where a user's settings and sessions lie."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return where sessions and consent are kept: PEGBOARD_STATE_DIR, or the platform's place for state."""
    given = environment.get("PEGBOARD_STATE_DIR")
    if given:
        return Path(given).expanduser()
    if sys.platform == "linux":  # the same as the library says, without its import of four milliseconds
        home = environment.get("XDG_STATE_HOME", "")
        return (Path(home) if home.strip() else Path.home() / ".local" / "state") / "pegboard"
    from platformdirs import user_state_path

    return user_state_path("pegboard", appauthor=False)


def config_folder(environment: Mapping[str, str]) -> Path:
    """Return where the user's settings are: PEGBOARD_CONFIG_DIR, or ~/.config/pegboard."""
    given = environment.get("PEGBOARD_CONFIG_DIR")
    if given:
        return Path(given).expanduser()
    home = environment.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "pegboard"


def make_private(folder: Path) -> None:
    """Make a folder that nobody else looks into, and so all that is missing above it. Raises OSError.

    `Path.mkdir` gives its mode to the last one alone.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
