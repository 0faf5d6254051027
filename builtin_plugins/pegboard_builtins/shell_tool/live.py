"""What a command prints, told to the person while it runs: in few pieces, and no more than anybody can read."""

from __future__ import annotations

import asyncio
import codecs

from pegboard.context import Ctx

PAUSE = 0.05
"""Seconds between two pieces."""
MOST = 16_384
"""Bytes of one piece; of what comes faster the newest is told."""


class Live:
    """Takes bytes as they come and tells text; does nothing where nobody looks on."""

    def __init__(self, ctx: Ctx) -> None:
        self._ctx = ctx
        self._on = ctx.watched
        self._waiting = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, data: bytes) -> None:
        """Take some more bytes; the first ones of a silence are told at once."""
        if not self._on:
            return
        self._waiting += data
        if len(self._waiting) > 2 * MOST:
            del self._waiting[:-MOST]
        if self._timer is None:
            self._tell()

    def end(self) -> None:
        """Tell what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._say(final=True)

    def _tell(self) -> None:
        self._timer = None
        if self._waiting:
            self._say(final=False)
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._tell)

    def _say(self, *, final: bool) -> None:
        text = self._decoder.decode(bytes(self._waiting[-MOST:]), final)
        self._waiting.clear()
        self._ctx.progress(text)
