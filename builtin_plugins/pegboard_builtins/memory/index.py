"""A project's index: FTS5 over the log, derived from it alone; deleted, it is made again and finds the same."""

from __future__ import annotations

import contextlib
import math
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import FORGOTTEN, MERGED, Event, MemoryFailure
from pegboard_builtins.memory.lines import Place

NAME = "index.sqlite3"
VERSION = 2
FILES = ("", "-wal", "-shm", "-journal")

MANY_EVENTS = 1_000
"""Only above so many events are frequent terms left out of a query."""
FREQUENT = 0.1
MAX_TERMS = 24
LOOKED_AT = 3_000
"""So many matches of a query are ranked at most: its cost does not grow with the log."""
SMALL = 50_000
LOOKED_AT_IN_SMALL = 8_000
"""In a log of up to 50,000 events more matches are ranked."""
SIDE_BY_SIDE = 0.5
"""So much more of their worth two words count that follow each other in the query and in the text."""
RARE = 2_000
MAX_PAIRS = 6
RERANKED = 200
NEAR = 64
"""Neighbours are looked for among so many events before and behind."""

_EMPTY = """
    a about again am an and any anybody are as at be because been but by can could did do does done for from had has
    have he her here him his how i if in into is it its just may me might must my no not now of off on or our she should
    so some than that the their them then there these they this those to too up us was we were what when where which who
    whom whose why will with would you your
"""
EMPTY = frozenset(_EMPTY.split())
"""Words that questions are made of and that nothing is about. They count where a query has no others."""

LONGEST_NAME = 80
"""Characters; longer words are no names, but data."""
_HUMPED = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
_HUMP = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_A-Za-z]+|\d+")
_WORD = re.compile(r"[^\W_]+")
_TERMS = re.compile(r'"([^"]+)"|([^\W_]+)')
_SCHEMA = """
create table meta(name text primary key, value) without rowid;
create table event(
    n integer primary key, key integer not null, segment integer not null, offset integer not null,
    length integer not null, words integer not null, kind text not null, origin text not null,
    session text not null, worktree text not null
);
create index event_key on event(key);
create virtual table word using fts5(text, content='', tokenize='porter unicode61 remove_diacritics 2');
"""


def key_hash(key: str) -> int:
    """Return what stands for an idempotency key where the key itself need not, or must not, be kept."""
    return int.from_bytes(blake2b(key.encode(errors="replace"), digest_size=8).digest(), "big", signed=True)


@dataclass(frozen=True, slots=True)
class Found:
    """An event that a search found, by number and place."""

    number: int
    place: Place
    score: float
    session: str = ""


class Index:
    """One SQLite file, one connection, held exclusively: several on one WAL can break it before SQLite 3.51.3."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rebuilt_because = ""
        self.uncommitted = 0
        self._open_transaction = False
        try:
            self._db = self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise MemoryFailure(f"{path}: another process has this index open") from None
            self.rebuilt_because = str(error)
            remove(path)
            self._db = self._connect()

    def _connect(self) -> sqlite3.Connection:
        disk.private_folder(self.path.parent)
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0.0)
        try:
            db.execute("pragma locking_mode = exclusive")
            db.execute("pragma journal_mode = wal")
            db.execute("pragma synchronous = normal")
            db.execute("pragma cache_size = -4000")
            db.execute("pragma wal_autocheckpoint = 2000")
            version = db.execute("pragma user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"its version is {version}, not {VERSION}")
            if version == 0:
                db.executescript(f"begin; {_SCHEMA} pragma user_version = {VERSION}; commit")
            db.execute("select n from event order by n desc limit 1").fetchone()
            self.path.chmod(disk.PRIVATE_FILE)
        except BaseException:
            db.close()
            raise
        return db

    # --- filling ---------------------------------------------------------------------------------------

    def upto(self) -> int:
        """Return the largest number that is indexed."""
        found = self._db.execute("select value from meta where name = 'upto'").fetchone()
        return int(found[0]) if found else 0

    def add(self, placed: Iterable[tuple[Event, Place]]) -> int:
        """Index events that come in order, in a transaction that stays open until `commit`; return how many."""
        self._begin()
        rows: list[tuple[object, ...]] = []
        texts: list[tuple[int, str]] = []
        done = last = 0
        for event, place in placed:
            rows.append(_row(event, place))
            if event.kind in (FORGOTTEN, MERGED):
                self._insert(rows, texts)
                self._obey(event)
            else:
                texts.append((event.number, indexed(event.text)))
            done, last = done + 1, event.number
        self._insert(rows, texts)
        if done:
            self._db.execute("insert or replace into meta values('upto', ?)", (last,))
        self.uncommitted += done
        return done

    def _insert(self, rows: list[tuple[object, ...]], texts: list[tuple[int, str]]) -> None:
        self._db.executemany("insert or replace into event values(?,?,?,?,?,?,?,?,?,?)", rows)
        self._db.executemany("insert into word(rowid, text) values(?,?)", texts)
        rows.clear()
        texts.clear()

    def _obey(self, event: Event) -> None:
        """Do what an event of the log's own kinds says about those before it."""
        if event.kind == MERGED:
            self._db.execute("update event set worktree = '' where worktree = ?", (event.text,))
        else:
            self._remember_keys(event)

    def _remember_keys(self, event: Event) -> None:
        """What was forgotten stays forgotten: its keys, as hashes, still refuse a retry."""
        for number, key in zip(event.meta.get("numbers", ()), event.meta.get("keys", ()), strict=False):
            self._db.execute(
                "insert or replace into event values(?,?,0,0,0,0,?,'','','')",
                (int(number), int(key, 16) - (1 << 63), FORGOTTEN),
            )

    def in_segment(self, first: int, most: int) -> list[tuple[int, Place]]:
        """Return numbers and places of the first events that are indexed of a segment."""
        select = "select n, segment, offset, length from event where n >= ? and segment = ? and length > 0"
        rows = self._db.execute(f"{select} order by n limit ?", (first, first, most))
        return [(row[0], Place(*row[1:])) for row in rows]

    def take_out(self, number: int, text: str) -> None:
        """Take an event out, in a transaction that stays open until `commit`. Its *text* is the one it came with."""
        self._begin()
        kind = self._db.execute("select kind from event where n = ?", (number,)).fetchone()
        self._db.execute("delete from event where n = ?", (number,))
        if text and kind is not None and kind[0] not in (FORGOTTEN, MERGED):
            self._db.execute("insert into word(word, rowid, text) values('delete', ?, ?)", (number, indexed(text)))

    def _begin(self) -> None:
        if not self._open_transaction:
            self._db.execute("begin")
            self._open_transaction = True

    def commit(self) -> None:
        """End the open transaction, if there is one."""
        if self._open_transaction:
            self._db.execute("commit")
            self._open_transaction = False
        self.uncommitted = 0

    def number_of(self, hashed: int) -> int | None:
        """Return the number of the event whose key has this hash; None if there is none."""
        found = self._db.execute("select n from event where key = ? limit 1", (hashed,)).fetchone()
        return int(found[0]) if found else None

    # --- finding ---------------------------------------------------------------------------------------

    def count(self) -> int:
        """Return how many events are indexed; the log's own are not among them."""
        hidden = f"kind not in ('{FORGOTTEN}', '{MERGED}')"
        return int(self._db.execute(f"select count(*) from event where length > 0 and {hidden}").fetchone()[0])

    def search(
        self,
        query: str,
        limit: int,
        *,
        worktree: str = "",
        origins: Sequence[str] = (),
        kinds: Sequence[str] = (),
    ) -> list[Found]:
        """Return the best matches, best first; among equals the newest."""
        scores = self._scores(terms_of(query))
        best = sorted(sorted(scores, reverse=True), key=scores.__getitem__, reverse=True)  # among equals the newest
        fits = _Fits(worktree, origins, kinds)
        found: list[Found] = []
        for start in range(0, len(best), RERANKED):
            if len(found) >= limit:
                break
            found += self._ranked(best[start : start + RERANKED], scores, fits)
        return found[:limit]

    def _scores(self, terms: Sequence[str]) -> dict[int, float]:
        """Add up what each term is worth to each event, for the newest events of each term."""
        newest = self._db.execute("select max(n) from event").fetchone()[0] or 0
        terms = [term for term in terms if term not in EMPTY] or terms
        all_together = LOOKED_AT if newest > SMALL else LOOKED_AT_IN_SMALL
        share = max(all_together // max(len(terms), 1), RERANKED // 2)
        matches = {term: self._newest_with(term, share) for term in terms}
        often = {term: _estimate(rows, share, newest) for term, rows in matches.items() if rows}
        if newest > MANY_EVENTS:
            rare = {term: count for term, count in often.items() if count <= newest * FREQUENT}
            often = rare or dict(sorted(often.items(), key=lambda item: item[1])[:1])
        worths = {term: math.log(1 + (newest - count + 0.5) / (count + 0.5)) for term, count in often.items()}
        for pair in self._pairs(terms, often):
            worths[pair] = SIDE_BY_SIDE * sum(worths[term] for term in pair.split(" "))
            matches[pair] = self._newest_with(pair, share)
        scores: dict[int, float] = {}
        known = scores.get
        for term, worth in worths.items():
            for number in matches[term]:
                scores[number] = known(number, 0.0) + worth
        return scores

    def _pairs(self, terms: Sequence[str], often: dict[str, float]) -> list[str]:
        """Return the words that follow each other in the query and are rare enough to be looked for side by side."""
        rare = [term if often.get(term, RARE) < RARE and " " not in term else "" for term in terms]
        return [f"{one} {other}" for one, other in pairwise(rare) if one and other][:MAX_PAIRS]

    def _newest_with(self, term: str, limit: int) -> list[int]:
        sql = "select rowid from word where word match ? order by rowid desc limit ?"
        try:
            return [row[0] for row in self._db.execute(sql, (f'"{term}"', limit))]
        except sqlite3.OperationalError as error:
            raise MemoryFailure(f"the index cannot look for {term!r}: {error}") from None

    def _ranked(self, numbers: Sequence[int], scores: dict[int, float], fits: _Fits) -> list[Found]:
        """Leave out what may not be seen, and put shorter events before longer ones of the same worth."""
        marks = ",".join("?" * len(numbers))
        rows = self._db.execute(
            f"select n, segment, offset, length, words, session from event where n in ({marks}) and {fits.sql}",
            (*numbers, *fits.values),
        ).fetchall()
        found = [
            Found(n, Place(segment, offset, length), scores[n] * 2.2 / (1 + 1.2 * (0.6 + 0.4 * words / 20)), session)
            for n, segment, offset, length, words, session in rows
        ]
        return sorted(found, key=lambda one: (-one.score, -one.number))

    def neighbours(
        self, found: Found, each: int, *, worktree: str, origins: Sequence[str], kinds: Sequence[str]
    ) -> list[Place]:
        """Return where the events before and behind one lie, of its session, in order."""
        fits = _Fits(worktree, origins, kinds)
        given = (found.number, found.number, found.session, *fits.values, each)
        select = "select n, segment, offset, length from event where"
        rest = f"and session = ? and {fits.sql} order by n"
        before = self._db.execute(f"{select} n < ? and n >= ? - {NEAR} {rest} desc limit ?", given).fetchall()
        behind = self._db.execute(f"{select} n > ? and n <= ? + {NEAR} {rest} limit ?", given).fetchall()
        return [Place(*row[1:]) for row in [*reversed(before), *behind]]

    def places(self, first: int, last: int) -> list[Place]:
        """Return where the events with these numbers lie."""
        hidden = f"kind not in ('{FORGOTTEN}', '{MERGED}')"
        sql = (
            f"select segment, offset, length from event where n between ? and ? and length > 0 and {hidden} order by n"
        )
        return [Place(*row) for row in self._db.execute(sql, (first, last))]

    def place_of(self, number: int) -> Place | None:
        """Return where an event lies; None for one that is not indexed."""
        found = self._db.execute(
            "select segment, offset, length from event where n = ? and length > 0", (number,)
        ).fetchone()
        return Place(*found) if found else None

    def facts(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Ask for rows of the table `event`, for reports."""
        return self._db.execute(sql, values).fetchall()

    def sound(self) -> str:
        """Return what SQLite finds wrong with the file; empty if nothing."""
        try:
            answer = self._db.execute("pragma integrity_check").fetchone()[0]
            self._db.execute("insert into word(word) values('integrity-check')")
        except sqlite3.DatabaseError as error:
            return str(error)
        return "" if answer == "ok" else str(answer)

    def close(self) -> None:
        """Commit and close; the write-ahead log goes into the file."""
        with contextlib.suppress(sqlite3.Error):
            self.commit()
        self._db.close()


def _row(event: Event, place: Place) -> tuple[object, ...]:
    words = 1 if event.kind in (FORGOTTEN, MERGED) else event.text.count(" ") + 1
    where = (place.segment, place.offset, place.length, words)
    return event.number, key_hash(event.key), *where, event.kind, event.origin, event.session, event.worktree


class _Fits:
    """The part of a query that says which events may be seen."""

    def __init__(self, worktree: str, origins: Sequence[str], kinds: Sequence[str]) -> None:
        self.values: list[str] = [worktree]
        self.sql = f"length > 0 and worktree in ('', ?) and kind not in ('{FORGOTTEN}', '{MERGED}')"
        for column, wanted in (("origin", origins), ("kind", kinds)):
            if wanted:
                self.sql += f" and {column} in ({','.join('?' * len(wanted))})"
                self.values += wanted


def humps(word: str) -> list[str]:
    """Return the words that a name such as `parseConfigFile` is made of; none for any other word."""
    if len(word) > LONGEST_NAME or not _HUMPED.search(word):
        return []
    return [part.lower() for part in _HUMP.findall(word) if len(part) > 1]


def indexed(text: str) -> str:
    """Return a text as it is indexed: behind it stand the words that its names are made of.

    Underscores and hyphens part words by themselves; humps do not.
    """
    if not _HUMPED.search(text):
        return text
    return f"{text}\n{' '.join(part for name in _WORD.findall(text) for part in humps(name))}"


def terms_of(query: str) -> list[str]:
    """Return what a query looks for: words, and phrases that stand in quotation marks; each once, in order."""
    found: list[str] = []
    for phrase, word in _TERMS.findall(query):
        found += [" ".join(_WORD.findall(phrase))] if phrase else [word, *humps(word)]
    return list(dict.fromkeys(term.lower() for term in found if term))[:MAX_TERMS]


def _estimate(rows: Sequence[int], limit: int, newest: int) -> float:
    """Return how many events have a term, judged by the newest ones where not all were counted."""
    if len(rows) < limit:
        return len(rows)
    return len(rows) * newest / (newest - rows[-1] + 1)


def remove(path: Path) -> None:
    """Delete an index with all that SQLite keeps beside it."""
    for suffix in FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
