"""Finds names in a text, however they are dressed, and says where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .automaton import Automaton
from .letters import letters, skeleton
from .names import Name, Pattern, patterns_of
from .places import Places
from .runs import Innocent, readings
from .shape import fits, may_become
from .views import View, views_of

DEPTH = 2
"""Readings of readings: a percent escape within base64, base64 within base64."""
BLOCK = 32_768
"""Characters that are looked at together; small enough for the processor's cache."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A name from *start* to before *end*. `how` is the dress that it wore: plain, decoded, run, reversed, rot13."""

    start: int
    end: int
    name: Name
    how: str = "plain"


@dataclass(frozen=True, slots=True)
class Scan:
    """What is known of a text so far: its hits, the place from which on everything is open, and what readings took out.

    A reading takes out colours, soft line ends and, in strict mode, tags.
    """

    hits: tuple[Hit, ...]
    open_from: int
    removed: tuple[tuple[int, int], ...] = ()


class Matcher:
    """All names of a list, ready to be looked for.

    *strict* finds what only a machine would put together; *depth* is how many readings of readings are tried, 0 for
    the plain text alone. It may be shared between threads: what changes in it is only what it remembers.
    """

    def __init__(self, names: Iterable[Name], *, strict: bool = False, depth: int = DEPTH) -> None:
        self.names = tuple(names)
        self.strict = strict
        self.depth = depth
        self._patterns: Sequence[Pattern] = patterns_of(self.names, strict=strict)
        self._automaton = Automaton([one.skeleton for one in self._patterns]) if self._patterns else None
        self._beginnings: dict[bytes, int] | None = None
        self._innocent = Innocent()
        self.longest = max((len(one.skeleton) for one in self._patterns), default=0)

    def __repr__(self) -> str:
        return f"<matcher of {len(self.names)} names>"

    def __len__(self) -> int:
        return len(self.names)

    def find(self, text: str) -> list[Hit]:
        """Return all names in a text, in order, overlapping ones too."""
        from .stream import Stream

        if len(text) <= BLOCK:
            return list(self.scan(text).hits)
        stream = Stream(self)
        for at in range(0, len(text), BLOCK):
            stream.take(text[at : at + BLOCK])
        stream.end()
        return stream.hits

    def mask(self, text: str, mask: str = "[internal]") -> str:
        """Return a text with a mask in the place of each name; the very same text if there is none."""
        hits = self.find(text)
        return masked(text, hits, mask) if hits else text

    # --- one text ----------------------------------------------------------------------------------

    def scan(self, text: str, *, final: bool = True, depth: int | None = None) -> Scan:
        """Look at a text. Where more may follow (not *final*), say from where on it is open."""
        if self._automaton is None:
            return Scan((), len(text))
        depth = self.depth if depth is None else depth
        hits: list[Hit] = []
        open_from = len(text)
        removed: list[tuple[int, int]] = []
        for view in views_of(text, strict=self.strict, depth=depth):
            bones = skeleton(view.text)
            how = "plain" if view.parent is None else "decoded"
            found = self._automaton.find(bones)
            for hit, certain in self._plain(view.text, found, final=final) if found else ():
                start, end = view.origin(hit.start, hit.end)
                if certain:
                    hits.append(Hit(start, end, hit.name, hit.how if hit.how != "plain" else how))
                else:
                    open_from = min(open_from, start)
            if not final:
                removed.extend(view.removed())
                known = view.finished()
                if len(known) < len(view.text):
                    bones = skeleton(known)
                    open_from = min(open_from, view.origin(len(known), len(view.text))[0])
                open_from = min(open_from, self._open(view, known, bones, open_from))
            if view.depth < depth:
                hits.extend(self._in_runs(view, depth - view.depth - 1))
        return Scan(tuple(_in_order(hits)) if hits else (), open_from, tuple(removed))

    def _plain(self, text: str, found: Sequence[tuple[int, int, int]], *, final: bool) -> Iterator[tuple[Hit, bool]]:
        """Go through the names in one reading; with False where a name's end is still open."""
        places = Places(text)
        for number, start, end in found:
            pattern = self._patterns[number]
            before, *within, after = places.of(start - 1, end + 1)
            fit = fits(text, pattern, within, before, after, strict=self.strict, final=final)
            if fit is not False:
                yield Hit(within[0], within[-1] + 1, pattern.name, pattern.dressed or "plain"), fit is True

    def _in_runs(self, view: View, depth: int) -> Iterator[Hit]:
        for first, text in self._with_runs(view, deeper=depth > 0):
            for start, end, read in readings(text, self._may, self._innocent, deeper=depth > 0):
                for hit in self.scan(read, depth=depth).hits:
                    start_there, end_there = view.origin(first + start, first + end)
                    yield replace(hit, start=start_there, end=end_there, how="run")

    def _with_runs(self, view: View, *, deeper: bool) -> Iterator[tuple[int, str]]:
        """Go through the parts of a reading where runs may be that were not there before: where, and the part."""
        if view.parent is None:
            yield 0, view.text
            return
        rows = view.decoded_rows()
        all_rows = "\n".join(view.text[first:end] for first, end in rows)
        if all_rows and next(readings(all_rows, self._may, self._innocent, deeper=deeper), None) is not None:
            for first, end in rows:
                yield first, view.text[first:end]

    def _may(self, bones: bytes) -> bool:
        assert self._automaton is not None
        return bool(self._automaton.find(bones))

    # --- what may still become a name ---------------------------------------------------------------

    def _open(self, view: View, text: str, bones: bytes, nowhere: int) -> int:
        """Return where the longest end of a reading begins that may still become a name."""
        find = self._known_beginnings().get
        places: list[int] = []
        for size in range(min(len(bones), self.longest), 0, -1):
            known = find(bones[-size:])
            if known is None:
                continue
            places = places or _last_places(text, size + 1)
            within = places[-size:]
            if size < len(places) and places[-size - 1] == within[0]:
                continue  # it would begin with half a letter
            if may_become(text, within, known >> 1, anywhere=bool(known & 1), strict=self.strict):
                return view.origin(within[0], len(text))[0]
        return nowhere

    def _known_beginnings(self) -> dict[bytes, int]:
        """Return every beginning of every name: bit 0 says that it counts anywhere, the others where words begin."""
        if self._beginnings is None:
            found: dict[bytes, int] = {}
            for pattern in self._patterns:
                joints = sum(1 << place for place in pattern.joints)
                value = joints << 1 | pattern.anywhere
                bones = pattern.skeleton
                for size in range(1, len(bones) + 1):
                    found[bones[:size]] = found.get(bones[:size], 0) | value
            self._beginnings = found
        return self._beginnings


def _last_places(text: str, size: int) -> list[int]:
    """Return where the last letters of a text stand, *size* of them or a few more."""
    found: list[int] = []
    at = len(text) - 1
    while at >= 0 and len(found) < size:
        found += [at] * len(letters(text[at]).encode())
        at -= 1
    return found[::-1]


def _in_order(hits: Iterable[Hit]) -> list[Hit]:
    """Return each hit once, in the order of the text."""
    unique = {(hit.start, hit.end, hit.name.id): hit for hit in reversed(list(hits))}
    return [unique[key] for key in sorted(unique)]


def merged(hits: Iterable[Hit]) -> list[tuple[int, int]]:
    """Return the places that hits cover; those that overlap become one."""
    found: list[tuple[int, int]] = []
    for hit in hits:
        if found and hit.start < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], hit.end))
        else:
            found.append((hit.start, hit.end))
    return found


def masked(text: str, hits: Iterable[Hit], mask: str) -> str:
    """Return a text with *mask* in the place of its hits."""
    parts: list[str] = []
    at = 0
    for start, end in merged(hits):
        parts += (text[at:start], mask)
        at = end
    return "".join([*parts, text[at:]])
