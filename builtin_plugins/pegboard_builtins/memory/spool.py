"""Where events wait while there is no daemon: one file per put, in the log's format and with its promise."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pegboard_builtins.memory import disk, lines
from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.lines import Damage

if TYPE_CHECKING:
    from pegboard_builtins.memory.store import Store

SUFFIX = ".ndjson"


class Spool:
    """The folder with these files. Any number of processes may add to it; who owns the store takes from it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "spool"

    def add(self, events: Sequence[Event]) -> None:
        """Keep events until they are imported; when this returns they are durable. Raises NotKeptError."""
        disk.private_folder(self.folder)
        data = b"".join(lines.encode(event, with_project=True) for event in events)
        with disk.kept_or_told(self.folder):
            disk.write_whole(self.folder / f"{time.time_ns():020d}-{uuid.uuid4().hex}{SUFFIX}", data)

    def waits(self) -> bool:
        """Whether anything does; quickly."""
        try:
            return any(name.endswith(SUFFIX) and not name.startswith(".") for name in os.listdir(self.folder))
        except OSError:
            return False

    def files(self) -> list[Path]:
        """Return the files that wait, oldest first."""
        return sorted(self.folder.glob(f"[0-9]*{SUFFIX}"))

    def events(self) -> Iterator[tuple[Path, list[Event]]]:
        """Go through the files and what is in them; what is damaged in one is left out."""
        for path in self.files():
            parsed = lines.parse(path.read_bytes())
            yield path, [found for _, _, found in parsed if not isinstance(found, Damage)]

    def import_into(self, store: Store) -> int:
        """Put all that waits into the store, and delete each file once that is durable. Returns how many events.

        A file with damage in it is put aside as a whole, after its good lines were imported.
        """
        done = 0
        for path in self.files():
            found = [one for _, _, one in lines.parse(path.read_bytes())]
            events = [one for one in found if not isinstance(one, Damage)]
            store.put(events)
            done += len(events)
            if len(events) < len(found):
                path.rename(path.with_suffix(".damaged"))
            else:
                path.unlink()
        disk.sweep(self.folder)  # of a writer that died nobody was told that it was kept
        return done
