"""The manager finds the same hooks as pluggy does, wherever they stand."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy
import pytest

from pegboard import hookimpl, hookspecs
from pegboard._board.marked import Manager


@hookimpl
def pre_tool(call: Any) -> None:
    """Have no opinion."""


class Holder:
    """Has implementations of every form."""

    @hookimpl
    def post_tool(self, call: Any) -> None:
        """Have no opinion."""

    @staticmethod
    @hookimpl
    def next_step(state: Any) -> None:
        """Have no opinion."""

    @classmethod
    @hookimpl
    def lifecycle(cls, event: Any) -> None:
        """Have no opinion."""


def module() -> ModuleType:
    made = ModuleType("pack")
    holder = Holder()
    for name, value in {
        "pre_tool": pre_tool,
        "post_tool": holder.post_tool,
        "next_step": vars(Holder)["next_step"],
        "lifecycle": Holder.lifecycle,
        "plain": lambda call: None,
        "hookimpl": hookimpl,
        "Holder": Holder,
        "number": 1,
    }.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "plugin",
    [
        pytest.param(module(), id="module"),
        pytest.param(Holder(), id="object"),
        pytest.param(Holder, id="class"),
        pytest.param(SimpleNamespace(pre_tool=pre_tool, other=print), id="namespace"),
    ],
)
def test_the_manager_finds_the_hooks_that_pluggy_finds(plugin: Any) -> None:
    ours, theirs = Manager(), pluggy.PluginManager("pegboard")
    theirs.add_hookspecs(hookspecs)
    ours.add_hookspecs(hookspecs)
    found = {name: ours.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    assert found == {name: theirs.parse_hookimpl_opts(plugin, name) for name in dir(plugin)}
    assert found["pre_tool" if not isinstance(plugin, Holder | type) else "post_tool"]
    assert vars(ours.hook).keys() == vars(theirs.hook).keys()
