"""The journal: one append-only JSONL file per session, one writer, one `write` per record."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import PydanticSerializationError, ValidationError, from_json, to_json, to_jsonable_python

from pegboard._dataclass import dataclass
from pegboard._folders import make_private
from pegboard.errors import JournalError, SessionLockedError
from pegboard.flags import FlagDetails, FlagLayer, FlagSnapshot
from pegboard.messages import whole
from pegboard.records import Damaged, FlagReads, Record, parse_record

_PREFIX = len(b'{"seq":0,"timestamp":"",')
"""Every record begins with these two fields at their defaults; the journal puts the real ones in their place."""

_SYNCED = frozenset({"turn_end", "session_end", "compaction"})
"""Records after which `fsync = "turn"` waits for the disk."""

_LOOSE = frozenset({"flags", "flag_snapshot", "compaction"})
"""Records that hold objects whose keys somebody else chose. None but assistant lines may have `_ASSISTANT` in it."""
_ASSISTANT, _ASSISTANT_APART = b'"role":"assistant"', b'"role": "assistant"'


def _apart(name: str, fields: bytes) -> bytes:
    return fields.replace(_ASSISTANT, _ASSISTANT_APART) if name in _LOOSE else fields


class _Kind(NamedTuple):
    """What the journal must know of a type of record: its name, and how its fields begin."""

    name: str
    head: bytes


_KINDS: dict[type[Record], _Kind] = {}


class _Read(NamedTuple):
    """What a record of reads has of one flag, in JSON. Made once: a flag is read in every turn and does not change."""

    details: FlagDetails
    value: bytes
    fact: bytes


def _kind_of(model: type[Record]) -> _Kind:
    name: str = model.type  # type: ignore[attr-defined]  # each kind has its own
    found = _KINDS[model] = _Kind(name, f'"type":"{name}"'.encode())
    return found


def timestamp(moment: int) -> bytes:
    """Return a time (milliseconds since the epoch) as records have it: UTC, ISO 8601, milliseconds."""
    second, part = divmod(moment, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{part:03d}Z".encode()


def encoded(value: Any) -> bytes:
    """Return the JSON of a value, with whole characters where there are halves, which JSON has no way to say."""
    try:
        return to_json(value)
    except PydanticSerializationError:
        return to_json(whole(to_jsonable_python(value, serialize_unknown=True)))


class Journal:
    """An open journal. `seq` is the number of its last record."""

    def __init__(self, path: Path, *, fsync: str = "turn", seq: int = 0) -> None:
        """Open *path* for appending and lock it. Raises SessionLockedError and JournalError."""
        self.path = path
        self.seq = seq
        self._told: Callable[[Record], None] | None = None
        self._wanted: Callable[[str], bool] = lambda kind: False
        self._wants: dict[str, bool] = {}
        self._fsync = fsync
        self._each = fsync == "record"
        self._reads: list[FlagDetails] = []
        self._as_read: dict[str, _Read] = {}
        self._snapshot = FlagSnapshot()
        self._moment = self._second = -1
        self._day_and_second = self._time = b""
        try:
            make_private(path.parent)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"the journal {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise SessionLockedError(path, _writer_of(path)) from None
        self._size = os.fstat(self._fd).st_size

    def observe(self, wants: Callable[[str], bool], tell: Callable[[Record], None]) -> None:
        """Tell *tell* of each record of a type that *wants* says yes to (asked once per type), as it was written."""
        self._wanted, self._told = wants, tell

    def write(self, record: Record) -> None:
        """Append one record. Raises JournalError if the disk does not take it; the file then ends before it."""
        kind = type(record)
        name, head = _KINDS.get(kind) or _kind_of(kind)
        self.append(kind, _apart(name, encoded(record)[_PREFIX + len(head) : -1]))

    def put(self, kind: type[Record], facts: dict[str, Any]) -> None:
        """Append a record of *kind* with these fields: `write(kind(**facts))`, without making a model of it."""
        name, _ = _KINDS.get(kind) or _kind_of(kind)
        self.append(kind, _apart(name, b"," + encoded(facts)[1:-1]))

    def append(self, kind: type[Record], fields: bytes) -> None:
        """Append a record of *kind* whose fields are encoded already: JSON with a comma before each and no braces.

        For the records of every step, which are put together of parts that are there (`lines`): what is read back is
        checked, and tests hold them against `write`. Raises JournalError as `write` does.
        """
        if self._reads:
            self._write_reads()
        name, head = _KINDS.get(kind) or _kind_of(kind)
        self.seq = seq = self.seq + 1
        moment = time.time_ns() // 1_000_000
        if moment != self._moment:
            self._set_time(moment)
        line = b'{"seq":%d,"timestamp":"%b",%b%b}\n' % (seq, self._time, head, fields)
        size = len(line)
        try:
            written = os.write(self._fd, line)
            while written < size:
                written += os.write(self._fd, line[written:])
        except OSError as error:
            self.seq -= 1
            # Half a line would look like damage later, and the next record would be glued to it.
            with suppress(OSError):  # somebody closed it: nothing was written
                os.ftruncate(self._fd, self._size)
            raise self._full(error) from error
        self._size += size
        if self._each or (name in _SYNCED and self._fsync == "turn"):
            self.sync()
        if self._told is not None and self._observed(name):
            self._told(kind.model_validate_json(line))

    def _set_time(self, moment: int) -> None:
        """Take another time: where records are a millisecond apart, most of each is that of the one before."""
        second, part = divmod(moment, 1000)
        if second != self._second:
            self._second, self._day_and_second = second, timestamp(moment)[:-4]
        self._moment, self._time = moment, b"%b%03dZ" % (self._day_and_second, part)

    def _observed(self, kind: str) -> bool:
        wanted = self._wants.get(kind)
        if wanted is None:
            wanted = self._wants[kind] = self._wanted(kind)
        return wanted

    def _write_reads(self) -> None:
        read: dict[str, _Read] = {}
        as_read = self._as_read
        reads = self._reads[:]
        del self._reads[: len(reads)]  # not all of it: a thread may have read another flag meanwhile
        for one in reads:
            name = one.name
            known = as_read.get(name)
            read[name] = known if known is not None and known[0] is one else self._encode_read(one)
        _, values, facts = zip(*read.values(), strict=True)
        parts = (self._snapshot.id.encode(), b",".join(values), b",".join(filter(None, facts)))
        self.append(FlagReads, _apart("flags", b',"snapshot":"%b","reads":{%b},"facts":{%b}' % parts))

    def _encode_read(self, one: FlagDetails) -> _Read:
        plain = one.layer is FlagLayer.DEFAULT and not one.rule
        value, fact = encoded({one.name: one.value}), b"" if plain else encoded({one.name: one.as_fact()})
        made = self._as_read[one.name] = _Read(one, value[1:-1], fact[1:-1])
        return made

    def _full(self, error: OSError) -> JournalError:
        mend = "Free some space"
        if error.errno == errno.EBADF:
            mend = "A plugin has closed a file that is not its own: leave it out"
        return JournalError(f"the journal {self.path} takes no more records: {error.strerror}. {mend}, then resume.")

    def reads_of(self, snapshot: FlagSnapshot) -> Callable[[FlagDetails], object]:
        """Return whom to tell of each flag that is read of *snapshot*: reads are written with the next record."""
        self._snapshot = snapshot
        return self._reads.append

    def reopen_at_end(self, seq: int) -> None:
        """Go on after *seq*, at the end that recovery left."""
        self.seq = seq
        self._size = os.fstat(self._fd).st_size

    def sync(self) -> None:
        """Wait until everything is on the disk, unless the settings say never to."""
        if self._fsync != "off":
            try:
                os.fdatasync(self._fd)
            except OSError as error:  # some file systems tell only now that the disk is full
                raise self._full(error) from error

    def close(self) -> None:
        """Give the lock back. Closing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


# --- reading -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Damage:
    """What was wrong with a file: bad lines in the middle (line numbers from 1), and a tail that was cut."""

    skipped: list[int] = field(default_factory=list)
    skipped_bytes: int = 0
    tail_bytes: int = 0
    kept: Path | None = None

    def records(self) -> list[Damaged]:
        """Return the damage as records."""
        found = []
        if self.skipped:
            where = f"line {', '.join(map(str, self.skipped))}"
            found.append(Damaged(where=where, bytes=self.skipped_bytes))
        if self.tail_bytes:
            found.append(Damaged(where="tail", bytes=self.tail_bytes, kept=str(self.kept or "")))
        return found


def read_lines(path: Path) -> Iterator[tuple[int, int, bytes, dict[str, Any] | None]]:
    """Go through a journal: (line number, offset of the line's end, line, record as a dict or None if damaged)."""
    end = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            end += len(line)
            raw: Any = None
            if line.endswith(b"\n"):
                try:
                    raw = from_json(line)
                except ValueError:
                    raw = None
            yield number, end, line, raw if isinstance(raw, dict) and isinstance(raw.get("type"), str) else None


def recover(path: Path, take: Callable[[dict[str, Any]], None]) -> Damage:
    """Hand every good record to *take*, cut a torn or damaged tail, and keep what was cut beside the file.

    The file must be locked by the caller if it is to be written afterwards.
    """
    damage = Damage()
    good_end = 0
    bad: list[tuple[int, int]] = []
    for number, end, line, raw in read_lines(path):
        if raw is None:
            bad.append((number, len(line)))
            continue
        try:
            take(raw)
        except (KeyError, TypeError, ValueError, AttributeError):  # JSON, but not what its type says that it is
            bad.append((number, len(line)))
            continue
        if bad:
            damage.skipped += [n for n, _ in bad]
            damage.skipped_bytes += sum(size for _, size in bad)
            bad.clear()
        good_end = end
    if bad:
        damage.tail_bytes = sum(size for _, size in bad)
        damage.kept = _cut(path, good_end)
    return damage


def _cut(path: Path, end: int) -> Path:
    with path.open("rb") as file:
        file.seek(end)
        tail = file.read()
    number = 1
    while (kept := path.with_name(f"{path.name}.torn-{number}")).exists():
        number += 1
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(tail)
        os.fsync(file.fileno())
    os.truncate(path, end)
    return kept


def read_records(path: Path) -> Iterator[Record]:
    """Go through the good records of a journal as models; damaged and unknown ones are left out."""
    if not path.exists():
        return
    for _, _, line, raw in read_lines(path):
        if raw is not None:
            try:
                yield parse_record(line)
            except ValidationError:
                continue


def _writer_of(path: Path) -> int | None:
    """Return the process that last opened the journal, as far as it says."""
    pid = None
    for _, _, _, raw in read_lines(path):
        if raw is not None and raw["type"] in ("session_start", "session_resume"):
            pid = raw.get("pid") or pid
    return pid
