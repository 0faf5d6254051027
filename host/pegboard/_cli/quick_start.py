"""What a start need not do: pydantic looks through every distribution for plugins of its own, to find none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from pegboard._board.snapshot import SWITCH, Snapshot
from pegboard._folders import state_folder

LOADER = "pydantic.plugin._loader"


class NoPlugins(ModuleType):
    """Stands where pydantic asks for plugins; whoever wants anything else of that module gets the real one's."""

    @staticmethod
    def get_plugins() -> Iterable[Any]:
        """Return the plugins of pydantic."""
        return ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        import importlib

        sys.modules.pop(LOADER, None)
        return getattr(importlib.import_module(LOADER), name)


def spare_pydantic_its_search() -> None:
    """Tell pydantic that it has no plugins, where that is so: to find out it imports the library's metadata and e-mail
    modules and reads every distribution, which takes as long as all that a `run` reads and parses.

    A command line is the whole process, so nobody else is spared anything. Whoever has installed a plugin of pydantic
    keeps it, and where something other than folders is on the path, pydantic looks for itself.
    """
    if LOADER in sys.modules or "pydantic" in sys.modules:
        return
    snapshot = Snapshot.of(state_folder(os.environ), os.environ.get(SWITCH, ""), keeps=False)
    if snapshot is not None and snapshot.points("pydantic") == []:
        sys.modules[LOADER] = NoPlugins(LOADER)
