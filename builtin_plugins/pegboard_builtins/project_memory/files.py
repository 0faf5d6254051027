"""Memory files: which there are, and what they say."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import field
from functools import partial
from pathlib import Path

from pegboard.typed import Typed, dataclass, fact
from pegboard_builtins.project_memory.imports import Import, expand

USER, PROJECT, LOCAL = "User", "Project", "Local"
KIND = {
    USER: "the user's own instructions for all projects",
    PROJECT: "instructions of the project, checked in with it",
    LOCAL: "the user's own instructions for this project, not checked in",
}


class MemorySettings(Typed):
    """`[project_memory]`: which memory files are read."""

    files: tuple[str, ...] = fact(default=("CLAUDE.md", "AGENTS.md"), description="Names of memory files.")
    max_characters: int = fact(default=40_000, ge=100, description="Characters of one file, with its imports.")
    claude: bool = fact(default=True, description="Whether CLAUDE.md and the .claude folders are read.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are looked for in each folder."""
        return tuple(name for name in self.files if self.claude or not name.startswith("CLAUDE"))


@dataclass(frozen=True)
class Memory:
    """A memory file, read: `text` with its imports, cut to the limit; `imports` says what came in with it."""

    path: Path
    memory_type: str
    text: str
    imports: tuple[Import, ...] = ()

    @property
    def shown(self) -> str:
        """The text under a heading that names the file."""
        return f"# {self.path} ({KIND[self.memory_type]})\n\n{self.text}"


@dataclass
class Reader:
    """Reads memory files, none of them twice; what cannot be read costs only itself and a notice."""

    settings: MemorySettings
    root: Path
    trusted: bool = True
    seen: set[str] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    _texts: set[str] = field(default_factory=set)

    def session_files(self, cwd: Path) -> list[Memory]:
        """Return what counts for a whole session: the user's files, then each folder's from the root to *cwd*."""
        folders = folders_between(self.root, cwd)
        return self.read([*self._user_files(), *(file for folder in folders for file in self._in(folder))])

    def nested_files(self, touched: Path, cwd: Path) -> list[Memory]:
        """Return what counts for a file below the root, beyond what the session has from the way to *cwd*."""
        known = set(folders_between(self.root, cwd))
        folders = [folder for folder in folders_between(self.root, touched.parent) if folder not in known]
        return self.read(file for folder in folders for file in self._in(folder))

    def read(self, candidates: Iterable[tuple[Path, str]]) -> list[Memory]:
        """Read those of the candidates that exist and say something new."""
        memories = []
        for path, memory_type in candidates:
            text = self._load(path, memory_type)
            if text is None or not text.strip() or text.strip() in self._texts:
                continue
            self._texts.add(text.strip())
            full, imports = expand(text, path, partial(self._load, memory_type=memory_type, imported=True))
            memories.append(Memory(path, memory_type, self._cut(full.strip(), path), tuple(imports)))
        return memories

    # which there are

    def _user_files(self) -> Iterator[tuple[Path, str]]:
        if self.settings.claude:
            yield Path.home() / ".claude" / "CLAUDE.md", USER
        yield user_folder() / "AGENTS.md", USER

    def _in(self, folder: Path) -> Iterator[tuple[Path, str]]:
        for name in self.settings.names:
            yield folder / name, PROJECT
        if self.settings.claude:
            yield folder / ".claude" / "CLAUDE.md", PROJECT
            yield folder / "CLAUDE.local.md", LOCAL

    # what they say

    def _load(self, path: Path, memory_type: str, *, imported: bool = False) -> str | None:
        """Return a file's text the first time it is asked for; None for what is not there or may not be read."""
        try:
            # A pipe or a device would keep us waiting for ever.
            if not stat.S_ISREG(os.stat(path).st_mode):
                return None
        except (OSError, ValueError):
            return None
        real = os.path.realpath(path)
        if real in self.seen:
            return None
        if memory_type != USER and not self._may_read(real):
            self.seen.add(real)
            how = "is imported from" if imported else "leads"
            self.notices.append(f"{path} {how} outside the project and was left out; name it in your own memory file")
            return None
        self.seen.add(real)
        limit = self.settings.max_characters * 4 + 4
        try:
            with open(real, "rb") as file:
                raw = file.read(limit + 1)
            text = raw[:limit].decode("utf-8-sig", errors="strict") if len(raw) <= limit else _decode_part(raw[:limit])
        except OSError as wrong:
            self.notices.append(f"{path} cannot be read and was left out: {wrong.strerror}")
            return None
        except UnicodeDecodeError as wrong:
            self.notices.append(f"{path} is not UTF-8 and was left out: {wrong.reason} at byte {wrong.start}")
            return None
        return text.replace("\r\n", "\n")

    def _may_read(self, real: str) -> bool:
        """Whether a project's file may bring this in: what lies in the project, and, where the folder is trusted,
        Markdown from the user's own instruction folders. Else a repository could send any file to the model."""
        if _inside(real, self.root):
            return True
        own = (Path.home() / ".claude", user_folder())
        return self.trusted and real.endswith(".md") and any(_inside(real, folder) for folder in own)

    def _cut(self, text: str, path: Path) -> str:
        limit = self.settings.max_characters
        if len(text) <= limit:
            return text
        self.notices.append(
            f"{path} has, with its imports, more than {limit:,} characters; the model was given the first {limit:,}. "
            f"Shorten it, or raise project_memory.max_characters."
        )
        return f"{text[:limit]}\n\n[cut here: {path} goes on; only its first {limit:,} characters are shown]"


def user_folder() -> Path:
    """Return the folder of the user's own Pegboard files."""
    own = os.environ.get("PEGBOARD_CONFIG_DIR")
    return Path(own) if own else Path.home() / ".config" / "pegboard"


def project_root(project: Path) -> Path:
    """Return the root of the repository that *project* lies in, or *project* where there is none."""
    for folder in (project, *project.parents):
        if (folder / ".git").exists():
            return folder
    return project


def folders_between(root: Path, folder: Path) -> list[Path]:
    """Return the folders from *root* down to *folder*, both included; the root alone if it lies elsewhere."""
    if folder != root and root not in folder.parents:
        return [root]
    down = [folder, *(parent for parent in folder.parents if parent == root or root in parent.parents)]
    return list(reversed(down))


def _inside(real: str, folder: Path) -> bool:
    base = os.path.realpath(folder)
    return real == base or real.startswith(base.rstrip("/") + "/")


def _decode_part(raw: bytes) -> str:
    """Decode the beginning of a file: a character that is cut in the middle is left out, not an error."""
    import codecs

    return codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
