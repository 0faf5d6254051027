"""What a session does for the plugins in it: everything that a Ctx passes on (context.Services) and needs no turn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from pegboard._agent.chokepoints import running_call
from pegboard._agent.egress import Egress
from pegboard._agent.fold import Conversation
from pegboard._agent.prompting import Prompting
from pegboard._agent.shapes import HostServices
from pegboard._agent.showing import Screen
from pegboard._agent.side import SessionJournal, saved_text
from pegboard._agent.side_work import SideWork
from pegboard._agent.toolbox import Toolbox
from pegboard.context import Wanted
from pegboard.declares import Permission, UndeclaredError
from pegboard.flags import FlagView
from pegboard.messages import Message, ToolResult
from pegboard.records import Record, StateRecord
from pegboard.requests import ModelAnswer, Purpose, ToolSpec
from pegboard.settings import SettingsView
from pegboard.tools import Tool


class Serving:
    """The half of a session that plugins ask; the other half runs turns."""

    path: Path
    project: Path
    flags: FlagView
    screen: Screen
    _host: HostServices
    _conversation: Conversation
    _egress: Egress
    _loop: asyncio.AbstractEventLoop | None
    _prompting: Prompting
    _side: SideWork
    _state: dict[str, dict[str, Any]]
    _toolbox: Toolbox

    def write(self, record: Record) -> None:
        """Write a record to the journal."""
        raise NotImplementedError

    def put(self, kind: type[Record], facts: dict[str, Any]) -> None:
        """Write a record of *kind* with these fields to the journal."""
        raise NotImplementedError

    @property
    def watched(self) -> bool:
        """Whether a person sees what tools print while they run."""
        return self.screen.streams

    def progress(self, text: str) -> None:
        """Show what the running call prints; from a tool's thread, too."""
        call = running_call.get()
        if not call or not text or not self.screen.streams:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.screen.progress, call, text)
            return
        self.screen.progress(call, text)

    def emit(self, surface: str, payload: Any) -> Any:
        """Pass something through the filters of a way out."""
        return payload if self._egress.open else self._egress.emit(surface, payload)

    async def ask_model(
        self,
        plugin: str,
        messages: Sequence[Message] | str,
        *,
        purpose: Purpose,
        model: str | None,
        system: str,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
    ) -> ModelAnswer:
        """Ask a model for a plugin, through the same onion as the turn's requests."""
        self._need(plugin, Permission.MODEL)
        return await self._side.ask_model(
            messages, purpose=purpose, model=model, system=system, max_tokens=max_tokens, tools=tools
        )

    def _need(self, plugin: str, permission: str) -> None:
        if not self._host.may(plugin, permission):
            raise UndeclaredError(plugin, permission)

    async def call_tool(self, plugin: str, name: str, given: dict[str, Any]) -> ToolResult:
        """Run a tool for a plugin."""
        self._need(plugin, Permission.INVOKE)
        done = await self._side.call(name, given, origin=f"hook:{plugin}")
        assert done.outcome is not None
        return done.outcome.result

    def set_state(self, plugin: str, key: str, value: Any) -> None:
        """Keep a value of a plugin's state; None takes it away."""
        values = self._state.setdefault(plugin, {})
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
        text = "" if value is None else to_json(value).decode()
        self.put(StateRecord, {"plugin": plugin, "key": key, "value_json": text})

    def state_of(self, plugin: str) -> dict[str, Any]:
        """Return a plugin's state."""
        return self._state.setdefault(plugin, {})

    def settings_of(self, plugin: str) -> Any:
        """Return a plugin's settings."""
        return self._host.plugin_settings(plugin, self.flags)

    @property
    def config_dir(self) -> Path:
        """The user's settings."""
        return self._host.config_dir

    def settings_view(self) -> SettingsView:
        """Return all settings."""
        return self._host.view

    def secret(self, plugin: str, name: str) -> str | None:
        """Return a secret."""
        self._need(plugin, Permission.SECRET)
        return self._host.secret(plugin, name)

    def consented(self, wanted: Wanted) -> bool:
        """Whether the user has consented to this part of the project's folder."""
        return self._host.consented(self.project, wanted)

    @property
    def folder(self) -> Path:
        """Where the session's files lie, beside its journal; made when the first one is."""
        return self.path.with_suffix("")

    def spill(self, call_id: str, text: str) -> Path:
        """Save a long text beside the journal."""
        return saved_text(self.folder, call_id, text)

    def tools(self) -> Mapping[str, Tool]:
        """Return all tools by name."""
        return self._toolbox.tools

    def deferred_tools(self) -> Mapping[str, Tool]:
        """Return the tools of which requests have only the name."""
        return self._toolbox.deferred

    def offer_tools(self, names: Iterable[str]) -> list[str]:
        """Put deferred tools into the requests from the next one on."""
        fresh = self._toolbox.ask_for(names)
        if fresh:
            self._prompting.use_tools()
        return fresh

    async def gather_tools(self) -> None:
        """Take the tools that sources have now. Each turn begins so; who calls it earlier spares that turn the wait."""
        if self._toolbox.sources and await self._toolbox.gather():
            self._prompting.use_tools()

    async def service(self, name: str) -> Any:
        """Return a service, opened if need be."""
        return await self._host.service(name)

    @property
    def journal(self) -> SessionJournal:
        """The journal, read only."""
        return SessionJournal(self.path, self._conversation)
