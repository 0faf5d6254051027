"""A command's text becomes a prompt: its arguments, what its shell lines print, the files that it names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import field
from pathlib import Path

from pegboard.context import Ctx
from pegboard.errors import PegboardError
from pegboard.typed import dataclass

SHELL = re.compile(r"!`([^`\n]+)`|^```!\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
"""A line for the shell: in backticks behind an exclamation mark, or a block of them."""
ARGUMENT = re.compile(r"\$ARGUMENTS\[(\d+)\]|\$ARGUMENTS\b|\$([1-9])(?!\d)|\$\{([A-Z_]+)\}")
FILE = re.compile(r"(?<![\w@`/.])@((?:~/|\.{0,2}/)?[\w.-][\w./-]*)")
MOST_FILES = 10
LARGEST = 200_000
"""Characters of a prompt."""

Run = Callable[[str], Awaitable[str]]
"""Runs a shell line, or reads a file, and returns what there is to be read. Raises ExpansionError."""


class ExpansionError(PegboardError):
    """A command could not become a prompt."""


@dataclass
class Expansion:
    """What became of a command. `ran` are the shell lines that ran, `files` the files that were read."""

    text: str = ""
    ran: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


async def expand(body: str, words: str, variables: dict[str, str], run: Run, read: Run, cwd: Path) -> Expansion:
    """Expand a text. Arguments are put in once: what they hold is neither an argument nor a shell line.

    Raises ExpansionError.
    """
    made = Expansion()
    parts: list[str] = []
    used = False
    end = 0
    for found in SHELL.finditer(body):
        text, had = put_in(body[end : found.start()], words, variables)
        line, had_too = put_in(found[1] if found[1] is not None else found[2].rstrip("\n"), words, variables)
        used |= had or had_too
        parts += [text, await run(line)]
        made.ran.append(line)
        end = found.end()
    text, had = put_in(body[end:], words, variables)
    parts.append(text)
    if words and not (used or had):
        parts.append(f"\n\nARGUMENTS: {words}")
    named = "\n".join(parts[::2])
    made.text = "".join(parts)
    for path in _files_in(named, cwd):
        made.text += f"\n\nThe file {path}:\n{await read(path)}"
        made.files.append(path)
    if len(made.text) > LARGEST:
        raise ExpansionError(f"it makes a prompt of {len(made.text):,} characters; {LARGEST:,} are the most")
    return made


def put_in(text: str, words: str, variables: dict[str, str]) -> tuple[str, bool]:
    """Return a text with its arguments, and whether there were any: `$ARGUMENTS`, `$1` to `$9`, `$ARGUMENTS[0]`."""
    each = _split(words)
    used = False

    def value(found: re.Match[str]) -> str:
        nonlocal used
        if found[3] is not None:
            return variables.get(found[3], found[0])
        used = True
        if found[1] is None and found[2] is None:
            return words
        place = int(found[1]) if found[1] is not None else int(found[2]) - 1
        return each[place] if place < len(each) else ""

    return ARGUMENT.sub(value, text), used


def named(text: str, variables: dict[str, str]) -> str:
    """Return a text with the variables of its file (`${NAME}`) and nothing else put in."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda found: variables.get(found[1], found[0]), text)


def _split(words: str) -> list[str]:
    try:
        return shlex.split(words)
    except ValueError:  # an open quotation mark: an apostrophe, mostly
        return words.split()


def _files_in(text: str, cwd: Path) -> list[str]:
    found: dict[str, None] = {}
    for match in FILE.finditer(text):
        path = match[1].rstrip(".")
        if (cwd / Path(path).expanduser()).is_file():
            found.setdefault(path)
    if len(found) > MOST_FILES:
        raise ExpansionError(f"it names {len(found)} files; {MOST_FILES} are the most")
    return list(found)


def shell_of(ctx: Ctx) -> Run:
    """Return what runs a line: the Bash tool, with permissions and hooks in force."""

    async def run(line: str) -> str:
        if "Bash" not in ctx.tools:
            raise ExpansionError(f"`{line}` needs the tool Bash, which this session does not have")
        result = await ctx.invoke("Bash", {"command": line, "description": "a line of a command file"})
        if result.is_error:
            raise ExpansionError(f"`{line}` failed: {result.text.strip()}")
        printed = result.data.get("stdout") if isinstance(result.data, dict) else None
        return (printed if isinstance(printed, str) else result.text).rstrip("\n")

    return run


def reader_of(ctx: Ctx) -> Run:
    """Return what reads a file: the Read tool, with permissions and hooks in force."""

    async def read(path: str) -> str:
        if "Read" not in ctx.tools:
            raise ExpansionError(f"@{path} needs the tool Read, which this session does not have")
        where = ctx.cwd / Path(path).expanduser()
        result = await ctx.invoke("Read", {"file_path": str(where)})
        if result.is_error:
            raise ExpansionError(f"@{path} could not be read: {result.text.strip()}")
        return result.text

    return read
