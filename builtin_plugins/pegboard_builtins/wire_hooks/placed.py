"""JSON and TOML with the line on which each object stands, so that a wrong entry can be found."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any


class Placed(dict[str, Any]):
    """An object of a file; `line` is where it begins, `twice` are keys that stand in it more than once."""

    line: int = 1
    twice: tuple[str, ...] = ()


class BrokenFileError(ValueError):
    """A file that is neither whole JSON nor whole TOML; `line` is where it breaks, `mend` what to do."""

    def __init__(self, problem: str, line: int, mend: str = "") -> None:
        self.line = line
        self.mend = mend
        super().__init__(problem)


class _Decoder(json.JSONDecoder):
    def __init__(self, text: str) -> None:
        super().__init__(object_pairs_hook=list)
        inner = json.decoder.JSONObject  # type: ignore[attr-defined]
        starts = [match.end() for match in re.finditer("\n", text)]

        def parse_object(state: Any, *rest: Any) -> Any:
            pairs, end = inner(state, *rest)
            placed = Placed(pairs)
            if len(placed) < len(pairs):
                placed.twice = tuple(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            at = state[1] - 1
            placed.line = 1 + sum(start <= at for start in starts) if len(starts) < 500 else _line(starts, at)
            return placed, end

        self.parse_object = parse_object
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]  # the C one has no such door


def _line(starts: list[int], at: int) -> int:
    from bisect import bisect_right

    return 1 + bisect_right(starts, at)


def read_json(text: str) -> Any:
    """Return the value of a JSON text, its objects as Placed. Raises BrokenFileError."""
    try:
        return _Decoder(text).decode(text)
    except json.JSONDecodeError as wrong:
        if not text.strip():
            raise BrokenFileError("is empty", 1, "Write {}, or take the file away.") from None
        raise BrokenFileError(f"is no JSON: {wrong.msg}", wrong.lineno, _mend(text, wrong)) from None
    except ValueError as wrong:  # a number of thousands of digits
        raise BrokenFileError(f"cannot be read: {wrong}", 1) from None
    except RecursionError:
        raise BrokenFileError("is nested too deeply", 1) from None


def _mend(text: str, wrong: json.JSONDecodeError) -> str:
    if wrong.msg.startswith("Extra data"):
        return "A file is one object: take away what follows it."
    if wrong.pos >= len(text.rstrip()) or wrong.msg.startswith("Unterminated"):
        return "It breaks off there: write the rest."
    return "Comments and trailing commas are no JSON."


_HEADER = re.compile(r"^\s*\[\[\s*(?:tool\.pegboard\.)?hooks\s*\.\s*([\w\"'-]+)\s*(\.\s*hooks\s*)?\]\]", re.MULTILINE)


def place_toml(hooks: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the `[hooks]` table of a TOML text with its `[[hooks.EVENT]]` tables as Placed.

    Lists that are written inline stand on the line of their key, as far as it can be found.
    """
    lines: dict[str, list[tuple[int, list[int]]]] = {}
    for match in _HEADER.finditer(text):
        groups = lines.setdefault(match[1].strip("\"'"), [])
        line = text.count("\n", 0, match.start(1)) + 1
        if match[2] is None:
            groups.append((line, []))
        elif groups:
            groups[-1][1].append(line)
    return {
        event: _place_groups(said, lines.get(event, []), _key_line(text, event)) if isinstance(said, list) else said
        for event, said in hooks.items()
    }


def _place_groups(groups: list[Any], lines: list[tuple[int, list[int]]], fallback: int) -> list[Any]:
    made = []
    for place, group in enumerate(groups):
        line, inner = lines[place] if place < len(lines) else (fallback, [])
        placed = _placed(group, line)
        entries = group.get("hooks") if isinstance(group, dict) else None
        if isinstance(entries, list):
            placed["hooks"] = [_placed(one, inner[at] if at < len(inner) else line) for at, one in enumerate(entries)]
        made.append(placed)
    return made


def _placed(value: Any, line: int) -> Any:
    if not isinstance(value, dict):
        return value
    placed = Placed(value)
    placed.line = line
    return placed


def _key_line(text: str, key: str) -> int:
    match = re.search(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=", text, re.MULTILINE)
    return text.count("\n", 0, match.start()) + 1 if match else 1
