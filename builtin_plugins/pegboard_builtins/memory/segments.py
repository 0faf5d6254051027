"""One project's log: segments of lines, appended and synced in groups, mended after a crash without losing a line."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pegboard_builtins.memory import disk, lines
from pegboard_builtins.memory.events import Event, NotKeptError, numbered
from pegboard_builtins.memory.lines import Damage, Place

SEGMENT_BYTES = 8_000_000
SEGMENT_SECONDS = 14 * 86_400.0
"""After so long a segment is ended although it is small: what is too old is dropped by whole segments."""
SUFFIX = ".ndjson"


def segments_in(folder: Path) -> list[tuple[int, Path]]:
    """Return the segments in a folder with their first numbers, in order."""
    return sorted((int(path.stem), path) for path in folder.glob(f"[0-9]*{SUFFIX}") if path.stem.isdigit())


class Log:
    """The segments in one folder, each named after the first number in it. One process, one thread.

    Only the end of the last segment is ever cut, and what is cut is kept beside it. A damaged line anywhere else
    stays where it is, a copy of it goes to the quarantine, and reading goes on behind it.
    """

    def __init__(
        self, folder: Path, project: str, *, durability: str = "fsync", segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self.folder = folder
        self.project = project
        self.last = 0
        self.repairs: list[str] = []
        self._durable = durability == "fsync"
        self._segment_bytes = segment_bytes
        self._readers: dict[int, int] = {}
        self._file = -1
        self._segment = 0
        self._size = 0
        self._begun = 0.0
        self._unnamed = False
        self._known_damage: set[tuple[int, int]] | None = None
        self._open()

    # --- opening ---------------------------------------------------------------------------------------

    def _open(self) -> None:
        disk.private_folder(self.folder)
        with disk.kept_or_told(self.folder):
            disk.sweep(self.folder, only_we_write=True)  # a rewrite that a crash cut off: the old segment still counts
            for first in reversed(self.segments()):
                self._segment = self._segment or first
                self.last = max(self._recovered(first) if first == self._segment else self._highest(first), first - 1)
                if self.last >= first:
                    break

    def _recovered(self, first: int) -> int:
        """Cut a torn tail off the newest segment, and return the highest number that it may have given out."""
        path = self.path_of(first)
        data = path.read_bytes()
        whole = lines.torn(data)
        if whole < len(data):
            data = self._mended(path, data, whole)
        self._size = len(data)
        events = (found for _, _, found in lines.parse(data, self.project) if not isinstance(found, Damage))
        self._begun = next((event.at for event in events), 0.0)
        return self._highest_in(first, data)

    def _mended(self, path: Path, data: bytes, whole: int) -> bytes:
        tail = data[whole:]
        complete = lines.whole_but_for_its_newline(tail)
        if complete is None:
            cut = self._beside(path, whole)
            disk.write_whole(cut, tail)
            self.repairs.append(
                f"{path.name}: {len(tail)} bytes of a line that was never finished are now in {cut.name}"
            )
        else:
            self.repairs.append(f"{path.name}: the last line's newline was missing")
        file = os.open(path, os.O_RDWR)
        try:
            os.ftruncate(file, whole)
            if complete is not None:
                os.pwrite(file, complete, whole)
            disk.sync(file)
        finally:
            os.close(file)
        return data[:whole] + (complete or b"")

    def _beside(self, path: Path, offset: int) -> Path:
        name = f"{path.stem}.{offset}"
        taken = len(list(self.folder.glob(f"{name}*.torn")))
        return self.folder / (f"{name}.{taken}.torn" if taken else f"{name}.torn")

    def _highest(self, first: int) -> int:
        return self._highest_in(first, self.path_of(first).read_bytes())

    def _highest_in(self, first: int, data: bytes) -> int:
        """A damaged line had a number, too; it is not given out again, because somebody may have cited it.

        Looks from the end backwards, as far as the last good line: a daemon that starts does not read all of it.
        """
        unknown, end = 0, len(data)
        while end:
            start = data.rfind(b"\n", 0, end - 1) + 1
            for offset, length, found in reversed(list(lines.parse(data[start:end], self.project, base=start))):
                if not isinstance(found, Damage):
                    return found.number + unknown
                unknown += 1
                self._quarantine(Place(first, offset, length), data[offset : offset + length], found.reason)
            end = start
        return first - 1 + unknown

    def segments(self) -> list[int]:
        """Return the first numbers of all segments, in order."""
        return [first for first, _ in segments_in(self.folder)]

    def path_of(self, first: int) -> Path:
        """Return where the segment lies that begins with this number."""
        return self.folder / f"{first:012d}{SUFFIX}"

    # --- appending -------------------------------------------------------------------------------------

    def append(self, events: Sequence[Event]) -> list[tuple[Event, Place]]:
        """Keep events, and return them with their numbers and places. When this returns, they are durable.

        All or none: raises NotKeptError, and then the log is what it was.
        """
        written = [lines.encode(event, number=self.last + step) for step, event in enumerate(events, 1)]
        with disk.kept_or_told(self.folder):
            if self._file < 0:
                self._reopen()
            if self._size >= self._segment_bytes or (self._size and time.time() - self._begun > SEGMENT_SECONDS):
                self._begin_segment()
            self._write(b"".join(written))
        placed, offset = [], self._size
        for number, (event, line) in enumerate(zip(events, written, strict=True), self.last + 1):
            placed.append((numbered(event, number), Place(self._segment, offset, len(line))))
            offset += len(line)
        self._size, self.last = offset, self.last + len(events)
        return placed

    def _write(self, data: bytes) -> None:
        try:
            disk.write_all(self._file, data)
            if self._durable:
                disk.sync(self._file)
                if self._unnamed:
                    disk.sync_folder(self.folder)
                    self._unnamed = False
        except OSError:
            self._undo()
            raise

    def _undo(self) -> None:
        """Take back what was not acknowledged. The file is opened anew: one whose sync failed is not believed again."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError as error:
            self.repairs.append(f"{self.path_of(self._segment).name}: could not be cut back: {disk.reason_of(error)}")
        self._close_writer()

    def _reopen(self) -> None:
        """Go on in the newest segment, as far as it was acknowledged; or begin the first one."""
        if not self._segment:
            self._begin_segment()
            return
        self._file = os.open(self.path_of(self._segment), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if os.fstat(self._file).st_size > self._size:
            os.ftruncate(self._file, self._size)

    def _begin_segment(self) -> None:
        self._close_writer()
        path = self.path_of(self.last + 1)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, disk.PRIVATE_FILE)
        os.ftruncate(self._file, 0)  # it may be there, from a group that failed
        self._segment, self._size, self._begun, self._unnamed = self.last + 1, 0, time.time(), True

    def seal(self) -> None:
        """Let the next event begin a segment, however small this one is."""
        self._begun = 0.0

    # --- reading ---------------------------------------------------------------------------------------

    def read(self, place: Place) -> Event | None:
        """Return the event at a place; None where its line is damaged, which is noted."""
        try:
            data = os.pread(self._reader(place.segment), place.length, place.offset)
        except OSError as error:
            raise NotKeptError(self.path_of(place.segment), f"it cannot be read: {disk.reason_of(error)}") from None
        try:
            return lines.decode(data, self.project)
        except ValueError as error:
            self._quarantine(place, data, str(error))
            return None

    def _reader(self, segment: int) -> int:
        if segment not in self._readers:
            if len(self._readers) >= 16:
                os.close(self._readers.pop(next(iter(self._readers))))
            self._readers[segment] = os.open(self.path_of(segment), os.O_RDONLY | os.O_CLOEXEC)
        return self._readers[segment]

    def scan(self, after: int = 0, behind: Place | None = None) -> Iterator[tuple[Event, Place]]:
        """Go through all good events with larger numbers than *after*, in order. Damage is noted on the way.

        *behind* is where *after* lies, if that is known: then its segment is not read from the beginning.
        """
        firsts = self.segments()
        for position, first in enumerate(firsts):
            if position + 1 < len(firsts) and firsts[position + 1] <= after + 1:
                continue
            known = behind is not None and behind.segment == first
            yield from self._scan_segment(first, after, behind.offset + behind.length if behind and known else 0)

    def _scan_segment(self, first: int, after: int, start: int = 0) -> Iterator[tuple[Event, Place]]:
        with open(self.path_of(first), "rb") as file:
            file.seek(start)
            data = file.read()
        for offset, length, found in lines.parse(data, self.project, base=start):
            place = Place(first, offset, length)
            if isinstance(found, Damage):
                self._quarantine(place, data[offset - start : offset - start + length], found.reason)
            elif found.number > after:
                yield found, place

    def in_segment(self, first: int) -> Iterator[Event]:
        """Go through the good events of one segment."""
        return (event for event, _ in self._scan_segment(first, 0))

    # --- damage ----------------------------------------------------------------------------------------

    @property
    def quarantine(self) -> Path:
        """The file with a copy of every damaged line that was ever met."""
        return self.folder / "quarantine.jsonl"

    def damaged(self) -> list[dict[str, object]]:
        """Return what is in quarantine: segment, offset, length and reason of each line."""
        if not self.quarantine.exists():
            return []
        found = []
        for line in self.quarantine.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # a copy that a crash cut off: the damaged line itself is still there, and met again
        return found

    def _quarantine(self, place: Place, data: bytes, reason: str) -> None:
        if self._known_damage is None:
            self._known_damage = {(int(str(one["segment"])), int(str(one["offset"]))) for one in self.damaged()}
        if (place.segment, place.offset) in self._known_damage:
            return
        self._known_damage.add((place.segment, place.offset))
        told = {
            "segment": place.segment,
            "offset": place.offset,
            "length": place.length,
            "reason": reason,
            "found": round(time.time(), 3),
            "bytes": base64.b64encode(data).decode(),
        }
        self.repairs.append(
            f"{self.path_of(place.segment).name}: a line of {len(data)} bytes at {place.offset}: {reason}"
        )
        try:
            disk.append_whole(self.quarantine, json.dumps(told).encode() + b"\n")
        except OSError as error:  # the log stays readable on a disk that takes nothing more
            self.repairs.append(f"{self.quarantine.name}: cannot be written: {disk.reason_of(error)}")

    # --- closing ---------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close all files."""
        self._close_writer()
        self.forget_readers()

    def forget_readers(self) -> None:
        """Close the files that are only read: after segments were rewritten they are others."""
        for file in self._readers.values():
            os.close(file)
        self._readers.clear()

    def _close_writer(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
