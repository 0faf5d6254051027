"""How often, and when last, each fact was recalled; kept beside the facts, never in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pegboard_builtins.memory.factsfolder import read_json, write_whole
from pegboard_builtins.memory.patches import now


class Use(NamedTuple):
    """How often a fact was recalled, and when last."""

    times: int
    last: str


NEVER = Use(0, "")


def read_uses(private: Path) -> dict[str, Use]:
    """Return the uses by the fact's name."""
    said = read_json(private / "uses.json")
    return {
        name: Use(one[0], one[1])
        for name, one in said.items()
        if isinstance(one, list) and [type(part) for part in one] == [int, str]
    }


def add_uses(private: Path, names: Iterable[str]) -> None:
    """Count one more use of each. Two sessions that do this at once may lose one of the counts, nothing else."""
    uses = read_uses(private)
    uses |= {name: Use(uses.get(name, NEVER).times + 1, now()) for name in names}
    write_whole(private / "uses.json", json.dumps(uses, indent=1, sort_keys=True))
