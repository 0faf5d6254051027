"""Where a skeleton's bytes stand in the text that they came from; worked out only where a name may be."""

from __future__ import annotations

from bisect import bisect_right

from .letters import letters, skeleton

BLOCK = 512


class Places:
    """Maps a place in the skeleton of a text to the character that it came from."""

    __slots__ = ("_blocks", "_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] = []
        self._blocks: dict[int, list[int]] = {}

    def of(self, start: int, end: int) -> list[int]:
        """Return the characters of the bytes from *start* to before *end*; -1 for a byte before or behind all."""
        return [self._one(place) for place in range(start, end)]

    def _one(self, place: int) -> int:
        if place < 0:
            return -1
        if not self._starts:
            total = 0
            for at in range(0, len(self._text), BLOCK):
                self._starts.append(total)
                total += len(skeleton(self._text[at : at + BLOCK]))
        number = bisect_right(self._starts, place) - 1
        if number < 0:
            return -1
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._map(number)
        within = place - self._starts[number]
        return block[within] if within < len(block) else -1

    def _map(self, number: int) -> list[int]:
        at = number * BLOCK
        found: list[int] = []
        for index, character in enumerate(self._text[at : at + BLOCK], at):
            size = len(letters(character).encode())
            if size:
                found += [index] * size
        return found
