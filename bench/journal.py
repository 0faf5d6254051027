"""What a record of the journal costs beside a bare `write` of the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Effort, Row, Sample, Table, interleaved, row, wall
from bench.subject import Bench, PlainHooks, converse, fresh_session, scripted
from pegboard._agent.journal import Journal, read_records
from pegboard.messages import TextBlock
from pegboard.records import AssistantLine, Record, TurnEnded
from pegboard.typed import fields_of

CALLS_PER_TURN = 5
KILOBYTE = "x" * 900


def measure(effort: Effort) -> list[Table]:
    """Write the records of a real session again, under each fsync policy, and their bytes without us."""
    with Bench() as bench:
        records, lines = _session_records(bench, turns=effort.pick(100, 4))
        large = [_kilobyte() for _ in range(effort.pick(2_000, 100))]
        variants = {
            "off": partial(_journal, bench.folder, records, "off"),
            "made": partial(_made_and_written, bench.folder, records),
            "large": partial(_journal, bench.folder, large, "off"),
            "turn": partial(_journal, bench.folder, records, "turn"),
            "record": partial(_journal, bench.folder, records, "record"),
            "bare": partial(_bare, bench.folder, lines, _never),
            "bare large": partial(_bare, bench.folder, _lines_of(bench.folder, large), _never),
            "bare turn": partial(_bare, bench.folder, lines, _at_turn_end),
            "bare record": partial(_bare, bench.folder, lines, _always),
        }
        found = interleaved(variants, effort.pick(15, 2))
    bare = found["bare"]
    rows = [
        _row("fsync = off", found["off"], bare, "os.write"),
        _row("fsync = off, the record's model made too", found["made"], bare, "os.write"),
        _row("fsync = off, records of 1 KB", found["large"], found["bare large"], "os.write"),
        _row("fsync = turn (the default)", found["turn"], found["bare turn"], "os.write, fdatasync per turn"),
        _row("fsync = record", found["record"], found["bare record"], "os.write, fdatasync each"),
    ]
    size = sum(map(len, lines)) // len(lines)
    notes = [
        f"{len(records):,} records of a session, {CALLS_PER_TURN} calls per turn and a hook; {size} bytes on average",
        "what a sync costs is the disk's matter: look at the ratio, and at how many syncs there are",
    ]
    return [Table("one record of the journal (wall time)", rows, notes)]


def _row(name: str, sample: Sample, floor: Sample, beside: str) -> Row:
    return row(name, sample, "µs", beside=beside, floor=floor)


def _session_records(bench: Bench, *, turns: int) -> tuple[list[Record], list[bytes]]:
    """Run a session and return what it wrote, as records and as bytes."""
    host = bench.host(PlainHooks())
    model = scripted(CALLS_PER_TURN, prompts=turns)

    async def once() -> tuple[list[Record], list[bytes]]:
        async with fresh_session(host, model) as session:
            for _ in range(turns):
                await converse(session, calls=CALLS_PER_TURN)
            return list(read_records(session.path)), session.path.read_bytes().splitlines(keepends=True)

    found: tuple[list[Record], list[bytes]] = bench.run(once())
    return found


def _kilobyte() -> AssistantLine:
    block = TextBlock(text=KILOBYTE)
    return AssistantLine(message={"id": "r1", "role": "assistant", "model": "m", "content": (block,)}, request="r1")


def _journal(folder: Path, records: Sequence[Record], fsync: str) -> float:
    path = folder / "journal.jsonl"
    journal = Journal(path, fsync=fsync)
    started = wall()
    for record in records:
        journal.write(record)
    spent = wall() - started
    journal.close()
    path.unlink()
    return spent / len(records) * 1e6


def given_of(record: Record) -> dict[str, Any]:
    """Return what a record was made of."""
    defaults = {name: one.get_default(call_default_factory=True) for name, one in fields_of(type(record)).items()}
    return {name: value for name, value in vars(record).items() if value != defaults[name]}


def _made_and_written(folder: Path, records: Sequence[Record]) -> float:
    """Make each record anew from its parts, as the loop does, and write it."""
    path = folder / "journal.jsonl"
    # Parts that were given, no defaults: a record is made with the few facts that there are.
    parts = [(type(record), given_of(record)) for record in records]
    journal = Journal(path, fsync="off")
    started = wall()
    for kind, given in parts:
        journal.write(kind(**given))
    spent = wall() - started
    journal.close()
    path.unlink()
    return spent / len(records) * 1e6


def _lines_of(folder: Path, records: Sequence[Record]) -> list[bytes]:
    path = folder / "lines.jsonl"
    journal = Journal(path, fsync="off")
    for record in records:
        journal.write(record)
    journal.close()
    return path.read_bytes().splitlines(keepends=True)


def _bare(folder: Path, lines: Sequence[bytes], sync_after: Callable[[bytes], bool]) -> float:
    path = folder / "bare.jsonl"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    wants_sync = [sync_after(line) for line in lines]
    started = wall()
    for line, sync in zip(lines, wants_sync, strict=True):
        os.write(file, line)
        if sync:
            os.fdatasync(file)
    spent = wall() - started
    os.close(file)
    path.unlink()
    return spent / len(lines) * 1e6


def _never(line: bytes) -> bool:
    return False


def _always(line: bytes) -> bool:
    return True


def _at_turn_end(line: bytes) -> bool:
    kind = TurnEnded.type
    return f'"type":"{kind}"'.encode() in line
