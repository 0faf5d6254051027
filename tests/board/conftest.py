"""What the tests of the board share: packs on disk, and hosts that find them by entry points."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from importlib_metadata import EntryPoint

from pegboard._board.discovery import EntryPointLike
from pegboard.host import Host

Pack = Callable[..., EntryPointLike]
_numbers = itertools.count(1)


class Point:
    """An entry point of a distribution that is not installed."""

    def __init__(self, name: str, value: str, distribution: str, version: str = "1.0") -> None:
        self.name = name
        self.value = value
        self.dist: Any = SimpleNamespace(name=distribution, version=version)


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pack]:
    """Write a module that can be imported, and return an entry point to it."""
    folder = tmp_path / "packs"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made: list[str] = []

    def make(text: str, name: str = "acme", *, distribution: str = "", attribute: str = "") -> Point:
        module = f"board_pack_{next(_numbers)}"
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
        made.append(module)
        value = f"{module}:{attribute}" if attribute else module
        return Point(name, value, distribution or f"{name}-pack")

    yield make
    for module in made:
        sys.modules.pop(module, None)


MakeHost = Callable[..., Host]


@pytest.fixture
def make_host(tmp_path: Path) -> MakeHost:
    """Make a host of its own folders, with the given entry points and no environment."""

    def make(*points: EntryPointLike, **options: Any) -> Host:
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        settings = {"session": {"fsync": "off"}, **options.pop("tables", {})}
        return Host(
            project,
            state_dir=tmp_path / "state",
            config_dir=tmp_path / "config",
            environment=options.pop("environment", {}),
            entry_points=points,
            command_line=settings,
            **options,
        )

    return make


__all__ = ["EntryPoint", "MakeHost", "Pack"]
