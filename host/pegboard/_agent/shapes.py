"""How a session is asked for, what it takes from its host, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from pegboard._agent.loop import Limits
from pegboard._board.plan import Plan
from pegboard._board.threads import Threads
from pegboard._board.watchdog import Watchdog
from pegboard._dataclass import dataclass
from pegboard.context import AgentBrief, AgentReport, ToolSource, Wanted
from pegboard.egress import FilterFunction
from pegboard.errors import ModelError
from pegboard.flags import Flag, FlagRequest, FlagSnapshot, FlagView, LiveCheck, Resolution
from pegboard.messages import EndReason, Usage
from pegboard.requests import ModelInfo, Section
from pegboard.settings import SessionTable, SettingsView
from pegboard.tools import Tool


class HostServices(Protocol):
    """What a session takes from its host."""

    view: SettingsView
    state_dir: Path
    config_dir: Path
    environment: Mapping[str, str]
    flag_problems: list[str]
    threads: Threads
    watchdog: Watchdog

    def plan(self, flags: FlagView) -> Plan: ...
    def declared_flags(self) -> Mapping[str, Flag]: ...
    def resolve_flags(self, request: FlagRequest) -> Resolution: ...
    def live_check(self) -> LiveCheck | None: ...
    def session_tools(self, flags: FlagView, interactive: bool) -> dict[str, Tool]: ...
    def tool_sources(self, flags: FlagView) -> Sequence[tuple[str, ToolSource]]: ...
    def switched_off(self, flags: FlagView) -> Mapping[str, str]: ...
    def session_sections(self, flags: FlagView, workspace: Path) -> tuple[Section, ...]: ...
    def filters(self) -> tuple[tuple[str, str, FilterFunction], ...]: ...
    def model_infos(self) -> Mapping[str, ModelInfo]: ...
    def plugin_settings(self, plugin: str, flags: FlagView) -> Any: ...
    async def run_agent(self, above: Any, brief: AgentBrief) -> AgentReport: ...
    async def service(self, name: str) -> Any: ...
    def secret(self, plugin: str, name: str) -> str | None: ...
    def consented(self, folder: Path, wanted: Wanted) -> bool: ...
    def may(self, plugin: str, permission: str) -> bool: ...


@dataclass(frozen=True)
class Options:
    """How a session shall be: everything that is not said is the settings' matter.

    `flags` is the snapshot of the session above: a sub-agent has the flags of who started it. `setup` names what is
    set up before the session starts ("init", "maintenance"). `agent` names what the session itself shall be, for a
    plugin that knows such definitions (`run --agent`). `worktree` names a checkout of its own that it shall work in.
    """

    model: str = ""
    mode: str = ""
    interactive: bool = False
    max_steps: int | None = None
    max_time: float | None = None
    max_cost: float | None = None
    stream: bool = False
    flags: FlagSnapshot | None = None
    setup: tuple[str, ...] = ()
    agent: str = ""
    worktree: str = ""

    def limits(self, settings: SessionTable) -> Limits:
        """Return the ceilings of a turn: what was asked for, else what the settings say."""
        return Limits(
            max_steps=self.max_steps or settings.max_steps,
            max_time=self.max_time or settings.max_time,
            max_cost=self.max_cost or settings.max_cost,
            max_continuations=settings.max_continuations,
            no_progress_warn=settings.no_progress_warn,
            no_progress_stop=settings.no_progress_stop,
        )


@dataclass(frozen=True)
class RunResult:
    """What a call of `run` came to."""

    reason: EndReason
    text: str = ""
    detail: str = ""
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    session_id: str = ""


def window_of(host: HostServices, model: str) -> int:
    """Return a model's context window in tokens."""
    said = host.view.model.context_window
    if said is not None:
        return said
    prefix, _, name = model.partition(":")
    info = host.model_infos().get(prefix)
    return info.windows.get(name, info.context_window) if info is not None else 200_000


def check_model(name: str, known: Sequence[str]) -> None:
    """Look whether some plugin answers for a model; *known* are their prefixes. Raises ModelError."""
    prefix, colon, rest = name.partition(":")
    if not colon or not rest or prefix not in known:
        said = ", ".join(known) or "none"
        raise ModelError(f"{name!r} is no model of a plugin that is here: say PREFIX:NAME, with one of {said}")
