"""A folder with a Ctx for it, calls of the shell tools, and a look at what still runs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pegboard.context import Ctx, Services
from pegboard.flags import FlagView
from pegboard.messages import ToolResult
from pegboard.settings import SettingsView
from pegboard.tools import Tool
from pegboard_builtins.shell_tool.settings import ShellSettings


class ShellServices:
    """As much of a session as the shell tools ask for."""

    agent_id = ""
    parents = ()
    watched = False

    def __init__(self, folder: Path, session_id: str) -> None:
        self.session_id = session_id
        self.cwd = folder
        self.project = self.workspace = folder
        self.journal = SimpleNamespace(path=folder.parent / "state" / "journal.jsonl")
        self.path = self.journal.path
        self.top = self
        self.moves: list[Path] = []
        self.told: list[str] = []
        self.flags = FlagView({"shell.background": True})
        self.folder = folder.parent / "state" / "session"
        self.settings = ShellSettings()

    def settings_of(self, plugin: str) -> ShellSettings:
        return self.settings

    def settings_view(self) -> SettingsView:
        return SettingsView()

    def child_environment(self) -> dict[str, str]:
        return {"PEGBOARD_FLAGS_SNAPSHOT": "abc"}

    def progress(self, text: str) -> None:
        self.told.append(text)

    def change_folder(self, new: Path) -> None:
        self.moves.append(new)
        self.cwd = new


class ShellDesk:
    """A session's working folder, and calls of tools in it."""

    def __init__(self, folder: Path, session_id: str = "11111111-2222-3333-4444-555555555555") -> None:
        self.folder = folder
        self.services = ShellServices(folder, session_id)
        self.ctx = Ctx(cast("Services", self.services), "shell_tool")

    def call(self, tool: Tool, /, **given: Any) -> ToolResult:
        return asyncio.run(self.acall(tool, **given))

    async def acall(self, tool: Tool, /, **given: Any) -> ToolResult:
        wire = tool.normalised(given, self.services.cwd)
        result = await tool(**tool.arguments(wire), ctx=self.ctx)
        assert isinstance(result, ToolResult)
        json.dumps(result.data).encode()  # hooks get it as JSON
        return result

    def cut_off(self, tool: Tool, command: str, begun: Callable[[ToolResult], bool]) -> ToolResult:
        """Run a command into its timeout; a longer one where the machine was too busy for it to have *begun*."""
        for milliseconds in (300, 3_000, 30_000):
            result = self.call(tool, command=command, timeout=milliseconds)
            if begun(result):
                break
        return result

    def still_running(self) -> list[str]:
        """Return the command lines of living processes that stand in our folder, after a moment's patience."""
        deadline = time.monotonic() + 30
        while (found := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def processes(self) -> list[str]:
        """Return them as they are now."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                inside = Path(os.readlink(entry / "cwd")).is_relative_to(self.folder.parent)
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if inside and line and int(entry.name) != os.getpid():
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
        return found
