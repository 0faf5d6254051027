"""What .gitignore leaves out: the same as git says."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from file_tools_desk import Desk
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pegboard_builtins.file_tools.globbing import glob
from pegboard_builtins.file_tools.grep import grep
from pegboard_builtins.file_tools.ignored import Sieve
from pegboard_builtins.file_tools.tree import compile_pattern, files_below

QUIET = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "XDG_CONFIG_HOME": "/nowhere",
}


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, env=QUIET, check=True, capture_output=True, text=True).stdout


def by_git(folder: Path) -> set[str]:
    listed = git(folder, "ls-files", "--others", "--exclude-standard", "-z")
    return {name for name in listed.split("\0") if name and not name.endswith("/")}


def by_us(folder: Path) -> set[str]:
    return set(files_below(folder, [compile_pattern("**/*")], threading.Event(), ignored=False))


NAMES = ["a", "b", "ab", "a.b", "build", ".env", "x y", "[a]"]
PIECES = [
    *NAMES,
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-c]",
    "*.b",
    "a*",
    "\\a",
    "\\[a]",
    "[[:alpha:]]",
    "[",
    "]a",
    "b\\",
]
PATTERNS = st.builds(
    lambda sign, first, pieces, last: sign + first + "/".join(pieces) + last,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**", " ", "\\ ", "\r"]),
)
LINES = st.lists(st.one_of(PATTERNS, st.sampled_from(["", "# a", "\\#a", "\\!a", "/", "!", "**", "!*/"])), max_size=5)
FILES = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), min_size=1, max_size=8)


def made(folder: Path, files: list[str], lists: dict[str, list[str]]) -> None:
    for name in files:
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("here")
        except OSError:
            continue  # a file stands where another name wants a folder
    for where, lines in lists.items():
        if (folder / where).is_dir():
            (folder / where / ".gitignore").write_bytes("\n".join(lines).encode())


def test_ignored_is_what_git_ignores(count: Callable[[int], int]) -> None:
    @settings(max_examples=count(1000), deadline=None, suppress_health_check=list(HealthCheck))
    @given(files=FILES, top=LINES, inner=LINES, excluded=LINES)
    @example(files=["a/b/a"], top=["a/**/b"], inner=[], excluded=[])
    @example(files=["a/a/b"], top=[], inner=["!*/"], excluded=["a/*"])
    @example(files=["a/b/a", "b"], top=["a/**"], inner=["!b"], excluded=["b"])
    def same(files: list[str], top: list[str], inner: list[str], excluded: list[str]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            git(folder, "init", "-q")
            made(folder, files, {"": top, "a": inner, "build": inner})
            (folder / ".git/info/exclude").write_bytes("\n".join(excluded).encode())
            ours = by_us(folder)
            assert ours == by_git(folder)
            sieve = Sieve(folder)
            everything = files_below(folder, [compile_pattern("**/*")], threading.Event())
            assert {each for each in everything if sieve.keeps(each)} == ours

    same()


@pytest.fixture
def project(desk: Desk) -> Desk:
    git(desk.folder, "init", "-q")
    desk.file(".gitignore", "build/\n*.log\n!keep.log\n")
    for name in ("a.py", "build/b.py", "c.log", "keep.log", "src/d.log", "src/e.py"):
        desk.file(name, "needle\n")
    return desk


def found(desk: Desk, **given: str) -> set[str]:
    return set(desk.call(grep, pattern="needle", **given).data["filenames"])


def test_grep_leaves_out_what_is_ignored_and_glob_does_not(project: Desk) -> None:
    assert found(project) == {"a.py", "keep.log", "src/e.py"}
    assert "build/b.py" in project.call(glob, pattern="**/*.py").data["filenames"]


def test_what_is_named_is_searched_though_it_is_ignored(project: Desk) -> None:
    assert found(project, path="build") == {"build/b.py"}
    assert found(project, path="c.log") == {"c.log"}
    assert found(project, glob="*.log") == {"keep.log"}


def test_rules_of_folders_above_hold_below(project: Desk) -> None:
    assert found(project, path="src") == {"src/e.py"}


def test_a_repository_inside_another_has_its_own_rules(project: Desk) -> None:
    project.file("inner/f.log", "needle\n")
    assert "inner/f.log" not in found(project)
    git(project.folder / "inner", "init", "-q")
    assert "inner/f.log" in found(project)


def test_without_a_repository_nothing_is_ignored(desk: Desk) -> None:
    desk.file(".gitignore", "*.log\n")
    desk.file("c.log", "needle\n")
    assert found(desk) == {"c.log"}


def test_the_rules_of_a_work_tree_lie_in_its_repository(desk: Desk) -> None:
    main = desk.folder / "main"
    main.mkdir()
    git(main, "init", "-q")
    git(main, "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "--allow-empty", "-m", "m")
    git(main, "worktree", "add", "-q", str(desk.folder / "tree"))
    (main / ".git/info/exclude").write_text("*.log\n")
    desk.file("tree/a.log", "needle\n")
    desk.file("tree/a.py", "needle\n")
    assert found(desk, path="tree") == {"tree/a.py"}
