"""A project with remotes, a list of names outside of it, and sessions whose every byte can be searched."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from pegboard_builtins.undercover.engine import Matcher, read_names

CANARIES = ("Qorvantix", "Velmora Drift", "zanthique-db-4.corp.example")
"""Names that occur nowhere else: whatever holds one has leaked."""
EXTERNAL = "git@github.example:acme/site.git"
INTERNAL = "https://git.corp.example/team/site.git"


def leaks_in(text: str) -> list[str]:
    """Return the canaries in a text, in any case and with any separator."""
    plain = "".join(one for one in text.lower() if one.isalnum())
    return [name for name in CANARIES if "".join(one for one in name.lower() if one.isalnum()) in plain]


def all_leaks_in(text: str) -> list[str]:
    """Return the canaries in a text, plain or in any dress that the engine sees through."""
    return leaks_in(text) or sorted({hit.name.text for hit in _strict().find(text)})


@lru_cache(maxsize=1)
def _strict() -> Matcher:
    return Matcher(read_names("\n".join(CANARIES), key=b"canaries"), strict=True)


def write_list(folder: Path, names: tuple[str, ...] = CANARIES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "names.txt"
    path.write_text("# canaries\n" + "\n".join(names) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def make_repository(folder: Path, remote: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("nothing special\n", encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Start")
    if remote:
        git(folder, "remote", "add", "origin", remote)
    return folder


def table(names: Path, **more: Any) -> dict[str, Any]:
    return {"names": f"file:{names}", "internal": {"remotes": ["git.corp.example/*"]}, **more}


class Terminal:
    """Types `pegboard` in a folder, in processes of their own."""

    def __init__(self, root: Path, project: Path, settings: str = "") -> None:
        self.root, self.project = root, project
        self.state, self.config = root / "state", root / "config"
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "settings.toml").write_text(settings, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PEGBOARD_", "GIT_"))}
        return {
            **kept,
            "PEGBOARD_STATE_DIR": str(self.state),
            "PEGBOARD_CONFIG_DIR": str(self.config),
            "HOME": str(self.root),
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@localhost",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@localhost",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *words: str, given: str = "", program: str = "pegboard") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "pegboard", *words] if program == "pegboard" else [program, *words]
        return subprocess.run(
            command,
            cwd=self.project,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
