"""`pegboard memory` for the daemon and the log: what a person sees, and what a program does."""

from __future__ import annotations

import io
import json
import os
import plistlib
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from memory_room import daemons, end_all, gone

from pegboard._cli.main import main
from pegboard_builtins.memory import disk, service
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.log_verbs import _killed
from pegboard_builtins.memory.place import LOCK, Config


class Room:
    """A project, a state folder, and the program, run in this process: its start takes longer than its work."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = folder / "project"
        self.project.mkdir()
        self.root = folder / "state/memory"
        self._patch = monkeypatch
        monkeypatch.setenv("PEGBOARD_STATE_DIR", str(folder / "state"))
        monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(folder / "config"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "xdg"))
        monkeypatch.setenv("COLUMNS", "200")

    def run(self, *words: str, status: int = 0, given: str = "", where: Path | None = None) -> str:
        out, errors = io.StringIO(), io.StringIO()
        self._patch.chdir(where or self.project)
        self._patch.setattr(sys, "stdin", io.StringIO(given))
        with redirect_stdout(out), redirect_stderr(errors):
            done = main(["memory", *words])
        assert done == status, errors.getvalue() + out.getvalue()
        return out.getvalue() if status == 0 else out.getvalue() + errors.getvalue()

    def told(self, *words: str, **options):
        return json.loads(self.run(*words, "--json", **options))


@pytest.fixture
def room(tmp_path, monkeypatch):
    made = Room(tmp_path, monkeypatch)
    yield made
    end_all(made.root)


def test_what_is_added_is_found_shown_exported_imported_and_forgotten(room, tmp_path):
    assert room.told("status")["pid"] == 0
    first = room.told("add", "The login tests need Redis on port 6380", "--key", "a")
    assert (first["number"], first["worktree"]) == (1, "")
    assert room.run("add", "-", given="Deploys run on Fridays\n") == "kept: #2\n"
    assert room.told("add", "anything else", "--key", "a")["number"] == 1
    assert "> #1" in room.run("search", "redis port", "-n", "1")
    hits = room.told("search", "redis port", "--limit", "1")
    assert [near["number"] for near in hits[0]["neighbours"]] == [2]
    assert room.told("search", "redis", "--origin", "web") == []
    assert "Deploys run on Fridays" in room.run("show", "2")
    status = room.told("status")
    assert status["events"] == 2
    assert daemons(room.root) == [status["pid"]]
    assert Path(status["socket"]).is_socket()

    export = tmp_path / "export.jsonl"
    assert room.run("export", "--to", str(export)) == f"2 events are in {export}\n"
    assert export.stat().st_mode & 0o777 == 0o600
    assert room.told("import", str(export)) | {"project": ""} == {"read": 2, "new": 0, "project": ""}
    other = tmp_path / "other"
    other.mkdir()
    assert room.told("import", str(export), where=other)["new"] == 2
    assert {one["name"] for one in room.told("projects")} == {"project", "other"}
    assert room.told("search", "fridays", "--project", "other")[0]["event"]["text"] == "Deploys run on Fridays"

    assert room.run("forget", "2", "--dry-run") == "would forget 1 events (#2)\n"
    assert "0 bytes of it are left" in room.run("forget", "2", "--yes")
    assert room.told("search", "fridays") == []
    assert "never kept, forgotten" in room.run("show", "2", status=1)
    assert all(one["ok"] for one in room.told("verify").values())
    assert "serving" in room.run("logs")
    assert room.told("stop")["pid"] == status["pid"]
    assert gone(status["pid"])
    assert room.run("stop") == "no daemon ran\n"


def test_secrets_are_masked_before_a_note_is_kept(room):
    room.run("add", "the key is ghp_" + "a1B2" * 9)
    log = b"".join(path.read_bytes() for path in room.root.rglob("*.ndjson"))
    assert b"the key is" in log
    assert b"a1B2a1B2" not in log


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search", "x", "--project", "nowhere"], "nothing is remembered of a project 'nowhere'"),
        (["forget"], "say what to forget"),
        (["forget", "7"], "no such event"),
        (["merge"], "no linked worktree"),
        (["import", "no-such-file"], "cannot be read"),
        (["export", "--to", "/no/such/folder/x"], "cannot be written"),
        (["add", ""], "without a text"),
        (["start", "--foreground"], "a daemon runs already"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_reason(room, words, said):
    room.run("add", "something")
    assert said in room.run(*words, status=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ('{"format": "other"}\n', "no export of a memory"),
        ('{"format": "pegboard-memory"}\n[]\n', "2: this is no JSON object"),
        ('{"format": "pegboard-memory"}\n{"text": 1}\n', "2: it is no event"),
    ],
)
def test_a_file_that_is_no_export_is_refused_with_file_and_line(room, tmp_path, text, said):
    path = tmp_path / "wrong.jsonl"
    path.write_text(text)
    assert said in room.run("import", str(path), status=1)


def test_a_damaged_log_makes_verify_and_doctor_end_with_1_and_name_the_place(room):
    for number in range(3):
        room.run("add", f"observation {number}")
    room.run("stop")
    assert room.run("doctor") == "Nothing is wrong with memory.\n"
    (log,) = room.root.rglob("*.ndjson")
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    said = room.run("verify", status=1)
    assert "000000000001.ndjson, byte" in said
    assert "check sum" in said
    assert "quarantine" in room.run("doctor", status=1)
    assert room.told("status")["events"] == 2


def test_a_linked_worktree_keeps_to_itself_until_it_is_merged(room):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"], ["worktree", "add", "-q", "../tree"]):
        subprocess.run([*git, *words], cwd=room.project, check=True, capture_output=True)
    tree = room.project.parent / "tree"
    room.run("add", "shared", where=room.project)
    assert room.told("add", "of the tree alone", where=tree)["worktree"] == "tree"
    assert room.told("search", "alone") == []
    assert {one["event"]["text"] for one in room.told("search", "shared alone", "--neighbours", "0", where=tree)} == {
        "shared",
        "of the tree alone",
    }
    assert room.run("merge", where=tree) == "1 events of tree are the project's now\n"
    assert len(room.told("search", "alone")) == 1
    room.run("reindex")
    assert len(room.told("search", "alone")) == 1
    assert len(room.told("projects")) == 1


def test_a_daemon_that_hangs_is_named_and_can_be_killed(room):
    import signal

    room.run("start")
    pid = room.told("status")["pid"]
    assert pid > 1, "0 would end this very process and all around it"
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert room.run("stop", "--kill") == "no daemon ran\n"
    room.run("start")
    pid = room.told("status")["pid"]
    assert room.told("stop", "--kill")["pid"] == pid
    assert gone(pid)


@pytest.mark.parametrize("said", ['{"pid": 0}', '{"pid": -1}', '{"pid": null}', "[]", ""])
def test_a_lock_that_names_no_process_ends_none(tmp_path, monkeypatch, said):
    killed = []
    monkeypatch.setattr(os, "kill", lambda *words: killed.append(words))  # 0 is all of ours, -1 all there are
    file = disk.lock(tmp_path / LOCK)
    try:
        (tmp_path / LOCK).write_text(said)
        with pytest.raises(MemoryFailure, match="does not say which process"):
            _killed(tmp_path)
    finally:
        os.close(file)
    assert killed == []


def test_a_unit_runs_the_same_daemon(room, tmp_path):
    unit = room.run("install-service", "--kind", "systemd", "--print")
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    argv = shlex.split(line.removeprefix("ExecStart=").replace("$$", "$").replace("%%", "%"))
    process = subprocess.Popen(argv, cwd="/", stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            if room.told("status")["pid"] == process.pid:
                break
        else:
            pytest.fail("the unit's command does not serve")
        room.run("stop")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_units_are_written_and_taken_away(room, tmp_path):
    said = room.run("install-service", "--kind", "systemd")
    path = tmp_path / "xdg/systemd/user/pegboard-memory.service"
    assert str(path) in said
    assert "systemctl --user" in said
    assert "WantedBy=default.target" in path.read_text()
    assert "removed" in room.run("install-service", "--kind", "systemd", "--remove")
    assert not path.exists()
    assert "it is systemd or launchd" in room.run("install-service", "--kind", "cron", status=2)


def test_a_launchd_unit_is_a_property_list_with_the_daemons_command(tmp_path):
    facts = plistlib.loads(service.unit_text("launchd", Config(tmp_path / 'with "signs" & $x')).encode())
    assert facts["ProgramArguments"][1:3] == ["-I", "-S"]
    assert "memory.daemon" in facts["ProgramArguments"][4]
    assert facts["KeepAlive"] == {"SuccessfulExit": False}
