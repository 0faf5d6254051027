"""Plain data kept in a file between starts: it comes back as it was written, or it counts as absent.

A start reads such files before anything else, so they are in the interpreter's own form, which is read several times
faster than JSON. That form is for whole files only: a checksum stands before it, and a torn one is not taken apart.
"""

from __future__ import annotations

import marshal
import os
import time
from pathlib import Path
from typing import Any
from zlib import crc32

from pegboard._folders import make_private

HEAD = b"pegboard"
SUM = slice(len(HEAD), len(HEAD) + 4)
LONG_AGO = 90 * 86_400
"""Seconds after which a file that nobody wrote anew is taken away: its environment may be gone."""


def load(path: str) -> dict[str, Any]:
    """Return what a file holds; nothing where it is torn, of somebody else or not there."""
    try:
        number = os.open(path, os.O_RDONLY)
        try:
            text = os.read(number, os.fstat(number).st_size)
        finally:
            os.close(number)
        body = text[SUM.stop :]
        if text[: SUM.start] != HEAD or text[SUM] != crc32(body).to_bytes(4, "big"):
            return {}
        held = marshal.loads(body)
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    return held if isinstance(held, dict) else {}


def save(path: str, held: dict[str, Any]) -> None:
    """Replace a file whole. One that cannot be written is no error; raises ValueError for what is no plain data."""
    body = marshal.dumps(held)
    beside = f"{path}.{os.getpid()}"
    try:
        make_private(Path(path).parent)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(HEAD + crc32(body).to_bytes(4, "big") + body)
        os.replace(beside, path)
        _drop_old(os.path.dirname(path))
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass


def _drop_old(folder: str) -> None:
    with os.scandir(folder) as entries:
        for one in entries:
            if one.is_file() and one.stat().st_mtime < time.time() - LONG_AGO:
                os.unlink(one.path)
