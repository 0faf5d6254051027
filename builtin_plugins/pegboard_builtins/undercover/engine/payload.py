"""Names in plain data, as JSON has it: every text in it is looked at, keys too, and clean data stays the very same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from .matching import Hit, masked


class Finder(Protocol):
    """Whatever finds names in a text."""

    def find(self, text: str) -> list[Hit]: ...


def mask_value(finder: Finder, value: Any, mask: str, found: list[Hit] | None = None) -> Any:
    """Return data with its names masked, the very same object if it has none; the hits are added to *found*."""
    hits = [] if found is None else found

    def text(given: str) -> str:
        new = finder.find(given)
        if not new:
            return given
        hits.extend(new)
        return masked(given, new, mask)

    return each_text(value, text)


def each_text(value: Any, text: Callable[[str], str]) -> Any:
    """Return data with what *text* makes of every text in it, keys too; the very same object if nothing changed."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return _bytes(value, text)
    if isinstance(value, dict):
        made = {each_text(key, text): each_text(one, text) for key, one in value.items()}
        same = len(made) == len(value) and all(
            new is old and value[old] is made[new] for new, old in zip(made, value, strict=True)
        )
        return value if same else made
    if isinstance(value, list | tuple):
        items = [each_text(one, text) for one in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return items if isinstance(value, list) else tuple(items)
    return value


def _bytes(raw: bytes, text: Callable[[str], str]) -> bytes:
    """Look into JSON as data, so that what is masked stays JSON; anything else is text."""
    try:
        value = json.loads(raw)
    except ValueError:
        plain = raw.decode("utf-8", "surrogateescape")
        new = text(plain)
        return raw if new is plain else new.encode("utf-8", "surrogateescape")
    made = each_text(value, text)
    if made is value:
        return raw
    ending = raw[len(raw.rstrip(b"\r\n")) :]
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape") + ending
