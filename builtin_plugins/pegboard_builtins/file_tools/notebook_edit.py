"""NotebookEdit: one cell of a notebook is replaced, added or taken away."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import tool
from pegboard_builtins.file_tools.atomic import replace, unlinked, writing
from pegboard_builtins.file_tools.notebook import (
    SUFFIX,
    id_of,
    laid_out_as,
    language_of,
    notebook_in,
    place_of_cell,
    with_source,
)
from pegboard_builtins.file_tools.paths import absolute, claim_to_write, explain, normalise, place_to_write
from pegboard_builtins.file_tools.stamps import must_have_read, must_not_be_a_siblings, remember, seen, wrote
from pegboard_builtins.file_tools.text import TextFile, digest, must_be_text, printable, read_bytes

CellType = Literal["code", "markdown"]
Mode = Literal["replace", "insert", "delete"]


@tool(
    name="NotebookEdit",
    claims=claim_to_write("notebook_path"),
    egress=("file",),
    normalise=normalise("notebook_path"),
)
async def notebook_edit(
    notebook_path: Annotated[str, Field(description="The notebook (.ipynb). An absolute path is best.")],
    new_source: Annotated[str, Field(description="The cell's new source.")],
    ctx: Ctx,
    cell_id: Annotated[
        str | None, Field(description="The cell. A new one is put behind it, or at the beginning without it.")
    ] = None,
    cell_type: Annotated[CellType | None, Field(description="Needed for a new cell; else it stays as it is.")] = None,
    edit_mode: Annotated[
        Mode, Field(description="Replace the cell, insert a new one, or delete the cell.")
    ] = "replace",
) -> ToolResult:
    """Change one cell of a Jupyter notebook.

    Read the notebook first: it shows the ids. The outputs of a code cell go when its source changes.
    """
    path = absolute(notebook_path, ctx.cwd)
    must_be_text(new_source, "new_source")
    real = await asyncio.to_thread(place_to_write, path, ctx.workspace)
    wish = _Wish(path, real, cell_id, new_source.replace("\r\n", "\n"), cell_type, edit_mode)
    result, stamp = await asyncio.to_thread(_change, wish, seen(real, ctx), ctx)
    remember(real, stamp, ctx)
    return result


class _Wish(NamedTuple):
    path: Path
    real: Path
    cell: str | None
    source: str
    kind: CellType | None
    mode: Mode


def _change(wish: _Wish, known: str | None, ctx: Ctx) -> tuple[ToolResult, str]:
    with writing(wish.real):
        before, status = read_bytes(wish.real, ctx.cwd)
        file = TextFile.of(before)
        text = file.plain if file else ""
        notebook = notebook_in(wish.path, text)
        if file is None or notebook is None:
            raise ToolError(
                f"{wish.path} is no notebook: a file *{SUFFIX} with the JSON of one. For other files use Edit."
            )
        must_have_read(wish.path, known)
        if digest(before) != known:
            must_not_be_a_siblings(wish.path, wish.real, digest(before), ctx)
            raise ToolError(
                f"{wish.path} was changed since you read it, by the user or a program. Read it again first."
            )
        cells, name = _changed_cells(notebook, wish)
        written, same_layout = laid_out_as(text, {**notebook, "cells": cells}, notebook)
        after = file.encode(written.replace("\n", file.newline))
        try:
            replace(wish.real, after, expected=status)
        except OSError as error:
            raise explain(error, wish.path, ctx.cwd) from None
        wrote(wish.real, digest(after), ctx)
    done = {"replace": "replaced", "insert": "inserted", "delete": "deleted"}[wish.mode]
    note = (
        "" if same_layout else " The whole file was laid out anew: no notebook program would have written it as it was."
    )
    note += unlinked(wish.path, status)
    facts = {
        "new_source": wish.source,
        "cell_id": name,
        "cell_type": wish.kind or "",
        "language": language_of(notebook),
        "edit_mode": wish.mode,
        "notebook_path": str(wish.path),
        "original_file": printable(text),
        "updated_file": printable(written),
    }
    return ToolResult(content=f"The cell {name} of {wish.path} has been {done}.{note}", data=facts), digest(after)


def _changed_cells(notebook: dict[str, Any], wish: _Wish) -> tuple[list[dict[str, Any]], str]:
    """Return the cells as they shall be, and the id of the one that is meant."""
    cells: list[dict[str, Any]] = list(notebook["cells"])
    if wish.mode == "insert":
        at = 0 if wish.cell is None else place_of_cell(cells, wish.cell) + 1
        if wish.kind is None:
            raise ToolError("A new cell needs a cell_type: code or markdown.")
        new = _new_cell(wish.kind, wish.source, with_id=_has_ids(notebook))
        return [*cells[:at], new, *cells[at:]], id_of(new, at)
    if wish.cell is None:
        raise ToolError(f"Say the cell_id of the cell to {wish.mode}; Read shows the ids.")
    at = place_of_cell(cells, wish.cell)
    name = id_of(cells[at], at)
    if wish.mode == "delete":
        return [*cells[:at], *cells[at + 1 :]], name
    return [*cells[:at], _replaced(cells[at], wish), *cells[at + 1 :]], name


def _replaced(cell: dict[str, Any], wish: _Wish) -> dict[str, Any]:
    changed = with_source(cell, wish.source)
    if wish.kind is not None:
        changed["cell_type"] = wish.kind
    if changed.get("cell_type") == "code":
        return {**changed, "execution_count": None, "outputs": []}
    return {key: value for key, value in changed.items() if key not in ("execution_count", "outputs")}


def _new_cell(kind: CellType, source: str, *, with_id: bool) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind}
    if kind == "code":
        cell["execution_count"] = None
    if with_id:
        cell["id"] = secrets.token_hex(4)
    cell["metadata"] = {}
    if kind == "code":
        cell["outputs"] = []
    return with_source({**cell, "source": []}, source)


def _has_ids(notebook: dict[str, Any]) -> bool:
    """Cells have ids from format 4.5 on, and must not have any before."""
    return (notebook.get("nbformat", 4), notebook.get("nbformat_minor", 0)) >= (4, 5)
