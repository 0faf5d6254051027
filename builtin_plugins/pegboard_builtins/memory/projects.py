"""Which project a folder belongs to: an identity that survives moves, and that no other can claim."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import re
import secrets
import subprocess
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

from pegboard_builtins.memory import disk

SECONDS = 5.0
ID_FILE = Path(".pegboard/project-id")
ATTRIBUTE = "user.pegboard.project"
_URL = re.compile(r"[a-z+]+://(?:[^@/]*@)?(?P<host>[^/:]+)(?::\d+)?/(?P<path>.+)", re.IGNORECASE)
_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>[^/:]+):(?P<path>[^/].*)")


@dataclass(frozen=True, slots=True)
class Identity:
    """A project: `project` names its log, `worktree` is empty in the main one, `root` is where the project begins."""

    project: str
    worktree: str
    root: Path
    name: str


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a project beside its events."""

    name: str = ""
    roots: tuple[str, ...] = ()
    quota: int = 0
    retention_days: int = 0


def identify(folder: Path, memory: Path, *, worktrees: bool = True) -> Identity:
    """Return the project of a folder. The same function for everything that writes or reads.

    In a Git repository it is the first commit with the address of the remote, so that clones and worktrees share it;
    what was found once for a repository stays, though its remote may change. Anywhere else it is a random id that the
    folder bears (an extended attribute, which moves with it; a file where there are none), signed with this machine's
    key: a copy from elsewhere does not count.
    """
    folder = folder.resolve()
    repository = _repository(folder)
    if repository is None:
        return _folder_identity(folder, folder, "", memory)
    root, own, common = repository
    worktree = own.name if own != common and worktrees else ""
    main = common.parent if common.name == ".git" else root
    if _signed_id(main, memory):
        return _folder_identity(root, main, worktree, memory)
    known = _remembered(common, memory)
    found = known or _of_history(root)
    if not found:
        return _folder_identity(root, main, worktree, memory)
    if not known:
        _remember(common, memory, found)
    return Identity(found, worktree, root, main.name)


# --- git -----------------------------------------------------------------------------------------------


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def _repository(folder: Path) -> tuple[Path, Path, Path] | None:
    """Return its root, its own Git folder and the one that its worktrees share; None outside of a repository."""
    if not _may_be_inside(folder):
        return None
    told = _git(folder, "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir").splitlines()
    if len(told) != 3:
        return None
    return Path(told[0]), Path(told[1]).resolve(), (folder / told[2]).resolve()


def _may_be_inside(folder: Path) -> bool:
    """Whether Git is worth a process: no folder is in a work tree if none above has `.git`, unless variables say so."""
    said = os.environ.get("GIT_DIR") or os.environ.get("GIT_WORK_TREE")
    return bool(said) or any(os.path.lexists(above / ".git") for above in (folder, *folder.parents))


def _of_history(root: Path) -> str:
    """Return an id made of first commit and remote; empty where there is neither."""
    remote = normalised(_git(root, "config", "--get", "remote.origin.url"))
    shallow = _git(root, "rev-parse", "--is-shallow-repository") == "true"
    first = "" if shallow else _git(root, "rev-list", "--max-parents=0", "HEAD").rpartition("\n")[2]
    return _hashed(first, remote) if first or remote else ""


def normalised(url: str) -> str:
    """Return a remote's `host/path`, however it is written."""
    found = _URL.fullmatch(url) or _SCP.fullmatch(url)
    place = f"{found['host']}/{found['path'].lstrip('/')}" if found else url
    return place.rstrip("/").removesuffix(".git").lower()


def _hashed(*parts: str) -> str:
    return blake2b("\n".join(parts).encode(), digest_size=10).hexdigest()


def _slot(common: Path, memory: Path) -> Path:
    return memory / "repositories" / _hashed(str(common))


def _stamp(common: Path) -> str:
    found = common.stat()
    return f"{found.st_dev}:{found.st_ino}"


def _remembered(common: Path, memory: Path) -> str:
    """Return what was found before for the repository at this place, if it still is the same folder."""
    try:
        stamp, _, identity = _slot(common, memory).read_text(encoding="utf-8").strip().partition(" ")
        return identity if stamp == _stamp(common) else ""
    except OSError:
        return ""


def _remember(common: Path, memory: Path, identity: str) -> None:
    disk.private_folder(memory / "repositories")
    disk.write_whole(_slot(common, memory), f"{_stamp(common)} {identity}\n".encode())


# --- a folder's own id ---------------------------------------------------------------------------------


def _folder_identity(root: Path, main: Path, worktree: str, memory: Path) -> Identity:
    identity = _signed_id(main, memory) or _new_id(main, memory)
    return Identity(identity, worktree, root, main.name or "root")


def _signed_id(folder: Path, memory: Path) -> str:
    """Return the id in a folder's file, if we made it and no repository brought it."""
    identity, _, signature = _borne(folder).partition(" ")
    if identity and hmac.compare_digest(signature, _signature(identity, memory)):
        return identity
    path = folder / ID_FILE
    try:
        if path.is_symlink():
            return ""
        identity, _, signature = path.read_text(encoding="utf-8").strip().partition(" ")
    except (OSError, ValueError):
        return ""
    if not hmac.compare_digest(signature, _signature(identity, memory)):
        return ""
    return "" if _git(folder, "ls-files", "--", str(ID_FILE)) else identity


def _borne(folder: Path) -> str:
    """Return what a folder bears as its attribute; empty where it bears none."""
    try:
        return os.getxattr(folder, ATTRIBUTE).decode("ascii", "replace")
    except (OSError, AttributeError):  # not every system has them
        return ""


def _new_id(folder: Path, memory: Path) -> str:
    """Make an id and let the folder bear it; where nothing may be written, the path has to do.

    Of several that meet a folder at once, the first one's counts for all.
    """
    identity = secrets.token_hex(10)
    signed = f"{identity} {_signature(identity, memory)}".encode()
    try:
        try:
            os.setxattr(folder, ATTRIBUTE, signed, os.XATTR_CREATE)
        except FileExistsError:
            first = _signed_id(folder, memory)
            if first:
                return first
            os.setxattr(folder, ATTRIBUTE, signed)  # it came from elsewhere, and does not count
        return identity
    except (OSError, AttributeError):
        return _new_file(folder, memory, signed)


def _new_file(folder: Path, memory: Path, signed: bytes) -> str:
    path = folder / ID_FILE
    try:
        path.parent.mkdir(exist_ok=True)
        _make_once(path, signed + b"\n")
        if not _signed_id(folder, memory):
            disk.write_whole(path, signed + b"\n")
    except OSError:
        return _hashed("path", str(folder))
    exclude = folder / ".git/info/exclude"
    if exclude.parent.is_dir():
        text = exclude.read_text(encoding="utf-8") if exclude.exists() else ""
        if f"/{ID_FILE}" not in text:
            exclude.write_text(
                f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}/{ID_FILE}\n", encoding="utf-8"
            )
    return _signed_id(folder, memory) or signed.decode().partition(" ")[0]


def _make_once(path: Path, data: bytes) -> None:
    """Make a file unless it is there; of several processes that make one at once, one wins."""
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    disk.write_whole(made, data)
    with contextlib.suppress(FileExistsError):
        os.link(made, path)
    made.unlink()


def _signature(identity: str, memory: Path) -> str:
    return hmac.new(machine_key(memory), identity.encode(), "blake2b").hexdigest()[:40]


def machine_key(memory: Path) -> bytes:
    """Return this machine's key."""
    path = disk.private_folder(memory) / "key"
    if not path.exists():
        _make_once(path, secrets.token_bytes(32))
    return path.read_bytes()


# --- what is known beside the events -------------------------------------------------------------------


def read_meta(folder: Path) -> Meta:
    """Return what is known of the project in *folder*."""
    try:
        found = json.loads((folder / "meta.json").read_bytes())
        limits = (int(found.get(key, 0)) for key in ("quota", "retention_days"))
        return Meta(str(found["name"]), tuple(map(str, found["roots"])), *limits)
    except (OSError, ValueError, KeyError, TypeError):
        return Meta()


def write_meta(folder: Path, meta: Meta) -> None:
    """Keep what is known of a project."""
    disk.private_folder(folder)
    disk.write_whole(folder / "meta.json", json.dumps(asdict(meta)).encode(), durable=False)


def note_root(memory: Path, identity: Identity, *, quota: int = 0, retention_days: int = 0) -> None:
    """Note where a project was seen, the newest place first, and how much its settings let it keep and how long.

    For people, for what has to run there, and for the daemon, which reads no settings.
    """
    folder = memory / "projects" / identity.project
    meta = read_meta(folder)
    roots = (str(identity.root), *(root for root in meta.roots if root != str(identity.root)))[:8]
    new = Meta(identity.name, roots, quota or meta.quota, retention_days or meta.retention_days)
    if new != meta:
        write_meta(folder, new)
