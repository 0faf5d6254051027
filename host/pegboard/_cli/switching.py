"""`pegboard plugins enable|disable`: whether a plugin takes part, in one settings file; no plugin is imported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli.opening import JsonOption, closed_host
from pegboard._cli.settings_files import target_of
from pegboard.errors import PluginError, SettingsError, did_you_mean
from pegboard.output import print_json, say
from pegboard.settings import SettingsLayer
from pegboard.settings_writing import change_file, with_members, without_key

if TYPE_CHECKING:
    from pegboard.host import Host

KEY = ("plugins", "disabled")
FILES = (SettingsLayer.USER, SettingsLayer.PROJECT, SettingsLayer.LOCAL)

NamesArgument = Annotated[list[str], typer.Argument(help="Names as `pegboard plugins list` has them.")]
UserOption = Annotated[bool, typer.Option("--user", help="In your own settings.")]
ProjectOption = Annotated[bool, typer.Option("--project", help="In .pegboard/settings.toml of this folder.")]
LocalOption = Annotated[bool, typer.Option("--local", help="In .pegboard/settings.local.toml of this folder.")]


def disable(
    names: NamesArgument,
    user: UserOption = False,
    project: ProjectOption = False,
    local: LocalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let plugins take no part from the next session on, built-ins too. Written where the list stands now."""
    _switch(names, on=False, where=(user, project, local), as_json=as_json)


def enable(
    names: NamesArgument,
    user: UserOption = False,
    project: ProjectOption = False,
    local: LocalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let plugins take part again that `plugins disable` or a settings file left out."""
    _switch(names, on=True, where=(user, project, local), as_json=as_json)


def _switch(names: list[str], *, on: bool, where: tuple[bool, bool, bool], as_json: bool) -> None:
    host = closed_host()
    records = host.find()
    if host.problems:
        raise host.problems[0]  # what a broken file says cannot be changed by a key
    known = {record.name for record in records}
    before = list(host.view.plugins.disabled)
    for name in names:
        if name not in known and not (on and name in before):
            raise PluginError(
                name, f"is not installed here.{did_you_mean(name, known)} `pegboard plugins list` has all."
            )
    target = _target(host, where)
    after = [name for name in before if name not in names] if on else [*before, *(n for n in names if n not in before)]
    changed = change_file(target, lambda text: with_members(text, KEY, after) if after else without_key(text, KEY))
    _tell(names, on=on, target=target if changed else None, as_json=as_json)


def _target(host: Host, where: tuple[bool, bool, bool]) -> Path:
    """Return the file that is meant: the named one, else the one that decides now, else the user's own."""
    user, project, local = where
    deciding = host.view.origin(*KEY)
    if not any(where):
        if deciding.layer is SettingsLayer.DEFAULT:
            return host.config_dir / "settings.toml"
        if deciding.layer in FILES and deciding.file and Path(deciding.file).name != "pyproject.toml":
            return Path(deciding.file)
        raise SettingsError(f"plugins.disabled is said by {deciding}; change it there, for it wins over other files")
    return target_of(host, user=user, project=project, local=local)[0]


def _tell(names: list[str], *, on: bool, target: Path | None, as_json: bool) -> None:
    """Say what holds now: what another layer says may win over the file that was written."""
    host = closed_host()
    states: dict[str, dict[str, Any]] = {name: {"status": "not installed", "reason": ""} for name in names}
    for record in host.find():
        if record.name in states:
            states[record.name] = {"status": str(record.status), "reason": record.reason}
    if as_json:
        facts = [{"name": name, **state, "written": str(target or "")} for name, state in sorted(states.items())]
        print_json(facts)
        return
    say(f"Written: {target}" if target else "Nothing had to be changed.")
    for name, state in states.items():
        off = state["status"] == "disabled"
        if off is not on:
            say(f"{name} takes {'part' if on else 'no part'} from the next session on.")
        elif off:
            say(f"{name} still takes no part: {state['reason']}.", "yellow")
        else:
            held = " This folder is not trusted, and may not switch plugins off: `pegboard trust`."
            say(f"{name} still takes part.{'' if host.view.trusted else held}", "yellow")
