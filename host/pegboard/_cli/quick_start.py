"""What a start need not do: read the types of schemas that nobody makes, and look for plugins that nobody has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from pegboard._board.snapshot import SWITCH, Snapshot
from pegboard._folders import state_folder

LOADER = "pydantic.plugin._loader"
CORE, EXTENSION = "pydantic_core", "pydantic_core._pydantic_core"


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


class CoreAlone(ModuleType):
    """`pydantic_core` with what is in its extension; who wants anything else of it runs its own file, once."""

    def __getattr__(self, name: str) -> Any:
        if name in ("__all__", "__path__") or not name.startswith("__"):
            from threading import RLock

            with self.__dict__.setdefault("_reading", RLock()):
                if type(self) is CoreAlone:
                    self.__class__ = ModuleType  # type: ignore[assignment]  # for the file, which imports itself
                    _loaded(self.__spec__)
            if name in vars(self):
                return vars(self)[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def _loaded(spec: ModuleSpec | None) -> None:
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(sys.modules[spec.name])


def spare_pydantic_core_its_types() -> None:
    """Import the extension of `pydantic_core`, which reads and writes JSON, without the rest of that package.

    The rest is four thousand lines of types for those who make schemas, and typing_extensions to say them in: as much
    as all modules of the host together. As above, a command line is the whole process.
    """
    if CORE in sys.modules:
        return
    spec = PathFinder.find_spec(CORE)
    if spec is None or spec.submodule_search_locations is None:
        return
    import importlib
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules[CORE] = module
    try:
        extension = importlib.import_module(EXTENSION)
    except BaseException:
        del sys.modules[CORE]
        raise
    vars(module).update({name: getattr(extension, name) for name in extension.__all__})
    module.__class__ = CoreAlone
