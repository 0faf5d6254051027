"""The pluggy manager, which looks for hooks where they can be: a start has two thousand names to look at."""

from __future__ import annotations

from types import FunctionType, MethodType, ModuleType
from typing import Any

import pluggy

from pegboard.hookspecs import PROJECT

_IMPL, _SPEC = f"{PROJECT}_impl", f"{PROJECT}_spec"


class Manager(pluggy.PluginManager):
    """pluggy's, which asks `inspect.getattr_static` for every name of a plugin: a tenth of a start.

    A module has nothing to be careful about: what its dict holds for a name is what anybody gets, and of a function
    its own dict says whether it is marked. Everything else is left to pluggy.
    """

    def __init__(self) -> None:
        super().__init__(PROJECT)

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """Return what `@hookimpl` said on a name of *plugin*, or None."""
        return super().parse_hookimpl_opts(plugin, name) if may_carry(_IMPL, plugin, name) else None

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        """Return what the hookspec marker said on a name, or None."""
        return super().parse_hookspec_opts(module_or_class, name) if may_carry(_SPEC, module_or_class, name) else None


def may_carry(mark: str, holder: Any, name: str) -> bool:
    """Whether a name of a module or an object could be marked; False only where it surely is not."""
    if type(holder) is not ModuleType:
        return True
    value = vars(holder).get(name)
    if type(value) is FunctionType:
        return mark in vars(value)
    return isinstance(value, staticmethod | classmethod | MethodType)
