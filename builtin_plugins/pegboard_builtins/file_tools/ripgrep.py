"""ripgrep, where it is installed, says which files are worth reading; what a match is, `search.py` alone decides.

So the result is the same with and without it. For that, ripgrep must never leave out a file that has a match: it is
asked for a pattern that matches wherever ours does. Where the two dialects might differ it is not asked at all.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

# Bytes that are no UTF-8 are characters for us and match "." and [^a]; for ripgrep they need saying.
STRAY_BYTE = r"(?-u:[\x80-\xff])"
SHORTHANDS = {"d": r"\d", "w": r"\p{L}\p{N}_", "s": r"\s\x1c-\x1f"}
# Neither is compiled here: only Grep needs them.
SIMPLE_GLOB = r"\*\.\w+"
_COUNT = r"\{(\d*)(,?)(\d*)\}"
_PLAIN_ESCAPES = frozenset("tfv")
OWN = ".rgignore"
EVERYTHING = (
    *("--no-config", "--null", "--no-messages", "--color=never", "--hidden", "--no-ignore-dot", "--no-ignore-global"),
    *("--glob", "!.git"),
)
_versions: dict[str, int] = {}


class _Different(Exception):
    """The pattern uses something that the dialects may understand differently."""


def wider_pattern(pattern: str, *, ignore_case: bool) -> str | None:
    """Return a pattern for ripgrep that matches each line that Python's *pattern* matches; None if unsure."""
    if not pattern.isprintable():
        return None
    try:
        return _translated(pattern, ignore_case)
    except _Different:
        return None


def _translated(pattern: str, ignore_case: bool) -> str:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char, rest = pattern[at], pattern[at:]
        at += 1
        if char == "\\":
            parts.append(_escape(rest))
            at += 1
        elif char == "[":
            members, length = _class(rest, ignore_case)
            parts.append(members)
            at += length - 1
        elif char == "(":
            if rest.startswith("(?") and not rest.startswith("(?:"):
                raise _Different
            parts.append("(?:")
            at += 2 * rest.startswith("(?:")
        elif char in "|)":
            parts.append(char)
        elif char == ".":
            parts.append(f"(?:.|{STRAY_BYTE})")
        elif char == "^":
            parts.append(r"(?:^\x{feff}?)")  # we take the byte order mark off
        elif char == "$":
            parts.append(r"(?:\r?$)")  # and the CR of a CRLF
        elif char in "*+?" or (char == "{" and _is_count(rest)):
            length, quantifier = _quantifier(rest)
            parts.append(quantifier)
            at += length - 1
        else:
            parts.append(_literal(char, ignore_case))
    return "".join(parts)


def _escape(rest: str) -> str:
    if len(rest) < 2:
        raise _Different
    char = rest[1]
    if char in SHORTHANDS:
        return f"[{SHORTHANDS[char]}]"
    if char.lower() in SHORTHANDS:
        return f"(?:[^{SHORTHANDS[char.lower()]}]|{STRAY_BYTE})"
    if char in "bB":
        return "(?:)"  # the two do not agree what a word is, so let it be anywhere
    if char in _PLAIN_ESCAPES:
        return f"\\{char}"
    if char.isascii() and not char.isalnum():
        return _hex(char)
    raise _Different


def _hex(char: str) -> str:
    return f"\\x{{{ord(char):x}}}"


def _literal(char: str, ignore_case: bool) -> str:
    if ignore_case and char in "iI\u0130\u0131":
        return "[iI\u0130\u0131]"  # Python counts the dotless and the dotted one as cases of i
    return _hex(char)


def _is_count(rest: str) -> bool:
    found = re.match(_COUNT, rest)
    return found is not None and found[0] not in ("{}", "{,}")


def _quantifier(rest: str) -> tuple[int, str]:
    count = re.match(_COUNT, rest)
    if count is None:
        length, text = 1, rest[0]
    else:
        length, text = count.end(), f"{{{count[1] or 0}{count[2]}{count[3]}}}"
    if rest[length : length + 1] == "+":
        raise _Different  # possessive
    if rest[length : length + 1] == "?":
        return length + 1, text + "?"
    return length, text


def _class(rest: str, ignore_case: bool) -> tuple[str, int]:
    """Translate a class in brackets; return it and how many characters of *rest* it takes."""
    at = 1
    negative = rest[1:2] == "^"
    at += negative
    members: list[str] = []
    stray = negative
    while True:
        char = rest[at : at + 1]
        if not char or char == "[" or rest[at : at + 2] in ("&&", "--", "~~", "||"):
            raise _Different
        if char == "]" and members:
            break
        if char == "\\":
            escaped = rest[at + 1 : at + 2]
            if escaped.lower() in SHORTHANDS and escaped:
                shorthand = SHORTHANDS[escaped.lower()]
                members.append(shorthand if escaped.islower() else f"[^{shorthand}]")
                stray = stray or escaped.isupper()
            elif escaped and escaped.isascii() and not escaped.isalnum():
                members.append(_hex(escaped))
            else:
                raise _Different
            at += 2
        else:
            is_range = char == "-" and members and rest[at + 1 : at + 2] not in ("]", "")
            members.append("-" if is_range else _hex(char))
            at += 1
    if ignore_case:
        if negative:
            raise _Different
        members.append("\u0130\u0131")
    text = f"[{'^' if negative else ''}{''.join(members)}]"
    return (f"(?:{text}|{STRAY_BYTE})" if stray else text), at + 1


def installed() -> str | None:
    """Return where ripgrep is, None if it is not installed."""
    return shutil.which("rg")


async def candidates(program: str, root: Path, pattern: str, *, ignore_case: bool, glob: str | None) -> set[str] | None:
    """Return the paths relative to *root* of the files that may match; None if ripgrep cannot say.

    *pattern* is one of `wider_pattern`. Files that are ignored may be among them: `--glob` brings those back.
    """
    only = ["--glob", glob] if glob and re.fullmatch(SIMPLE_GLOB, glob) else []
    case = "--ignore-case" if ignore_case else "--case-sensitive"
    search = [program, "--files-with-matches", case, *only, *EVERYTHING, "--regexp", pattern, "./"]
    found, hidden = await asyncio.gather(_names(search, root), _own_ignore_files(program, root))
    return None if hidden else found


async def _own_ignore_files(program: str, root: Path) -> bool:
    """Whether there is an `.rgignore`, which we do not heed: before version 14 nothing keeps ripgrep from doing so."""
    if await _version(program) >= 14:
        return False
    if any(os.path.lexists(folder / OWN) for folder in (root, *root.parents)):
        return True
    return await _names([program, "--files", "--glob", OWN, *EVERYTHING, "./"], root) != set()


async def _version(program: str) -> int:
    """Return ripgrep's main version; 0 if it does not say."""
    if program not in _versions:
        said = await _output([program, "--version"], Path("/"))
        number = re.match(rb"ripgrep (\d+)", said[1])
        _versions[program] = int(number[1]) if number else 0
    return _versions[program]


async def _names(words: Sequence[str], root: Path) -> set[str] | None:
    status, output = await _output(words, root)
    if status not in (0, 1) and not output:
        return None  # it may have stumbled over the pattern, or only over a file that it may not read
    return {os.fsdecode(name).removeprefix("./") for name in output.split(b"\0") if name}


async def _output(words: Sequence[str], folder: Path) -> tuple[int | None, bytes]:
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output
