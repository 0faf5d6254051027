"""Trust of distributions: what is hashed, what counts as the same, and what takes no part until somebody accepts it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard._board import kept
from pegboard._board.acceptance import KEPT, AcceptedPacks
from pegboard._board.discovery import OWN_DISTRIBUTION, PluginRecord, Selection, Status, find_plugins
from pegboard._board.fingerprint import fingerprint
from pegboard._board.installed import Metadata, Point
from pegboard._board.snapshot import Snapshot

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write what an installer leaves of a wheel with one module, and return its metadata folder."""

    def write(text: str = "A = 1\n", *, site: str = "site", more: str = "", **files: str) -> Path:
        folder = tmp_path / site
        info = folder / "acme_words-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        module = folder / "acme_words.py"
        module.write_text(text)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-words\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[pegboard]\nacme_words = acme_words\n")
        for name, said in files.items():
            (info / name.replace("_json", ".json")).write_text(said)
        rows = [f"{path.relative_to(folder)},{hash_of(path)},9\n" for path in (module, info / "METADATA")]
        rows += [f"{path.relative_to(folder)},{hash_of(path)},9\n" for path in sorted(info.iterdir())[1:]]
        (info / "RECORD").write_text("".join(rows) + more + f"{info.name}/RECORD,,\n")
        return info

    return write


def hash_of(path: Path) -> str:
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b'=').decode()}"


def print_of(info: Path) -> str:
    return str(fingerprint(str(info)))


def test_one_wheel_has_one_hash_wherever_and_by_whomever_it_is_installed(make: Make) -> None:
    by_pip = make(site="a", INSTALLER="pip\n", REQUESTED="", more="../../bin/acme,sha256=x,1\n__pycache__/a.pyc,,\n")
    by_uv = make(site="b", INSTALLER="uv", direct_url_json='{"url": "file:///x.whl", "archive_info": {}}')
    assert print_of(by_pip) == print_of(by_uv)
    assert print_of(by_pip).startswith("record:")


def test_other_bytes_are_another_hash(make: Make) -> None:
    before = print_of(make())
    assert print_of(make("A = 2\n")) != before
    assert print_of(make()) == before


def test_a_file_that_record_has_no_hash_for_is_hashed_itself(make: Make) -> None:
    info = make()
    (info / "RECORD").write_text("acme_words.py,,\n")
    before = print_of(info)
    assert str(info.parent / "acme_words.py") in fingerprint(str(info)).files
    (info.parent / "acme_words.py").write_text("A = 3\n")
    assert print_of(info) != before


def test_an_editable_install_is_the_folder_and_its_entry_points(make: Make) -> None:
    where = json.dumps({"url": "file:///home/ada/acme", "dir_info": {"editable": True}})
    info = make(direct_url_json=where)
    before = print_of(info)
    assert before.startswith("editable:")
    assert print_of(make("A = 2\n", direct_url_json=where)) == before
    assert print_of(make(direct_url_json=where.replace("acme", "other"))) != before
    (info / "direct_url.json").write_text(where)
    (info / "entry_points.txt").write_text("[pegboard]\nacme_words = other\n")
    assert print_of(info) != before


def test_without_a_record_the_metadata_is_pinned(make: Make) -> None:
    info = make()
    (info / "RECORD").unlink()
    before = print_of(info)
    assert before.startswith("metadata:")
    (info / "METADATA").write_text("Name: acme-words\nVersion: 1.1\n")
    assert print_of(info) != before


@given(rows=st.permutations(["a.py,sha256=1,1", "b.py,sha256=2,2", "c/d.py,sha256=3,3", '"e,f.py",sha256=4,4']))
def test_the_order_of_the_rows_is_nothing(tmp_path_factory: Any, rows: list[str]) -> None:
    folder = tmp_path_factory.mktemp("record") / "acme-1.dist-info"
    folder.mkdir()
    (folder / "RECORD").write_text("\n".join(rows))
    (again := folder.with_name("acme-2.dist-info")).mkdir()
    (again / "RECORD").write_text("\n".join(sorted(rows)))
    assert print_of(folder) == print_of(again)


def test_rows_cannot_be_cut_otherwise_to_the_same_hash(tmp_path: Path) -> None:
    prints = set()
    for number, text in enumerate(("a.py,sha256=1\nb.py,sha256=2", 'a.py,"sha256=1\nb.py,sha256=2"')):
        folder = tmp_path / f"acme-{number}.dist-info"
        folder.mkdir()
        (folder / "RECORD").write_text(text)
        prints.add(print_of(folder))
    assert len(prints) == 2


# --- who takes part ------------------------------------------------------------------------------------


def found(info: Path, packs: AcceptedPacks, **said: str) -> PluginRecord:
    point = Point(said.get("name", "acme_words"), said.get("value", "acme_words"), Metadata(str(info)))
    (record,) = find_plugins([point], Selection(), packs.doubt)
    return record


def test_a_distribution_takes_no_part_until_it_is_accepted_as_it_is(make: Make, tmp_path: Path) -> None:
    packs = AcceptedPacks(tmp_path / "state")
    record = found(make(), packs)
    assert (record.status, record.mend) == (Status.UNTRUSTED, "pegboard plugins trust acme-words")
    assert "not accepted yet" in record.reason
    packs.accept("acme-words", record.print_, {"version": "1.0", "permissions": ["context"]})
    record = found(make(), AcceptedPacks(tmp_path / "state"))
    assert (record.status, record.accepted) == (Status.FOUND, {"context"})
    record = found(make("A = 2\n"), packs)
    assert record.status is Status.UNTRUSTED
    assert "both say that they are 1.0" in record.reason


def test_what_is_not_trusted_is_nobodys_rival(make: Make, tmp_path: Path) -> None:
    """Else a pack that nobody accepted could take `permissions` out by bearing its name."""
    own = tmp_path / "site" / "pegboard-0.1.0.dist-info"
    own.mkdir(parents=True)
    (own / "METADATA").write_text(f"Name: {OWN_DISTRIBUTION}\nVersion: 0.1.0\n")
    points = [Point("permissions", "acme_words", Metadata(str(make()))), Point("permissions", "x", Metadata(str(own)))]
    records = {
        record.distribution: record for record in find_plugins(points, Selection(), AcceptedPacks(tmp_path).doubt)
    }
    assert records["pegboard"].status is Status.FOUND
    assert records["acme-words"].status is Status.UNTRUSTED


def test_metadata_that_claims_our_name_is_not_ours(make: Make, tmp_path: Path) -> None:
    info = make()
    (info / "METADATA").write_text(f"Name: {OWN_DISTRIBUTION}\nVersion: 0.1.0\n")
    assert found(info, AcceptedPacks(tmp_path)).status is Status.UNTRUSTED


def test_consent_is_kept_per_form_and_taken_back_for_all(tmp_path: Path) -> None:
    packs = AcceptedPacks(tmp_path)
    for number in range(KEPT + 5):
        packs.accept("Acme", f"record:{number}", {"version": str(number)})
    again = AcceptedPacks(tmp_path)
    assert again.accepted("acme", "record:4") is None
    assert again.accepted("acme", "record:5") == {"version": "5"}
    assert again.last("ACME") == {"version": str(KEPT + 4)}
    assert again.revoke("acme")
    assert not again.revoke("acme")
    assert AcceptedPacks(tmp_path).forms_of("acme") == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"acme-words": 3}', '{"acme-words": {"record:x": 1}}', "\x00"])
def test_a_file_that_cannot_be_read_is_no_consent(make: Make, tmp_path: Path, text: str) -> None:
    (tmp_path / "packs.json").write_text(text)
    assert found(make(), AcceptedPacks(tmp_path)).status is Status.UNTRUSTED


# --- the snapshot --------------------------------------------------------------------------------------


def aged(info: Path) -> Path:
    """Let a distribution have been installed an hour ago."""
    past = time.time() - 3600
    for path in (*info.iterdir(), *info.parent.glob("*.py"), info.parent):
        os.utime(path, (past, past))
    return info


def test_a_hash_is_kept_with_the_files_times_and_made_anew_when_they_change(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = aged(make())
    monkeypatch.setattr("sys.path", [str(info.parent)])
    made = Snapshot(tmp_path / "state")
    made.points()
    whole = made.print_of(str(info))
    made.save()
    with monkeypatch.context() as patch:
        patch.setattr("pegboard._board.fingerprint.fingerprint", lambda folder: pytest.fail("it was made again"))
        assert Snapshot(tmp_path / "state").print_of(str(info)) == whole
    (info / "RECORD").write_text("acme_words.py,sha256=other,1\n")
    assert Snapshot(tmp_path / "state").print_of(str(info)) == print_of(info) != whole


def test_a_hash_of_what_changed_just_now_is_not_kept(make: Make, tmp_path: Path, monkeypatch: Any) -> None:
    info = aged(make())
    os.utime(info / "RECORD")
    monkeypatch.setattr("sys.path", [str(info.parent)])
    snapshot = Snapshot(tmp_path / "state")
    snapshot.points()
    snapshot.print_of(str(info))
    snapshot.save()
    (file,) = (tmp_path / "state").glob("found-*")
    assert kept.load(str(file))["prints"] == {}
