"""Which git commands are refused, and when the user has asked for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from work_trees import git

from pegboard_builtins.git_safety.commands import dangers
from pegboard_builtins.git_safety.consent import asked_for


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits, of which a remote has the first; one file is changed."""
    remote, folder = tmp_path / "remote.git", tmp_path / "project"
    git(tmp_path, "init", "-q", "--bare", str(remote))
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    (folder / "a.txt").write_text("one\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "remote", "add", "origin", str(remote))
    git(folder, "push", "-q", "-u", "origin", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "two")
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
        ("git rebase --root", None),
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
    ],
)
def test_a_prompt_asks_for_it_in_so_many_words(kind: str, prompt: str, asked: bool) -> None:
    assert asked_for(kind, prompt) is asked
