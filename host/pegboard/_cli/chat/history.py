"""What was typed in a folder's chats, for the person's eyes only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History
from pydantic_core import from_json, to_json

MOST = 1_000
"""Entries that are read back; the file is cut to these when it has twice as many."""


class TypedHistory(History):
    """A file of JSON strings, one a line, mode 0600. A line that is none is left out; a full disk ends no chat."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """Return what was typed, the newest first."""
        lines = self._lines()
        if len(lines) > 2 * MOST:
            self._rewrite(lines[-MOST:])
        for line in reversed(lines[-MOST:]):
            try:
                text = from_json(line)
            except ValueError:
                continue
            if isinstance(text, str):
                yield text

    def store_string(self, string: str) -> None:
        """Add an entry."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with open(descriptor, "wb") as file:
                file.write(to_json(string, inf_nan_mode="null") + b"\n")
        except (OSError, ValueError):
            return

    def _lines(self) -> list[bytes]:
        try:
            return [line for line in self._path.read_bytes().split(b"\n") if line]
        except OSError:
            return []

    def _rewrite(self, lines: list[bytes]) -> None:
        beside = self._path.with_suffix(f".{os.getpid()}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(b"\n".join(lines) + b"\n")
            beside.replace(self._path)
        except OSError:
            beside.unlink(missing_ok=True)
