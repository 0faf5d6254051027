"""`pegboard agents`: which agents there are, from which files, and what one is told."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import PegboardError
from pegboard.output import print_json, print_table, readable, say
from pegboard_builtins.agents.definition import Definition
from pegboard_builtins.agents.places import Roster, roster, unknown, wanted_of
from pegboard_builtins.agents.settings import AgentSettings

app = typer.Typer(help="Which agents there are, and from where.", no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]


@app.command("list")
def list_agents(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the agents that the tool Agent can start."""
    host: HostView = context.obj
    found = _roster(host)
    facts = [_facts(one, host) for one in found.found]
    facts += [_facts(one, host, first) for one, first in found.shadowed if one.origin != "builtin"]
    facts += [_broken(where, text) for where, text in found.problems]
    facts.sort(key=lambda one: (one["name"], one["file"]))
    if as_json:
        print_json(facts)
        return
    rows = [(one["name"] or one["file"], one["status"], one["from"], one["description"]) for one in facts]
    print_table(("name", "status", "from", "when to use it"), rows, empty="There are none.")
    for one in facts:
        if one["reason"]:
            say(f"{one['name'] or one['file']}: {one['reason']}")


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As `pegboard agents list` has it.")],
    as_json: JsonOption = False,
) -> None:
    """Show one: where it is written, what it may call, and what it is told."""
    host: HostView = context.obj
    found = _roster(host)
    one = found.named(name)
    if one is None:
        raise PegboardError(unknown(name, (each.name for each in found.found)))
    facts = _facts(one, host)
    if as_json:
        print_json({**facts, "prompt": one.system, "ailments": [_ailment(each) for each in one.ailments]})
        return
    say(one.name, "bold")
    for key in ("status", "from", "file", "model", "mode", "steps", "tools", "without", "description"):
        value = facts[key]
        text = ", ".join(value) if isinstance(value, list) else str(value)
        if text:
            say(f"{key:<13}{text}")
    for each in one.ailments:
        say(f"{'note':<13}{each.where}: {each.text}")
    say("")
    for line in readable(one.system).splitlines():
        say(line)


def _ailment(one: Any) -> dict[str, str]:
    return {"text": one.text, "where": one.where, "mend": one.mend}


def _roster(host: HostView) -> Roster:
    settings = host.settings.parse("agents", AgentSettings)
    return roster(host.project, host.config_dir, host.settings, settings)


def _facts(one: Definition, host: HostView, first: Definition | None = None) -> dict[str, Any]:
    status, reason = "active", ""
    if first is not None:
        status, reason = "shadowed", f"{first.where} comes first"
    elif one.origin == "project" and not host.consented(wanted_of(one, host.project)):
        status, reason = "untrusted", "nobody consented to it as it is now: pegboard trust"
    return {
        "name": one.name,
        "from": one.folder.name if one.folder is not None else one.origin,
        "file": one.where,
        "status": status,
        "reason": reason,
        "description": one.summary,
        "tools": ["all"] if one.tools is None else list(one.tools),
        "without": list(one.without),
        "model": one.model,
        "mode": one.mode,
        "steps": one.max_steps or "",
    }


def _broken(where: str, text: str) -> dict[str, Any]:
    return {
        "name": "",
        "from": "",
        "file": where,
        "status": "load_error",
        "reason": text,
        "description": "",
        "tools": [],
        "without": [],
        "model": "",
        "mode": "",
        "steps": "",
    }
