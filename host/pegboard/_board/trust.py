"""Consent by content: which folders' own files count in full, until one of them changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli

from pegboard._folders import make_private
from pegboard.context import Wanted

WATCHED = (
    ".pegboard/settings.toml",
    ".pegboard/settings.local.toml",
    ".pegboard/flags.toml",
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
        self.consents = state_dir / "consent.json"

    def _load(self) -> dict[str, dict[str, str]]:
        return read_known(self.path)

    # --- parts of a folder -----------------------------------------------------------------------------

    def consented(self, folder: Path, wanted: Wanted) -> bool:
        """Whether exactly this text was consented to in this folder."""
        return digest_of(wanted) in read_known(self.consents).get(str(folder.resolve()), {})

    def former(self, folder: Path, wanted: Wanted) -> str | None:
        """Return the text of the same key that was consented to last; None if there was none."""
        then = read_known(self.consents).get(str(folder.resolve()), {})
        texts = [kept["text"] for kept in then.values() if kept.get("key") == wanted.key]
        return texts[-1] if texts else None

    def consent(self, folder: Path, all_wanted: Iterable[Wanted]) -> None:
        """Consent to these parts of a folder as they are now; what was consented to before counts no more."""
        now = {digest_of(one): {"key": one.key, "text": one.text} for one in all_wanted}
        save_known(self.consents, {**read_known(self.consents), str(folder.resolve()): now})

    # --- whole folders ---------------------------------------------------------------------------------

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
        save_known(self.path, {**self._load(), str(folder.resolve()): now})
        return list(now)

    def revoke(self, folder: Path) -> bool:
        """Take the consent back; False if there was none."""
        had = False
        for path in (self.path, self.consents):
            known = read_known(path)
            if known.pop(str(folder.resolve()), None) is not None:
                had = True
                save_known(path, known)
        return had


def digest_of(wanted: Wanted) -> str:
    """Return the SHA-256 that consent is kept under."""
    return hashlib.sha256(f"{wanted.key}\n{wanted.text}".encode(errors="surrogateescape")).hexdigest()


def read_known(path: Path) -> dict[str, Any]:
    """Return a file of consents; nothing where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # unreadable consent is no consent
    return found if isinstance(found, dict) else {}


def save_known(path: Path, known: dict[str, Any]) -> None:
    """Replace a file of consents as a whole, for the user's eyes alone."""
    make_private(path.parent)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(known, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
