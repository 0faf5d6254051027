"""The options that `run` and `chat` share, and what typer cannot check of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pegboard._cli.words import EFFORTS, MODES

ModelOption = Annotated[str, typer.Option("--model", "-m", help="PREFIX:NAME, e.g. anthropic:NAME or scripted:FILE.")]
ResumeOption = Annotated[str, typer.Option(help="Go on with this session; the beginning of its id is enough.")]
ContinueOption = Annotated[bool, typer.Option("--continue", "-c", help="Go on with the newest session here.")]
MaxCostOption = Annotated[float | None, typer.Option(min=0.0, help="US dollars at most.")]
ModeOption = Annotated[str, typer.Option(help=f"Permission mode: {', '.join(MODES)}.")]
EffortOption = Annotated[str, typer.Option(help=f"Work that the model puts into an answer: {', '.join(EFFORTS)}.")]
AllowOption = Annotated[list[str] | None, typer.Option(help="A permission rule that allows; may be repeated.")]
DenyOption = Annotated[list[str] | None, typer.Option(help="A permission rule that denies; may be repeated.")]
FlagOption = Annotated[
    list[str] | None, typer.Option("--flag", help="NAME=VALUE: a feature flag for this session; may be repeated.")
]
WorktreeOption = Annotated[
    str, typer.Option("--worktree", "-w", metavar="NAME", help="Work in a checkout of its own, made for this session.")
]
AgentOption = Annotated[str, typer.Option("--agent", help="Be this agent: `pegboard agents list` shows them.")]
PluginDirOption = Annotated[
    list[Path] | None,
    typer.Option("--plugin-dir", help="A folder in the contract's plugin format; repeatable.", exists=True),
]
LockedOption = Annotated[
    bool, typer.Option("--locked", help="Refuse packs that are not those of pegboard.lock, before any is imported.")
]


def check_options(
    mode: str, flag: Sequence[str] | None, effort: str = "", *, worktree: str = "", again: bool = False
) -> None:
    """Raise typer.BadParameter for what there is not: a mode, an effort, a flag without a name.

    *again* says that a session is gone on with, which works where it did.
    """
    if worktree and again:
        raise typer.BadParameter("a session is gone on with where it worked", param_hint="--worktree")
    if effort and effort not in EFFORTS:
        raise typer.BadParameter(f"{effort!r} is none of {', '.join(EFFORTS)}", param_hint="--effort")
    if mode and mode not in MODES:
        raise typer.BadParameter(f"{mode!r} is none of {', '.join(MODES)}", param_hint="--mode")
    for said in flag or ():
        if said.startswith("="):
            raise typer.BadParameter(f"{said!r} is no NAME=VALUE", param_hint="--flag")
