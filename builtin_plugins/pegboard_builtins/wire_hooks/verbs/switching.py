"""Switching single hooks off and on, in `[hooks] disabled` of a settings file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pegboard.context import HostView
from pegboard.errors import PegboardError
from pegboard.settings import FROM_THE_FOLDER, SettingsLayer
from pegboard.settings_writing import change_file, with_key, without_key
from pegboard_builtins.wire_hooks.load import HookTable, Standing
from pegboard_builtins.wire_hooks.settings import TABLE
from pegboard_builtins.wire_hooks.verbs.desk import entry_of, table_of
from pegboard_builtins.wire_hooks.verbs.listing import heads_here

KEY = "disabled"
MADE = re.compile(r"\w+/\d+\.\d+@")
"""How ids begin that nobody wrote: they are made of the event and the place in the file."""


def disable(host: HostView, wanted: str, *, project: bool, local: bool) -> Iterator[str]:
    """Switch a hook off; goes through what there is to say. Raises PegboardError for an id that no hook has."""
    entry = entry_of(_whole_table(host), wanted)
    layer = SettingsLayer.PROJECT if project else SettingsLayer.LOCAL if local else SettingsLayer.USER
    target = files_of(host)[layer]
    if entry.handler.where.layer is SettingsLayer.MANAGED:
        raise PegboardError(f"{wanted} is a managed hook ({entry.handler.where.file}); it cannot be switched off here")
    if change_file(target, lambda text: _with(text, wanted)):
        yield f"{wanted} is switched off in {target}."
    else:
        yield f"{wanted} is switched off already in {target}."
    if MADE.match(wanted):
        yield (
            f"Its id is made of its place in {entry.handler.where.file}: if hooks are added before it, another one has "
            'this id. Give the entry an id of its own ("id": "...") to be sure.'
        )
    if layer in FROM_THE_FOLDER:
        yield from _needs_consent(host)


def enable(host: HostView, wanted: str) -> Iterator[str]:
    """Switch a hook on again; goes through what there is to say. Raises PegboardError for an id that no hook has."""
    changed = [
        (layer, target) for layer, target in files_of(host).items() if target.is_file() and _take_out(target, wanted)
    ]
    if not changed:
        entry = entry_of(_whole_table(host), wanted)  # an id that stands in a list may be of a hook that is gone
        if entry.standing is Standing.ACTIVE:
            yield f"{wanted} is not switched off."
        else:
            yield f"No settings file of yours names {wanted} in [hooks] disabled. It is {entry.standing}: {entry.why}."
        return
    for _, target in changed:
        yield f"{wanted} is no longer switched off in {target}."
    if any(layer in FROM_THE_FOLDER for layer, _ in changed):
        yield from _needs_consent(host)


def _whole_table(host: HostView) -> HookTable:
    """Return the hooks of the settings and those that skills, commands and agents bring."""
    table = table_of(host)
    heads, _ = heads_here(host, table)
    return replace(table, entries=(*table.entries, *(entry for head in heads for entry in head.entries)))


def files_of(host: HostView) -> dict[SettingsLayer, Path]:
    """Return the settings files that a person writes, by layer."""
    folder = host.project / ".pegboard"
    return {
        SettingsLayer.USER: host.config_dir / "settings.toml",
        SettingsLayer.PROJECT: folder / "settings.toml",
        SettingsLayer.LOCAL: folder / "settings.local.toml",
    }


def _needs_consent(host: HostView) -> Iterator[str]:
    yield "It counts once you have consented to what this folder's settings say now: `pegboard trust`."


def _take_out(target: Path, wanted: str) -> bool:
    return change_file(target, lambda text: _without(text, wanted))


def _with(text: str, wanted: str) -> str:
    there = _said(text)
    if wanted in there:
        return text
    return _edited(text, lambda listed: listed.append(wanted)) if there else with_key(text, (TABLE, KEY), [wanted])


def _without(text: str, wanted: str) -> str:
    there = _said(text)
    if wanted not in there:
        return text
    if set(there) == {wanted}:
        return without_key(text, (TABLE, KEY))
    return _edited(text, lambda listed: [listed.remove(wanted) for one in there if one == wanted])


def _edited(text: str, edit: Callable[[Any], object]) -> str:
    """Change the list in its place, so that comments between its items stay."""
    import tomlkit

    document: Any = tomlkit.parse(text)
    edit(document[TABLE][KEY])
    return tomlkit.dumps(document)


def _said(text: str) -> list[str]:
    import tomli

    try:
        hooks: Any = tomli.loads(text).get(TABLE)
    except tomli.TOMLDecodeError as wrong:
        raise PegboardError(f"the settings file is no TOML ({wrong}); mend it first") from None
    there = hooks.get(KEY) if isinstance(hooks, dict) else None
    return [str(one) for one in there] if isinstance(there, list) else []
