"""`pegboard checkpoints`: what files were before each turn; look, compare, put back."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pegboard.context import HostView
from pegboard.output import print_json, print_table, say
from pegboard_builtins.git_safety import store_in
from pegboard_builtins.git_safety.settings import GitSafetySettings

if TYPE_CHECKING:
    from pegboard_builtins.git_safety.restoring import Change
    from pegboard_builtins.git_safety.taking import Checkpoint, Checkpoints

app = typer.Typer(help="What files were before each turn: look, compare, put back.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
NumberArgument = Annotated[int, typer.Argument(metavar="N", help="The checkpoint's number; `list` shows them.")]
NONE = "There are no checkpoints of this folder yet: one is taken before a turn changes files."


def _checkpoints(ctx: typer.Context) -> Checkpoints:
    from pegboard_builtins.git_safety.taking import Checkpoints

    host: HostView = ctx.obj
    host.settings.declare("git_safety", GitSafetySettings)
    settings = host.settings.parse("git_safety", GitSafetySettings)
    return Checkpoints(store_in(host.state_dir), host.project, settings.model_copy(update={"seconds": 600.0}))


@app.command("list")
def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the checkpoints of this folder, the newest first."""
    found = list(_checkpoints(ctx).all())
    if as_json:
        print_json([_facts(one) for one in found])
        return
    rows = [
        (str(one.number), time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.manifest.time)), one.manifest.kind,
         f"{one.manifest.session[:8]} {one.manifest.turn or ''}".strip(), one.manifest.reason) for one in found
    ]  # fmt: skip
    print_table(("number", "time", "what", "session, turn", "why"), rows, empty=NONE)


@app.command()
def diff(
    ctx: typer.Context,
    number: NumberArgument,
    other: Annotated[
        int | None, typer.Argument(metavar="[M]", help="Another checkpoint; what is there now if not given.")
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only which files, and how much of each.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what has changed since a checkpoint, or between two."""
    from pegboard_builtins.git_safety.restoring import changes_between

    checkpoints = _checkpoints(ctx)
    before = checkpoints.get(number)
    after = checkpoints.take("now") if other is None else checkpoints.get(other)
    try:
        changes = changes_between(checkpoints, before.manifest, after.manifest)
        if as_json:
            print_json([_change(one) for one in changes])
            return
        words = ["diff", "--color" if sys.stdout.isatty() else "--no-color", *(["--stat"] if stat else [])]
        trees = [f"{one.commit}:trees" for one in (before, after)]
        text = checkpoints.git.run(*words, *trees).decode(errors="replace")
        sys.stdout.write(_named(text, before))
        for one in changes:
            if one.how == "mode":
                say(f"mode of {one.name}: {one.mode:o}")
        if not changes:
            say("Nothing has changed.")
    finally:
        if other is None:
            checkpoints.forget(after.number)


@app.command()
def restore(
    ctx: typer.Context,
    number: NumberArgument,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH...]", help="Only these files and folders.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also what changed after the last checkpoint.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put files back as they were. What is there now is kept as a checkpoint first, so this can be undone, too."""
    from pegboard_builtins.git_safety.restoring import restore as put_back

    checkpoints = _checkpoints(ctx)
    only = [_below(path, checkpoints.root) for path in paths or []]
    done = put_back(checkpoints, number, only, overwrite=overwrite, dry=dry_run)
    if as_json:
        kept = done.kept.number if done.changes and not dry_run else None
        print_json({"changes": [_change(one) for one in done.changes], "kept": kept, "left": done.left})
    else:
        verbs = {"write": "write", "delete": "delete", "mode": "mode of"}
        for one in done.changes:
            say(f"{'would ' if dry_run else ''}{verbs[one.how]} {one.name}")
        if not done.changes:
            say("Nothing to restore: all is as it was then.")
        elif not dry_run:
            say(f"Restored. What was there before is checkpoint {done.kept.number}.", "green")
        for problem in done.left:
            print(f"left as it is: {problem}", file=sys.stderr)
    raise typer.Exit(1 if done.left else 0)


@app.command()
def prune(
    ctx: typer.Context,
    keep: Annotated[int, typer.Option(min=0, help="How many of this folder's newest stay.")] = 20,
) -> None:
    """Let old checkpoints of this folder go, and give their room back."""
    gone = _checkpoints(ctx).prune(keep)
    say(f"{gone} checkpoints went." if gone != 1 else "1 checkpoint went.")


def _below(path: Path, root: Path) -> str:
    import os

    whole = os.path.normpath(Path.cwd().resolve() / path)
    if whole == str(root):
        return "."
    if not whole.startswith(f"{root}/"):
        raise typer.BadParameter(f"{path} is not in {root}", param_hint="PATH")
    return whole[len(str(root)) + 1 :]


def _named(text: str, before: Checkpoint) -> str:
    """Take the number of the part away, which git sees before each path."""
    import re

    paths = {str(place): part.path for place, part in enumerate(before.manifest.parts)}

    def without_number(found: re.Match[str]) -> str:
        return re.sub(r"\b([ab])/(\d+)/", lambda one: f"{one[1]}/{paths.get(one[2], one[2])}", found[0])

    return re.sub(r"^(?:diff --git|---|\+\+\+) .*$", without_number, text, flags=re.MULTILINE)


def _facts(one: Checkpoint) -> dict[str, object]:
    found = one.manifest
    return {
        "number": one.number,
        "commit": one.commit,
        "kind": found.kind,
        "session": found.session,
        "turn": found.turn,
        "reason": found.reason,
        "time": found.time,
        "root": found.root,
    }


def _change(one: Change) -> dict[str, object]:
    return {"path": one.name, "how": one.how, **({"mode": f"{one.mode:o}"} if one.how != "delete" else {})}
