"""Writes and edits one file for ever, until it is killed: a program of its own.

`file_tools_writer.py FOLDER SEED` says on stdout which content comes next, before it writes it.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from file_tools_desk import Desk

from pegboard_builtins.file_tools.edit import edit
from pegboard_builtins.file_tools.read import read
from pegboard_builtins.file_tools.write import write

NAME = "a.txt"


def main() -> None:
    """Say a number, then write or edit the file so that it holds it."""
    desk = Desk(Path(sys.argv[1]))
    chance = random.Random(int(sys.argv[2]))
    desk.call(read, file_path=NAME)
    number = int((desk.folder / NAME).read_text().split()[1])
    while True:
        sys.stdin.readline()
        number += 1
        print(number, flush=True)
        if chance.random() < 0.5:
            desk.call(write, file_path=NAME, content=content(number))
        else:
            desk.call(edit, file_path=NAME, old_string=f"first {number - 1} ", new_string=f"first {number} ")


def content(number: int) -> str:
    """Return a whole file, far larger than one write of a disk."""
    return f"first {number} " + "x" * 300_000 + "\nlast\n"


if __name__ == "__main__":
    main()
