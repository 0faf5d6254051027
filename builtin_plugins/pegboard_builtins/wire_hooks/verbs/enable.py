"""`pegboard hooks enable`: lets a hook that was switched off by its id run again."""

from __future__ import annotations

from typing import Annotated

import typer

from pegboard.output import say
from pegboard_builtins.wire_hooks.verbs.desk import host_of


def run(
    ctx: typer.Context,
    hook: Annotated[str, typer.Argument(metavar="ID", help="A hook's id, as `pegboard hooks list` shows it.")],
) -> None:
    """Take a hook's id out of the list `hooks.disabled`, in whichever settings file of yours or this folder's it is.

    Comments and everything else in the files stay.
    """
    from pegboard_builtins.wire_hooks.verbs.switching import enable

    for line in enable(host_of(ctx), hook):
        say(line)
