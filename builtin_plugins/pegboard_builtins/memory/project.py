"""One project's memory: its log, and the index that follows it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from pegboard_builtins.memory import disk, rewriting
from pegboard_builtins.memory import index as indexing
from pegboard_builtins.memory.events import FORGOTTEN, MERGED, Event, Hit, keyed
from pegboard_builtins.memory.index import Index, key_hash
from pegboard_builtins.memory.lines import Place
from pegboard_builtins.memory.segments import Log

SPARE = 4
"""So many times the hits that are wanted are ranked, because some take no place of their own."""
AT_ONCE = 2_000
"""So many events are indexed in one transaction while the index catches up."""
DROPPED_AT_ONCE = 200


class Project:
    """A project's folder, open. The log comes first; `settle` brings the index up to it."""

    def __init__(self, folder: Path, identity: str, *, durability: str = "fsync") -> None:
        self.folder = folder
        self.identity = identity
        self._durability = durability
        self._waiting: deque[tuple[Event, Place]] = deque()
        self._waiting_keys: OrderedDict[int, int] = OrderedDict()  # in the same order
        rewriting.finish(folder)
        self._reopen()

    def _reopen(self) -> None:
        self.log = Log(self.folder / "log", self.identity, durability=self._durability)
        self.index = Index(self.index_path)
        self._catch_up()

    @property
    def index_path(self) -> Path:
        """Where the index is; it may be deleted while nobody has it open."""
        return self.folder / indexing.NAME

    def _catch_up(self) -> None:
        if self.index.upto() > self.log.last:
            self._drop_index("it knows of events that the log does not have")
        upto = self.index.upto()
        waiting = self.log.scan(upto, self.index.place_of(upto))
        while self.index.add(islice(waiting, AT_ONCE)):
            self.index.commit()

    def _drop_index(self, because: str) -> None:
        self.index.close()
        indexing.remove(self.index_path)
        self.index = Index(self.index_path)
        self.index.rebuilt_because = because

    def reindex(self) -> int:
        """Make the index anew from the log, and return how many events it has."""
        self._waiting.clear()
        self._waiting_keys.clear()
        self._drop_index("it was asked for")
        self._catch_up()
        return self.index.count()

    def take_out(self, numbers: Collection[int]) -> list[str]:
        """Write the log without these events, and without what nobody can read. Returns what of that there was."""
        self.close()
        try:
            return rewriting.take_out(self.folder, numbers)
        finally:
            self._reopen()

    def drop_segment(self, first: int) -> Iterator[None]:
        """Take a segment out of the index, a little at a time, then delete it. Other things may be done in between."""
        while places := self.index.in_segment(first, DROPPED_AT_ONCE):
            for number, place in places:
                event = self.log.read(place)
                self.index.take_out(number, event.text if event is not None else "")
            self.index.commit()
            yield
        self.log.forget_readers()
        self.log.path_of(first).unlink(missing_ok=True)
        disk.sync_folder(self.log.folder)

    def merge(self, worktree: str) -> int:
        """Note that what a worktree remembered is the whole project's now; return how many events that are."""
        self.settle()
        count = self.index.facts("select count(*) from event where worktree = ? and length > 0", worktree)[0][0]
        if count:
            self.put([Event(self.identity, worktree, kind=MERGED)])
            self.settle()
        return int(str(count))

    # --- putting ---------------------------------------------------------------------------------------

    def put(self, events: Sequence[Event]) -> list[int]:
        """Keep those events whose key is new, and return the numbers of all. Raises NotKeptError."""
        numbers = [0] * len(events)
        fresh: list[Event] = []
        of_key: dict[int, int] = {}
        places: list[int] = []
        for position, event in enumerate(keyed(events)):
            hashed = key_hash(event.key)
            known = self._known(hashed)
            if known is not None:
                numbers[position] = known
                continue
            if hashed not in of_key:
                of_key[hashed] = len(fresh)
                fresh.append(event)
            places.append(position)
            numbers[position] = of_key[hashed]
        placed = self.log.append(fresh) if fresh else []
        for position in places:
            numbers[position] = placed[numbers[position]][0].number
        for hashed, at in of_key.items():
            event, place = placed[at]
            self._waiting.append((event, place))
            self._waiting_keys[hashed] = event.number
        return numbers

    def _known(self, hashed: int) -> int | None:
        waiting = self._waiting_keys.get(hashed)
        return waiting if waiting is not None else self.index.number_of(hashed)

    def settle(self, most: int | None = None) -> int:
        """Index events that are waiting, and return how many still do; committed when none does, or at 2,000."""
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), most or len(self._waiting)))]
        self.index.add(batch)
        for _ in batch:
            self._waiting_keys.popitem(last=False)
        if not self._waiting or self.index.uncommitted >= AT_ONCE:
            self.index.commit()
        return len(self._waiting)

    @property
    def waiting(self) -> int:
        """How many events are not indexed yet."""
        return len(self._waiting)

    # --- finding ---------------------------------------------------------------------------------------

    def search(
        self,
        query: str,
        *,
        limit: int,
        neighbours: int,
        worktree: str = "",
        origins: Sequence[str] = (),
        kinds: Sequence[str] = (),
    ) -> list[Hit]:
        """Return what fits best, with neighbours; a line that turns out to be damaged is left out and noted.

        What says the same words as a better hit, or stands beside one and is shown with it, takes no place of its own.
        """
        self.settle()
        hits: list[Hit] = []
        seen: set[int] = set()
        said: set[str] = set()
        for found in self.index.search(query, limit * SPARE, worktree=worktree, origins=origins, kinds=kinds):
            if len(hits) == limit:
                break
            event = self._seen(found.place) if found.number not in seen else None
            if event is None or event.text in said:
                continue
            near = (
                self.index.neighbours(found, neighbours, worktree=worktree, origins=origins, kinds=kinds)
                if neighbours
                else ()
            )
            hit = Hit(event, round(found.score, 6), tuple(self._seen_all(near)))
            hits.append(hit)
            said.add(event.text)
            seen.update(one.number for one in hit.neighbours)
        return hits

    def read(self, first: int = 1, last: int | None = None) -> list[Event]:
        """Return the events with these numbers."""
        self.settle()
        return list(self._seen_all(self.index.places(first, self.log.last if last is None else last)))

    def _seen_all(self, places: Iterable[Place]) -> Iterator[Event]:
        return (event for place in places if (event := self._seen(place)) is not None)

    def _seen(self, place: Place) -> Event | None:
        return self.log.read(place)

    def shared(self) -> list[int]:
        """Return the numbers of all events that are the whole project's, not a worktree's."""
        self.settle()
        hidden = f"kind not in ('{FORGOTTEN}', '{MERGED}')"
        rows = self.index.facts(f"select n from event where worktree = '' and length > 0 and {hidden} order by n")
        return [int(str(row[0])) for row in rows]

    def count(self) -> int:
        """Return how many events there are, indexed or not."""
        return self.index.count() + len(self._waiting)

    def close(self) -> None:
        """Index what is waiting, and close."""
        self.settle()
        self.index.close()
        self.log.close()
