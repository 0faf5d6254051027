"""Glob: which files fit a pattern."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import READS_ANYTHING, Claims, tool
from pegboard_builtins.file_tools.paths import absolute, claim_tree, explain, shown
from pegboard_builtins.file_tools.text import printable
from pegboard_builtins.file_tools.tree import Pattern, choices, compile_pattern, files_below, newest_first, rooted

MOST = 100


def _claims(given: dict[str, Any], cwd: Path) -> Claims:
    # A pattern may lead elsewhere by itself ("/etc/*.conf", "../other/*.py").
    base = absolute(str(given.get("path") or "."), cwd)
    try:
        roots = [rooted(choice, base)[0] for choice in choices(str(given["pattern"]))]
    except ToolError:
        return READS_ANYTHING  # the call itself will say what is wrong
    return Claims(reads=frozenset().union(*(claim_tree({"path": str(root)}, cwd).reads for root in roots)))


@tool(name="Glob", read_only=True, claims=_claims, egress=())
async def glob(
    pattern: Annotated[str, Field(description="For example `**/*.py` or `src/**/*.{ts,tsx}`.")],
    ctx: Ctx,
    path: Annotated[str | None, Field(description="The folder to look in; the working folder by default.")] = None,
) -> ToolResult:
    """Find files by name.

    `*` and `?` match within one name, `**` any number of folders, `{a,b}` either; names that begin with a dot match
    too, `.git` is left out. Files come with the newest change first, at most 100.
    """
    started = time.monotonic()
    base = absolute(path or ".", ctx.cwd)
    stop = threading.Event()
    try:
        names = await asyncio.to_thread(_find, pattern, base, ctx.cwd, stop)
    finally:
        stop.set()  # a thread cannot be cancelled, but it can be asked
    listed = [printable(shown(name, ctx.cwd)) for name in names[:MOST]]
    truncated = len(names) > MOST
    text = "\n".join(listed) or "No files found"
    if truncated:
        text += f"\n[These are the newest {MOST} of {len(names)} files. Use a narrower pattern or path for others.]"
    facts = {
        "filenames": listed,
        "durationMs": round((time.monotonic() - started) * 1000),
        "numFiles": len(listed),
        "truncated": truncated,
        "totalMatches": len(names),
        "countIsComplete": True,
    }
    return ToolResult(content=text, data=facts)


def _find(pattern: str, base: Path, cwd: Path, stop: threading.Event) -> list[str]:
    if not pattern:
        raise ToolError("the pattern is empty. For all files below a folder use `**/*`.")
    folder_must_exist(base, cwd)
    by_root: dict[Path, list[Pattern]] = {}
    for choice in choices(pattern):
        root, rest = rooted(choice, base)
        if rest:
            by_root.setdefault(root, []).append(compile_pattern(rest))
    found = {str(root / name) for root, patterns in by_root.items() for name in files_below(root, patterns, stop)}
    return newest_first(Path("/"), list(found))


def folder_must_exist(folder: Path, cwd: Path) -> None:
    """Raise ToolError unless *folder* is a folder that can be listed."""
    try:
        os.scandir(folder).close()
    except NotADirectoryError:
        raise ToolError(f"{folder} is a file. `path` is the folder to look in.") from None
    except FileNotFoundError:
        raise ToolError(f"{folder} does not exist. Note: your current working directory is {cwd}.") from None
    except OSError as error:
        raise explain(error, folder, cwd) from None
    except ValueError as wrong:
        raise ToolError(f"{str(folder)!r} is no path: {wrong}") from None
