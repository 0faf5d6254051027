"""Settings in layers, every value with its origin: which file and line, variable or option said so."""

import os
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

import tomli
from pydantic_core import ValidationError

from pegboard._dataclass import dataclass
from pegboard.errors import SettingsError, did_you_mean
from pegboard.typed import Typed, fact, fields_of

if TYPE_CHECKING:
    from pegboard.plugin_folders import PluginFolder

    class TableModel(Protocol):
        """What types a table: a model of `pegboard.typed`, which costs a start nothing, or one of pydantic's."""

        @classmethod
        def model_validate(cls, obj: Any, /) -> Self: ...
        @classmethod
        def model_construct(cls, **values: Any) -> Self: ...
        @classmethod
        def model_json_schema(cls) -> dict[str, Any]: ...


Model = TypeVar("Model", bound="TableModel")
TableType = type["TableModel"]

RESERVED_VARIABLES = frozenset({"PEGBOARD_NO_PLUGINS", "PEGBOARD_STATE_DIR", "PEGBOARD_CONFIG_DIR"})
VARIABLE = r"PEGBOARD_([A-Z0-9_]+?)__([A-Z0-9_]+)"


class SettingsLayer(StrEnum):
    """Lowest first; a higher layer wins."""

    DEFAULT = "default"
    USER = "user"
    PROJECT = "project"
    LOCAL = "local"
    SESSION = "session"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"
    MANAGED = "managed"


RANK = {layer: rank for rank, layer in enumerate(SettingsLayer)}
FROM_THE_FOLDER = (SettingsLayer.PROJECT, SettingsLayer.LOCAL)


@dataclass(frozen=True)
class Source:
    """Where a value was said. `file` is a path, a variable's name or an option."""

    layer: SettingsLayer
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{self.layer} ({where})" if where else str(self.layer)


@dataclass(frozen=True)
class Said:
    """One layer's word on one key. `counts` is False where the folder is not trusted and the key could loosen."""

    value: Any
    source: Source
    counts: bool = True


@dataclass(frozen=True)
class LayerFile:
    """The tables of one layer, from one place. `text` finds the lines, `prefix` is the table it all lies in."""

    layer: SettingsLayer
    values: dict[str, Any]
    file: str = ""
    text: str = ""
    prefix: tuple[str, ...] = ()
    names: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def source(self, path: tuple[str, ...]) -> Source:
        """Return where *path* (table, key, ...) was said."""
        if path in self.names:
            return Source(self.layer, self.names[path])
        return Source(self.layer, self.file, find_line(self.text, self.prefix + path) if self.text else None)


# --- what the host itself owns -------------------------------------------------------------------------


Effort = Literal["low", "medium", "high", "xhigh", "max"]


class PluginsTable(Typed):
    """`[plugins]`: which plugins take part."""

    disabled: tuple[str, ...] = fact(default=(), description="Names of plugins that take no part.")
    aliases: dict[str, str] = fact(
        default={},
        description='Other names for tools ("plugin.Tool" = "Name") and for plugins ("distribution:plugin" = "name").',
    )
    folders: tuple[str, ...] = fact(default=(), description="Folders in the contract's plugin format.")
    options: dict[str, dict[str, str]] = fact(
        default={}, description="Values for the `userConfig` of plugin folders, by the name of the plugin."
    )


class ModelTable(Typed):
    """`[model]`: whom to ask."""

    name: str = fact(default="", description="The model of a session, as prefix:NAME.")
    max_tokens: int = fact(default=16_000, ge=1, description="Tokens that one answer may have.")
    context_window: int | None = fact(
        default=None, ge=1_000, description="Tokens that fit, where the plugin does not know better."
    )
    effort: Effort | None = fact(default=None, description="How much work the model puts into an answer.")
    params: dict[str, Any] = fact(default={}, description="More parameters of each request, as the provider has them.")

    @property
    def asked(self) -> dict[str, Any]:
        """The parameters of each request, the effort among them."""
        return self.params if self.effort is None else {**self.params, "effort": self.effort}


class SessionTable(Typed):
    """`[session]`: ceilings and files of a session. An untrusted folder may lower the ceilings."""

    max_steps: int = fact(default=200, ge=1, description="Model requests in one turn.")
    max_time: float | None = fact(default=None, gt=0, description="Seconds that one turn may take.")
    max_cost: float | None = fact(default=None, gt=0, description="US dollars that one session may cost.")
    max_continuations: int = fact(
        default=8, ge=0, description="How often in a row hooks may keep a turn from ending; 0 for no limit."
    )
    no_progress_warn: int = fact(default=3, ge=2, description="Equal calls with equal results before a warning.")
    no_progress_stop: int = fact(default=6, ge=3, description="Equal calls with equal results before the turn ends.")
    max_parallel: int = fact(default=8, ge=1, description="Tool calls that run at the same time.")
    fsync: str = fact(default="turn", pattern="^(record|turn|off)$", description="When the journal reaches the disk.")
    output_limit: int = fact(default=30_000, ge=1_000, description="Characters of a tool's output the model reads.")
    compact_at: float = fact(
        default=0.8,
        gt=0.05,
        le=1.0,
        description="Share of the context window at which the conversation is compacted.",
    )
    compact_to: float = fact(default=0.4, gt=0.0, lt=1.0, description="Share of the window to aim for.")
    defer: tuple[str, ...] = fact(
        default=(),
        description="Tools (names, or patterns like `mcp__github__*`) of which requests have only the name until "
        "the model asks ToolSearch for them.",
    )
    defer_share: float = fact(
        default=0.1,
        ge=0.0,
        description="Share of the context window that the tools of MCP servers and other sources may take; where they "
        "would take more, all of them are deferred.",
    )
    tool_timeout: float = fact(default=600.0, gt=0, description="Seconds for a tool that declares none.")
    end_budget: float = fact(default=10.0, gt=0, description="Seconds that all hooks of a session's end may take.")
    mode: str = fact(
        default="default",
        pattern="^(default|acceptEdits|plan|dontAsk|auto|bypassPermissions)$",
        description="The permission mode at the start.",
    )


HOST_TABLES: dict[str, TableType] = {
    "plugins": PluginsTable,
    "model": ModelTable,
    "session": SessionTable,
}
LOWERING = ("max_steps", "max_time", "max_cost", "max_continuations", "no_progress_stop", "max_parallel")
"""Ceilings of `[session]`: an untrusted folder may lower them, never raise them."""


# --- the settings --------------------------------------------------------------------------------------


class SettingsView:
    """All layers together. Nothing here can be changed; `declare` only adds a table's type.

    *trusted* says whether the folder's own files (project and local layer) count in full. Where they do not, only
    keys that were declared as tightening count; everything else of them is in `held_back`.
    """

    def __init__(self, files: Iterable[LayerFile] = (), *, trusted: bool = True) -> None:
        self.files = tuple(sorted(files, key=lambda file: RANK[file.layer]))
        self.trusted = trusted
        self._models: dict[str, TableType] = dict(HOST_TABLES)
        self._tightening: dict[str, frozenset[str]] = {}
        self._reserved: dict[str, Callable[[], None]] = {}
        self.plugin_folders: tuple[PluginFolder, ...] = ()
        """The plugin folders that take part, as the host found them."""

    # what was said

    def said(self, table: str, key: str) -> list[Said]:
        """Return every layer's word on a key, lowest layer first. Lists are not joined: that is for who asks."""
        found = []
        for file in self.files:
            values = file.values.get(table)
            if isinstance(values, dict) and key in values:
                counts = self._counts(file, table, key)
                found.append(Said(values[key], file.source((table, key)), counts))
        return found

    def table(self, name: str) -> dict[str, Any]:
        """Return a table as it counts: the highest layer wins key by key, tables within it are merged."""
        merged: dict[str, Any] = {}
        for file in self.files:
            values = file.values.get(name)
            if not isinstance(values, dict):
                continue
            for key, value in values.items():
                if not self._counts(file, name, key):
                    continue
                old = merged.get(key)
                if isinstance(old, dict) and isinstance(value, dict):
                    merged[key] = _merge(old, value)
                elif self._may_only_lower(file, name, key) and not _lowers(
                    value, old if key in merged else _default_of(name, key)
                ):
                    continue
                else:
                    merged[key] = value
        return merged

    def origin(self, table: str, key: str) -> Source:
        """Return who said the value that counts; the default layer if nobody did."""
        counting = [said for said in self.said(table, key) if said.counts]
        value = self.table(table).get(key)
        for said in reversed(counting):
            if said.value == value or isinstance(value, dict):
                return said.source
        return Source(SettingsLayer.DEFAULT)

    @property
    def held_back(self) -> list[tuple[str, Said]]:
        """What an untrusted folder said and what does not count, as ("table.key", Said)."""
        held = []
        for file in self.files:
            if self.trusted or file.layer not in FROM_THE_FOLDER:
                continue
            for table, values in file.values.items():
                if not isinstance(values, dict):
                    held.append((table, Said(values, file.source((table,)), counts=False)))
                    continue
                for key, value in values.items():
                    raises = self._may_only_lower(file, table, key) and self.table(table).get(key) != value
                    if raises or not self._counts(file, table, key):
                        held.append((f"{table}.{key}", Said(value, file.source((table, key)), counts=False)))
        return held

    # what it means

    def declare(self, name: str, model: TableType, *, tightening: Iterable[str] = ()) -> None:
        """Give a table its type. *tightening* keys count from an untrusted folder too."""
        self._reserved.pop(name, None)
        self._models[name] = model
        self._tightening[name] = frozenset(tightening)

    def reserve(self, name: str, declare: Callable[[], None]) -> None:
        """Give a table an owner; its type is there once *declare* was called, which is done when somebody asks."""
        self._reserved[name] = declare

    def parse(self, name: str, model: type[Model]) -> Model:
        """Return a table as its type. Raises SettingsError with file, line and the nearest key."""
        said = self.table(name)
        try:
            if not said and _needs_no_check(model):
                return model.model_construct()
            return model.model_validate(said)
        except ValidationError as wrong:
            raise self._explain(name, model, wrong) from None

    @property
    def plugins(self) -> PluginsTable:
        """The `[plugins]` table."""
        return self.parse("plugins", PluginsTable)

    @property
    def model(self) -> ModelTable:
        """The `[model]` table."""
        return self.parse("model", ModelTable)

    @property
    def session(self) -> SessionTable:
        """The `[session]` table."""
        return self.parse("session", SessionTable)

    @property
    def models(self) -> dict[str, TableType]:
        """The type of each table that has one."""
        return self.declared()

    def declared(self, without: Container[str] = ()) -> dict[str, TableType]:
        """Return the type of each table that has one, but for those in *without*, whose owners need not be asked."""
        for name, declare in list(self._reserved.items()):
            if name not in without:
                declare()
        return dict(self._models)

    def check_tables(self, owned: Iterable[str]) -> None:
        """Raise SettingsError for the first table that nobody owns."""
        known = {*owned, *self._models, *self._reserved}
        for file in self.files:
            for name in file.values:
                if name not in known:
                    source = file.source((name,))
                    raise SettingsError(
                        f"nobody owns the table [{name}].{did_you_mean(name, known)} "
                        f"A plugin owns the table of its name; `pegboard plugins list` shows them.",
                        file=source.file,
                        line=source.line,
                    )

    # inside

    def _counts(self, file: LayerFile, table: str, key: str) -> bool:
        if self.trusted or file.layer not in FROM_THE_FOLDER:
            return True
        return key in self._tightening.get(table, ()) or self._may_only_lower(file, table, key)

    def _may_only_lower(self, file: LayerFile, table: str, key: str) -> bool:
        untrusted = not self.trusted and file.layer in FROM_THE_FOLDER
        return untrusted and table == "session" and key in LOWERING

    def _explain(self, table: str, model: TableType, wrong: ValidationError) -> SettingsError:
        error = wrong.errors()[0]
        path = tuple(str(part) for part in error["loc"])
        key = path[0] if path else ""
        hint = ""
        if error["type"] == "extra_forbidden":
            hint = did_you_mean(key, fields_of(model))
            problem = f"[{table}] has no key {'.'.join(path)!r}.{hint}"
        else:
            problem = f"{table}.{'.'.join(path)}: {error['msg']} (it is {error['input']!r})"
        for said in reversed(self.said(table, key)):
            if said.counts:
                return SettingsError(problem, file=said.source.file, line=said.source.line)
        return SettingsError(problem)


def _needs_no_check(kind: type[Any]) -> bool:
    """Whether a table that nobody wrote is its defaults as they are, so that no schema need be built to say so.

    That takes two milliseconds per table, and a start reads a dozen of which most are empty.
    """
    if issubclass(kind, Typed):
        return False  # it sees to that itself
    from pydantic import BaseModel

    marks = kind.__pydantic_decorators__
    return (
        not (marks.validators or marks.field_validators or marks.root_validators or marks.model_validators)
        and not kind.model_config.get("validate_default")
        and kind.model_post_init is BaseModel.model_post_init
        and not any(one.is_required() or one.validate_default for one in kind.model_fields.values())
    )


def _merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _lowers(new: Any, old: Any) -> bool:
    if not isinstance(new, int | float) or isinstance(new, bool) or new <= 0:
        return False
    return old is None or (old > 0 and new < old) or (old == 0)


def _default_of(table: str, key: str) -> Any:
    return fields_of(HOST_TABLES[table])[key].default


# --- reading -------------------------------------------------------------------------------------------


def load_settings(
    project: Path,
    *,
    config_dir: Path,
    trusted: bool,
    environment: Mapping[str, str] | None = None,
    session: Mapping[str, Any] | None = None,
    command_line: Mapping[str, Any] | None = None,
    given: Iterable[LayerFile] = (),
    managed: Path | None = Path("/etc/pegboard/settings.toml"),
    problems: list[SettingsError] | None = None,
) -> SettingsView:
    """Read every layer for a project folder.

    *session* and *command_line* are tables by name; *given* are files that the command line named, below its options.
    Files that are absent count as empty. Raises SettingsError for a file that is no TOML, with its line; where
    *problems* is given, such a file costs only itself and is told there.
    """

    def read(path: Path, layer: SettingsLayer) -> LayerFile | None:
        try:
            return read_pyproject(path) if path.name == "pyproject.toml" else read_file(path, layer)
        except SettingsError as error:
            if problems is None:
                raise
            problems.append(error)
            return None

    files = [
        read(config_dir / "settings.toml", SettingsLayer.USER),
        read(project / "pyproject.toml", SettingsLayer.PROJECT),
        read(project / ".pegboard" / "settings.toml", SettingsLayer.PROJECT),
        read(project / ".pegboard" / "settings.local.toml", SettingsLayer.LOCAL),
        from_environment(os.environ if environment is None else environment),
    ]
    if session:
        files.append(LayerFile(SettingsLayer.SESSION, dict(session), "session"))
    files += given
    if command_line:
        files.append(LayerFile(SettingsLayer.COMMAND_LINE, dict(command_line), "command line"))
    if managed is not None:
        files.append(read(managed, SettingsLayer.MANAGED))
    return SettingsView((file for file in files if file is not None), trusted=trusted)


def read_file(path: Path, layer: SettingsLayer) -> LayerFile | None:
    """Read one TOML file; None if there is none. Raises SettingsError."""
    text = _read(path)
    if text is None:
        return None
    return LayerFile(layer, _parse(text, path), str(path), text)


def read_pyproject(path: Path) -> LayerFile | None:
    """Read `[tool.pegboard]` of a pyproject.toml; None if there is none. Raises SettingsError."""
    text = _read(path)
    if text is None or "pegboard" not in text:
        return None
    tools = _parse(text, path).get("tool")
    values = tools.get("pegboard") if isinstance(tools, dict) else None
    if values is None:
        return None
    if not isinstance(values, dict):
        raise SettingsError("tool.pegboard must be a table", file=path, line=find_line(text, ("tool", "pegboard")))
    return LayerFile(SettingsLayer.PROJECT, values, str(path), text, prefix=("tool", "pegboard"))


STOP_CAP = "CLAUDE_CODE_STOP_HOOK_BLOCK_CAP"
"""The contract's name for `session.max_continuations`; our own variable wins over it."""


def from_environment(environment: Mapping[str, str]) -> LayerFile:
    """Read `PEGBOARD_TABLE__KEY=value`; the value is TOML where it can be, else a string."""
    values: dict[str, Any] = {}
    names: dict[tuple[str, ...], str] = {}
    cap = environment.get(STOP_CAP, "")
    if cap.isdigit():
        values["session"] = {"max_continuations": int(cap)}
        names["session",] = names["session", "max_continuations"] = STOP_CAP
    for name, text in sorted(environment.items()):
        match = re.fullmatch(VARIABLE, name) if name.startswith("PEGBOARD_") else None
        if match is None or name in RESERVED_VARIABLES:
            continue
        table, key = match[1].lower(), match[2].lower()
        values.setdefault(table, {})[key] = parse_value(text)
        names[(table, key)] = names.setdefault((table,), name)
        names[(table, key)] = name
    return LayerFile(SettingsLayer.ENVIRONMENT, values, "environment", names=names)


def parse_value(text: str) -> Any:
    """Return a TOML value, or the text itself where it is none (`yes`, `anthropic:x`)."""
    try:
        return tomli.loads(f"value = {text}")["value"]
    except tomli.TOMLDecodeError:
        return text


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as wrong:
        raise SettingsError(f"is not UTF-8 ({wrong.reason} at byte {wrong.start})", file=path) from None
    except OSError as wrong:
        raise SettingsError(f"cannot be read: {wrong.strerror}", file=path) from None


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as wrong:
        raise SettingsError(f"is no TOML: {wrong.msg} (column {wrong.colno})", file=path, line=wrong.lineno) from None
    except (ValueError, RecursionError) as wrong:  # a number of thousands of digits, lists within lists without end
        raise SettingsError(f"is TOML that cannot be read: {wrong}", file=path) from None


# --- lines ---------------------------------------------------------------------------------------------

# Not compiled here: most sessions never ask for a line.
_HEADER = r"\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?"
_PART = r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)'
_KEY = r'\s*(?P<name>(?:"(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_.\s-])+?)\s*='


def find_line(text: str, path: tuple[str, ...]) -> int | None:
    """Return the line (from 1) on which *path* is set, or its table begins; None if it is not to be found.

    tomli gives no positions, so this reads headers and keys line by line. A line inside a multi-line string may
    look like a key; then the line is off, never the value.
    """
    table: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.fullmatch(_HEADER, line)
        if header is not None:
            table = _parts(header["name"])
            here = table
        else:
            key = re.match(_KEY, line)
            if key is None:
                continue
            here = table + _parts(key["name"])
        if here[: len(path)] == path:
            return number
        if path[: len(here)] == here and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best is not None else None


def lines_under(text: str, table: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    """Return the line (from 1) of each key under *table*, in one pass: for tables with very many of them."""
    found: dict[tuple[str, ...], int] = {}
    here: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.fullmatch(_HEADER, line) if line.lstrip().startswith("[") else None
        if header is not None:
            here = _parts(header["name"])
            continue
        key = re.match(_KEY, line) if "=" in line else None
        path = here + _parts(key["name"]) if key is not None else ()
        if path[: len(table)] == table and len(path) > len(table):
            found.setdefault(path[len(table) :], number)
    return found


def _parts(name: str) -> tuple[str, ...]:
    return tuple(a or b or c for a, b, c in re.findall(_PART, name))
