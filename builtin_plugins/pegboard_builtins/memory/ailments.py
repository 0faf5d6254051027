"""What could keep memory from working here, asked one by one: for `pegboard memory doctor` and the host's doctor."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator

from pegboard.context import Ailment
from pegboard_builtins.memory import disk, place, protocol
from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.spool import Spool

ROOM = 100_000_000
"""Free bytes below which a disk counts as nearly full."""


def ailments(config: Config) -> Iterator[Ailment]:
    """Go through all that is wrong or worth knowing. No daemon is started for that."""
    yield from _of_the_place(config)
    yield from _of_sqlite()
    yield from _of_the_daemon(config)


def _of_the_place(config: Config) -> Iterator[Ailment]:
    root = config.root
    try:
        disk.private_folder(root)
    except MemoryFailure as error:
        yield Ailment(str(error), where=str(root))
        return
    if root.stat().st_mode & 0o077:
        yield Ailment("others may look into it", where=str(root), mend=f"chmod 700 {root}")
    kind = place.network_file_system(root)
    if kind:
        mend = "set PEGBOARD_STATE_DIR to a folder of this machine"
        yield Ailment(f"it is on a network file system ({kind}): locks and indexes are not safe there", str(root), mend)
    free = shutil.disk_usage(root).free
    if free < ROOM:
        yield Ailment(f"only {free // 1_000_000} MB are free: soon nothing more can be kept", where=str(root))
    if config.durability == "os":
        text = '[memory] durability is "os": what is kept survives a crash of programs, not of the system'
        yield Ailment(text, wrong=False)
    waiting = len(Spool(root).files())
    if waiting:
        yield Ailment(
            f"{waiting} puts wait in the spool for a daemon", str(root / "spool"), "pegboard memory start", False
        )
    for damaged in sorted((root / "spool").glob("*.damaged")):
        yield Ailment("a damaged file of the spool; its good lines were kept", where=str(damaged))


def _of_sqlite() -> Iterator[Ailment]:
    db = sqlite3.connect(":memory:")
    try:
        db.execute("create virtual table probe using fts5(text, tokenize='porter unicode61')")
    except sqlite3.OperationalError as error:
        yield Ailment(f"this Python's SQLite {sqlite3.sqlite_version} has no FTS5 ({error}): nothing can be found")
    finally:
        db.close()


def _of_the_daemon(config: Config) -> Iterator[Ailment]:
    try:
        place.socket_path(config.root)
    except MemoryFailure as error:
        yield Ailment(str(error), mend="set XDG_RUNTIME_DIR to a folder of your own")
    log = str(config.root / "daemon.log")
    with Client(config, starts=False) as client:
        try:
            told = client.status()
        except MemoryFailure:
            yield Ailment(
                "a process owns the memory and does not answer", where=log, mend="pegboard memory stop --kill"
            )
            return
    if told["pid"] and told["build"] < protocol.build():
        yield Ailment("the daemon is of an older version; the next session replaces it", wrong=False)
    for identity, one in told["projects"].items():
        if one["damaged"]:
            text = f"project {identity}: {one['damaged']} damaged lines were put into quarantine"
            yield Ailment(text, where=str(config.root / "projects" / identity / "log"), mend="pegboard memory verify")
