"""What is known of this environment's plugins without importing one: two files in the state folder.

`found-KEY` has the entry points, as the folders on `sys.path` had them when they were last read; `plugins-KEY` has
each plugin's manifest (see manifest.py), as its last import showed it. KEY stands for the interpreter, its prefix and
the host's version, so that environments do not take turns in one file.

Neither file is ever believed for longer than what it was made from: entry points hold while no folder on the path and
none of the files that were read has changed; a manifest holds while, beside that, the plugin's own source has not. A
file that is torn, or of somebody else, counts as absent (see kept.py). Both are replaced whole, and to be rid of them
is to be slow once.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

from pegboard import __version__
from pegboard._board import kept
from pegboard._board.installed import POINTS, distinct, folders_of, metadata_in, points_of

FORMAT = 8
GROUPS = ("pegboard", "pydantic")
"""The groups of entry points that are kept: our own, and the one whose emptiness spares pydantic a search."""
SWITCH = "PEGBOARD_SNAPSHOT"
"""`off` in this variable does without: nothing is read, nothing is kept."""
SLACK_NS = 2_000_000_000
"""What changed less than this ago may change again without its time telling: such a folder or file is not relied on."""

Stamp = tuple[int, int]
"""When a file was last changed (ns), and its size; (0, 0) where there is none."""


def stamp_of(path: str) -> Stamp:
    """Return what changes when a file does."""
    try:
        facts = os.stat(path)
    except OSError:
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)


class Known:
    """A distribution as the file has it: what plugins need of the library's `dist`."""

    __slots__ = ("folder", "name", "version")

    def __init__(self, name: str, version: str, folder: str) -> None:
        self.name = name
        self.version = version
        self.folder = folder
        """Where its metadata lies."""


class KnownPoint:
    """An entry point as the file has it."""

    __slots__ = ("dist", "name", "value")

    def __init__(self, name: str, value: str, dist: Known) -> None:
        self.name = name
        self.value = value
        self.dist = dist


class Snapshot:
    """The two files of one environment. Nothing is read before somebody asks, nothing is written before `save`."""

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        self._keeps = keeps
        self._key = (FORMAT, __version__, sys.version, sys.prefix)
        self._folder = str(folder)
        self._suffix = f"-{crc32(repr(self._key).encode()):08x}"
        self._found: dict[str, Any] | None = None
        self._plugins: dict[str, Any] | None = None
        self._stamps: dict[str, Stamp] = {}
        self._began = time.time_ns()
        self._changed = False
        self._more = False
        self.reason = ""
        """Why the entry points had to be read anew; empty where the file was good."""
        self.reread: dict[str, str] = {}
        """The plugins whose manifest did not hold, and why."""

    @classmethod
    def of(cls, state_dir: Path, switch: str = "", *, keeps: bool = True) -> Snapshot | None:
        """Return the snapshot of a state folder; None where *switch* says that there shall be none.

        One that *keeps* nothing only reads.
        """
        if switch.strip().lower() in ("off", "0", "false", "no"):
            return None
        return cls(state_dir / "snapshot", keeps=keeps)

    # --- entry points ----------------------------------------------------------------------------------

    def points(self, group: str = GROUPS[0]) -> list[KnownPoint] | None:
        """Return the entry points of a group; None where the path has more on it than folders."""
        found = self._read_found()
        if found is None:
            return None
        return _points_in(found, group)

    @property
    def environment(self) -> int:
        """What changes when any distribution comes, goes or is replaced by another version."""
        found = self._read_found()
        return int(found["environment"]) if found is not None else 0

    def _read_found(self) -> dict[str, Any] | None:
        if self._found is None:
            folders = folders_of(sys.path)
            if folders is None:
                return None
            stored = kept.load(self._file("found"))
            self.reason = _why_not(stored, self._key, folders)
            self._found = stored if not self.reason else self._look(folders)
        return self._found

    def _look(self, folders: dict[str, int]) -> dict[str, Any]:
        """Read the folders, and keep what they have if it can be told later whether they have changed."""
        inside = {folder: metadata_in(folder) for folder in folders}
        points: dict[str, list[tuple[str, str, str, str, str]]] = {group: [] for group in GROUPS}
        watched: dict[str, Stamp] = {}
        names: list[str] = []
        for dist in distinct(inside):
            names.append(dist.folder)
            here = points_of(dist, *GROUPS)
            if here or not dist.folder.endswith(".dist-info"):
                watched[dist.folder] = stamp_of(f"{dist.folder}{os.sep}{POINTS}")
            if here:
                heads = dist.heads
                owner = (heads.get("Name", ""), heads.get("Version", ""), dist.folder)
                for group, members in here.items():
                    points[group] += [(one.name, one.value, *owner) for one in members]
        found = {
            "key": self._key,
            "full": {folder: changed for folder, changed in folders.items() if inside[folder]},
            "bare": {folder: changed for folder, changed in folders.items() if not inside[folder]},
            "watched": watched,
            "points": points,
            "prints": {},
            "environment": crc32("\n".join(names).encode()),
        }
        if self._lasts(found):
            self._write("found", found)
        return found

    def _lasts(self, found: dict[str, Any]) -> bool:
        """Whether it can be told later that something of it has changed."""
        newest = max([*found["full"].values(), *(changed for changed, _ in found["watched"].values())], default=0)
        return bool(newest < self._began - SLACK_NS)

    # --- fingerprints ----------------------------------------------------------------------------------

    def print_of(self, folder: str) -> str:
        """Return the fingerprint of the distribution whose metadata folder this is (see fingerprint.py)."""
        found = self._read_found()
        kept = found["prints"].get(folder) if found is not None else None
        if kept is not None and self._holds(kept[1]):
            return str(kept[0])
        from pegboard._board.fingerprint import fingerprint

        made = fingerprint(folder)
        stamps = {file: stamp_of(file) for file in made.files}
        if found is not None and max(changed for changed, _ in stamps.values()) < self._began - SLACK_NS:
            found["prints"][folder] = [str(made), stamps]
            self._more = True
        return str(made)

    # --- manifests -------------------------------------------------------------------------------------

    def manifest(self, distribution: str, version: str, name: str, value: str) -> dict[str, Any] | None:
        """Return what is known of a plugin; None if that is nothing, or does not hold any more."""
        kept = self._kept()
        entry = kept["plugins"].get(f"{distribution} {name}")
        if entry is None:
            return self._carried(distribution, version, name, value)
        why = ""
        if [entry["version"], entry["value"]] != [version, value]:
            why = "it is another version"
        elif not self._holds(kept["sources"].get(entry["source"], {})):
            why = "its source has changed"
        if why:
            self.reread[name] = why
            del kept["plugins"][f"{distribution} {name}"]
            self._changed = True
            return None
        manifest: dict[str, Any] = entry["manifest"]
        return manifest

    def keep(self, distribution: str, version: str, name: str, value: str, manifest: dict[str, Any]) -> None:
        """Keep what an import has shown of a plugin, if it can be told later whether its source has changed."""
        source = _source_of(_package_of(value))
        if source is not None:
            self._keep(f"{distribution} {name}", version, value, source, manifest)

    def _carried(self, distribution: str, version: str, name: str, value: str) -> dict[str, Any] | None:
        """Return the manifest that a distribution brings along; keep it like one that an import has shown."""
        found = self._read_found()
        place = next((one[4] for one in found["points"][GROUPS[0]] if one[2] == distribution), "") if found else ""
        if not place:
            return None
        from pegboard._board.carried import carried

        brought = carried(Path(place).parent, name, value, version)
        if brought is None:
            return None
        manifest, files = brought
        self._keep(f"{distribution} {name}", version, value, {file: stamp_of(file) for file in files}, manifest)
        return manifest

    def _keep(self, key: str, version: str, value: str, source: dict[str, Stamp], manifest: dict[str, Any]) -> None:
        if max((changed for changed, _ in source.values()), default=0) > self._began - SLACK_NS:
            return
        package = _package_of(value)
        kept = self._kept()
        known = kept["sources"].setdefault(package, {})
        if not self._holds(known):  # what else was made from it does not hold either
            kept["plugins"] = {each: one for each, one in kept["plugins"].items() if one["source"] != package}
            known.clear()
        known.update(source)
        self._stamps.update(source)
        entry = {"version": version, "value": value, "source": package, "manifest": manifest}
        before = kept["plugins"].get(key)
        kept["plugins"][key] = entry
        # How long the import took differs each time; who is imported each time must not have it written each time.
        self._changed |= before is None or _timeless(before) != _timeless(entry)

    def forget(self, distribution: str, name: str, why: str) -> None:
        """Drop a manifest that turned out to be wrong."""
        self.reread[name] = why
        if self._kept()["plugins"].pop(f"{distribution} {name}", None) is not None:
            self._changed = True

    def save(self) -> None:
        """Write the manifests, if there are others than before. A state folder that cannot be written is no error."""
        if self._changed and self._plugins is not None:
            self._write("plugins", self._plugins)
            self._changed = False
        if self._more and self._found is not None and self._lasts(self._found):
            self._write("found", self._found)
            self._more = False

    def _kept(self) -> dict[str, Any]:
        if self._plugins is None:
            key = (*self._key, self.environment, _host_code())
            stored = kept.load(self._file("plugins"))
            if stored.get("key") != key or not isinstance(stored.get("plugins"), dict):
                stored = {"key": key, "sources": {}, "plugins": {}}
            self._plugins = stored
        return self._plugins

    def _holds(self, source: dict[str, Any]) -> bool:
        """Whether files are as they were."""
        for path, then in source.items():
            now = self._stamps.get(path)
            if now is None:
                now = self._stamps[path] = stamp_of(path)
            if now != tuple(then):
                return False
        return True

    # --- for people ------------------------------------------------------------------------------------

    def knows(self, name: str) -> bool:
        """Whether there is a manifest of a plugin of this name."""
        return any(key.partition(" ")[2] == name for key in self._kept()["plugins"])

    def imported_each_time(self) -> dict[str, str]:
        """Return the plugins that cannot be known without importing them, each with the reason."""
        entries = self._kept()["plugins"].items()
        found = {key.partition(" ")[2]: entry["manifest"].get("by_import") for key, entry in entries}
        return {name: why for name, why in found.items() if why}

    def read_anew(self) -> Iterator[tuple[str, str]]:
        """Go through what of the snapshot did not hold this time: the entry points or a plugin, and why."""
        if self.reason:
            yield "entry points", self.reason
        yield from sorted(self.reread.items())

    # --- files -----------------------------------------------------------------------------------------

    def _file(self, kind: str) -> str:
        return f"{self._folder}{os.sep}{kind}{self._suffix}"

    def _write(self, kind: str, what: dict[str, Any]) -> None:
        if self._keeps:
            kept.save(self._file(kind), what)


def _timeless(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "manifest": {**entry["manifest"], "import_ms": 0}}


def _why_not(stored: dict[str, Any], key: tuple[Any, ...], folders: dict[str, int]) -> str:
    """Return why the stored entry points do not hold for a path; empty if they do."""
    if stored.get("key") != key:
        return "there is none yet, or it cannot be read"
    full, bare = stored["full"], stored["bare"]
    here = []
    for folder, changed in folders.items():
        if folder in full:
            here.append(folder)
            if full[folder] != changed:
                return f"{folder} has changed"
        elif bare.get(folder) != changed and metadata_in(folder):  # a working folder changes all the time
            return f"{folder} has distributions"
    if here != list(full):
        return "the path has changed"
    for folder, then in stored["watched"].items():
        if stamp_of(f"{folder}{os.sep}{POINTS}") != then:
            return f"{folder}{os.sep}{POINTS} has changed"
    return ""


def _points_in(found: dict[str, Any], group: str) -> list[KnownPoint]:
    dists: dict[str, Known] = {}
    points = []
    for name, value, owner, version, folder in found["points"].get(group, ()):
        if folder not in dists:
            dists[folder] = Known(owner, version, folder)
        points.append(KnownPoint(name, value, dists[folder]))
    return points


def _package_of(value: str) -> str:
    return value.partition(":")[0].partition(".")[0].strip()


def source_files(value: str) -> list[str]:
    """Return the source files of a plugin's package as far as it is imported; none if one of its modules has none."""
    return list(_source_of(_package_of(value)) or ())


def _source_of(package: str) -> dict[str, Stamp] | None:
    """Return the source files of a package as far as it is imported; None if one of its modules has none."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name != package and not name.startswith(f"{package}."):
            continue
        file = getattr(module, "__file__", None)
        if file is None:
            if getattr(module, "__path__", None) is not None:
                continue  # a folder without an __init__.py
            return None
        found[file] = stamp_of(file)
        if not found[file][0]:
            return None
    return found


def _host_code() -> int:
    """Return what changes when the host's own code does, where that is edited in place; 0 where pip has put it."""
    here = Path(__file__).parents[1]
    if any(name.startswith("pegboard-") for name in metadata_in(str(here.parent))):
        return 0
    return crc32(repr([(path, stamp_of(path)) for path in sorted(_python_in(here, here / "_board"))]).encode())


def _python_in(*folders: Path) -> Iterator[str]:
    for folder in folders:
        yield from (entry.path for entry in os.scandir(folder) if entry.name.endswith(".py"))
