"""What one plugin registers: the Registry that `register` is handed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pegboard._dataclass import dataclass
from pegboard.context import (
    Command,
    ConsentSource,
    Health,
    HealthCheck,
    HostView,
    PromptSource,
    ServiceFactory,
    ToolSource,
    View,
    Wanted,
)
from pegboard.declares import NOTHING, Declares, Permission, UndeclaredError
from pegboard.egress import FilterFunction, Surface
from pegboard.errors import PluginError
from pegboard.flags import Flag, FlagSource, LiveCheck
from pegboard.records import Record
from pegboard.requests import ModelInfo, Section, Stability
from pegboard.settings import Model, SettingsView, TableType
from pegboard.tools import Tool
from pegboard.typed import fields_of

LONGEST = 20_000
"""Characters that the description of one tool may have."""
LONGEST_NAME, LONGEST_HELP = 200, 4_000
"""Characters of a name, and of the words that explain it."""
LONGEST_SECTION = 200_000
"""Characters of one section of the prompt."""


@dataclass
class Contribution:
    """What one plugin registers; kept as a whole or dropped as a whole."""

    plugin: str
    view: SettingsView
    host_view: HostView
    tools: list[Tool] = field(default_factory=list)
    tool_sources: list[ToolSource] = field(default_factory=list)
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
    prompts: list[PromptSource] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    has_consent: Callable[[Path, Wanted], bool] = lambda folder, wanted: False
    tables: dict[str, TableType] = field(default_factory=dict)
    tightening: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asleep_tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is known of the tables of a plugin that is not imported."""
    own_settings: Any = None
    gated: dict[str, str] = field(default_factory=dict)
    """Keys of `own_settings` that count only where a flag is on."""
    declares: Declares = NOTHING
    lacks: frozenset[str] = frozenset()
    """The permissions that the plugin has not declared."""
    registering: bool = False
    by_import: str = ""
    """Why this may be otherwise at the next start, so that the plugin must be imported to know; empty if it is not."""
    _flags_by_name: dict[str, Flag] = field(default_factory=dict)

    @property
    def host(self) -> HostView:
        """See context.Registry."""
        if self.registering:
            self.each_time("it asks the host while it registers")
        return self.host_view

    def need(self, permission: Permission) -> None:
        """Raise UndeclaredError if the plugin has not declared this."""
        if permission in self.lacks:
            raise UndeclaredError(self.plugin, permission)

    def each_time(self, why: str) -> None:
        """See context.Registry."""
        self.by_import = self.by_import or why

    def add_tool(self, *tools: Tool) -> None:
        """See context.Registry."""
        for one in tools:
            if not isinstance(one, Tool):
                raise PluginError(self.plugin, f"add_tool takes what @tool makes, not {type(one).__name__}")
            if not one.name.isprintable():
                raise PluginError(self.plugin, f"the tool name {one.name!r} has characters that nobody sees")
            if one not in self.tools:
                self.tools.append(one)

    def check_words(self) -> None:
        """Refuse words that would flood whoever lists them. Raises PluginError."""
        for what, text, most in self._words():
            if len(text) > most:
                said = f"{len(text):,} characters; {most:,} are the most"
                raise PluginError(self.plugin, f"{what[:LONGEST_NAME]} has {said}")

    def _words(self) -> Iterator[tuple[str, str, int]]:
        """Go through the plugin's own words: what they are, the text, and how long that may be."""
        for tool in self.tools:
            yield f"the tool name {tool.name!r}", tool.name, LONGEST_NAME
            yield f"the description of {tool.name!r}", tool.description, LONGEST
        for flag in self.flags:
            yield f"the flag name {flag.name!r}", flag.name, LONGEST_NAME
            yield f"the help of the flag {flag.name!r}", f"{flag.help}{flag.owner}", LONGEST_HELP
        explained = [(one.name, one.help) for one in self.commands] + [(one.name, one.help) for one in self.surfaces]
        for name, text in explained:
            yield f"the name {name!r}", name, LONGEST_NAME
            yield f"the help of {name!r}", text, LONGEST_HELP
        for model in self.models:
            yield f"the prefix {model.prefix!r}", model.prefix, LONGEST_NAME
        for section in self.sections:
            yield f"the section name {section.name!r}", section.name, LONGEST_NAME
            yield f"the section {section.name!r}", section.text, LONGEST_SECTION
        for key, text in self.described_keys():
            yield f"the setting {key!r}", key, LONGEST_NAME
            yield f"the description of the setting {key!r}", text, LONGEST_HELP
        for name in (*self.services, *(view.name for view in self.views), *(check.name for check in self.checks)):
            yield f"the name {name!r}", name, LONGEST_NAME

    def add_tool_source(self, source: ToolSource) -> None:
        """See context.Registry."""
        self.tool_sources.append(source)

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
        self.need(Permission.CONTEXT)
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

    def add_prompts(self, source: PromptSource) -> None:
        """See context.Registry."""
        self.prompts.append(source)

    def add_folder(self, folder: Path | str) -> None:
        """See context.Registry."""
        beside = Path(sys._getframe(1).f_code.co_filename).parent
        self.folders.append((beside / Path(folder)).resolve())

    def consented(self, folder: Path, wanted: Wanted) -> bool:
        """See context.Registry."""
        if self.registering:
            self.each_time("it asks for consent while it registers")
        return self.has_consent(folder, wanted)

    def add_filter(self, surface: str, function: FilterFunction) -> None:
        """See context.Registry."""
        self.need(Permission.REWRITE)
        self.filters.append((surface, function))

    def add_surface(self, *surfaces: Surface) -> None:
        """See context.Registry."""
        self.surfaces += surfaces

    def settings(self, model: type[Model], *, table: str = "", tightening: Sequence[str] = ()) -> Model:
        """See context.Registry."""
        name = table or self.plugin
        self.view.declare(name, model, tightening=tightening)
        self.tables[name] = model
        self.tightening[name] = tuple(tightening)
        self.gated = gated_settings(model)
        parsed = self.view.parse(name, model)
        self.own_settings = parsed
        return parsed

    def all_settings(self) -> SettingsView:
        """See context.Registry."""
        if self.registering:
            self.each_time("it reads other settings than its own while it registers")
        return self.view

    def described_keys(self) -> Iterator[tuple[str, str]]:
        """Go through ("table.key", what it means) of the plugin's settings, sorted by table."""
        known = {name: facts["keys"] for name, facts in self.asleep_tables.items()}
        known |= {
            name: {key: field.description or "" for key, field in fields_of(model).items()}
            for name, model in self.tables.items()
        }
        for table, keys in sorted(known.items()):
            yield from ((f"{table}.{key}", text) for key, text in keys.items())

    def gated_of(self, table: str) -> dict[str, str]:
        """Return the keys of a table that count only where a flag is on, each with that flag."""
        if table in self.asleep_tables:
            return dict(self.asleep_tables[table]["gated"])
        return gated_settings(self.tables[table])


def gated_settings(model: TableType) -> dict[str, str]:
    """Return the keys that count only where a flag is on: `Field(json_schema_extra={"flag": NAME})`."""
    found = {}
    for name, one in fields_of(model).items():
        extra = one.json_schema_extra
        if isinstance(extra, dict) and isinstance(extra.get("flag"), str):
            found[name] = str(extra["flag"])
    return found
