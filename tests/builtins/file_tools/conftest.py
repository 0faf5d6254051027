"""A desk in a fresh folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from file_tools_desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = tmp_path / "project"
    folder.mkdir()
    return Desk(folder)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside the workspace: the temporary folder, which counts as workspace, is moved away from it."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder
