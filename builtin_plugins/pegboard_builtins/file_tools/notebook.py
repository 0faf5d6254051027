"""Jupyter notebooks: their cells as the model reads them, and their text written back as it was laid out."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pegboard.errors import ToolError, did_you_mean
from pegboard.messages import ImageBlock, TextBlock, ToolResult, picture_of
from pegboard_builtins.file_tools.patch import lines_of

SUFFIX = ".ipynb"
OUTPUT_CHARACTERS = 10_000
CELLS_CHARACTERS = 150_000
MOST_PICTURES = 20
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
LAYOUTS = [(indent, ascii_only) for indent in (1, 2, 4, "\t", None, 0, 3) for ascii_only in (False, True)]


def notebook_in(path: Path | str, text: str) -> dict[str, Any] | None:
    """Return the notebook that *text* holds; None if it holds none, and then it is text like any other."""
    if not os.fspath(path).endswith(SUFFIX):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cells = found.get("cells") if isinstance(found, dict) else None
    return found if isinstance(cells, list) and all(isinstance(cell, dict) for cell in cells) else None


def laid_out_as(text: str, notebook: dict[str, Any], before: dict[str, Any]) -> tuple[str, bool]:
    """Return the JSON of *notebook*, laid out as *text* is, which holds *before*; and whether that layout was found."""
    end = "\n" if text.endswith("\n") else ""
    for indent, ascii_only in LAYOUTS:
        if json.dumps(before, indent=indent, ensure_ascii=ascii_only) + end == text:
            return json.dumps(notebook, indent=indent, ensure_ascii=ascii_only) + end, True
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", False


def source_of(cell: dict[str, Any]) -> str:
    """Return a cell's source, which may lie in the file as a list of lines."""
    return _joined(cell.get("source", ""))


def with_source(cell: dict[str, Any], source: str) -> dict[str, Any]:
    """Return the cell with another source, in the form that it has: a list of lines, or one text."""
    return {**cell, "source": source if isinstance(cell.get("source"), str) else lines_of(source)}


def id_of(cell: dict[str, Any], number: int) -> str:
    """Return the cell's id; notebooks before format 4.5 have none, and then its place is its name."""
    return str(cell.get("id") or f"cell-{number}")


def place_of_cell(cells: list[dict[str, Any]], wanted: str) -> int:
    """Return where the cell is. Raises ToolError."""
    ids = [id_of(cell, number) for number, cell in enumerate(cells)]
    if wanted in ids:
        return ids.index(wanted)
    if wanted.startswith("cell-") and wanted[5:].isdigit() and int(wanted[5:]) < len(cells):
        return int(wanted[5:])
    known = f"The cells are: {', '.join(ids[:50])}." if ids else "The notebook has no cells."
    raise ToolError(f"There is no cell {wanted!r}.{did_you_mean(wanted, ids)} {known}")


def language_of(notebook: dict[str, Any]) -> str:
    """Return the language of its code cells."""
    metadata = notebook.get("metadata")
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    return str(info.get("name", "python")) if isinstance(info, dict) else "python"


def shown_cells(path: str, notebook: dict[str, Any]) -> ToolResult:
    """Return all cells with their outputs, pictures too."""
    language = language_of(notebook)
    parts: list[TextBlock | ImageBlock] = []
    facts: list[dict[str, Any]] = []
    room, pictures = CELLS_CHARACTERS, MOST_PICTURES
    for number, cell in enumerate(notebook["cells"]):
        kind, source, name = str(cell.get("cell_type", "raw")), source_of(cell), id_of(cell, number)
        outputs = list(_outputs(cell))
        texts = "".join(f"\n<output>\n{text.rstrip()}\n</output>" for text in outputs if isinstance(text, str))
        text = f'<cell id="{name}" type="{kind}">\n{source}\n</cell>{texts}'
        room -= len(text)
        if room < 0 and facts:
            left = len(notebook["cells"]) - number
            parts.append(TextBlock(text=f"[{left} more cells are not shown: the notebook is long. Use Grep for them.]"))
            break
        shown = [output for output in outputs if isinstance(output, ImageBlock)]
        if len(shown) > pictures:
            text += f"\n[{len(shown) - pictures} more pictures are not shown]"
        parts += [TextBlock(text=text), *shown[:pictures]]
        pictures -= len(shown[:pictures])
        facts.append(
            {"cellType": kind, "source": source, "cell_id": name, "language": language if kind == "code" else ""}
        )
    if not facts:
        parts = [TextBlock(text=f"[{path} is a notebook without cells.]")]
    merged = _merged(parts)
    data = {"type": "notebook", "file": {"filePath": path, "cells": facts}}
    only = merged[0] if len(merged) == 1 else None
    return ToolResult(content=only.text if isinstance(only, TextBlock) else tuple(merged), data=data)


def _merged(parts: list[TextBlock | ImageBlock]) -> list[TextBlock | ImageBlock]:
    merged: list[TextBlock | ImageBlock] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, TextBlock) and isinstance(last, TextBlock):
            merged[-1] = TextBlock(text=f"{last.text}\n{part.text}")
        else:
            merged.append(part)
    return merged


def _outputs(cell: dict[str, Any]) -> Iterator[str | ImageBlock]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        if "text" in output:
            yield _cut(_joined(output["text"]))
        elif output.get("output_type") == "error":
            yield _cut("\n".join(map(str, output.get("traceback") or [output.get("evalue", "error")])))
        elif isinstance(data := output.get("data"), dict):
            picture = next((kind for kind in PICTURES if kind in data), None)
            if picture:
                yield picture_of(_joined(data[picture])) or f"[a picture of the type {picture}: it cannot be shown]"
            elif "text/plain" in data:
                yield _cut(_joined(data["text/plain"]))


def _cut(text: str) -> str:
    more = len(text) - OUTPUT_CHARACTERS
    return text if more <= 0 else f"{text[:OUTPUT_CHARACTERS]}\n[{more} more characters of output are not shown]"


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text)
