"""A folder with a Ctx for it, and calls of tools as the host makes them: normalise, validate, run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pegboard.context import Ctx, Services
from pegboard.messages import ToolResult
from pegboard.tools import Tool


class DeskServices:
    """As much of a session as the file tools ask for."""

    session_id = "11111111-2222-3333-4444-555555555555"
    agent_id = ""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder
        self.project = self.workspace = folder
        self.journal = SimpleNamespace(path=folder.parent / "state" / "journal.jsonl")
        self.lines: list[str] = []
        self.state: dict[str, Any] = {}

    def state_of(self, plugin: str) -> dict[str, Any]:
        return self.state

    def set_state(self, plugin: str, key: str, value: Any) -> None:
        self.lines.append(json.dumps([key, value]))
        if value is not None:
            self.state[key] = json.loads(json.dumps(value))


class Desk:
    """A working folder: write files into it, call tools in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = DeskServices(folder)
        self.ctx = Ctx(cast("Services", self.services), "file_tools")

    def call(self, tool: Tool, /, **given: Any) -> ToolResult:
        return asyncio.run(self.acall(tool, **given))

    async def acall(self, tool: Tool, /, **given: Any) -> ToolResult:
        given = {name.replace("dash_", "-"): value for name, value in given.items()}
        wire = tool.normalised(given, self.services.cwd)
        arguments = tool.arguments(wire)
        tool.claims_of(wire, self.services.cwd)
        result = await tool(**arguments, ctx=self.ctx)
        json.dumps(result.data).encode()  # hooks get it as JSON
        assert isinstance(result, ToolResult)
        return result

    def file(self, name: str, content: str | bytes = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path
