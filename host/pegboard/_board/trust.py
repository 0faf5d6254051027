"""Consent by content: which folders' own files count in full, until one of them changes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import tomli

WATCHED = (
    ".pegboard/settings.toml",
    ".pegboard/settings.local.toml",
    "pyproject.toml",
    ".claude/settings.json",
    ".claude/settings.local.json",
)
"""Files of a folder that could loosen something. A pyproject counts by its [tool.pegboard] part."""


def fingerprints(folder: Path) -> dict[str, str]:
    """Return a SHA-256 per watched file that exists."""
    found = {}
    for name in WATCHED:
        try:
            content = (folder / name).read_bytes()
        except OSError:
            continue
        if name == "pyproject.toml":
            ours = our_part(content)
            if ours is None:
                continue
            content = ours
        found[name] = hashlib.sha256(content).hexdigest()
    return found


def our_part(pyproject: bytes) -> bytes | None:
    """Return what a pyproject says to us, as canonical JSON; None if nothing, all of it if it cannot be parsed."""
    if b"pegboard" not in pyproject:
        return None
    try:
        said = tomli.loads(pyproject.decode())
    except (UnicodeDecodeError, tomli.TOMLDecodeError):
        return pyproject
    tools = said.get("tool")
    ours = tools.get("pegboard") if isinstance(tools, dict) else None
    return None if ours is None else json.dumps(ours, sort_keys=True, default=str).encode()


class TrustStore:
    """Remembers, in the state folder, what each folder's files were when the user trusted them."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "trust.json"

    def _load(self) -> dict[str, dict[str, str]]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # unreadable consent is no consent
        return found if isinstance(found, dict) else {}

    def trusts(self, folder: Path) -> bool:
        """Whether all that the folder says now is what was consented to. A folder that says nothing is trusted."""
        now = fingerprints(folder)
        return not now or self._load().get(str(folder.resolve())) == now

    def changed(self, folder: Path) -> list[str]:
        """Return the files that are new or other than what was consented to."""
        then = self._load().get(str(folder.resolve()), {})
        return [name for name, digest in fingerprints(folder).items() if then.get(name) != digest]

    def trust(self, folder: Path) -> list[str]:
        """Consent to the folder's files as they are now; return their names."""
        now = fingerprints(folder)
        self._save({**self._load(), str(folder.resolve()): now})
        return list(now)

    def revoke(self, folder: Path) -> bool:
        """Take the consent back; False if there was none."""
        known = self._load()
        if known.pop(str(folder.resolve()), None) is None:
            return False
        self._save(known)
        return True

    def _save(self, known: dict[str, dict[str, str]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
