"""Edit: one exact piece of text in a file becomes another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import tool
from pegboard_builtins.file_tools.atomic import replace, unlinked, writing
from pegboard_builtins.file_tools.ladder import alike, place_of
from pegboard_builtins.file_tools.matching import (
    MANY,
    line_numbers,
    nearest_lines,
    places,
    side_by_side,
    spliced,
)
from pegboard_builtins.file_tools.notebook import notebook_in
from pegboard_builtins.file_tools.patch import structured_patch
from pegboard_builtins.file_tools.paths import absolute, claim_to_write, explain, normalise, place_to_write
from pegboard_builtins.file_tools.preview import preview_edit
from pegboard_builtins.file_tools.stamps import must_have_read, must_not_be_a_siblings, remember, seen, wrote
from pegboard_builtins.file_tools.text import TextFile, digest, must_be_text, printable, read_bytes


@tool(
    name="Edit",
    claims=claim_to_write(),
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
    and mode of the file are kept. A slip in blanks, indentation or the form of quotes and dashes is overlooked where
    only one place can be meant.
    """
    path = absolute(file_path, ctx.cwd)
    old, new = _wanted(old_string, new_string)
    real = await asyncio.to_thread(place_to_write, path, ctx.workspace)
    known = seen(real, ctx)
    wish = _Wish(path, real, old, new, replace_all)
    patch, original, stamp, note = await asyncio.to_thread(_edit, wish, known, ctx)
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


def _edit(wish: _Wish, known: str | None, ctx: Ctx) -> tuple[list[dict[str, Any]], str, str, str]:
    """Do it; return the patch, the original text, the new content's stamp and a note for the model."""
    with writing(wish.real):
        before, status = read_bytes(wish.real, ctx.cwd)
        file = TextFile.of(before)
        if file is None:
            raise ToolError(f"{wish.path} is a binary file; Edit changes text only. Use Bash.")
        if notebook_in(wish.path, file.plain) is not None:
            raise ToolError(f"{wish.path} is a notebook, of which Read shows the cells. Use NotebookEdit.")
        must_have_read(wish.path, known)
        stamp = digest(before)
        if stamp != known:
            must_not_be_a_siblings(wish.path, wish.real, stamp, ctx)
        changed = stamp != known
        plain = file.plain
        found = _found(wish, plain, changed=changed)
        text = spliced(file, found.offsets, found.old, found.new)
        after = file.encode(text)
        try:
            replace(wish.real, after, expected=status)
        except OSError as error:
            raise explain(error, wish.path, ctx.cwd) from None
        wrote(wish.real, digest(after), ctx)
    note = f" {len(found.offsets)} places were replaced." if len(found.offsets) > 1 else found.note
    if changed:
        note += (
            " Note: it was changed by somebody else since you read it; the text to replace was still unique. "
            "Read it again before you rely on the rest of it."
        )
    patch = structured_patch(plain, text.replace("\r\n", "\n"))
    return patch, printable(plain), digest(after), note + unlinked(wish.path, status)


class _Found(NamedTuple):
    """At each of `offsets` stands `old`, which becomes `new`; `note` is for the model."""

    offsets: list[int]
    old: str
    new: str
    note: str = ""


def _found(wish: _Wish, text: str, *, changed: bool) -> _Found:
    """Return what to replace. Raises ToolError where that is not beyond doubt."""
    found = places(text, wish.old)
    again = f" {wish.path} was changed by somebody else since you read it: read it again." if changed else ""
    if not found:
        return _found_loosely(wish, text, again)
    if len(found) == 1:
        return _Found(found, wish.old, wish.new)
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
    return _Found(side_by_side(text, wish.old), wish.old, wish.new)


def _found_loosely(wish: _Wish, text: str, again: str) -> _Found:
    """Climb down from the exact text; only for one place, in a file that is as it was read."""
    near = alike(text, wish.old)
    place = place_of(text, wish.old, wish.new) if len(near) == 1 and not again and not wish.replace_all else None
    if place is not None and place.old != place.new:
        (line,) = line_numbers(text, [place.start])
        note = f" Note: old_string did not stand there letter by letter; line {line} was meant, but for {place.apart}."
        return _Found([place.start], place.old, place.new, note)
    if len(near) > 1:
        first, second = line_numbers(text, near)
        hint = f"But for blanks, quotes or dashes it stands in lines {first} and {second} at least: say it exactly."
    else:
        lines = nearest_lines(printable(text), wish.old)
        hint = f"The nearest lines are:\n{lines}" if lines else "No line of the file is like it."
    raise ToolError(f"String to replace not found in file.{again}\nString: {wish.old}\n{hint}")
