"""Every test here runs with names that occur nowhere else; whatever holds one afterwards has leaked, and fails it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import undercover_ledger
from undercover_ledger import Ledger
from undercover_room import all_leaks_in

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Keep a ledger of what all processes of a file's tests write; they have a home and a tmp folder of their own."""
    root = tmp_path_factory.mktemp("canary")
    (root / "site").mkdir()
    shutil.copy(HERE / "undercover_ledger.py", root / "site" / "sitecustomize.py")
    found = Ledger(root / "ledger", all_leaks_in)
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in {
            "HOME": "home",
            "TMPDIR": "tmp",
            "XDG_CACHE_HOME": "cache",
            "XDG_STATE_HOME": "xdg",
        }.items():
            (root / folder).mkdir()
            patch.setenv(name, str(root / folder))
        patch.setattr(tempfile, "tempdir", str(root / "tmp"))
        patch.setenv(undercover_ledger.VARIABLE, str(found.path))
        patch.setenv("PYTHONPATH", str(root / "site"))
        undercover_ledger.begin(str(found.path))
        yield found
        undercover_ledger.end()


@pytest.fixture(autouse=True)
def _no_name_is_left_anywhere(ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Search every byte that this test's host wrote anywhere but into its journals."""
    yield
    problems = ledger.problems([tmp_path, ledger.path.parent])
    problems += [f"the log: {names}" for names in [all_leaks_in(caplog.text)] if names]
    assert not problems, "\n".join(problems)
