"""A real environment without an index: wheels that are made here, pip, and a command line in it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pegboard

PROGRAM = "import sys; from pegboard._cli.main import main; sys.exit(main())"


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    text: str = "",
    *,
    requires: Sequence[str] = (),
    points: dict[str, str] | None = None,
) -> Path:
    """Write the wheel of a distribution with one module; by default its plugin is that module."""
    module = name.replace("-", "_")
    points = {module: module} if points is None else points
    info = f"{module}-{version}.dist-info"
    about = [f"Requires-Dist: {need}\n" for need in requires]
    files = {
        f"{module}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{''.join(about)}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if points:
        lines = "".join(f"{key} = {value}\n" for key, value in points.items())
        files[f"{info}/entry_points.txt"] = f"[pegboard]\n{lines}"
    record = "".join(f"{file},sha256={_hash(said)},{len(said.encode())}\n" for file, said in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, said in [*files.items(), (f"{info}/RECORD", f"{record}{info}/RECORD,,\n")]:
            wheel.writestr(file, said)
    return path


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Room:
    """A virtual environment with pip, to which this one's libraries are lent, and a person's folders beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.project = root / "project"
        for folder in (self.wheels, self.project, root / "home"):
            folder.mkdir(parents=True)
        self.prefix = root / "venv"
        venv.create(self.prefix, with_pip=True, symlinks=True)
        self.python = self.prefix / "bin" / "python"
        (self.site,) = (self.prefix / "lib").glob("python*/site-packages")
        self._lend()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PEGBOARD_", "PIP_", "UV_"))},
            "PEGBOARD_STATE_DIR": str(root / "state"),
            "PEGBOARD_CONFIG_DIR": str(root / "config"),
            "PEGBOARD_MEMORY__ON": "false",
            "PIP_CONFIG_FILE": os.devnull,
            "HOME": str(root / "home"),
            "PYTHONPYCACHEPREFIX": str(root / "compiled"),
        }
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # dozens of processes, all of the same modules

    def _lend(self) -> None:
        """Let the environment see what is installed here, behind its own packages."""
        standard = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
        standard |= {folder / "lib-dynload" for folder in standard}
        roots = [Path(pegboard.__file__).parents[1], *[Path(folder) for folder in sys.path if folder]]
        lent = [root for root in roots if root.is_dir() and root not in standard]
        (self.site / "lent.pth").write_text("".join(f"{root}\n" for root in lent))

    def wheel(self, name: str, version: str = "1.0", text: str = "", **said: Any) -> Path:
        """Write a wheel where `--find-links` looks."""
        return write_wheel(self.wheels, name, version, text, **said)

    def run(self, *words: str, **said: Any) -> subprocess.CompletedProcess[str]:
        """Run a pegboard verb."""
        return subprocess.run(
            [str(self.python), "-c", PROGRAM, *words],
            cwd=self.project,
            env={**self.environment, **said.pop("variables", {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            **said,
        )

    def fine(self, *words: str, code: int = 0) -> str:
        """Run a verb that ends with *code*, and return what it says on both streams."""
        done = self.run(*words)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def facts(self, *words: str, code: int = 0) -> Any:
        """Run a verb with --json and return what it prints."""
        done = self.run(*words, "--json")
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def pip(self, *words: str) -> None:
        """Run pip by itself."""
        done = subprocess.run(
            [str(self.python), "-m", "pip", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @property
    def links(self) -> list[str]:
        """The options that keep an installer from asking an index."""
        return ["--no-index", "--find-links", str(self.wheels)]

    def statuses(self) -> dict[str, str]:
        """Return the status of each plugin of another distribution."""
        listed = self.facts("plugins", "list")
        return {one["name"]: one["status"] for one in listed if one["distribution"] != "pegboard"}
