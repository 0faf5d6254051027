"""`pegboard hooks disable`: keeps one hook from running, by its id."""

from __future__ import annotations

from typing import Annotated

import typer

from pegboard.output import say
from pegboard_builtins.wire_hooks.verbs.desk import host_of


def run(
    ctx: typer.Context,
    hook: Annotated[str, typer.Argument(metavar="ID", help="A hook's id, as `pegboard hooks list` shows it.")],
    project: Annotated[bool, typer.Option("--project", help="In this folder's .pegboard/settings.toml.")] = False,
    local: Annotated[bool, typer.Option("--local", help="In this folder's .pegboard/settings.local.toml.")] = False,
) -> None:
    """Put a hook's id into the list `hooks.disabled`: in your own settings, or in this folder's.

    Comments and everything else in the file stay. The next turn of a running session sees it, too.
    """
    from pegboard_builtins.wire_hooks.verbs.switching import disable

    if project and local:
        raise typer.BadParameter("say one of --project and --local")
    for line in disable(host_of(ctx), hook, project=project, local=local):
        say(line)
