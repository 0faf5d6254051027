"""`pegboard hooks schema`: prints a JSON Schema of an event, of an answer, or of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pegboard.errors import PegboardError
from pegboard_builtins.wire_hooks.verbs.desk import host_of

SETTINGS = {"hooks": "hooks.json", "table": "hooks-table.json", "settings": "settings.json"}


def run(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="EVENT|hooks|table|settings",
            help="An event; or hooks (the contract's JSON files), table (ours, of hooks), settings (all of ours).",
        ),
    ],
    output: Annotated[bool, typer.Option("--output", help="What a hook may answer, not what it is sent.")] = False,
    path: Annotated[
        bool, typer.Option("--path", help="Only where the file lies, for `$schema` and `#:schema`.")
    ] = False,
) -> None:
    """Print a JSON Schema (2020-12): what hooks of an event are sent or may answer, or what settings may say.

    A settings file names its schema for completion in editors: `"$schema": "PATH"` in JSON, `#:schema PATH` in the
    first line of TOML. For answers the schema is stricter than the host, which tolerates what nobody reads.
    """
    host_of(ctx)
    found = file_of(what, output=output)
    print(found if path else found.read_text(encoding="utf-8").rstrip("\n"))


def file_of(what: str, *, output: bool) -> Path:
    """Return the file of a schema. Raises PegboardError."""
    from pegboard.shipped import shipped
    from pegboard_builtins.wire_hooks.events import row_of

    if what in SETTINGS:
        if output:
            raise PegboardError("--output is for events: settings are not answered")
        return shipped("schemas") / SETTINGS[what]
    name = row_of(what).name
    return shipped("schemas") / "events" / f"{name}.{'output' if output else 'input'}.json"
