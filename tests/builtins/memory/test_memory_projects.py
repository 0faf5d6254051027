"""Whose memory a folder's is: the same after a move, another for everybody else."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from pegboard_builtins.memory.place import network_file_system
from pegboard_builtins.memory.projects import identify, normalised, note_root, read_meta


def git(folder, *words):
    argv = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", *words]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


def no_attributes(*given):
    raise OSError("this file system has none")


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "memory"


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_plain_folder_keeps_its_identity_when_it_moves(tmp_path, memory):
    folder = tmp_path / "plain"
    folder.mkdir()
    before = identify(folder, memory)
    assert before == identify(folder, memory)
    assert not hasattr(os, "getxattr") or list(folder.iterdir()) == []
    folder.rename(tmp_path / "moved")
    assert identify(tmp_path / "moved", memory).project == before.project
    folder.mkdir()
    assert identify(folder, memory).project != before.project


@pytest.mark.parametrize("attributes", [True, False])
def test_many_that_meet_a_folder_or_a_repository_at_once_find_one_project(
    tmp_path, memory, repository, monkeypatch, attributes
):
    if not attributes:
        monkeypatch.setattr(os, "setxattr", no_attributes, raising=False)
    for number in range(10):
        folder = tmp_path / f"plain{number}"
        folder.mkdir()
        for place in (folder, repository):
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda _, place=place: identify(place, memory).project, range(8)))
            assert set(found) == {identify(place, memory).project}
        shutil.rmtree(memory / "repositories")


def test_a_copied_id_of_another_machine_does_not_count(tmp_path, memory):
    folder = tmp_path / "plain"
    folder.mkdir()
    theirs = identify(folder, tmp_path / "another machine's memory").project
    ours = identify(folder, memory).project
    assert ours != theirs
    assert identify(folder, memory).project == ours


def test_a_repository_that_brings_an_id_does_not_get_that_memory(tmp_path, memory, repository, monkeypatch):
    monkeypatch.setattr(os, "setxattr", no_attributes, raising=False)
    victim = tmp_path / "victim"
    victim.mkdir()
    wanted = identify(victim, memory).project
    shutil.copytree(victim / ".pegboard", repository / ".pegboard")
    git(repository, "add", "-f", ".pegboard")
    git(repository, "commit", "-q", "-m", "mine, too")
    assert identify(repository, memory).project != wanted


def test_a_repository_keeps_its_identity_when_it_moves_and_when_it_gets_a_remote(tmp_path, memory, repository):
    before = identify(repository, memory).project
    git(repository, "remote", "add", "origin", "git@example.com:a/b.git")
    assert identify(repository, memory).project == before
    git(repository, "remote", "remove", "origin")
    repository.rename(tmp_path / "moved")
    assert identify(tmp_path / "moved", memory).project == before


def test_clones_with_one_remote_share_and_with_another_do_not(tmp_path, memory, repository):
    for name, url in [
        ("a", "https://example.com/x/y.git"),
        ("b", "git@example.com:x/y"),
        ("c", "https://evil.example/x/y"),
    ]:
        git(tmp_path, "clone", "-q", str(repository), name)
        git(tmp_path / name, "remote", "set-url", "origin", url)
    a, b, c = (identify(tmp_path / name, memory).project for name in "abc")
    assert a == b
    assert a != c


def test_worktrees_are_one_project_each_with_its_own_overlay(tmp_path, memory, repository):
    git(repository, "worktree", "add", "-q", str(tmp_path / "tree"))
    main, tree = identify(repository, memory), identify(tmp_path / "tree", memory)
    assert main.project == tree.project
    assert (main.worktree, tree.worktree) == ("", "tree")
    assert identify(tmp_path / "tree", memory, worktrees=False).worktree == ""
    (repository / "deep/down").mkdir(parents=True)
    assert identify(repository / "deep/down", memory) == main


def test_an_empty_repository_gets_an_id_that_git_does_not_see_and_keeps_it(tmp_path, memory):
    folder = tmp_path / "new"
    folder.mkdir()
    git(folder, "init", "-q")
    before = identify(folder, memory).project
    shown = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True)
    assert shown.stdout == ""
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    assert identify(folder, memory).project == before


@pytest.mark.parametrize(
    "url",
    [
        "https://user:token@Example.com/Team/Site.git",
        "ssh://git@example.com:2222/team/site.git",
        "git@example.com:team/site.git",
        "git@example.com:team/site/",
    ],
)
def test_a_remote_is_the_same_however_it_is_written(url):
    assert normalised(url) == "example.com/team/site"


def test_where_a_project_was_seen_is_noted_newest_first(tmp_path, memory):
    folder = tmp_path / "plain"
    folder.mkdir()
    note_root(memory, identify(folder, memory))
    folder.rename(tmp_path / "moved")
    found = identify(tmp_path / "moved", memory)
    note_root(memory, found)
    meta = read_meta(memory / "projects" / found.project)
    assert meta.name == "moved"
    assert [root.rpartition("/")[2] for root in meta.roots] == ["moved", "plain"]


def test_this_disk_is_no_network(tmp_path):
    assert network_file_system(tmp_path) == ""
