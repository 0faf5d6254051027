"""A patch of facts is applied whole or not at all, whatever happens, and can be taken back."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.facts import Fact, write_fact
from pegboard_builtins.memory.factsfolder import FactsFolder
from pegboard_builtins.memory.patches import Edit, NoRunError, PatchConflictError, Patches


@pytest.fixture
def patches(tmp_path: Path) -> Patches:
    (tmp_path / "facts").mkdir()
    return Patches(FactsFolder(tmp_path / "facts", tmp_path))


def text(words: str, *cites: int) -> str:
    return write_fact(Fact("x", words, cites=cites))


def files(patches: Patches) -> dict[str, str]:
    return {name: patches.facts.text_of(name) or "" for name in patches.facts.names()}


def test_a_patch_is_applied_recorded_and_reverted(patches: Patches) -> None:
    patches.apply([Edit("a", None, text("one", 1))], by="person")
    before = files(patches)
    run = patches.apply(
        [Edit("a", text("one", 1), None), Edit("b", None, text("two", 2)), Edit("sub/c", None, text("three"))],
        by="consolidation",
        cursor=7,
    )
    assert set(files(patches)) == {"b", "sub/c"}
    assert patches.run() == run
    assert patches.run(run.id).cursor == 7
    assert "+two" in run.diff()
    assert "--- a/a.md\n+++ /dev/null" in run.diff()
    back = patches.revert(run.id)
    assert files(patches) == before
    assert back.reverts == run.id
    assert patches.run(run.id).reverted_by == back.id
    with pytest.raises(MemoryFailure, match="reverted already"):
        patches.revert(run.id)
    patches.revert(back.id)
    assert set(files(patches)) == {"b", "sub/c"}


def test_what_somebody_changed_since_is_not_written_over(patches: Patches) -> None:
    run = patches.apply([Edit("a", None, text("one")), Edit("b", None, text("two"))], by="tool")
    patches.facts.path_of("a").write_text("a person's words")
    with pytest.raises(PatchConflictError, match="a changed since"):
        patches.revert(run.id)
    with pytest.raises(PatchConflictError):
        patches.apply([Edit("b", text("two"), None), Edit("a", text("one"), None)], by="tool")
    assert files(patches) == {"a": "a person's words", "b": text("two")}


def test_an_unknown_run_is_told(patches: Patches) -> None:
    with pytest.raises(NoRunError, match="There is none yet"):
        patches.run()
    run = patches.apply([Edit("a", None, text("one"))], by="tool")
    with pytest.raises(NoRunError, match=f"newest is {run.id}"):
        patches.run("r1999")


def test_forgetting_leaves_no_byte_of_a_fact(patches: Patches) -> None:
    patches.apply([Edit("a", None, text("the codename is xyzzy", 3), cites=(3,))], by="consolidation")
    patches.apply(
        [
            Edit("a", text("the codename is xyzzy", 3), None, cites=(3,)),
            Edit("moved", None, text("the codename is xyzzy", 3), cites=(3,)),
            Edit("other", None, text("stays", 4), cites=(4,)),
        ],
        by="tool",
    )
    torn = patches.runs / ".r1.applying.json.1.ab.tmp"  # what a killed process may leave
    torn.write_text("xyzzy")
    assert patches.forget([3]) == ["a", "moved"]
    assert set(files(patches)) == {"other"}
    for path in patches.facts.private.rglob("*"):
        if path.is_file():
            assert b"xyzzy" not in path.read_bytes(), path
    assert patches.forget([99]) == []


NAMES = [f"fact-{number}" for number in range(12)]
WRITER = """
import sys
from pathlib import Path
from pegboard_builtins.memory.factsfolder import FactsFolder
from pegboard_builtins.memory.patches import Edit, Patches
root = Path(sys.argv[1])
patches = Patches(FactsFolder(root / "facts", root))
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    facts = patches.facts
    patches.settle()
    before = {name: facts.text_of(name) for name in sys.argv[3:]}
    number += 1
    patches.apply([Edit(name, text, f"generation {number} of {name}") for name, text in before.items()], by="test")
"""


def generations(patches: Patches) -> set[str]:
    return {(text or "").partition(" of ")[0] for text in (patches.facts.text_of(name) for name in NAMES)}


def test_a_killed_patch_is_applied_whole_or_not_at_all(patches: Patches, count: Callable[[int], int]) -> None:
    seed = random.Random(5)
    root = patches.facts.private
    torn = 0
    for round_ in range(count(100)):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root), str(round_ * 1_000_000), *NAMES],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seed.uniform(0.0, 0.15))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        torn += len(generations(patches)) > 1
        patches.settle()
        assert len(generations(patches)) == 1
        assert not list(root.glob("runs/*.applying.json"))
        latest = next(iter(patches.all()), None)
        if latest is not None:
            assert {edit.after for edit in latest.edits} == {patches.facts.text_of(name) for name in NAMES}


@pytest.mark.parametrize("at", range(8))
def test_a_patch_that_was_cut_after_any_file_is_finished(
    at: int, patches: Patches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without chance: the power goes after the n-th file was written."""
    from pegboard_builtins.memory import patches as module

    patches.apply([Edit(name, None, "old") for name in NAMES[:4]], by="test")
    written = 0

    def write_whole(path: Path, text: str, **how: Any) -> None:
        nonlocal written
        written += 1
        if written > at:
            raise KeyboardInterrupt
        from pegboard_builtins.memory.factsfolder import write_whole as really

        really(path, text, **how)

    monkeypatch.setattr(module, "write_whole", write_whole)
    try:
        patches.apply([Edit(name, "old", "new") for name in NAMES[:4]], by="test")
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    patches.settle()
    assert {patches.facts.text_of(name) for name in NAMES[:4]} == ({"old"} if at == 0 else {"new"})
