"""Writes and edits a file in child processes and kills them (SIGKILL) at random moments.

A program of its own: `file_tools_writer.py FOLDER SEED KILLS` prints one JSON line per kill. It forks, so that a kill
costs milliseconds; the children are real processes all the same.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from file_tools_desk import Desk

from pegboard_builtins.file_tools.edit import edit
from pegboard_builtins.file_tools.read import read
from pegboard_builtins.file_tools.write import write

NAME = "a.txt"


def content(number: int) -> str:
    """Return a whole file, far larger than one write of a disk."""
    return f"first {number} " + "x" * 300_000 + "\nlast\n"


def child(folder: Path, number: int, kind: str, told: int) -> None:
    """Make the file hold *number*, and say when that begins."""
    desk = Desk(folder)
    desk.call(read, file_path=NAME)
    os.write(told, b".")
    if kind == "Write":
        desk.call(write, file_path=NAME, content=content(number))
    else:
        desk.call(edit, file_path=NAME, old_string=f"first {number - 1} ", new_string=f"first {number} ")


def killed(folder: Path, number: int, kind: str, after: float) -> None:
    """Run one call in a child, and kill it so many seconds after it began."""
    began, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            child(folder, number, kind, told)
        finally:
            os._exit(0)
    os.close(told)
    assert os.read(began, 1) == b"."
    os.close(began)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def main() -> None:
    """Kill so many calls; whatever became of one, the next goes on from there."""
    folder, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    (folder / NAME).write_text(content(0))
    (folder / NAME).chmod(0o640)
    number = 0
    for _ in range(int(sys.argv[3])):
        kind = chance.choice(["Write", "Edit"])
        killed(folder, number + 1, kind, chance.uniform(0, 0.02))
        text = (folder / NAME).read_text()
        whole = {number: text == content(number), number + 1: text == content(number + 1)}
        mode = (folder / NAME).stat().st_mode & 0o777
        print(json.dumps({"call": kind, "old": whole[number], "new": whole[number + 1], "mode": mode}), flush=True)
        number += whole[number + 1]


if __name__ == "__main__":
    main()
