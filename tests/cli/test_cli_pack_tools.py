"""Packs in environments that uv tool and pipx have made, with the host upgraded under them. Needs an index."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv builds the wheels"),
]


class Desk:
    """Folders of its own for the installers, wheels of two versions of the host, and a pack that was scaffolded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names = ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "PIPX_HOME", "PIPX_BIN_DIR", "HOME", "PEGBOARD_STATE_DIR")
        self.environment = {**os.environ, **{name: str(root / name) for name in names}, "PEGBOARD_MEMORY__ON": "false"}
        self.environment["PATH"] = os.pathsep.join(
            [str(root / "UV_TOOL_BIN_DIR"), str(root / "PIPX_BIN_DIR"), os.environ["PATH"]]
        )
        (root / "HOME").mkdir()
        self.wheels = root / "wheels"

    def run(self, *words: str) -> str:
        done = subprocess.run(
            words, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def host_wheel(self, version: str) -> None:
        """Build a wheel of this checkout under another version."""
        source = self.root / version
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", "__pycache__", ".*cache"))
        face = source / "host" / "pegboard" / "__init__.py"
        face.write_text(face.read_text().replace('__version__ = "0.1.0"', f'__version__ = "{version}"'))
        self.run("uv", "build", "--wheel", "-q", "-o", str(self.wheels), str(source))

    def pack(self) -> str:
        return next((line for line in self.run("pegboard", "plugins", "list").splitlines() if "acme" in line), "")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.host_wheel("0.1.0")
    return made


@pytest.mark.parametrize("tool", ["uv", "pipx"])
def test_a_pack_survives_an_upgrade_of_the_host(desk: Desk, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    links = ["--find-links", str(desk.wheels)]
    if tool == "uv":
        desk.run("uv", "tool", "install", *links, "pegboard>=0.1.0")
    else:
        desk.run("pipx", "install", f"--pip-args={' '.join(links)}", "pegboard")
    desk.run("pegboard", "plugins", "new", "acme-words", "--tool")
    desk.run("uv", "build", "--wheel", "-q", "-o", str(desk.wheels), "acme-words")
    assert "installed acme-words" in desk.run("pegboard", "plugins", "install", "acme-words", *links, "--yes")
    assert "found" in desk.pack()
    desk.host_wheel("0.1.1")
    desk.run(*(("uv", "tool", "upgrade", "pegboard") if tool == "uv" else ("pipx", "upgrade", "pegboard")))
    assert "0.1.1" in desk.run("pegboard", "--version")
    assert "found" in desk.pack()
    desk.run("pegboard", "plugins", "uninstall", "acme-words")
    assert desk.pack() == ""
