"""Plugins that nobody installs: single files, and folders in the contract's format that the settings name.

Neither is imported or run to be found. What lies in the project takes part only with the user's consent, which holds
for the content as it was shown.
"""

from __future__ import annotations

import os
import sys
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from pegboard._board.discovery import PluginRecord, Status
from pegboard._board.order import Tier
from pegboard.context import Wanted, shown_of
from pegboard.plugin_folders import NAME, PluginFolder, PluginFolderError, read_plugin_folder
from pegboard.settings import FROM_THE_FOLDER, SettingsView

PLACE = ".pegboard/plugins"
PREFIX = "pegboard_file_"
SHOWN = 64 * 1024
"""Bytes of a file that are shown to whoever is asked for consent; of a larger one, its hash."""
FILES, BYTES = 2_000, 64 * 1024 * 1024
"""How much of a folder is looked at; one that has more takes no part, because nobody could have read it."""

Consented = Callable[[Wanted], bool]


# --- single files --------------------------------------------------------------------------------------


class FilePlugins:
    """Finds the modules of single-file plugins: names that nobody else has, one for each path."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}

    def name_of(self, path: Path) -> str:
        """Return the module that this file is imported as."""
        stem = "".join(c if c.isalnum() else "_" for c in path.stem)
        name = f"{PREFIX}{stem}_{crc32(str(path).encode(errors='surrogateescape')):08x}"
        self._paths[name] = str(path)
        if self not in sys.meta_path:
            sys.meta_path.append(self)
        return name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        if name not in self._paths:
            return None
        from importlib.util import spec_from_file_location

        return spec_from_file_location(name, self._paths[name])


_files = FilePlugins()


def file_plugins(project: Path, config_dir: Path, consented: Consented) -> list[PluginRecord]:
    """Return a record for each single-file plugin: the user's own, and the project's."""
    found = [_of_file(path, Tier.USER, "user file") for path in _python_files(config_dir / "plugins")]
    for path in _python_files(project / PLACE):
        record = _of_file(path, Tier.PROJECT, "project file")
        if record.status is Status.FOUND and not consented(wanted_file(path, project)):
            _not_trusted(record)
        found.append(record)
    return found


def _python_files(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / name for name in names if name.endswith(".py") and not name.startswith(("_", "."))]


def _of_file(path: Path, tier: Tier, kind: str) -> PluginRecord:
    record = PluginRecord(path.stem, _files.name_of(path), kind, tier=tier, path=path)
    if not path.stem.isidentifier():
        record.fail(Status.LOAD_ERROR, f"{path.name} is no name of a module", "rename it: letters, digits and `_`")
    return record


def wanted_file(path: Path, project: Path) -> Wanted:
    """Return what consent to a plugin of one file is given to."""
    return Wanted(key=f"plugin {os.path.relpath(path, project)}", text=_content(path))


# --- folders -------------------------------------------------------------------------------------------


def folder_plugins(
    view: SettingsView, project: Path, consented: Consented
) -> list[tuple[PluginRecord, PluginFolder | None]]:
    """Return a record for each plugin folder that the settings name, with the folder where it could be read."""
    options = _options(view)
    return [
        _of_folder(root, str(layer), layer in FROM_THE_FOLDER, options, project, consented)
        for root, layer in _named(view, project)
    ]


def _options(view: SettingsView) -> Mapping[str, Mapping[str, str]]:
    said = view.table("plugins").get("options")
    return said if isinstance(said, dict) else {}


def _named(view: SettingsView, project: Path) -> Iterator[tuple[Path, Any]]:
    """Go through the folders that count, each once; a relative one lies beside the file that names it."""
    seen: set[Path] = set()
    for said in view.said("plugins", "folders"):
        if not said.counts or not isinstance(said.value, list | tuple):
            continue
        file = Path(said.source.file)
        base = file.parent if file.is_absolute() else project
        for name in said.value:
            root = (base / os.path.expanduser(str(name))).resolve()
            if root not in seen:
                seen.add(root)
                yield root, said.source.layer


def _of_folder(
    root: Path,
    layer: str,
    from_project: bool,
    options: Mapping[str, Mapping[str, str]],
    project: Path,
    consented: Consented,
) -> tuple[PluginRecord, PluginFolder | None]:
    tier = Tier.PROJECT if from_project else Tier.USER
    name = root.name if NAME.fullmatch(root.name) else "folder"
    record = PluginRecord(name, str(root), "plugin folder", tier=tier, path=root, plugin=object())
    try:
        folder = read_plugin_folder(root, layer, options=options)
    except PluginFolderError as error:
        record.fail(Status.LOAD_ERROR, str(error), "mend it, or take it out of plugins.folders")
        return record, None
    record.name, record.version = folder.name, folder.version
    if from_project or root.is_relative_to(project):
        wanted = wanted_folder(folder, project)
        if wanted is None:
            record.fail(Status.LOAD_ERROR, f"has more than {FILES:,} files or {BYTES:,} bytes", "make it smaller")
        elif not consented(wanted):
            _not_trusted(record)
    return record, folder


def wanted_folder(folder: PluginFolder, project: Path) -> Wanted | None:
    """Return what consent to a folder is given to: all of its files. None for one that has too many."""
    texts: list[str] = []
    size = 0
    for count, path in enumerate(_files_under(folder.root)):
        size += path.stat().st_size if path.is_file() else 0
        if count >= FILES or size > BYTES:
            return None
        texts += [f"--- {path.relative_to(folder.root)}", _content(path)]
    return Wanted(key=f"plugin folder {os.path.relpath(folder.root, project)}", text="\n".join(texts))


def _files_under(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = sorted(name for name in folders if name != ".git")
        yield from (Path(folder) / name for name in sorted([*names, *links]))


def _content(path: Path) -> str:
    if path.is_dir():
        return f"(a link to {os.readlink(path)}, which is not looked into)"
    return shown_of(path, SHOWN)


# --- both ----------------------------------------------------------------------------------------------


def _not_trusted(record: PluginRecord) -> None:
    record.fail(Status.UNTRUSTED, "nobody consented to it as it is now", "look at it and consent with `pegboard trust`")


def settle_names(records: Sequence[PluginRecord]) -> None:
    """Let a name belong to one plugin: what is installed has it before a file, a file before a folder."""
    owners: dict[str, PluginRecord] = {}
    for record in records:
        if record.status is not Status.FOUND:
            continue
        first = owners.setdefault(record.name, record)
        if first is not record:
            why = f"{_owner(first)} has this name, too, and comes first"
            record.fail(Status.LOAD_ERROR, why, f"rename {record.path}")


def _owner(record: PluginRecord) -> str:
    return str(record.path) if record.path else f"{record.distribution} {record.version}".strip() or record.value


def brought(owner: PluginRecord, root: Path) -> tuple[PluginRecord, PluginFolder | None]:
    """Return the record of a folder that a pack brings, and the folder where it can be read."""
    record = PluginRecord(root.name, str(root), owner.distribution, owner.version, owner.tier, path=root)
    try:
        folder = read_plugin_folder(root, "pack", owner=owner.name)
    except PluginFolderError as error:
        record.fail(Status.LOAD_ERROR, str(error), f"tell the author of {owner.name}")
        return record, None
    record.name = folder.name
    return record, folder


def wanted_here(project: Path, view: SettingsView) -> list[Wanted]:
    """Return what of a project runs only with consent: its single files, and its folders."""
    found = [wanted_file(path, project) for path in _python_files(project / PLACE)]
    for root, layer in _named(view, project):
        if layer not in FROM_THE_FOLDER and not root.is_relative_to(project):
            continue
        try:
            wanted = wanted_folder(read_plugin_folder(root), project)
        except PluginFolderError:
            continue
        if wanted is not None:
            found.append(wanted)
    return found
