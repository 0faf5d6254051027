"""Memory that a team shares in PostgreSQL: pushed from the local log, project by project, and searched from there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

from pegboard_builtins.memory.events import Event, MemoryFailure
from pegboard_builtins.memory.index import terms_of

if TYPE_CHECKING:
    import psycopg

    from pegboard_builtins.memory.client import Client

CHANNEL = "pegboard_memory"
CONNECT_SECONDS = 5
AT_ONCE = 500
SCHEMA = """
create table if not exists pegboard_memory (
    project text not null, author text not null, number bigint not null,
    at timestamptz not null, kind text not null, origin text not null, session text not null,
    text text not null, meta jsonb not null,
    words tsvector generated always as (to_tsvector('english', text)) stored,
    primary key (project, author, number)
);
create index if not exists pegboard_memory_words on pegboard_memory using gin (words);
"""
SEARCH = """
select author, number, at, kind, origin, session, text, meta, ts_rank(words, query) as score
from pegboard_memory, to_tsquery('english', %s) query
where project = %s and words @@ query and (%s::text[] is null or origin = any(%s::text[]))
order by score desc, at desc, author, number limit %s
"""


class TeamError(MemoryFailure):
    """The team's memory cannot be reached, or refuses. What is remembered here is not touched by that."""


@dataclass(frozen=True, slots=True)
class TeamHit:
    """An event that somebody of the team pushed; `author` is whose memory it is from."""

    author: str
    event: Event
    score: float


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did: events that are new there, and events that were taken away because they are forgotten here."""

    sent: int
    taken_away: int


class Team:
    """A connection to the database. `author` names this memory; it says nothing about person or machine."""

    def __init__(self, url: str, author: str) -> None:
        self.author = author
        try:
            import psycopg
        except ImportError:
            raise TeamError("the extra is missing: pip install 'pegboard[postgres]'") from None
        self._error = psycopg.Error
        with self._told():
            self._db: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._db.close()

    def _told(self) -> _Told:
        return _Told(self._error)

    def prepare(self) -> None:
        """Make the table where there is none."""
        with self._told(), self._db.transaction():
            self._db.execute("select pg_advisory_xact_lock(hashtext('pegboard_memory'))")  # several may come at once
            for statement in filter(str.strip, SCHEMA.split(";")):
                self._db.execute(statement)

    def numbers(self, project: str) -> set[int]:
        """Return which events of this memory are there."""
        sql = "select number from pegboard_memory where project = %s and author = %s"
        with self._told():
            return {row[0] for row in self._db.execute(sql, (project, self.author))}

    def add(self, project: str, events: Sequence[Event]) -> None:
        """Add events, all or none; those that are there already are left alone. Listeners are told."""
        sql = (
            "insert into pegboard_memory(project, author, number, at, kind, origin, session, text, meta)"
            " values (%s,%s,%s,%s,%s,%s,%s,%s,%s) on conflict do nothing"
        )
        rows = [
            (
                project,
                self.author,
                one.number,
                datetime.fromtimestamp(one.at, UTC),
                one.kind,
                one.origin,
                one.session,
                one.text.replace("\0", "\ufffd"),
                json.dumps(dict(one.meta)).replace("\\u0000", "\\ufffd"),
            )
            for one in events
        ]
        with self._told(), self._db.transaction(), self._db.cursor() as cursor:
            cursor.executemany(sql, rows)
            told = json.dumps({"project": project, "author": self.author, "events": len(rows)})
            cursor.execute("select pg_notify(%s, %s)", (CHANNEL, told))

    def take_away(self, project: str, numbers: Iterable[int]) -> int:
        """Delete events of this memory, and return how many were there."""
        sql = "delete from pegboard_memory where project = %s and author = %s and number = any(%s)"
        with self._told():
            return self._db.execute(sql, (project, self.author, sorted(numbers))).rowcount

    def search(self, project: str, query: str, *, limit: int = 20, origins: Sequence[str] = ()) -> list[TeamHit]:
        """Return what fits best of all that the team pushed, one's own events too."""
        terms = [" <-> ".join(f"'{word}'" for word in term.split()) for term in terms_of(query)]
        if not terms:
            return []
        wanted = list(origins) or None
        given = (" | ".join(f"({term})" for term in terms), project, wanted, wanted, limit)
        with self._told():
            rows = self._db.execute(SEARCH, given).fetchall()
        return [
            TeamHit(
                author, Event(project, text, kind, origin, "", session, "", "", at.timestamp(), meta, number), score
            )
            for author, number, at, kind, origin, session, text, meta, score in rows
        ]

    def news(self, project: str, *, seconds: float | None = None) -> Iterator[dict[str, Any]]:
        """Wait for what others push, for so long or for ever."""
        with self._told():
            self._db.execute(f"listen {CHANNEL}")
            for one in self._db.notifies(timeout=seconds):
                told = json.loads(one.payload)
                if told["project"] == project and told["author"] != self.author:
                    yield told


class _Told:
    """Turns the driver's errors into ours, without what they quote of rows."""

    def __init__(self, kind: type[Exception]) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._kind):
            first = str(error).strip().partition("\n")[0]
            raise TeamError(f"the team's memory: {type(error).__name__}: {first}") from None


def author_of(key: bytes) -> str:
    """Return the name of a memory among others, from its machine's key: always the same, and telling nothing."""
    return blake2b(key, digest_size=8, person=b"memory author").hexdigest()


def push(client: Client, team: Team, project: str, prepared: Callable[[Event], Event]) -> Pushed:
    """Send what the project has and the team has not, each event through *prepared* (scanners and filters) first.

    Events of linked worktrees stay here until they are merged. What is forgotten here is taken away there, but not
    what `gc` dropped. A push that is cut off goes on where it was.
    """
    team.prepare()
    here = client.shared(project)
    there = team.numbers(project)
    missing = [number for number in here if number not in there]
    sent = 0
    for first in range(0, len(missing), AT_ONCE):
        wanted = set(missing[first : first + AT_ONCE])
        events = [one for one in client.read(project, min(wanted), max(wanted)) if one.number in wanted]
        team.add(project, [prepared(event) for event in events])
        sent += len(events)
    oldest = here[0] if here else 1
    gone = {number for number in there if number >= oldest} - set(here)
    return Pushed(sent, team.take_away(project, gone) if gone else 0)
