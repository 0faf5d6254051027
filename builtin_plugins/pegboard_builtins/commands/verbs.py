"""`pegboard commands`: which commands and skills there are, from which files, and what one says."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import PegboardError, did_you_mean
from pegboard.output import print_json, print_table, readable, say, visible
from pegboard_builtins.commands.places import Found, Shelf, shelf, wanted_of
from pegboard_builtins.commands.settings import CommandSettings

app = typer.Typer(help="Which commands and skills there are, and from where.", no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
NOTHING = "There are none. Write one: .pegboard/commands/NAME.md, or NAME.md in the folder commands of your settings."


@app.command("list")
def list_commands(context: typer.Context, as_json: JsonOption = False) -> None:
    """List what can be typed as `/NAME`, and which of it the model may load."""
    host: HostView = context.obj
    found = _shelf(host).found
    also = {one.path: one.name for one in found if one.second}
    facts = [_facts(one, host) | {"also": also.get(one.path, "")} for one in found if not one.second]
    facts.sort(key=lambda one: (one["name"], one["file"]))
    if as_json:
        print_json(facts)
        return
    rows = [(_spelled(one), one["kind"], one["status"], one["from"], one["description"]) for one in facts]
    print_table(("name", "kind", "status", "from", "what it is for"), rows, empty=NOTHING)


def _spelled(facts: dict[str, Any]) -> str:
    """Return how one is typed: its name, its other name, its words."""
    also = f"(/{facts['also']})" if facts["also"] else ""
    return " ".join(part for part in (f"/{facts['name']}", also, facts["args"]) if part)


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As `pegboard commands list` has it.")],
    as_json: JsonOption = False,
) -> None:
    """Show one: where it is written, what its head says, and its text."""
    host: HostView = context.obj
    shelved = _shelf(host)
    one = shelved.named(name.lstrip("/"))
    if one is None:
        raise PegboardError(f"there is no command {name!r}.{did_you_mean(name.lstrip('/'), shelved.names)}")
    facts = _facts(one, host)
    content = one.content
    if as_json:
        head = {**content.head.values, **{key: list(value) for key, value in content.head.lists.items()}}
        print_json({**facts, "head": head, "text": content.body})
        return
    say(f"/{facts['name']} {facts['args']}".strip(), "bold")
    for key in ("kind", "status", "from", "file"):
        say(f"{key:<8}{facts[key]}")
    for key in content.head.lines:
        say(f"{key}: {content.head.text(key)}".rstrip())
        for line in content.head.below.get(key, ()):
            say(readable(line))
    say("")
    for line in readable(content.body).splitlines():
        say(line)


def _shelf(host: HostView) -> Shelf:
    settings = host.settings.parse("commands", CommandSettings)
    return shelf(host.project, host.config_dir, host.settings, settings)


def _facts(one: Found, host: HostView) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": one.name,
        "kind": "skill" if one.is_skill else "command",
        "from": one.place.folder.name if one.place.folder is not None else one.place.origin,
        "file": visible(str(one.path)),
        "status": "active",
        "reason": "",
        "description": "",
        "args": "",
    }
    try:
        facts |= {"description": one.description, "args": one.hint}
    except PegboardError as error:
        facts |= {"status": "load_error", "reason": str(error)}
    if one.shadowed is not None:
        facts |= {"status": "shadowed", "reason": f"{visible(str(one.shadowed))} comes first"}
    elif one.place.origin == "project" and not host.consented(wanted_of(one, host.project)):
        facts |= {"status": "untrusted", "reason": "nobody consented to it as it is now: pegboard trust"}
    return facts
