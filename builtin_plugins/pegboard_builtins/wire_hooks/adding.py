"""Adds a ready-to-use hook: what changes in a settings file, and the files that are copied beside it."""

from __future__ import annotations

import copy
import difflib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli

from pegboard import hook as kit
from pegboard.errors import SettingsError
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.ready import KIT, PLACEHOLDER, ReadyHook

Groups = Mapping[str, Sequence[Mapping[str, Any]]]
"""What a settings file has under `hooks`, for the events that a hook needs."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that the hook needs: where it goes, what is in it, and what is there now (None for nothing)."""

    target: Path
    content: bytes
    there: bytes | None

    @property
    def differs(self) -> bool:
        """Whether another file is in its place."""
        return self.there is not None and self.there != self.content


@dataclass(frozen=True, slots=True)
class Addition:
    """What adding a hook would change. `missing` are programs that it needs and that are not on the path."""

    hook: ReadyHook
    settings: Path
    before: str
    after: str
    copies: tuple[Copy, ...]
    missing: tuple[str, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether all of it is there already."""
        return self.before == self.after and all(made.there == made.content for made in self.copies)

    @property
    def diff(self) -> str:
        """What changes in the settings, as a unified diff; empty if nothing does."""
        return unified(self.settings, self.before, self.after)


def unified(path: Path, before: str, after: str) -> str:
    """Return a unified diff of one file."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{path} (now)", f"{path} (then)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines)


def addition_of(hook: ReadyHook, settings: Path, *, project: Path | None = None) -> Addition:
    """Return what adding *hook* to a settings file (TOML, or the contract's JSON) changes; nothing is written.

    Its program goes into the folder `hooks` beside the settings. With *project* the settings name it as seen from
    there, so that they hold on another machine, too. Raises SettingsError where the file cannot be read or changed.
    """
    settings = settings.resolve() if settings.is_symlink() else settings
    before = _text(settings)
    folder = settings.parent / "hooks"
    program = folder / hook.path.name
    groups = groups_of(hook, _reference(program, project))
    if settings.suffix == ".json":
        after = changed_json(before, groups, settings)
    else:
        after = changed_toml(before, named(groups, hook.name), settings)
    wanted = {program: hook.path.read_bytes()}
    if hook.kit:
        wanted[folder / KIT] = Path(kit.__file__).read_bytes()
    copies = tuple(Copy(target, content, _bytes(target)) for target, content in wanted.items())
    missing = tuple(name for name in hook.needs if shutil.which(name) is None)
    return Addition(hook, settings, before, after, copies, missing)


def write(addition: Addition, *, overwrite: bool = False) -> None:
    """Make the change: the program first, the settings last and whole, so that they never name what is not there.

    Raises SettingsError, with nothing changed, where another file is in the place of one of ours (unless *overwrite*),
    or where the settings have changed since *addition* was made.
    """
    for made in addition.copies:
        if made.differs and not overwrite:
            raise SettingsError("another file of that name is there; look at it, then say --force", file=made.target)
    if _text(addition.settings) != addition.before:
        raise SettingsError("it has changed meanwhile; try again", file=addition.settings)
    new = [made for made in addition.copies if made.there is None]
    try:
        for made in addition.copies:
            if made.there != made.content:
                replace_whole(made.target, made.content, 0o644 if made.target.name == KIT else 0o755)
        if addition.after != addition.before:
            replace_whole(addition.settings, addition.after.encode(), None)
    except BaseException:
        for made in new:
            made.target.unlink(missing_ok=True)
        raise


def replace_whole(target: Path, content: bytes, mode: int | None) -> None:
    """Put content in a file's place at once; *mode* None keeps the mode that it has, 0600 for a new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    fresh = Path(name)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is None:
            mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        fresh.chmod(mode)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


# --- what the settings say -----------------------------------------------------------------------------


def groups_of(hook: ReadyHook, reference: str) -> dict[str, list[dict[str, Any]]]:
    """Return the groups of a hook with its program's path in them."""
    groups = copy.deepcopy({event: [dict(group) for group in groups] for event, groups in hook.groups.items()})
    for group in (group for found in groups.values() for group in found):
        for handler in group["hooks"]:
            for key, value in handler.items():
                if isinstance(value, str):
                    handler[key] = value.replace(PLACEHOLDER, reference)
    return groups


def named(groups: Groups, name: str) -> dict[str, list[dict[str, Any]]]:
    """Return groups whose handlers have an `id`, which is ours alone: the hook's name, of several with the event."""
    several = sum(len(group["hooks"]) for found in groups.values() for group in found) > 1
    return {
        event: [
            {**group, "hooks": [{"id": f"{name}-{event}" if several else name, **one} for one in group["hooks"]]}
            for group in found
        ]
        for event, found in groups.items()
    }


def _reference(program: Path, project: Path | None) -> str:
    """Return a path as it stands between double quotes in a shell command."""
    if project is not None and program.is_relative_to(project):
        return f"${{CLAUDE_PROJECT_DIR}}/{_quoted(program.relative_to(project).as_posix())}"
    return _quoted(str(program))


def _quoted(text: str) -> str:
    return re.sub(r'([\\"$`])', r"\\\1", text)


def lacking(said: Any, groups: Groups) -> dict[str, list[Mapping[str, Any]]]:
    """Return the groups that settings lack, a group being there if its matcher and each of its handlers are."""
    said = said if isinstance(said, dict) else {}
    found = {
        event: [group for group in wanted if not _is_there(said.get(event), group)] for event, wanted in groups.items()
    }
    return {event: wanted for event, wanted in found.items() if wanted}


def _is_there(said: Any, group: Mapping[str, Any]) -> bool:
    alike = [
        one
        for one in (said if isinstance(said, list) else [])
        if isinstance(one, dict) and one.get("matcher", "") == group.get("matcher", "")
    ]
    there = [_what_runs(handler) for one in alike for handler in one.get("hooks") or [] if isinstance(handler, dict)]
    return all(_what_runs(handler) in there for handler in group["hooks"])


def _what_runs(handler: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a handler the same one, though somebody has set another timeout."""
    return handler.get("type"), handler.get("command"), handler.get("url"), handler.get("if")


def changed_json(text: str, groups: Groups, path: Path) -> str:
    """Return a settings file of the contract with *groups* in it; everything else, order and indent, as it was."""
    try:
        value = json.loads(text) if text.strip() else {}
    except ValueError as wrong:
        line = getattr(wrong, "lineno", None)
        raise SettingsError(
            f"it is no JSON: {wrong}. Comments and trailing commas are none", file=path, line=line
        ) from None
    hooks = value.setdefault("hooks", {}) if isinstance(value, dict) else None
    if not isinstance(hooks, dict):
        raise SettingsError("its `hooks` is no object, so nothing can be added to it", file=path)
    new = lacking(hooks, groups)
    if not new:
        return text
    for event, wanted in new.items():
        there = hooks.setdefault(event, [])
        if not isinstance(there, list):
            raise SettingsError(f"its `hooks.{event}` is no list, so nothing can be added to it", file=path)
        there += wanted
    indent = re.search(r"(?m)^([ \t]+)\S", text)
    return json.dumps(value, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"


def changed_toml(text: str, groups: Groups, path: Path) -> str:
    """Return a settings file of ours with *groups* in it; what was there stays, byte for byte where that can be."""
    before = _toml(text, path)
    new = lacking(before.get("hooks", {}), groups)
    if not new:
        return text
    wanted = copy.deepcopy(before)
    hooks = wanted.setdefault("hooks", {})
    if isinstance(hooks, dict) and all(isinstance(hooks.get(event, []), list) for event in new):
        hooks |= {event: [*hooks.get(event, []), *added] for event, added in new.items()}
        for made in (_appended, _edited):
            after = made(text, new)
            if after is not None and _parses_to(after, wanted):
                return after
    raise SettingsError(f"this cannot be added to it; add by hand:\n{_as_toml(new)}", file=path)


def _appended(text: str, new: Groups) -> str:
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{gap}{_as_toml(new)}"


def _edited(text: str, new: Groups) -> str | None:
    """Add to lists that are written inline."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document: Any = tomlkit.parse(text)
        for event, added in new.items():
            for group in added:
                document["hooks"].setdefault(event, tomlkit.array()).append(_inline(group))
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError, AttributeError, KeyError):
        return None


def _inline(value: Any) -> Any:
    import tomlkit

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key, inner in value.items():
            table[key] = _inline(inner)
        return table
    if isinstance(value, list):
        array = tomlkit.array()
        for inner in value:
            array.append(_inline(inner))
        return array
    return _scalar(value)


def _as_toml(groups: Groups) -> str:
    return "\n".join("\n".join(_lines_of(event, group)) + "\n" for event, added in groups.items() for group in added)


def _lines_of(event: str, group: Mapping[str, Any]) -> Iterator[str]:
    yield f"[[hooks.{event}]]"
    yield from (f"{key} = {_inline(value).as_string()}" for key, value in group.items() if key != "hooks")
    for handler in group["hooks"]:
        yield f"[[hooks.{event}.hooks]]"
        yield from (f"{key} = {_inline(value).as_string()}" for key, value in handler.items())


def _scalar(value: Any) -> Any:
    """Return a value as tomlkit writes it; a command with quotes as a literal, so that it can be read."""
    import tomlkit

    if isinstance(value, str) and '"' in value and "'" not in value and value.isprintable():
        return tomlkit.string(value, literal=True)
    return tomlkit.item(value)


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as wrong:
        raise SettingsError(f"it is no TOML: {wrong}", file=path, line=getattr(wrong, "lineno", None)) from None


def _parses_to(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return tomli.loads(text) == wanted
    except tomli.TOMLDecodeError:
        return False


def _text(path: Path) -> str:
    content = _bytes(path)
    try:
        return (content or b"").decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise SettingsError(f"it cannot be read: {wrong}", file=path) from None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise SettingsError(f"it cannot be read: {wrong.strerror}", file=path) from None
