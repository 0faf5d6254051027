"""Edit: one exact piece of text in a file becomes another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import Claims, tool
from pegboard_builtins.file_tools.atomic import replace, writing
from pegboard_builtins.file_tools.matching import (
    MANY,
    line_numbers,
    nearest_lines,
    places,
    side_by_side,
    spliced,
)
from pegboard_builtins.file_tools.patch import structured_patch
from pegboard_builtins.file_tools.paths import absolute, claim_file, explain, normalise, place_to_write
from pegboard_builtins.file_tools.preview import preview_edit
from pegboard_builtins.file_tools.stamps import must_have_read, remember, seen
from pegboard_builtins.file_tools.text import TextFile, digest, must_be_text, printable, read_bytes


@tool(
    name="Edit",
    claims=claim_file(Claims.write),
    egress=("file",),
    normalise=normalise("file_path", replace_all=False),
    preview=preview_edit,
)
async def edit(
    file_path: Annotated[str, Field(description="The file to change. An absolute path is best.")],
    old_string: Annotated[str, Field(description="The text to replace, exactly as it stands in the file.")],
    new_string: Annotated[str, Field(description="The text to put in its place.")],
    ctx: Ctx,
    replace_all: Annotated[bool, Field(description="Replace every place where old_string stands.")] = False,
) -> ToolResult:
    """Replace text in a file.

    Read the file first. old_string must match exactly, with its indentation and without the line numbers of Read,
    and must stand in one place only: add lines around it until it does, or set replace_all. Line endings, encoding
    and mode of the file are kept.
    """
    path = absolute(file_path, ctx.cwd)
    old, new = _wanted(old_string, new_string)
    real = await asyncio.to_thread(place_to_write, path, ctx.project)
    known = seen(real, ctx)
    wish = _Wish(path, real, old, new, replace_all)
    patch, original, stamp, note = await asyncio.to_thread(_edit, wish, known, ctx.cwd)
    remember(real, stamp, ctx)
    facts = {
        "filePath": str(path),
        "oldString": old_string,
        "newString": new_string,
        "originalFile": original,
        "structuredPatch": patch,
        "userModified": False,
        "replaceAll": replace_all,
    }
    return ToolResult(content=f"The file {path} has been updated.{note}", data=facts)


class _Wish(NamedTuple):
    """What to do: `path` as it was named, `real` without symbolic links, both texts with LF line endings."""

    path: Path
    real: Path
    old: str
    new: str
    replace_all: bool


def _wanted(old: str, new: str) -> tuple[str, str]:
    """Check what is asked for and return it with LF line endings."""
    must_be_text(old, "old_string")
    must_be_text(new, "new_string")
    if not old:
        raise ToolError("old_string is empty. Say which text to replace; to create or fill a file use Write.")
    if old == new:
        raise ToolError("No changes to make: old_string and new_string are exactly the same.")
    old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if old == new:
        raise ToolError("old_string and new_string differ in line endings only, which Edit keeps. Use Bash.")
    return old, new


def _edit(wish: _Wish, known: str | None, cwd: Path) -> tuple[list[dict[str, Any]], str, str, str]:
    """Do it; return the patch, the original text, the new content's stamp and a note for the model."""
    with writing(wish.real):
        before, status = read_bytes(wish.real, cwd)
        file = TextFile.of(before)
        if file is None:
            raise ToolError(f"{wish.path} is a binary file; Edit changes text only. Use Bash.")
        must_have_read(wish.path, known)
        changed = digest(before) != known
        plain = file.plain
        offsets = _offsets(wish, plain, changed=changed)
        text = spliced(file, offsets, wish.old, wish.new)
        after = file.encode(text)
        try:
            replace(wish.real, after, expected=status)
        except OSError as error:
            raise explain(error, wish.path, cwd) from None
    note = f" {len(offsets)} places were replaced." if len(offsets) > 1 else ""
    if changed:
        note += (
            " Note: it was changed by somebody else since you read it; the text to replace was still unique. "
            "Read it again before you rely on the rest of it."
        )
    patch = structured_patch(plain, text.replace("\r\n", "\n"))
    return patch, printable(plain), digest(after), note


def _offsets(wish: _Wish, text: str, *, changed: bool) -> list[int]:
    """Return where to replace. Raises ToolError where that is not beyond doubt."""
    found = places(text, wish.old)
    again = f" {wish.path} was changed by somebody else since you read it: read it again." if changed else ""
    if not found:
        near = nearest_lines(printable(text), wish.old)
        hint = f"The nearest lines are:\n{near}" if near else "No line of the file is like it."
        raise ToolError(f"String to replace not found in file.{again}\nString: {wish.old}\n{hint}")
    if len(found) == 1:
        return found
    number = f"more than {MANY}" if len(found) >= MANY else str(len(found))
    if changed and wish.replace_all:
        raise ToolError(f"The string to replace stands in {number} places.{again}")
    if not wish.replace_all:
        lines = ", ".join(map(str, line_numbers(text, found[:20]))) + (", ..." if len(found) > 20 else "")
        raise ToolError(
            f"Found {number} matches of the string to replace (beginning in lines {lines}), but replace_all is "
            f"false.{again} To replace one of them, add lines around it to old_string until it is the only one; "
            f"to replace all of them, set replace_all.\nString: {wish.old}"
        )
    return side_by_side(text, wish.old)
