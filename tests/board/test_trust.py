"""Consent by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegboard._board.trust import WATCHED, TrustStore, fingerprints


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    return TrustStore(tmp_path / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / ".pegboard").mkdir(parents=True)
    (made / ".claude").mkdir()
    return made


def test_a_folder_that_says_nothing_needs_no_trust(store: TrustStore, folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert store.trusts(folder)


@pytest.mark.parametrize("name", [name for name in WATCHED if name != "pyproject.toml"])
def test_a_watched_file_needs_trust_and_a_change_ends_it(store: TrustStore, folder: Path, name: str) -> None:
    (folder / name).write_text("one")
    assert not store.trusts(folder)
    assert store.trust(folder) == [name]
    assert store.trusts(folder)
    (folder / name).write_text("two")
    assert not store.trusts(folder)
    assert store.changed(folder) == [name]


def test_taking_a_file_away_ends_trust_too(store: TrustStore, folder: Path) -> None:
    for name in (".pegboard/settings.toml", ".pegboard/settings.local.toml"):
        (folder / name).write_text("x")
    store.trust(folder)
    (folder / ".pegboard/settings.local.toml").unlink()
    assert not store.trusts(folder)


def test_consent_can_be_taken_back(store: TrustStore, folder: Path) -> None:
    (folder / ".pegboard/settings.toml").write_text("x")
    store.trust(folder)
    assert store.revoke(folder)
    assert not store.trusts(folder)
    assert not store.revoke(folder)


SAID = "[tool.pegboard.session]\nmax_steps = 5\n"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param('[tool."pegboard".permissions]\nallow = ["Bash"]\n' + SAID, id="a quoted name above it"),
        pytest.param(SAID + '[tool.pegboard.permissions]\nallow = ["Bash"]\n', id="a table below it"),
        pytest.param(SAID.replace("5", "500"), id="another value"),
    ],
)
def test_whatever_of_a_pyproject_counts_is_consented_to(store: TrustStore, folder: Path, changed: str) -> None:
    (folder / "pyproject.toml").write_text("# see tool.pegboard\n" + SAID)
    store.trust(folder)
    (folder / "pyproject.toml").write_text("# see tool.pegboard\n" + changed)
    assert not store.trusts(folder)


def test_other_parts_of_a_pyproject_may_change(store: TrustStore, folder: Path) -> None:
    (folder / "pyproject.toml").write_text(SAID)
    store.trust(folder)
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n" + SAID)
    assert store.trusts(folder)


def test_consent_that_cannot_be_read_is_no_consent(store: TrustStore, folder: Path) -> None:
    (folder / ".pegboard/settings.toml").write_text("x")
    store.trust(folder)
    store.path.write_text("{ torn")
    assert not store.trusts(folder)
    assert fingerprints(folder)
