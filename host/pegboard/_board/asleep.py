"""A plugin that is known by its manifest alone: stand-ins for its functions, each of which wakes it when it is called.

To wake a plugin is to import and register it as a start without a snapshot would have done. Dispatch wakes those whose
turn has come before it looks at the clock: what an import takes is no part of a hook's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from pegboard import hookspecs
from pegboard._board.contribution import Contribution
from pegboard._board.manifest import commands_in, flag_in, models_in, options_in, sections_in, surfaces_in
from pegboard._board.plan import adapter
from pegboard._dataclass import dataclass
from pegboard.context import HealthCheck, ToolSource, View
from pegboard.declares import ALL, Declares
from pegboard.errors import PluginError, ToolError
from pegboard.hookspecs import ImplOptions
from pegboard.requests import ToolSpec
from pegboard.tools import Tool

if TYPE_CHECKING:
    from pydantic import BaseModel


class Waker(Protocol):
    """What stand-ins need of the board."""

    contributions: dict[str, Contribution]

    def wake(self, name: str) -> None: ...
    def function(self, plugin: str, hook: str) -> Any: ...
    def options(self, plugin: str, hook: str) -> ImplOptions: ...
    def alias_of(self, plugin: str, tool: str) -> str: ...


def _nothing() -> None:
    """Do nothing."""


NO_TOOL = Tool("none", _nothing, "Stands for no tool.")


@dataclass(frozen=True)
class AsleepTool(Tool):
    """A tool of a plugin that is asleep: all that the model and the rules see of it, without its function."""

    facts: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    wake: Callable[[], Tool] = field(default=lambda: NO_TOOL, compare=False, repr=False)

    @cached_property
    def awake(self) -> Tool:
        """The tool itself. Raises ToolError if its plugin cannot be imported."""
        try:
            return self.wake()
        except PluginError as error:
            raise ToolError(str(error)) from error

    @cached_property
    def is_async(self) -> bool:
        """See Tool."""
        return bool(self.facts["is_async"])

    @cached_property
    def wants_ctx(self) -> bool:
        """See Tool."""
        return bool(self.facts["wants_ctx"])

    @cached_property
    def input_model(self) -> type[BaseModel]:
        """See Tool."""
        return self.awake.input_model

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """See Tool."""
        schema: dict[str, Any] = self.facts["schema"]
        return schema

    @cached_property
    def spec(self) -> ToolSpec:
        """See Tool."""
        return ToolSpec(name=self.name, description=self.description, input_schema=self.input_schema)


def fill(contribution: Contribution, manifest: Mapping[str, Any], board: Waker) -> None:
    """Put into a contribution what its plugin would register."""
    plugin = contribution.plugin

    def real() -> Contribution:
        board.wake(plugin)
        return board.contributions[plugin]

    contribution.declares = Declares(**manifest.get("declares", {}))
    contribution.lacks = ALL.difference(contribution.declares.permissions)
    contribution.tools = [_tool(plugin, facts, board) for facts in manifest.get("tools", ())]
    contribution.tool_sources = [
        ToolSource(_source(real, number), tuple(where)) for number, where in enumerate(manifest.get("tool_sources", ()))
    ]
    contribution.models = models_in(manifest)
    contribution.commands = commands_in(manifest)
    contribution.add_flag(*map(flag_in, manifest.get("flags", ())))
    contribution.gate_flag, contribution.gate_ramp = manifest.get("gate", ("", ""))
    contribution.services = {name: _service(real, name) for name in manifest.get("services", ())}
    contribution.views = [View(name, _view(real, number)) for number, name in enumerate(manifest.get("views", ()))]
    contribution.sections = sections_in(manifest)
    contribution.checks = [
        HealthCheck(name, _check(real, number)) for number, name in enumerate(manifest.get("checks", ()))
    ]
    contribution.surfaces = surfaces_in(manifest)
    contribution.consents = [_consent(real, number) for number in range(manifest.get("consents", 0))]
    contribution.prompts = [_prompts(real, number) for number in range(manifest.get("prompts", 0))]
    contribution.folders = [Path(folder) for folder in manifest.get("folders", ())]
    contribution.asleep_tables = manifest.get("tables", {})


def _source(real: Callable[[], Contribution], number: int) -> Any:
    return lambda ctx: real().tool_sources[number].ask(ctx)


def _service(real: Callable[[], Contribution], name: str) -> Any:
    return lambda: real().services[name]()


def _view(real: Callable[[], Contribution], number: int) -> Any:
    return lambda records: real().views[number].build(records)


def _check(real: Callable[[], Contribution], number: int) -> Any:
    return lambda: real().checks[number].ask()


def _consent(real: Callable[[], Contribution], number: int) -> Any:
    return lambda folder: real().consents[number](folder)


def _prompts(real: Callable[[], Contribution], number: int) -> Any:
    return lambda ctx: real().prompts[number](ctx)


def _tool(plugin: str, facts: Mapping[str, Any], board: Waker) -> AsleepTool:
    name = facts["name"]

    def wake() -> Tool:
        board.wake(plugin)
        for one in board.contributions[plugin].tools:
            if one.name == board.alias_of(plugin, name):
                return one
        raise PluginError(plugin, f"has no tool {name!r} any more")

    def function(*args: Any, **kwargs: Any) -> Any:
        return wake().function(*args, **kwargs)

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        return await wake().function(*args, **kwargs)

    def claims(given: dict[str, Any], cwd: Any) -> Any:
        return wake().claims_of(given, cwd)

    def normalise(given: dict[str, Any], cwd: Any) -> Any:
        return wake().normalised(given, cwd)

    def preview(given: dict[str, Any], cwd: Any) -> str:
        shown = wake().preview
        return shown(given, cwd) if shown is not None else ""

    egress = facts.get("egress")
    return AsleepTool(
        name=name,
        function=coroutine if facts["is_async"] else function,
        description=facts["description"],
        read_only=facts.get("read_only", False),
        repeatable=facts.get("repeatable", False),
        claims=claims if facts["claims"] else None,
        timeout=facts.get("timeout"),
        flag=facts.get("flag"),
        egress=None if egress is None else tuple(egress),
        where=tuple(facts.get("where", ())),
        max_output=facts.get("max_output"),
        normalise=normalise if facts["normalise"] else None,
        preview=preview if facts["preview"] else None,
        deferred=facts.get("deferred", False),
        needs_person=facts.get("needs_person", False),
        facts=facts,
        wake=wake,
    )


def stand_in(value: str, plugin: str, hooks: Mapping[str, Mapping[str, Any]], board: Waker) -> ModuleType:
    """Return a module that implements these hooks, for pluggy to register in a plugin's place."""
    module = ModuleType(value.partition(":")[0])
    for hook, said in hooks.items():
        setattr(module, hook, _implementation(plugin, hook, said, board))
    return module


def _implementation(plugin: str, hook: str, said: Mapping[str, Any], board: Waker) -> Any:
    found: Any = None

    def real() -> Any:
        nonlocal found
        if found is None:
            board.wake(plugin)
            found = adapter(hook, board.function(plugin, hook))
        return found

    def function(*args: Any) -> Any:
        return real()(*args)

    async def coroutine(*args: Any) -> Any:
        return await real()(*args)

    def when(ctx: Any) -> Any:
        board.wake(plugin)
        return board.options(plugin, hook).when(ctx)  # type: ignore[misc,operator]  # the manifest says that it has one

    def unless(ctx: Any) -> Any:
        board.wake(plugin)
        return board.options(plugin, hook).unless(ctx)  # type: ignore[misc]  # see `when`

    def timeout(event: Any) -> Any:
        board.wake(plugin)
        return board.options(plugin, hook).timeout(event)  # type: ignore[misc,operator]  # see `when`

    options = options_in(said, when, unless, timeout)
    made: Any = coroutine if said.get("async") else function
    made.__wrapped__ = getattr(hookspecs, hook)  # for its signature
    made.__name__ = hook
    return hookspecs.marked(made, options)
