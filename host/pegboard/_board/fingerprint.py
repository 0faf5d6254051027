"""What a distribution's files are, in one hash: consent and locks are for that, not for a name.

It is made of what RECORD says, without what differs from one environment to the next: bytecode, scripts (their first
line names the interpreter) and what an installer notes of itself. So a wheel has the same hash wherever pip, uv or pipx
puts it. RECORD has a hash per file as it was installed; a file that it has none for is hashed here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

RECORD = "record"
EDITABLE = "editable"
METADATA = "metadata"
OF_INSTALLERS = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"})
SIGNATURES = (".jws", ".p7s")


class Fingerprint(NamedTuple):
    """The hash of a distribution, and the files that must be looked at to tell whether it still holds.

    `kind` says what was hashed. `record`: all files, as above. `editable`: where the source lies and which entry points
    there are; the source itself is its author's to change. `metadata`: what the distribution says of itself, for one
    that was installed without a RECORD.
    """

    kind: str
    digest: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.digest}"


def fingerprint(folder: str) -> Fingerprint:
    """Return the hash of the distribution whose metadata folder this is."""
    where = _editable_source(_read(folder, "direct_url.json"))
    if where:
        parts = [where.encode(), _read(folder, "entry_points.txt")]
        return Fingerprint(EDITABLE, _digest(parts), _paths(folder, "direct_url.json", "entry_points.txt"))
    rows = list(_rows(folder))
    if rows:
        unhashed = [os.path.join(os.path.dirname(folder), name) for name, said in rows if not said]
        lines = [f"{name},{said or _digest_of_file(os.path.dirname(folder), name)}\n".encode() for name, said in rows]
        return Fingerprint(RECORD, _digest(sorted(lines)), (*_paths(folder, "RECORD"), *unhashed))
    names = ("METADATA", "PKG-INFO", "entry_points.txt")
    return Fingerprint(METADATA, _digest([_read(folder, name) for name in names]), _paths(folder, *names))


def _rows(folder: str) -> Iterator[tuple[str, str]]:
    """Go through the files of a RECORD that are the same in every environment, each with its hash ("" for none)."""
    import csv  # for a pack that is not known yet; a start with known ones needs none of it
    import io

    own = os.path.basename(folder)
    text = _read(folder, "RECORD").decode(errors="surrogateescape")
    for row in csv.reader(io.StringIO(text)):
        if not row:
            continue
        name = row[0].replace("\\", "/")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or path.suffix == ".pyc":
            continue
        if path.parts[0] == own and (path.name in OF_INSTALLERS or path.name.endswith(SIGNATURES)):
            continue
        yield name, row[1] if len(row) > 1 else ""


def _editable_source(direct_url: bytes) -> str:
    """Return where an editable install has its source; empty for any other."""
    if b"editable" not in direct_url:
        return ""
    try:
        said = json.loads(direct_url)
        return str(said["url"]) if said["dir_info"].get("editable") else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _digest(parts: list[bytes]) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(len(part).to_bytes(8, "big"))
        made.update(part)
    return made.hexdigest()


def _digest_of_file(root: str, name: str) -> str:
    return hashlib.sha256(_read(root, name)).hexdigest()


def _paths(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(os.path.join(folder, name) for name in names)


def _read(folder: str, name: str) -> bytes:
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()
    except OSError:
        return b""
