"""`pegboard checkpoints`, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from work_trees import git

from pegboard._cli.main import main
from pegboard_builtins.git_safety import store_in
from pegboard_builtins.git_safety.taking import Checkpoints


class Typed:
    """Types verbs in a project."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        git(self.project, "init", "-q")
        self.checkpoints = Checkpoints(store_in(folder / "state"), self.project)
        self._capsys = capsys
        monkeypatch.chdir(self.project)
        monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(folder / "config"))
        monkeypatch.setenv("PEGBOARD_STATE_DIR", str(folder / "state"))

    def __call__(self, *words: str, code: int = 0) -> str:
        ended = main(["checkpoints", *words])
        said = self._capsys.readouterr()
        assert ended == code, said.out + said.err
        self.errors = said.err
        return said.out


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(tmp_path, monkeypatch, capsys)


def test_without_checkpoints_it_says_how_one_comes_to_be(type_: Typed) -> None:
    assert "before a turn changes files" in type_("list")
    assert json.loads(type_("list", "--json")) == []
    type_("restore", "1", code=1)
    assert "there are none of this folder yet" in type_.errors


def test_look_compare_and_put_back(type_: Typed) -> None:
    (type_.project / "a.txt").write_text("one\n")
    type_.checkpoints.take("before", session="abcdef", turn=3, reason="Bash")
    (type_.project / "a.txt").write_text("two\n")
    type_.checkpoints.take("after")
    (type_.project / "a.txt").chmod(0o600)
    assert [one["number"] for one in json.loads(type_("list", "--json"))] == [2, 1]
    assert "abcdef 3" in type_("list")
    shown = type_("diff", "1")
    assert "--- a/a.txt\n+++ b/a.txt\n" in shown
    assert "-one\n+two\n" in shown
    assert "mode of a.txt: 600" in type_("diff", "2")
    assert json.loads(type_("diff", "1", "2", "--json")) == [{"how": "write", "mode": "644", "path": "a.txt"}]
    assert type_("restore", "1", "--dry-run") == "would write a.txt\n"
    type_("restore", "1", code=1)
    assert "--overwrite" in type_.errors
    assert type_("restore", "1", "--overwrite").startswith("write a.txt\nRestored.")
    assert (type_.project / "a.txt").read_text() == "one\n"
    assert "all is as it was then" in type_("restore", "1")
    assert "checkpoints went" in type_("prune", "--keep", "1")
    assert len(json.loads(type_("list", "--json"))) == 1


def test_only_paths_of_this_folder_can_be_put_back(type_: Typed) -> None:
    type_.checkpoints.take("before")
    type_("restore", "1", "/etc/passwd", code=2)
    assert "is not in" in type_.errors
