"""The board: the pluggy manager, and what the plugins on it have registered."""

from __future__ import annotations

import importlib
import inspect
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pluggy
from pydantic import BaseModel

from pegboard import hookspecs
from pegboard._board.discovery import PluginRecord, Status
from pegboard._board.order import Place, total_order
from pegboard._board.plan import matcher
from pegboard._board.watchdog import raise_in
from pegboard.context import (
    Command,
    ConsentSource,
    Gate,
    Health,
    HealthCheck,
    HostView,
    ServiceFactory,
    View,
    Wanted,
)
from pegboard.egress import SURFACES, FilterFunction, Surface
from pegboard.errors import (
    DuplicateToolError,
    HookSignatureError,
    HookTimeoutError,
    OrderCycleError,
    PegboardError,
    PluginError,
    SettingsError,
    UnknownHookError,
)
from pegboard.flags import Flag, FlagSource, LiveCheck, UnknownFlagError
from pegboard.hookspecs import NO_OPTIONS, OPTIONS, POLICIES, PROJECT, ImplOptions
from pegboard.records import Record
from pegboard.requests import ModelInfo, Section, Stability
from pegboard.settings import SettingsView
from pegboard.tools import Tool

Model = TypeVar("Model", bound=BaseModel)
IMPORT_SECONDS = 30.0
"""How long a plugin's import may take before the host goes on without it."""


@dataclass
class Contribution:
    """What one plugin registers; kept as a whole or dropped as a whole. It is the Registry of `register`."""

    plugin: str
    view: SettingsView
    host: HostView
    tools: list[Tool] = field(default_factory=list)
    models: list[ModelInfo] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    flag_sources: list[FlagSource] = field(default_factory=list)
    live_checks: list[LiveCheck] = field(default_factory=list)
    gate_flag: str = ""
    gate_ramp: str = ""
    services: dict[str, ServiceFactory] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    checks: list[HealthCheck] = field(default_factory=list)
    filters: list[tuple[str, FilterFunction]] = field(default_factory=list)
    surfaces: list[Surface] = field(default_factory=list)
    consents: list[ConsentSource] = field(default_factory=list)
    has_consent: Callable[[Path, Wanted], bool] = lambda folder, wanted: False
    tables: dict[str, type[BaseModel]] = field(default_factory=dict)
    own_settings: BaseModel | None = None
    gated: dict[str, str] = field(default_factory=dict)
    """Keys of `own_settings` that count only where a flag is on."""
    _flags_by_name: dict[str, Flag] = field(default_factory=dict)

    def add_tool(self, *tools: Tool) -> None:
        """See context.Registry."""
        for one in tools:
            if not isinstance(one, Tool):
                raise PluginError(self.plugin, f"add_tool takes what @tool makes, not {type(one).__name__}")
            if one not in self.tools:
                self.tools.append(one)

    def add_model(self, model: ModelInfo) -> None:
        """See context.Registry."""
        self.models.append(model)

    def add_command(self, name: str, target: str = "", *, help: str = "", chat: str = "") -> None:
        """See context.Registry."""
        if not target and not chat:
            raise PluginError(self.plugin, f"the command {name!r} has neither a target nor a function for the chat")
        self.commands.append(Command(name, target, help, chat))

    def add_flag(self, *flags: Flag) -> None:
        """See context.Registry."""
        for one in flags:
            if not isinstance(one, Flag):
                raise PluginError(self.plugin, f"add_flag takes what flag() makes, not {type(one).__name__}")
            if self._flags_by_name.get(one.name) != one:  # one in the module and in `register` is one
                self._flags_by_name[one.name] = one
                self.flags.append(one)

    def add_flag_source(self, source: FlagSource, *, live: LiveCheck | None = None) -> None:
        """See context.Registry."""
        self.flag_sources.append(source)
        if live is not None:
            self.live_checks.append(live)

    def gate(self, *, flag: str = "", ramp: str = "") -> None:
        """See context.Registry."""
        self.gate_flag, self.gate_ramp = flag, ramp

    def add_service(self, name: str, factory: ServiceFactory) -> None:
        """See context.Registry."""
        self.services[name] = factory

    def add_view(self, name: str, build: Callable[[Iterator[Record]], Any]) -> None:
        """See context.Registry."""
        self.views.append(View(name, build))

    def add_section(self, *sections: Section) -> None:
        """See context.Registry."""
        for section in sections:
            if section.stability is Stability.TURN:
                raise PluginError(self.plugin, f"the section {section.name!r} changes by turn: use prepare_request")
            self.sections.append(section.model_copy(update={"owner": self.plugin}))

    def add_health_check(self, name: str, ask: Callable[[], Health]) -> None:
        """See context.Registry."""
        self.checks.append(HealthCheck(name, ask))

    def add_consent(self, source: ConsentSource) -> None:
        """See context.Registry."""
        self.consents.append(source)

    def consented(self, folder: Path, wanted: Wanted) -> bool:
        """See context.Registry."""
        return self.has_consent(folder, wanted)

    def add_filter(self, surface: str, function: FilterFunction) -> None:
        """See context.Registry."""
        self.filters.append((surface, function))

    def add_surface(self, *surfaces: Surface) -> None:
        """See context.Registry."""
        self.surfaces += surfaces

    def settings(self, model: type[Model], *, table: str = "", tightening: Sequence[str] = ()) -> Model:
        """See context.Registry."""
        name = table or self.plugin
        self.view.declare(name, model, tightening=tightening)
        self.tables[name] = model
        self.gated = gated_settings(model)
        parsed = self.view.parse(name, model)
        self.own_settings = parsed
        return parsed

    def all_settings(self) -> SettingsView:
        """See context.Registry."""
        return self.view


class Board:
    """Plugins in their places. `load` brings them up; afterwards only `disable` changes anything."""

    def __init__(
        self,
        view: SettingsView,
        has_consent: Callable[[Path, Wanted], bool] = lambda folder, wanted: False,
        host: HostView | None = None,
    ) -> None:
        self.view = view
        self._has_consent = has_consent
        self._host = host
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.records: list[PluginRecord] = []
        self.contributions: dict[str, Contribution] = {}
        self.generation = 0
        self._flags: tuple[tuple[int, int], dict[str, Flag]] | None = None
        self._gates: tuple[tuple[int, int], list[Gate]] | None = None

    # bringing plugins up

    def load(self, records: Sequence[PluginRecord]) -> None:
        """Import, check and register each plugin that takes part. What fails has a status that says so."""
        self.records = [*self.records, *records]
        for record in records:
            if record.status is Status.FOUND:
                self._load_one(record)
        self._settle_order()
        self._settle_gates()
        self.manager.check_pending()
        self.generation += 1

    def _load_one(self, record: PluginRecord) -> None:
        started = time.perf_counter()
        try:
            if record.plugin is None:
                record.plugin = run_abandonable(lambda: resolve(record.value), IMPORT_SECONDS, record.name, "import")
            record.import_ms = (time.perf_counter() - started) * 1e3
            self._register(record)
        except SettingsError as error:
            record.fail(Status.CONFIG_ERROR, str(error), "mend that line")
        except DuplicateToolError as error:
            owner, _, rest = str(error).partition(". ")
            record.fail(Status.LOAD_ERROR, owner, rest)
        except PegboardError as error:
            record.fail(Status.LOAD_ERROR, str(error))
        except ModuleNotFoundError as error:
            record.fail(Status.LOAD_ERROR, describe(error), f"install what it needs: the module {error.name!r}")
        except (Exception, SystemExit) as error:
            record.fail(Status.LOAD_ERROR, describe(error))
        else:
            record.status = Status.ACTIVE
            return
        if self.manager.has_plugin(record.name):
            self.manager.unregister(name=record.name)

    def _register(self, record: PluginRecord) -> None:
        record.hooks = implementations_of(self.manager, record.name, record.plugin)
        contribution = Contribution(record.name, self.view, self._host, has_consent=self._has_consent)  # type: ignore[arg-type]  # a board alone has no host
        for found in vars(record.plugin).values() if inspect.ismodule(record.plugin) else ():
            if isinstance(found, Tool):
                contribution.add_tool(found)
            elif isinstance(found, Flag):
                contribution.add_flag(found)
        self.manager.register(record.plugin, record.name)
        register = getattr(record.plugin, "register", None)
        if register is not None and "register" in record.hooks:
            limit = POLICIES["register"].timeout or IMPORT_SECONDS
            wanted = inspect.signature(register).parameters
            run_abandonable((lambda: register(contribution)) if wanted else register, limit, record.name, "register")
        contribution.tools = [self._named(record.name, one) for one in contribution.tools]
        self._refuse_duplicates(record.name, contribution)
        self.contributions[record.name] = contribution

    def _named(self, plugin: str, one: Tool) -> Tool:
        alias = self.view.plugins.aliases.get(f"{plugin}.{one.name}")
        return replace(one, name=alias or one.name, owner=plugin)

    def _refuse_duplicates(self, plugin: str, contribution: Contribution) -> None:
        taken = {one.name: one.owner for one in self.tools.values()}
        for one in contribution.tools:
            if one.name in taken:
                raise DuplicateToolError(one.name, taken[one.name], plugin)
            taken[one.name] = plugin
        models = {model.prefix: owner for owner, other in self.contributions.items() for model in other.models}
        for model in contribution.models:
            if model.prefix in models:
                raise PluginError(
                    plugin, f"answers for the models {model.prefix}:..., as {models[model.prefix]!r} does; disable one"
                )
        commands = {command.name: owner for owner, other in self.contributions.items() for command in other.commands}
        for command in contribution.commands:
            if command.name in commands:
                raise PluginError(plugin, f"adds the verb {command.name!r}, as {commands[command.name]!r} does")

        self._refuse_taken_flags(plugin, contribution)

    def _refuse_taken_flags(self, plugin: str, contribution: Contribution) -> None:
        if not contribution.flags:
            return
        declared = {one.name: owner for owner, other in self.contributions.items() for one in other.flags}
        variables = {one.variable: one.name for other in self.contributions.values() for one in other.flags}
        for one in contribution.flags:
            where = f" ({one.file}:{one.line})" if one.file else ""
            if one.name in declared:
                raise PluginError(plugin, f"declares the flag {one.name!r}{where}, as {declared[one.name]!r} does")
            twin = variables.setdefault(one.variable, one.name)
            if twin != one.name:
                raise PluginError(
                    plugin, f"the flags {one.name!r}{where} and {twin!r} are one variable, {one.variable}"
                )
            declared[one.name] = plugin

    def _settle_gates(self) -> None:
        """Take out the plugins that hang from a flag which nobody declares: nobody could ever switch them on."""
        gates = self.gates
        flags = self.flags if gates else {}
        for gate in gates:
            if gate.flag not in flags:
                error = UnknownFlagError(gate.flag, flags, said=f", which gates the {gate.kind} {gate.name!r}")
                self.disable(gate.plugin, str(error), status=Status.LOAD_ERROR)

    @property
    def gates(self) -> list[Gate]:
        """What each flag gates, sorted."""
        state = (self.generation, len(self.contributions))
        if self._gates is None or self._gates[0] != state:
            found: list[Gate] = []
            for record in self.active:
                contribution = self.contributions.get(record.name)
                if contribution is not None:
                    found += _gates_of(record, contribution)
            self._gates = (state, sorted(found, key=lambda gate: (gate.flag, gate.kind, gate.plugin, gate.name)))
        return self._gates[1]

    def _settle_order(self) -> None:
        """Take out the plugins of a circle, hook by hook, until everything has an order."""
        for hook in POLICIES:
            while True:
                try:
                    self.ordered(hook)
                    break
                except OrderCycleError as error:
                    for name in set(error.circle):
                        self.disable(name, str(error), status=Status.LOAD_ERROR)

    def disable(self, name: str, reason: str, *, status: Status = Status.DISABLED) -> None:
        """Take a plugin and all that it registered off the board."""
        record = self.record(name)
        if record is None:
            return
        record.fail(status, reason)
        self.contributions.pop(name, None)
        if self.manager.has_plugin(name):
            self.manager.unregister(name=name)
        self.generation += 1

    # what is on it

    def record(self, name: str) -> PluginRecord | None:
        """Return the record of a plugin, the active one among several of a name."""
        found = [record for record in self.records if record.name == name]
        return min(found, key=lambda record: record.status is not Status.ACTIVE, default=None)

    @property
    def active(self) -> list[PluginRecord]:
        """The plugins that take part, in the order of their records."""
        return [record for record in self.records if record.status is Status.ACTIVE]

    def ordered(self, hook: str) -> list[str]:
        """Return the names of the plugins that implement a hook, in their total order. Raises OrderCycleError."""
        places = []
        for record in self.active:
            options = record.hooks.get(hook)
            if options is not None:
                contribution = self.contributions.get(record.name)
                is_model = hook == "model_call" and contribution is not None and bool(contribution.models)
                places.append(
                    Place(record.name, record.tier, record.distribution, options.before, options.after, is_model)
                )
        return [place.name for place in total_order(places, hook=hook)]

    @property
    def tools(self) -> dict[str, Tool]:
        """All tools by name, sorted."""
        tools = [one for contribution in self.contributions.values() for one in contribution.tools]
        return {one.name: one for one in sorted(tools, key=lambda one: one.name)}

    @property
    def models(self) -> dict[str, ModelInfo]:
        """All model families by prefix, sorted."""
        models = [model for contribution in self.contributions.values() for model in contribution.models]
        return {model.prefix: model for model in sorted(models, key=lambda model: model.prefix)}

    @property
    def commands(self) -> dict[str, Command]:
        """All verbs that plugins add to the command line, sorted."""
        commands = [one for contribution in self.contributions.values() for one in contribution.commands if one.target]
        return {command.name: command for command in sorted(commands, key=lambda command: command.name)}

    def chat_command(self, name: str) -> tuple[str, Command] | None:
        """Return who answers `/name` in a conversation, and its command; None if nobody does."""
        for plugin, contribution in self.contributions.items():
            for command in contribution.commands:
                if command.name == name and command.chat:
                    return plugin, command
        return None

    @property
    def sections(self) -> tuple[Section, ...]:
        """All static and session sections, in the plugins' order."""
        return tuple(section for name in self._in_order() for section in self.contributions[name].sections)

    @property
    def surfaces(self) -> dict[str, tuple[str, Surface]]:
        """All declared ways out by name, with who declares them; the host's come first."""
        found = {one.name: ("host", one) for one in SURFACES}
        for name, contribution in sorted(self.contributions.items()):
            for one in contribution.surfaces:
                found.setdefault(one.name, (name, one))
        return found

    @property
    def filters(self) -> tuple[tuple[str, str, FilterFunction], ...]:
        """All filters as (plugin, surface, function), in the plugins' order."""
        return tuple(
            (name, surface, function)
            for name in self._in_order()
            for surface, function in self.contributions[name].filters
        )

    @property
    def flags(self) -> dict[str, Flag]:
        """All declared flags, sorted."""
        state = (self.generation, len(self.contributions))  # while plugins load, there are more with each
        if self._flags is None or self._flags[0] != state:
            flags = [
                one.owned_by(plugin)
                for plugin, contribution in self.contributions.items()
                for one in contribution.flags
            ]
            self._flags = (state, {one.name: one for one in sorted(flags, key=lambda one: one.name)})
        return self._flags[1]

    def _in_order(self) -> list[str]:
        places = [Place(r.name, r.tier, r.distribution) for r in self.active if r.name in self.contributions]
        return [place.name for place in total_order(places)]


def _gates_of(record: PluginRecord, contribution: Contribution) -> Iterator[Gate]:
    plugin = record.name
    for hook, options in record.hooks.items():
        if options.flag:
            yield Gate(options.flag, "hook", hook, plugin)
        if options.ramp:
            yield Gate(options.ramp, "hook", hook, plugin, "ramp")
    if contribution.gate_flag:
        yield Gate(contribution.gate_flag, "plugin", plugin, plugin)
    if contribution.gate_ramp:
        yield Gate(contribution.gate_ramp, "plugin", plugin, plugin, "ramp")
    for tool in contribution.tools:
        if tool.flag:
            yield Gate(tool.flag, "tool", tool.name, plugin)
    for section in contribution.sections:
        if section.flag:
            yield Gate(section.flag, "section", section.name, plugin)
    for table, model in contribution.tables.items():
        for key, flag in gated_settings(model).items():
            yield Gate(flag, "setting", f"{table}.{key}", plugin)


def gated_settings(model: type[BaseModel]) -> dict[str, str]:
    """Return the keys that count only where a flag is on: `Field(json_schema_extra={"flag": NAME})`."""
    found = {}
    for name, one in model.model_fields.items():
        extra = one.json_schema_extra
        if isinstance(extra, dict) and isinstance(extra.get("flag"), str):
            found[name] = str(extra["flag"])
    return found


# --- checks --------------------------------------------------------------------------------------------


def resolve(value: str) -> Any:
    """Import what an entry point names; a class becomes an instance."""
    module, _, attribute = value.partition(":")
    found: Any = importlib.import_module(module.strip())
    for part in filter(None, attribute.strip().split(".")):
        found = getattr(found, part)
    return found() if inspect.isclass(found) else found


def implementations_of(manager: pluggy.PluginManager, plugin_name: str, plugin: Any) -> dict[str, ImplOptions]:
    """Return what `@hookimpl` said, by hook; refuse what could not be called.

    That is: unknown hooks, wrappers, tryfirst and trylast, keyword-only and unknown arguments.
    """
    found: dict[str, ImplOptions] = {}
    for name in dir(plugin):
        opts = manager.parse_hookimpl_opts(plugin, name)
        if opts is None:
            continue
        hook = opts.get("specname") or name
        if hook not in POLICIES:
            raise UnknownHookError(plugin_name, hook, POLICIES)
        if opts.get("wrapper") or opts.get("hookwrapper"):
            raise HookSignatureError(
                plugin_name,
                hook,
                "wrappers are not called here; mark it rewrites=True, or order it with before=/after=",
            )
        if opts.get("tryfirst") or opts.get("trylast"):
            raise HookSignatureError(plugin_name, hook, "tryfirst and trylast do nothing here; use before= and after=")
        function = getattr(plugin, name)
        _check_signature(plugin_name, hook, function)
        options: ImplOptions = getattr(function, OPTIONS, NO_OPTIONS)
        if options.ramp and hook in ("model_call", "register"):
            raise HookSignatureError(plugin_name, hook, "ramp= has no meaning here: it cannot be asked and not heeded")
        if options.blocking and inspect.iscoroutinefunction(function):
            raise HookSignatureError(plugin_name, hook, "blocking=True is for a plain def: an async def does not block")
        try:
            matcher(options.matcher)
        except re.error as wrong:
            raise HookSignatureError(
                plugin_name, hook, f"matcher={options.matcher!r} is no regular expression: {wrong}"
            ) from None
        found[hook] = options
    return found


def _check_signature(plugin_name: str, hook: str, function: Any) -> None:
    known = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise HookSignatureError(
                plugin_name, hook, f"{parameter.name!r} is keyword-only, and hooks are called by position"
            )
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise HookSignatureError(
                plugin_name, hook, f"name the arguments you want ({', '.join(known)}) instead of *"
            )
        if parameter.name not in known and parameter.default is parameter.empty:
            raise HookSignatureError(
                plugin_name,
                hook,
                f"takes {parameter.name!r}, which this hook does not give; it gives {', '.join(known)}",
            )
    if hook == "register" and inspect.iscoroutinefunction(function):
        raise HookSignatureError(plugin_name, hook, "register is called without an event loop: make it a plain def")


def run_abandonable(call: Callable[[], Any], seconds: float, plugin: str, hook: str) -> Any:
    """Call in a thread of its own, and go on without it if it takes longer than *seconds*.

    Raises what the call raises, or HookTimeoutError. A loop in Python is ended; what hangs in C stays behind as a
    daemon thread, which does not keep the process alive.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((True, call()))
        except BaseException as error:  # also SystemExit: a plugin must not end the host
            outcome.append((False, error))

    thread = threading.Thread(target=run, name=f"pegboard-{hook}-{plugin}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        if thread.ident is not None:
            raise_in(thread.ident, HookTimeoutError)
        raise HookTimeoutError(plugin, hook, seconds)
    fine, value = outcome[0]
    if fine:
        return value
    raise value


def describe(error: BaseException) -> str:
    """Return an error in one line, with the place of a plugin's code that raised it."""
    import traceback

    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and "/pegboard/_" not in frame.filename
    ]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
