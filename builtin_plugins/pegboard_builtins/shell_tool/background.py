"""Commands that run in the background, by session: none outlives it."""

from __future__ import annotations

import asyncio
from dataclasses import field

from pegboard.errors import ToolError, did_you_mean
from pegboard.typed import dataclass
from pegboard_builtins.shell_tool.process import ShellProcess

DESCRIPTION = 1000


@dataclass(eq=False)
class BackgroundShell:
    """One command. Its task waits for it and ends it, also when the loop cancels all tasks because it dies."""

    id: str
    command: str
    process: ShellProcess
    description: str = ""
    killed: bool = False
    task: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self._watch(), name=f"background shell {self.id}")
        # A task that is cancelled before its first step runs no `finally`.
        self.task.add_done_callback(lambda _: self.process.kill())

    async def _watch(self) -> None:
        try:
            await self.process.wait(None)
        finally:
            await self.process.end()

    async def end(self) -> None:
        """End it with all that it started; nothing happens if it has ended."""
        if not self.task.done():
            self.killed = True
            self.task.cancel()
            await asyncio.wait([self.task])
            await self.process.end()  # for a task that was cancelled before its first step

    @property
    def state(self) -> str:
        """running, completed, failed or killed."""
        if self.killed:
            return "killed"
        if not self.task.done():
            return "running"
        return "completed" if self.process.status == 0 else "failed"


class BackgroundShells:
    """The background commands of all sessions of this process."""

    def __init__(self) -> None:
        self._by_session: dict[str, dict[str, BackgroundShell]] = {}

    def add(self, session_id: str, command: str, process: ShellProcess, description: str = "") -> BackgroundShell:
        """Take a process that was just started into care."""
        shells = self._by_session.setdefault(session_id, {})
        shell = BackgroundShell(f"bash_{len(shells) + 1}", command, process, description)
        shells[shell.id] = shell
        return shell

    def get(self, session_id: str, shell_id: str) -> BackgroundShell:
        """Return a session's shell by its id. Raises ToolError if it has none of that id."""
        shells = self._by_session.get(session_id, {})
        if shell_id not in shells:
            hint = did_you_mean(shell_id, shells)
            known = ", ".join(shells) or "none"
            raise ToolError(f"There is no background shell {shell_id!r}.{hint} Background shells: {known}.")
        return shells[shell_id]

    def tasks(self, session_id: str) -> list[dict[str, str]]:
        """Return what still runs, as Stop hooks are told: `background_tasks`."""
        return [
            {
                "id": shell.id,
                "type": "shell",
                "status": shell.state,
                "description": (shell.description or shell.command)[:DESCRIPTION],
                "command": shell.command,
            }
            for shell in self._by_session.get(session_id, {}).values()
            if shell.state == "running"
        ]

    async def end_session(self, session_id: str) -> None:
        """End all shells of a session, together."""
        shells = self._by_session.pop(session_id, {})
        await asyncio.gather(*(shell.end() for shell in shells.values()))


SHELLS = BackgroundShells()
"""One per process, because processes are: it is empty unless a session is running."""
