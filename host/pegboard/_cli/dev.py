"""`pegboard dev`: a conversation with a pack as its source stands, reloaded between turns."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import app as command_line
from pegboard._cli.session_options import AllowOption, ModelOption, ModeOption, check_options
from pegboard._cli.words import Wanted

if TYPE_CHECKING:
    from pegboard._authoring.checking import Project

Stamps = dict[str, tuple[int, int]]


def dev(
    folder: Annotated[Path, typer.Argument(help="The pack's project.", exists=True, file_okay=False)] = Path("."),
    model: ModelOption = "",
    watch: Annotated[bool, typer.Option(help="Reload the pack before a turn if its source has changed.")] = True,
    mode: ModeOption = "",
    allow: AllowOption = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines alone, without a screen.")] = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Talk with the agent while you write a pack: its source takes part as it is, without being installed.

    No other pack takes part. /reload NAME reloads by hand.
    """
    from pegboard._authoring.checking import project_at
    from pegboard._cli.chat import hold_chat, is_bare, need_terminal

    need_terminal()
    check_options(mode, None)
    project = project_at(folder.resolve())
    wanted = Wanted(prompt=None, model=model, mode=mode, allow=tuple(allow or ()), cwd=cwd)
    # A pack that is not installed is imported from where it lies; nothing else of this process looks there first.
    sys.path.insert(0, str(project.imported_from))
    changed = source_watch(project) if watch else None
    asyncio.run(hold_chat(wanted, plain=plain or is_bare(), entry_points=points_of(project), changed=changed))


def points_of(project: Project) -> list[Any]:
    """Return the entry points of pegboard itself, and the pack's own as its pyproject has them."""
    from pegboard._board.discovery import OWN_DISTRIBUTION, installed_entry_points
    from pegboard._board.snapshot import Known, KnownPoint

    own = Known(str(project.says.get("name", project.folder.name)), "source", "")
    ours = [point for point in installed_entry_points() if getattr(point.dist, "name", "") == OWN_DISTRIBUTION]
    return [*ours, *(KnownPoint(name, value, own) for name, value in sorted(project.points.items()))]


def source_watch(project: Project) -> Callable[[], Sequence[str]]:
    """Return what names all of the pack's plugins if any of its source has changed since it was last asked."""
    seen = stamps(project.imported_from)

    def changed() -> Sequence[str]:
        nonlocal seen
        now = stamps(project.imported_from)
        if now == seen:
            return ()
        seen = now
        return sorted(project.points)

    return changed


def stamps(folder: Path) -> Stamps:
    """Return what changes when a source file below a folder does."""
    found: Stamps = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(place, name)
                try:
                    facts = os.stat(path)
                except OSError:
                    continue
                found[path] = (facts.st_mtime_ns, facts.st_size)
    return found
