"""The daemon: owns the store, serves it on one unix socket, and ends when nobody has asked for a while.

It is started as a program of its own (see `starting`), with few modules: no host, no pydantic.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from pegboard import __version__
from pegboard_builtins.memory import place, protocol
from pegboard_builtins.memory.chores import Chores
from pegboard_builtins.memory.desk import Desk
from pegboard_builtins.memory.events import MemoryFailure, StoreBusyError
from pegboard_builtins.memory.place import Config, say_where, socket_path
from pegboard_builtins.memory.spool import Spool
from pegboard_builtins.memory.store import Store

BUSY = 75
"""The exit status of one that found another daemon there: EX_TEMPFAIL."""

LETS_GO = 3.0
"""Seconds that a verb may need the store while no daemon runs."""

SETTLE_AFTER = 0.2
"""Seconds after which what was acknowledged is indexed; sooner if somebody searches."""
LOOK_EVERY = 20.0
"""Seconds between looks at whether the plugin was disabled, or its folder deleted, while no client came or went."""
BACKLOG = 4_000
"""So many events may wait for the index; beyond it puts wait, so that it never lags by more than about a second."""
SLICE = 8
"""So many events are indexed before the next requests are looked at: less than a millisecond's work."""
BREATH = 0.0005
"""Seconds between slices, for puts that come in meanwhile: with eight clients it halves the slowest of a hundred."""

log = logging.getLogger("pegboard.memory.daemon")


class Daemon:
    """One event loop, one store. `run` returns when it is idle, asked to drain, or told to end."""

    def __init__(self, config: Config, turn: int = -1) -> None:
        self._turn = turn
        self.config = config
        self.store = Store(config.root, durability=config.durability)
        self.spool = Spool(config.root)
        self.build = protocol.build()
        self.started = time.time()
        self.connections: set[Connection] = set()
        self.desk = Desk(self.store, self.spool, self.about, self.end)
        self.chores = Chores(config, self.store, self.end)
        self.look_every = LOOK_EVERY
        self.socket = ""
        self._bound = 0
        self._group: list[tuple[Connection, Any, list[dict[str, Any]]]] = []
        self._settling: asyncio.Handle | None = None
        self._ended: asyncio.Event | None = None
        self._used = 0.0

    async def run(self) -> None:
        """Serve until the end, then leave nothing behind: no socket, no child, no lock."""
        loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._used = loop.time()
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(name, self.end, f"signal {name.name}")
        self._import()
        listening = self._listen()
        server = await loop.create_unix_server(lambda: Connection(self), sock=listening)
        say_where(self.config.root, self.socket)
        if self._turn >= 0:
            os.close(self._turn)
        log.info("serving %s on %s", self.config.root, self.socket)
        self._watch_idleness(loop)
        self.chores.begin()
        try:
            await self._ended.wait()
        finally:
            server.close()
            if self._has_its_socket():  # who came after us in a folder that was deleted has one of the same name
                os.unlink(self.socket)
            self._flush()
            await self.chores.end()
            for connection in list(self.connections):
                connection.close()
            await asyncio.sleep(0)  # their last answers go out
            self.store.close()

    def about(self) -> dict[str, Any]:
        """Return what `status` says of this process."""
        return {
            "socket": self.socket,
            "build": self.build,
            "version": __version__,
            "started": self.started,
            "clients": len(self.connections),
            "child": self.chores.child,
        }

    def end(self, why: str) -> None:
        """Serve nobody new, finish what is begun, and end."""
        if self._ended is not None and not self._ended.is_set():
            log.info("ending: %s", why)
            self._ended.set()

    def _listen(self) -> socket.socket:
        """Bind the socket. Whatever lies there is stale: only the owner of the lock comes here."""
        path = socket_path(self.config.root)
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.listen(512)
        listening.setblocking(False)
        self.socket, self._bound = str(path), os.stat(path).st_ino
        return listening

    def _has_its_socket(self) -> bool:
        """Whether clients can still find this process."""
        try:
            return os.stat(self.socket).st_ino == self._bound
        except OSError:
            return False

    def take_in_soon(self) -> None:
        """Import what waits in the spool, if anything does, when whoever asks now was answered."""
        if self.spool.waits():
            asyncio.get_running_loop().call_soon(self._import)

    def _import(self) -> None:
        try:
            done = self.spool.import_into(self.store)
        except MemoryFailure as error:
            log.error("the spool stays as it is: %s", error)
            return
        if done:
            self._keep_up()
            self._settle_later()
            log.info("imported %d events from the spool", done)

    # --- idleness --------------------------------------------------------------------------------------

    def _watch_idleness(self, loop: asyncio.AbstractEventLoop) -> None:
        """The only timer of a daemon that nobody uses: it looks when the time could be up, and whether it is wanted."""
        left = self._used + self.config.idle_exit - loop.time()
        if left <= 0 and not self.chores.busy:
            self.end(f"nobody asked for {self.config.idle_exit:g} s")
        elif not self.store.owns_its_folder():
            self.end("its folder is gone")
        elif not self._has_its_socket():
            self.end("its socket is gone, so nobody finds it")
        else:
            self.chores.look()
            loop.call_later(min(max(left, 1.0), self.look_every), self._watch_idleness, loop)

    # --- requests --------------------------------------------------------------------------------------

    def handle(self, connection: Connection, line: bytes) -> None:
        """Answer one request; a put is answered with its group."""
        self._used = asyncio.get_running_loop().time()
        request: Any = None
        try:
            request = json.loads(line)
            operation = request["op"]
        except (ValueError, KeyError, TypeError):
            connection.answer({"id": None, "err": {"kind": "MemoryFailure", "text": "this is no request"}})
            return
        identity = request.get("id")
        if operation == "put":
            if not self._group:
                asyncio.get_running_loop().call_soon(self._gather, 0)
            self._group.append((connection, identity, request.get("events", [])))
            return
        try:
            connection.answer({"id": identity, "ok": self.desk.answer(operation, request)})
        except Exception as error:
            self._failed(operation, error)
            connection.answer({"id": identity, "err": protocol.error_facts(error)})

    def _gather(self, seen: int) -> None:
        """Look at the sockets once more as long as that brings more puts: half as many syncs for eight clients."""
        if seen < len(self._group) < len(self.connections):
            asyncio.get_running_loop().call_soon(self._gather, len(self._group))
        else:
            self._flush()

    def _flush(self) -> None:
        """Keep what was gathered: one write and one sync for all of it."""
        group, self._group = self._group, []
        parsed = []
        for connection, identity, facts in group:
            try:
                parsed.append((connection, identity, self.desk.unpack(facts)))
            except Exception as error:
                self._failed("put", error)
                connection.answer({"id": identity, "err": protocol.error_facts(error)})
        for connection, identity, kept in self.desk.keep(parsed):
            if isinstance(kept, Exception):
                self._failed("put", kept)
                connection.answer({"id": identity, "err": protocol.error_facts(kept)})
            else:
                connection.answer({"id": identity, "ok": kept})
        if group:
            self.chores.something_new()
            self._keep_up()
            self._settle_later()

    def _keep_up(self) -> None:
        for project in self.store.open_projects():
            if project.waiting > BACKLOG:
                project.settle(project.waiting - BACKLOG)

    def _settle_later(self) -> None:
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_AFTER, self._settle)

    def _settle(self) -> None:
        """Index a little, and go on when the sockets had their turn."""
        self._settling = None
        try:
            left = sum(project.settle(SLICE) for project in self.store.open_projects())
        except Exception as error:
            self._failed("index", error)
            return
        if left:
            self._settling = asyncio.get_running_loop().call_later(BREATH, self._settle)

    def _failed(self, operation: str, error: Exception) -> None:
        if isinstance(error, MemoryFailure):
            log.warning("%s: %s", operation, error)
        else:  # without its words: they may hold what was to be kept
            where = error.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            line = f"{Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno}" if where is not None else "?"
            log.error("%s failed: %s at %s", operation, type(error).__name__, line)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._transport: asyncio.Transport | None = None
        self._rest = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve nobody else's processes."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not protocol.is_ours(transport.get_extra_info("socket")):
            log.warning("refused a process of another user")
            transport.abort()
            return
        self._daemon.connections.add(self)
        self._daemon.take_in_soon()

    def data_received(self, data: bytes) -> None:
        """Take complete lines out of what came so far."""
        self._rest += data
        if b"\n" not in data:
            if len(self._rest) > protocol.MAX_LINE and self._transport is not None:
                self._transport.abort()
            return
        *whole, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in whole:
            self._daemon.handle(self, line)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it; events that came whole are kept all the same."""
        self._daemon.connections.discard(self)
        self._daemon.chores.look()

    def answer(self, message: dict[str, Any]) -> None:
        """Send an answer; whoever is gone does not get it, and asks again under the same keys."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(protocol.encode(message))

    def close(self) -> None:
        """Close when the last answer has gone out."""
        if self._transport is not None:
            self._transport.close()


def main(argument: str, turn: int = -1) -> int:
    """Run a daemon for the configuration in *argument* (JSON); 75 where another one is there already.

    *turn* is an open file that holds the turn to start one; it is closed when we serve.
    """
    config = Config.of_json(argument)
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s", level=logging.INFO)
    try:
        daemon = _of_the_free_store(config, turn)
    except StoreBusyError:
        return BUSY
    except MemoryFailure as error:
        log.error("cannot start: %s", error)
        return 1
    asyncio.run(daemon.run())
    return 0


def _of_the_free_store(config: Config, turn: int) -> Daemon:
    """Return a daemon once nobody has the store. A verb has it for a moment only; another daemon, for long.

    Raises StoreBusyError where another daemon serves, or nobody lets go of it.
    """
    until = time.monotonic() + LETS_GO
    while True:
        try:
            return Daemon(config, turn)
        except StoreBusyError:
            if place.is_served(config.root) or time.monotonic() > until:
                raise
        time.sleep(0.01)
