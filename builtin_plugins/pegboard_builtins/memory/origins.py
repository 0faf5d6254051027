"""Trust comes from where words are from, never from what they say; labels only grow, the least trusted counts."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from threading import Lock
from typing import Any

TRUSTED_FIRST = ("user", "assistant", "repository", "tool", "web")
"""The origins, the most trusted first."""

AUTOMATIC = frozenset({"user", "assistant"})
"""What may come into prompts by itself; everything else only when it is searched for, or was approved."""

OF_LABEL = {
    "user": "user",
    "model": "assistant",
    "assistant": "assistant",
    "project": "repository",
    "repository": "repository",
    "tool": "tool",
    "hook": "tool",
    "host": "tool",
    "subagent": "tool",
    "web": "web",
    "mcp": "web",
}
"""Our origin of each of the host's labels. Whatever is not listed is trusted least."""

RUN = 5
"""So many words in a row that were in a tool's output make a text that output's echo."""
SHORTEST = 3
_WORD = re.compile(r"\w+")


def origin_of(label: str) -> str:
    """Return the origin of one of the host's labels."""
    return OF_LABEL.get(str(label), TRUSTED_FIRST[-1])


def joined(*labels: Iterable[str]) -> tuple[str, ...]:
    """Return all origins of these, each once, the most trusted first."""
    return tuple(sorted({origin_of(one) for some in labels for one in some}, key=TRUSTED_FIRST.index))


def least(labels: Iterable[str]) -> str:
    """Return the origin that counts: the least trusted; without labels nothing is trusted."""
    known = joined(labels)
    return known[-1] if known else TRUSTED_FIRST[-1]


def is_automatic(labels: Iterable[str], allowed: Iterable[str] = AUTOMATIC) -> bool:
    """Whether text with these labels may come into a prompt by itself."""
    known = set(joined(labels))
    return bool(known) and known <= AUTOMATIC.intersection(allowed)


def words_of(text: str) -> list[str]:
    """Return the words of a text as they are compared: lower case, without what stands between them."""
    return _WORD.findall(text.lower())


class Heard:
    """What tools told one session, so that words which only repeat it keep its label.

    An echo is found by runs of words; who says the same in other words is not found out. From the first words of the
    web on (or of any tool, if *strict*) the model's own words carry that label too: it has read them.
    """

    LIMIT = 300_000
    """Words that are kept; beyond it everything the model says counts as an echo of all that it was told."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._runs: dict[int, str] = {}
        self._texts: list[tuple[str, str]] = []
        self._words = 0
        self._waiting: deque[tuple[str, str]] = deque()
        self._turn = Lock()
        self._read: set[str] = set()

    def hear(self, text: str, labels: Iterable[str]) -> None:
        """Take note of what a tool answered; the work is done when something is compared with it."""
        origin = least(labels)
        self._read.add(origin)
        self._waiting.append((text, origin))

    @property
    def read(self) -> frozenset[str]:
        """The origins of what was read up to now."""
        return frozenset(self._read)

    @property
    def of_web(self) -> bool:
        """Whether words of the web were read."""
        return "web" in self._read

    def labels_of(self, text: str, read: frozenset[str] | None = None) -> tuple[str, ...]:
        """Return the labels of a text that the model wrote after all this, or when it had only *read* so much."""
        read = self.read if read is None else read
        with self._turn:
            self._learn()
        found = {"assistant"}
        if self._strict or self._words > self.LIMIT:
            found |= read
        elif "web" in read:
            found.add("web")
        words = words_of(text)
        if SHORTEST <= len(words) < RUN:  # too short for a run: compared as a whole
            whole = f" {' '.join(words)} "
            found.update(origin for heard, origin in self._texts if whole in heard)
        found.update(self._runs[run] for run in _runs(words) if run in self._runs)
        return joined(found)

    def _learn(self) -> None:
        while self._waiting:
            text, origin = self._waiting.popleft()
            words = words_of(text)
            self._words += len(words)
            if self._words > self.LIMIT:
                self._runs.clear()
                self._texts.clear()
                continue
            self._texts.append((f" {' '.join(words)} ", origin))
            for run in _runs(words):
                self._runs[run] = least((origin, self._runs.get(run, origin)))


def _runs(words: list[str]) -> list[int]:
    return [hash(tuple(words[place : place + RUN])) for place in range(len(words) - RUN + 1)]


def labels_in(meta: Any, origin: str) -> tuple[str, ...]:
    """Return the labels of an event: those kept beside it, and its origin."""
    kept = meta.get("labels") if isinstance(meta, dict) or hasattr(meta, "get") else None
    return joined(kept if isinstance(kept, list | tuple) else (), (origin,))
