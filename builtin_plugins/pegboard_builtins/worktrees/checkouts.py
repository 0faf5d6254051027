"""git's worktrees: one is added on a branch of its own, looked at, and removed when nothing is lost by it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pegboard.errors import PegboardError

SECONDS = 1500.0
SAFELY = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit")
"""No program of the repository's own is started when it is only looked at or checked out."""
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


class Git:
    """git in one folder. Filters that the repository's own settings name are run only if *filters* says so."""

    def __init__(self, folder: Path, *, filters: bool) -> None:
        self._folder = folder
        self._safely: tuple[str, ...] = SAFELY
        self._left_out = () if filters else tuple(self._own_filters())
        for key in self._left_out:
            self._safely += ("-c", f"{key}={'false' if key.endswith('.required') else ''}")

    def add(self, place: Path, name: str) -> Checkout:
        """Return the worktree *place* of the repository, made unless it is there. Raises GitError."""
        none = f"{self._folder} is no git repository, and no WorktreeCreate hook makes one"
        top = self._asked("rev-parse", "--show-toplevel", otherwise=none)
        self._asked("rev-parse", "--verify", "--quiet", "HEAD^{commit}", otherwise=f"{top} has no commit yet")
        inside = self._run("rev-parse", "--show-prefix").strip("\n")
        branch = BRANCH + name
        existed = self._is_one(place)
        if not existed and self._left_out:
            raise GitError(
                f"the settings of {top} itself name a program that runs when files are checked out "
                f"({self._left_out[0]}); if it is yours, say `filters = true` under [worktrees] in your own settings"
            )
        if not existed:
            self._run("worktree", "prune")
            known = self._run("branch", "--list", "--format=%(refname)", branch).strip()
            how = [str(place), branch] if known else ["-b", branch, str(place)]
            self._run("worktree", "add", "--quiet", *how)
        within = place / inside
        if not within.is_dir():
            raise GitError(f"{inside} is not in the last commit of {top}: commit it, or start in {top}")
        return Checkout(place, Path(os.path.normpath(within)), self._branch(place), existed, self._changes())

    def content(self) -> str:
        """Say what would be lost with a worktree; empty if nothing would. Raises GitError where it is none of git's."""
        changed, branch = self._changes(), self._branch()
        # Commits that no other branch, no tag and nobody else's repository has.
        others = ["--not", f"--exclude={branch}", "--branches", "--tags", "--remotes"]
        commits = int(self._run("rev-list", "--count", "HEAD", *others).strip() or 0)
        counts = ((changed, "changed file"), (commits, "new commit"))
        has = [f"{count} {what}{'s' if count > 1 else ''}" for count, what in counts if count]
        return f"{' and '.join(has)}, on the branch {branch}" if has else ""

    def remove(self, place: Path) -> None:
        """Take away a worktree and its branch. Raises GitError, also where something in it is changed."""
        branch = self._branch(place)
        self._run("worktree", "remove", str(place))
        if branch.startswith(BRANCH):
            self._run("branch", "--quiet", "-D", branch)

    def _is_one(self, place: Path) -> bool:
        if not place.exists():
            return False
        listed = self._run("worktree", "list", "--porcelain", "-z").split("\0")
        if f"worktree {os.path.realpath(place)}" in listed:
            return True
        raise GitError(f"{place} exists, and is no worktree of this repository: take it away, or choose another name")

    def _branch(self, place: Path | None = None) -> str:
        return self._run("rev-parse", "--abbrev-ref", "HEAD", at=place).strip()

    def _changes(self) -> int:
        status = self._run("status", "--porcelain", "-z", "--no-renames")
        return sum(1 for line in status.split("\0") if line)

    def _own_filters(self) -> Iterator[str]:
        try:
            said = self._run("config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\.")
        except GitError:  # there are none, or this is no repository
            return
        words = iter(said.split("\0"))
        for scope, key in zip(words, words, strict=False):
            if scope not in ("system", "global"):
                yield key

    def _asked(self, *words: str, otherwise: str) -> str:
        try:
            return self._run(*words).strip("\n")
        except GitError as error:
            if "not installed" in str(error):
                raise
            raise GitError(otherwise) from None

    def _run(self, *words: str, at: Path | None = None) -> str:
        """Run git and return what it prints. Raises GitError."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(
                ["git", *self._safely, *words],
                cwd=at or self._folder,
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
