"""Eight writers, one daemon, and SIGKILL for any of them at random moments.

A program of its own: `memory_kill_driver.py ROOT SEED KILLS EVENTS` ends when both numbers are reached, and prints how
many events each writer was told were kept. It forks, so that a writer costs milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

from memory_room import daemons, event

from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.place import Config

WRITERS = 8
BATCH = 250
DAEMON = 0.2
"""How often it is the daemon that is hit."""


def acknowledged(path: Path) -> int:
    """Return how many batches a writer noted; a note that was cut off does not count."""
    return path.stat().st_size // 4 if path.exists() else 0


def write(root: Path, name: str, notes: Path) -> None:
    """Put batch after batch; the one whose note is missing is put again, under the same keys."""
    number = acknowledged(notes)
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.ftruncate(file, number * 4)
    client = Client(Config(root), patience=10.0)
    while True:
        batch = [event(number * BATCH + step, name) for step in range(BATCH)]
        try:
            client.put(batch)
        except MemoryFailure as error:
            print(error, file=sys.stderr)
            time.sleep(0.01)
            continue
        os.write(file, struct.pack("I", number))
        number += 1


def begin(root: Path, name: str) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            write(root, name, root.parent / f"{name}.acked")
        finally:
            os._exit(1)
    return pid


def main(root: Path, seed: int, kills: int, events: int) -> dict[str, int]:
    chance = random.Random(seed)
    names = [f"w{number}" for number in range(WRITERS)]
    writers = {name: begin(root, name) for name in names}
    done = {"writers": 0, "daemons": 0}
    until = time.monotonic() + 500
    try:
        while sum(done.values()) < kills or _acked(root, names) < events:
            time.sleep(chance.expovariate(1 / 0.03))
            assert time.monotonic() < until, f"too slow: {done}, {_acked(root, names)} events"
            if sum(done.values()) >= kills:
                continue
            if chance.random() < DAEMON:
                for pid in daemons(root)[:1]:
                    with contextlib.suppress(ProcessLookupError):  # one that lost a race to start ends by itself
                        os.kill(pid, signal.SIGKILL)
                        done["daemons"] += 1
                continue
            name = chance.choice(names)
            os.kill(writers[name], signal.SIGKILL)
            os.waitpid(writers[name], 0)
            done["writers"] += 1
            writers[name] = begin(root, name)
    finally:
        for pid in writers.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return {**done, **{name: acknowledged(root.parent / f"{name}.acked") * BATCH for name in names}}


def _acked(root: Path, names: list[str]) -> int:
    return sum(acknowledged(root.parent / f"{name}.acked") for name in names) * BATCH


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
