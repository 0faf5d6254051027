"""Names that nobody declares, in files and in code; flags that are expired, never read, or dead."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from pegboard.context import HostView
from pegboard.errors import SettingsError
from pegboard.flags import Flag, nearest_flag
from pegboard.typed import dataclass
from pegboard_builtins.flags.recorded import Ran, read_session

READERS = frozenset({"get", "boolean", "integer", "number", "string", "table", "details", "peek"})
OPENFEATURE = frozenset(
    f"get_{kind}_{what}"
    for kind in ("boolean", "string", "integer", "float", "object")
    for what in ("value", "details")
)
GATING = {"flag": ("hookimpl", "tool", "Section", "gate"), "ramp": ("hookimpl", "gate"), "name": ("ramp_of",)}
DECLARING = frozenset({"flag", "ramp", "Flag"})
SESSIONS_TO_BE_DEAD = 20
"""In so many sessions a flag must have had one value before it is called dead."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that lint found. `wrong` makes the exit code 1; the others are worth a look."""

    kind: str
    flag: str
    text: str
    file: str = ""
    line: int | None = None
    suggestion: str | None = None
    wrong: bool = True

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        hint = f" Did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{where}{self.kind}: {self.text}{hint}"

    def as_dict(self) -> dict[str, Any]:
        """Return it for --json."""
        return asdict(self)


def lint(host: HostView, paths: list[Path]) -> list[Finding]:
    """Look at files, at the code of all plugins and of *paths*, and at what sessions read."""
    flags = host.flags()
    mentions = list(mentions_in(code_of(host, paths)))
    found = [*in_files(host), *typing_errors(flags, mentions), *expired(flags)]
    used = {name for name, _, _ in mentions} | {gate.flag for gate in host.gates()}
    ran = [read_session(host, path) for path in host.sessions(everywhere=True)]
    return [*found, *never_read(flags, used, ran), *dead(flags, ran)]


def in_files(host: HostView) -> Iterator[Finding]:
    """Go through what is wrong in settings, variables and options."""
    try:
        problems = host.resolve_flags().problems
    except SettingsError as error:
        problems = [error]
    for one in problems:
        kind = "unknown" if getattr(one, "nearest", None) is not None else "wrong"
        yield Finding(kind, getattr(one, "flag", ""), one.problem, str(one.file or ""), one.line)


def code_of(host: HostView, paths: list[Path]) -> Iterator[Path]:
    """Go through the Python files of the plugins that take part, and of *paths*."""
    seen: set[Path] = set()
    for path in [*_plugin_paths(host), *paths]:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file not in seen and file.suffix == ".py":
                seen.add(file)
                yield file


def _plugin_paths(host: HostView) -> Iterator[Path]:
    import inspect

    for _, plugin in host.plugins().values():
        if plugin is None:
            continue
        module = plugin if inspect.ismodule(plugin) else inspect.getmodule(type(plugin))
        file = getattr(module, "__file__", None)
        if file:
            path = Path(file)
            yield path.parent if (path.parent / "__init__.py").is_file() else path


def mentions_in(files: Iterator[Path]) -> Iterator[tuple[str, Path, int]]:
    """Go through (flag, file, line) of all flags that code names."""
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            tree = ast.parse(text) if "flag" in text or "ramp" in text else ast.Module([], [])
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            for name in _named(node):
                yield name, file, getattr(node, "lineno", 0)


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Subscript) and _is_flags(node.value):
        yield from _text(node.slice)
    elif isinstance(node, ast.Call):
        function = node.func
        called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if (
            isinstance(function, ast.Attribute) and called in READERS and _is_flags(function.value)
        ) or called in OPENFEATURE:
            yield from _text(*node.args[:1])
        elif called == "ramp_of":
            yield from _text(*node.args[1:2])
        for keyword in node.keywords:
            if called in GATING.get(keyword.arg or "", ()):
                yield from _text(keyword.value)


def _is_flags(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "flags") or (
        isinstance(node, ast.Name) and node.id == "flags"
    )


def _text(*nodes: ast.AST) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
            yield node.value


def typing_errors(flags: Mapping[str, Flag], mentions: list[tuple[str, Path, int]]) -> Iterator[Finding]:
    """Go through the names in code that nobody declares."""
    for name, file, line in mentions:
        if name not in flags:
            yield Finding("unknown", name, f"there is no flag {name!r}.", str(file), line, nearest_flag(name, flags))


def expired(flags: Mapping[str, Flag]) -> Iterator[Finding]:
    """Go through the flags whose time is over."""
    for flag in flags.values():
        if flag.expires is not None and flag.expires < date.today():
            text = (
                f"{flag.name!r} ({flag.kind} of {flag.owner}) has expired on {flag.expires}: decide, and take it out."
            )
            yield Finding("expired", flag.name, text, flag.file, flag.line)


def never_read(flags: Mapping[str, Flag], used: set[str], ran: list[Ran]) -> Iterator[Finding]:
    """Go through the flags that no code names, that gate nothing, and that no session ever read."""
    read = {name for one in ran for name in one.reads}
    for name, flag in flags.items():
        if name not in used and name not in read:
            text = f"{name!r} of {flag.owner}: no code names it, it gates nothing, and no session has read it."
            yield Finding("never read", name, text, flag.file, flag.line, wrong=False)


def dead(flags: Mapping[str, Flag], ran: list[Ran]) -> Iterator[Finding]:
    """Go through release flags and experiments that had one and the same value in all of many sessions."""
    for name, flag in flags.items():
        values = [one.last.details[name].value for one in ran if name in one.last.details]
        old_enough = len(values) >= SESSIONS_TO_BE_DEAD or (flag.stage == "done" and values)
        if flag.kind in ("release", "experiment") and old_enough and all(value == values[0] for value in values):
            text = f"{name!r} was {values[0]!r} in all of {len(values)} sessions: the other way is dead code."
            yield Finding("dead", name, text, flag.file, flag.line, wrong=False)
