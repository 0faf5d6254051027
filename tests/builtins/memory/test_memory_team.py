"""Memory shared in a real PostgreSQL: opt-in, scanned before it leaves, forgotten there too, never needed to work."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
from memory_room import P, end_all, event

from pegboard._cli.main import main
from pegboard_builtins.memory.client import Client
from pegboard_builtins.memory.place import Config

psycopg = pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")

from pegboard_builtins.memory.team import Team, TeamError, author_of, push  # noqa: E402


def programs() -> Path | None:
    """Return the folder of PostgreSQL's own programs, if they are installed."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@pytest.fixture(scope="module")
def database():
    """A server of our own on a unix socket, run by somebody who is not root, as it insists."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not installed")
    user: dict[str, int] = {}
    if os.geteuid() == 0:
        import pwd

        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid}
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        if user:
            os.chown(folder, user["user"], user["group"])
        data = f"{folder}/data"
        quiet = {
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "cwd": folder,
            "env": {"LC_ALL": "C.UTF-8"},
        }
        subprocess.run(
            [found / "initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8"],
            check=True,
            **quiet,
            **user,
        )
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        server = subprocess.Popen([found / "postgres", "-D", data, *options], **quiet, **user)
        url = f"host={folder} user=tester dbname=postgres"
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    psycopg.connect(url, connect_timeout=2).close()
                    break
                except psycopg.OperationalError:
                    assert time.monotonic() < until, "the server does not come up"
                    assert server.poll() is None
                    time.sleep(0.05)
            yield url
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture
def url(database):
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("drop table if exists pegboard_memory")
    return database


@pytest.fixture
def client(tmp_path):
    with Client(Config(tmp_path / "memory", durability="os")) as made:
        yield made
    end_all(tmp_path / "memory")


def as_it_is(one):
    return one


def test_a_push_sends_what_is_new_and_only_that(client, url):
    client.put([event(number) for number in range(5)])
    client.put([event(9, worktree="tree")])
    with Team(url, "me") as team:
        assert push(client, team, P, as_it_is).sent == 5
        client.put([event(10)])
        assert push(client, team, P, as_it_is).sent == 1
        assert team.numbers(P) == {1, 2, 3, 4, 5, 7}
        assert push(client, team, P, as_it_is).sent == 0
        client.merge(P, "tree")
        assert push(client, team, P, as_it_is).sent == 1
        assert 6 in team.numbers(P)


def test_the_team_finds_what_each_of_them_pushed_and_nothing_of_another_project(client, url):
    client.put([event(1), event(2, project="other")])
    with Team(url, "me") as me, Team(url, "you") as you:
        push(client, me, P, as_it_is)
        push(client, me, "other", as_it_is)
        you.add(P, [replace(event(3), text="This observation needs a key.", number=1, at=1.0)])
        found = me.search(P, "observations of a key")
        assert {(hit.author, hit.event.number) for hit in found} == {("me", 1), ("you", 1)}
        assert found[0].author == "you"
        assert me.search(P, '"needs a key"')[0].event.text == "This observation needs a key."
        assert me.search(P, "'); drop table pegboard_memory; --") == []
        assert {hit.event.project for hit in me.search("other", "observation")} == {"other"}


def test_what_is_forgotten_here_is_taken_away_there_and_nobody_elses(client, url):
    client.put([event(number) for number in range(4)])
    with Team(url, "me") as me, Team(url, "you") as you:
        push(client, me, P, as_it_is)
        you.add(P, [replace(event(3), number=2, at=1.0)])
        client.forget(P, numbers=[2])
        assert push(client, me, P, as_it_is).taken_away == 1
        assert me.numbers(P) == {1, 3, 4}
        assert you.numbers(P) == {2}


def test_others_are_told_of_a_push(client, url):
    client.put([event(1)])
    heard: list[dict] = []
    with Team(url, "me") as me, Team(url, "you") as you:
        you.prepare()
        listening = threading.Thread(target=lambda: heard.extend(you.news(P, seconds=3)))
        listening.start()
        time.sleep(0.5)
        push(client, me, P, as_it_is)
        listening.join()
    assert heard == [{"project": P, "author": "me", "events": 1}]


def test_many_may_begin_at_once(url):
    def begin(name):
        with Team(url, name) as team:
            team.prepare()
            done.append(name)

    done: list[str] = []
    threads = [threading.Thread(target=begin, args=(f"a{number}",)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(done) == 8


def test_what_a_database_cannot_hold_is_replaced(client, url):
    client.put([replace(event(1), text="a\0b", meta={"x": "\0"})])
    with Team(url, "me") as team:
        push(client, team, P, as_it_is)
        (hit,) = team.search(P, "b")
    assert hit.event.text == "a\ufffdb"
    assert hit.event.meta == {"x": "\ufffd"}


def test_without_the_database_the_local_memory_is_whole_and_the_error_says_so(client, tmp_path):
    client.put([event(1)])
    with pytest.raises(TeamError, match="the team's memory"):
        Team(f"host={tmp_path} user=x dbname=x", "me")
    assert len(client.read(P)) == 1


def test_an_author_tells_nothing_of_the_machine():
    assert author_of(b"k" * 32) == author_of(b"k" * 32) != author_of(b"l" * 32)
    assert len(author_of(b"k")) == 16


# --- the verbs -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(tmp_path / "config"))

    def go(*words: str, status: int = 0) -> str:
        out, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            done = main(["memory", *words])
        assert done == status, errors.getvalue()
        return out.getvalue() + (errors.getvalue() if status else "")

    yield go
    end_all(tmp_path / "state/memory")


def test_nothing_leaves_before_a_project_is_named_and_secrets_never_do(run, tmp_path, monkeypatch, url):
    run("add", "a note about deployments")
    assert "is not shared" in run("team", "push", status=1)
    settings = tmp_path / "config/settings.toml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('[memory.capture]\nredact = []\n[memory.backend]\nkind = "postgres"\nurl_secret = "TEAM_URL"\n')
    run("add", "the token is ghp_" + "a1B2" * 9)
    assert "is not shared" in run("team", "push", status=1)
    settings.write_text(settings.read_text() + 'projects = ["project"]\n')
    assert "there is no secret 'TEAM_URL'" in run("team", "push", status=1)
    monkeypatch.setenv("TEAM_URL", url)
    assert json.loads(run("team", "push", "--json")) == {"sent": 2, "taken_away": 0}
    with psycopg.connect(url) as db:
        sent = " ".join(row[0] for row in db.execute("select text from pegboard_memory"))
    assert "the token is" in sent
    assert "a1B2a1B2" not in sent
    assert "mine #1" in run("team", "search", "deployments")
    assert run("team", "watch", "--seconds", "0.1") == ""
