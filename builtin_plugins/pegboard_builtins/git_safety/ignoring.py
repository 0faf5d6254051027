"""Which names the rules of a checkpoint ignore, whatever rules lie in the folder now."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pegboard_builtins.git_safety.manifest import Manifest, Part, read_name
from pegboard_builtins.git_safety.plumbing import Git

RULES = ".gitignore"
LINK = "120000"


def ignored_by(git: Git, manifest: Manifest, names: Collection[str]) -> set[str]:
    """Return those of *names* that the checkpoint's own rules ignore."""
    found: set[str] = set()
    for part in manifest.parts if names else ():
        prefix = read_name(part.path)
        inside = [name[len(prefix) :] for name in names if name.startswith(prefix)]
        found |= {prefix + name for name in ignored_in(git, part, inside)} if inside else set()
    return found


def ignored_in(git: Git, part: Part, names: Iterable[str]) -> list[str]:
    """Ask git, in a folder that has the .gitignore files of this part and nothing else."""
    rules = [(blob, name) for kind, blob, name in files_in(git, part.tree)
             if name.rpartition("/")[2] == RULES and kind != LINK]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="pegboard-rules-") as folder:
        for (_, name), text in zip(rules, git.blobs([blob for blob, _ in rules]), strict=True):
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        given = b"".join(os.fsencode(name) + b"\0" for name in names)
        found = git.run("check-ignore", "-z", "--stdin", "--no-index", tree=Path(folder),
                        index=Path(folder) / ".none", given=given, fine=(0, 1))  # fmt: skip
    return [os.fsdecode(name) for name in found.split(b"\0") if name]


def files_in(git: Git, tree: str) -> Iterator[tuple[str, str, str]]:
    """Go through the files of a tree: git's mode, the content's id, the name."""
    for entry in git.names("ls-tree", "-r", "-z", "--full-tree", tree):
        head, _, name = entry.partition("\t")
        kind, _, blob = head.split()
        yield kind, blob, name
