"""Writes a closed project's segments anew without some events; what a crash cuts off is finished at the next start."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from pegboard_builtins.memory import disk, index, lines
from pegboard_builtins.memory.lines import Damage
from pegboard_builtins.memory.segments import SUFFIX


def take_out(folder: Path, numbers: Collection[int]) -> list[str]:
    """Take events out of a project's folder, and all bytes that nobody can read. Returns what of those there was."""
    disk.write_whole(_unfinished(folder), json.dumps(sorted(numbers)).encode())
    return finish(folder)


def finish(folder: Path) -> list[str]:
    """Go on with what `take_out` began; nothing where there is nothing to do.

    The index goes first: it is made again whenever it is missing, but it must never name other places.
    """
    if not _unfinished(folder).exists():
        return []
    numbers = set(json.loads(_unfinished(folder).read_bytes()))
    index.remove(folder / index.NAME)
    log = folder / "log"
    purged = [path.name for path in sorted(log.iterdir()) if _is_wreckage(path)]
    for name in purged:
        (log / name).unlink()
    for path in sorted(log.glob(f"*{SUFFIX}")):
        purged += _rewrite(path, numbers)
    disk.sync_folder(log)
    _unfinished(folder).unlink()
    return purged


def _unfinished(folder: Path) -> Path:
    return folder / "rewriting.json"


def _is_wreckage(path: Path) -> bool:
    return path.suffix in (".torn", disk.UNFINISHED) or path.name == "quarantine.jsonl"


def _rewrite(path: Path, numbers: set[int]) -> list[str]:
    data = path.read_bytes()
    kept, damaged = [], 0
    for offset, length, found in lines.parse(data):
        if isinstance(found, Damage):
            damaged += 1
        elif found.number not in numbers:
            kept.append(data[offset : offset + length - 1] + b"\n")
    new = b"".join(kept)
    if new != data:
        kept_last = path.stat().st_mtime_ns
        disk.write_whole(path, new)
        os.utime(path, ns=(kept_last, kept_last))  # what is in it is as old as before
    return [f"{path.name}: {damaged} damaged lines"] if damaged else []
