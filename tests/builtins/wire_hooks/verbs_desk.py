"""Typing verbs of `pegboard` in a project: the real way in, with the plugins' own verbs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pegboard._cli.main import main


class Typist:
    """Types a command and says what was printed; `code` is how the last one ended."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.code = 0
        self.stderr = ""

    def __call__(self, *words: str) -> str:
        """Run a command and return its standard output."""
        self._capfd.readouterr()
        self.code = main(list(words))
        said = self._capfd.readouterr()
        self.stderr = said.err
        return said.out

    def fine(self, *words: str) -> str:
        """Run a command that ends with 0."""
        said = self(*words)
        assert self.code == 0, (said, self.stderr)
        return said

    def json(self, *words: str) -> Any:
        """Run a command with --json, whatever it ends with."""
        return json.loads(self(*words, "--json"))

    def error(self, *words: str) -> str:
        """Run a command that fails, and return what it complained of."""
        self(*words)
        assert self.code in (1, 2), self.code
        return self.stderr
