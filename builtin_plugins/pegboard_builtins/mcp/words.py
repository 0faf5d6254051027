"""Strings that a server supplies: bounded, and without anything that is not seen."""

from __future__ import annotations

from typing import Any

from pegboard.messages import disarmed

DESCRIPTION = 2_000
"""Characters of a tool's description that are kept."""


def clean(text: str, limit: int) -> str:
    """Return a text with what cannot be seen written out, cut at *limit*. It cannot pass for the host's own words."""
    cut = text[:limit]
    seen = "".join(one if one.isprintable() or one in "\n\t" else f"<U+{ord(one):04X}>" for one in cut)
    more = f" [... {len(text) - limit:,} more characters]" if len(text) > limit else ""
    return disarmed(seen) + more


def clean_schema(schema: Any, depth: int = 0) -> Any:
    """Return a schema whose descriptions are clean; what it demands stays as it is. Raises ValueError if it is deep."""
    if depth > 40:
        raise ValueError("it is nested too deeply")
    if isinstance(schema, dict):
        return {
            key: clean(value, DESCRIPTION)
            if key in ("description", "title", "$comment") and isinstance(value, str)
            else clean_schema(value, depth + 1)
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [clean_schema(one, depth + 1) for one in schema]
    return schema
