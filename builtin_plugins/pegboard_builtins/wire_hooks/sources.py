"""Where declared hooks are written: our settings, the contract's files, plugin folders; read into HookFiles."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pegboard.context import Wanted, shown_of
from pegboard.errors import SettingsError
from pegboard.named_files import files_named
from pegboard.plugin_folders import PluginFolder as Folder
from pegboard.settings import LayerFile, SettingsLayer, SettingsView, Source, find_line, read_file, read_pyproject
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType, PluginFolder
from pegboard_builtins.wire_hooks.load import FROM_THE_FOLDER, HookFile, HookTable, Problem, load
from pegboard_builtins.wire_hooks.placed import BrokenFileError, place_toml, read_json
from pegboard_builtins.wire_hooks.presence import claude_files
from pegboard_builtins.wire_hooks.settings import KEYS, PLUGINS_ONLY, SPELLINGS, TABLE
from pegboard_builtins.wire_hooks.switches import judged

ORDER = {layer: rank for rank, layer in enumerate(SettingsLayer)}
SHOWN_OF_A_SCRIPT = 256 * 1024
LONGEST_ARGUMENT = 128 * 1024
"""Bytes: a system starts no program with a longer argument, so no such command ever runs."""
KIT = "pegboard_hook.py"
"""The name of the kit's file where it lies beside a program."""


def read_table(view: SettingsView, project: Path, consented: Callable[[Wanted], bool]) -> HookTable:
    """Read everything that declares hooks for a project, and return the table of it."""
    files = hook_files(view, project)
    return load(files, consent_to(files, project, consented))


def consent_to(
    files: Iterable[HookFile], project: Path, consented: Callable[[Wanted], bool]
) -> Callable[[Handler], bool]:
    """Return what tells whether a hook of the project's own files may run."""
    freely = any(file.switches.get("trust_project") for file in files if file.layer not in FROM_THE_FOLDER)
    return lambda handler: freely or consented(wanted_of(handler, project))


def hook_files(view: SettingsView, project: Path) -> list[HookFile]:
    """Return all files that say something of hooks, lowest layer first; within one layer the contract's before ours."""
    ours = list(_of_settings(view))
    claude = _last(ours, "claude", default=True)
    theirs = list(_of_claude(view, project)) if claude else []
    plugins = list(_of_plugins(view)) if claude else []
    return [*plugins, *sorted([*theirs, *ours], key=lambda file: ORDER[file.layer])]


def _last(files: list[HookFile], key: str, *, default: Any) -> Any:
    said = [file.switches[key] for file in files if file.trusted and key in file.switches]
    return said[-1] if said else default


def read_named(path: Path) -> HookTable:
    """Return the hooks of one settings file that somebody named: TOML of ours, or the contract's JSON.

    Whoever names a file on the command line has consented to it. Raises SettingsError where it cannot be read.
    """
    layer = SettingsLayer.COMMAND_LINE
    if path.suffix == ".json":
        value, problems = _json_file(path, layer)
        if value is None:
            raise SettingsError(problems[0].text if problems else "there is no such file", file=path)
        return load([_settings_file(path, layer, value, problems)])
    file = read_pyproject(path) if path.name == "pyproject.toml" else read_file(path, layer)
    if file is None:
        raise SettingsError("there is no such file, or it says nothing of Pegboard", file=path)
    return load(list(_of_settings(SettingsView([replace(file, layer=layer)]))))


# --- our own settings ----------------------------------------------------------------------------------


def _of_settings(view: SettingsView) -> Iterator[HookFile]:
    for file in map(_fresh, view.files):
        hooks = file.values.get(TABLE)
        if not isinstance(hooks, dict):
            continue
        switches, problems = judged(
            {key: value for key, value in hooks.items() if key in KEYS}, partial(_placed_key, file)
        )
        yield HookFile(
            layer=file.layer,
            path=file.file,
            hooks={key: value for key, value in _lined(hooks, file.text).items() if key not in KEYS},
            switches=switches,
            trusted=view.trusted or file.layer not in FROM_THE_FOLDER,
            problems=tuple(problems),
        )


def _placed_key(file: LayerFile, key: str) -> Source:
    path = (TABLE, key) if Path(file.file).name != "pyproject.toml" else ("tool", "pegboard", TABLE, key)
    return Source(file.layer, file.file, find_line(file.text, path))


def _lined(hooks: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the table with its lines; a file that the command line names may be the contract's JSON."""
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return place_toml(hooks, text)
    try:
        said = read_json(text).get("hooks")
    except (BrokenFileError, AttributeError):
        return hooks
    return {**hooks, **said} if isinstance(said, dict) else hooks


def _fresh(file: LayerFile) -> LayerFile:
    """Return a file as it is on disk now: hooks count from the next turn on, without a new start."""
    path = Path(file.file)
    if not file.text or not path.is_absolute():
        return file
    try:
        return (read_pyproject(path) if path.name == "pyproject.toml" else read_file(path, file.layer)) or file
    except Exception:  # half written, say: what was read last still holds
        return file


# --- the contract's files ------------------------------------------------------------------------------


def _of_claude(view: SettingsView, project: Path) -> Iterator[HookFile]:
    for path, layer in claude_files(project):
        trusted = view.trusted or layer not in FROM_THE_FOLDER
        value, problems = _json_file(path, layer)
        if value is None:
            if problems:
                yield HookFile(layer, str(path), problems=problems, broken=True)
            continue
        yield replace(_settings_file(path, layer, value, problems), trusted=trusted)


def _settings_file(path: Path, layer: SettingsLayer, said: dict[str, Any], problems: Iterable[Problem]) -> HookFile:
    where = Source(layer, str(path), 1)
    switches, wrong = judged(_switches_in(said), lambda key: where)
    twice = [
        Problem(f"`{key}` stands twice, and only the last counts", where, "Make one of them.")
        for key in getattr(said, "twice", ())
        if key == "hooks" or key in SPELLINGS
    ]
    return HookFile(layer, str(path), said.get("hooks"), switches, problems=(*problems, *twice, *wrong))


def _switches_in(said: dict[str, Any]) -> dict[str, Any]:
    """Return what a file of the contract says beside its hooks, under our names."""
    switches = {ours: said[theirs] for theirs, ours in SPELLINGS.items() if theirs in said}
    only = said.get(PLUGINS_ONLY)
    if only is True or (isinstance(only, list) and "hooks" in only):
        switches["plugins_only"] = True
    return switches


def _json_file(path: Path, layer: SettingsLayer) -> tuple[dict[str, Any] | None, tuple[Problem, ...]]:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None, ()
    except OSError as wrong:
        return None, (Problem(f"cannot be read: {wrong.strerror}; its hooks do not count", Source(layer, str(path))),)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        said = "it is written in UTF-16, so none of its hooks counts"
        return None, (Problem(said, Source(layer, str(path), 1), "Save it as UTF-8."),)
    strange: tuple[Problem, ...] = ()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        text = content.decode("utf-8-sig", errors="replace")
        line = content.count(b"\n", 0, wrong.start) + 1
        said = "bytes that are not UTF-8 stand here; they are read as \ufffd"
        strange = (Problem(said, Source(layer, str(path), line), "Save the file as UTF-8."),)
    try:
        value = read_json(text)
    except BrokenFileError as wrong:
        said = f"{wrong}, so none of its hooks counts."
        return None, (*strange, Problem(said, Source(layer, str(path), wrong.line), wrong.mend))
    if not isinstance(value, dict):
        mend = 'Write {"hooks": {EVENT: [ ... ]}}.'
        return None, (Problem("it is no JSON object, so none of its hooks counts", Source(layer, str(path), 1), mend),)
    return value, strange


# --- plugin folders ------------------------------------------------------------------------------------


def _of_plugins(view: SettingsView) -> Iterator[HookFile]:
    for folder in view.plugin_folders:
        yield from read_plugin(folder)


def read_plugin(folder: Folder) -> Iterator[HookFile]:
    """Read the hooks of a folder in the contract's plugin format: hooks/hooks.json, the manifest's `hooks`.

    One that the project names has the user's consent to all of its files, or it would not take part: its hooks need
    none of their own.
    """
    named = {str(layer): layer for layer in SettingsLayer if layer not in FROM_THE_FOLDER}
    layer = named.get(folder.layer, SettingsLayer.USER)
    root = folder.root
    plugin = _plugin_of(folder)
    said = folder.manifest.get("hooks", [])
    paths = [root / "hooks" / "hooks.json"]
    for one in said if isinstance(said, list) else [said]:
        if isinstance(one, str):
            paths.append((root / one).resolve())
        elif isinstance(one, dict):
            hooks = one["hooks"] if isinstance(one.get("hooks"), dict) else one
            yield HookFile(layer, str(root / ".claude-plugin" / "plugin.json"), hooks, plugin=plugin)
    for path in dict.fromkeys(paths):
        yield from _plugin_file(path, layer, plugin)


def plugin_at(root: str, view: SettingsView) -> PluginFolder | None:
    """Return the plugin folder that lies there, for hooks that one of its skills brings."""
    found = next((folder for folder in view.plugin_folders if str(folder.root) == root), None)
    return _plugin_of(found) if found is not None else None


def _plugin_of(folder: Folder) -> PluginFolder:
    return PluginFolder(folder.name, folder.root, _data_folder(folder.name), dict(folder.options))


def _plugin_file(path: Path, layer: SettingsLayer, plugin: PluginFolder) -> Iterator[HookFile]:
    if not path.resolve().is_relative_to(plugin.root):
        text = f"it lies outside the plugin {plugin.name}, so it is not read"
        yield HookFile(layer, str(path), problems=(Problem(text, Source(layer, str(path))),))
        return
    value, problems = _json_file(path, layer)
    if value is not None and "hooks" not in value:
        problem = Problem(
            "it has no `hooks`, so none of its hooks counts",
            Source(layer, str(path), 1),
            'Write {"hooks": {EVENT: [ ... ]}}: the events of a plugin do not stand at the top.',
        )
        value, problems = None, (*problems, problem)
    if value is not None or problems:
        yield HookFile(layer, str(path), (value or {}).get("hooks"), plugin=plugin, problems=problems)


def _data_folder(name: str) -> Path:
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    return Path.home() / ".claude" / "plugins" / "data" / f"{safe}-inline"


# --- consent -------------------------------------------------------------------------------------------


def wanted_of(handler: Handler, project: Path) -> Wanted:
    """Return what consent is given to: the entry, and each file of the project that it runs."""
    said = [
        f"{name}: {value}"
        for name, value in (
            ("event", handler.event),
            ("matcher", handler.matcher),
            ("if", handler.condition),
            (str(handler.type), handler.label),
            ("args", " ".join(handler.args) if handler.args is not None else None),
            ("headers", ", ".join(f"{k}: {v}" for k, v in sorted(handler.headers.items()))),
        )
        if value
    ]
    said.append(f"entry: {handler.digest}")
    for path in scripts_of(handler, project):
        said += [f"--- {os.path.relpath(path, project)}", shown_of(path, SHOWN_OF_A_SCRIPT)]
    return Wanted(key=f"hook {handler.id} ({os.path.relpath(handler.where.file, project)})", text="\n".join(said))


def scripts_of(handler: Handler, project: Path) -> list[Path]:
    """Return the files of the project that a handler names and would run, as far as its words say so."""
    if handler.type is HandlerType.FUNCTION:
        said = [handler.function]
    elif handler.type is HandlerType.COMMAND:
        said = [handler.command, *(handler.args or ())]
    else:
        return []
    said = [text for text in said if len(text) < LONGEST_ARGUMENT]
    base = Path(handler.where.file).parent if handler.where.file else project
    found = dict.fromkeys(files_named(said, project, base))
    for path in list(found):
        kit = path.with_name(KIT)  # what `pegboard hooks add` has put beside it: it runs with the program
        if path.suffix == ".py" and kit.is_file():
            found.setdefault(kit.resolve())
    return list(found)


def wanted(view: SettingsView, project: Path) -> list[Wanted]:
    """Return what of a project runs only with consent: every hook that its own files declare."""
    table = load(hook_files(view, project), lambda handler: True)
    return [
        wanted_of(entry.handler, project) for entry in table.entries if entry.handler.where.layer in FROM_THE_FOLDER
    ]
