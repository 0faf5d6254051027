"""`if`: one permission rule that says for which calls a handler is worth running (hook-contract 2.4).

It is a filter, not a guard: what cannot be followed lets the hook run (hook-behaviour, i02).
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pegboard_builtins.wire_hooks.commands import follow

RULE = re.compile(r"(?P<tool>[A-Za-z_][\w-]*(?:\*)?)(?:\((?P<spec>.*)\))?", re.DOTALL)
COVERED_BY_EDIT = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})
COVERED_BY_READ = frozenset({"Read", "Glob", "Grep"})
PATH_KEYS = ("file_path", "notebook_path", "path")


def tool_of(condition: str) -> str:
    """Return the name of the tool that a rule is about; empty if it is no rule."""
    rule = RULE.fullmatch(condition.strip())
    return rule["tool"] if rule is not None else ""


def holds(condition: str, facts: Mapping[str, Any], folder: Path | None = None) -> bool:
    """Whether a call is one that *condition* names; an empty one always holds. *folder* is the settings file's."""
    if not condition:
        return True
    rule = RULE.fullmatch(condition.strip())
    if rule is None:
        return False
    tool, spec = rule["tool"], rule["spec"]
    name = str(facts.get("tool_name", ""))
    given = facts.get("tool_input")
    given = given if isinstance(given, dict) else {}
    if not _names(tool, name):
        return False
    if spec is None or spec.strip() in ("", "*"):
        return True
    if name == "Bash":
        return _command_matches(spec, str(given.get("command", "")))
    path = next((str(given[key]) for key in PATH_KEYS if given.get(key)), None)
    if path is not None:
        return path_matches(spec, path, Path(str(facts.get("cwd", "."))), folder)
    return any(fnmatch.fnmatchcase(str(value), spec) for value in given.values())


def _names(rule: str, tool: str) -> bool:
    if rule.startswith("mcp__"):
        return fnmatch.fnmatchcase(tool, rule) or tool.startswith(f"{rule}__")
    if rule == "Edit":
        return tool in COVERED_BY_EDIT
    if rule == "Read":
        return tool in COVERED_BY_READ
    return rule == tool


# --- Bash ----------------------------------------------------------------------------------------------

BARE = re.compile(r"[^\s*]+(?:\s*\*|:\*)?")
"""A pattern that is a command's name and nothing more."""


def _command_matches(spec: str, command: str) -> bool:
    followed = follow(command)
    if followed.unclear:
        return True
    if followed.dynamic and not BARE.fullmatch(spec.strip()):
        return True
    pattern = _command_pattern(spec)
    return any(pattern.fullmatch(one) for one in (*followed.commands, *followed.unquoted))


@lru_cache(maxsize=512)
def _command_pattern(spec: str) -> re.Pattern[str]:
    spec = spec.strip()
    if spec.endswith(":*"):
        spec = f"{spec[:-2]} *"  # hook-contract C26
    ends_open = spec.endswith(" *")
    body = spec[:-2] if ends_open else spec
    regex = ".*".join(map(re.escape, body.split("*")))
    return re.compile(regex + (r"(?:\s.*)?" if ends_open else ""), re.DOTALL)


# --- paths ---------------------------------------------------------------------------------------------


def path_matches(spec: str, path: str, cwd: Path, folder: Path | None) -> bool:
    """Whether a path is what a gitignore-like pattern names.

    `//x` is absolute, `~/x` in the home folder, `/x` beside the settings file, anything else in *cwd*; a pattern
    without a slash holds at any depth (hook-contract 2.4, C25).
    """
    if spec.startswith("//"):
        base, rest = Path("/"), spec[2:]
    elif spec.startswith("~/"):
        base, rest = Path.home(), spec[2:]
    elif spec.startswith("/"):
        base, rest = folder or cwd, spec[1:]
    else:
        base, rest = cwd, spec.removeprefix("./")
        if "/" not in rest and not spec.startswith("./"):
            rest = f"**/{rest}"
    relative = os.path.relpath(path if os.path.isabs(path) else cwd / path, base)
    if relative == ".." or relative.startswith("../"):
        return False
    return _path_pattern(rest).fullmatch(relative) is not None


@lru_cache(maxsize=512)
def _path_pattern(pattern: str) -> re.Pattern[str]:
    made = ""
    rest = pattern
    while rest:
        if rest.startswith("**/"):
            made, rest = f"{made}(?:.*/)?", rest[3:]
        elif rest.startswith("**"):
            made, rest = f"{made}.*", rest[2:]
        elif rest[0] == "*":
            made, rest = f"{made}[^/]*", rest[1:]
        elif rest[0] == "?":
            made, rest = f"{made}[^/]", rest[1:]
        else:
            made, rest = f"{made}{re.escape(rest[0])}", rest[1:]
    return re.compile(f"{made}(?:/.*)?" if not pattern.endswith("*") else made)
