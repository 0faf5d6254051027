"""Plugin folders in the contract's format: `.claude-plugin/plugin.json`, and what lies beside it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pegboard._dataclass import dataclass
from pegboard.errors import PegboardError

MANIFEST = Path(".claude-plugin") / "plugin.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
PARTS: Mapping[str, str] = {"commands": "commands", "agents": "agents", "skills": "skills"}
"""What a folder brings as files, each with where it lies if the manifest does not say."""
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "version": str,
    "description": str,
    "commands": (str, list, dict),
    "agents": (str, list),
    "skills": (str, list),
    "hooks": (str, list, dict),
    "mcpServers": (str, list, dict),
    "userConfig": dict,
}
"""What the manifest may hold under the names that are read here; others are left alone."""
LARGEST = 1024 * 1024
"""Bytes of a manifest."""


class PluginFolderError(PegboardError):
    """A folder is no plugin folder: which file, which line, and what is wrong with it."""

    def __init__(self, problem: str, file: Path, line: int | None = None) -> None:
        self.problem = problem
        self.file = file
        self.line = line
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}")


@dataclass(frozen=True)
class PluginFolder:
    """A plugin folder that takes part. `layer` is that of the settings that name it, "pack" where a pack brings it.

    `owner` is the pack's plugin. `options` has the values of the manifest's `userConfig`, as texts.
    """

    name: str
    root: Path
    layer: str = ""
    owner: str = ""
    version: str = ""
    description: str = ""
    manifest: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    def paths(self, part: str) -> list[Path]:
        """Return the files and folders that have the folder's commands, agents or skills, as far as they exist.

        What the manifest names takes the place of the usual folder; skills are added to it (hook-contract 3.1).
        """
        said = self.manifest.get(part)
        usual = [self.root / PARTS[part]]
        named = [path for path, inside in self._named(said) if inside]
        wanted = named if said is not None and part != "skills" else [*usual, *named]
        return [path for path in dict.fromkeys(wanted) if path.exists()]

    def has(self, part: str) -> bool:
        """Whether it brings any commands, agents or skills, hooks or servers."""
        if part == "hooks":
            return bool(self.manifest.get("hooks")) or (self.root / "hooks" / "hooks.json").is_file()
        if part == "servers":
            return next(self.servers(), None) is not None
        return bool(self.paths(part))

    def servers(self) -> Iterator[tuple[str, Mapping[str, Any], Path]]:
        """Go through its MCP servers: name, what is said of it, and the file that says so. Raises PluginFolderError.

        `.mcp.json`, and the manifest's `mcpServers` (a path, a list of paths, or an object). What is said may hold
        `${CLAUDE_PLUGIN_ROOT}`, which stands for `root`.
        """
        said = self.manifest.get("mcpServers")
        files = [self.root / ".mcp.json"]
        files += [path for path, inside in self._named(said if not isinstance(said, dict) else None) if inside]
        tables: list[tuple[Any, Path]] = [(read_object(file), file) for file in dict.fromkeys(files) if file.is_file()]
        if isinstance(said, dict):
            tables.append((said, self.root / MANIFEST))
        for table, file in tables:
            inner = table.get("mcpServers", table)
            if not isinstance(inner, dict):
                raise PluginFolderError("`mcpServers` is no object", file)
            for name, facts in inner.items():
                if not isinstance(facts, dict):
                    raise PluginFolderError(f"the server {name!r} is no object", file)
                yield str(name), facts, file

    def outside(self) -> list[str]:
        """Return what the manifest names that lies outside of the folder."""
        said = [self.manifest.get(part) for part in (*PARTS, "mcpServers")]
        return [str(path) for one in said for path, inside in self._named(one) if not inside]

    def _named(self, said: Any) -> Iterator[tuple[Path, bool]]:
        """Go through the paths of a manifest's entry, and whether each lies inside the folder."""
        if isinstance(said, dict):
            said = [one.get("source") for one in said.values() if isinstance(one, dict)]
        for one in [said] if isinstance(said, str) else said if isinstance(said, list) else ():
            if isinstance(one, str):
                path = (self.root / one).resolve()
                yield path, path.is_relative_to(self.root)


@dataclass(frozen=True)
class Place:
    """Where Markdown files of a kind (commands, agents, skills) may lie: a folder, or one file.

    `origin` is user, pack or project; `folder` is the plugin folder that brings it.
    """

    root: Path
    kind: str
    origin: str
    folder: PluginFolder | None = None


def places_of(
    kinds: Sequence[str], project: Path, config_dir: Path, folders: Iterable[PluginFolder], *, claude: bool
) -> Iterator[Place]:
    """Go through the places of some kinds in the order in which names count: of the user, plugin folders, the project.

    *claude* says whether the contract's own folders count beside ours (hook-contract 3).
    """
    theirs = Path(os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude"))
    for kind in kinds:
        yield Place(config_dir / kind, kind, "user")
        if claude:
            yield Place(theirs / kind, kind, "user")
    for folder in folders:
        for kind in kinds:
            yield from (Place(path, kind, "pack", folder) for path in folder.paths(kind))
    for kind in kinds:
        yield Place(project / ".pegboard" / kind, kind, "project")
        if claude and project / ".claude" != theirs:
            yield Place(project / ".claude" / kind, kind, "project")


def read_plugin_folder(
    root: Path, layer: str = "", *, owner: str = "", options: Mapping[str, Mapping[str, str]] | None = None
) -> PluginFolder:
    """Read what a folder says of itself. Raises PluginFolderError.

    The manifest may be missing: then the folder has its own name. *options* are values of `userConfig`, by plugin.
    """
    root = root.resolve()
    if not root.is_dir():
        raise PluginFolderError("there is no such plugin folder", root)
    file = root / MANIFEST
    manifest = read_object(file) if file.is_file() else {}
    for key, kinds in KINDS.items():
        if key in manifest and not isinstance(manifest[key], kinds):
            raise PluginFolderError(f"`{key}` is {type(manifest[key]).__name__}, which it cannot be", file, 1)
    name = str(manifest.get("name") or root.name)
    if not NAME.fullmatch(name):
        raise PluginFolderError(f"{name!r} is no name of a plugin: letters, digits, `-`, `_` and `.`", file, 1)
    return PluginFolder(
        name=name,
        root=root,
        layer=layer,
        owner=owner,
        version=str(manifest.get("version") or ""),
        description=str(manifest.get("description") or ""),
        manifest=manifest,
        options=_options(manifest, (options or {}).get(name, {})),
    )


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises PluginFolderError with the line."""
    try:
        content = file.read_bytes()
    except OSError as wrong:
        raise PluginFolderError(f"cannot be read: {wrong.strerror}", file) from None
    if len(content) > LARGEST:
        raise PluginFolderError(f"has {len(content):,} bytes; more than {LARGEST:,} are not read", file)
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise PluginFolderError("is no UTF-8", file) from None
    except json.JSONDecodeError as wrong:
        raise PluginFolderError(f"is no JSON: {wrong.msg}", file, wrong.lineno) from None
    except RecursionError:
        raise PluginFolderError("is nested too deeply", file, 1) from None
    if not isinstance(value, dict):
        raise PluginFolderError("is no JSON object", file, 1)
    return value


def _options(manifest: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for key, facts in (manifest.get("userConfig") or {}).items():
        value = said.get(key, facts.get("default") if isinstance(facts, dict) else None)
        if value is not None:
            found[str(key)] = value if isinstance(value, str) else json.dumps(value)
    return found
