"""git's worktrees: one is added on a branch of its own, looked at, and removed when nothing is lost by it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pegboard.errors import PegboardError

SECONDS = 1500.0
SAFELY = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit")
"""A repository's own settings start no program when it is only looked at or checked out."""
BRANCH = "worktree-"


class GitError(PegboardError):
    """A worktree cannot be had."""


@dataclass(frozen=True)
class Checkout:
    """A worktree: its root, and `within` it the folder that the session worked in.

    `left_behind` counts files that are changed where it was made from.
    """

    folder: Path
    within: Path
    branch: str
    existed: bool
    left_behind: int


def add(origin: Path, folder: Path, name: str) -> Checkout:
    """Return the worktree *folder* of the repository around *origin*, made unless it is there. Raises GitError."""
    none = f"{origin} is no git repository, and no WorktreeCreate hook makes one"
    top = _asked(origin, "rev-parse", "--show-toplevel", otherwise=none)
    _asked(origin, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", otherwise=f"{top} has no commit yet")
    inside = _git(origin, "rev-parse", "--show-prefix").strip("\n")
    branch = BRANCH + name
    existed = _is_one(origin, folder)
    if not existed:
        _git(origin, "worktree", "prune")
        known = _git(origin, "branch", "--list", "--format=%(refname)", branch).strip()
        _git(origin, "worktree", "add", "--quiet", *([str(folder), branch] if known else ["-b", branch, str(folder)]))
    within = folder / inside
    if not within.is_dir():
        raise GitError(f"{inside} is not in the last commit of {top}: commit it, or start in {top}")
    at = _git(folder, "rev-parse", "--abbrev-ref", "HEAD").strip()
    return Checkout(folder, Path(os.path.normpath(within)), at, existed, len(_changes(origin)))


def _is_one(origin: Path, folder: Path) -> bool:
    if not folder.exists():
        return False
    listed = _git(origin, "worktree", "list", "--porcelain", "-z").split("\0")
    if f"worktree {os.path.realpath(folder)}" in listed:
        return True
    raise GitError(f"{folder} exists, and is no worktree of this repository: take it away, or choose another name")


def content_of(folder: Path) -> str:
    """Say what would be lost with a worktree; empty if nothing would. Raises GitError where it is none of git's."""
    changed = _changes(folder)
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD").strip()
    # Commits that no other branch, no tag and nobody else's repository has.
    others = ["--not", f"--exclude={branch}", "--branches", "--tags", "--remotes"]
    commits = int(_git(folder, "rev-list", "--count", "HEAD", *others).strip() or 0)
    counts = ((len(changed), "changed file"), (commits, "new commit"))
    has = [f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count]
    return f"{' and '.join(has)}, on the branch {branch}" if has else ""


def remove(folder: Path, origin: Path) -> None:
    """Take away a worktree that has nothing in it, and its branch. Raises GitError, and git refuses where it has."""
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD").strip()
    _git(origin, "worktree", "remove", str(folder))
    if branch.startswith(BRANCH):
        _git(origin, "branch", "--quiet", "-D", branch)


def _changes(folder: Path) -> list[str]:
    return [line for line in _git(folder, "status", "--porcelain", "-z", "--no-renames").split("\0") if line]


def _asked(folder: Path, *words: str, otherwise: str) -> str:
    try:
        return _git(folder, *words).strip("\n")
    except GitError as error:
        if "not installed" in str(error):
            raise
        raise GitError(otherwise) from None


def _git(folder: Path, *words: str) -> str:
    """Run git in *folder* and return what it prints. Raises GitError."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *SAFELY, *words],
            cwd=folder,
            env={**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {words[0]} took longer than {SECONDS:g} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise GitError(f"git {' '.join(words[:2])} failed: {said or done.returncode}")
    return done.stdout.decode(errors="surrogateescape")
