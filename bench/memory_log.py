"""What memory costs: durable puts beside SQLite and a bare sync, a search and an index of many events."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.measure import BenchError, Effort, Reach, Row, Table, wall
from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.project import Project

P = "bench"
CLIENTS = (1, 8, 64)
VOCABULARY = 20_000
TEXT = "an observation of some length " * 8


def measure(effort: Effort) -> list[Table]:
    """Measure puts, then searches and indexing."""
    return [_puts(effort), _searches(effort)]


# --- puts ----------------------------------------------------------------------------------------------

Work = Callable[[Path, int, float], list[float]]


def _puts(effort: Effort) -> Table:
    seconds = effort.pick(15, 3) / 10
    rows: list[Row] = []
    for clients in CLIENTS if not effort.quick else CLIENTS[:2]:
        with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
            place = Path(folder)
            found = {name: _together(work, place, clients, seconds) for name, work in WORKS.items()}
            with Client(Config(place / "memory"), starts=False) as client:
                client.drain()
        per = {name: spent / len(times) * 1e6 for name, (times, spent) in found.items()}
        many = f"{clients} client{'s' * (clients > 1)}"
        reach = Reach(200.0) if clients == 8 else None
        rows.append(Row(f"a durable put, {many}", per["memory"], "µs", "SQLite, WAL, FULL", per["sqlite"], reach))
        rows.append(Row(f"the same beside a bare sync, {many}", per["memory"], "µs", "write, fdatasync", per["raw"]))
        late = Reach(5.0) if clients == 8 else None
        rows.append(Row(f"p99 of it, {many}", _p99(found["memory"][0]), "ms", "SQLite", _p99(found["sqlite"][0]), late))
    notes = [
        "µs of wall time per put, over all clients; each is a process that waits for its answer before the next put",
        "SQLite: one table with a unique key, a connection per client; bare: a file per client, a line and a sync",
        "the daemon parses, checks keys, syncs and indexes meanwhile; all of them share the machine's processors",
    ]
    return Table("durable puts of events of 300 bytes (wall time)", rows, notes)


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100)[98] * 1e3 if len(times) > 1 else 0.0


def _together(work: Work, place: Path, clients: int, seconds: float) -> tuple[list[float], float]:
    """Let so many processes work at once; return how long each put took, and how long it all was."""
    fork = multiprocessing.get_context("fork")
    ready, answers = fork.Barrier(clients), fork.SimpleQueue()
    processes = [
        fork.Process(target=_one, args=(work, place, number, seconds, ready, answers)) for number in range(clients)
    ]
    for process in processes:
        process.start()
    told = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    times = [one for each, _, _ in told for one in each]
    if not times:
        raise BenchError("no put was answered")
    return times, max(end for _, _, end in told) - min(begin for _, begin, _ in told)


def _one(work: Work, place: Path, number: int, seconds: float, ready: Barrier, answers: Any) -> None:
    work(place, number, 0.05)  # connect, start what is to be started, make the files
    ready.wait()
    begin = wall()
    times = work(place, number, seconds)
    answers.put((times, begin, wall()))


_connected: dict[str, Any] = {}


def _timed(put: Callable[[str], object], number: int, seconds: float) -> list[float]:
    times = []
    until = wall() + seconds
    while (began := wall()) < until:
        put(f"{number}:{began}")
        times.append(wall() - began)
    return times


def _memory(place: Path, number: int, seconds: float) -> list[float]:
    if "client" not in _connected:
        _connected["client"] = Client(Config(place / "memory"), patience=30.0)
    client = _connected["client"]
    return _timed(lambda key: client.put([Event(P, TEXT, key=key, session=str(number))]), number, seconds)


def _sqlite(place: Path, number: int, seconds: float) -> list[float]:
    if "db" not in _connected:
        db = sqlite3.connect(place / "peer.sqlite3", timeout=60.0, isolation_level=None)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("create table if not exists event(n integer primary key, key text unique, at real, body text)")
        _connected["db"] = db
    db = _connected["db"]
    sql = "insert into event(key, at, body) values(?,?,?)"
    return _timed(lambda key: db.execute(sql, (key, 1.0, TEXT)), number, seconds)


def _raw(place: Path, number: int, seconds: float) -> list[float]:
    file = os.open(place / f"raw{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    line = json.dumps({"text": TEXT}).encode() + b"\n"

    def put(key: str) -> None:
        os.write(file, line)
        os.fdatasync(file)

    try:
        return _timed(put, number, seconds)
    finally:
        os.close(file)


WORKS: dict[str, Work] = {"memory": _memory, "sqlite": _sqlite, "raw": _raw}


# --- searches ------------------------------------------------------------------------------------------


def _searches(effort: Effort) -> Table:
    sizes = (25_000, 500_000) if not effort.quick else (1_500, 3_000)
    rows: list[Row] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
            rows += _of_size(Path(folder), size, effort.pick(300, 20))
    notes = [
        f"events of 12 words out of {VOCABULARY:,} whose frequencies fall as in prose; the commonest is in most events",
        "a search returns 20 events with their neighbours, read from the log and checked",
    ]
    return Table("searches and indexing in one process (wall time)", rows, notes)


def _of_size(folder: Path, size: int, searches: int) -> list[Row]:
    chance = random.Random(7)
    total = 0.0
    cumulated = [total := total + 1 / (rank + 2.7) for rank in range(VOCABULARY)]
    words = [f"w{rank:x}" for rank in range(VOCABULARY)]
    project = Project(folder / P, P, durability="os")
    for first in range(0, size, 5_000):
        texts = (" ".join(chance.choices(words, cum_weights=cumulated, k=12)) for _ in range(min(5_000, size - first)))
        project.put([Event(P, text, session=str(number % 7)) for number, text in enumerate(texts)])
        project.settle()
    began = wall()
    project.reindex()
    indexing = (wall() - began) / size * 1e6
    prose = [" ".join(chance.choices(words, cum_weights=cumulated, k=8)) for _ in range(searches)]
    worst = [words[0], " ".join(words[:32]), " ".join(words[20:52]), words[5], " ".join(words[200:232])]
    found = {"prose": _search_times(project, prose), "worst": _search_times(project, worst * 5)}
    project.close()
    name = f"{size:,} events"
    return [
        Row(f"indexing one event, {name}", indexing, "µs"),
        Row(f"a search of 8 words, {name}, p95", quantiles(found["prose"], n=20)[18] * 1e3, "ms", reach=Reach(30.0)),
        Row(f"the worst of the worst queries, {name}", max(found["worst"]) * 1e3, "ms", reach=Reach(12.0)),
    ]


def _search_times(project: Project, queries: Sequence[str]) -> list[float]:
    times = []
    for query in queries:
        began = wall()
        project.search(query, limit=20, neighbours=1)
        times.append(wall() - began)
    return times
