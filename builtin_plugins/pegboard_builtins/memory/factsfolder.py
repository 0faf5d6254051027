"""The folder of a project's facts: paths that never leave it, what is in it, and which files are ours."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pegboard.errors import did_you_mean
from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.facts import LARGEST, Fact, FactError, digest_of, read_fact

MOST = 2_000
"""Files of facts; what is more is not read, loudly."""
_known: dict[str, tuple[tuple[int, int, int], Fact, str]] = {}
"""Facts that were read, by path: every prompt asks for all of them."""
_PART = re.compile(r"[\w][\w .-]{0,79}")


class FactPathError(MemoryFailure):
    """A path that is no place for a fact."""

    def __init__(self, given: str, problem: str) -> None:
        self.given = given
        super().__init__(f"{given!r} is no place for a fact: {problem}")


class NoFactError(MemoryFailure):
    """There is no fact of that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        hint = did_you_mean(name, known)
        super().__init__(f"there is no fact {name!r}.{hint} `pegboard memory facts` lists them.")


RUNS = "runs"
"""The folder of patches, in the private one."""


@dataclass
class FactsFolder:
    """Where facts lie (`folder`), and where what only Pegboard writes lies (`private`): runs, approvals, uses.

    If the folder is inside the private one, or nobody else writes there, files count as they are. Else (a folder of
    the project, which others commit to) a file counts only if its very bytes were written or approved here.
    """

    folder: Path
    private: Path
    problems: list[str] = field(default_factory=list)

    @property
    def shared(self) -> bool:
        """Whether others may write here too: the folder of a project."""
        return not self.folder.resolve().is_relative_to(self.private.resolve())

    @property
    def blank(self) -> bool:
        """Whether there is no fact, and never was a patch that could have to be finished."""
        return not (self.private / RUNS).exists() and not self._files()

    # --- paths -------------------------------------------------------------------------------------------

    def path_of(self, given: str) -> Path:
        """Return the file of a fact by its name or path. Raises FactPathError for whatever could lead elsewhere."""
        said = given.strip().removeprefix("/memories/").removeprefix("facts/")
        decoded = said
        for _ in range(3):
            decoded = unquote(decoded)
        parts = decoded.removesuffix(".md").split("/")
        if decoded.startswith(("/", "~")) or "\\" in decoded or ".." in parts:
            raise FactPathError(given, "it must stay in the folder of facts")
        if len(parts) > 4 or not all(_PART.fullmatch(part) and not part.endswith((" ", ".")) for part in parts):
            raise FactPathError(given, "letters, digits, '-', '_' and at most three folders are fine, nothing else")
        path = self.folder.joinpath(*parts[:-1], parts[-1] + ".md")
        for above in [path, *path.parents]:
            if above == self.folder:
                break
            if above.is_symlink():
                raise FactPathError(given, "a link is in the way")
        return path

    def name_of(self, path: Path) -> str:
        """Return the name of a file of facts."""
        return path.relative_to(self.folder).with_suffix("").as_posix()

    # --- reading -----------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of all files, sorted. Hidden ones and links are none."""
        return sorted(self._files())

    def _files(self) -> dict[str, str]:
        """Return the path of each file by its name."""
        found: dict[str, str] = {}
        top = str(self.folder)
        for above, folders, files in os.walk(top):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in files:
                path = f"{above}/{name}"
                if name.endswith(".md") and not name.startswith(".") and not os.path.islink(path):
                    found[path[len(top) + 1 : -3]] = path
        return found

    def text_of(self, name: str) -> str | None:
        """Return a file's text, None if there is none. Raises FactError for what is no file of ours."""
        path = self.path_of(name)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FactError(path, 1, f"it cannot be read: {error.strerror}") from None
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise FactError(path, 1, "it is no file")
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise FactError(path, 1, f"it is longer than {LARGEST:,} bytes; split it")
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise FactError(path, raw[: error.start].count(b"\n") + 1, "it is no UTF-8") from None

    def get(self, name: str) -> Fact:
        """Return a fact. Raises NoFactError and FactError."""
        text = self.text_of(name)
        if text is None:
            raise NoFactError(name, self.names())
        path = self.path_of(name)
        return read_fact(text, path, name=self.name_of(path), believed=self._believes(text))

    def all(self) -> list[Fact]:
        """Return all facts by name; what cannot be read is in `problems`."""
        self.problems = []
        facts = []
        files = self._files()
        if len(files) > MOST:
            self.problems.append(f"{self.folder}: of {len(files):,} facts only the first {MOST:,} are read")
        ours = self.ledger()["ours"] if self.shared else None
        for name, path in sorted(files.items())[:MOST]:
            try:
                fact, digest = self._read(name, path)
            except (MemoryFailure, OSError) as error:
                self.problems.append(str(error))
                continue
            facts.append(fact if ours is None or digest in ours else replace(fact, believed=False))
        return facts

    def _read(self, name: str, path: str) -> tuple[Fact, str]:
        """Return a fact as it stands in its file, and the file's digest; read again only if the file is another."""
        told = os.stat(path, follow_symlinks=False)
        key = (told.st_mtime_ns, told.st_size, told.st_ino)
        known = _known.get(path)
        if known is None or known[0] != key:
            text = self.text_of(name)
            if text is None:
                raise NoFactError(name, ())
            if len(_known) >= 2 * MOST:
                _known.clear()
            known = _known[path] = (key, read_fact(text, Path(path), name=name), digest_of(text))
        return known[1], known[2]

    def _believes(self, text: str) -> bool:
        return not self.shared or digest_of(text) in self.ledger()["ours"]

    # --- what only we write --------------------------------------------------------------------------------

    def ledger(self) -> dict[str, dict[str, str]]:
        """Return the digests of files that are `ours`, and of texts that a person `rejected`, each with its name."""
        said = read_json(self.private / "ledger.json")
        return {key: dict(said.get(key) or {}) for key in ("ours", "rejected")}

    def write_ledger(self, ledger: dict[str, dict[str, str]]) -> None:
        """Keep the ledger, whole or not at all."""
        write_whole(self.private / "ledger.json", json.dumps(ledger, indent=1, sort_keys=True))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let one writer at a time change facts, of all processes."""
        import fcntl

        self.private.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.private / "facts.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file; an empty one if there is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise MemoryFailure(f"{path}: it is no JSON ({error}); move it away, then nothing counts as approved") from None
    return said if isinstance(said, dict) else {}


def write_whole(path: Path, text: str, *, mode: int = disk.PRIVATE_FILE, lasting: bool = True) -> None:
    """Put a text in a file's place, and make its folder if need be; see `disk.write_whole`."""
    path.parent.mkdir(mode=0o700 if mode == disk.PRIVATE_FILE else 0o777, parents=True, exist_ok=True)
    disk.write_whole(path, text.encode("utf-8", "surrogatepass"), mode=mode, folder_too=lasting)
