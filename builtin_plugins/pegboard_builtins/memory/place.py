"""Where a memory lies and is served: its folder, its socket, its lock, and what its daemon is told at the start."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import MemoryFailure

LOCK = "lock"
LONGEST = 100
"""Bytes of a socket's path: macOS takes 103."""
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs", "fuse.sshfs", "afs", "ceph", "glusterfs", "9p", "beegfs"}
)


@dataclass(frozen=True, slots=True)
class Config:
    """What a daemon is told. `settings` is the user's settings file: a daemon whose plugin is disabled there ends."""

    root: Path
    durability: str = "fsync"
    idle_exit: float = 1800.0
    settings: str = ""
    plugin: str = "memory"
    consolidate: tuple[str, ...] = ()
    idle_minutes: float = 10.0
    min_events: int = 50
    max_seconds: float = 120.0

    @classmethod
    def of_json(cls, text: str) -> Self:
        """Return the configuration that `json` wrote."""
        facts = json.loads(text)
        return cls(**{**facts, "root": Path(facts["root"]), "consolidate": tuple(facts["consolidate"])})

    def json(self) -> str:
        """Return it as one argument of a program."""
        return json.dumps({**asdict(self), "root": str(self.root)})


def socket_path(root: Path) -> Path:
    """Return where a new daemon of *root* binds its socket: a private folder with a path that is short enough."""
    name = f"memory-{blake2b(os.fsencode(root.resolve()), digest_size=6).hexdigest()}.sock"
    run = os.environ.get("XDG_RUNTIME_DIR")
    folders = [Path(run) / "pegboard"] if run and Path(run).is_dir() else []
    folders += [root, Path(tempfile.gettempdir()) / f"pegboard-{os.geteuid()}", Path(f"/tmp/pegboard-{os.geteuid()}")]
    for folder in folders:
        path = folder / name
        if len(os.fsencode(path)) <= LONGEST and _is_private(folder):
            return path
    raise MemoryFailure(
        f"no folder for a socket: neither of {', '.join(map(str, folders))} is yours alone, with a short path"
    )


def _is_private(folder: Path) -> bool:
    """Make the folder if need be; whether only its owner, who is us, may go in. A link counts as somebody else's."""
    try:
        folder.mkdir(mode=disk.PRIVATE_FOLDER, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def say_where(root: Path, socket: str) -> None:
    """Write into the lock, which we hold, where we can be reached. It is a hint: only a connection proves anything."""
    file = os.open(root / LOCK, os.O_WRONLY)
    try:
        data = json.dumps({"socket": socket, "pid": os.getpid()}).encode()
        os.pwrite(file, data.ljust(os.fstat(file).st_size), 0)
    finally:
        os.close(file)


def said_where(root: Path) -> str:
    """Return where the last daemon said that it can be reached; empty if none did."""
    try:
        found = json.loads((root / LOCK).read_bytes())
        return str(found["socket"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_served(root: Path) -> bool:
    """Whether somebody listens where the lock says."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(said_where(root))
        except OSError:
            return False
    return True


def is_locked(root: Path) -> bool:
    """Whether somebody owns the store just now."""
    import fcntl

    try:
        file = os.open(root / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def network_file_system(path: Path) -> str:
    """Return the kind of network file system that *path* is on: locks and indexes are not safe there. Else empty."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    real, best, kind = str(path.resolve()), "", ""
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode().decode("unicode_escape", "replace")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    return kind if kind in NETWORK else ""
