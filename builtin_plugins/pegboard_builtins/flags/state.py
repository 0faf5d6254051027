"""What the state folder keeps of flags: words for one session, kill switches, and who you are to rules."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pegboard.errors import SettingsError
from pegboard.flags import FlagLayer, FlagVote
from pegboard.settings_writing import change_file

NEXT = "next"
"""How the next session of a folder is called where a session's id is wanted."""


class FlagState:
    """The folder `flags` of the state folder."""

    def __init__(self, state_dir: Path) -> None:
        self.root = state_dir / "flags"
        self.live_file = self.root / "live.json"
        self._seen: tuple[int, ...] | None = None
        self._live: dict[str, Any] = {}

    # words for one session

    def session_file(self, session: str, project: Path) -> Path:
        """Return where the words for a session are kept: one by its id, or the next one of a folder."""
        if session == NEXT:
            return self.root / "next" / f"{hashlib.sha256(os.fsencode(project)).hexdigest()[:16]}.json"
        return self.root / "sessions" / f"{session}.json"

    def take_next(self, session: str, project: Path) -> None:
        """Give what was said for the next session to this one; of two that begin at once, one gets it."""
        waiting = self.session_file(NEXT, project)
        if not waiting.exists():
            return
        mine = self.session_file(session, project)
        mine.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            waiting.rename(mine)
        except FileNotFoundError:
            return

    def session_votes(self, session: str, project: Path) -> list[FlagVote]:
        """Return what was said for a session. Raises SettingsError for a file that is damaged."""
        path = self.session_file(session, project)
        values = self.read(path) if path.exists() else {}
        return [FlagVote(name, FlagLayer.SESSION, value, str(path)) for name, value in values.items()]

    # kill switches

    def live(self) -> Mapping[str, Any]:
        """Return the kill switches that were thrown, with the value each stands at; reads the file only if it changed.

        Every part of what `stat` says counts: a file that was put back has an older time, and is another all the same.
        """
        try:
            found = os.stat(self.live_file)
        except OSError:
            self._seen, self._live = None, {}
            return self._live
        seen = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            try:
                self._live = {name: one["value"] for name, one in self.read(self.live_file).items()}
                self._seen = seen
            except (SettingsError, KeyError, TypeError):
                pass  # half a file: what was thrown before stays thrown, and the next look reads again
        return self._live

    def thrown(self) -> dict[str, dict[str, Any]]:
        """Return the kill switches with all that is known of each."""
        return self.read(self.live_file) if self.live_file.exists() else {}

    def throw(self, name: str, value: Any) -> None:
        """Throw a kill switch for every session of this state folder, those that run too."""
        self.change(
            self.live_file, lambda all_: {**all_, name: {"value": value, "at": time.time(), "pid": os.getpid()}}
        )

    # files

    def change(self, path: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        """Change a JSON file whole, one process after another; False if nothing changed. Raises SettingsError."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

        def edited(text: str) -> str:
            before = self._parsed(text, path) if text else {}
            return json.dumps(edit(before), indent=1, sort_keys=True) + "\n"

        return change_file(path, edited)

    def read(self, path: Path) -> dict[str, Any]:
        """Return a JSON file's object. Raises SettingsError."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot be read: {error}", file=path) from None
        return self._parsed(text, path)

    def _parsed(self, text: str, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(text)
        except ValueError as wrong:
            raise SettingsError(f"is damaged ({wrong}); nobody but pegboard writes it: remove it", file=path) from None
        if not isinstance(found, dict):
            raise SettingsError("is damaged: no object; remove it", file=path)
        return found
