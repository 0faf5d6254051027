"""A person's place for the command line: folders of its own, a pack that is installed, and a way to type."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from pegboard._board.acceptance import AcceptedPacks
from pegboard._board.fingerprint import fingerprint
from pegboard.declares import ALL

PACK = '''
"""A pack with a rewriter that also decides, a tool that reads and one that changes."""

from pydantic import BaseModel, ConfigDict, Field

from pegboard import Decision, Declares, hookimpl, tool

declares = Declares(permissions=["approve", "rewrite"])


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    level: int = Field(default=1, description="How much of it.")
    text: str = "a"


@tool(read_only=True)
def word_count(text: str) -> int:
    """Count the words in a text."""
    return len(text.split())


@tool
def touch(path: str) -> str:
    """Touch something."""
    if path == "breaks":
        raise ValueError("it broke")
    return f"touched {path}"


@hookimpl
def register(registry):
    registry.settings(Settings)
    registry.add_health_check("acme is well", lambda: None)


@hookimpl(rewrites=True)
def pre_tool(call):
    if call.name != "touch":
        return None
    path = call.input["path"]
    if path.startswith("~"):
        return Decision.replace({"path": "/home" + path[1:]}, reason="no tildes")
    if "etc" in path:
        return Decision.deny("stay in the project")
    return Decision.allow("fine")
'''

SCRIPT = """
[[turn]]
text = "Let me look."
usage = { input_tokens = 1200, output_tokens = 30 }
[[turn.call]]
name = "word_count"
input = { text = "a b c" }
[[turn.call]]
name = "touch"
input = { path = "/etc/passwd" }

[[turn]]
[[turn.call]]
name = "touch"
input = { path = "~/x" }
[[turn.call]]
name = "touch"
input = { path = "y" }

[[turn]]
text = "Done."
"""


class Terminal:
    """Types commands in a folder."""

    def __init__(self, folder: Path, state: Path, config: Path, site: Path) -> None:
        self.folder = folder
        self.state = state
        self.config = config
        self.site = site
        self._runner = CliRunner()
        self._app = _app()

    def type(self, *words: str, input: str | None = None) -> Result:
        """Run a command; what it raises is in the result."""
        return self._runner.invoke(self._app, list(words), input=input)

    def fine(self, *words: str, input: str | None = None) -> str:
        """Run a command that ends well, and return what it printed."""
        result = self.type(*words, input=input)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout

    def error(self, *words: str) -> Exception:
        """Run a command that raises, and return what it raised."""
        result = self.type(*words)
        assert isinstance(result.exception, Exception), result.output
        assert not isinstance(result.exception, SystemExit), result.output
        return result.exception

    def install(self, distribution: str, entry_points: dict[str, str], *, trusted: bool = True, **modules: str) -> Path:
        """Install a distribution the way pip would, as far as metadata goes, and accept it."""
        info = self.site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        points = "".join(f"{name} = {value}\n" for name, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[pegboard]\n{points}")
        for name, text in modules.items():
            (self.site / f"{name}.py").write_text(text)
        if trusted:
            AcceptedPacks(self.state).accept(distribution, str(fingerprint(str(info))), {"permissions": sorted(ALL)})
        return info

    def settings(self, text: str, *, where: str = "project") -> Path:
        """Write a settings file."""
        path = {
            "user": self.config / "settings.toml",
            "project": self.folder / ".pegboard" / "settings.toml",
            "local": self.folder / ".pegboard" / "settings.local.toml",
        }[where]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def session(self, script: str = SCRIPT, prompt: str = "hello") -> str:
        """Run a session with a scripted model, and return its id."""
        from pegboard.host import Host, Options

        path = self.state.parent / "script.toml"
        path.write_text(script)

        async def run() -> str:
            async with Host() as host, host.session(Options(model=f"scripted:{path}")) as session:
                await session.run(prompt)
                return session.session_id

        return asyncio.run(run())

    @property
    def journals(self) -> list[Path]:
        """All journals there are."""
        return sorted((self.state / "sessions").glob("*/*.jsonl"))


def _app() -> typer.Typer:
    from pegboard._cli import doctor, hooks, plugins, sessions, settings, tools, trace, trust, why

    app = typer.Typer()
    for name, module in (("plugins", plugins), ("hooks", hooks), ("tools", tools), ("sessions", sessions)):
        app.add_typer(module.app, name=name)
    app.add_typer(settings.app, name="settings")
    verbs: dict[str, Callable[..., Any]] = {
        "trace": trace.trace,
        "why": why.why,
        "doctor": doctor.doctor,
        "trust": trust.trust,
    }
    for name, verb in verbs.items():
        app.command(name)(verb)
    return app


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal in an empty folder, with nothing installed but pegboard itself."""
    folders = {name: tmp_path / name for name in ("project", "state", "config", "site", "home")}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.chdir(folders["project"])
    monkeypatch.setenv("HOME", str(folders["home"]))
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(folders["state"]))
    monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(folders["config"]))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of no use")
    monkeypatch.delenv("PEGBOARD_NO_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(str(folders["site"]))
    before = set(sys.modules)
    yield Terminal(folders["project"], folders["state"], folders["config"], folders["site"])
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


@pytest.fixture
def acme(terminal: Terminal) -> Terminal:
    """The same with the pack installed."""
    terminal.install("acme-pack", {"acme": "acme_mod"}, acme_mod=PACK)
    return terminal
