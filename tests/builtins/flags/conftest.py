"""A person's place with flags of its own, and a way to type."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

FLAGS = """
[flags."shop.limit"]
default = 8
min = 1
max = 32
owner = "shop"
help = "How many at once."
remote = true

[flags."shop.kill"]
default = true
live = true
safe = false

[flags."shop.locked"]
default = false
locked = true

[flags."shop.colour"]
default = "red"
choices = ["red", "blue"]
remote = true

[flags."shop.ratio"]
default = 0.5

[flags."shop.map"]
default = { a = 1 }

[flags."shop.trial"]
default = false
kind = "experiment"
expires = 2001-01-31
"""


class Place:
    """Folders of a user, and `pegboard` in them: in this process, or in one of its own."""

    def __init__(self, root: Path) -> None:
        self.project, self.config, self.state = root / "project", root / "config", root / "state"
        for folder in (self.project / ".pegboard", self.config, self.state):
            folder.mkdir(parents=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PEGBOARD_")},
            "PEGBOARD_STATE_DIR": str(self.state),
            "PEGBOARD_CONFIG_DIR": str(self.config),
            "PEGBOARD_MEMORY__ON": "false",
            "HOME": str(root),
        }
        self.flags_file = self.project / ".pegboard" / "flags.toml"
        self.flags_file.write_text(FLAGS)

    def trust(self) -> None:
        from pegboard._board.trust import TrustStore

        TrustStore(self.state).trust(self.project)

    def user(self, text: str) -> Path:
        path = self.config / "settings.toml"
        path.write_text(text)
        return path

    def run(self, *words: str, check: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `pegboard` in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "pegboard", *words],
            cwd=self.project,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=check,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.trust()
    return made


@pytest.fixture
def flags(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Run `pegboard flags ...` here and return exit code and all that it said."""
    from pegboard._cli import app as command_line
    from pegboard.errors import PegboardError
    from pegboard.host import Host, HostFace
    from pegboard_builtins.flags.verbs import app

    def run(*words: str, strict: bool = False, **variables: str) -> tuple[int, str]:
        environment = {**place.environment, **variables}
        host = Host(
            place.project,
            state_dir=place.state,
            config_dir=place.config,
            environment=environment,
            strict=strict,
            no_plugins=command_line.no_plugins,
        ).open()
        done = CliRunner().invoke(app, list(words), obj=HostFace(host))
        said = done.output
        if isinstance(done.exception, PegboardError):
            said += f"error: {done.exception}"
        elif done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, said

    return run
