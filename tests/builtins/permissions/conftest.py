"""A session's services as far as the permissions ask for them, and settings from real files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pegboard.context import Ctx
from pegboard.decisions import Decision
from pegboard.messages import ToolCall, input_hash
from pegboard.settings import SettingsView, load_settings
from pegboard.tools import Tool, tool
from pegboard_builtins import permissions
from pegboard_builtins.permissions.settings import TABLE, TIGHTENING, PermissionSettings


def _tool(name: str, read_only: bool) -> Tool:
    @tool(name=name, read_only=read_only)
    def stand_in() -> str:
        """Do nothing."""
        return ""

    return stand_in


TOOLS = {
    name: _tool(name, read_only)
    for name, read_only in {
        "Bash": False, "Edit": False, "Write": False, "NotebookEdit": False, "WebFetch": False, "Agent": False,
        "mcp__github__get_issue": False, "mcp__github__delete_repo": False, "mcp__slack__post": False,
        "Read": True, "Glob": True, "Grep": True,
    }.items()
}  # fmt: skip


@dataclass
class SessionStandIn:
    """What a session does for the permissions plugin, without a session."""

    project: Path
    view: SettingsView
    cwd: Path
    mode: str = "default"
    session_id: str = "s1"
    agent_id: str = ""
    state: dict[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    interactive: bool = False
    config_dir: Path = Path("/nowhere")
    prompt_id: str = ""

    @property
    def workspace(self) -> Path:
        return self.project

    @property
    def top(self) -> Any:
        return self

    @property
    def journal(self) -> Any:
        return SimpleNamespace(path=self.project.parent / "state" / "s1.jsonl")

    def settings_view(self) -> SettingsView:
        return self.view

    def state_of(self, plugin: str) -> dict[str, Any]:
        return self.state

    def set_state(self, plugin: str, key: str, value: Any) -> None:
        if value is None:
            self.state.pop(key, None)
        else:
            self.state[key] = value

    def tools(self) -> dict[str, Tool]:
        return TOOLS

    def notice(self, plugin: str, text: str, level: str) -> None:
        self.notices.append(text)


class Guarded:
    """A folder with settings, and the answers of the permissions there."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.project = root / "home" / "work" / "project"
        self.project.mkdir(parents=True)
        self.session: SessionStandIn | None = None

    def write(self, path: str, text: str) -> Path:
        file = (self.home / path[2:]) if path.startswith("~/") else self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def open(self, *, trusted: bool = True, mode: str = "default", cwd: Path | None = None, **lists: Any) -> Ctx:
        """Start: *lists* are allow, ask, deny, additional_directories as the command line gives them."""
        view = load_settings(
            self.project,
            config_dir=self.home / ".config" / "pegboard",
            trusted=trusted,
            environment={},
            command_line={"permissions": lists} if lists else None,
            managed=None,
        )
        view.declare(TABLE, PermissionSettings, tightening=TIGHTENING)
        self.session = SessionStandIn(self.project, view, cwd or self.project, mode)
        self.session.config_dir = self.home / ".config" / "pegboard"
        return Ctx(self.session, "permissions")  # type: ignore[arg-type]

    def ask(self, ctx: Ctx, tool: str, given: dict[str, Any]) -> Decision | None:
        return permissions.pre_tool(call_of(tool, given), ctx)

    def verdict(self, tool: str, given: dict[str, Any], **opened: Any) -> str:
        """Return the verdict as a word; "none" for no opinion."""
        decision = self.ask(self.open(**opened), tool, given)
        return "none" if decision is None or decision.verdict is None else str(decision.verdict)

    def bash(self, command: str, **opened: Any) -> str:
        return self.verdict("Bash", {"command": command}, **opened)


def call_of(tool: str, given: dict[str, Any]) -> ToolCall:
    return ToolCall(id="c1", name=tool, input=given, input_hash=input_hash(given))


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """A project below a home of its own; nothing of the machine's real home counts."""
    folder = Guarded(tmp_path.resolve())
    monkeypatch.setenv("HOME", str(folder.home))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    return folder
