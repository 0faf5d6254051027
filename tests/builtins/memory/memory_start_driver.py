"""Many processes that want a daemon at the same moment, again and again.

A program of its own: `memory_start_driver.py ROOT TURNS PROCESSES` prints for each turn which daemons the processes
were given, how long the slowest waited, and which daemons there were before and after it was stopped. It forks, so
that a process costs a millisecond and all of them begin together.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any

from memory_room import daemons, gone

from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.place import Config

ANSWER = struct.Struct("id")


def begin(config: Config, gate: int, answers: int, others: tuple[int, int]) -> int:
    """Fork a process that waits at the gate, asks for a daemon, and says which it got, and after how many seconds."""
    pid = os.fork()
    if pid == 0:
        try:
            for end in others:  # the parent's
                os.close(end)
            os.read(gate, 1)  # ends when the parent closes its side
            began = time.monotonic()
            with Client(config, patience=20.0) as client:
                daemon = client.start()["pid"]
            os.write(answers, ANSWER.pack(daemon, time.monotonic() - began))
        finally:
            os._exit(0)
    return pid


def turn(config: Config, processes: int) -> dict[str, Any]:
    gate, opening = os.pipe()
    answered, answers = os.pipe()
    pids = []
    for _ in range(processes):
        pids.append(begin(config, gate, answers, (opening, answered)))
    os.close(gate)
    os.close(answers)
    time.sleep(0.02)
    os.close(opening)
    told = b""
    while more := os.read(answered, 65_536):
        told += more
    os.close(answered)
    for pid in pids:
        os.waitpid(pid, 0)
    found = list(ANSWER.iter_unpack(told))
    there = daemons(config.root)
    with Client(config, starts=False) as client:
        stopped = client.drain()
    return {
        "answers": len(found),
        "given": sorted({daemon for daemon, _ in found}),
        "slowest": max((seconds for _, seconds in found), default=0.0),
        "daemons": there,
        "stopped": stopped,
        "left": [] if gone(stopped) else daemons(config.root),
    }


def main(root: Path, turns: int, processes: int) -> list[dict[str, Any]]:
    return [turn(Config(root), processes) for _ in range(turns)]


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
