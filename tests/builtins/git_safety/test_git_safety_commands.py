"""Which git commands are refused, and when the user has asked for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from work_trees import git

from pegboard_builtins.git_safety import _may_call_git as may_call_git
from pegboard_builtins.git_safety.commands import dangers
from pegboard_builtins.git_safety.consent import asked_for

ALIASES = {"nuke": "reset --hard", "twice": "nuke -q", "outside": "!git push -f origin", "loop": "loop"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits, of which a remote has the first; one file is changed."""
    remote, folder = tmp_path / "remote.git", tmp_path / "project"
    git(tmp_path, "init", "-q", "--bare", str(remote))
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    (folder / "a.txt").write_text("one\n")
    (folder / "b.txt").write_text("one\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "remote", "add", "origin", str(remote))
    git(folder, "push", "-q", "-u", "origin", "main")
    git(folder, "tag", "kept")
    git(folder, "commit", "-q", "--allow-empty", "-m", "lone")
    git(folder, "tag", "lone")
    git(folder, "reset", "-q", "--hard", "HEAD^")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
    for name, does in ALIASES.items():
        git(folder, "config", f"alias.{name}", does)
    (folder / "a.txt").write_text("changed\n")
    return folder


def kinds(command: str, folder: Path) -> list[str]:
    return [danger.kind for danger in dangers(command, folder)]


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("git push --force origin main", "force-push"),
        ("git push origin +main", "force-push"),
        ("git push -uf origin main", "force-push"),
        ("git push --force-with-lease=main", "force-push"),
        ("git push origin :old", "push-delete"),
        ("git push --delete origin old", "push-delete"),
        ("git reset --hard HEAD~1", "reset-hard"),
        ("git -C . -c a=b reset --hard", "reset-hard"),
        ("git --attr-source HEAD reset --hard", "reset-hard"),
        ("git clean -fdx", "clean"),
        ("git branch -D old", "branch-delete"),
        ("git branch --delete --force old", "branch-delete"),
        ("git checkout -- a.txt", "discard"),
        ("git checkout .", "discard"),
        ("git checkout a.txt", "discard"),
        ("git checkout -f main", "discard"),
        ("git switch --discard-changes main", "discard"),
        ("git restore a.txt", "discard"),
        ("git rebase HEAD~1 --onto main", None),
        ("git rebase --root", "rewrite"),
        ("git filter-branch --all", "rewrite"),
        ("git reflog expire --expire=now --all", "rewrite"),
        ("git stash clear", "stash-drop"),
        ("git gc --prune=now", "rewrite"),
        ("git update-ref -d refs/heads/old", "branch-delete"),
        ("rm -rf .git", "delete"),
        ("rm -rf ./.git/", "delete"),
        ("cd /tmp && git clean -f", "clean"),
        ("bash -c 'git reset --hard'", "reset-hard"),
        ("sudo -u me git reset --hard", "reset-hard"),
        ("if true; then git reset --hard; fi", "reset-hard"),
        ("echo $(git reset --hard)", "reset-hard"),
        ("git branch --merged | xargs -n 1 git branch -D", "branch-delete"),
        ("GIT_PAGER=cat git 'reset' \"--hard\"", "reset-hard"),
        ("git status", None),
        ("git push origin main", None),
        ("git reset HEAD~1", None),
        ("git clean -nfd", None),
        ("git branch -d merged", None),
        ("git checkout -b new", None),
        ("git checkout main", None),
        ("git restore --staged a.txt", None),
        ("git commit -m 'no git reset --hard, no git push --force'", None),
        ("echo git push --force", None),
        ("git stash push", None),
        ("rm -rf build/.gitkeep", None),
        ("git commit --amend -m x", None),
    ],
)
def test_what_destroys_is_found(repository: Path, command: str, kind: str | None) -> None:
    assert kinds(command, repository) == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("git reset --har", "reset-hard"),
        ("git push --force-w origin main", "force-push"),
        ("git push --mirr origin", "push-delete"),
        ("git send-pack --force ../remote.git main", "force-push"),
        ("git fetch origin +main:main", "branch-move"),
        ("git fetch --force origin main:main", "branch-move"),
        ("git -c clean.requireForce=false clean -d", "clean"),
        ("git -c remote.origin.push=+refs/heads/*:refs/heads/* push", "force-push"),
        ("git -c remote.origin.mirror=true push", "force-push"),
        ("git checkout '*.txt'", "discard"),
        ("git checkout :/", "discard"),
        ("git checkout HEAD a.txt", "discard"),
        ("git checkout --pathspec-from-file=list", "discard"),
        ("git checkout --theirs a.txt", "discard"),
        ("git restore --source HEAD~1 a.txt", "discard"),
        ("git restore --staged --worktree a.txt", "discard"),
        ("git switch -f main", "discard"),
        ("git rm -f a.txt", "discard"),
        ("git rm -rf .", "discard"),
        ("git checkout-index -f -a", "discard"),
        ("git read-tree --reset -u HEAD", "discard"),
        ("git --git-dir=../other/.git --work-tree=.. checkout .", "discard"),
        ("GIT_DIR=../other/.git git checkout .", "discard"),
        ("export GIT_DIR=../other/.git; git checkout .", "discard"),
        ("git submodule foreach git reset --hard", "reset-hard"),
        ("git submodule foreach --recursive 'git clean -fd'", "clean"),
        ("git submodule foreach git checkout .", "discard"),
        ("git submodule update --init --force", "discard"),
        ("git checkout -B main HEAD~1", "branch-move"),
        ("git switch -C main HEAD~1", "branch-move"),
        ("git update-ref refs/heads/main HEAD~1", "branch-move"),
        ("git update-ref --stdin", "branch-delete"),
        ("git branch -f main HEAD~1", "branch-move"),
        ("git branch -M other main", "branch-move"),
        ("git tag -d lone", "tag-delete"),
        ("git tag -f -m again lone", "tag-move"),
        ("git rebase -x true HEAD~2", None),
        ("git rebase -i --root", "rewrite"),
        ("git worktree remove -f ../tree", "discard"),
        ("git stash -q drop", "stash-drop"),
        ("rm -rf .git/*", "delete"),
        ("rm -rf .git/objects .git/refs", "delete"),
        ("rm -r ../project//.git/.", "delete"),
        # What runs it
        ("timeout -s KILL 5 git reset --hard", "reset-hard"),
        ("nice -n 5 ionice -c 2 git reset --hard", "reset-hard"),
        ("env -u HOME -C . git reset --hard", "reset-hard"),
        ("env -S 'git reset --hard'", "reset-hard"),
        ("find . -name .git -execdir git reset --hard \\;", "reset-hard"),
        ("flock lock git reset --hard", "reset-hard"),
        ("bash <<< 'git reset --hard'", "reset-hard"),
        ("bash <<'END'\ngit reset --hard\nEND", "reset-hard"),
        ("echo 'git reset --hard' | sh", "reset-hard"),
        ("X='reset --hard'; git $X", "reset-hard"),
        ("G=git; $G reset --hard", "reset-hard"),
        ("git reset --{hard,quiet}", "reset-hard"),
        ("trap 'git reset --hard' EXIT", "reset-hard"),
        ("f() { git reset --hard; }; f", "reset-hard"),
        ("g\\it reset --hard", "reset-hard"),
        ("'gi't reset --hard", "reset-hard"),
        ("/usr/bin/git reset --hard", "reset-hard"),
        ("command git reset --hard", "reset-hard"),
        ("\\git reset --hard", "reset-hard"),
        # Aliases
        ("git nuke", "reset-hard"),
        ("git NUKE", "reset-hard"),
        ("git twice", "reset-hard"),
        ("git outside main", "force-push"),
        ("git loop", None),
        ("git -c alias.x='reset --hard' x", "reset-hard"),
        ("git -c 'alias.x=!git clean -fd' x", "clean"),
        ("GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=alias.x GIT_CONFIG_VALUE_0='reset --hard' git x", "reset-hard"),
        # What loses nothing
        ("git push origin :", None),
        ("git checkout main --", None),
        ("git checkout -- gone.txt", None),
        ("git checkout b.txt", None),
        ("git checkout HEAD~1", None),
        ("git checkout -B fresh", None),
        ("git checkout -B main", None),
        ("git switch -C fresh HEAD~1", None),
        ("git branch -M main", None),
        ("git branch -M fresh", None),
        ("git branch -f fresh HEAD~1", None),
        ("git branch -dr origin/main", None),
        ("git tag -f fresh", None),
        ("git tag -d kept", None),
        ("git fetch origin +refs/heads/*:refs/remotes/origin/*", None),
        ("git fetch --force origin", None),
        ("git fetch origin +main:fresh", None),
        ("git pull --rebase", None),
        ("git rm --cached -f a.txt", None),
        ("git rm -f b.txt", None),
        ("git prune -n", None),
        ("git gc --prune=never", None),
        ("git reflog expire --dry-run --all", None),
        ("git reflog", None),
        ("git stash list", None),
        ("git stash push -m drop", None),
        ("git submodule update --init", None),
        ("git update-ref refs/notes/x HEAD", None),
        ("git commit -m 'drop --force'", None),
        ("git log --grep='reset --hard'", None),
        ("rm -f .git/index.lock", None),
        ("rm .git/hooks/pre-commit", None),
        ("rm -rf .github .gitignore", None),
        ("git unknown --hard", None),
        ("git help reset --hard", None),
    ],
)
def test_what_is_cut_short_wrapped_or_fed_to_a_shell_is_found(repository: Path, command: str, kind: str | None) -> None:
    assert may_call_git(command)
    assert kinds(command, repository) == ([kind] if kind else [])


def test_checkout_over_files_is_fine_where_nothing_is_lost(repository: Path) -> None:
    (repository / "a.txt").write_text("one\n")
    for command in ("git checkout -- a.txt", "git restore a.txt", "git checkout ."):
        assert kinds(command, repository) == []


def test_only_pushed_commits_may_not_be_rewritten(repository: Path) -> None:
    assert kinds("git rebase HEAD~1", repository) == []
    assert kinds("git commit --amend", repository) == []
    (repository / "a.txt").write_text("one\n")
    git(repository, "push", "-q")
    assert kinds("git commit --amend", repository) == ["rewrite"]
    assert kinds("git rebase HEAD~1", repository) == ["rewrite"]
    assert kinds("git rebase --abort", repository) == []


def test_what_is_asked_about_a_command_runs_nothing_that_a_repository_names(repository: Path) -> None:
    """A command is looked at before anybody has allowed it: the looking must not do what it would do."""
    trap = repository / "trap"
    git(repository.parent, "init", "-q", str(repository / "inner"))
    bare = repository / "bare"
    git(repository.parent, "init", "-q", "--bare", str(bare))
    for folder in (repository / "inner" / ".git", bare):
        with (folder / "config").open("a") as file:
            file.write(f'[core]\n\tbare = false\n\tworktree = {repository}\n\tfsmonitor = "touch {trap}; false"\n')
    for command in (
        "git -C inner checkout a.txt",
        "git -C bare checkout a.txt",
        "git --git-dir=bare checkout a.txt",
        f"git -c core.fsmonitor='touch {trap}' checkout a.txt",
        f"git -c alias.x='!touch {trap}' x",
    ):
        kinds(command, repository)
        assert not trap.exists(), command


@pytest.mark.parametrize(
    ("kind", "prompt", "asked"),
    [
        ("force-push", "Rebase and force-push the branch.", True),
        ("force-push", "then git push --force please", True),
        ("force-push", "Push it, but do not force push.", False),
        ("force-push", "Never use --force-with-lease here. Push the branch.", False),
        ("force-push", "Clean this up and push", False),
        ("reset-hard", "git reset --hard to the last commit", True),
        ("reset-hard", "throw away all my changes", True),
        ("reset-hard", "Fix the tests. Don't discard my changes.", False),
        ("branch-delete", "Delete the branch feature/x", True),
        ("branch-delete", "Fix the branch", False),
        ("discard", "undo your changes to a.py", True),
        ("rewrite", "squash the last three commits", True),
        ("rewrite", "show the history", False),
        ("clean", "remove all untracked files", True),
        ("stash-drop", "drop the stash", True),
        ("tag-delete", "delete the tag v1", True),
    ],
)
def test_a_prompt_asks_for_it_in_so_many_words(kind: str, prompt: str, asked: bool) -> None:
    assert asked_for(kind, prompt) is asked
