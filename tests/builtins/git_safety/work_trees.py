"""Random work trees: files of all kinds, and what may happen to them."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from pathlib import Path

QUIET = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "someone" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
NAMES = [
    "a",
    "b.py",
    "c d",
    "ü.txt",
    "-x",
    "x\ny",
    "back\\slash",
    "e.log",
    b"\xff.bin".decode("utf-8", "surrogateescape"),
]
FOLDERS = ["", "", "src", "src/deep", "build", "other"]
RULES = "build/\n*.log\n"
ATTRIBUTES = "*.py text eol=crlf\n*.txt text=auto working-tree-encoding=UTF-16\n* ident\n"

State = dict[str, tuple[int, bytes]]


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, env=QUIET, check=True, capture_output=True, text=True).stdout


def content(chance: random.Random) -> bytes:
    return chance.choice(
        [b"", b"x\n", b"a\r\nb\n", b"$Id$\n", bytes(chance.randrange(256) for _ in range(40)), b"y" * 5000]
    )


def put(chance: random.Random, path: Path) -> None:
    """Make a file, a program, a link or nothing where *path* is, whatever stands there or above it."""
    for folder in reversed(path.parents):
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if chance.random() < 0.15:
        path.symlink_to(chance.choice(["a", "../src", "/nowhere", "src"]))
        return
    path.write_bytes(content(chance))
    path.chmod(chance.choice([0o644, 0o644, 0o755, 0o600, 0o664, 0o444, 0o700]))


def a_place(chance: random.Random) -> str:
    return os.path.join(chance.choice(FOLDERS), chance.choice(NAMES))


def make(chance: random.Random, root: Path) -> list[Path]:
    """Make a work tree, most times a repository; return the repositories inside it."""
    root.mkdir()
    if chance.random() < 0.8:
        git(root, "init", "-q")
    for _ in range(chance.randint(0, 12)):
        put(chance, root / a_place(chance))
    if chance.random() < 0.6:
        (root / ".gitignore").write_text(RULES)
    if chance.random() < 0.4:
        (root / ".gitattributes").write_text(ATTRIBUTES)
    if (root / ".git").exists() and chance.random() < 0.7:
        (root / ".gitattributes").unlink(missing_ok=True)
        git(root, "add", "-A")
        git(root, "commit", "-q", "--allow-empty", "-m", "all")
        if chance.random() < 0.5:
            put(chance, root / "src/more.py")
            git(root, "add", "src/more.py")
    nested = []
    for name in ("inner", "src/vendored"):
        folder = root / name
        if chance.random() < 0.3 and not (root / "src").is_symlink() and not (root / "src").is_file():
            folder.mkdir(parents=True)
            git(folder, "init", "-q")
            put(chance, folder / chance.choice(NAMES))
            if chance.random() < 0.5:
                git(folder, "add", "-A")
                git(folder, "commit", "-q", "--allow-empty", "-m", "inner")
            put(chance, folder / "here.txt")
            nested.append(folder)
    return nested


def disturb(chance: random.Random, root: Path, nested: list[Path]) -> None:
    """Let happen what commands do: change, delete, rename, change modes, put one kind in the place of another."""
    for _ in range(chance.randint(1, 10)):
        where = chance.choice([root, root, root, *nested])
        files = [path for path in entries(where) if path.parent.is_dir()]
        what = chance.choice(["put", "delete", "rename", "mode", "folder", "rules"])
        one = chance.choice(files) if files else None
        if what == "put" or one is None:
            put(chance, where / (a_place(chance) if where == root else chance.choice(NAMES)))
        elif what == "delete":
            one.unlink()
        elif what == "rename":
            target = one.with_name(one.name + ".new")
            if not target.exists():
                one.rename(target)
        elif what == "mode" and not one.is_symlink():
            one.chmod(one.stat().st_mode ^ chance.choice([0o111, 0o040, 0o022, 0o200]))
        elif what == "folder" and not ignored(str(one.relative_to(root))):
            one.unlink()
            put(chance, one / "inside")
        elif what == "rules" and where == root and not (root / ".gitignore").is_dir():
            (root / ".gitignore").unlink(missing_ok=True)
            (root / ".gitignore").write_text(chance.choice(["", "src/\n", "*\n", "!e.log\n"]))


def entries(root: Path) -> list[Path]:
    """Return all files and links below *root*, without `.git`."""
    found = []
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = [name for name in folders if name != ".git" and name not in links]
        found += [Path(folder) / name for name in (*files, *links) if name != ".git"]
    return sorted(found)


def state(root: Path) -> State:
    """Return what each file is: its mode, and its content or where it leads."""
    found: State = {}
    for path in entries(root):
        mode = path.lstat().st_mode
        linked = stat.S_ISLNK(mode)
        found[str(path.relative_to(root))] = (
            stat.S_IFLNK if linked else mode,
            os.fsencode(os.readlink(path)) if linked else path.read_bytes(),
        )
    return found


def ignored(name: str) -> bool:
    """Whether RULES leave it out."""
    return name.startswith("build/") or "/build/" in name or name.endswith(".log")


def of_git(root: Path) -> State:
    """Return all that lies in the user's own repositories."""
    found: State = {}
    for path in sorted(root.rglob(".git")):
        for file in sorted(path.rglob("*")):
            if file.is_file():
                found[str(file)] = (file.stat().st_mode, file.read_bytes())
    return found
