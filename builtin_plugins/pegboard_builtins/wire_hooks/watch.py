"""Files that hooks want to be told of: watched names (FileChanged), and the settings themselves (ConfigChange)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from pegboard.context import Ctx
from pegboard.records import ConfigChange, FileChanged
from pegboard.settings import SettingsLayer
from pegboard_builtins.wire_hooks.load import HookTable
from pegboard_builtins.wire_hooks.match import watched_names

SOURCES = {
    SettingsLayer.USER: "user_settings",
    SettingsLayer.PROJECT: "project_settings",
    SettingsLayer.LOCAL: "local_settings",
    SettingsLayer.MANAGED: "policy_settings",
}
STEADY_MS = 100
"""How long a file must be left alone before its change is told."""


def is_wanted(table: HookTable) -> bool:
    """Whether any hook that counts wants to be told of files."""
    return any(handler.event in ("FileChanged", "ConfigChange") for handler in table.active)


class Watch:
    """Watches for one session, from its start to its end."""

    def __init__(self, ctx: Ctx, table: Callable[[], HookTable]) -> None:
        self._ctx = ctx
        self._table = table
        self._paths: set[Path] = set()
        self._stop = asyncio.Event()
        self._again = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._vetoed: set[str] = set()
        self._judged: dict[str, int] = {path: _changed_at(path) for path in map(str, self._settings())}

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="watch files for hooks")

    def watch(self, paths: list[str]) -> None:
        """Watch these paths beside the names that matchers ask for; an empty list clears them (hook-contract 1.5)."""
        self._paths = {self._ctx.cwd / path for path in paths}
        self._again.set()

    def look_again(self) -> None:
        """Take note of a table that has changed."""
        self._again.set()

    def _named(self) -> set[Path]:
        cwd = self._ctx.cwd
        handlers = [handler for handler in self._table().active if handler.event == "FileChanged"]
        return {cwd / name for handler in handlers for name in watched_names(handler)} | self._paths

    def _settings(self) -> dict[Path, str]:
        found: dict[Path, str] = {}
        if any(handler.event == "ConfigChange" for handler in self._table().active):
            for entry in self._table().entries:
                source = SOURCES.get(entry.handler.where.layer)
                if source is not None and entry.handler.where.file:
                    found[Path(entry.handler.where.file)] = source
        return found

    async def _run(self) -> None:
        from watchfiles import awatch

        while not self._stop.is_set():
            self._again = asyncio.Event()
            folders = {path.parent for path in [*self._named(), *self._settings()] if path.parent.is_dir()}
            if not folders:
                await self._again.wait()
                continue
            ended = asyncio.Event()
            waker = asyncio.create_task(self._wake(ended))
            try:
                async for changes in awatch(
                    *folders, stop_event=ended, recursive=False, step=STEADY_MS, debounce=400, rust_timeout=500
                ):
                    for kind, name in sorted(changes, key=lambda change: change[1]):
                        await self._tell(kind.raw_str(), Path(name))
            finally:
                waker.cancel()

    async def _wake(self, ended: asyncio.Event) -> None:
        await self._again.wait()
        ended.set()

    async def _tell(self, kind: str, path: Path) -> None:
        ctx = self._ctx
        source = self._settings().get(path)
        if source is not None:
            answers = await ctx.fire(ConfigChange(source=source, file_path=str(path)))
            if any(answer.block for _, answer in answers) and source != "policy_settings":
                self._vetoed.add(str(path))
            else:
                self._vetoed.discard(str(path))
            self._judged[str(path)] = _changed_at(str(path))
        if path in self._named():
            event = {"added": "add", "modified": "change", "deleted": "unlink"}[kind]
            await ctx.fire(FileChanged(file_path=str(path), event=event))

    def may_reload(self) -> bool:
        """Whether no change of a settings file was refused, and none waits for a ConfigChange hook's word."""
        settings = self._settings()
        return not self._vetoed and all(_changed_at(str(path)) == self._judged.get(str(path)) for path in settings)

    async def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._again.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=2.0)


def _changed_at(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0
