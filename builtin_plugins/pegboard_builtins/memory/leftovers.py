"""What sessions left in their journals when they were killed: found, read, and read once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pegboard.errors import PegboardError
from pegboard.records import Forked, PlanRecord, Record, parse_record
from pegboard_builtins.memory.factsfolder import read_json, write_whole
from pegboard_builtins.memory.names import PLUGIN, TYPES
from pegboard_builtins.memory.observing import Draft, Observer
from pegboard_builtins.memory.settings import MemorySettings

LOOKED_AT = frozenset({*TYPES.split("|"), "state", "forked", "plan"})


def left_in(records: Iterable[Record], settings: MemorySettings) -> tuple[list[Draft], Observer]:
    """Return everything that a journal gives to be remembered, and the observer that has read it.

    Only while memory took part: what was said when it was switched off is nobody's business later. What a fork has of
    the session that it began as is that session's.
    """
    observer = Observer(settings.capture.kinds, strict=settings.capture.strict)
    drafts: list[Draft] = []
    takes_part = False
    for record in records:
        if isinstance(record, Forked):
            drafts.clear()
        elif isinstance(record, PlanRecord):
            takes_part = PLUGIN in record.hooks.get("event", ())
        draft = observer.take(record)
        if draft is not None and takes_part:
            drafts.append(draft)
    return drafts, observer


def records_in(journal: Path) -> Iterator[Record]:
    """Go through those records of a journal that matter here; what is damaged is left out."""
    with open(journal, "rb") as file:
        for line in file:
            if _type_of(line) in LOOKED_AT:
                try:
                    yield parse_record(line)
                except ValueError:
                    continue


def _type_of(line: bytes) -> str:
    """Return the type of a record by how its line begins."""
    return line[:120].partition(b'"type":"')[2].partition(b'"')[0].decode("ascii", "replace")


class Swept:
    """Which journals are remembered to which size, so that none is read twice for nothing. Only a saving of work."""

    FILE = "swept.json"
    DAYS = 14
    MOST = 5
    GOODBYE = 2_000
    """Bytes that a session that ends in good order writes after its last event."""

    def __init__(self, private: Path) -> None:
        self._path = private / self.FILE
        try:
            self._sizes: dict[str, Any] = read_json(self._path)
        except PegboardError:
            self._sizes = {}

    def unswept(self, folder: Path, *, but: Path) -> list[Path]:
        """Return the newest journals of a folder that grew since they were remembered, except one."""
        since = time.time() - self.DAYS * 86_400
        found = []
        for path in folder.glob("*.jsonl"):
            try:
                facts = path.stat()
            except OSError:
                continue
            if path != but and facts.st_mtime >= since and not self.knows(path, facts.st_size):
                found.append((facts.st_mtime, path))
        return [path for _, path in sorted(found, reverse=True)][: self.MOST]

    def knows(self, path: Path, size: int) -> bool:
        """Whether a journal of this size was remembered whole, but for the words that it ended with."""
        known = self._sizes.get(path.stem)
        if not isinstance(known, int) or size == known:
            return size == known
        if not 0 < size - known < self.GOODBYE:
            return False
        with open(path, "rb") as file:
            file.seek(known)
            return _type_of(file.read().rstrip(b"\n").rpartition(b"\n")[2]) == "session_end"

    def mark(self, sizes: dict[str, int]) -> None:
        """Note that journals are remembered up to these sizes."""
        self._sizes.update(sizes)
        newest = dict(list(self._sizes.items())[-500:])
        write_whole(self._path, json.dumps(newest))
