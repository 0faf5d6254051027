"""Where the data that come with Pegboard lie: ready-to-use hooks, JSON Schemas."""

from __future__ import annotations

from pathlib import Path

from pegboard.errors import PegboardError

HERE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Return a folder of data (`hooks`, `schemas`): it lies inside the wheel, or beside `host/` in a checkout."""
    for place in (HERE / "_data" / name, HERE.parent.parent / name):
        if place.is_dir():
            return place
    raise PegboardError(f"the folder {name!r} of Pegboard's data is missing from this installation; install it again")
