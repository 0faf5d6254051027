"""A line at the end of a terminal that says how long nothing has come, and goes away when something does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TextIO

PATIENCE = 2.0
"""Seconds of silence before there is such a line."""


class WaitingLine:
    """Is drawn on *out* once a second while nothing comes, unless *busy* says that a line of text is half written.

    Where *out* is no terminal that can take a line back, nothing is ever drawn.
    """

    def __init__(self, out: TextIO, busy: Callable[[], bool]) -> None:
        self._out = out
        self._busy = busy
        self._able = out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
        self._what = ""
        self._since = 0.0
        self._drawn = False
        self._timer: asyncio.TimerHandle | None = None

    def wait_for(self, what: str) -> None:
        """Something has come, or begins: take the line back, and wait for *what* from now on."""
        self.end()
        if not self._able:
            return
        loop = asyncio.get_running_loop()
        self._what, self._since = what, loop.time()
        self._timer = loop.call_later(PATIENCE, self._draw, loop)

    def end(self) -> None:
        """Take the line back; nothing is waited for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._drawn:
            self._drawn = False
            print("\r\033[K", end="", file=self._out, flush=True)

    def _draw(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(1.0, self._draw, loop)
        if self._busy():
            return
        self._drawn = True
        seconds = int(loop.time() - self._since)
        print(f"\r\033[K\033[2m... {self._what}, {seconds} s\033[0m", end="", file=self._out, flush=True)
