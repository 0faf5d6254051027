"""git's plumbing on an object store of our own: never the user's refs, index, settings, attributes or hooks."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pegboard.errors import PegboardError

ATTRIBUTES = "* -text !eol -crlf -filter -ident !working-tree-encoding -diff\n* diff\n"
"""Bytes are kept as they are, whatever `.gitattributes` says: this file of a store comes before all others."""


_CONFIG = (
    ("core.logAllRefUpdates", "false"),
    ("gc.auto", "0"),
    ("core.fsync", "none"),
    ("index.version", "4"),  # written in half the time
)


class CheckpointError(PegboardError):
    """A checkpoint cannot be taken, found or restored."""


class Git:
    """Runs git on one store. Every call names its work tree and index itself."""

    def __init__(self, store: Path, *, seconds: float = 600.0) -> None:
        self.store = store
        self.seconds = seconds

    @property
    def exists(self) -> bool:
        """Whether there is a store."""
        return (self.store / "HEAD").exists()

    def make(self) -> None:
        """Make the store. Raises CheckpointError."""
        if self.exists and (self.store / "info/attributes").exists():
            return
        self.store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.run("init", "--quiet", "--bare", "--object-format=sha1", "--template=", str(self.store))
        os.chmod(self.store, 0o700)
        for name, value in _CONFIG:
            self.run("config", name, value)
        (self.store / "indexes").mkdir(exist_ok=True)
        (self.store / "info").mkdir(exist_ok=True)
        (self.store / "info/attributes").write_text(ATTRIBUTES)

    def run(
        self,
        *words: str,
        tree: Path | None = None,
        index: Path | None = None,
        given: bytes = b"",
        fine: tuple[int, ...] = (0,),
    ) -> bytes:
        """Run a command and return what it prints. Raises CheckpointError."""
        try:
            done = subprocess.run(
                self.words(*words),
                input=given,
                capture_output=True,
                cwd=tree or None,
                env=self.environment(tree, index),
                timeout=self.seconds,
                check=False,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise CheckpointError("git is not installed, so there are no checkpoints") from None
        except subprocess.TimeoutExpired:
            raise CheckpointError(f"git {_verb(words)} took longer than {self.seconds:g} s") from None
        if done.returncode not in fine:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise CheckpointError(f"git {_verb(words)} failed: {said or done.returncode}")
        return done.stdout

    def names(
        self, *words: str, tree: Path | None = None, index: Path | None = None, places: Sequence[str] = ()
    ) -> list[str]:
        """Run a command that prints names with NUL behind each; only those in *places*, if some are given."""
        if places:
            words = ("--literal-pathspecs", *words, "--", *places)
        found = self.run(*words, tree=tree, index=index)
        return [os.fsdecode(name) for name in found.split(b"\0") if name]

    # A checkpoint ends with three small objects and a name for them. git would start two programs for that, which
    # takes longer than the commit of a large tree; what it would write has been the same for twenty years.

    def put(self, kind: str, content: bytes) -> str:
        """Write one object, as git would; return its id."""
        whole = b"%b %d\0%b" % (kind.encode(), len(content), content)
        name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        path = self.store / "objects" / name[:2] / name[2:]
        try:
            os.utime(path)  # so that a `gc` takes it for new
        except FileNotFoundError:
            _write_whole(path, zlib.compress(whole, 1), 0o444)
        return name

    def put_tree(self, entries: Mapping[str, tuple[str, str]]) -> str:
        """Write a tree of (mode, id) by name; return its id."""
        # git sorts a folder as if its name ended with a slash.
        ordered = sorted(entries.items(), key=lambda item: item[0] + "/" * (item[1][0] == "40000"))
        return self.put("tree", b"".join(b"%b %b\0%b" % (mode.encode(), name.encode(), bytes.fromhex(object_id))
                                         for name, (mode, object_id) in ordered))  # fmt: skip

    def name(self, ref: str, object_id: str) -> None:
        """Give an object a name, so that it stays."""
        _write_whole(self.store / ref, f"{object_id}\n".encode(), 0o644)

    def words(self, *words: str) -> list[str]:
        """Return the words of a command line."""
        return ["git", "-c", "core.quotePath=false", "-c", "core.autocrlf=false", "-c", "core.safecrlf=false", *words]

    def environment(self, tree: Path | None = None, index: Path | None = None) -> dict[str, str]:
        """Return an environment in which git sees nothing of the user's settings, and no repository but ours."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        who = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in _WHO.items()}
        ours = {
            "GIT_DIR": str(self.store),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DEFAULT_REF_FORMAT": "files",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        places = {"GIT_WORK_TREE": str(tree)} if tree is not None else {}
        if index is not None:
            places["GIT_INDEX_FILE"] = str(index)
        return {**kept, **who, **ours, **places}

    def blobs(self, ids: list[str]) -> Iterator[bytes]:
        """Yield the content of each blob, in order, one after another."""
        if not ids:
            return
        with subprocess.Popen(
            self.words("cat-file", "--batch"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment(),
            start_new_session=True,
        ) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            for one in ids:
                reader.stdin.write(f"{one}\n".encode())
                reader.stdin.flush()
                head = reader.stdout.readline().split()
                if len(head) != 3:
                    raise CheckpointError(f"the store has lost the content {one[:12]}")
                yield reader.stdout.read(int(head[2]))
                reader.stdout.read(1)


def _write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file of the store, whole or not at all."""
    beside = path.with_name(f"tmp_obj_{secrets.token_hex(6)}")  # git takes away what is left of such a one
    try:
        for _ in range(3):  # a `gc` takes away folders that have become empty
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
                    file.write(content)
                os.rename(beside, path)
                return
            except FileNotFoundError:
                continue
        raise CheckpointError(f"{path} cannot be written: its folder is taken away again and again")
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CheckpointError(f"{path} cannot be written: {error.strerror or error}") from None


_WHO: Mapping[str, str] = {"NAME": "pegboard", "EMAIL": "pegboard@localhost"}


def _verb(words: Sequence[str]) -> str:
    return next(word for word in words[2 * words.count("-c") :] if not word.startswith("-"))


def installed() -> bool:
    """Whether git is there."""
    return shutil.which("git") is not None


def top_of(folder: Path) -> Path:
    """Return the work tree that *folder* lies in, or the folder itself where there is none."""
    for place in (folder, *folder.parents):
        if os.path.lexists(place / ".git"):
            return place
    return folder
