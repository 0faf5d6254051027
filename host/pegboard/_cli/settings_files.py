"""One settings file at a time: where it lies, what is wrong with it, and how a key in it is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard._cli.opening import host_of_built_ins, open_host
from pegboard.errors import SettingsError, did_you_mean
from pegboard.settings import LayerFile, SettingsLayer, SettingsView, TableType, read_file

if TYPE_CHECKING:
    from pegboard.host import Host

Tables = dict[str, TableType | None]
"""The type of each table that somebody owns; None for a plugin that declares none."""


def target_of(host: Host, *, user: bool, project: bool, local: bool) -> tuple[Path, SettingsLayer]:
    """Return the file that is meant, the user's own if nothing was said. Raises SettingsError for more than one."""
    if user + project + local > 1:
        raise SettingsError("say one of --user, --project and --local")
    if project:
        return host.cwd / ".pegboard" / "settings.toml", SettingsLayer.PROJECT
    if local:
        return host.cwd / ".pegboard" / "settings.local.toml", SettingsLayer.LOCAL
    return host.config_dir / "settings.toml", SettingsLayer.USER


def tables_of(host: Host, *, without: Container[str] = ()) -> Tables:
    """Return every table that the plugins of an open host and the host itself own, but for those in *without*."""
    tables: Tables = {record.name: None for record in host.board.records if record.name not in without}
    return {**tables, **host.view.declared(without)}


def known_schemas(host: Host) -> dict[str, dict[str, Any]]:
    """Return the schemas of tables whose plugins are asleep, but for those that share a type's name with another."""
    found: dict[str, dict[str, Any]] = {}
    for contribution in host.board.contributions.values():
        for table, facts in contribution.asleep_tables.items():
            if facts["schema"] is not None:
                found[table] = facts["schema"]
    uses = Counter(name for schema in found.values() for name in _types_in(schema))
    uses.update(name for model in host.view.declared(found).values() for name in _types_in(model.model_json_schema()))
    return {table: schema for table, schema in found.items() if all(uses[name] == 1 for name in _types_in(schema))}


def _types_in(schema: dict[str, Any]) -> list[str]:
    return [schema["title"], *schema.get("$defs", ())]


def tables_for(names: set[str], cwd: Path) -> Tables:
    """Return all tables that are known, importing packs of other distributions only where *names* need them."""
    host = host_of_built_ins(cwd)
    ours = tables_of(host)
    strangers = {r.name for r in host.board.records if r.status == "disabled"} - set(host.view.models)
    if names <= set(ours) - strangers:
        return ours
    return tables_of(open_host(cwd))


def problems(file: LayerFile, tables: Tables) -> Iterator[SettingsError]:
    """Go through what is wrong with one file: tables that nobody owns, keys and values that do not fit."""
    view = SettingsView([file])
    for name, values in file.values.items():
        if name not in tables:
            source = file.source((name,))
            hint = did_you_mean(name, tables)
            problem = f"nobody owns the table [{name}].{hint} A plugin owns the table of its name."
            yield SettingsError(problem, file=source.file, line=source.line)
        elif not isinstance(values, dict):
            source = file.source((name,))
            yield SettingsError(f"{name} is a table; write [{name}]", file=source.file, line=source.line)
        else:
            yield from _misfits(view, name, tables[name])


def _misfits(view: SettingsView, name: str, model: TableType | None) -> Iterator[SettingsError]:
    if model is None:
        return
    try:
        view.parse(name, model)
    except SettingsError as error:
        if error.file:  # else a key is missing here, which another layer may have
            yield error


def checked_copy(copy: Path, target: Path, layer: SettingsLayer, cwd: Path) -> None:
    """Raise SettingsError for the first thing that is wrong with *copy*, in the place of *target*."""
    try:
        file = read_file(copy, layer)
    except SettingsError as error:
        raise _refusal(error, copy, target) from None
    if file is None:
        return
    for problem in problems(replace(file, file=str(target)), tables_for(set(file.values), cwd)):
        raise _refusal(problem, copy, target)


def _refusal(error: SettingsError, copy: Path, target: Path) -> SettingsError:
    problem = f"{error.problem} Nothing was changed; what you wrote is in {copy}"
    return SettingsError(problem, file=target, line=error.line)
