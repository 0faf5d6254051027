"""A manifest that a pack brings along, so that not even the first listing imports it.

It is the file `pegboard.json` in the pack's folder, or `NAME.pegboard.json` beside a pack of one file, as
`pegboard plugins manifest` writes it. It is believed where it was made for this host and this pydantic, and of exactly
the source that is installed: schemas are part of what a model is sent, and must not depend on where they come from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pegboard import __version__

FORMAT = 4


def made_for() -> dict[str, Any]:
    """Return what a manifest depends on beside its pack."""
    from pydantic.version import VERSION

    return {"format": FORMAT, "pegboard": __version__, "pydantic": VERSION}


def document(name: str, value: str, version: str, manifest: dict[str, Any], files: Iterable[str]) -> dict[str, Any]:
    """Return what a pack should bring along; *files* are its source."""
    package = value.partition(":")[0].partition(".")[0]
    source = {}
    for file in sorted(map(Path, files)):
        above = next((one for one in file.parents if one.name == package), file)
        source[file.relative_to(above.parent).as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
    about = {"plugin": name, "entry_point": value, "version": version}
    return {**made_for(), **about, "source": source, "manifest": manifest}


def carried(folder: Path, name: str, value: str, version: str) -> tuple[dict[str, Any], list[str]] | None:
    """Return the manifest that lies in *folder* with a pack, and the pack's files; None if there is none that fits."""
    package = value.partition(":")[0].partition(".")[0]
    for file in (folder / package / "pegboard.json", folder / f"{package}.pegboard.json"):
        try:
            said = json.loads(file.read_bytes())
            about = {"plugin": name, "entry_point": value, "version": version}
            if {key: said[key] for key in (*made_for(), *about)} != {**made_for(), **about}:
                continue
            files = [str(folder / relative) for relative in said["source"]]
            digests = [hashlib.sha256(Path(one).read_bytes()).hexdigest() for one in files]
            if files and digests == list(said["source"].values()) and isinstance(said["manifest"], dict):
                return said["manifest"], files
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None
