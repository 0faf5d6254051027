"""A folder in which handlers are run, the words for them, and a look at what still runs there."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic_core import to_json

from pegboard.context import Ctx, Services
from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType, PluginFolder
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.runners import Runners

SLACK = 0.5
"""Seconds by which a run may miss its deadline, as promised; tests allow more, because machines are busy."""


class Spilling:
    """As much of a session as a program's long output asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notices: list[str] = []
        self.session_id = "11111111-2222-3333-4444-555555555555"

    def spill(self, call_id: str, text: str) -> Path:
        path = self.folder / f"{call_id}.txt"
        path.write_text(text)
        return path

    def notice(self, plugin: str, text: str, level: str) -> None:
        self.notices.append(text)


@dataclass
class RunDesk:
    """Runs handlers in `folder`; `runners` are closed by the fixture."""

    folder: Path
    runners: Runners
    services: Spilling = field(init=False)

    def __post_init__(self) -> None:
        beside = self.folder.parent / "beside"
        beside.mkdir(exist_ok=True)
        self.services = Spilling(beside)

    @property
    def ctx(self) -> Ctx:
        return Ctx(cast("Services", self.services), "wire_hooks")

    def file(self, name: str, text: str, *, executable: bool = False) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if executable:
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def job(self, facts: dict[str, Any] | None = None, **more: Any) -> Job:
        facts = {"hook_event_name": "PreToolUse", "tool_name": "Bash", **(facts or {})}
        said: dict[str, Any] = {
            "event": facts["hook_event_name"],
            "line": to_json(facts) + b"\n",
            "facts": facts,
            "cwd": self.folder,
            "project": self.folder,
            "seconds": 20.0,
            "session_id": "s1",
        }
        return Job(**(said | more))

    async def run(self, handler: Handler, job: Job | None = None) -> RawResult:
        return await self.runners.run(handler, job or self.job())

    async def shell(self, command: str, facts: dict[str, Any] | None = None, **more: Any) -> RawResult:
        """Run a command in the shell form."""
        return await self.run(command_handler(command), self.job(facts, **more))

    def still_running(self) -> list[str]:
        """Return the command lines of living processes that stand in our folder, after a moment's patience."""
        deadline = time.monotonic() + 30
        while (found := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def _processes(self) -> list[str]:
        found = []
        for name in os.listdir("/proc"):
            try:
                if (
                    name.isdigit()
                    and int(name) != os.getpid()
                    and os.readlink(f"/proc/{name}/cwd").startswith(str(self.folder))
                ):
                    state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
                    if state not in "ZX":
                        found.append(Path(f"/proc/{name}/cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found


async def in_a_host_of_its_own(script: str, **variables: str) -> tuple[int | None, str]:
    """Run a script in another interpreter; return its exit status and what it said on stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stderr=asyncio.subprocess.PIPE, env={**os.environ, **variables}
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, said.decode()


WHERE = Source(SettingsLayer.PROJECT, ".pegboard/settings.toml", 3)


def handler(kind: HandlerType, **facts: Any) -> Handler:
    said: dict[str, Any] = {"id": "h1", "event": "PreToolUse", "type": kind, "where": WHERE}
    return Handler(**(said | facts))


def command_handler(command: str, **facts: Any) -> Handler:
    return handler(HandlerType.COMMAND, command=command, **facts)


def plugin_folder(root: Path, **options: str) -> PluginFolder:
    return PluginFolder("acme", root, root / "data", options)
