"""The search that every test here ends with: it finds a leak wherever one is planted, and a busy run has none."""

from __future__ import annotations

import http.server
import json
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest
from undercover_room import CANARIES, EXTERNAL, Terminal, all_leaks_in, leaks_in, make_repository, write_list


class Hearing(http.server.BaseHTTPRequestHandler):
    """Answers every request with an empty object, and keeps what it got."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(self.path.encode() + bytes(str(self.headers), "latin-1") + body)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *given):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hearing)
    made.heard = []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def hooks_in(server, dump):
    return f"""
[hooks]
allowed_http_hook_urls = ["http://127.0.0.1:*"]
[[hooks.pre-tool]]
[[hooks.pre-tool.hooks]]
type = "command"
command = "cat > {dump}"
[[hooks.pre-tool.hooks]]
type = "http"
url = "http://127.0.0.1:{server.server_address[1]}/"
"""


def script_in(folder):
    path = folder / "script.toml"
    path.write_text(
        '[[turn]]\nthinking = "Qorvantix?"\ntext = "On Qorvantix."\n[[turn.call]]\nname = "Bash"\n'
        'input = { command = "true qorvantix" }\n[[turn]]\ntext = "Velmora Drift is done."\n'
    )
    return path


def busy(tmp_path, server, settings):
    """Run a session in a process of its own, and then verbs that print it into files."""
    project = make_repository(tmp_path / "project", EXTERNAL)
    terminal = Terminal(tmp_path, project, settings + hooks_in(server, tmp_path / "dump.json"))
    ran = terminal.run(
        *("run", "-m", f"scripted:{script_in(tmp_path)}", "--allow", "Bash", "--output", "stream-json"),
        *("--", "Go to zanthique-db-4.corp.example, please"),
    )
    assert "is done" in ran.stdout, ran.stdout + ran.stderr
    for number, words in enumerate((("trace", "--json"), ("why", "last"), ("hooks", "explain", "last", "--payload"))):
        done = terminal.run(*words)
        assert done.returncode == 0, done.stderr
        (tmp_path / f"printed-{number}").write_text(done.stdout + done.stderr)
    return terminal, ran


def test_nothing_that_a_busy_session_writes_sends_or_starts_holds_a_name(tmp_path, server, ledger):
    names = write_list(tmp_path / "secret")
    before = dict(ledger.counts)
    _, ran = busy(tmp_path, server, f'[undercover]\nnames = "file:{names}"\n')
    assert not leaks_in(ran.stdout + ran.stderr)
    printed = {str(path) for path in tmp_path.glob("printed-*")}
    ledger.by_host |= printed
    assert ledger.problems([tmp_path]) == []
    assert len(printed) == 3
    assert b"[internal]" in server.heard[0], "it was masked, not left out"
    assert "[internal]" in (tmp_path / "dump.json").read_text()
    assert all(ledger.counts[kind] > before[kind] for kind in before), "the ledger has heard of it"
    journals = list((tmp_path / "state" / "sessions").rglob("*.jsonl"))
    assert [bool(leaks_in(path.read_text())) for path in journals] == [True], "the journal is inside"


def test_the_search_finds_what_leaks_without_a_list(tmp_path, server, ledger):
    busy(tmp_path, server, "")
    found = ledger.problems([tmp_path])
    assert any("dump.json" in one for one in found), found
    assert any("sent to a socket" in one for one in found), found
    (tmp_path / "dump.json").unlink()
    for memory in (tmp_path / "state" / "memory", tmp_path / "xdg" / "pegboard" / "memory"):
        shutil.rmtree(memory, ignore_errors=True)


PLANTED = {
    "plain": "echo Qorvantix > {0}",
    "base64": "printf 'so Qorvantix it is' | base64 > {0}",
    "look-alikes": "printf 'Qоrvаntіх' > {0}",
    "two words": "printf 'VELMORA\\n  # drift' > {0}",
    "in a file of a tool": "mkdir -p {1}/cache/deep && echo velmora_drift > {1}/cache/deep/x.bin",
}


@pytest.mark.parametrize("how", PLANTED)
def test_a_name_that_is_planted_in_a_file_is_found(tmp_path, ledger, how):
    subprocess.run(["sh", "-c", PLANTED[how].format(tmp_path / "planted", tmp_path)], check=True)
    (found,) = ledger.problems([tmp_path])
    assert "Qorvantix" in found or "Velmora Drift" in found
    path = found.partition(":")[0]
    (tmp_path / path).unlink()


def test_a_name_in_a_database_is_found(tmp_path, ledger):
    path = tmp_path / "kept.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("create table t (x)")
        database.execute("insert into t values ('about zanthique-db-4.corp.example')")
    database.close()
    ledger.by_host.add(str(path))
    (found,) = ledger.problems([tmp_path])
    assert "kept.sqlite" in found
    path.unlink()
    ledger.by_host.discard(str(path))


@pytest.mark.parametrize("where", ["words", "environment"])
def test_a_name_among_the_arguments_or_variables_of_a_process_is_found(tmp_path, ledger, where):
    """A declared hook with a name in it is the simplest thing that makes the host itself start one."""
    names = write_list(tmp_path / "secret")
    project = make_repository(tmp_path / "project", EXTERNAL)
    word = "true Qorvantix" if where == "words" else "true"
    terminal = Terminal(
        tmp_path,
        project,
        f'[undercover]\nnames = "file:{names}"\n[[hooks.prompt-submit]]\n[[hooks.prompt-submit.hooks]]\n'
        f'type = "command"\ncommand = "{word}"\n',
    )
    script = tmp_path / "script.toml"
    script.write_text('[[turn]]\ntext = "Yes."\n')
    program = ["run", "-m", f"scripted:{script}", "hello"]
    if where == "words":
        terminal.run(*program)
    else:
        environment = {**terminal.environment, "SOME": "Qorvantix"}
        command = [sys.executable, "-P", "-m", "pegboard", *program]
        subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True, timeout=120)
    found = ledger.problems([tmp_path])
    assert found
    assert all(one.startswith(f"a process's {where}") for one in found), found


def test_a_journal_that_others_may_read_is_no_journal(tmp_path, ledger):
    path = tmp_path / "state" / "sessions" / "x" / "y.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("nothing")
    ledger.by_host.add(str(path))
    (found,) = ledger.problems([tmp_path])
    assert "others may read it" in found
    path.unlink()
    ledger.by_host.discard(str(path))


def test_the_search_knows_every_canary_in_every_spelling():
    for name in CANARIES:
        for text in (name, name.upper(), name.replace(" ", "_"), "".join(f"\\x{ord(one):02x}" for one in name)):
            assert all_leaks_in(json.dumps({"x": text})), text
    assert not all_leaks_in("nothing of the kind")
