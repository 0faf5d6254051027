"""Write and Edit are killed at random moments: the file is the old one or the new one, whole."""

from __future__ import annotations

import random
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import file_tools_writer
from file_tools_writer import NAME, content


def test_a_killed_write_or_edit_leaves_the_old_file_or_the_new_one(tmp_path: Path, count: Callable[[int], int]) -> None:
    chance = random.Random(4)
    path = tmp_path / NAME
    path.write_text(content(0))
    path.chmod(0o640)
    seen = {"old": 0, "new": 0}
    for _ in range(count(200)):
        before = int(path.read_text().split()[1])
        program = [sys.executable, file_tools_writer.__file__, str(tmp_path), str(chance.randrange(1000))]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            print(file=writer.stdin, flush=True)
            wanted = int(writer.stdout.readline())
            time.sleep(chance.uniform(0, 0.012))
            writer.kill()
        assert wanted == before + 1
        text = path.read_text()
        number = int(text.split()[1])
        assert number in (before, wanted)
        assert text == content(number)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        seen["new" if number == wanted else "old"] += 1
    # A test that always comes too early or too late shows nothing.
    assert all(seen.values()), seen
