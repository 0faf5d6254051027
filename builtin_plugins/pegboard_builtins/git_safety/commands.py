"""Which git commands destroy what nobody can bring back, and what to do instead.

A safety net, not a wall: the words are read as a shell would read them, as far as that can be done without running
anything. What hides in a script or behind a variable is not seen; the checkpoint before it is there all the same.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pegboard import shell

DEPTH = 4
_PREFIXES = frozenset({"exec", "builtin", "command", "time"})
_WRAPPERS = {"sudo": "-u", "env": "-u", "nice": "-n", "timeout": "-k", "nohup": "", "stdbuf": "-o", "xargs": "-I",
             "setsid": "", "doas": "-u"}  # fmt: skip
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh"})
_WITH_VALUE = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"})


class Danger(NamedTuple):
    """A command that destroys something: `kind` is a key of `consent.ASKED`, `instead` the way that can be undone."""

    kind: str
    what: str
    instead: str


class GitCommand(NamedTuple):
    """One call of git: its verb with all that follows, and the folder in which it happens."""

    verb: str
    words: tuple[str, ...]
    folder: Path

    def has(self, *options: str) -> bool:
        """Whether one of the options is given, a short one also among others (`-fd`)."""
        for word in self.words:
            if word == "--":
                return False
            name = word.partition("=")[0]
            for option in options:
                if option.startswith("--"):
                    if name == option:
                        return True
                elif re.fullmatch(r"-[A-Za-z]+", word) and option[1] in word:
                    return True
        return False

    @property
    def plain(self) -> list[str]:
        """The words that are no options, as far as that can be told."""
        return [word for word in self.words if not word.startswith("-") or word == "-"]


def dangers(command: str, cwd: Path) -> Iterator[Danger]:
    """Go through what a shell command would destroy."""
    for words, folder in simple_commands(command, cwd):
        if words[0] == "rm" and any(_is_git_folder(word) for word in words[1:]):
            yield Danger("delete", "deletes a repository with all its history", "move it away: mv .git ../git-backup")
        call = git_command(words, folder)
        if call is not None:
            judge = _JUDGES.get(call.verb)
            found = judge(call) if judge else None
            if found is not None:
                yield found


def _is_git_folder(word: str) -> bool:
    return word.rstrip("/").rpartition("/")[2] == ".git"


def git_command(words: list[str], folder: Path) -> GitCommand | None:
    """Return what a call of git does, without git's own options; None for any other program."""
    if words[0].rpartition("/")[2] != "git":
        return None
    at = 1
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-C" and at + 1 < len(words):
            folder = folder / Path(words[at + 1]).expanduser()
        at += 2 if words[at] in _WITH_VALUE else 1
    return GitCommand(words[at], tuple(words[at + 1 :]), folder) if at < len(words) else None


# --- reading a shell command ------------------------------------------------------------------------------------


def simple_commands(command: str, cwd: Path, *, depth: int = 0) -> Iterator[tuple[list[str], Path]]:
    """Go through the simple commands, each with the folder in which it runs."""
    if depth > DEPTH:
        return
    folder = cwd
    for simple in shell.read(command, depth=depth).commands:
        words = _unwrapped([word.text for word in simple.words])
        if not words:
            continue
        if words[0] == "cd" and len(words) == 2:
            folder = folder / Path(words[1]).expanduser()
            continue
        name = words[0].rpartition("/")[2]
        script = _script(words) if name in _SHELLS or name == "eval" else None
        if script is not None:
            yield from simple_commands(script, folder, depth=depth + 1)
        else:
            yield words, folder


def _unwrapped(words: list[str]) -> list[str]:
    """Take away assignments and programs that run another one."""
    while words:
        name = words[0].rpartition("/")[2]
        if re.match(r"[A-Za-z_]\w*=", words[0]) or name in _PREFIXES:
            words = words[1:]
        elif name in _WRAPPERS:
            words = words[1:]
            while words and (words[0].startswith("-") or re.fullmatch(r"[\d.]+[smhd]?", words[0])):
                words = words[2 if words[0] == _WRAPPERS[name] else 1 :]
        else:
            break
    return words


def _script(words: list[str]) -> str | None:
    if words[0] == "eval":
        return " ".join(words[1:])
    for at, word in enumerate(words[1:], 1):
        if re.fullmatch(r"-[a-z]*c[a-z]*", word) and at + 1 < len(words):
            return words[at + 1]
    return None


# --- what destroys ----------------------------------------------------------------------------------------------


def _push(call: GitCommand) -> Danger | None:
    refs = call.plain[1:]
    if call.has("--delete", "-d", "--prune", "--mirror") or any(ref.startswith(":") for ref in refs):
        return Danger(
            "push-delete", "deletes branches or tags of the remote", "leave them, and tell the user which ones"
        )
    if call.has("--force", "-f", "--force-with-lease", "--force-if-includes") or any(
        ref.startswith("+") for ref in refs
    ):
        return Danger(
            "force-push",
            "overwrites commits of the remote",
            "push to a new branch (git push origin HEAD:refs/heads/NEW), or merge what the remote has first",
        )
    return None


def _reset(call: GitCommand) -> Danger | None:
    if not call.has("--hard"):
        return None
    return Danger(
        "reset-hard",
        "throws away changes that are not committed",
        "git stash push --include-untracked first (git stash pop brings them back), then git reset --keep",
    )


def _clean(call: GitCommand) -> Danger | None:
    if not call.has("-f", "--force") or call.has("-n", "--dry-run"):
        return None
    return Danger(
        "clean",
        "deletes untracked files, which git cannot bring back",
        "git clean -n shows them; git stash push --include-untracked puts them away",
    )


def _branch(call: GitCommand) -> Danger | None:
    deletes = call.has("-d", "--delete")
    if call.has("-D") or (deletes and call.has("-f", "--force")):
        return Danger(
            "branch-delete",
            "deletes a branch whose commits may be nowhere else",
            "git branch -d deletes merged branches only; or keep its end: git tag backup/NAME NAME",
        )
    if call.has("-M", "-C") or (not deletes and call.has("-f", "--force")):
        return Danger(
            "branch-move", "moves a branch away from its commits", "git branch backup/NAME NAME first, without -f"
        )
    return None


def _checkout(call: GitCommand) -> Danger | None:
    if call.has("-b", "-B", "--orphan") and not call.has("-f", "--force"):
        return None
    over_files = "--" in call.words or "." in call.plain or call.has("-f", "--force", "--discard-changes", "--ours")
    over_files = over_files or (call.verb == "checkout" and any(_is_file(call, word) for word in call.plain))
    return _discards(call) if over_files else None


def _restore(call: GitCommand) -> Danger | None:
    if call.has("--staged", "-S") and not call.has("--worktree", "-W"):
        return None
    return _discards(call)


def _is_file(call: GitCommand, word: str) -> bool:
    """A word may be a branch or a file; git takes it for a branch if there is one."""
    try:
        here = (call.folder / word).exists()
    except (OSError, ValueError):
        return False
    return here and _asked(call, "rev-parse", "--quiet", "--verify", f"{word}^{{commit}}") is None


def _discards(call: GitCommand) -> Danger | None:
    """Only where there is something to lose; in doubt there is."""
    if _asked(call, "status", "--porcelain", "--untracked-files=no") == "":
        return None
    return Danger(
        "discard",
        "overwrites changes that are not committed",
        "git stash push -- PATHS puts them away (git stash pop brings them back), or git diff > FILE keeps them",
    )


def _rebase(call: GitCommand) -> Danger | None:
    if call.has("--abort", "--continue", "--skip", "--quit", "--edit-todo", "--show-current-patch"):
        return None
    base = call.plain[0] if call.plain else "@{upstream}"
    return _rewrites(call, f"{base}..HEAD", "rebases commits that are pushed", "git merge keeps them as they are")


def _commit(call: GitCommand) -> Danger | None:
    if not call.has("--amend"):
        return None
    return _rewrites(call, "HEAD^..HEAD", "rewrites a commit that is pushed", "make another commit, or git revert")


def _rewrites(call: GitCommand, span: str, what: str, instead: str) -> Danger | None:
    """Whether one of the commits that would be made anew is known to a remote."""
    every = _asked(call, "rev-list", "--count", span)
    if every is None and span.startswith("HEAD^"):
        every, span = "1", "HEAD"
    own = _asked(call, "rev-list", "--count", span, "--not", "--remotes")
    if every is None or own is None or every.strip() == own.strip() or (span == "HEAD" and own.strip() != "0"):
        return None
    return Danger("rewrite", what, f"{instead}; or work on a copy: git switch -c NEW")


def _history(call: GitCommand) -> Danger | None:
    return Danger(
        "rewrite", "rewrites the history", "work on a copy: git clone . ../copy, and show the user the result"
    )


def _stash(call: GitCommand) -> Danger | None:
    if not call.words or call.words[0] not in ("drop", "clear"):
        return None
    return Danger("stash-drop", "throws stashed changes away", "git stash apply keeps them; git stash branch NAME, too")


def _tag(call: GitCommand) -> Danger | None:
    if call.has("-f", "--force"):
        return Danger("tag-move", "moves a tag that others may use", "make a tag of another name")
    return None


def _reflog(call: GitCommand) -> Danger | None:
    if call.words and call.words[0] in ("expire", "delete"):
        return Danger(
            "rewrite", "takes away the way back to older commits", "leave the reflog: git gc cleans up by itself"
        )
    return None


def _gc(call: GitCommand) -> Danger | None:
    prune = [word for word in call.words if word.startswith("--prune=")]
    if (prune and prune[0] not in ("--prune=2.weeks.ago",)) or call.verb == "prune":
        return Danger(
            "rewrite", "deletes commits that nothing names any more", "git gc without --prune keeps two weeks"
        )
    return None


def _update_ref(call: GitCommand) -> Danger | None:
    return (
        Danger("branch-delete", "deletes a name of commits", "git tag backup/NAME REF first")
        if call.has("-d")
        else None
    )


def _worktree(call: GitCommand) -> Danger | None:
    if call.plain[:1] == ["remove"] and call.has("-f", "--force"):
        return Danger(
            "discard", "deletes a work tree with what is not committed in it", "git worktree remove without --force"
        )
    return None


def _asked(call: GitCommand, *words: str) -> str | None:
    """Ask git about the repository, without changing anything; None if it cannot say."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words],
            cwd=call.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=3.0,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


_JUDGES: dict[str, Callable[[GitCommand], Danger | None]] = {
    "push": _push,
    "reset": _reset,
    "clean": _clean,
    "branch": _branch,
    "checkout": _checkout,
    "switch": _checkout,
    "restore": _restore,
    "rebase": _rebase,
    "commit": _commit,
    "filter-branch": _history,
    "filter-repo": _history,
    "stash": _stash,
    "tag": _tag,
    "reflog": _reflog,
    "gc": _gc,
    "prune": _gc,
    "update-ref": _update_ref,
    "worktree": _worktree,
}
