"""Checkpoints of a folder: taken, found, and let go."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import threading
import time
from collections.abc import Collection, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pegboard.typed import dataclass
from pegboard_builtins.git_safety.ignoring import ignored_in
from pegboard_builtins.git_safety.looking import strangers_in
from pegboard_builtins.git_safety.manifest import Manifest, Modes, Part, modes_in, read_name, written
from pegboard_builtins.git_safety.plumbing import CheckpointError, Git, top_of
from pegboard_builtins.git_safety.settings import GitSafetySettings

REFS = "refs/checkpoints"
IGNORED_KEPT = 1_000_000
"""Bytes up to which a file that is ignored is kept all the same: `.env` is, `node_modules` is not."""


MANY = 200
"""So many files at once are written as one pack; of more that are new git is asked without naming them."""


class TooLargeError(CheckpointError):
    """There is too much to keep; nothing was."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state of a folder."""

    number: int
    commit: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class _Known:
    """What an index holds, as this process remembers it.

    The modes of files that are `fresh` are looked at again: they changed so shortly before the last look that their
    times may not tell of a change behind it.
    """

    stamp: tuple[int, int] | None
    names: Set[str]
    modes: dict[str, int]
    fresh: Set[str]


class Checkpoints:
    """All checkpoints of one folder, in the store that all folders share."""

    def __init__(self, store: Path, folder: Path, settings: GitSafetySettings | None = None) -> None:
        self.settings = settings or GitSafetySettings()
        self.git = Git(store, seconds=max(self.settings.seconds, 5.0))
        self.root = Path(os.path.realpath(top_of(folder)))
        self.key = _key(str(self.root))
        self._thread = threading.Lock()
        self._known: dict[Path, _Known] = {}

    # --- taking ------------------------------------------------------------------------------------------

    def take(
        self, kind: str, *, session: str = "", turn: int = 0, reason: str = "", rules_of: Manifest | None = None
    ) -> Checkpoint:
        """Keep the folder as it is now. Raises CheckpointError, and then nothing was kept.

        With *rules_of*, also what is ignored now but was not by the rules of that checkpoint.
        """
        if self.root in (Path("/"), Path.home()):
            raise TooLargeError(f"{self.root} is no project: start in the project's own folder to have checkpoints")
        self.git.make()
        with self._alone(), ThreadPoolExecutor(1) as beside:
            asked = beside.submit(self.numbers)  # a process of its own, while others go through the tree
            parts = tuple(self._parts(self.root, "", rules_of))
            manifest = Manifest(root=str(self.root), parts=parts, kind=kind, session=session, turn=turn, reason=reason,
                                time=time.time())  # fmt: skip
            numbers = asked.result()
            number = (numbers or [0])[-1] + 1
            commit = self._commit(number, manifest)
            for old in numbers[: max(0, len(numbers) + 1 - self.settings.keep)]:
                self.forget(old)  # its content goes with the next `prune`
        return Checkpoint(number, commit, manifest)

    def _parts(self, root: Path, path: str, rules_of: Manifest | None) -> Iterator[Part]:
        """Keep the tree of *root*, then those of the repositories inside it."""
        index = self._index(path)
        last = self._last(root, index)
        with ThreadPoolExecutor(1) as beside:
            looked = beside.submit(self._touched, root, index)
            strangers = strangers_in(os.fspath(root), last.names)
            now, fresh = modes_in(root, last.fresh)
            changed = [*looked.result(), *self._new(root, index, strangers)]
        for part in rules_of.parts if rules_of is not None else ():
            if part.path == written(path):
                changed += self._not_ignored(root, index, part)
        nested = sorted({name for name in changed if name.endswith("/")})
        files = {name for name in changed if not name.endswith("/")}
        self._within_limits(root, files)
        gone, kept = self._keep(root, index, files)
        tree = self.git.run("write-tree", tree=root, index=index).decode().strip()
        modes = {**last.modes, **now}
        for name in files:
            modes.pop(name, None)
        now, young = modes_in(root, kept)
        modes.update(now)
        self._known[index] = _Known(_stamp(index), (last.names - gone) | kept, modes, (fresh - gone) | young)
        yield Part(path=written(path), tree=tree, modes=Modes.of(modes))
        for name in nested:
            yield from self._parts(root / name, path + name, rules_of)

    def _index(self, path: str) -> Path:
        """Return where the index lies of the folder itself, or of a repository at *path* inside it."""
        return self.git.store / "indexes" / (self.key if not path else _key(self.key + path))

    def _last(self, root: Path, index: Path) -> _Known:
        """Return what is known of the index, as long as nobody else has written to it."""
        known = self._known.get(index)
        if known is None or known.stamp is None or known.stamp != _stamp(index):
            names = frozenset(self.git.names("ls-files", "-z", tree=root, index=index))
            known = _Known(None, names, {}, names)
        return known

    def _touched(self, root: Path, index: Path) -> list[str]:
        """Return the index's files that went, or have other times, size or mode than git remembers."""
        # git's own threads would only take the processor from the walk that goes on beside this.
        words = ("-c", "core.preloadIndex=false", "diff-files", "-z", "--name-only", "--no-renames")
        return self.git.names(*words, tree=root, index=index)

    def _keep(self, root: Path, index: Path, names: Set[str]) -> tuple[set[str], set[str]]:
        """Bring the index up to date; return which names went, and which are kept as they are now."""
        there = _Present(root)
        kept = {name for name in names if there.has(name)}
        gone = {*names} - kept
        if gone:
            self.git.run("update-index", "-z", "--force-remove", "--stdin", tree=root, index=index, given=_listed(gone))
        if kept:
            # Many at once go into one pack, not into a file each.
            packed = ("-c", "core.bigFileThreshold=1", "-c", "core.compression=1") if len(kept) > MANY else ()
            words = ("update-index", "-z", "--add", "--replace", "--stdin")
            self.git.run(*packed, *words, tree=root, index=index, given=_listed(kept))
        return gone, kept

    def _not_ignored(self, root: Path, index: Path, part: Part) -> list[str]:
        every = self.git.names("ls-files", "-z", "--others", tree=root, index=index)
        ignored = set(ignored_in(self.git, part, [name for name in every if not name.endswith("/")]))
        return [name for name in every if name not in ignored]

    def _new(self, root: Path, index: Path, strangers: list[str]) -> list[str]:
        """Return which of the *strangers*, and of what is in them, is to be kept; a repository ends with "/"."""
        if not strangers:
            return []
        places = [name.rstrip("/") for name in strangers] if len(strangers) <= MANY else []  # else all of the tree
        look_there = partial(
            self.git.names, "ls-files", "-z", "--others", *self._rules(root), tree=root, index=index, places=places
        )
        with ThreadPoolExecutor(1) as beside:
            ignored = beside.submit(look_there, "--ignored", "--directory")
            return [*look_there(), *(name for name in ignored.result() if _is_small(root, name))]

    def _rules(self, root: Path) -> list[str]:
        """Return the options by which git leaves out what the user's own git leaves out."""
        rules = ["--exclude-per-directory=.gitignore"]
        exclude = root / ".git" / "info" / "exclude"
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "git" / "ignore"
        return rules + [f"--exclude-from={path}" for path in (exclude, config) if path.is_file()]

    def _within_limits(self, root: Path, names: Collection[str]) -> None:
        if len(names) > self.settings.max_files:
            raise TooLargeError(
                f"{len(names):,} files of {root} are new, more than [git_safety] max_files = "
                f"{self.settings.max_files:,}. Name what need not be kept in .gitignore, or raise the limit."
            )
        sizes = []
        for name in names:
            try:
                sizes.append((os.lstat(root / name).st_size, name))
            except OSError:
                continue
        total, limit = sum(size for size, _ in sizes), self.settings.max_megabytes * 1_000_000
        if total > limit:
            largest = ", ".join(f"{name} ({size / 1e6:,.0f} MB)" for size, name in sorted(sizes, reverse=True)[:3])
            raise TooLargeError(
                f"{total / 1e6:,.0f} MB of {root} are new, more than [git_safety] max_megabytes = "
                f"{self.settings.max_megabytes:,}; the largest: {largest}. Name what need not be kept in .gitignore, "
                f"or raise the limit."
            )

    def _commit(self, number: int, manifest: Manifest) -> str:
        """Write trees and manifest under one name, all at once."""
        body = manifest.model_dump_json().encode()
        trees = {str(place): ("40000", part.tree) for place, part in enumerate(manifest.parts)}
        top = {
            "manifest.json": ("100644", self.git.put("blob", body)),
            "trees": ("40000", self.git.put_tree(trees)),
        }
        who = f"pegboard <pegboard@localhost> {int(manifest.time)} +0000"
        text = f"tree {self.git.put_tree(top)}\nauthor {who}\ncommitter {who}\n\ncheckpoint"
        commit = self.git.put("commit", text.encode())
        self.git.name(self._ref(number), commit)
        return commit

    # --- finding -----------------------------------------------------------------------------------------

    def numbers(self) -> list[int]:
        """Return the numbers of all checkpoints, the oldest first."""
        if not self.git.exists:
            return []
        found = self.git.run("for-each-ref", "--format=%(refname:lstrip=3)", f"{REFS}/{self.key}/").decode().split()
        return sorted(int(number) for number in found)

    def get(self, number: int) -> Checkpoint:
        """Return a checkpoint. Raises CheckpointError if there is none of that number."""
        numbers = self.numbers()
        if number not in numbers:
            known = f"there are {numbers[0]} to {numbers[-1]}" if numbers else "there are none of this folder yet"
            raise CheckpointError(f"there is no checkpoint {number} of {self.root}; {known}")
        commit = self.git.run("rev-parse", "--verify", self._ref(number)).decode().strip()
        return Checkpoint(number, commit, self._manifest(commit))

    def all(self) -> Iterator[Checkpoint]:
        """Go through all, the newest first."""
        for number in reversed(self.numbers()):
            yield self.get(number)

    def newest(self) -> Checkpoint | None:
        """Return the newest; None if there is none."""
        return next(self.all(), None)

    def forget(self, number: int) -> None:
        """Take one away."""
        self.git.run("update-ref", "-d", self._ref(number))

    def prune(self, keep: int) -> int:
        """Let all but the newest *keep* go, with what only they held; return how many went."""
        if not self.git.exists:
            return 0
        with self._alone():
            gone = self.numbers()[:-keep] if keep else self.numbers()
            if gone and not keep:
                # What only an index names goes, too: the next checkpoint must not believe that it is kept.
                for part in self.get(gone[-1]).manifest.parts:
                    self._index(read_name(part.path)).unlink(missing_ok=True)
            for number in gone:
                self.forget(number)
            # Whatever another folder's session is writing this minute is younger than that.
            self.git.run("gc", "--quiet", "--prune=1.hour.ago")
        return len(gone)

    def _manifest(self, commit: str) -> Manifest:
        return Manifest.model_validate_json(self.git.run("cat-file", "blob", f"{commit}:manifest.json"))

    def _ref(self, number: int) -> str:
        return f"{REFS}/{self.key}/{number:08d}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes and threads away from this folder's index."""
        path = self.git.store / "indexes" / f"{self.key}.only-one"
        with self._thread, open(path, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _stamp(index: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(index)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino  # git writes an index anew and renames it


def _listed(names: set[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\0" for name in sorted(names))


class _Present:
    """Knows which names are files or links of this very tree: not folders, not missing, not behind a link."""

    def __init__(self, root: Path) -> None:
        self._base = os.fspath(root) + "/"
        self._folders: dict[str, bool] = {"": True}

    def has(self, name: str) -> bool:
        try:
            mode = os.lstat(self._base + name).st_mode
        except OSError:
            return False
        return not stat.S_ISDIR(mode) and self._is_folder(name.rpartition("/")[0])

    def _is_folder(self, name: str) -> bool:
        if name not in self._folders:
            mode = os.lstat(self._base + name).st_mode
            self._folders[name] = stat.S_ISDIR(mode) and self._is_folder(name.rpartition("/")[0])
        return self._folders[name]


def _is_small(root: Path, name: str) -> bool:
    if name.endswith("/"):
        return False
    try:
        return os.lstat(root / name).st_size <= IGNORED_KEPT
    except OSError:
        return False
