"""A project's memory in this process, without a daemon."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pegboard_builtins.memory.opened import Opened
from pegboard_builtins.memory.settings import MemorySettings
from pegboard_builtins.memory.store import Store

PROJECT = "project"


class OneAtATime:
    """A store for several threads, as the daemon's client is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def alone(*given: Any, **named: Any) -> Any:
            with self._turn:
                return found(*given, **named)

        return alone if callable(found) else found


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with Store(tmp_path / "memory", durability="os") as store:
        memory: Any = OneAtATime(store)
        yield Opened(memory, PROJECT, "", tmp_path, MemorySettings())
