"""A project that declares hooks and the session in which they run as real processes; a desk for runners alone."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from verbs_desk import Typist
from wire_run_desk import RunDesk

from pegboard.testing import HostFixture
from pegboard_builtins.wire_hooks.runners import open_runners

ANSWERING = """
import json, pathlib, sys, time
here = pathlib.Path({folder!r})
answer = json.loads((here / {name!r}).with_suffix(".json").read_text())
raw = sys.stdin.buffer.read()
if "by_call" in answer:
    seen = here / "seen.jsonl"
    before = sum(json.loads(line)["hook"] == {name!r} for line in seen.read_text().splitlines()) if seen.exists() else 0
    answer = answer["by_call"][min(before, len(answer["by_call"]) - 1)]
with (here / "seen.jsonl").open("ab") as file:
    file.write(json.dumps({{"hook": {name!r}, "raw": raw.decode()}}).encode() + b"\\n")
time.sleep(answer.get("sleep", 0))
stdout = answer.get("stdout", "")
sys.stdout.write(stdout if isinstance(stdout, str) else json.dumps(stdout, separators=(",", ":")))
sys.stderr.write(answer.get("stderr", ""))
sys.exit(answer.get("exit", 0))
"""


class Project:
    """A folder with hooks that answer as they are told, and a note of what each of them was sent."""

    def __init__(self, root: Path) -> None:
        self.outer = root
        self.root = root / "project"
        self.home = root / "home"
        self.folder = root / "hooks"
        for folder in (self.root, self.home, self.folder):
            folder.mkdir()

    def hook(self, name: str, **answer: Any) -> str:
        """Return the command of a hook that answers with `stdout`, `stderr`, `exit`, after `sleep` seconds.

        `by_call` is a list of such answers, one per call.
        """
        (self.folder / f"{name}.json").write_text(json.dumps(answer))
        script = self.folder / f"{name}.py"
        script.write_text(ANSWERING.format(folder=str(self.folder), name=name))
        return f"{sys.executable} -I -S {script}"

    def declare(self, hooks: dict[str, Any], *, where: str = "project", **more: Any) -> Path:
        """Write a settings file of the contract; a hook may be a command alone, or an entry, or a group."""
        path = {
            "user": self.home / ".claude" / "settings.json",
            "project": self.root / ".claude" / "settings.json",
            "local": self.root / ".claude" / "settings.local.json",
        }[where]
        path.parent.mkdir(exist_ok=True)
        groups = {event: [_group(one) for one in listed] for event, listed in hooks.items()}
        path.write_text(json.dumps({"hooks": groups, **more}, indent=1))
        return path

    @property
    def seen(self) -> list[tuple[str, dict[str, Any]]]:
        """What the hooks were sent, in the order in which they read it."""
        try:
            lines = (self.folder / "seen.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(one["hook"], json.loads(one["raw"])) for one in map(json.loads, lines)]

    @property
    def ran(self) -> list[str]:
        """The names of the hooks that ran."""
        return [name for name, _ in self.seen]


def _group(one: Any) -> Any:
    if isinstance(one, str):
        return {"hooks": [{"type": "command", "command": one}]}
    if isinstance(one, dict) and "hooks" not in one and ("type" in one or "command" in one):
        matcher = {"matcher": one.pop("matcher")} if "matcher" in one else {}
        return {**matcher, "hooks": [{"type": "command", **one}]}
    return one


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    return made


@pytest.fixture
def host_of(project: Project) -> Callable[..., HostFixture]:
    """Return a host of the project with wire_hooks, Bash, the file tools and permissions that let all of them run."""

    def make(*, allow: tuple[str, ...] = ("Bash", "Write", "Edit"), trusted: bool = True, **facts: Any) -> HostFixture:
        tables = {"hooks": {"trust_project": trusted}, "permissions": {"allow": list(allow)}}
        settings = {**tables, **facts.pop("settings", {})}
        host = HostFixture(folder=project.outer, settings=settings, **facts)
        host.builtin("wire_hooks", "shell_tool", "file_tools", "permissions", "compaction")
        return host

    return make


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[RunDesk]:
    """Runners in a fresh folder; at the end nothing may run there any more."""
    folder = tmp_path / "project"
    folder.mkdir()
    async with open_runners() as runners:
        desk = RunDesk(folder, runners)
        yield desk
    assert desk.still_running() == []


@pytest.fixture
def typed(project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typist:
    """Types verbs in the project's folder, with state and settings of its own."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(project.outer / "state"))
    monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(project.outer / "config"))
    monkeypatch.delenv("PEGBOARD_NO_PLUGINS", raising=False)
    return Typist(capfd)
