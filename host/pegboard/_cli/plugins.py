"""`pegboard plugins`: which plugins there are, what each brings, and why one takes no part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import costs, installing, locking, packs, switching, trusting
from pegboard._cli.opening import JsonOption, closed_host, tried_host
from pegboard.errors import PluginError, did_you_mean
from pegboard.output import print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard._board.discovery import PluginRecord
    from pegboard._board.reloading import Reloaded
    from pegboard.host import Host
    from pegboard.plugin_folders import PluginFolder

app = typer.Typer(help="Which plugins there are, and why one is on, off or broken.", no_args_is_help=True)

app.command("new")(packs.new)
app.command("check")(packs.check)
app.command("bench")(costs.bench)
app.command("enable")(switching.enable)
app.command("disable")(switching.disable)
app.command("trust")(trusting.trust)
app.command("install")(installing.install)
app.command("uninstall")(installing.uninstall)
app.command("upgrade")(installing.upgrade)
app.command("lock")(locking.lock)
app.command("sync")(locking.sync)

NameArgument = Annotated[str, typer.Argument(help="The plugin's name, as `pegboard plugins list` has it.")]
NOTHING = "There are no plugins: install a pack with pip, or look at PEGBOARD_NO_PLUGINS and --no-plugins."


@app.command("list")
def list_plugins(
    load: Annotated[bool, typer.Option("--load", help="Import each, and say what became of it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List all plugins. Nothing is imported, so a plugin that would be loaded is just `found`."""
    records = _loaded() if load else closed_host().find()
    records = sorted(records, key=lambda record: (record.name, record.distribution))
    if as_json:
        print_json([_facts(record) for record in records])
        return
    rows = [(r.name, r.status, _origin(r), r.reason) for r in records]
    print_table(("name", "status", "from", "reason"), rows, empty=NOTHING)


@app.command()
def info(name: NameArgument, as_json: JsonOption = False) -> None:
    """Tell what a plugin is and what it brings. This imports the plugins that are not known yet."""
    host = tried_host()
    told = [_facts(record) | _brings(host, record) for record in _named(host, name)]
    if as_json:
        print_json(told[0] if len(told) == 1 else told)
        return
    for facts in told:
        for key, value in facts.items():
            if isinstance(value, dict):
                value = [f"{word}: {text}" for word, text in value.items()]
            for line in value if isinstance(value, list) else [value]:
                if line not in ("", None):
                    say(f"{key:<14}{line}")
                    key = ""


@app.command()
def why(name: NameArgument, as_json: JsonOption = False) -> None:
    """Tell why a plugin is on, off or broken, what mends it, and who else rewrites the same. This imports it."""
    from pegboard._board.rivals import rivalries_on

    host = tried_host()
    host.board.wake_all(name)
    records = _named(host, name)
    if as_json:
        told = [_facts(record) for record in records]
        print_json(told[0] if len(told) == 1 else told)
        return
    for record in records:
        say(f"{record.name} is {record.status} ({_origin(record)}).", "bold")
        if record.status == "active":
            hooks = ", ".join(_brings(host, record).get("hooks", ()))
            found = f"in {record.path}" if record.path else f"as the entry point {_point(record)}"
            say(f"It was found {found}, and nothing speaks against it.")
            say(f"It implements {hooks}." if hooks else "It implements no hook.")
            for hook, rivalry in rivalries_on(host.board):
                if name in rivalry.plugins:
                    say(f"In {hook}, {rivalry.words()}.")
        else:
            say(f"Why: {record.reason}")
            say(f"Mend: {record.mend}")


@app.command()
def reload(name: NameArgument, as_json: JsonOption = False) -> None:
    """Import a plugin anew, forget what was known of it, and say what it brings that it did not. In chat: /reload."""
    from pegboard._board.reloading import reload_plugin

    host = tried_host()
    done = reload_plugin(host.board, name)
    if as_json:
        print_json({"name": done.name, "status": done.status, "reason": done.reason, "changes": list(done.changes)})
    else:
        tell_reload(done, say)
    if done.status != "active":
        raise typer.Exit(1)


def tell_reload(done: Reloaded, tell: Callable[[str], None]) -> None:
    """Say what became of a plugin that was reloaded."""
    if done.status != "active":
        tell(f"{done.name} takes no part now: {done.reason}")
        return
    tell(f"{done.name} was reloaded." + ("" if done.changes else " It brings what it brought before."))
    for line in done.changes:
        tell(f"  {line}")


@app.command()
def manifest(name: NameArgument) -> None:
    """Print what a pack brings, for its wheel to carry: then not even the first listing imports it.

    Save it as pegboard.json in the pack's folder (NAME.pegboard.json beside a pack of one file) before the wheel is
    built, with the versions of pegboard and pydantic that the pack is for.
    """
    import json

    host = tried_host()
    _named(host, name)
    # Not sorted: the order of a schema's keys is what a model is sent.
    print(json.dumps(host.board.to_carry(name), indent=2, ensure_ascii=False))


def _loaded() -> list[PluginRecord]:
    board = tried_host().board
    board.wake_all()
    return board.records


def _named(host: Host, name: str) -> list[PluginRecord]:
    found = [record for record in host.board.records if record.name == name]
    if not found:
        known = {record.name for record in host.board.records}
        raise PluginError(name, f"is not installed here.{did_you_mean(name, known)} `pegboard plugins list` shows all.")
    return found


def _facts(record: PluginRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "status": str(record.status),
        "reason": record.reason,
        "mend": record.mend,
        "distribution": record.distribution,
        "version": record.version,
        "entry_point": "" if record.path else record.value,
        "alias_of": record.point,
        "path": str(record.path or ""),
        "tier": record.tier.name.lower(),
    }


def _point(record: PluginRecord) -> str:
    """Return an entry point as its distribution has it; the settings may call it otherwise."""
    return f"{record.point or record.name} = {record.value}" + (
        f", which is called {record.name} here" * bool(record.point)
    )


def _origin(record: PluginRecord) -> str:
    return f"{record.distribution} {record.version}".strip() or record.value


def _observed(host: Host, record: PluginRecord) -> dict[str, str]:
    """Return what its distribution was seen to do in sessions, with how often; that is no proof of what it does not."""
    if not record.folder or record.tier.name == "HOST":
        return {}
    from pegboard._board.observing import observed

    seen = observed(host.state_dir, record.distribution)
    return {f"{kind}, {what}": f"{times} times" for kind in sorted(seen) for what, times in sorted(seen[kind].items())}


def _brings(host: Host, record: PluginRecord) -> dict[str, Any]:
    """Return what a plugin registered; nothing for one that takes no part."""
    folder = next((one for one in host.view.plugin_folders if one.name == record.name), None)
    if folder is not None:
        return _in_folder(folder)
    contribution = host.board.contributions.get(record.name) if record.status == "active" else None
    if contribution is None:
        return {}
    from pegboard.hookspecs import POLICIES

    return {
        "import_ms": round(record.import_ms, 1),
        "hooks": [hook for hook in POLICIES if record.name in host.board.ordered(hook)],
        "tools": sorted(tool.name for tool in contribution.tools),
        "egress": {
            tool.name: ", ".join(tool.egress) or "nowhere" for tool in contribution.tools if tool.egress is not None
        },
        "surfaces": {surface.name: surface.help for surface in contribution.surfaces},
        "models": sorted(f"{model.prefix}:NAME" for model in contribution.models),
        "verbs": sorted(command.name for command in contribution.commands),
        "flags": {flag.name: flag.help for flag in contribution.flags},
        "services": sorted(contribution.services),
        "views": sorted(view.name for view in contribution.views),
        "sections": sorted(section.name for section in contribution.sections),
        "checks": sorted(check.name for check in contribution.checks),
        "filters": [surface for surface, _ in contribution.filters],
        "settings": dict(contribution.described_keys()),
        "permissions": list(contribution.declares.permissions),
        "requires": list(contribution.declares.requires),
        "api": contribution.declares.api,
        "observed": _observed(host, record),
    }


def _in_folder(folder: PluginFolder) -> dict[str, Any]:
    """Return what a plugin folder brings, and what is done with it."""
    parts = ("commands", "skills", "agents")
    files = {part: [str(p.relative_to(folder.root)) for p in folder.paths(part)] for part in parts}
    return {
        "description": folder.description[:300],
        **files,
        "hook files": ["pegboard hooks list shows them"] if folder.has("hooks") else [],
        "servers": [name for name, _, _ in folder.servers()],
        "left_out": [f"{path} lies outside of the folder" for path in folder.outside()],
    }
