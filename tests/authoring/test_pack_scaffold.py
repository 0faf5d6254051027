"""A pack that was just begun is a pack that passes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pegboard._authoring.pieces import PIECES
from pegboard._authoring.scaffold import LONGEST_NAME, write_project
from pegboard._cli.main import main
from pegboard.errors import PegboardError

KINDS = [piece.name for piece in PIECES]
LONG = "a" + "-b" * ((LONGEST_NAME - 1) // 2)


def run(*words: str, folder: Path) -> str:
    variables = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=variables, text=True, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_combination_is_formatted_and_clean(tmp_path: Path) -> None:
    combinations = [kinds for size in range(1, 7) for kinds in itertools.combinations(KINDS, size)]
    assert len(combinations) == 63
    for number, kinds in enumerate(combinations):
        name = LONG if number % 2 else f"acme-p{number}"
        write_project(name, kinds, tmp_path / f"p{number}" / "pack")
    run("ruff", "check", "--no-cache", "-q", ".", folder=tmp_path)
    run("ruff", "format", "--no-cache", "--check", "-q", ".", folder=tmp_path)


def test_a_pack_of_everything_passes_its_tests_the_types_and_the_check(tmp_path: Path) -> None:
    folder = tmp_path / "acme-words"
    write_project("acme-words", KINDS, folder)
    run("mypy", "--cache-dir", str(tmp_path / "types"), folder=folder)
    assert "8 passed" in run("pytest", "-p", "no:cacheprovider", "-o", "addopts=", folder=folder)
    found = json.loads(run("pegboard", "plugins", "check", ".", "--json", folder=folder))
    assert found["ok"]
    assert {one["state"] for one in found["findings"]} == {"ok"}, found
    assert {one["check"] for one in found["findings"]} == {
        *("metadata", "import", "register", "schema", "session", "cache", "determinism", "latency", "unload")
    }


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_alone_passes_its_tests(tmp_path: Path, kind: str) -> None:
    write_project(LONG, [kind], tmp_path)
    assert " passed" in run("pytest", "-p", "no:cacheprovider", "-o", "addopts=", folder=tmp_path)


def test_the_verb_writes_a_tool_where_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "acme-words"]) == 0
    printed = capsys.readouterr().out
    assert "acme-words/src/acme_words/__init__.py" in printed
    assert "pegboard plugins check ." in printed
    assert "@tool" in (tmp_path / "acme-words/src/acme_words/__init__.py").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("-x", "no name for a pack", id="a dash first"),
        pytest.param("../x", "no name for a pack", id="a path"),
        pytest.param("json", "is Python's or ours", id="a module of Python"),
        pytest.param("class", "is Python's or ours", id="a keyword"),
        pytest.param("pegboard", "is Python's or ours", id="the host itself"),
        pytest.param("a" * 37, "longer than 36", id="too long"),
    ],
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(PegboardError, match=said):
        write_project(name, ["tool"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(PegboardError, match="is not empty"):
        write_project("acme-words", ["tool"], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
