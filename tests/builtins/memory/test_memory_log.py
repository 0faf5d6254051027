"""The log: what is acknowledged is there, whatever happens to the file."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import Event, NotKeptError
from pegboard_builtins.memory.lines import Damage, decode, encode, parse
from pegboard_builtins.memory.segments import Log

P = "p"


@pytest.fixture
def hasty(monkeypatch):
    """Syncs cost nothing: for tests that open a log a thousand times, and are about what is in it."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    monkeypatch.setattr(os, "fdatasync", lambda file: None)


def event(number: int, **facts) -> Event:
    return Event(P, f"observation {number}\nwith\ttabs and “quotes”", key=f"k{number}", at=1_790_000_000.125, **facts)


def texts(log: Log) -> list[str]:
    return [found.text for found, _ in log.scan()]


def filled(folder, count: int, *, at_once: int = 1, **options) -> Log:
    log = Log(folder, P, **options)
    for first in range(1, count + 1, at_once):
        log.append([event(number) for number in range(first, min(first + at_once, count + 1))])
    return log


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    meta=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.booleans() | st.none()),
    at=st.integers(0, 4_000_000_000_000),
    number=st.integers(1, 1 << 60),
)
def test_a_line_gives_its_event_back(text, meta, at, number):
    made = Event(P, text, key="k", at=at / 1000, meta=meta, number=number, session="s", record="r", worktree="w")
    line = encode(made)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line, P) == made


def test_half_a_character_is_replaced_and_does_not_break_the_log():
    assert decode(encode(Event(P, "a\ud800b", key="k")), P).text == "a\ufffdb"


def test_numbers_go_up_by_one_and_never_begin_again(tmp_path):
    log = filled(tmp_path, 5, at_once=2)
    log.close()
    again = Log(tmp_path, P)
    ((placed, _),) = again.append([event(6)])
    assert placed.number == 6
    assert [found.number for found, _ in again.scan()] == [1, 2, 3, 4, 5, 6]
    assert [found.number for found, _ in again.scan(after=4)] == [5, 6]


def test_a_full_segment_is_followed_by_another_and_reading_goes_over_both(tmp_path):
    log = filled(tmp_path, 30, segment_bytes=500)
    assert len(log.segments()) > 5
    assert [found.number for found, _ in log.scan(after=7)] == list(range(8, 31))
    places = [place for _, place in log.scan()]
    log.forget_readers()
    assert [log.read(place).number for place in places] == list(range(1, 31))


def test_truncated_at_any_byte_the_log_is_an_exact_prefix(tmp_path, hasty):
    log = filled(tmp_path / "whole", 6)
    (first,) = log.segments()
    data = log.path_of(first).read_bytes()
    ends = [place.offset + place.length for _, place in log.scan()]
    for length in range(len(data) + 1):
        folder = tmp_path / "cut"
        disk.private_folder(folder)
        for left in folder.iterdir():
            left.unlink()
        (folder / log.path_of(first).name).write_bytes(data[:length])
        cut = Log(folder, P)
        # a line that lacks nothing but its newline is whole
        whole = sum(end - 1 <= length for end in ends)
        assert [found.number for found, _ in cut.scan()] == list(range(1, whole + 1)), length
        kept = [path.read_bytes() for path in folder.glob("*.torn")]
        begun = max([end for end in ends if end - 1 <= length], default=0)
        assert kept == ([data[begun:length]] if length > begun else []), length
        ((placed, _),) = cut.append([event(9)])
        assert placed.number > whole
        assert len(texts(cut)) == whole + 1
        cut.close()


def test_a_flipped_bit_costs_at_most_the_line_that_it_is_in_and_is_reported(tmp_path, hasty, count):
    log = filled(tmp_path / "whole", 12, at_once=3)
    (first,) = log.segments()
    data = log.path_of(first).read_bytes()
    spans = [(place.offset, place.offset + place.length, found) for found, place in log.scan()]
    chance = random.Random(8)
    folder = disk.private_folder(tmp_path / "flipped")
    for turn in range(count(10_000)):
        for left in folder.iterdir():
            left.unlink()
        bit = chance.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / log.path_of(first).name).write_bytes(flipped)
        mended = Log(folder, P)
        found = [one for one, _ in mended.scan()]
        expected = [one for start, end, one in spans if not start <= bit // 8 < end]
        hit = next(one for start, end, one in spans if start <= bit // 8 < end)
        assert [one for one in found if one != hit] == expected, (turn, bit)
        assert mended.repairs or found == [one for _, _, one in spans], (turn, bit)
        ((placed, _),) = mended.append([event(13)])
        assert placed.number == 13
        mended.close()


def test_damage_in_the_middle_is_quarantined_once_with_its_bytes_and_later_lines_stay(tmp_path):
    import base64

    log = filled(tmp_path, 3)
    places = [place for _, place in log.scan()]
    log.close()
    path = log.path_of(1)
    data = bytearray(path.read_bytes())
    data[places[1].offset + 20] ^= 1
    path.write_bytes(data)
    for _ in range(2):
        again = Log(tmp_path, P)
        assert [found.number for found, _ in again.scan()] == [1, 3]
        assert again.read(places[1]) is None
        (told,) = again.damaged()
        assert base64.b64decode(told["bytes"]) == data[places[1].offset : places[2].offset]
        assert "check sum" in told["reason"]
        again.close()
    assert path.read_bytes() == data


def test_the_number_of_a_damaged_last_line_is_not_given_to_another(tmp_path):
    log = filled(tmp_path, 3)
    log.close()
    data = bytearray(log.path_of(1).read_bytes())
    data[-20] ^= 1
    log.path_of(1).write_bytes(data)
    ((placed, _),) = Log(tmp_path, P).append([event(4)])
    assert placed.number == 4


class FullDisk:
    """Takes so many bytes more, then says what a full disk says."""

    def __init__(self, monkeypatch, room: int) -> None:
        self.room = room
        self.write = os.write
        monkeypatch.setattr(os, "write", self._write)

    def _write(self, file, data):
        if self.room <= 0:
            raise OSError(28, "No space left on device")
        taken = self.write(file, bytes(data)[: self.room])
        self.room -= taken
        return taken


@pytest.mark.parametrize("room", range(0, 400, 13))
def test_on_a_full_disk_nothing_is_half_kept_and_what_was_acknowledged_stays(tmp_path, monkeypatch, room):
    log = filled(tmp_path, 2)
    with monkeypatch.context() as patch:
        FullDisk(patch, room)
        with pytest.raises(NotKeptError, match=r"No space left.*make room"):
            log.append([event(number) for number in range(3, 9)])
        assert [found.number for found, _ in log.scan()] == [1, 2]
    log.append([event(3)])
    assert [found.number for found, _ in log.scan()] == [1, 2, 3]
    log.close()
    again = Log(tmp_path, P)
    assert [found.number for found, _ in again.scan()] == [1, 2, 3]
    assert not again.repairs


def test_a_sync_that_fails_acknowledges_nothing(tmp_path, monkeypatch):
    log = filled(tmp_path, 2)

    def broken(file):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync", broken)
        with pytest.raises(NotKeptError, match="Input/output error"):
            log.append([event(3)])
    assert texts(log) == [event(1).text, event(2).text]
    log.append([event(3)])
    assert len(texts(log)) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(NotKeptError, match="Permission denied"):
            filled(tmp_path / "log", 1)
    finally:
        tmp_path.chmod(0o700)


def test_a_log_is_for_its_user_alone(tmp_path):
    log = filled(tmp_path / "log", 1)
    assert log.folder.stat().st_mode & 0o777 == 0o700
    assert log.path_of(1).stat().st_mode & 0o777 == 0o600


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_bytes_that_are_no_log_are_damage_and_no_error(data):
    covered = 0
    for offset, length, found in parse(data):
        assert isinstance(found, Damage)
        assert offset == covered
        covered += length
    assert covered == data.rfind(b"\n") + 1


def test_of_several_that_write_one_file_at_once_none_fails_and_the_file_is_always_whole(tmp_path):
    path = tmp_path / "said.json"
    whole = {bytes([65 + writer]) * 5_000 for writer in range(4)}
    failed: list[Exception] = []

    def write(data: bytes) -> None:
        try:
            for _ in range(60):
                disk.write_whole(path, data, durable=False)
                assert path.read_bytes() in whole
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(data,)) for data in whole]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert failed == []
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".a.json.{dead.pid}.0000{disk.UNFINISHED}"
    begun = tmp_path / f".a.json.{os.getpid()}.0000{disk.UNFINISHED}"
    for path in (left, begun, tmp_path / "a.json"):
        path.write_bytes(b"{}")
    disk.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([begun.name, "a.json"])
