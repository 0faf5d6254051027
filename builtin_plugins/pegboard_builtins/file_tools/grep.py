"""Grep: which files, or which of their lines, match a regular expression."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import tool
from pegboard_builtins.file_tools import ripgrep, search
from pegboard_builtins.file_tools.globbing import folder_must_exist
from pegboard_builtins.file_tools.ignored import Sieve
from pegboard_builtins.file_tools.kinds import named_so
from pegboard_builtins.file_tools.paths import absolute, claim_tree, regular_file, shown
from pegboard_builtins.file_tools.text import printable
from pegboard_builtins.file_tools.tree import Pattern, choices, compile_pattern, files_below, newest_first

DEFAULT_LIMIT = 250
SECONDS = 60.0
FEW = 300
"""Up to so many files are searched in this process."""

Mode = Literal["content", "files_with_matches", "count"]


@tool(name="Grep", read_only=True, claims=claim_tree, egress=())
async def grep(
    pattern: Annotated[str, Field(description="A regular expression, as in Python.")],
    ctx: Ctx,
    path: Annotated[
        str | None, Field(description="The file or folder to search; the working folder by default.")
    ] = None,
    glob: Annotated[str | None, Field(description="Search only these files: `*.py`, `src/**/*.{ts,tsx}`.")] = None,
    type: Annotated[str | None, Field(description="Search only files of this type: py, js, ts, rust, go, ...")] = None,
    output_mode: Annotated[
        Mode, Field(description="Show matching lines, the files that have any (default), or how many in each.")
    ] = "files_with_matches",
    ignore_case: Annotated[bool, Field(alias="-i", description="Do not tell capitals from small letters.")] = False,
    numbers: Annotated[bool, Field(alias="-n", description="Show line numbers (content).")] = True,
    after: Annotated[int | None, Field(alias="-A", ge=0, description="Lines to show after each match.")] = None,
    before: Annotated[int | None, Field(alias="-B", ge=0, description="Lines to show before each match.")] = None,
    context: Annotated[int | None, Field(alias="-C", ge=0, description="Lines to show around each match.")] = None,
    multiline: Annotated[bool, Field(description="Let . and the pattern match across lines.")] = False,
    head_limit: Annotated[int, Field(ge=0, description="Show only so many lines or files; 0 for all.")] = DEFAULT_LIMIT,
) -> ToolResult:
    """Search the content of files for a regular expression.

    `.git`, binary files, symbolic links and what .gitignore names are left out; to search what is ignored, say its
    folder or file as path. Escape what you mean literally: `interface\\{\\}`. Prefer
    this to grep or rg in Bash. Files come with the newest change first, lines in the order of their files' names.
    """
    wanted = _Wanted(pattern, ignore_case, multiline, output_mode, before or context or 0, after or context or 0)
    base = absolute(path or ".", ctx.cwd)
    try:
        async with asyncio.timeout(SECONDS):
            names = await _names(wanted, base, _Choice(glob, type), ctx.cwd)
            answer = await _search(wanted, names, ctx.cwd, numbers, head_limit)
    except TimeoutError:
        raise ToolError(
            f"The search took longer than {SECONDS:g} s and was ended. Narrow it by path or glob, or take repeated "
            f"groups such as (a+)+ out of the pattern."
        ) from None
    if "error" in answer:
        raise ToolError(f"{pattern!r} is no regular expression: {answer['error']}. Escape literal signs with \\.")
    return _result(answer, wanted.mode, head_limit)


_Names = Callable[[threading.Event], tuple[Path, list[str]]]
"""Gives a folder and the names below it that are to be searched, in their order; to be called in a thread."""


class _Wanted(NamedTuple):
    pattern: str
    ignore_case: bool
    multiline: bool
    mode: Mode
    before: int
    after: int


class _Choice(NamedTuple):
    """Which files are searched, but for those that are named themselves."""

    glob: str | None
    type: str | None


async def _names(wanted: _Wanted, base: Path, choice: _Choice, cwd: Path) -> _Names:
    is_chosen = named_so(choice.type) if choice.type else None
    if not os.path.isdir(base):
        regular_file(base, cwd)
        return lambda stop: (base.parent, [base.name])
    folder_must_exist(base, cwd)
    patterns = _glob_patterns(choice.glob)
    likely = await _likely(wanted, base, choice.glob)
    if likely is None:
        return lambda stop: (base, sorted(filter(is_chosen, files_below(base, patterns, stop, ignored=False))))
    sieve = Sieve(base)
    chosen = [name for name in filter(is_chosen, likely) if _fits(name, patterns)]
    return lambda stop: (base, sorted(filter(sieve.keeps, chosen)))


async def _likely(wanted: _Wanted, base: Path, glob: str | None) -> set[str] | None:
    program = ripgrep.installed()
    if program is None or wanted.multiline:
        return None
    wider = ripgrep.wider_pattern(wanted.pattern, ignore_case=wanted.ignore_case)
    if wider is None:
        return None
    return await ripgrep.candidates(program, base, wider, ignore_case=wanted.ignore_case, glob=glob)


def _glob_patterns(glob: str | None) -> list[Pattern]:
    if not glob:
        return [compile_pattern("**/*")]
    # As in .gitignore: a pattern without a slash fits names in every folder.
    return [compile_pattern(choice.lstrip("/") if "/" in choice else f"**/{choice}") for choice in choices(glob)]


def _fits(name: str, patterns: list[Pattern]) -> bool:
    *folders, last = name.split("/")
    for pattern in patterns:
        places = pattern.start()
        for folder in folders:
            places = pattern.after_folder(places, folder)
        if pattern.ends_with(places, last):
            return True
    return False


async def _search(wanted: _Wanted, names: _Names, cwd: Path, numbers: bool, limit: int) -> dict[str, Any]:
    """Look for the files and into them in one thread; many or hard ones are left to a program, which can be killed.

    For few files that takes longer to start than what it does. A thread waits for the interpreter beside the threads
    of other searches, so there is one of them and not one for each step.
    """
    stop = threading.Event()

    def here() -> tuple[dict[str, Any], dict[str, Any] | None]:
        job = _job(wanted, *names(stop), cwd, numbers, limit)
        if len(job["files"]) > FEW or not search.is_quick(wanted.pattern):
            return job, None
        return job, _aged(search.answer(job, stop.is_set), wanted.mode, cwd)

    try:
        job, answer = await asyncio.to_thread(here)
    finally:
        stop.set()  # a thread cannot be cancelled, but it can be asked
    if answer is None:
        answer = await asyncio.to_thread(_aged, await _search_apart(job), wanted.mode, cwd)
    return answer


def _job(wanted: _Wanted, root: Path, names: list[str], cwd: Path, numbers: bool, limit: int) -> dict[str, Any]:
    paths = [os.path.join(root, name) for name in names]
    # A file is named by its path where we still have to look at its age.
    listed = paths if wanted.mode == "files_with_matches" else [printable(shown(path, cwd)) for path in paths]
    files = list(zip(paths, listed, strict=True))
    return {**wanted._asdict(), "numbers": numbers, "limit": limit, "files": files}


def _aged(answer: dict[str, Any], mode: Mode, cwd: Path) -> dict[str, Any]:
    """Put the newest files first, and name them as they are shown."""
    if mode == "files_with_matches" and "files" in answer:
        answer["files"] = [printable(shown(name, cwd)) for name in newest_first(Path("/"), answer["files"])]
    return answer


async def _search_apart(job: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-X", "utf8", search.__file__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate(json.dumps(job).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise ToolError(f"The search failed: {last or f'its program ended with {process.returncode}'}.")
    answer: dict[str, Any] = json.loads(output)
    return answer


def _result(answer: dict[str, Any], mode: Mode, limit: int) -> ToolResult:
    files: list[str] = answer["files"]
    limit = limit or sys.maxsize
    if mode == "files_with_matches":
        facts = {"mode": mode, "filenames": files[:limit], "numFiles": len(files[:limit]), "totalFiles": len(files)}
        return ToolResult(content=_listed(files, limit, "files") or "No files found", data=facts)
    if mode == "count":
        lines = [f"{name}:{count}" for name, count in zip(files, answer["counts"], strict=True)]
        text = _listed(lines, limit, "files")
        facts = {"mode": mode, "numFiles": len(files), "filenames": [], "content": text}
        return ToolResult(content=text or "No matches found", data={**facts, "numMatches": sum(answer["counts"])})
    lines = [printable(line) for line in answer["output"]]
    text = "\n".join(lines[:limit])
    if len(lines) > limit:
        text += f"\n[These are the first {limit} lines; there are more. Use a narrower search or head_limit.]"
    facts = {"mode": mode, "numFiles": len(files), "filenames": [], "content": text, "numLines": len(lines[:limit])}
    return ToolResult(content=text or "No matches found", data=facts)


def _listed(lines: list[str], limit: int, what: str) -> str:
    text = "\n".join(lines[:limit])
    if len(lines) > limit:
        text += (
            f"\n[These are the first {limit} of {len(lines)} {what}. Use a narrower search or head_limit for others.]"
        )
    return text
