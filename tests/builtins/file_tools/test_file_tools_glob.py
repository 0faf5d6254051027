"""Glob: what a pattern finds, and in which order."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from file_tools_desk import Desk

from pegboard.errors import ToolError
from pegboard.tools import READS_ANYTHING
from pegboard_builtins.file_tools.globbing import glob
from pegboard_builtins.file_tools.tree import choices


@pytest.fixture
def project(desk: Desk) -> Desk:
    for name in ("a.py", "b.txt", "src/c.py", "src/deep/d.py", "src/deep/e.ts", ".hidden/f.py", ".git/config.py"):
        desk.file(name)
    return desk


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", {"a.py"}),
        ("**/*.py", {"a.py", "src/c.py", "src/deep/d.py", ".hidden/f.py"}),
        ("src/*.py", {"src/c.py"}),
        ("src/**", {"src/c.py", "src/deep/d.py", "src/deep/e.ts"}),
        ("src/**/d.py", {"src/deep/d.py"}),
        ("src/**/c.py", {"src/c.py"}),
        ("**/deep/**/*", {"src/deep/d.py", "src/deep/e.ts"}),
        ("**/*.{ts,txt}", {"b.txt", "src/deep/e.ts"}),
        ("{a,b}.{py,txt}", {"a.py", "b.txt"}),
        ("?.py", {"a.py"}),
        ("[!a].*", {"b.txt"}),
        ("[^a].*", {"b.txt"}),
        ("a.py", {"a.py"}),
        ("./src/./c.py", {"src/c.py"}),
        ("src/../a.py", {"a.py"}),
        ("*/*.py", {"src/c.py", ".hidden/f.py"}),
        ("nothing*", set()),
        ("src", set()),
    ],
)
def test_a_pattern_finds_these_files(project: Desk, pattern: str, found: set[str]) -> None:
    result = project.call(glob, pattern=pattern)
    assert set(result.data["filenames"]) == found
    assert result.data["numFiles"] == len(found)


def test_the_response_has_the_recorded_shape(desk: Desk) -> None:
    desk.file("src/x.ts")
    result = desk.call(glob, pattern="**/*.ts")
    duration = result.data.pop("durationMs")
    assert isinstance(duration, int)
    assert result.data == {
        "filenames": ["src/x.ts"],
        "numFiles": 1,
        "truncated": False,
        "totalMatches": 1,
        "countIsComplete": True,
    }
    assert result.content == "src/x.ts"


def test_the_newest_comes_first_then_the_name(desk: Desk) -> None:
    for name, age in (("b", 10), ("a", 10), ("old", 500), ("new", 1)):
        moment = time.time_ns() - age * 10**9 if name == "old" else 10**18 - age
        os.utime(desk.file(name), ns=(moment, 10**18 - age))
    assert desk.call(glob, pattern="*").data["filenames"] == ["new", "a", "b", "old"]


def test_more_than_a_hundred_files_are_cut_and_counted(desk: Desk) -> None:
    for number in range(130):
        desk.file(f"{number}.txt")
    result = desk.call(glob, pattern="*.txt")
    assert len(result.data["filenames"]) == 100
    assert result.data["truncated"] is True
    assert result.data["totalMatches"] == 130
    assert "100 of 130" in str(result.content)


def test_a_folder_outside_is_named_absolutely(project: Desk, elsewhere: Path) -> None:
    (elsewhere / "x.py").touch()
    assert project.call(glob, pattern="*.py", path=str(elsewhere)).data["filenames"] == [str(elsewhere / "x.py")]
    assert project.call(glob, pattern=f"{elsewhere}/*.py").data["filenames"] == [str(elsewhere / "x.py")]


def test_links_are_not_followed_so_no_circle_holds_it(project: Desk) -> None:
    (project.folder / "src" / "up").symlink_to(project.folder)
    assert len(project.call(glob, pattern="**/*.py").data["filenames"]) == 4


def test_nothing_found_is_no_error(project: Desk) -> None:
    result = project.call(glob, pattern="*.rs")
    assert (result.content, result.is_error) == ("No files found", False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"pattern": "*", "path": "nowhere"}, "does not exist", id="no folder"),
        pytest.param({"pattern": "*", "path": "a.py"}, "is a file", id="a file"),
        pytest.param({"pattern": ""}, "empty", id="no pattern"),
        pytest.param({"pattern": "*/../x"}, "beginning of a pattern", id="dots in the middle"),
        pytest.param({"pattern": "{a,b}" * 9}, "more than 200", id="too many choices"),
        pytest.param({"pattern": "*", "path": "a\0b"}, "no path", id="NUL"),
    ],
)
def test_what_cannot_be_found_says_why(project: Desk, arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        project.call(glob, **arguments)


def test_a_pattern_made_to_be_slow_is_not(desk: Desk) -> None:
    desk.file("a" * 250)
    started = time.monotonic()
    assert desk.call(glob, pattern="*a" * 60 + "*b").data["filenames"] == []
    assert desk.call(glob, pattern="**/" * 60 + "*b").data["filenames"] == []
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("a", ["a"]),
        ("{a,b}c", ["ac", "bc"]),
        ("{a,{b,c}}", ["a", "b", "c"]),
        ("{a}", ["{a}"]),
        ("{a", ["{a"]),
        ("a}{b,c}", ["a}b", "a}c"]),
        ("{,x}y", ["xy", "y"]),
        ("{a}{b,c}", ["{a}b", "{a}c"]),
    ],
)
def test_braces_are_choices(pattern: str, meant: list[str]) -> None:
    assert choices(pattern) == meant


def test_a_search_claims_the_tree_that_it_reads(desk: Desk) -> None:
    def reads(**given: str) -> set[str]:
        return set(glob.claims_of(given, desk.folder).reads)

    assert reads(pattern="*") == {f"file:{desk.folder}/"}
    assert reads(pattern="src/*", path="x") == {f"file:{desk.folder}/x/src/"}
    assert reads(pattern="/etc/{a,b}/*") == {"file:/etc/a/", "file:/etc/b/"}
    assert reads(pattern="/*") == {"file:/"}
    assert glob.claims_of({"pattern": "{a,b}" * 9}, desk.folder) == READS_ANYTHING
