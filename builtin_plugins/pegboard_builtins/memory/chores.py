"""What the daemon does by itself: keeping house, one consolidation child, and ending where the plugin is off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Callable

from pegboard_builtins.memory import projects
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.store import Store

log = logging.getLogger("pegboard.memory.daemon")

GRACE = 2.0
"""Seconds between asking a child to end and ending it."""


class Chores:
    """One timer after the last event, and one child at a time, in a process group of its own."""

    def __init__(self, config: Config, store: Store, end: Callable[[str], None]) -> None:
        self._config = config
        self._store = store
        self._end = end
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._work: asyncio.Task[None] | None = None
        self._news = False
        self._pid = 0
        self._settings_stamp = 0
        self._looked_at: dict[str, int] = {}

    @property
    def busy(self) -> bool:
        """Whether it keeps house, or a child runs."""
        return self._work is not None and not self._work.done()

    @property
    def child(self) -> int:
        """The child's process id, 0 where there is none; to be shown only."""
        return self._pid

    # --- switched off ----------------------------------------------------------------------------------

    def look(self) -> None:
        """End where the plugin was disabled meanwhile: then nobody else comes."""
        if self.is_switched_off():
            self._end("its plugin is disabled in the settings")

    def is_switched_off(self) -> bool:
        """Whether the user's settings disable the plugin, or switch it off. The file is read only when it changed."""
        try:
            stamp = os.stat(self._config.settings).st_mtime_ns
        except OSError:
            return False
        if stamp == self._settings_stamp:
            return False
        import tomllib

        try:
            with open(self._config.settings, "rb") as file:
                told = tomllib.load(file)
        except (OSError, ValueError):
            return False  # being written, perhaps; the host says what is wrong with it
        self._settings_stamp = stamp
        disabled = told.get("plugins", {}).get("disabled", [])
        return self._config.plugin in disabled or told.get(self._config.plugin, {}).get("on") is False

    # --- when it is quiet ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to wait for quiet."""
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        self._wait(loop)

    def something_new(self) -> None:
        """Wait anew: each event only moves the moment."""
        loop = asyncio.get_running_loop()
        self._last, self._news = loop.time(), True
        self._wait(loop)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None:
            self._timer = loop.call_later(self._config.idle_minutes * 60, self._is_quiet)

    def _is_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        left = self._last + self._config.idle_minutes * 60 - loop.time()
        if left > 0.001:
            self._timer = loop.call_later(left, self._is_quiet)
        elif self.busy:
            self._wait(loop)
        else:
            self._work = loop.create_task(self._keep_house())

    async def _keep_house(self) -> None:
        """Drop what had its time, then make facts of what is new; requests are answered in between."""
        try:
            for _ in self._store.tidy():
                await asyncio.sleep(0)
        except (MemoryFailure, OSError, sqlite3.Error) as error:
            log.warning("what had its time is still there: %s", error)  # until the next time it is quiet
        if self._news and self._config.consolidate:
            self._news = False
            await self._consolidate()

    # --- consolidation ---------------------------------------------------------------------------------

    async def _consolidate(self) -> None:
        for identity in self._store.projects():
            known = projects.read_meta(self._store.folder_of(identity))
            last = self._store.project(identity).log.last
            folder = next((root for root in known.roots if os.path.isdir(root)), None)
            if folder is not None and last - self._looked_at.get(identity, 0) >= self._config.min_events:
                self._looked_at[identity] = last
                await self._run([*self._config.consolidate, "--project", identity], folder)

    async def _run(self, argv: list[str], folder: str) -> None:
        began = time.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, cwd=folder, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            log.error("consolidation cannot be started: %s", error.strerror)
            return
        self._pid = process.pid
        try:
            async with asyncio.timeout(self._config.max_seconds):
                status = await process.wait()
            log.info("consolidation ended with %d after %.1f s", status, time.monotonic() - began)
        except TimeoutError:
            log.warning("consolidation was ended after %g s", self._config.max_seconds)
        finally:
            await self._end_group(process)
            self._pid = 0

    async def _end_group(self, process: asyncio.subprocess.Process) -> None:
        """End the child with all that it started, also where it has ended itself."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        if process.returncode is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def end(self) -> None:
        """Stop waiting, and end the child."""
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
