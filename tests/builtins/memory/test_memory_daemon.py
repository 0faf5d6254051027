"""The daemon: one at a time, for its user alone, gone when nobody needs it, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from memory_room import P, daemons, end_all, event, gone

from pegboard_builtins.memory import disk, place, protocol, starting
from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.daemon import BACKLOG, Daemon
from pegboard_builtins.memory.desk import Desk
from pegboard_builtins.memory.events import Event, MemoryFailure, NotKeptError, UnfitEventError
from pegboard_builtins.memory.place import Config, is_locked, said_where
from pegboard_builtins.memory.spool import Spool
from pegboard_builtins.memory.starting import argv_of
from pegboard_builtins.memory.store import Store

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


@pytest.fixture
def root(tmp_path):
    yield tmp_path / "memory"
    end_all(tmp_path / "memory")


@pytest.fixture
def config(root):
    return Config(root, durability="os")


@pytest.fixture
def client(config):
    with Client(config, patience=30.0) as made:  # on a busy machine a daemon takes longer to start than a put waits
        yield made


def test_the_first_put_starts_a_daemon_and_others_use_it(client, config):
    assert client.put([event(1), event(2)]) == [1, 2]
    with Client(config) as other:
        assert other.put([event(3, "v")]) == [3]
        assert [hit.event.key for hit in other.search(P, "observation 1", limit=1)] == ["w:1"]
        assert [one.number for one in other.read(P)] == [1, 2, 3]
        told = other.status()
    assert (told["events"], told["clients"]) == (3, 2)
    assert daemons(config.root) == [told["pid"]]
    assert told["socket"] == said_where(config.root)


def test_a_put_that_is_asked_twice_is_kept_once(client):
    assert client.put([event(1)]) == client.put([event(1)]) == [1]


def test_only_its_user_can_come_near_the_socket(client):
    path = Path(client.status()["socket"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_socket_is_in_the_run_time_folder_where_there_is_one(monkeypatch, tmp_path):
    with tempfile.TemporaryDirectory(prefix="pb-", dir="/tmp") as short:  # a socket's path has 100 bytes
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        memory = Path(short) / "memory"
        path = place.socket_path(memory)
        assert path.parent == Path(short) / "pegboard"
        assert path.parent.stat().st_mode & 0o777 == 0o700
        path.parent.chmod(0o755)  # somebody else could look in: it is not used
        assert place.socket_path(memory).parent == memory
    deep = tmp_path.joinpath(*["x" * 40] * 3)
    assert len(os.fsencode(place.socket_path(deep))) <= 100


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_users_process_is_refused(client):
    told = client.status()
    script = (
        "import os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); os.setuid(65534)\n"
        "t = socket.socket(socket.AF_UNIX)\n"
        "try:\n    t.connect(sys.argv[1])\nexcept PermissionError: print('no way in')"
    )
    done = subprocess.run([sys.executable, "-c", script, told["socket"]], capture_output=True, text=True, check=True)
    assert done.stdout == "no way in\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_where_files_would_let_another_user_in_the_kernels_word_about_the_peer_does_not():
    with tempfile.TemporaryDirectory(prefix="pegboard-") as folder, Client(Config(Path(folder) / "m")) as client:
        where = client.status()["socket"]
        try:
            for open_wide in (folder, Path(folder) / "m", where):
                os.chmod(open_wide, 0o777)
            script = (
                "import os, socket, sys\n"
                "os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
                "try:\n"
                '    s.sendall(b\'{"id":1,"op":"status"}\\n\')\n'
                "    print(s.recv(100))\n"
                "except ConnectionError: print(b'')"
            )
            argv = [sys.executable, "-c", script, where]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            assert done.stdout == "b''\n", done.stderr
        finally:
            end_all(Path(folder) / "m")


def test_what_is_no_request_gets_an_error_and_the_next_one_an_answer(client):
    client.start()
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(10)
    raw.connect(said_where(client.config.root))
    with raw, raw.makefile("rwb") as lines:
        for sent, expected in [
            (b"rubbish", "this is no request"),
            (b'{"id":1,"op":"serch"}', "Did you mean 'search'?"),
            (b'{"id":2,"op":"search"}', "search lacks 'project'"),
            (b'{"id":3,"op":"put","events":[{"text":1}]}', "no event"),
            (b'{"id":4,"op":"read","project":"../x"}', "no project's identity"),
        ]:
            lines.write(sent + b"\n")
            lines.flush()
            assert expected in json.loads(lines.readline())["err"]["text"]
        lines.write(b'{"id":9,"op":"hello"}\n')
        lines.flush()
        assert json.loads(lines.readline())["ok"]["protocol"] == 1


def test_the_reference_names_what_the_daemon_answers(tmp_path):
    with Store(tmp_path) as store:
        desk = Desk(store, Spool(tmp_path), dict, print)
    assert {*desk._answers, "put"} == set(protocol.OPERATIONS)


def test_what_cannot_be_kept_is_refused_before_anything_is_sent(client):
    with pytest.raises(UnfitEventError):
        client.put([Event(P, "")])


def test_one_bad_project_in_a_group_does_not_hurt_the_others(client):
    with pytest.raises(MemoryFailure, match="identity"):
        client.put([event(1), Event("no/project", "x")])
    assert client.put([event(1)]) == [1]


def test_a_disk_that_takes_nothing_is_named_and_what_was_kept_stays(client):
    client.put([event(1)])
    pid = client.status()["pid"]
    assert pid > 1, "a daemon answers, not we ourselves"
    import resource

    segment = next((client.config.root / "projects" / P / "log").glob("*.ndjson"))
    size = segment.stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 40, resource.RLIM_INFINITY))
    with pytest.raises(NotKeptError, match=r"nothing was kept: File too large"):
        client.put([event(number) for number in range(2, 50)])
    assert segment.stat().st_size == size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert client.put([event(2)]) == [2]
    assert [one.number for one in client.read(P)] == [1, 2]


def test_a_daemon_that_drains_leaves_no_socket_no_lock_and_no_process(client):
    told = client.status()
    assert client.drain() == told["pid"]
    assert gone(told["pid"])
    assert not Path(told["socket"]).exists()
    assert not is_locked(client.config.root)
    assert client.drain() == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_as_cleanly(client, how):
    client.put([event(1)])
    told = client.status()
    assert told["pid"] > 1, "a daemon answers, not we ourselves"
    os.kill(told["pid"], how)
    assert gone(told["pid"])
    assert not Path(told["socket"]).exists()
    assert client.put([event(2)]) == [2]


def test_it_ends_when_nobody_has_asked_for_a_while(config):
    with Client(replace(config, idle_exit=1.0)) as client:
        pid = client.start()["pid"]
        began = time.monotonic()
        time.sleep(0.6)
        client.status()
        assert gone(pid)
        assert time.monotonic() - began > 1.5
        assert "nobody asked" in (config.root / "daemon.log").read_text()


@pytest.mark.parametrize("text", ['[plugins]\ndisabled = ["memory"]\n', "[memory]\non = false\n"])
def test_disabling_the_plugin_ends_it_when_a_client_leaves(config, tmp_path, text):
    settings = tmp_path / "settings.toml"
    settings.write_text("[plugins]\ndisabled = []\n")
    with Client(replace(config, settings=str(settings))) as client, Client(config) as other:
        pid = client.start()["pid"]
        other.start()
        other.close()
        assert client.status()["pid"] == pid
        settings.write_text(text)
    assert gone(pid)
    assert "disabled" in (config.root / "daemon.log").read_text()


async def run_until_it_ends(config, meanwhile):
    """Run a daemon here that looks around ten times a second, and do something to it."""
    daemon = Daemon(config)
    daemon.look_every = 0.1
    running = asyncio.create_task(daemon.run())
    await asyncio.sleep(0.3)
    assert not running.done()
    meanwhile()
    async with asyncio.timeout(20):
        await running


def test_disabling_the_plugin_ends_it_also_where_no_client_is_left(config, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text("[plugins]\ndisabled = []\n")
    off = '[plugins]\ndisabled = ["memory"]\n'
    asyncio.run(run_until_it_ends(replace(config, settings=str(settings)), lambda: settings.write_text(off)))
    assert not is_locked(config.root)


def test_it_ends_when_its_folder_is_deleted_and_does_not_bring_it_back(config):
    asyncio.run(run_until_it_ends(config, lambda: shutil.rmtree(config.root)))
    assert not config.root.exists()


def test_it_ends_when_nobody_finds_it_and_leaves_the_socket_of_another_alone(config):
    def another() -> None:
        path = Path(said_where(config.root))
        path.unlink()
        path.write_text("another's")
        found.append(path)

    found: list[Path] = []
    asyncio.run(run_until_it_ends(config, another))
    assert found[0].read_text() == "another's"


def test_an_idle_daemon_does_not_wake_up_and_is_small(config):
    with Client(config) as client:
        client.put([event(number) for number in range(200)])
        client.search(P, "observation")
        pid = client.status()["pid"]
        time.sleep(0.5)
        before = _switches(pid)
        time.sleep(1.5)
        assert _switches(pid) - before == 0
        assert _resident(pid) < 40


def test_the_index_keeps_up_with_whoever_puts_fast_and_the_daemon_stays_small(client, count):
    most = 0
    for first in range(0, count(40_000), 1_000):
        client.put([event(number) for number in range(first, first + 1_000)])
        most = max(most, client.status()["projects"][P]["waiting"])
    assert most <= BACKLOG + 1_000
    assert _resident(client.status()["pid"]) < 80


def _switches(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def _resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def test_it_loads_neither_the_host_nor_its_dependencies(client):
    pid = client.start()["pid"]
    loaded = Path(f"/proc/{pid}/maps").read_text()
    assert "pydantic" not in loaded
    script = "import sys, pegboard_builtins.memory.daemon; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"pydantic", "pluggy", "typer", "anthropic", "aiohttp"}.isdisjoint(done.stdout.split())


def test_it_forgets_with_its_few_modules_also_what_facts_say(client):
    client.put([event(1), event(2)])
    (client.facts_folder(P) / "a.md").write_text("+++\ncites = [1]\n+++\nsomething\n")
    done = client.forget(P, numbers=[1])
    assert (done.numbers, done.found_bytes) == ((1,), 0)
    assert client.verify(P)[P]["ok"]
    assert client.put([event(1)]) == [1]
    assert [one.number for one in client.read(P)] == [2]


def test_its_environment_has_no_keys(client, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    pid = client.start()["pid"]
    names = {line.partition(b"=")[0] for line in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")}
    assert {b"ANTHROPIC_API_KEY", b"PYTHONPATH"}.isdisjoint(names)
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


# --- no daemon -----------------------------------------------------------------------------------------


@pytest.fixture
def no_daemon(monkeypatch):
    """Where no daemon can run."""

    def cannot(config):
        raise starting.CannotStartError("not here")

    monkeypatch.setattr("pegboard_builtins.memory.client.start", cannot)


def test_without_a_daemon_puts_are_spooled_and_everything_else_works(client, no_daemon, config):
    assert client.put([event(1), event(2)]) == [0, 0]
    (spooled,) = (config.root / "spool").glob("*.ndjson")
    assert spooled.stat().st_mode & 0o777 == 0o600
    assert [hit.event.key for hit in client.search(P, "observation 2", limit=1)] == ["w:2"]
    assert client.put([event(2), event(3)]) == [0, 0]
    assert [one.key for one in client.read(P)] == ["w:1", "w:2", "w:3"]
    assert client.status()["pid"] == 0
    assert client.forget(P, match="observation 3").numbers == (3,)
    assert not list((config.root / "spool").glob("*.ndjson"))


def test_what_was_spooled_is_imported_once_by_the_next_daemon(client, config, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "pegboard_builtins.memory.client.start", lambda config: (_ for _ in ()).throw(MemoryFailure("no"))
        )
        client.put([event(1)])
        client.put([event(1), event(2)])
    with Client(config) as other:
        other.put([event(3)])
        assert sorted(one.key for one in other.read(P)) == ["w:1", "w:2", "w:3"]
        assert other.status()["spooled"] == 0


def test_a_daemon_that_hangs_costs_a_put_its_patience_and_no_event(config):
    with Client(config, patience=0.2) as client:
        pid = client.start()["pid"]
        assert pid > 1, "a daemon answers, not we ourselves: 0 would stop this very process and all around it"
        with Client(config, patience=30.0) as patient:
            assert patient.put([event(1)]) == [1]
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert client.put([event(2)]) == [0]
            assert time.monotonic() - began < 20
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [one.key for one in client.read(P)] == ["w:1", "w:2"]


def test_a_spool_on_a_full_disk_is_an_error_and_not_a_promise(client, no_daemon, monkeypatch):
    def full(file, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_all", full)
    with pytest.raises(NotKeptError, match="No space left"):
        client.put([event(1)])


def test_a_damaged_file_in_the_spool_loses_its_damaged_line_alone(client, no_daemon, config):
    client.put([event(number) for number in range(1, 4)])
    (path,) = (config.root / "spool").glob("*.ndjson")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert [one.key for one in client.read(P)] == ["w:1", "w:3"]
    assert [one.read_bytes() for one in (config.root / "spool").glob("*.damaged")] == [data]


def test_while_the_store_is_owned_by_a_mute_process_reading_says_so(client, no_daemon, config):
    with Store(config.root), pytest.raises(MemoryFailure, match="not here"):
        client.read(P)


# --- versions and races --------------------------------------------------------------------------------


def test_an_older_daemon_drains_for_a_newer_client_and_a_newer_one_serves_an_older_client(config, monkeypatch):
    with Client(config) as old:
        old.put([event(1)])
        first = old.status()["pid"]
        newer = [*protocol.build()[:2], protocol.build()[2] + 1]
        monkeypatch.setattr(protocol, "build", lambda: newer)
        with Client(config) as new, monkeypatch.context() as patch:
            # the daemon that is started next computes its own build: let it count as the new one
            patch.setattr(Client, "_suits", _once_too_old(Client._suits))
            assert new.put([event(2)]) == [2]
            second = new.status()["pid"]
        assert second != first
        assert gone(first)
        assert old.put([event(3)]) == [3]
        assert old.status()["pid"] == second
    assert "asked to drain" in (config.root / "daemon.log").read_text()


def _once_too_old(suits):
    asked = []

    def judge(self, greeting):
        asked.append(greeting)
        if len(asked) > 1:
            greeting = {**greeting, "build": self._build}
        return suits(self, greeting)

    return judge


def test_of_64_processes_that_start_it_at_once_all_get_the_same_daemon_in_time(config, count):
    turns = count(100)
    driver = Path(__file__).with_name("memory_start_driver.py")
    argv = [sys.executable, str(driver), str(config.root), str(turns), "64"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=590, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert len(told) == turns
    for one in told:
        assert one["answers"] == 64, one
        assert len(one["given"]) == 1, one
        assert one["daemons"] == one["given"] == [one["stopped"]], one
        assert one["left"] == [], one
        assert one["slowest"] < 10
    assert len({one["stopped"] for one in told}) == turns, "each turn began without one"


def test_of_daemons_that_are_run_at_once_one_stays_and_the_others_end_at_once(config, count):
    disk.private_folder(config.root)
    for _ in range(count(30)):
        racing = [
            subprocess.Popen(argv_of(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(8)
        ]
        try:
            with Client(config, starts=False) as client:
                until = time.monotonic() + 20
                while not client._connected() and time.monotonic() < until:
                    time.sleep(0.01)
                winner = client.status()["pid"]
                for process in racing:
                    if process.pid != winner:
                        assert process.wait(20) == 75
                assert [process.pid for process in racing if process.poll() is None] == [winner]
                client.drain()
        finally:
            for process in racing:
                process.kill()
                process.wait()


CHILD = """
import os, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {grandchild.pid}")
time.sleep(60)
"""


def test_after_it_ended_no_child_of_it_is_left(config, tmp_path):
    from pegboard_builtins.memory.projects import Meta, write_meta

    told = tmp_path / "pids"
    argv = (sys.executable, "-c", CHILD, str(told))
    quick = replace(config, consolidate=argv, idle_minutes=0.002, min_events=2)
    write_meta(config.root / "projects" / P, Meta("p", (str(tmp_path),)))
    with Client(quick) as client:
        client.put([event(1), event(2)])
        until = time.monotonic() + 20
        while not (told.exists() and told.read_text().count(" ") == 1) and time.monotonic() < until:
            time.sleep(0.02)
        child, grandchild = map(int, told.read_text().split())
        assert client.status()["child"] == child
        assert os.getpgid(child) == child
        client.put([event(3)])
        client.drain()
    assert gone(child)
    assert gone(grandchild)


def test_a_child_that_takes_too_long_is_ended_with_all_that_it_started(config, tmp_path):
    from pegboard_builtins.memory.projects import Meta, write_meta

    told = tmp_path / "pids"
    argv = (sys.executable, "-c", CHILD, str(told))
    quick = replace(config, consolidate=argv, idle_minutes=0.002, min_events=1, max_seconds=1.0)
    write_meta(config.root / "projects" / P, Meta("p", (str(tmp_path),)))
    with Client(quick) as client:
        client.put([event(1)])
        until = time.monotonic() + 20
        while not (told.exists() and told.read_text().count(" ") == 1) and time.monotonic() < until:
            time.sleep(0.02)
        child, grandchild = map(int, told.read_text().split())
        assert gone(child)
        assert gone(grandchild)
        assert client.put([event(2)]) == [2]
