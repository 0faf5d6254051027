"""A tool's output after a hook replaced it: whether it still has its shape, and what the model reads of it."""

from __future__ import annotations

import json
from typing import Any


def same_shape(old: Any, new: Any) -> bool:
    """Whether *new* may stand in for *old*: the same kind of value, and of objects no key that was not there (C70)."""
    if isinstance(old, dict):
        return (
            isinstance(new, dict)
            and bool(new)
            and all(key in old and same_shape(old[key], value) for key, value in new.items())
        )
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    if old is None or new is None:
        return True
    if isinstance(old, int | float):
        return isinstance(new, int | float)
    return isinstance(new, type(old))


def as_model_text(value: Any) -> str:
    """Return what the model reads of an output: a command's words, a file's numbered lines, names, or JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, dict) and "text" in one for one in value):
        return "\n".join(str(one["text"]) for one in value)
    if isinstance(value, dict):
        if isinstance(value.get("stdout"), str):
            return "\n".join(filter(None, [value["stdout"], str(value.get("stderr") or "")])) or "(no output)"
        file = value.get("file")
        if isinstance(file, dict) and isinstance(file.get("content"), str):
            start = file.get("startLine")
            lines = file["content"].splitlines()
            return "\n".join(f"{number}\t{line}" for number, line in enumerate(lines, start if start else 1))
        if isinstance(value.get("content"), str):
            return str(value["content"])
        if isinstance(value.get("filenames"), list):
            return "\n".join(map(str, value["filenames"])) or "No files found"
    return json.dumps(value, ensure_ascii=False, default=str)
