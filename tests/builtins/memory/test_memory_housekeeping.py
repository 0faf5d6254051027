"""What is too old or too much goes by itself, and nothing else does."""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_room import P, end_all, event

from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.housekeeping import DAY, Limits, due
from pegboard_builtins.memory.index import Index
from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.projects import Identity, Meta, note_root, read_meta, write_meta
from pegboard_builtins.memory.segments import Log, segments_in
from pegboard_builtins.memory.store import Store

SEGMENT = 2_000
WHOLE = {"quota": 10**9, "retention_days": 10_000}


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    monkeypatch.setitem(Log.__init__.__kwdefaults__, "segment_bytes", SEGMENT)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "memory", durability="os") as made:
        yield made


def filled(store: Store, count: int = 60, project: str = P) -> None:
    for first in range(1, count, 5):
        store.put([event(number, project=project) for number in range(first, first + 5)])


def log_of(store: Store, project: str = P) -> Path:
    return store.folder_of(project) / "log"


def age(store: Store, days: float, segments: int) -> None:
    """Let the oldest segments be from so many days ago."""
    then = time.time() - days * DAY
    for _, path in segments_in(log_of(store))[:segments]:
        os.utime(path, (then, then))


def keys(store: Store) -> list[str]:
    return [one.key for one in store.read(P)]


def test_a_log_that_is_too_large_loses_its_oldest_segments_and_no_more_than_it_must(store):
    filled(store)
    before = keys(store)
    sizes = [path.stat().st_size for _, path in segments_in(log_of(store))]
    quota = sum(sizes[2:])
    told = store.gc(quota=quota, retention_days=10_000)[P]
    assert [one["because"] for one in told["segments"]] == ["quota", "quota"]
    assert keys(store) == [key for key in before if int(key[2:]) > told["last"]]
    assert store.gc(quota=quota + SEGMENT, retention_days=10_000) == {}


def test_a_segment_goes_when_what_was_kept_in_it_last_is_too_old(store):
    filled(store)
    age(store, 31, 2)
    assert store.gc(quota=10**9, retention_days=40) == {}
    told = store.gc(quota=10**9, retention_days=30)[P]
    assert len(told["segments"]) == 2
    assert keys(store)[0] == f"w:{told['last'] + 1}"


def test_a_young_segment_before_an_old_one_stays_and_so_does_the_old_one(store):
    filled(store)
    age(store, 31, 3)
    now = time.time()
    os.utime(segments_in(log_of(store))[0][1], (now, now))
    assert store.gc(quota=10**9, retention_days=30) == {}


def test_all_of_a_project_goes_where_all_is_too_old_and_no_number_is_given_twice(store):
    filled(store)
    last = store.project(P).log.last
    age(store, 31, 99)
    assert store.gc(quota=10**9, retention_days=30)[P]["last"] == last
    assert keys(store) == []
    assert store.put([event(1000)])[0] > last
    store.close()
    with Store(store.root) as again:
        assert again.put([event(1001)])[0] > last + 1
        assert keys(again) == ["w:1000", "w:1001"]
        assert again.verify(P)[P]["ok"]


def test_a_small_segment_ends_after_two_weeks_so_that_little_is_kept_too_long(store, monkeypatch):
    store.put([event(1)])
    now = time.time()
    monkeypatch.setattr("pegboard_builtins.memory.segments.time.time", lambda: now + 15 * DAY)
    store.put([event(2)])
    store.put([event(3)])
    assert [first for first, _ in segments_in(log_of(store))] == [1, 2]


def test_the_index_finds_what_stayed_and_nothing_else_and_is_sound(store):
    filled(store)
    store.gc(quota=2 * SEGMENT, retention_days=10_000)
    kept = keys(store)
    hits = store.search(P, "observation", limit=100, neighbours=0)
    assert sorted(hit.event.key for hit in hits) == sorted(kept)
    assert store.project(P).index.sound() == ""
    told = store.verify(P)[P]
    assert (told["ok"], told["index"], told["events"]) == (True, "ok", len(kept))


def test_what_was_forgotten_stays_forgotten_when_the_note_of_it_had_its_time(store):
    filled(store, 10)
    store.forget(P, numbers=[3])
    filled(store, 120, P)
    age(store, 31, 99)
    store.gc(quota=10**9, retention_days=30)
    store.project(P).reindex()
    assert store.put([event(3)]) == [3]
    assert keys(store) == []


def test_the_log_and_the_status_tell_what_was_dropped(store):
    filled(store)
    told = store.gc(quota=2 * SEGMENT, retention_days=10_000)[P]
    said = store.status()["projects"][P]["dropped"]
    assert (said["events"], said["because"]) == (told["last"], "quota")
    notes = [one for one, _ in store.project(P).log.scan() if one.kind == "forgotten"]
    assert [one.text for one in notes] == [f"#1 to #{told['last']} had their time"]
    filled(store, 200)
    again = store.gc(quota=2 * SEGMENT, retention_days=10_000)[P]
    assert store.status()["projects"][P]["dropped"]["events"] == again["last"]


def test_a_dry_run_says_the_same_and_drops_nothing(store):
    filled(store)
    before = keys(store)
    dry = store.gc(quota=2 * SEGMENT, retention_days=10_000, dry_run=True)
    assert keys(store) == before
    assert store.gc(quota=2 * SEGMENT, retention_days=10_000) == dry


@pytest.mark.parametrize("after", range(1, 6))
def test_a_drop_that_a_crash_cut_off_is_done_the_next_time_and_loses_nothing_else(store, monkeypatch, after):
    filled(store)
    before = keys(store)
    told = store.gc(quota=2 * SEGMENT, retention_days=10_000, dry_run=True)[P]
    left = [after]

    def crash(real):
        def stand_in(*given, **named):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return real(*given, **named)

        return stand_in

    with monkeypatch.context() as patch:
        patch.setattr(Index, "commit", crash(Index.commit))
        patch.setattr(Path, "unlink", crash(Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            store.gc(quota=2 * SEGMENT, retention_days=10_000)
    store.close()
    with Store(store.root) as again:
        kept = [key for key in before if int(key[2:]) > told["last"]]
        assert keys(again)[-len(kept) :] == kept
        again.search(P, "observation", limit=100)
        again.gc(quota=2 * SEGMENT, retention_days=10_000)
        assert set(keys(again)) <= set(kept)
        assert again.verify(P)[P]["ok"]


def test_a_project_keeps_what_its_own_settings_let_it_keep(store):
    for project in ("careful", "careless", "unknown"):
        filled(store, 60, project)
    write_meta(store.folder_of("careful"), Meta("a", (), 10**9, 10_000))
    write_meta(store.folder_of("careless"), Meta("b", (), 2 * SEGMENT, 10_000))
    for _ in store.tidy():
        pass
    counts = {one: facts["events"] for one, facts in store.status()["projects"].items()}
    assert counts["careful"] == counts["unknown"] == 60
    assert 0 < counts["careless"] < 60
    assert set(store.gc(quota=3 * SEGMENT, retention_days=10_000)) == {"unknown"}


def test_the_limits_of_a_project_are_those_it_was_opened_with_last(tmp_path):
    here = Identity(P, "", tmp_path, "p")
    note_root(tmp_path, here, quota=5_000_000, retention_days=9)
    note_root(tmp_path, here)
    note_root(tmp_path, here, quota=7_000_000, retention_days=3)
    meta = read_meta(tmp_path / "projects" / P)
    assert (meta.quota, meta.retention_days) == (7_000_000, 3)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_goes_that_the_limits_cover(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "log").mkdir()
    sizes = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=8))
    ages = data.draw(st.lists(st.integers(0, 50), min_size=len(sizes), max_size=len(sizes)))
    limits = Limits(data.draw(st.integers(0, 200)), data.draw(st.integers(1, 50)))
    now = time.time()
    for number, (size, days) in enumerate(zip(sizes, ages, strict=True), 1):
        path = folder / "log" / f"{number:012d}.ndjson"
        path.write_bytes(bytes(size))
        os.utime(path, (now - days * DAY - 60, now - days * DAY - 60))
    gone = due(folder, limits, clock=now)
    assert [one.first for one in gone] == list(range(1, len(gone) + 1))
    for one in gone:
        left = sum(sizes[one.first - 1 :])
        assert ages[one.first - 1] >= limits.retention_days or (left > limits.quota and one.first < len(sizes))
    kept = sizes[len(gone) :]
    if len(kept) > 1:
        assert sum(kept) <= limits.quota
        assert ages[len(gone)] < limits.retention_days or not kept[0]


def test_the_daemon_does_it_while_nobody_asks_and_answers_meanwhile(tmp_path):
    root = tmp_path / "memory"
    with Store(root, durability="os") as store:
        store.put([Event(P, f"{random.random()} words {n}" * 30, key=f"x:{n}") for n in range(4000)])
        filled(store)
        age(store, 31, len(segments_in(log_of(store))) - 1)
        old = store.project(P).log.segments()
    write_meta(root / "projects" / P, Meta("p", (), 10**9, 30))
    try:
        with Client(replace(Config(root), idle_minutes=0.02)) as client:
            assert client.put([event(999)])
            until = time.monotonic() + 120
            while not client.status()["projects"][P]["dropped"] and time.monotonic() < until:
                began = time.monotonic()
                client.search(P, "words", limit=1)
                assert time.monotonic() - began < 30
                time.sleep(0.05)
            said = client.status()["projects"][P]["dropped"]
            assert said["because"] == "old"
            assert said["events"] >= 4000
            assert client.verify(P)[P]["ok"]
            assert client.read(P)[-1].key == "w:999"
            assert json.loads((root / "projects" / P / "housekeeping.json").read_bytes()) == said
            assert len(old) > 1
    finally:
        end_all(root)
