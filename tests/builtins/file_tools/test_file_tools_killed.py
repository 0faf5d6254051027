"""Write and Edit are killed at random moments: the file is the old one or the new one, whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import file_tools_writer
from file_tools_desk import Desk

from pegboard_builtins.file_tools.write import write


def test_a_killed_write_or_edit_leaves_the_old_file_or_the_new_one(tmp_path: Path, count: Callable[[int], int]) -> None:
    program = [sys.executable, file_tools_writer.__file__, str(tmp_path), "4", str(count(200))]
    output = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    seen = [json.loads(line) for line in output.splitlines()]
    assert len(seen) == count(200)
    assert all(one["old"] or one["new"] for one in seen)
    assert {one["mode"] for one in seen} == {0o640}
    # A test that always comes too early or too late shows nothing.
    assert {(one["old"], one["new"]) for one in seen} == {(True, False), (False, True)}


def test_what_a_killed_write_left_behind_is_taken_away_later(desk: Desk) -> None:
    old, fresh, other = (
        desk.file(name) for name in (f".pegboard-{'0' * 16}.tmp", f".pegboard-{'1' * 16}.tmp", ".x.tmp")
    )
    for path in (old, other):
        os.utime(path, (10**9, 10**9))
    desk.call(write, file_path="a.txt", content="x")
    assert [path.exists() for path in (old, fresh, other)] == [False, True, True]
