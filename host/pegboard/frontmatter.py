"""Markdown files with a head, `---` and lines of `key: value`, as commands, skills and agents are written.

The head is YAML in name, but much of what is published is none: texts with colons in them, brackets that are meant as
they stand. So it is read line by line, as their authors mean it: a key's text is all that stands behind its colon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from pegboard._dataclass import dataclass
from pegboard.errors import PegboardError

LARGEST = 512 * 1024
"""Bytes of a file."""
KEY = re.compile(r"([A-Za-z][\w.-]*)[ \t]*:(?:[ \t]+(.*))?$")
BLOCK = re.compile(r"([|>])[+-]?\d?[+-]?$")
ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/"}
TRUE = ("true", "yes", "on")


class MarkdownError(PegboardError):
    """A file cannot be read as Markdown with a head."""

    def __init__(self, problem: str, file: Path) -> None:
        self.problem = problem
        self.file = file
        super().__init__(f"{file}: {problem}")


@dataclass(frozen=True)
class Head:
    """What stands at the top of a file. `lines` says where each key stands; `nested` are keys that hold more keys."""

    values: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    nested: tuple[str, ...] = ()

    def text(self, key: str) -> str:
        """Return a key's text; empty if it is not there. A list becomes a line."""
        return self.values.get(key) or ", ".join(self.lists.get(key, ()))

    def words(self, key: str) -> tuple[str, ...]:
        """Return a key's members, written as a list or in a line with commas or blanks; brackets hold together."""
        if key in self.lists:
            return self.lists[key]
        text = self.values.get(key, "").strip()
        return split_words(text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return whether a key is true."""
        said = self.values.get(key)
        return default if said is None else said.strip().lower() in TRUE


@dataclass(frozen=True)
class Markdown:
    """A file: its head, and what stands below."""

    head: Head
    body: str


_read: dict[str, tuple[int, int, Markdown]] = {}
"""What was read, by path, with the time and the size that the file had."""


def read_markdown(path: Path) -> Markdown:
    """Read a file; one that has not changed since is not read again. Raises MarkdownError."""
    key = str(path)
    try:
        facts = os.stat(key)
        kept = _read.get(key)
        if kept is not None and kept[:2] == (facts.st_mtime_ns, facts.st_size):
            return kept[2]
        if facts.st_size > LARGEST:
            raise MarkdownError(f"has {facts.st_size:,} bytes; more than {LARGEST:,} are not read", path)
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as wrong:
        raise MarkdownError(f"cannot be read: {wrong.strerror}", path) from None
    except UnicodeDecodeError:
        raise MarkdownError("is no UTF-8", path) from None
    found = parse_markdown(text)
    _read[key] = (facts.st_mtime_ns, facts.st_size, found)
    return found


def parse_markdown(text: str) -> Markdown:
    """Split a text into head and body. A text without a head, or with one that does not end, is all body."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        return Markdown(Head(), "\n".join(lines))
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), None)
    if end is None:
        return Markdown(Head(), "\n".join(lines))
    return Markdown(_head(lines[1:end]), "\n".join(lines[end + 1 :]).lstrip("\n"))


def _head(lines: list[str]) -> Head:
    values: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    places: dict[str, int] = {}
    nested: list[str] = []
    at = 0
    while at < len(lines):
        found = KEY.match(lines[at].rstrip())
        key, first = (found[1], (found[2] or "").strip()) if found else ("", "")
        start = at = at + 1
        while at < len(lines) and not KEY.match(lines[at].rstrip()) and (key or not lines[at].strip()):
            at += 1
        if not key or key in places:
            continue  # a comment or a stray line; of a key that is written twice the first counts
        below = lines[start:at]
        places[key] = start + 1
        if BLOCK.match(first):
            values[key] = _block(below, fold=first[0] == ">")
        elif first and not first.startswith("#"):
            values[key] = _plain(first, below)
        elif next((line for line in below if line.strip()), "").lstrip().startswith("- "):
            lists[key] = tuple(_unquoted(line.strip()[2:]) for line in below if line.strip().startswith("- "))
        elif any(line.strip() for line in below):
            nested.append(key)
            values[key] = ""
        else:
            values[key] = ""
    return Head(values, lists, places, tuple(nested))


def _plain(first: str, below: list[str]) -> str:
    """Return a text that may go on in further lines."""
    more = [line.strip() for line in below if line.strip() and not line.lstrip().startswith("#")]
    return _unquoted(" ".join([first, *more]))


def _unquoted(text: str) -> str:
    text = text.strip()
    quote = text[:1]
    if quote in ('"', "'") and len(text) > 1:
        end = _end_of(text)
        if end and (not text[end + 1 :].strip() or text[end + 1 :].lstrip().startswith("#")):
            inner = text[1:end]
            if quote == "'":
                return inner.replace("''", "'")
            return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[0]), inner)
        return text
    return re.split(r"\s#", text, maxsplit=1)[0].rstrip()


def _end_of(text: str) -> int:
    """Return where the quotation that a text begins with ends; 0 where it does not."""
    quote, at = text[0], 1
    while at < len(text):
        if (quote == '"' and text[at] == "\\") or (text[at] == quote and text[at : at + 2] == "''" and quote == "'"):
            at += 2
        elif text[at] == quote:
            return at
        else:
            at += 1
    return 0


def _block(lines: list[str], *, fold: bool) -> str:
    filled = [line for line in lines if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    kept = [line[margin:].rstrip() if line.strip() else "" for line in lines]
    if not fold:
        return "\n".join(kept).strip("\n")
    return "\n".join(" ".join(part.split("\n")) for part in "\n".join(kept).strip("\n").split("\n\n"))


def split_words(text: str) -> tuple[str, ...]:
    """Split a line at commas and blanks, but not inside brackets or quotation marks: `Bash(git add:*), Read`."""
    words: list[str] = []
    word, depth, quote = "", 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (depth or not word):
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        if not depth and not quote and (character == "," or character.isspace()):
            words.append(word)
            word = ""
        else:
            word += character
    return tuple(_unquoted(one) for one in [*words, word] if one.strip())
