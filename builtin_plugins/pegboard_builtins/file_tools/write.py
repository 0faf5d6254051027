"""Write: a whole file, new or in the place of one that was read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import tool
from pegboard_builtins.file_tools.atomic import replace, unlinked, writing
from pegboard_builtins.file_tools.patch import structured_patch
from pegboard_builtins.file_tools.paths import absolute, claim_to_write, explain, normalise, place_to_write
from pegboard_builtins.file_tools.preview import preview_write
from pegboard_builtins.file_tools.stamps import must_have_read, must_not_be_a_siblings, remember, seen, wrote
from pegboard_builtins.file_tools.text import TextFile, digest, must_be_text, printable, read_bytes


@tool(
    name="Write",
    repeatable=True,
    claims=claim_to_write(),
    egress=("file",),
    normalise=normalise("file_path"),
    preview=preview_write,
)
async def write(
    file_path: Annotated[str, Field(description="The file to write. An absolute path is best.")],
    content: Annotated[str, Field(description="All that shall be in the file.")],
    ctx: Ctx,
) -> ToolResult:
    """Write a file: create it, or replace all that is in it.

    Read an existing file before you replace it. To change a part of a file use Edit. Folders that do not exist are
    created; the mode, encoding and CRLF line endings of an existing file are kept.
    """
    path = absolute(file_path, ctx.cwd)
    must_be_text(content, "content")
    real = await asyncio.to_thread(place_to_write, path, ctx.workspace)
    result, stamp = await asyncio.to_thread(_write, path, real, content, seen(real, ctx), ctx)
    remember(real, stamp, ctx)
    return result


def _write(path: Path, real: Path, content: str, known: str | None, ctx: Ctx) -> tuple[ToolResult, str]:
    with writing(real):
        try:
            there = os.path.lexists(real)
            result, stamp = _update(path, real, content, known, ctx) if there else _create(path, real, content)
        except OSError as error:
            raise explain(error, path, ctx.cwd) from None
        except ValueError as wrong:
            raise ToolError(f"{str(path)!r} is no path: {wrong}") from None
        wrote(real, stamp, ctx)
        return result, stamp


def _create(path: Path, real: Path, content: str) -> tuple[ToolResult, str]:
    data = content.encode()
    try:
        os.makedirs(real.parent, exist_ok=True)
    except RecursionError:  # a folder more for each
        raise ToolError(f"The path has {len(real.parts):,} folders in it, which is too many.") from None
    except (FileExistsError, NotADirectoryError):
        raise ToolError(f"{real.parent} is no folder, so {path} cannot be created. Choose another path.") from None
    replace(real, data, expected=None)
    facts = _facts("create", path, content, patch=[], original=None)
    return ToolResult(content=f"File created successfully at: {path}", data=facts), digest(data)


def _update(path: Path, real: Path, content: str, known: str | None, ctx: Ctx) -> tuple[ToolResult, str]:
    old, status = read_bytes(real, ctx.cwd)
    file = TextFile.of(old)
    data = _in_the_style_of(file, content) if file else content.encode()
    note = ""
    if data != old:  # else it is there already, for example because this very call was cut off after the rename
        must_have_read(path, known)
        if digest(old) != known:
            must_not_be_a_siblings(path, real, digest(old), ctx)
            raise ToolError(f"{path} was changed since you read it, by the user or a program. Read it again first.")
        replace(real, data, expected=status)
        note = unlinked(path, status)
    original = file.plain if file else None
    patch = [] if original is None else structured_patch(original, content.replace("\r\n", "\n"))
    facts = _facts("update", path, content, patch=patch, original=original)
    return ToolResult(content=f"The file {path} has been updated.{note}", data=facts), digest(data)


def _in_the_style_of(file: TextFile, content: str) -> bytes:
    """The model is shown LF for CRLF, so what it writes with LF goes back as CRLF."""
    if file.all_crlf and "\r" not in content:
        content = content.replace("\n", "\r\n")
    return file.encode(content)


def _facts(kind: str, path: Path, content: str, *, patch: list[Any], original: str | None) -> dict[str, Any]:
    return {
        "type": kind,
        "filePath": str(path),
        "content": content,
        "structuredPatch": patch,
        "originalFile": None if original is None else printable(original),
        "userModified": False,
    }
