"""`pegboard mcp`: which servers there are, whether they work, and this host as a server."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.context import Ctx, HostView
from pegboard.errors import PegboardError, SettingsError, did_you_mean
from pegboard.output import clipped, print_json, print_table, say, visible
from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.mcp.declared import (
    Server,
    UnsetError,
    WrongServerError,
    checked,
    declared,
    expanded,
    usable,
)
from pegboard_builtins.mcp.settings import PROJECT_FILE, TABLE, McpSettings

if TYPE_CHECKING:
    from pegboard_builtins.mcp.connection import Connection

app = typer.Typer(
    help="Servers of the Model Context Protocol: whose tools are used, and this host as one.", no_args_is_help=True
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The server's name; `list` shows them.")]
NONE = (
    "No MCP server is declared. Add one: pegboard mcp add NAME -- COMMAND ARG..., or pegboard mcp add NAME https://..."
)


@app.command("list")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the declared servers. None of them is started: that is what `test` does."""
    host: HostView = ctx.obj
    servers, held, problems = usable(host)
    off = _disabled(host)
    rows = [(one, "ready to start") for one in servers.values()]
    rows += [(one, "needs consent") for one in held.values()]
    rows += [(one, "disabled") for one in off.values()]
    rows.sort(key=lambda row: row[0].name)
    if as_json:
        print_json(
            {
                "servers": [_facts(one, status) for one, status in rows],
                "problems": [{"text": one.text, "where": one.where, "mend": one.mend} for one in problems],
            }
        )
    else:
        cells = [(one.name, _transport(one), status, one.target, str(one.where)) for one, status in rows]
        print_table(("name", "over", "status", "what", "declared in"), cells, empty=NONE)
        for problem in problems:
            mend = f"; {problem.mend}" if problem.mend else ""
            say(f"{problem.text} ({problem.where}){mend}", "yellow")
        if held:
            say("Consent to the project's servers with `pegboard trust`.", "dim")
    raise typer.Exit(1 if problems else 0)


def _disabled(host: HostView) -> dict[str, Server]:
    off = host.settings.parse(TABLE, McpSettings).disabled
    if not off:
        return {}
    layers = [said.value for said in host.settings.said(TABLE, "servers") if said.counts]
    found: dict[str, Server] = {}
    for values in layers:
        for name in off:
            if isinstance(values, dict) and name in values:
                try:
                    found[name] = checked(name, values[name], host.settings.origin(TABLE, "servers"))
                except WrongServerError:
                    continue
    return found


def _facts(one: Server, status: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "transport": _transport(one),
        "status": status,
        "target": one.target,
        "where": str(one.where),
    }


def _transport(one: Server) -> str:
    return "http" if one.over_http else "stdio"


@app.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="How its tools are called: mcp__NAME__TOOL.")],
    target: Annotated[
        list[str], typer.Argument(metavar="URL | COMMAND [ARG]...", help="Its URL, or the program that it is.")
    ],
    env: Annotated[
        list[str] | None, typer.Option("--env", "-e", help="NAME=VALUE for the program; VALUE may be ${VARIABLE}.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", help="NAME: VALUE for each request; VALUE may hold ${VARIABLE}.")
    ] = None,
    project: Annotated[
        bool, typer.Option("--project", help=f"Declare it in the project's {PROJECT_FILE}, for everybody.")
    ] = False,
    local: Annotated[bool, typer.Option("--local", help="Declare it in .pegboard/settings.local.toml.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace one of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Declare a server: in your own settings, unless another place is said. `--` ends the options, as ever."""
    host: HostView = ctx.obj
    if project and local:
        raise SettingsError("say one of --project and --local")
    said: dict[str, Any] = {}
    if re.match(r"https?://", target[0]):
        if len(target) > 1:
            raise SettingsError(f"{target[1]!r} stands behind a URL, which takes no arguments")
        said["url"] = target[0]
    else:
        said["command"] = target[0]
        if target[1:]:
            said["args"] = target[1:]
    if env:
        said["env"] = _pairs(env, "=", "--env")
    if header:
        said["headers"] = _pairs(header, ":", "--header")
    place = _place(host, project=project, local=local)
    try:
        server = checked(name, said, Source(SettingsLayer.USER, str(place)))
    except WrongServerError as wrong:
        raise SettingsError(f"the MCP server {name!r} {wrong}. {wrong.mend}".strip()) from None
    if (bool(env) and server.over_http) or (bool(header) and not server.over_http):
        raise SettingsError("--env is for a program, --header for a URL")
    _write(place, name, said, force=force)
    if as_json:
        print_json({"name": name, "transport": _transport(server), "file": str(place)})
        return
    say(f"{name} is declared in {place}", "green")
    say("It starts once you consent to it: pegboard trust" if project else f"Try it: pegboard mcp test {name}", "dim")


def _pairs(given: list[str], sign: str, option: str) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, found, value = one.partition(sign)
        if not found or not name.strip():
            raise SettingsError(f"{option} {one!r} is no NAME{sign}VALUE")
        pairs[name.strip()] = value.strip() if sign == ":" else value
    return pairs


def _place(host: HostView, *, project: bool, local: bool) -> Path:
    if project:
        return host.project / PROJECT_FILE
    return host.project / ".pegboard" / "settings.local.toml" if local else host.config_dir / "settings.toml"


def _write(place: Path, name: str, said: Mapping[str, Any] | None, *, force: bool = True) -> bool:
    """Declare a server in a file, or take it away; False if nothing changed. Raises SettingsError."""
    from pegboard.settings_writing import change_file, with_key, without_key

    def edited(text: str) -> str:
        if place.name == PROJECT_FILE:
            return _json_with(text, place, name, said, force=force)
        if said is None:
            return without_key(text, (TABLE, "servers", name))
        if not force and without_key(text, (TABLE, "servers", name)) != text:
            raise SettingsError(f"there is an MCP server {name!r} already; --force replaces it", file=place)
        return with_key(text, (TABLE, "servers", name), dict(said))

    return change_file(place, edited)


def _json_with(text: str, place: Path, name: str, said: Mapping[str, Any] | None, *, force: bool) -> str:
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError as wrong:
        raise SettingsError(f"is no JSON, so it was not changed: {wrong}", file=place) from None
    servers = document.setdefault("mcpServers", {}) if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise SettingsError("has no object `mcpServers`, so it was not changed", file=place)
    if said is None:
        if servers.pop(name, None) is None:
            return text
    elif name in servers and not force:
        raise SettingsError(f"there is an MCP server {name!r} already; --force replaces it", file=place)
    else:
        servers[name] = dict(said)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@app.command()
def remove(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Take a declaration away, in the file where it counts."""
    host: HostView = ctx.obj
    server = _named(host, name)
    place = Path(server.where.file)
    if not place.is_absolute() or not _write(place, name, None):
        raise SettingsError(f"the MCP server {name!r} is declared by {server.where}, which this verb does not change")
    if as_json:
        print_json({"name": name, "file": str(place)})
    else:
        say(f"{name} is taken out of {place}", "green")


def _named(host: HostView, name: str) -> Server:
    found = declared(host.settings, host.project).servers
    found.update(_disabled(host))
    if name not in found:
        hint = did_you_mean(name, list(found))
        raise PegboardError(f"there is no MCP server {name!r}.{hint} `pegboard mcp list` shows them all.")
    return found[name]


def _allowed(host: HostView, name: str) -> Server:
    """Return a server that may be started. Raises PegboardError."""
    server = _named(host, name)
    _, held, _ = usable(host)
    if name in held:
        raise PegboardError(f"the MCP server {name!r} is the project's: look at it and consent with `pegboard trust`")
    return server


@app.command("test")
def try_(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One server; all that may start unless given.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Start servers, list their tools, and end them again. The exit code is 1 if one of them failed."""
    from pegboard_builtins.mcp.connection import Connection

    host: HostView = ctx.obj
    servers = [_allowed(host, name)] if name else list(usable(host)[0].values())
    found = asyncio.run(_tried([Connection(one, host) for one in servers]))
    if as_json:
        print_json([_tried_facts(one, seconds) for one, seconds in found])
    elif not found:
        say(NONE)
    for one, seconds in () if as_json else found:
        if not one.listed:
            say(f"{one.name}: {one.reason}", "red")
            continue
        count = f"{len(one.tools)} tool{'' if len(one.tools) == 1 else 's'}"
        say(f"{one.name}: {count}, started in {seconds:.1f} s", "green")
        for tool in one.tools:
            hints = tool.annotations
            effect = "reads" if hints is not None and hints.read_only_hint else "changes"
            say(f"  {tool.name}  ({effect})  {_first_line(tool.description or '')}")
    raise typer.Exit(0 if all(one.listed for one, _ in found) else 1)


async def _tried(connections: list[Connection]) -> list[tuple[Connection, float]]:
    from pegboard_builtins.mcp.connection import McpFailure

    async def tried(one: Connection) -> tuple[Connection, float]:
        began = time.monotonic()
        try:
            await one.start()
        except McpFailure:
            pass  # its reason is shown
        return one, time.monotonic() - began

    try:
        return list(await asyncio.gather(*[tried(one) for one in connections]))
    finally:
        await asyncio.gather(*[one.close() for one in connections], return_exceptions=True)


def _tried_facts(one: Connection, seconds: float) -> dict[str, Any]:
    return {
        "name": one.name,
        "ok": one.listed,
        "error": one.reason if not one.listed else "",
        "seconds": round(seconds, 3),
        "tools": [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in one.tools],
    }


def _first_line(text: str) -> str:
    return clipped(visible(text.strip().partition("\n")[0]), 100)


@app.command()
def login(
    ctx: typer.Context,
    name: NameArgument,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page, or only show it.")] = True,
) -> None:
    """Log in to a server over HTTP, with your browser. The token is kept where only you can read it."""
    from pegboard_builtins.mcp.connection import NoMcpError

    host: HostView = ctx.obj
    server = _over_http(_allowed(host, name))
    try:
        from pegboard_builtins.mcp.login import log_in
    except ImportError:
        raise NoMcpError from None
    try:
        asked = asyncio.run(log_in(server, host, browser=browser))
    except UnsetError as unset:
        raise PegboardError(f"the MCP server {name!r} needs the variable {unset}, which is not set") from None
    if asked:
        say(f"You are logged in to {name}.", "green")
    else:
        say(f"{name} asks for no login.", "dim")


@app.command()
def logout(ctx: typer.Context, name: NameArgument) -> None:
    """Forget the token of a server."""
    from pegboard_builtins.mcp.connection import NoMcpError

    host: HostView = ctx.obj
    server = _over_http(_named(host, name))
    try:
        from pegboard_builtins.mcp.tokens import TokenFile
    except ImportError:
        raise NoMcpError from None
    had = TokenFile(host.state_dir, name, expanded(server.settings, host.secret).url).forget()
    say(f"The token of {name} is gone." if had else f"There was no token of {name}.", "green" if had else "dim")


def _over_http(server: Server) -> Server:
    if not server.over_http:
        raise PegboardError(f"the MCP server {server.name!r} is a program here; only one with a url has a login")
    return server


@app.command()
def serve(
    ctx: typer.Context,
    tools: Annotated[
        list[str] | None, typer.Option("--tool", help="Offer only these, by name or pattern; may be repeated.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Offer only tools that change nothing.")] = False,
) -> None:
    """Offer this host's tools in this folder to another agent, over standard input and output.

    Hooks, permission rules and the journal are in force. Nobody can be asked: what no rule allows is refused.
    """
    from pegboard_builtins.mcp.serving import serve as run

    host: HostView = ctx.obj

    async def work(session: Ctx) -> None:
        await run(session, tuple(tools or ()), read_only=read_only)

    host.in_session(TABLE, work)
