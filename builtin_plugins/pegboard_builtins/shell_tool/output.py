"""What a command prints: the beginning and the end are kept, the rest is counted."""

from __future__ import annotations

import codecs

KEPT = 10 * 1024 * 1024
"""Bytes of one command's output that are kept in memory."""


class Output:
    """Bytes that come in, and the text that is taken out."""

    def __init__(self, keep: int = KEPT) -> None:
        self._half = keep // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._lost = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes) -> None:
        """Keep *data*, as long as there is room in the head; then in the tail, which loses its oldest."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        # Twice the size before anything is moved, so that each byte is moved once at most.
        if len(self._tail) > 2 * self._half:
            self._lost += len(self._tail) - self._half
            del self._tail[: -self._half]

    def take(self, *, final: bool) -> str:
        """Return what came since the last time; invalid UTF-8 becomes U+FFFD.

        A character of which only the first bytes are there waits for the next time, unless *final*.
        """
        lost = self._lost + max(0, len(self._tail) - self._half)
        if lost:
            del self._tail[: -self._half]
            head = self._decoder.decode(bytes(self._head), final=True)
            self._decoder.reset()
            note = f"\n[{lost:,} bytes left out here]\n"
            tail = self._decoder.decode(_from_a_character(bytes(self._tail)), final=final)
            text = head + note + tail
        else:
            text = self._decoder.decode(bytes(self._head) + bytes(self._tail), final=final)
        self._head.clear()
        self._tail.clear()
        self._lost = 0
        return text


def _from_a_character(data: bytes) -> bytes:
    """Leave off the rest of a character whose beginning was lost."""
    start = 0
    while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:]
