"""`pegboard sessions`: list, show, fork and remove what was said and done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import app as command_line
from pegboard._cli.opening import JsonOption, local, open_store, project_folder
from pegboard._cli.way_out import passed, records_of, surface_of
from pegboard.output import print_json, print_table, say

if TYPE_CHECKING:
    from pegboard._agent.store import Store

app = typer.Typer(help="The sessions of this folder, or of all.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A session's id; a beginning that is unique will do.")]


@app.command("list")
def list_sessions(
    everywhere: Annotated[bool, typer.Option("--all", "-a", help="Those of all folders.")] = False,
    as_json: JsonOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """List sessions, the newest first."""
    store, folder = open_store(), project_folder(cwd)
    paths = store.paths(None if everywhere else folder)
    found = [_info(store, path, cwd, as_json=as_json) for path in paths]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            info["id"],
            local(info["changed"]),
            info["turns"],
            info["end"],
            *([info["project"]] if everywhere else []),
            info["title"] or info["prompt"],
        )
        for info in found
    ]
    columns = ("id", "changed", "turns", "end", *(["folder"] if everywhere else []), "title or first prompt")
    where = "" if everywhere else f" of {folder}; --all shows those of other folders"
    print_table(columns, rows, empty=f"There are no sessions{where}. Begin one: pegboard run PROMPT")


def _info(store: Store, path: Path, cwd: Path | None, *, as_json: bool) -> dict[str, Any]:
    """Return what is to be said of a session, as far as it may leave."""
    surface = surface_of(as_json)
    info = store.info(path, lambda raw: passed(raw, cwd, surface), lambda title: passed(title, cwd, "title"))
    facts: dict[str, Any] = passed(info.as_dict(), cwd, surface)
    return facts


@app.command()
def show(session: IdArgument, as_json: JsonOption = False) -> None:
    """Show every record of a session in a line each; its number is what `fork --at` takes."""
    from pegboard._agent.views import describe

    store = open_store()
    path = store.find(session)
    facts = _info(store, path, None, as_json=as_json)
    records = list(records_of(path, None, surface_of(as_json)))
    if as_json:
        print_json({"session": facts, "records": [record.model_dump(mode="json") for record in records]})
        return
    for name, value in facts.items():
        if value != "":
            say(f"{name:<9}{value}")
    rows = [(record.seq, local(record.timestamp, "%H:%M:%S"), *describe(record)) for record in records]
    print_table(("seq", "time", "type", "what"), rows, empty="It has no records.")


@app.command()
def fork(
    session: IdArgument,
    at: Annotated[int | None, typer.Option(min=1, help="The last record to take over; all by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new session with the past of another; the other stays as it is."""
    store = open_store()
    path = store.find(session)
    new = store.fork(path, at)
    if as_json:
        print_json({"id": new.stem, "parent": path.stem, "path": str(new)})
        return
    print(new.stem)
    say(f"Go on with it: pegboard run --resume {new.stem}", "dim")


@app.command()
def rm(
    sessions: Annotated[list[str], typer.Argument(metavar="ID...", help="The sessions to take away.")],
    as_json: JsonOption = False,
) -> None:
    """Remove sessions with all that lies beside them. If one id is unknown, nothing is removed."""
    store = open_store()
    paths = list(dict.fromkeys(store.find(session) for session in sessions))
    for path in paths:
        store.remove(path)
    if as_json:
        print_json({"removed": sorted(path.stem for path in paths)})
        return
    for path in paths:
        print(f"removed {path.stem}")
