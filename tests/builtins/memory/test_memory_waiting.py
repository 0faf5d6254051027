"""No session waits for a daemon: not for one that starts, nor for one that hangs, and nothing is lost by that."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory_room import P, daemons, end_all, event, gone

from pegboard.testing import HostFixture
from pegboard_builtins.memory import starting
from pegboard_builtins.memory.client import HASTE, Client, LateError, MuteError, NoDaemonError
from pegboard_builtins.memory.place import Config

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
PROMPTS = ("is the gateway for payments fine?", "and the gateway for refunds?")


@pytest.fixture
def root(tmp_path):
    yield tmp_path / "memory"
    end_all(tmp_path / "memory")


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    assert pid > 1, "0 would stop this very process and all around it"
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_who_does_not_wait_spools_while_a_daemon_starts_and_the_daemon_takes_it_in(root):
    with Client(Config(root), waits=False) as client:
        assert client.put([event(1)]) == [0]
        until = time.monotonic() + 20
        while not (served := client._connected()) and time.monotonic() < until:
            time.sleep(0.01)
        assert served
        assert client.put([event(1), event(2)]) == [1, 2]
        assert [one.key for one in client.read(P)] == ["w:1", "w:2"]
        assert client.status()["spooled"] == 0
        assert len(daemons(root)) == 1


def test_who_does_not_wait_looks_itself_while_there_is_no_daemon(root):
    with Client(Config(root), waits=False) as client:
        client._spool.add([event(1)])
        assert [hit.event.key for hit in client.search(P, "observation")] == ["w:1"]
        assert daemons(root) == []


def test_a_search_sees_what_somebody_else_has_spooled_meanwhile(root):
    with Client(Config(root)) as client, Client(Config(root), starts=False) as other:
        client.start()
        other._spool.add([event(1)])
        assert [hit.event.key for hit in client.search(P, "observation")] == ["w:1"]


def test_a_daemon_that_hangs_costs_who_does_not_wait_a_second_and_no_event(root):
    with Client(Config(root)) as client:
        pid = client.start()["pid"]
        with stopped(pid), Client(Config(root), waits=False) as hasty:
            began = time.monotonic()
            assert hasty.put([event(1)]) == [0]
            with pytest.raises((LateError, NoDaemonError)):
                hasty.search(P, "observation")
            assert time.monotonic() - began < 10 * HASTE
        assert [one.key for one in client.read(P)] == ["w:1"]


def test_a_verb_is_told_when_a_daemon_hangs(root, monkeypatch):
    with Client(Config(root)) as client:
        pid = client.start()["pid"]
        monkeypatch.setattr("pegboard_builtins.memory.client.GREETING", 0.3)
        with stopped(pid):
            with pytest.raises(LateError, match=r"did not answer within 0.3 s.*stop --kill"):
                client.status()
            with Client(Config(root), starts=False) as verb, pytest.raises(MuteError, match="does not answer"):
                verb.status()


def test_hurry_ends_a_put_that_waits_and_spools_it(root):
    with Client(Config(root), patience=60.0) as client:
        pid = client.start()["pid"]
        with stopped(pid):
            told: list[list[int]] = []
            putting = threading.Thread(target=lambda: told.append(client.put([event(1)])))
            putting.start()
            time.sleep(0.2)
            assert putting.is_alive()
            began = time.monotonic()
            client.hurry()
            putting.join(10)
            assert told == [[0]]
            assert client.put([event(2)]) == [0]
            assert time.monotonic() - began < 20
    with Client(Config(root)) as again:
        assert [one.key for one in again.read(P)] == ["w:1", "w:2"]


async def a_session(folder: Path) -> float:
    """Have a session of two prompts; return how long its end took."""
    async with HostFixture(folder=folder) as host:
        host.builtin("memory")
        host.model.script("It is.", "Yes.")
        for prompt in PROMPTS:
            await host.prompt(prompt)
        began = time.monotonic()
    return time.monotonic() - began


def all_kept(root: Path) -> list[str]:
    with Client(Config(root)) as client:
        (project,) = client.status()["projects"]
        return [one.text for one in client.read(project)]


@pytest.mark.anyio
async def test_a_session_keeps_everything_though_no_daemon_can_start(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(starting.subprocess, "Popen", _cannot)
        assert await a_session(tmp_path) < 5
    (root,) = tmp_path.rglob("memory")
    try:
        assert sorted(all_kept(root)) == sorted([*PROMPTS, "It is.", "Yes."])
    finally:
        end_all(root)


def _cannot(*given, **named):
    raise OSError(12, "Cannot allocate memory")


@pytest.mark.anyio
async def test_a_session_ends_in_time_and_keeps_everything_though_the_daemon_hangs(tmp_path):
    await a_session(tmp_path)
    (root,) = [path.parent for path in tmp_path.rglob("memory/lock")]
    try:
        with Client(Config(root)) as client:
            pid = client.start()["pid"]
        with stopped(pid):
            assert await a_session(tmp_path) < 5
        assert sorted(all_kept(root)) == sorted([*PROMPTS, "It is.", "Yes."] * 2)
        with Client(Config(root), starts=False) as client:
            client.drain()
        assert gone(pid)
    finally:
        end_all(root)
