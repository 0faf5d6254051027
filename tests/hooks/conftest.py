"""What the tests of the ready-to-use hooks share: the events as they were recorded, and a desk to fire them on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegboard.shipped import shipped
from pegboard.testing import HookFixture

HOOKS = shipped("hooks")
RECORDED = {
    event["hook_event_name"]: event
    for event in map(json.loads, Path(__file__).with_name("recorded.jsonl").read_text(encoding="utf-8").splitlines())
}
"""One payload of each event, as the contract's reference program sent it; its folders are `<PROJ>` and `<HOME>`."""


class Desk(HookFixture):
    """Fires a hook of ours on recorded events."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.project / "src").mkdir()

    def recorded(self, event: str, **fields: Any) -> dict[str, Any]:
        """Return the recorded payload of an event, in our folders, with *fields* in their place."""
        text = json.dumps(RECORDED[event]).replace("<PROJ>", str(self.project)).replace("<HOME>", str(self.home))
        return {**json.loads(text), **fields}

    def tool(self, event: str, name: str, given: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Return the recorded payload of a tool event for another call."""
        return self.recorded(event, tool_name=name, tool_input=given, **fields)

    def bash(self, command: str, event: str = "PreToolUse") -> dict[str, Any]:
        """Return the recorded payload of a call of Bash for another command."""
        return self.tool(event, "Bash", {"command": command, "description": "x"})

    def git(self, *words: str) -> str:
        """Run git in the project."""
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *identity, *words], cwd=self.project, capture_output=True, text=True, check=True, env=self._plain()
        )
        return done.stdout

    def _plain(self) -> dict[str, str]:
        return {**self._whole_environment(), "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    # A folder with a blank and a dollar in its name: half of all published hooks break on one.
    return Desk(tmp_path / "a $HOME 'folder'")


@pytest.fixture
def hook_file() -> Callable[[str], Path]:
    """Where the program of a hook lies."""
    return lambda name: next(path for path in HOOKS.iterdir() if path.stem == name)
