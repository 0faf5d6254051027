"""The Memory that hosts and verbs use: asks the daemon, starts one where there is none, else spools or looks itself."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pegboard_builtins.memory import disk, place, protocol
from pegboard_builtins.memory.events import Event, Forgotten, Hit, MemoryFailure, StoreBusyError, check, keyed
from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.spool import Spool
from pegboard_builtins.memory.starting import start

if TYPE_CHECKING:
    from pegboard_builtins.memory.store import Store

T = TypeVar("T")

READY = 5.0
"""Seconds that a start may take, on a machine that is very busy."""
PUT_PATIENCE = 2.0
"""Seconds after which a put goes to the spool instead."""
LETS_GO = 3.0
"""Seconds after which somebody who has the store, and serves nobody, is told to the person."""
PATIENCE = 60.0
"""Seconds for everything else: after damage an index may have to be made first."""
GREETING = 5.0
"""Seconds for what a daemon answers at once if it answers at all."""
HASTE = 1.0
"""Seconds that one who does not wait gives it."""


class LateError(MemoryFailure):
    """The daemon did not answer in time."""

    def __init__(self, root: Path, seconds: float) -> None:
        super().__init__(
            f"{root}: the daemon did not answer within {seconds:g} s; "
            "`pegboard memory logs` may say why, `pegboard memory stop --kill` ends it, and nothing kept is lost"
        )


class NoDaemonError(MemoryFailure):
    """No daemon answers, and none can be started."""


class MuteError(NoDaemonError):
    """Somebody has the memory, and does not answer."""

    def __init__(self, root: Path, told: str) -> None:
        super().__init__(
            f"{root}: another process has this memory and does not answer ({told}); "
            "`pegboard memory stop --kill` ends it, and nothing kept is lost"
        )


class Client:
    """One connection to the daemon, made when it is needed; any thread may use it, one request at a time.

    With `starts=False` no daemon is started. What no daemon does, the client does itself where it can: puts go to the
    spool, everything else opens the store for the moment. With `waits=False` it does so, too, while a daemon that it
    has started is not ready yet: so a session never waits for one.
    """

    def __init__(
        self, config: Config, *, starts: bool = True, waits: bool = True, patience: float = PUT_PATIENCE
    ) -> None:
        self.config = config
        self._starts = starts
        self._waits_for_start = waits
        self._hurried = False
        self._patience = patience
        self._most = PATIENCE * 10 if waits else HASTE
        self._spool = Spool(config.root)
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None
        self._rest = b""
        self._waits = 0.0
        self._pid = os.getpid()
        self._asked = 0
        self._build = protocol.build()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- Memory ----------------------------------------------------------------------------------------

    def put(self, events: Sequence[Event]) -> list[int]:
        """See Memory. Never loses, and never waits for long: what the daemon does not take at once is spooled."""
        ready = keyed(events)
        for event in ready:
            check(event)
        try:
            numbers: list[int] = self._ask("put", self._patience, events=protocol.facts_of_all(ready))
        except (NoDaemonError, LateError):
            self._spool.add(ready)  # under the same keys: if the daemon kept it after all, it is kept once
            self._start_in_passing()
            return [0] * len(ready)
        return numbers

    def hurry(self) -> None:
        """Wait for no daemon any more, not even for an answer that is under way: what is put goes to the spool."""
        self._hurried = True
        made = self._socket
        if made is not None:
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)

    def search(
        self,
        project: str,
        query: str,
        *,
        limit: int = 20,
        neighbours: int = 1,
        worktree: str = "",
        origins: Sequence[str] = (),
        kinds: Sequence[str] = (),
    ) -> list[Hit]:
        """See Memory."""
        given = {"limit": limit, "neighbours": neighbours, "worktree": worktree}
        lists = {"origins": list(origins), "kinds": list(kinds)}
        return self._asked_or_done(
            lambda: [
                protocol.hit_of(hit)
                for hit in self._ask("search", PATIENCE, project=project, query=query, **given, **lists)
            ],
            lambda store: store.search(
                project, query, limit=limit, neighbours=neighbours, worktree=worktree, origins=origins, kinds=kinds
            ),
        )

    def read(self, project: str, first: int = 1, last: int | None = None) -> list[Event]:
        """See Memory."""
        return self._asked_or_done(
            lambda: protocol.events_of(self._ask("read", PATIENCE, project=project, first=first, last=last)),
            lambda store: store.read(project, first, last),
        )

    def forget(
        self, project: str, *, numbers: Iterable[int] = (), session: str = "", match: str = "", dry_run: bool = False
    ) -> Forgotten:
        """See Memory."""
        wanted = sorted(numbers)
        given: dict[str, Any] = {"session": session, "match": match, "dry_run": dry_run}

        def asked() -> Forgotten:
            told: dict[str, Any] = self._ask("forget", PATIENCE * 10, project=project, numbers=wanted, **given)
            told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
            return Forgotten(**told)

        return self._asked_or_done(asked, lambda store: store.forget(project, numbers=wanted, **given))

    def facts_folder(self, project: str) -> Path:
        """See Memory."""
        return disk.private_folder(self.config.root / "projects" / project / "facts")

    def status(self) -> dict[str, Any]:
        """See Memory; where no daemon runs, `socket` is empty and `pid` 0."""

        def looked(store: Store) -> dict[str, Any]:
            return {**store.status(), "pid": 0, "spooled": len(self._spool.files())}

        told: dict[str, Any] = self._asked_or_done(lambda: self._ask("status", GREETING), looked)
        return told

    def reindex(self, project: str) -> int:
        """Make a project's index anew, and return how many events it has."""
        return self._asked_or_done(
            lambda: int(self._ask("reindex", PATIENCE * 10, project=project)),
            lambda store: store.project(project, make=False).reindex(),
        )

    def verify(self, project: str = "") -> dict[str, Any]:
        """Read every byte, and return what each project's log and index look like."""
        told: dict[str, Any] = self._asked_or_done(
            lambda: self._ask("verify", PATIENCE * 10, project=project), lambda store: store.verify(project)
        )
        return told

    def gc(self, *, quota: int, retention_days: int, dry_run: bool = False) -> dict[str, Any]:
        """Drop what is too old or too much, and return what that is, by project."""
        given: dict[str, Any] = {"quota": quota, "retention_days": retention_days, "dry_run": dry_run}
        told: dict[str, Any] = self._asked_or_done(
            lambda: self._ask("gc", PATIENCE * 10, **given), lambda store: store.gc(**given)
        )
        return told

    def merge(self, project: str, worktree: str) -> int:
        """Give all of a project what one of its worktrees remembers, and return how many events that are."""
        return self._asked_or_done(
            lambda: int(self._ask("merge", PATIENCE, project=project, worktree=worktree)),
            lambda store: store.merge(project, worktree),
        )

    def shared(self, project: str) -> list[int]:
        """Return the numbers of all events that are the whole project's, not a worktree's."""
        numbers: list[int] = self._asked_or_done(
            lambda: self._ask("shared", PATIENCE, project=project), lambda store: store.project(project).shared()
        )
        return numbers

    def drain(self) -> int:
        """Ask the daemon to finish and end, and wait until it is gone. Returns its process id, 0 if there was none."""
        with self._turn:
            if not self._connected():
                return 0
            try:
                told = self._roundtrip({"op": "drain"}, GREETING)
            except TimeoutError:
                raise LateError(self.config.root, GREETING) from None
            finally:
                self._hang_up()
        self._wait_for_the_lock(PATIENCE)
        return int(told["ok"]["pid"])

    def start(self) -> dict[str, Any]:
        """Return how the daemon greets, after starting it where there was none. Raises NoDaemonError."""
        greeting: dict[str, Any] = self._ask("hello", GREETING)
        return greeting

    def close(self) -> None:
        """Hang up."""
        with self._turn:
            self._hang_up()

    # --- asking ----------------------------------------------------------------------------------------

    def _asked_or_done(self, asked: Callable[[], T], done: Callable[[Store], T]) -> T:
        """Ask the daemon; where there is none, open the store for as long as this takes."""
        until = time.monotonic() + min(LETS_GO, self._most)
        while True:
            try:
                return asked()
            except NoDaemonError as nobody:
                from pegboard_builtins.memory.store import Store  # brings SQLite, which most sessions do without

                try:
                    with Store(self.config.root, durability=self.config.durability) as store:
                        self._spool.import_into(store)
                        return done(store)
                except StoreBusyError:  # a daemon that is just starting, or another verb
                    if time.monotonic() > until or self._hurried:
                        raise MuteError(self.config.root, str(nobody)) from None
                    time.sleep(0.02)

    def _ask(self, operation: str, patience: float, **facts: Any) -> Any:
        """Send a request and return the answer. Raises what the daemon raised, NoDaemonError or LateError."""
        patience = min(patience, self._most)
        with self._turn:
            for attempt in (1, 2):
                if self._hurried:
                    raise NoDaemonError("there is no time to ask")
                self._connect(patience)
                try:
                    answer = self._roundtrip({"op": operation, **facts}, patience)
                    break
                except TimeoutError:
                    self._hang_up()
                    raise LateError(self.config.root, patience) from None
                except OSError as error:  # it ended while we asked; everything may be asked again
                    self._hang_up()
                    if attempt == 2:
                        raise NoDaemonError(f"the daemon hung up: {disk.reason_of(error)}") from None
        if "err" in answer:
            raise protocol.error_of(answer["err"])
        return answer["ok"]

    def _roundtrip(self, request: dict[str, Any], patience: float) -> dict[str, Any]:
        assert self._socket is not None
        self._asked += 1
        if patience != self._waits:
            self._socket.settimeout(patience)
            self._waits = patience
        self._socket.sendall(protocol.encode({"id": self._asked, **request}))
        while True:
            *whole, rest = self._rest.split(b"\n", 1)
            if whole:
                self._rest = rest
                answer: dict[str, Any] = json.loads(whole[0])
                if answer.get("id") == self._asked:
                    return answer
                continue  # the late answer to a request that was given up
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError("it closed the connection")
            self._rest += data

    # --- connecting ------------------------------------------------------------------------------------

    def _connect(self, patience: float) -> None:
        """Be connected to a daemon of this version or a newer one. Raises NoDaemonError."""
        if self._pid != os.getpid():  # we are a fork: the connection is the parent's
            self._socket, self._pid = None, os.getpid()
        if self._socket is not None or self._connected():
            return
        if not self._starts or not self._waits_for_start:
            raise NoDaemonError("no daemon answers")
        until = time.monotonic() + min(READY, max(patience, 0.05))
        pause = 0.002
        while time.monotonic() < until:
            try:
                start(self.config)
            except MemoryFailure as error:
                raise NoDaemonError(str(error)) from None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.03)
            if self._connected():
                return
        raise NoDaemonError(f"no daemon was ready in time; {self.config.root / 'daemon.log'} may say why")

    def _start_in_passing(self) -> None:
        """Start a daemon for the next time, where we do not wait for one; it takes what is in the spool first."""
        if self._starts and not self._waits_for_start and not self._hurried:
            with contextlib.suppress(MemoryFailure):
                start(self.config)

    def _connected(self) -> bool:
        """Connect to whoever the lock says is there; ask an older one to drain. Whether that worked."""
        where = place.said_where(self.config.root)
        if not where:
            return False
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        greets = min(GREETING, self._most)
        made.settimeout(greets)
        self._waits = greets
        try:
            made.connect(where)
            if not protocol.is_ours(made):
                raise OSError("somebody else listens there")
            self._socket, self._rest = made, b""
            greeting = self._roundtrip({"op": "hello"}, greets)["ok"]
        except (OSError, KeyError, ValueError):
            made.close()
            self._socket = None
            return False
        return self._suits(greeting)

    def _suits(self, greeting: dict[str, Any]) -> bool:
        if greeting["protocol"] > protocol.PROTOCOL:
            self._hang_up()
            raise NoDaemonError("a daemon of a newer version runs; start this session anew")
        if greeting["build"] < self._build and self._starts:
            with contextlib.suppress(OSError):
                self._roundtrip({"op": "drain"}, min(GREETING, self._most))
            self._hang_up()
            if self._waits_for_start:
                self._wait_for_the_lock(READY)
            return False
        return True

    def _wait_for_the_lock(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while place.is_locked(self.config.root) and time.monotonic() < until:
            time.sleep(0.005)

    def _hang_up(self) -> None:
        if self._socket is not None and self._pid == os.getpid():
            self._socket.close()
        self._socket, self._rest = None, b""
