"""A session's services as far as project memory asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pegboard.context import Ctx
from pegboard.records import Event
from pegboard.settings import SettingsView
from pegboard_builtins.project_memory.files import MemorySettings


@dataclass
class MemorySession:
    """A home, a project in it, and what the plugin said and fired."""

    home: Path
    project: Path
    cwd: Path
    settings: MemorySettings = field(default_factory=MemorySettings)
    trusted: bool = True
    session_id: str = "s1"
    state: dict[str, Any] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    fired: list[Event] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.project

    @property
    def ctx(self) -> Ctx:
        return Ctx(self, "project_memory")  # type: ignore[arg-type]

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.home / path[2:] if path.startswith("~/") else self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def settings_of(self, plugin: str) -> MemorySettings:
        return self.settings

    def settings_view(self) -> SettingsView:
        return SettingsView((), trusted=self.trusted)

    def state_of(self, plugin: str) -> dict[str, Any]:
        return self.state

    def set_state(self, plugin: str, key: str, value: Any) -> None:
        self.state[key] = value

    def notice(self, plugin: str, text: str, level: str) -> None:
        self.notices.append(text)

    async def fire_as(self, plugin: str, event: Event) -> list[Any]:
        self.fired.append(event)
        return []


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemorySession:
    """A repository below a home of its own."""
    home = tmp_path.resolve() / "home"
    project = home / "repo"
    (project / ".git").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("PEGBOARD_CONFIG_DIR", raising=False)
    return MemorySession(home, project, project)
