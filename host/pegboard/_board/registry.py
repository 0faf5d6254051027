"""The board: the pluggy manager, and what the plugins on it have registered."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pluggy

from pegboard import __version__, hookspecs
from pegboard._board.caught import describe, pass_on, words_of
from pegboard._board.contribution import Contribution
from pegboard._board.discovery import PluginRecord, Status
from pegboard._board.environment import noted_reads
from pegboard._board.marked import Manager
from pegboard._board.observing import OBSERVATIONS
from pegboard._board.order import Place, Tier, total_order
from pegboard._board.plan import arguments_of, matcher, plain_arguments
from pegboard._board.snapshot import Snapshot
from pegboard._board.watchdog import raise_in
from pegboard.context import (
    Command,
    Gate,
    HostView,
    ToolSource,
    Wanted,
)
from pegboard.declares import ALL, NOTHING, Declares, DeclaresError, Permission
from pegboard.egress import SURFACES, FilterFunction, Surface
from pegboard.errors import (
    DuplicateToolError,
    HookSignatureError,
    HookTimeoutError,
    IncompatibleError,
    OrderCycleError,
    PegboardError,
    PluginError,
    SettingsError,
    UnacceptedError,
    UnknownHookError,
    WrongAnswerError,
)
from pegboard.flags import Flag, UnknownFlagError
from pegboard.hookspecs import NO_OPTIONS, OPTIONS, POLICIES, ImplOptions
from pegboard.requests import ModelInfo, Section
from pegboard.settings import SettingsView
from pegboard.tools import Tool

IMPORT_SECONDS = 30.0
"""How long a plugin's import may take before the host goes on without it."""


class Board:
    """Plugins in their places. `load` brings them up; afterwards only `disable` changes anything."""

    def __init__(
        self,
        view: SettingsView,
        has_consent: Callable[[Path, Wanted], bool] = lambda folder, wanted: False,
        host: Callable[[str], HostView] | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.view = view
        self.snapshot = snapshot
        self.lock = ""
        """The hash of the lock file that the packs were held to; empty where they were not."""
        self.asleep: dict[str, Callable[[], None]] = {}
        """The plugins that take part and are not imported yet, each with what wakes it."""
        self._functions: dict[str, dict[str, Any]] = {}
        self._broken: dict[str, str] = {}
        self._waking = threading.RLock()
        self._has_consent = has_consent
        self._host = host
        self.manager = Manager()
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
        self._settle_requires()
        self._settle_order()
        self._settle_gates()
        self._settle_requires()
        self.manager.check_pending()
        self.generation += 1
        if self.snapshot is not None:
            self.snapshot.save()

    def _load_one(self, record: PluginRecord) -> None:
        began = time.perf_counter()
        try:
            known = self._known(record)
            if known is None or not self._let_sleep(record, known):
                self._import(record)
        except SettingsError as error:
            record.fail(Status.CONFIG_ERROR, str(error), "mend that line")
        except DuplicateToolError as error:
            owner, _, rest = str(error).partition(". ")
            record.fail(Status.LOAD_ERROR, owner, rest)
        except UnacceptedError as error:
            record.fail(Status.UNTRUSTED, error.reason, f"pegboard plugins trust {record.distribution}")
        except IncompatibleError as error:
            record.fail(Status.INCOMPATIBLE, error.reason, f"pegboard plugins upgrade {record.name}")
        except PegboardError as error:
            record.fail(Status.LOAD_ERROR, str(error))
        except ModuleNotFoundError as error:
            record.fail(Status.LOAD_ERROR, describe(error), f"install what it needs: the module {error.name!r}")
        except BaseException as error:
            pass_on(error)
            record.fail(Status.LOAD_ERROR, describe(error))
        else:
            record.status = Status.ACTIVE
            record.load_ms = (time.perf_counter() - began) * 1e3
            return
        if self.manager.has_plugin(record.name):
            self.manager.unregister(name=record.name)

    def _import(self, record: PluginRecord) -> None:
        """Import and register a plugin; keep what that showed where it will be the same next time."""
        fresh = record.plugin is None and self.snapshot is not None and not _is_imported(record.value)
        with ExitStack() as stack:
            reads = stack.enter_context(noted_reads(_package_of(record.value))) if fresh else []
            contribution = self._registered(record)
        self._refuse_duplicates(record.name, contribution)
        self.contributions[record.name] = contribution
        if fresh:
            self._keep(record, contribution, reads)

    def _registered(self, record: PluginRecord) -> Contribution:
        if record.plugin is None and record.tier is not Tier.HOST:
            from pegboard._board.reading import declared

            self._check_declared(record, declared(record.value) or NOTHING)
            if record.folder:
                OBSERVATIONS.watch(_package_of(record.value), record.distribution)
        started = time.perf_counter()
        if record.plugin is None:
            record.plugin = run_abandonable(lambda: resolve(record.value), IMPORT_SECONDS, record.name, "import")
        imported = time.perf_counter()
        record.import_ms = (imported - started) * 1e3
        record.hooks = implementations_of(self.manager, record.name, record.plugin)
        contribution = self._contribution(record.name)
        contribution.declares = declared_by(record.plugin)
        contribution.lacks = frozenset() if record.unbounded else ALL.difference(contribution.declares.permissions)
        self._check_declared(record, contribution.declares)
        for found in vars(record.plugin).values() if inspect.ismodule(record.plugin) else ():
            if isinstance(found, Tool):
                contribution.add_tool(found)
            elif isinstance(found, Flag):
                contribution.add_flag(found)
        other = self.manager.get_name(record.plugin)
        if other is not None:
            raise PluginError(record.name, f"is {record.value}, which takes part as {other!r} already")
        self.manager.register(record.plugin, record.name)
        register = getattr(record.plugin, "register", None)
        if register is not None and "register" in record.hooks:
            own = record.hooks["register"].timeout
            limit = own if isinstance(own, int | float) else POLICIES["register"].timeout or IMPORT_SECONDS
            wanted = inspect.signature(register).parameters
            contribution.registering = True
            said = run_abandonable(
                (lambda: register(contribution)) if wanted else register, limit, record.name, "register"
            )
            contribution.registering = False
            if said is not None:  # a generator's or a coroutine's body has not even begun
                if inspect.iscoroutine(said):
                    said.close()
                raise WrongAnswerError(record.name, "register", type(said).__name__, "nothing")
        contribution.check_words()
        record.register_ms = (time.perf_counter() - imported) * 1e3
        contribution.tools = [self._named(record.name, one) for one in contribution.tools]
        if "model_call" in record.hooks and not contribution.models and Permission.REWRITE in contribution.lacks:
            record.reason = "its model_call is never asked: it adds no model, and does not declare 'rewrite'"
        return contribution

    def _check_declared(self, record: PluginRecord, said: Declares) -> None:
        """Refuse a plugin that is for another host, or that declares more than was shown when it was accepted."""
        if not said.fits(__version__):
            raise IncompatibleError(record.name, f"works with pegboard {said.api}, and this is {__version__}")
        more = set(said.permissions) - record.accepted if record.accepted is not None else set()
        if more:
            words = ", ".join(sorted(more))
            raise UnacceptedError(record.name, f"declares more than was shown when it was accepted: {words}")

    def _contribution(self, plugin: str) -> Contribution:
        face = self._host(plugin) if self._host is not None else None
        return Contribution(plugin, self.view, face, has_consent=self._has_consent)  # type: ignore[arg-type]  # a board alone has no host

    def lacks(self, plugin: str) -> frozenset[str]:
        """Return the permissions that a plugin has not declared."""
        contribution = self.contributions.get(plugin)
        return contribution.lacks if contribution is not None else frozenset()

    # plugins that are known without being imported

    def _known(self, record: PluginRecord) -> dict[str, Any] | None:
        """Return the manifest of a plugin that need not be imported now; None for any other."""
        if self.snapshot is None or record.plugin is not None or _is_imported(record.value):
            return None
        known = self.snapshot.manifest(record.distribution, record.version, record.name, record.value)
        if known is None or "by_import" in known or self.says_anything(known.get("tables", {})):
            return None
        return known

    def says_anything(self, tables: Iterable[str]) -> bool:
        """Whether anybody has written in one of these tables: only their types know what that means."""
        return any(table in file.values for file in self.view.files for table in tables)

    def _let_sleep(self, record: PluginRecord, known: dict[str, Any]) -> bool:
        """Put a plugin on the board by its manifest alone; False if that cannot be understood."""
        from pegboard._board import asleep

        contribution = self._contribution(record.name)
        try:
            asleep.fill(contribution, known, self)
            contribution.check_words()
            self._check_declared(record, contribution.declares)
            stand_in = asleep.stand_in(record.value, record.name, known.get("hooks", {}), self)
            hooks = implementations_of(self.manager, record.name, stand_in) if known.get("hooks") else {}
            tables = list(known.get("tables", {}))
        except (KeyError, TypeError, ValueError, AttributeError):
            self._forget(record, "it cannot be understood")
            return False
        contribution.tools = [self._named(record.name, one) for one in contribution.tools]
        record.plugin, record.hooks, record.import_ms = stand_in, hooks, known.get("import_ms", 0.0)
        if hooks:  # to look for some takes half of what a pack costs a start
            self.manager.register(stand_in, record.name)
        self._refuse_duplicates(record.name, contribution)
        self.contributions[record.name] = contribution
        for table in tables:
            self.view.reserve(table, lambda: self.wake_all(record.name))
        self.asleep[record.name] = lambda: self.wake_all(record.name)
        return True

    def wake(self, name: str) -> None:
        """Import and register a plugin that is asleep, as its start would have done. Raises PluginError.

        One that cannot be imported any more is taken off the board, and the next start looks at it anew.
        """
        if name in self._broken:
            raise PluginError(name, self._broken[name])
        if name not in self.asleep:
            return
        with self._waking:
            record = self.record(name)
            if name not in self.asleep or record is None:
                return
            stand_in, record.plugin = record.plugin, None
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            try:
                contribution = self._registered(record)
                functions = functions_of(self.manager, record.plugin)
            except BaseException as error:
                pass_on(error)
                record.plugin = stand_in
                why = words_of(error) if isinstance(error, PegboardError) else describe(error)
                self.disable(name, why, status=Status.LOAD_ERROR)
                self._forget(record, "it could not be imported")
                self._broken[name] = f"cannot be imported: {why}"
                raise PluginError(name, self._broken[name]) from error
            finally:
                self.asleep.pop(name, None)
            self._functions[name] = functions
            self.contributions[name] = contribution
            self._compare(record, contribution)

    def load_again(self, record: PluginRecord) -> None:
        """Bring up a plugin that was taken off, from its source (see reloading.py)."""
        self._functions.pop(record.name, None)
        self._broken.pop(record.name, None)
        if self.snapshot is not None:
            self._forget(record, "it was reloaded")
        self._load_one(record)
        self._settle_order()
        self._settle_gates()
        self.generation += 1

    def wake_all(self, *names: str) -> None:
        """Wake these plugins, or all that are asleep; one that cannot be imported is a load error from then on."""
        for name in names or list(self.asleep):
            try:
                self.wake(name)
            except PluginError:
                continue

    def function(self, plugin: str, hook: str) -> Any:
        """Return the function of a plugin that was woken. Raises PluginError if it has none."""
        try:
            return self._functions[plugin][hook]
        except KeyError:
            raise PluginError(plugin, f"does not implement {hook!r} any more") from None

    def options(self, plugin: str, hook: str) -> ImplOptions:
        """Return what `@hookimpl` said on a function of a plugin that was woken."""
        options: ImplOptions = getattr(self.function(plugin, hook), OPTIONS, NO_OPTIONS)
        return options

    def _keep(self, record: PluginRecord, contribution: Contribution, reads: Sequence[str]) -> None:
        assert self.snapshot is not None
        if self.says_anything(contribution.tables):
            return  # what it registers may follow from that; another start will tell
        if reads:
            contribution.each_time(f"it reads the environment ({', '.join(sorted(set(reads))[:3])})")
        manifest = self._manifest(record, contribution)
        manifest["import_ms"] = round(record.import_ms, 1)
        self.snapshot.keep(record.distribution, record.version, record.name, record.value, manifest)

    def to_carry(self, name: str) -> dict[str, Any]:
        """Return what a plugin should bring along in its wheel (see carried.py). Raises PluginError."""
        from pegboard._board.carried import document
        from pegboard._board.snapshot import source_files

        self.wake(name)
        record, contribution = self.record(name), self.contributions.get(name)
        if record is None or contribution is None:
            raise PluginError(name, f"takes no part: {record.reason if record is not None else 'it is not installed'}")
        if self.says_anything(contribution.tables):
            raise PluginError(name, "is not as it comes: there are settings of its own; ask where there are none")
        manifest = self._manifest(record, contribution)
        return document(name, record.value, record.version, manifest, source_files(record.value))

    def _manifest(self, record: PluginRecord, contribution: Contribution) -> dict[str, Any]:
        from pegboard._board.manifest import NoManifestError, manifest_of

        try:
            return manifest_of(contribution, self._marks(record))
        except NoManifestError as why:
            return {"by_import": str(why)}
        except Exception as error:  # a schema that cannot be made, say: whoever asks for it is told then
            return {"by_import": f"what it registers cannot be written down: {describe(error)}"}

    def _marks(self, record: PluginRecord) -> dict[str, tuple[ImplOptions, bool]]:
        functions = functions_of(self.manager, record.plugin)
        return {hook: (options, inspect.iscoroutinefunction(functions[hook])) for hook, options in record.hooks.items()}

    def _compare(self, record: PluginRecord, contribution: Contribution) -> None:
        """Forget a manifest that is not what the plugin registers: what follows from it may be no more true."""
        from pegboard._board.manifest import is_as_known, know_schemas

        assert self.snapshot is not None
        known = self.snapshot.manifest(record.distribution, record.version, record.name, record.value)
        try:
            same = known is None or is_as_known(known, contribution, self._marks(record))
        except Exception:  # what cannot even be compared is not the same
            same = False
        if not same:
            self._forget(record, "it registered something else than it did before")
        elif known is not None:
            know_schemas(contribution, known)

    def _forget(self, record: PluginRecord, why: str) -> None:
        assert self.snapshot is not None
        self.snapshot.forget(record.distribution, record.name, why)
        self.snapshot.save()

    def _named(self, plugin: str, one: Tool) -> Tool:
        return replace(one, name=self.alias_of(plugin, one.name), owner=plugin)

    def alias_of(self, plugin: str, tool: str) -> str:
        """Return the name of a plugin's tool here: the settings may give it another."""
        return self.view.plugins.aliases.get(f"{plugin}.{tool}") or tool

    def has_tool(self, plugin: str, tool: str) -> bool:
        """Whether a plugin that takes part brings a tool, by the name that the plugin itself gives it."""
        named = self.alias_of(plugin, tool)
        return plugin in self.contributions and any(one.name == named for one in self.contributions[plugin].tools)

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
            twin = variables.setdefault(one.variable, one.name)
            if one.name not in declared and twin == one.name:
                declared[one.name] = plugin
                continue
            where = f" ({one.file}:{one.line})" if one.file else ""
            if one.name in declared:
                raise PluginError(plugin, f"declares the flag {one.name!r}{where}, as {declared[one.name]!r} does")
            raise PluginError(plugin, f"the flags {one.name!r}{where} and {twin!r} are one variable, {one.variable}")

    def _settle_requires(self) -> None:
        """Take out the plugins whose required ones take no part, until all that are left have theirs."""
        while True:
            here = {record.name: record for record in self.records if record.status is Status.ACTIVE}
            for record in list(here.values()):
                contribution = self.contributions.get(record.name)
                missing = [name for name in contribution.declares.requires if name not in here] if contribution else []
                if missing:
                    other = self.record(missing[0])
                    why = f"which is {other.status}: {other.reason}" if other is not None else "which is not installed"
                    self.disable(record.name, f"requires {missing[0]!r}, {why}", status=Status.LOAD_ERROR)
                    break
            else:
                return

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
        self.asleep.pop(name, None)
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
                said = contribution.declares if contribution is not None else NOTHING
                before, after = options.before, options.after
                if not before and not after:  # what a hook says of itself is meant for that hook
                    before, after = tuple(said.before), tuple(said.after)
                places.append(Place(record.name, record.tier, record.distribution, before, after, is_model))
        return [place.name for place in total_order(places, hook=hook)]

    @property
    def tools(self) -> dict[str, Tool]:
        """All tools by name, sorted."""
        tools = [one for contribution in self.contributions.values() for one in contribution.tools]
        return {one.name: one for one in sorted(tools, key=lambda one: one.name)}

    @property
    def tool_sources(self) -> list[tuple[str, ToolSource]]:
        """All sources of tools with their plugins, in the plugins' order."""
        sources = [(name, one) for name, had in self.contributions.items() for one in had.tool_sources]
        if len(sources) > 1:
            order = self._in_order()
            sources.sort(key=lambda pair: order.index(pair[0]))
        return sources

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
                if one.name not in found or found[one.name][1].reserved:
                    found[one.name] = (name, one)
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
    for table in (*contribution.tables, *contribution.asleep_tables):
        for key, flag in contribution.gated_of(table).items():
            yield Gate(flag, "setting", f"{table}.{key}", plugin)


# --- checks --------------------------------------------------------------------------------------------


def resolve(value: str) -> Any:
    """Import what an entry point names; a class becomes an instance."""
    module, _, attribute = value.partition(":")
    found: Any = importlib.import_module(module.strip())
    for part in filter(None, attribute.strip().split(".")):
        found = getattr(found, part)
    return found() if inspect.isclass(found) else found


def declared_by(plugin: Any) -> Declares:
    """Return what a plugin declares: the `Declares` at the top of its module, or in its class."""
    homes = [plugin] if inspect.ismodule(plugin) else [sys.modules.get(type(plugin).__module__), type(plugin)]
    found = [one for home in homes if home is not None for one in vars(home).values() if isinstance(one, Declares)]
    if len(found) > 1:
        raise DeclaresError("there is more than one Declares(...); write one, with all that is declared")
    return found[0] if found else NOTHING


def implementations_of(manager: pluggy.PluginManager, plugin_name: str, plugin: Any) -> dict[str, ImplOptions]:
    """Return what `@hookimpl` said, by hook; refuse what could not be called.

    That is: unknown hooks, wrappers, tryfirst and trylast, keyword-only and unknown arguments.
    """
    found: dict[str, ImplOptions] = {}
    for name, hook, opts in _marked(manager, plugin):
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
        if options.fields and hook != "pre_tool":
            raise HookSignatureError(plugin_name, hook, "only pre_tool rewrites fields by name: write rewrites=True")
        if options.unless is not None and hook != "next_step":
            raise HookSignatureError(plugin_name, hook, "only next_step is asked unless=: write when= or matcher=")
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


def functions_of(manager: pluggy.PluginManager, plugin: Any) -> dict[str, Any]:
    """Return the implementations of a plugin, by hook."""
    return {hook: getattr(plugin, name) for name, hook, _ in _marked(manager, plugin)}


def _marked(manager: pluggy.PluginManager, plugin: Any) -> Iterator[tuple[str, str, Any]]:
    """Go through what carries the marker: its name, its hook, and what pluggy knows of it."""
    for name in dir(plugin):
        opts = manager.parse_hookimpl_opts(plugin, name)
        if opts is not None:
            yield name, opts.get("specname") or name, opts


def _package_of(value: str) -> str:
    return value.partition(".")[0].partition(":")[0].strip()


def _is_imported(value: str) -> bool:
    return value.partition(":")[0].strip() in sys.modules


def _check_signature(plugin_name: str, hook: str, function: Any) -> None:
    known, names = arguments_of(hook), plain_arguments(function)
    plainly_right = names is not None and set(names) <= set(known)
    for parameter in () if plainly_right else inspect.signature(function).parameters.values():
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
        except KeyboardInterrupt as error:  # the plugin's own: nobody's Ctrl-C arrives in this thread
            outcome.append((False, PluginError(plugin, f"raised {describe(error)}")))
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
