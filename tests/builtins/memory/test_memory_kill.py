"""kill -9 and power cuts at any moment: what was acknowledged is there, once."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from memory_room import P, end_all, event

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.segments import Log

HERE = Path(__file__).parent


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the daemon in /proc")
def test_killed_at_any_moment_nothing_acknowledged_is_missing_and_nothing_is_doubled(tmp_path, count, full):
    root, seed = tmp_path / "memory", random.randrange(1 << 30)
    wanted = 500_000 if full else 100_000
    argv = [sys.executable, str(HERE / "memory_kill_driver.py"), str(root), str(seed), str(count(1000)), str(wanted)]
    try:
        driver = subprocess.run(argv, capture_output=True, text=True, timeout=590, check=False)
        assert driver.returncode == 0, f"seed {seed}: {driver.stderr[-3000:]}"
        told = json.loads(driver.stdout)
        assert told["daemons"] > 0
        assert told["writers"] + told["daemons"] >= count(1000)
        found: Counter[str] = Counter()
        with Client(Config(root)) as client:
            last = client.status()["projects"][P]["last"]
            for first in range(1, last + 1, 5000):
                found.update(one.key for one in client.read(P, first, first + 4999))
            assert client.status()["spooled"] == 0
            verified = client.verify(P)[P]
    finally:
        end_all(root)
    acked = {f"w{w}:{n}" for w in range(8) for n in range(told[f"w{w}"])}
    assert len(acked) >= wanted
    assert acked - set(found) == set(), f"seed {seed}"
    assert [key for key, times in found.items() if times > 1] == [], f"seed {seed}"
    assert (verified["index"], verified["missing"], verified["damaged"]) == ("ok", [], [])


# --- power cuts ----------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """The lights go out."""


class Recording:
    """Stands between the log and the disk, remembers what was synced, and cuts the power after so many calls.

    What survives a cut is what a real disk may leave: of each file what was synced, and of the rest any beginning,
    whole or with zeros in place of some of it; a new name only if its folder was synced.
    """

    def __init__(self, monkeypatch, folder: Path, calls: int) -> None:
        self.folder = folder
        self.left = calls
        self.synced: dict[str, bytes] = {}
        self.named: set[str] = set()
        self._write = os.write
        for module, name, stand_in in [
            (os, "write", self.write),
            (os, "fdatasync", self.sync),
            (os, "fsync", self.sync),
            (os, "ftruncate", self.truncate(os.ftruncate)),
        ]:
            monkeypatch.setattr(module, name, stand_in)

    def tick(self) -> None:
        self.left -= 1
        if self.left <= 0:
            raise PowerCut

    def write(self, file: int, data: bytes) -> int:
        if self.left == 1:
            self._write(file, bytes(data)[: random.Random(len(data)).randrange(len(data) + 1)])
        self.tick()
        return self._write(file, data)

    def sync(self, file: int) -> None:
        self.tick()
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        if path.is_dir():
            self.named |= {one.name for one in path.iterdir()}
        else:
            self.synced[path.name] = path.read_bytes()

    def truncate(self, real):
        def stand_in(file: int, length: int) -> None:
            self.tick()
            real(file, length)

        return stand_in

    def survivors(self, target: Path, chance: random.Random) -> None:
        target.mkdir()
        for path in self.folder.iterdir():
            if path.name not in self.named and chance.random() < 0.5:
                continue
            data, safe = path.read_bytes(), self.synced.get(path.name, b"")
            if not data.startswith(safe):
                safe = b""  # rewritten since: all of it is open
            rest = bytearray(data[len(safe) : chance.randint(len(safe), len(data))])
            if rest and chance.random() < 0.3:
                start = chance.randrange(len(rest))
                rest[start : chance.randint(start, len(rest))] = bytes(1)
            (target / path.name).write_bytes(safe + rest)


def cut_off(folder: Path, target: Path, chance: random.Random, *, durability: str) -> tuple[set[str], set[str]]:
    """Write until the power is cut; return what was acknowledged and what was there after the disk's own choice."""
    acked: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        disk_now = Recording(patch, folder, chance.randint(2, 60))
        number = 0
        try:
            log = Log(folder, P, durability=durability, segment_bytes=900)
            while True:
                batch = [event(number + step) for step in range(chance.randint(1, 4))]
                number += len(batch)
                log.append(batch)
                acked |= {one.key for one in batch}
        except PowerCut:
            disk_now.left = 1 << 60
            disk_now.survivors(target, chance)
    after = Log(target, P)
    keys = [one.key for one, _ in after.scan()]
    assert len(keys) == len(set(keys))
    ((placed, _),) = after.append([event(10_000)])
    assert placed.number > len(keys)
    after.close()
    return acked, set(keys)


def test_after_a_power_cut_nothing_acknowledged_is_missing(tmp_path, count):
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    for turn in range(count(2000)):
        folder = disk.private_folder(tmp_path / f"before{turn}")
        acked, there = cut_off(folder, tmp_path / f"after{turn}", chance, durability="fsync")
        assert acked - there == set(), (seed, turn)


def test_without_a_sync_the_same_power_cuts_lose_events_so_the_check_can_fail(tmp_path):
    chance = random.Random(4)
    lost = 0
    for turn in range(40):
        folder = disk.private_folder(tmp_path / f"before{turn}")
        acked, there = cut_off(folder, tmp_path / f"after{turn}", chance, durability="os")
        lost += len(acked - there)
    assert lost > 0


def test_a_disk_that_fails_to_sync_is_not_believed_the_next_time(tmp_path, monkeypatch):
    log = Log(tmp_path, P)
    log.append([event(1)])
    opened: list[int] = []
    real_open, real_sync = os.open, os.fdatasync

    def open_noted(*given, **options):
        file = real_open(*given, **options)
        opened.append(file)
        return file

    def failing(file):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(disk.NotKeptError):
            log.append([event(2)])
    monkeypatch.setattr(os, "open", open_noted)
    monkeypatch.setattr(os, "fdatasync", real_sync)
    log.append([event(3)])
    assert opened, "the file was opened anew"
    assert [one.key for one, _ in log.scan()] == ["w:1", "w:3"]
