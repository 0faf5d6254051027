"""Markdown files with a head, `---` and lines of `key: value`, as commands, skills and agents are written.

The head is YAML in name, but much of what is published is none: texts with colons in them, brackets that are meant as
they stand. So it is read line by line, as their authors mean it: a key's text is all that stands behind its colon.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

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


class NestedError(PegboardError):
    """What stands below a key cannot be read; `line` is that of the file."""

    def __init__(self, problem: str, line: int) -> None:
        self.problem = problem
        self.line = line
        super().__init__(f"line {line}: {problem}")


@dataclass(frozen=True)
class Head:
    """What stands at the top of a file. `lines` says where each key stands; `nested` are keys that hold more keys.

    `below` has the lines under each of those, as they stand.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    nested: tuple[str, ...] = ()
    below: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def value(self, key: str) -> Any:
        """Return what a key holds, with the keys and lists within: see `parse_nested`. None if it is not there.

        Raises NestedError.
        """
        if key not in self.below:
            return parse_scalar(self.values[key], self.lines[key]) if key in self.values else None
        return parse_nested(self.below[key], self.lines[key] + 1)

    def hooks(self) -> dict[str, Any]:
        """Return the declared hooks in it, as settings would have them; empty if there are none. Raises NestedError."""
        said = self.value("hooks")
        if said is None:
            return {}
        if not isinstance(said, dict):
            raise NestedError("`hooks` holds no events", self.lines["hooks"])
        return said

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
    under: dict[str, tuple[str, ...]] = {}
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
            under[key] = tuple(below)
        else:
            values[key] = ""
    return Head(values, lists, places, tuple(nested), under)


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


# --- keys within keys ------------------------------------------------------------------------------------

INNER = re.compile(r"""("[^"]*"|'[^']*'|[^\s:#'"\[{-][^:]*?)[ \t]*:(?:[ \t]+(.*))?$""")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def parse_scalar(text: str, line: int = 0) -> Any:
    """Return what a text behind a colon means: a text in quotation marks, true, false, null, a number, JSON, or a text.

    Raises NestedError.
    """
    plain = _unquoted(text)
    if text[:1] in "\"'" and text[:1]:
        return plain
    if plain[:1] in ("[", "{"):
        try:
            return json.loads(plain)
        except ValueError:
            raise NestedError(f"{plain[:60]!r} is no JSON; what stands in brackets is read as that", line) from None
    if plain.lower() in WORDS:
        return WORDS[plain.lower()]
    if NUMBER.fullmatch(plain):
        return float(plain) if "." in plain else int(plain)
    return plain


def parse_nested(lines: Sequence[str], first: int = 1) -> Any:
    """Return the keys and lists that indented lines hold: as much of YAML as heads of files use. Raises NestedError.

    *first* is the number of the first line in its file.
    """
    reader = _Nested(lines, first)
    value = reader.value()
    reader.end()
    return value


class _Nested:
    def __init__(self, lines: Sequence[str], first: int) -> None:
        self._raw = lines
        self._first = first
        self._rows: list[tuple[int, int, str]] = []
        for number, line in enumerate(lines):
            text = line.strip()
            if text and not text.startswith("#"):
                self._rows.append((number, len(line) - len(line.lstrip(" ")), text))
        self._at = 0

    def _wrong(self, problem: str, number: int) -> NestedError:
        return NestedError(problem, self._first + number)

    def end(self) -> None:
        """Raise NestedError where there is more than one value."""
        if self._at < len(self._rows):
            number, _, text = self._rows[self._at]
            raise self._wrong(f"{text[:60]!r} is indented as nothing before it", number)

    def value(self) -> Any:
        """Read the value that begins here."""
        if self._at >= len(self._rows):
            return None
        _, indent, text = self._rows[self._at]
        return self._list(indent) if _is_item(text) else self._keys(indent)

    def _list(self, indent: int) -> list[Any]:
        found = []
        while self._at < len(self._rows):
            number, here, text = self._rows[self._at]
            if here != indent or not _is_item(text):
                break
            rest = text[1:].lstrip()
            if not rest or rest.startswith("#"):
                self._at += 1
                deeper = self._at < len(self._rows) and self._rows[self._at][1] > indent
                found.append(self.value() if deeper else None)
            elif _is_item(rest) or INNER.match(rest):
                self._rows[self._at] = (number, indent + len(text) - len(rest), rest)
                found.append(self.value())
            else:
                self._at += 1
                found.append(parse_scalar(rest, self._first + number))
        return found

    def _keys(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._at < len(self._rows):
            number, here, text = self._rows[self._at]
            if here != indent or _is_item(text):
                break
            match = INNER.match(text)
            if match is None:
                raise self._wrong(f"{text[:60]!r} is neither `key: value` nor `- value`", number)
            self._at += 1
            key, said = _unquoted(match[1]), (match[2] or "").strip()
            if key in found:
                raise self._wrong(f"the key {key!r} stands there twice", number)
            found[key] = self._of_key(said, indent, number)
        return found

    def _of_key(self, said: str, indent: int, number: int) -> Any:
        if BLOCK.match(said):
            return self._block(said, indent, number)
        if said and not said.startswith("#"):
            return parse_scalar(said, self._first + number)
        if self._at < len(self._rows):
            _, here, text = self._rows[self._at]
            if here > indent or (here == indent and _is_item(text)):
                return self.value()
        return None

    def _block(self, said: str, indent: int, number: int) -> str:
        end = number + 1
        while end < len(self._raw):
            line = self._raw[end]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
                break
            end += 1
        while self._at < len(self._rows) and self._rows[self._at][0] < end:
            self._at += 1
        return _block(list(self._raw[number + 1 : end]), fold=said[0] == ">")


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")
