"""The `permissions` object of .claude settings files; what is malformed costs only itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pegboard.settings import SettingsLayer, Source
from pegboard.typed import dataclass
from pegboard_builtins.permissions.settings import LISTS

# Not compiled here: only a file that is no JSON needs them.
_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT_OR_STRING = rf"{_STRING}|//[^\n]*|/\*.*?\*/"
_TRAILING_COMMA_OR_STRING = rf"{_STRING}|,(?=\s*[\]}}])"


@dataclass(frozen=True)
class Entry:
    """One word of a settings file, and where it stands."""

    value: str
    source: Source


@dataclass(frozen=True)
class ClaudeFile:
    """What a file says about permissions. `problems` name file and line."""

    allow: tuple[Entry, ...] = ()
    ask: tuple[Entry, ...] = ()
    deny: tuple[Entry, ...] = ()
    mode: Entry | None = None
    directories: tuple[Entry, ...] = ()
    problems: tuple[str, ...] = ()


def claude_paths(project: Path) -> tuple[tuple[Path, SettingsLayer], ...]:
    """Return the files that count for a project, lowest first."""
    return (
        (Path.home() / ".claude" / "settings.json", SettingsLayer.USER),
        (project / ".claude" / "settings.json", SettingsLayer.PROJECT),
        (project / ".claude" / "settings.local.json", SettingsLayer.LOCAL),
    )


def read_claude_file(path: Path, layer: SettingsLayer) -> ClaudeFile | None:
    """Read one file; None if there is none. Never raises for what is in it."""
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as wrong:
        return ClaudeFile(problems=(f"{path}: cannot be read: {wrong.strerror}; its permission rules do not count",))
    return _Reading(path, layer, text).read()


class _Reading:
    def __init__(self, path: Path, layer: SettingsLayer, text: str) -> None:
        self.path = path
        self.layer = layer
        self.text = text
        self.problems: list[str] = []

    def read(self) -> ClaudeFile:
        table = self._permissions()
        lists = {key: self._entries(table, key) for key in (*LISTS, "additionalDirectories")}
        mode = table.get("defaultMode")
        if mode is not None and not isinstance(mode, str):
            self._problem("permissions.defaultMode is no text", self._line_of("defaultMode"))
            mode = None
        return ClaudeFile(
            lists["allow"],
            lists["ask"],
            lists["deny"],
            Entry(mode, self._source(self._line_of(mode))) if mode else None,
            lists["additionalDirectories"],
            tuple(self.problems),
        )

    def _permissions(self) -> dict[str, Any]:
        """Return the `permissions` object; from a file that is no JSON, what restricts is saved by its brackets."""
        try:
            whole = json.loads(self.text, object_pairs_hook=_joined)
        except (ValueError, RecursionError) as wrong:
            line = wrong.lineno if isinstance(wrong, json.JSONDecodeError) else 1
            self._problem(f"is no JSON: {getattr(wrong, 'msg', wrong)}", line)
            return self._salvage()
        table = whole.get("permissions", {}) if isinstance(whole, dict) else None
        if isinstance(table, dict):
            return table
        self._problem("permissions is no object" if isinstance(whole, dict) else "is no object", 1)
        return {}

    def _salvage(self) -> dict[str, Any]:
        tidy = re.sub(_COMMENT_OR_STRING, lambda m: m[0] if m[0][0] == '"' else " ", self.text, flags=re.DOTALL)
        tidy = re.sub(_TRAILING_COMMA_OR_STRING, lambda m: m[0] if m[0][0] == '"' else "", tidy, flags=re.DOTALL)
        try:
            whole = json.loads(tidy, object_pairs_hook=_joined)
            if isinstance(whole, dict) and isinstance(whole.get("permissions"), dict):
                return dict(whole["permissions"])
        except (ValueError, RecursionError):
            pass
        # Only what restricts: an allow rule from a broken file might have been meant to be something else.
        return {key: self._salvaged_list(tidy, key) for key in ("ask", "deny")}

    def _salvaged_list(self, tidy: str, key: str) -> list[str]:
        found: list[str] = []
        for match in re.finditer(rf'"{key}"\s*:\s*\[?', tidy):
            at = match.end()
            while True:
                string = re.compile(r"[\s,]*").match(tidy, at)
                at = string.end() if string else at
                entry = re.compile(_STRING).match(tidy, at)
                if entry is None:
                    break
                following = re.compile(r"\s*:").match(tidy, entry.end())
                if following is not None:
                    break  # the next key: this list was never closed
                try:
                    found.append(json.loads(entry[0], strict=False))
                except ValueError:
                    self._problem(f"permissions.{key}: {entry[0]} is no text", self._line_of(entry[0]))
                at = entry.end()
        return found

    def _entries(self, table: dict[str, Any], key: str) -> tuple[Entry, ...]:
        values = table.get(key, [])
        if isinstance(values, str):
            values = [values]
        if not isinstance(values, list):
            self._problem(f"permissions.{key} is no list", self._line_of(key))
            return ()
        start = self._offset(f'"{key}"', max(self._offset('"permissions"', 0), 0))
        entries = []
        for value in values:
            if isinstance(value, str):
                entries.append(Entry(value, self._source(self._line_of(value, start))))
            else:
                line = self.text.count("\n", 0, max(start, 0)) + 1
                self._problem(f"permissions.{key}: {json.dumps(value)} is no text", line)
        return tuple(entries)

    def _offset(self, needle: str, start: int) -> int:
        return self.text.find(needle, start)

    def _line_of(self, value: str, start: int = 0) -> int | None:
        """Return the line on which a text stands, as JSON may have written it."""
        for needle in (json.dumps(value), json.dumps(value, ensure_ascii=False), value):
            for begin in (max(start, 0), 0):
                at = self._offset(needle, begin)
                if at >= 0:
                    return self.text.count("\n", 0, at) + 1
        return None

    def _source(self, line: int | None) -> Source:
        return Source(self.layer, str(self.path), line)

    def _problem(self, problem: str, line: int | None) -> None:
        where = f"{self.path}:{line}" if line else str(self.path)
        self.problems.append(f"{where}: {problem}; what is well-formed still counts")


def _joined(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a key that is written twice must not lose a rule, so lists add up and objects merge."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        old = table.get(key)
        if isinstance(old, list) and isinstance(value, list):
            table[key] = old + value
        elif isinstance(old, dict) and isinstance(value, dict):
            table[key] = {
                **old,
                **value,
                **{
                    name: old[name] + value[name]
                    for name in old.keys() & value.keys()
                    if isinstance(old[name], list) and isinstance(value[name], list)
                },
            }
        else:
            table[key] = value
    return table
