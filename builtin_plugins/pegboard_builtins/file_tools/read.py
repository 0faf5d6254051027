"""Read: a file as the model sees it: lines with numbers, a picture, a notebook's cells, a PDF's pages."""

from __future__ import annotations

import asyncio
import base64
import os
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import LARGEST_PICTURE, ImageBlock, ToolResult, picture_type
from pegboard.tools import tool
from pegboard_builtins.file_tools import pdf
from pegboard_builtins.file_tools.notebook import notebook_in, shown_cells
from pegboard_builtins.file_tools.paths import absolute_text, claim_to_read, normalise, regular_file
from pegboard_builtins.file_tools.stamps import remember
from pegboard_builtins.file_tools.text import TextFile, digest, printable, read_named

DEFAULT_LINES = 2000
LINE_WIDTH = 2000
PAGE_CHARACTERS = 100_000
"""One answer's size; the host never has to cut it in the middle (see `max_output`)."""
SMALL = 128 * 1024
MAX_PICTURE = LARGEST_PICTURE // 4 * 3


@tool(
    name="Read",
    read_only=True,
    claims=claim_to_read,
    egress=(),
    max_output=2 * PAGE_CHARACTERS,
    normalise=normalise("file_path"),
)
async def read(
    file_path: Annotated[str, Field(description="The file to read. An absolute path is best.")],
    ctx: Ctx,
    offset: Annotated[int | None, Field(ge=0, description="The line to begin with; the first line is 1.")] = None,
    limit: Annotated[int | None, Field(ge=1, description="How many lines to read.")] = None,
    pages: Annotated[str | None, Field(description='Pages of a PDF: "3", "2-5" or "7-"; at most 20 at once.')] = None,
) -> ToolResult:
    """Read a file.

    Text comes with line numbers, as `cat -n` prints it: up to 2000 lines from the beginning unless you say offset
    and limit; lines longer than 2000 characters are cut. PNG, JPEG, GIF and WebP pictures are shown to you.
    Of notebooks (.ipynb) you see the cells with their outputs, of PDFs the text of the pages.
    Reads files only, no folders: use Glob, or `ls` in Bash. Read several files at once by several calls.
    """
    cwd = ctx.cwd
    path = absolute_text(file_path, cwd)
    status = regular_file(path, cwd)
    wanted = (path, cwd, status, offset or 1, limit)
    # A small file is read in less time than it takes to start a thread, and many such calls come together.
    result, real, stamp = _read(*wanted) if status.st_size <= SMALL else await asyncio.to_thread(_read, *wanted)
    if result is None:
        result = await pdf.read_pages(path, status.st_size, pages)
    remember(real, stamp, ctx)
    return result


def _read(
    path: str, cwd: Path, status: os.stat_result, first: int, limit: int | None
) -> tuple[ToolResult | None, str, str]:
    """Return what to show, None for a PDF; and the real name and the stamp of what was read."""
    data, real = read_named(path, cwd, status)
    return _shown(path, data, first, limit), real, digest(data)


def _shown(path: str, data: bytes, first: int, limit: int | None) -> ToolResult | None:
    if pdf.is_pdf(data):
        return None
    media_type = picture_type(data)
    if media_type:
        return picture(path, data, media_type)
    file = TextFile.of(data)
    if file is None:
        raise ToolError(
            f"{path} is a binary file, which cannot be read as text. Look at it in Bash: `file` says what it is, "
            f"`xxd` or `strings` show its content."
        )
    notebook = notebook_in(path, file.plain)
    if notebook is not None:
        return shown_cells(path, notebook)
    return page(path, printable(file.plain), first, limit)


def page(path: str, text: str, first: int, limit: int | None) -> ToolResult:
    """Return lines *first* to *first* + *limit* with their numbers, and what was left out in a last line."""
    lines = text.split("\n")
    if first > len(lines):
        raise ToolError(f"{path} has {len(lines)} lines; offset {first} is behind its end.")
    count = len(lines) - (lines[-1] == "")  # no line begins after the last LF
    whole = first == 1 and count <= (limit or DEFAULT_LINES) and _fits(text, lines)
    chosen = lines if whole else _that_fit(lines[first - 1 : first - 1 + (limit or DEFAULT_LINES)])
    last = first - 1 + len(chosen)
    visible = chosen[:-1] if last == len(lines) and chosen[-1] == "" else chosen
    shown = _numbered(first, visible)
    if not text:
        shown = f"[{path} exists but is empty.]"
    elif last < len(lines):
        shown += f"\n[These are lines {first} to {last} of {len(lines)}. Read on with offset={last + 1}.]"
    facts = {
        "filePath": path,
        "content": text if whole else "\n".join(chosen),
        "numLines": len(chosen),
        "startLine": first,
        "totalLines": len(lines),
    }
    return ToolResult(content=shown, data={"type": "text", "file": facts})


def _numbered(first: int, lines: list[str]) -> str:
    """Return the lines with their numbers. Writing numbers out takes seven times as long as all else of a page."""
    count = len(lines)
    pieces = [""] * (2 * count)  # joined once: no line is copied into a longer one before
    numbers = _first_numbers() if first == 1 and count <= DEFAULT_LINES else _numbers(first, count)
    pieces[::2] = numbers[:count]
    pieces[1::2] = lines
    return "".join(pieces)[1:]


def _numbers(first: int, count: int) -> list[str]:
    """Return what stands before each line, the end of the line before it included."""
    return [f"\n{number:>6}\t" for number in range(first, first + count)]


@cache
def _first_numbers() -> list[str]:
    return _numbers(1, DEFAULT_LINES)


def _fits(text: str, lines: list[str]) -> bool:
    """Whether all of *text* fits a page and no line of it is too wide."""
    return len(text) + 8 * len(lines) <= PAGE_CHARACTERS and max(map(len, lines)) <= LINE_WIDTH


def _that_fit(lines: list[str]) -> list[str]:
    """Cut what is too wide, and leave off lines that make the page too large (never the first)."""
    widths = list(map(len, lines))
    if max(widths, default=0) <= LINE_WIDTH and sum(widths) + 8 * len(lines) <= PAGE_CHARACTERS:
        return lines
    fitting: list[str] = []
    room = PAGE_CHARACTERS
    for line in lines:
        if len(line) > LINE_WIDTH:
            line = f"{line[:LINE_WIDTH]} [line cut: {len(line) - LINE_WIDTH} more characters]"
        room -= len(line) + 8
        if room < 0 and fitting:
            break
        fitting.append(line)
    return fitting


def picture(path: str, data: bytes, media_type: str) -> ToolResult:
    """Return a picture for the model to look at."""
    if len(data) > MAX_PICTURE:
        raise ToolError(
            f"{path} is a picture of {len(data) / 1e6:.1f} MB; at most {MAX_PICTURE / 1e6:g} MB can be shown. "
            f"Make a smaller copy in Bash and read that."
        )
    encoded = base64.b64encode(data).decode()
    block = ImageBlock(source={"type": "base64", "media_type": media_type, "data": encoded})
    facts = {"base64": encoded, "type": media_type, "originalSize": len(data)}
    return ToolResult(content=(block,), data={"type": "image", "file": facts})
