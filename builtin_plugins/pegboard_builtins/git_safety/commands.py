"""Which git commands destroy what nobody can bring back, and what to do instead.

A safety net, not a wall: the words are read as a shell would read them, as far as that can be done without running
anything, aliases included. What hides in a script file or behind a variable from elsewhere is not seen; the checkpoint
before it is there all the same. Nor is it an alarm: where nothing is lost a command passes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from os.path import normpath
from pathlib import Path
from typing import NamedTuple

from pegboard_builtins.git_safety.calls import GitCommand, Run, git_commands, runs_of

_HISTORY = re.compile(r"(?:^|/)\.git(?:$|/(?:\*|objects|refs|logs|packed-refs)(?:/|$))")
"""A repository, or what of it holds its commits and their names; not a lock or a hook."""


class Danger(NamedTuple):
    """A command that destroys something: `kind` is a key of `consent.ASKED`, `instead` the way that can be undone."""

    kind: str
    what: str
    instead: str


def dangers(command: str, cwd: Path) -> Iterator[Danger]:
    """Go through what a shell command would destroy, each thing once."""
    yield from dict.fromkeys(_all_dangers(command, cwd))


def _all_dangers(command: str, cwd: Path) -> Iterator[Danger]:
    waiting = list(runs_of(command, cwd))
    for run in waiting:
        if run.words[0].rpartition("/")[2] in ("rm", "rmdir", "unlink", "shred") and any(
            _HISTORY.search(normpath(word)) for word in run.words[1:]
        ):
            yield Danger("delete", "deletes a repository with all its history", "move it away: mv .git ../git-backup")
        for found in git_commands(run):
            if isinstance(found, Run):
                waiting.append(found)
                continue
            judge = _JUDGES.get(found.verb)
            danger = judge(found) if judge else None
            if danger is not None:
                yield danger


# --- what destroys ----------------------------------------------------------------------------------------------


def _push(call: GitCommand) -> Danger | None:
    refs = call.plain[1:]
    if call.has("--delete", "-d", "--prune", "--mirror") or any(ref.startswith(":") and ref != ":" for ref in refs):
        return Danger(
            "push-delete", "deletes branches or tags of the remote", "leave them, and tell the user which ones"
        )
    forced = call.has("--force", "-f", "--force-with-lease", "--force-if-includes")
    if forced or any(ref.startswith("+") for ref in refs) or (not refs and _forces_by_itself(call)):
        return Danger(
            "force-push",
            "overwrites commits of the remote",
            "push to a new branch (git push origin HEAD:refs/heads/NEW), or merge what the remote has first",
        )
    return None


def _forces_by_itself(call: GitCommand) -> bool:
    """Whether the settings make a push without refs one that overwrites."""
    said = call.configured("--get-regexp", r"^remote\..*\.(push|mirror)$").splitlines()
    return any(re.search(r"\.push \+|\.mirror (?:true|yes|on|1)?$", line) for line in said)


def _fetch(call: GitCommand) -> Danger | None:
    forced = call.has("-f", "--force")
    for ref in call.plain[1:]:
        target = ref.partition(":")[2].removeprefix("refs/heads/")
        if (forced or ref.startswith("+")) and target and not target.startswith("refs/"):
            return _moves(call, f"refs/heads/{target}") if "*" not in target else _BRANCH_MOVE
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
    if call.has("-n", "--dry-run"):
        return None
    if not call.has("-f", "--force") and call.configured("--type=bool", "clean.requireForce").strip() != "false":
        return None
    return Danger(
        "clean",
        "deletes untracked files, which git cannot bring back",
        "git clean -n shows them; git stash push --include-untracked puts them away",
    )


_BRANCH_MOVE = Danger(
    "branch-move", "moves a branch away from its commits", "git branch backup/NAME NAME first, without -f"
)


def _moves(call: GitCommand, ref: str) -> Danger | None:
    """A branch that is not there yet can be moved away from nothing."""
    return _BRANCH_MOVE if call.exists(ref) else None


def _branch(call: GitCommand) -> Danger | None:
    if call.has("-r", "--remotes"):
        return None  # the next fetch brings them back
    deletes, forced = call.has("-d", "--delete"), call.has("-f", "--force")
    if call.has("-D") or (deletes and forced):
        return Danger(
            "branch-delete",
            "deletes a branch whose commits may be nowhere else",
            "git branch -d deletes merged branches only; or keep its end: git tag backup/NAME NAME",
        )
    names = call.without("-u", "--set-upstream-to")
    if call.has("-M", "-C") or (forced and call.has("-m", "-c", "--move", "--copy")):
        current = (call.asked("symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()
        return _moves(call, f"refs/heads/{names[-1]}") if names and names != [current] else None
    return _moves(call, f"refs/heads/{names[0]}") if forced and not deletes and names else None


def _checkout(call: GitCommand) -> Danger | None:
    switches = call.verb == "switch"
    forced = call.has("-f", "--force", "--discard-changes")
    anew = call.has("-C", "--force-create") if switches else call.has("-B")
    names = call.without("--conflict", "--pathspec-from-file")
    if anew and names and not forced:
        start = names[1] if len(names) > 1 else "HEAD"
        lost = call.asked("rev-list", "--count", f"refs/heads/{names[0]}", "--not", start)
        return None if (lost or "").strip() == "0" else _moves(call, f"refs/heads/{names[0]}")
    if forced:
        return _discards(call, [], with_new=True)
    if switches or call.has("-b", "--orphan"):
        return None
    paths, from_elsewhere = _paths_of_checkout(call, names)
    return _discards(call, paths, with_new=from_elsewhere) if paths else None


def _paths_of_checkout(call: GitCommand, names: Sequence[str]) -> tuple[list[str], bool]:
    """Return the paths that are checked out, and whether they come from a commit: then they may be new here."""
    if call.has("--pathspec-from-file"):
        return ["."], True
    if "--" in call.words:
        at = call.words.index("--")
        return list(call.words[at + 1 :]), any(not word.startswith("-") for word in call.words[:at])
    if not names:
        return [], False
    if call.is_commit(names[0]):  # git takes a word for a commit if there is one, and those behind it for paths
        return list(names[1:]), True
    first = names[0]
    is_path = len(names) > 1 or first.startswith(":") or re.search(r"[*?[]", first) or _is_there(call, first)
    return (list(names), False) if is_path else ([], False)


def _is_there(call: GitCommand, word: str) -> bool:
    try:
        return (call.folder / word).exists() or bool(call.asked("ls-files", "--", word))
    except (OSError, ValueError):
        return False


def _restore(call: GitCommand) -> Danger | None:
    if call.has("--staged", "-S") and not call.has("--worktree", "-W"):
        return None
    paths = [word for word in call.without("-s", "--source", "--pathspec-from-file", "--conflict") if word != "--"]
    if "--" in call.words:
        paths = list(call.words[call.words.index("--") + 1 :])
    return _discards(call, paths, with_new=call.has("-s", "--source"))


def _discards(call: GitCommand, paths: Sequence[str], *, with_new: bool = False) -> Danger | None:
    """Only where there is something to lose; in doubt there is. *with_new*: untracked files can be lost, too."""
    untracked = "--untracked-files=all" if with_new else "--untracked-files=no"
    if call.asked("status", "--porcelain", untracked, "--", *paths) == "":
        return None
    return Danger(
        "discard",
        "overwrites changes that are not committed",
        "git stash push -- PATHS puts them away (git stash pop brings them back), or git diff > FILE keeps them",
    )


def _remove(call: GitCommand) -> Danger | None:
    if not call.has("-f", "--force") or call.has("--cached", "-n", "--dry-run"):
        return None
    return _discards(call, [word for word in call.plain if word != "--"])


def _read_tree(call: GitCommand) -> Danger | None:
    return _discards(call, []) if call.has("--reset") and call.has("-u") else None


def _checkout_index(call: GitCommand) -> Danger | None:
    return _discards(call, []) if call.has("-f", "--force") else None


def _submodule(call: GitCommand) -> Danger | None:
    if call.plain[:1] in (["update"], ["deinit"]) and call.has("-f", "--force"):
        return Danger(
            "discard",
            "overwrites changes in submodules that are not committed",
            "git submodule foreach git stash push --include-untracked first, or the same without --force",
        )
    return None


def _rebase(call: GitCommand) -> Danger | None:
    if call.has("--abort", "--continue", "--skip", "--quit", "--edit-todo", "--show-current-patch"):
        return None
    names = call.without("-x", "--exec", "-s", "--strategy", "-X", "--strategy-option", "--onto", "-C", "--whitespace")
    base = "" if call.has("--root") else f"{names.pop(0) if names else '@{upstream}'}.."
    span = base + (names[0] if names else "HEAD")
    return _rewrites(call, span, "rebases commits that are pushed", "git merge keeps them as they are")


def _commit(call: GitCommand) -> Danger | None:
    if not call.has("--amend"):
        return None
    span = "HEAD^..HEAD" if call.is_commit("HEAD^") else "HEAD"
    return _rewrites(call, span, "rewrites a commit that is pushed", "make another commit, or git revert")


def _rewrites(call: GitCommand, span: str, what: str, instead: str) -> Danger | None:
    """Whether one of the commits that would be made anew is known to a remote."""
    every = call.asked("rev-list", "--count", span)
    own = call.asked("rev-list", "--count", span, "--not", "--remotes")
    if every == own and not call.elsewhere:
        return None  # none is; or there are none
    return Danger("rewrite", what, f"{instead}; or work on a copy: git switch -c NEW")


def _history(call: GitCommand) -> Danger | None:
    return Danger(
        "rewrite", "rewrites the history", "work on a copy: git clone . ../copy, and show the user the result"
    )


def _stash(call: GitCommand) -> Danger | None:
    if call.plain[:1] not in (["drop"], ["clear"]):
        return None
    return Danger("stash-drop", "throws stashed changes away", "git stash apply keeps them; git stash branch NAME, too")


def _tag(call: GitCommand) -> Danger | None:
    names = call.without("-m", "--message", "-F", "--file", "-u", "--local-user")
    if call.has("-d", "--delete"):
        lost = [name for name in names if _only_this_names_it(call, f"refs/tags/{name}")]
        return Danger("tag-delete", "deletes the only name of commits", "git branch NAME TAG first") if lost else None
    if call.has("-f", "--force") and any(call.exists(f"refs/tags/{name}") for name in names):
        return Danger("tag-move", "moves a tag that others may use", "make a tag of another name")
    return None


def _only_this_names_it(call: GitCommand, ref: str) -> bool:
    lost = call.asked("rev-list", "--count", ref, "--not", "--branches", "--remotes")
    return call.elsewhere or (lost is not None and lost.strip() != "0")


def _reflog(call: GitCommand) -> Danger | None:
    if call.plain[:1] in (["expire"], ["delete"]) and not call.has("-n", "--dry-run"):
        return Danger(
            "rewrite", "takes away the way back to older commits", "leave the reflog: git gc cleans up by itself"
        )
    return None


def _gc(call: GitCommand) -> Danger | None:
    prunes = [word.partition("=")[2] for word in call.words if re.match(r"--pr[une]*=", word)]
    now = call.verb == "prune" and not call.has("-n", "--dry-run")
    if now or any(when not in ("2.weeks.ago", "never") for when in prunes):
        return Danger(
            "rewrite", "deletes commits that nothing names any more", "git gc without --prune keeps two weeks"
        )
    return None


def _update_ref(call: GitCommand) -> Danger | None:
    if call.has("-d", "--stdin"):
        return Danger("branch-delete", "deletes or moves names of commits", "git tag backup/NAME REF first")
    names = call.without("-m")
    if len(names) > 1 and (names[0] == "HEAD" or names[0].startswith("refs/heads/")):
        return _moves(call, names[0])
    return None


def _worktree(call: GitCommand) -> Danger | None:
    if call.plain[:1] == ["remove"] and call.has("-f", "--force"):
        return Danger(
            "discard", "deletes a work tree with what is not committed in it", "git worktree remove without --force"
        )
    return None


_JUDGES: dict[str, Callable[[GitCommand], Danger | None]] = {
    "push": _push,
    "send-pack": _push,
    "fetch": _fetch,
    "pull": _fetch,
    "reset": _reset,
    "clean": _clean,
    "branch": _branch,
    "checkout": _checkout,
    "switch": _checkout,
    "restore": _restore,
    "rm": _remove,
    "read-tree": _read_tree,
    "checkout-index": _checkout_index,
    "submodule": _submodule,
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
