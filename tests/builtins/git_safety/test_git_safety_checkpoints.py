"""Checkpoints: what was there comes back exactly, and nothing of the user's is touched by keeping it."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import work_trees
from work_trees import git, ignored, of_git, state

from pegboard_builtins.git_safety.plumbing import CheckpointError
from pegboard_builtins.git_safety.restoring import NewerWorkError, restore
from pegboard_builtins.git_safety.settings import GitSafetySettings
from pegboard_builtins.git_safety.taking import Checkpoints, TooLargeError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


@pytest.fixture
def checkpoints(root: Path) -> Checkpoints:
    return Checkpoints(root.parent / "state/store.git", root)


def there_and_back(seed: int, folder: Path) -> None:
    chance = random.Random(seed)
    root = folder / "project"
    nested = work_trees.make(chance, root)
    checkpoints = Checkpoints(folder / "store.git", root)
    before, untouched = state(root), of_git(root)
    rules = (root / ".gitignore").exists()
    taken = checkpoints.take("before")
    assert (state(root), of_git(root)) == (before, untouched), "taking a checkpoint changed something"
    work_trees.disturb(chance, root, nested)
    disturbed = state(root)
    checkpoints.take("after")
    done = restore(checkpoints, taken.number)
    assert not done.left, done.left
    after = state(root)
    assert of_git(root) == untouched, "the user's repository was touched"
    for name in {*before, *after}:
        if not (rules and name.startswith("build/")):
            spared = rules and ignored(name) and name not in before
            assert after.get(name) == (disturbed.get(name) if spared else before.get(name)), name
        else:
            assert after.get(name) == disturbed.get(name), f"{name} is ignored, and was touched"
    assert not restore(checkpoints, taken.number).changes, "a second restore finds something to do"
    # And the other way: what the restore replaced was kept.
    if done.changes:
        restore(checkpoints, done.kept.number, overwrite=True)
        again = state(root)
        assert {name: again.get(name) for name in disturbed} == disturbed


def test_random_work_trees_come_back_exactly(count: Callable[[int], int]) -> None:
    for seed in range(count(200)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                there_and_back(seed, Path(folder).resolve())
            except AssertionError as wrong:
                raise AssertionError(f"work tree {seed}: {wrong}") from wrong


def test_what_is_new_is_found_by_name_as_a_walk_through_all_folders_finds_it(count: Callable[[int], int]) -> None:
    asked = []

    class Compared(Checkpoints):
        def _new(self, root: Path, index: Path, strangers: list[str]) -> list[str]:
            found = super()._new(root, index, strangers)
            everything = super()._new(root, index, ["x"] * 1000)
            asked.append(strangers)
            assert sorted(found) == sorted(everything), strangers
            return found

    for seed in range(count(200)):
        with tempfile.TemporaryDirectory() as name:
            chance, root = random.Random(seed), Path(name).resolve() / "project"
            nested = work_trees.make(chance, root)
            remembers = Compared(Path(name) / "store.git", root)
            for _ in range(3):
                by_memory = remembers.take("before").manifest
                afresh = Compared(Path(name) / "store.git", root).take("before").manifest
                assert by_memory.parts == afresh.parts, f"work tree {seed}"
                work_trees.disturb(chance, root, nested)
    assert any(asked)


def test_every_change_of_a_mode_in_one_second_is_seen(root: Path, checkpoints: Checkpoints) -> None:
    path = root / "often.txt"
    path.write_text("x")
    for mode in (0o600, 0o640, 0o604, 0o664, 0o600, 0o755, 0o700):
        path.chmod(mode)
        checkpoints.take("now")
        newest = checkpoints.newest()
        assert newest is not None
        assert newest.manifest.parts[0].modes.mode("often.txt", program=mode & 0o100 != 0) == mode


def test_git_finds_nothing_wrong_with_what_is_written_for_it(root: Path, checkpoints: Checkpoints) -> None:
    (root / "a.txt").write_text("x")
    taken = checkpoints.take("before", reason="ü")
    checkpoints.git.run("gc", "--quiet")  # also packs the name
    assert checkpoints.take("before").number == taken.number + 1
    said = checkpoints.git.run("fsck", "--strict", "--no-dangling", "--full")
    assert said == b""
    assert checkpoints.get(taken.number).manifest == taken.manifest


def test_newer_work_is_not_overwritten_without_saying_so(root: Path, checkpoints: Checkpoints) -> None:
    (root / "a.txt").write_text("one")
    (root / "b.txt").write_text("one")
    first = checkpoints.take("before")
    (root / "a.txt").write_text("by the agent")
    checkpoints.take("after")
    (root / "a.txt").write_text("by the user, later")
    with pytest.raises(NewerWorkError, match=r"a\.txt changed after the last checkpoint.*--overwrite") as refused:
        restore(checkpoints, first.number)
    assert refused.value.names == ("a.txt",)
    assert (root / "a.txt").read_text() == "by the user, later"
    done = restore(checkpoints, first.number, overwrite=True)
    assert (root / "a.txt").read_text() == "one"
    restore(checkpoints, done.kept.number)
    assert (root / "a.txt").read_text() == "by the user, later"


def test_newer_work_elsewhere_does_not_stand_in_the_way(root: Path, checkpoints: Checkpoints) -> None:
    (root / "a.txt").write_text("one")
    (root / "b.txt").write_text("one")
    first = checkpoints.take("before")
    (root / "a.txt").write_text("by the agent")
    checkpoints.take("after")
    (root / "b.txt").write_text("by the user, later")
    restore(checkpoints, first.number, ["a.txt"])
    assert [(root / name).read_text() for name in ("a.txt", "b.txt")] == ["one", "by the user, later"]


def test_a_dry_run_changes_nothing_and_keeps_nothing(root: Path, checkpoints: Checkpoints) -> None:
    (root / "a.txt").write_text("one")
    first = checkpoints.take("before")
    (root / "a.txt").write_text("two")
    done = restore(checkpoints, first.number, dry=True)
    assert [(change.name, change.how) for change in done.changes] == [("a.txt", "write")]
    assert (root / "a.txt").read_text() == "two"
    assert checkpoints.numbers() == [first.number]


def test_a_gigabyte_that_is_new_is_refused_with_advice(root: Path, checkpoints: Checkpoints) -> None:
    (root / "a.txt").write_text("one")
    with open(root / "model.bin", "wb") as file:
        file.truncate(1_000_000_000)
    with pytest.raises(TooLargeError, match=r"1,000 MB .*model\.bin \(1,000 MB\).*\.gitignore"):
        checkpoints.take("before")
    assert checkpoints.numbers() == []
    (root / ".gitignore").write_text("*.bin\n")
    assert checkpoints.take("before").number == 1


def test_many_files_and_whole_homes_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Checkpoints(root.parent / "store.git", root, GitSafetySettings(max_files=2))
    for name in "abc":
        (root / name).write_text(name)
    with pytest.raises(TooLargeError, match="3 files"):
        few.take("before")
    monkeypatch.setenv("HOME", str(root))
    with pytest.raises(TooLargeError, match="is no project"):
        few.take("before")


def test_a_small_ignored_file_comes_back_a_large_folder_is_left(root: Path, checkpoints: Checkpoints) -> None:
    (root / ".gitignore").write_text(".env\nnode_modules/\n")
    (root / ".env").write_text("SECRET=1")
    (root / "node_modules").mkdir()
    (root / "node_modules/x.js").write_text("x")
    first = checkpoints.take("before")
    (root / ".env").unlink()
    (root / "node_modules/x.js").unlink()
    checkpoints.take("after")
    restore(checkpoints, first.number)
    assert (root / ".env").read_text() == "SECRET=1"
    assert not (root / "node_modules/x.js").exists()


def test_what_was_ignored_then_is_not_deleted_though_the_rules_are_gone_now(
    root: Path, checkpoints: Checkpoints
) -> None:
    (root / ".gitignore").write_text("data/\n")
    (root / "data").mkdir()
    (root / "data/precious").write_text("x")
    first = checkpoints.take("before")
    (root / ".gitignore").unlink()
    checkpoints.take("after")
    restore(checkpoints, first.number)
    assert (root / "data/precious").read_text() == "x"
    assert (root / ".gitignore").read_text() == "data/\n"


def test_files_behind_a_link_are_not_written(root: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_text("theirs")
    (root / ".gitignore").write_text("*.link\n")
    (root / "src.link").mkdir()
    (root / "src").mkdir()
    (root / "src/a").write_text("ours")
    first = checkpoints.take("before")
    shutil.rmtree(root / "src")
    (root / "src").symlink_to(elsewhere)
    checkpoints.take("after")
    restore(checkpoints, first.number)
    assert (root / "src/a").read_text() == "ours"
    assert (elsewhere / "a").read_text() == "theirs"


def test_a_file_that_is_gone_and_a_number_that_never_was_are_told_apart(root: Path, checkpoints: Checkpoints) -> None:
    with pytest.raises(CheckpointError, match="there are none of this folder yet"):
        restore(checkpoints, 3)
    checkpoints.take("before")
    with pytest.raises(CheckpointError, match="there are 1 to 1"):
        checkpoints.get(7)


def test_a_repository_inside_that_lost_its_git_gets_its_files_back_and_that_is_said(
    root: Path, checkpoints: Checkpoints
) -> None:
    inner = root / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "kept.txt").write_text("x")
    taken = checkpoints.take("before")
    shutil.rmtree(inner)
    done = restore(checkpoints, taken.number, overwrite=True)
    assert (inner / "kept.txt").read_text() == "x"
    assert len(done.left) == 1
    assert done.left[0].startswith("inner/.git: is gone and was never kept")
    assert not restore(checkpoints, taken.number, ["other"]).left


def test_a_checkpoint_after_all_were_let_go_is_whole(root: Path, checkpoints: Checkpoints) -> None:
    (root / "a.txt").write_text("x")
    inner = root / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "b.txt").write_text("y")
    checkpoints.take("before")
    for path in (checkpoints.git.store / "objects").rglob("*"):
        os.utime(path, (10**9, 10**9))
    assert Checkpoints(checkpoints.git.store, root).prune(0) == 1  # as another process does
    taken = checkpoints.take("before")
    assert checkpoints.git.run("fsck", "--strict", "--no-dangling", "--full") == b""
    (root / "a.txt").unlink()
    (inner / "b.txt").unlink()
    restore(checkpoints, taken.number, overwrite=True)
    assert (root / "a.txt").read_text() + (inner / "b.txt").read_text() == "xy"


def test_only_the_newest_are_kept(root: Path) -> None:
    two = Checkpoints(root.parent / "store.git", root, GitSafetySettings(keep=2))
    for number in range(4):
        (root / "a").write_text(str(number))
        two.take("before")
    assert two.numbers() == [3, 4]
    assert two.prune(1) == 1
    assert [one.number for one in two.all()] == [4]
    (root / "a").write_text("x")
    restore(two, 4, overwrite=True)
    assert (root / "a").read_text() == "3"


def test_a_git_that_is_told_other_things_by_its_user_changes_nothing(
    root: Path, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(
        '[core]\nautocrlf = true\nhooksPath = /nowhere\n[commit]\ngpgSign = true\n[filter "x"]\nclean = false\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    (root / ".gitattributes").write_text("* filter=x text eol=crlf\n")
    (root / "a.txt").write_bytes(b"one\r\ntwo\n")
    first = checkpoints.take("before")
    (root / "a.txt").unlink()
    checkpoints.take("after")
    restore(checkpoints, first.number)
    assert (root / "a.txt").read_bytes() == b"one\r\ntwo\n"


def test_two_folders_share_objects_and_nothing_else(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(root, other)
    store = tmp_path / "store.git"
    both = [Checkpoints(store, folder) for folder in (root, other)]
    for folder in (root, other):
        (folder / "big").write_bytes(os.urandom(2000) if folder == root else (root / "big").read_bytes())
    trees = {one.take("before").manifest.parts[0].tree for one in both}
    assert len(trees) == 1
    assert [one.numbers() for one in both] == [[1], [1]]
