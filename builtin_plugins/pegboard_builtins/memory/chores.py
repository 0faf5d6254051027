"""What the daemon does by itself: one consolidation child at most, and ending where the plugin is switched off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable

from pegboard_builtins.memory import projects
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
        self._child: asyncio.Task[None] | None = None
        self._pid = 0
        self._settings_stamp = 0
        self._looked_at: dict[str, int] = {}

    @property
    def busy(self) -> bool:
        """Whether a child runs."""
        return self._child is not None and not self._child.done()

    @property
    def child(self) -> int:
        """The child's process id, 0 where there is none; to be shown only."""
        return self._pid if self.busy else 0

    # --- switched off ----------------------------------------------------------------------------------

    def somebody_left(self) -> None:
        """A client is gone: perhaps because the plugin was disabled, and then nobody else comes."""
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

    # --- consolidation ---------------------------------------------------------------------------------

    def something_new(self) -> None:
        """Begin to wait for quiet; each event only moves the moment."""
        if not self._config.consolidate:
            return
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._config.idle_minutes * 60, self._is_quiet)

    def _is_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        left = self._last + self._config.idle_minutes * 60 - loop.time()
        if left > 0.001:
            self._timer = loop.call_later(left, self._is_quiet)
        elif not self.busy:
            self._child = loop.create_task(self._consolidate())

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
        if self._child is not None:
            self._child.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._child
