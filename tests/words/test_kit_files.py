"""The kit's paths, transcript and state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard import hook
from pegboard.testing import payload

# --- inside --------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """project/src/a.py, outside/secret, and links between them."""
    for name in ("project/src/a.py", "outside/secret"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "project" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "project" / "dangling").symlink_to(tmp_path / "outside" / "new")
    (tmp_path / "project" / "loop").symlink_to(tmp_path / "project" / "loop")
    (tmp_path / "alias").symlink_to(tmp_path / "project")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "is_inside"),
    [
        pytest.param("project", True, id="the folder itself"),
        pytest.param("project/src/a.py", True, id="a file in it"),
        pytest.param("project/new/deep/b.py", True, id="a file that is not there yet"),
        pytest.param("project-2/a", False, id="a neighbour whose name begins alike"),
        pytest.param("project/../outside/secret", False, id="dots"),
        pytest.param("outside/../project/a", True, id="dots that come back"),
        pytest.param("project/out/secret", False, id="through a link to a folder"),
        pytest.param("project/out/new", False, id="a new file through a link"),
        pytest.param("project/dangling", False, id="a link to what is not there yet"),
        pytest.param("project/out/../src/a.py", False, id="dots behind a link are seen from where it leads"),
        pytest.param("alias/src/a.py", True, id="a link to the folder"),
        pytest.param("project/loop", True, id="a link to itself leads nowhere"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_inside_is_about_where_a_path_leads(tree: Path, path: str, is_inside: bool) -> None:
    assert hook.inside(str(tree / path), str(tree / "project")) is is_inside
    assert hook.inside(str(tree / path), str(tree / "alias")) is is_inside


def test_a_folder_that_is_not_there_has_an_inside_too(tmp_path: Path) -> None:
    assert hook.inside(str(tmp_path / "no" / "a"), str(tmp_path / "no"))
    assert not hook.inside(str(tmp_path / "none"), str(tmp_path / "no"))
    assert hook.inside("/anything", "/")


@given(st.lists(st.sampled_from(["..", ".", "src", "out", "new", "dangling", "a.py"]), max_size=6))
@settings(max_examples=300, deadline=None)
def test_inside_agrees_with_what_the_file_system_says(parts: list[str]) -> None:
    root = _shared_tree()
    path = os.path.join(root, "project", *parts)
    real = os.path.realpath(path)
    expected = real == os.path.join(root, "project") or real.startswith(os.path.join(root, "project") + os.sep)
    assert hook.inside(path, os.path.join(root, "project")) is expected


def _shared_tree(made: list[str] = []) -> str:  # noqa: B006
    if not made:
        import tempfile

        top = Path(os.path.realpath(tempfile.mkdtemp(prefix="kit-tree-")))
        (top / "project" / "src").mkdir(parents=True)
        (top / "outside").mkdir()
        (top / "project" / "out").symlink_to(top / "outside")
        (top / "project" / "dangling").symlink_to(top / "outside" / "new")
        made.append(str(top))
        import atexit
        import shutil

        atexit.register(shutil.rmtree, top, True)
    return made[0]


# --- matches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        pytest.param(".env", ".env", True, id="a name"),
        pytest.param("a/b/.env", ".env", True, id="a name at any depth"),
        pytest.param("a/b/.ENV", ".env", True, id="in capitals"),
        pytest.param(".env.local", ".env", False, id="a longer name"),
        pytest.param(".env.local", ".env.*", True, id="a star"),
        pytest.param("a/server.pem", "*.pem", True, id="an ending"),
        pytest.param("a/pem/x", "*.pem", False, id="no ending"),
        pytest.param(".git/hooks/pre-commit", ".git", True, id="what is in a folder"),
        pytest.param(".git/hooks/pre-commit", ".git/", True, id="a folder with a slash"),
        pytest.param(".github/workflows/ci.yml", ".git/", False, id="another folder"),
        pytest.param("config/prod/db.yml", "config/prod/", True, id="from the root"),
        pytest.param("a/config/prod/db.yml", "config/prod/", False, id="not deeper"),
        pytest.param("a/config/prod/db.yml", "**/config/prod/", True, id="at any depth, said so"),
        pytest.param("a/x/y/b", "a/**/b", True, id="stars in between"),
        pytest.param("a/b", "a/**/b", True, id="nothing in between"),
        pytest.param("a/xb", "a/*/b", False, id="a star stays within a name"),
        pytest.param("f1", "f[0-9]", True, id="a set"),
        pytest.param("fx", "f[!0-9]", True, id="a set that is not"),
        pytest.param("a+b(c).txt", "a+b(c).txt", True, id="what a regex would read otherwise"),
        pytest.param("x/../.env", ".env", True, id="dots"),
        pytest.param("/etc/passwd", "/etc", True, id="absolute"),
        pytest.param("/etcetera", "/etc", False, id="absolute, another"),
        pytest.param("/elsewhere/.env", ".env", True, id="a name outside"),
        pytest.param("/elsewhere/config/prod/x", "config/prod/", False, id="from the root, outside"),
    ],
)
def test_a_pattern_fits_as_in_a_gitignore(tmp_path: Path, path: str, pattern: str, fits: bool) -> None:
    assert (hook.matches(path, ["never", pattern], str(tmp_path)) == pattern) is fits


def test_the_folders_above_the_root_are_no_part_of_it(tmp_path: Path) -> None:
    root = tmp_path / "secrets" / "project"
    root.mkdir(parents=True)
    assert hook.matches("a.txt", ["secrets"], str(root)) == ""
    assert hook.matches("secrets/a.txt", ["secrets"], str(root)) == "secrets"


def test_a_link_counts_by_each_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "key").write_text("x")
    (tmp_path / ".env").symlink_to("vault/key")
    (tmp_path / "notes.txt").symlink_to(".env")
    (tmp_path / "shelf").symlink_to("vault")
    for path, pattern in (
        ("notes.txt", ".env"),
        ("notes.txt", "vault/"),
        ("notes.txt", "notes.txt"),
        ("shelf/new", "vault/"),
        ("shelf/new", "shelf/"),
    ):
        assert hook.matches(path, [pattern], str(tmp_path)) == pattern
    assert hook.matches(str(tmp_path / "a" / ".." / ".env"), [".env"], str(tmp_path)) == ".env"


def test_links_that_go_round_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert hook.matches("a", ["b"], str(tmp_path)) == "b"
    assert hook.matches("a", ["c"], str(tmp_path)) == ""


# --- the transcript ------------------------------------------------------------------------------------

LINES = [
    {"type": "user", "message": {"role": "user", "content": "hello"}},
    {"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}},
    {
        "type": "assistant",
        "message": {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {"c": 1}}],
        },
    },
    {"type": "user", "message": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}},
    {"type": "summary", "summary": "x"},
    {"type": "odd", "message": "text"},
]


def test_a_transcript_is_read_with_its_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes("".join(json.dumps(line) + "\n" for line in LINES).encode() + b'[1]\n\xff\xfe\n{"type": "assis')
    read = hook.transcript(hook.event_of(payload("Stop", transcript_path=str(path))))
    assert list(read) == LINES
    assert (read.texts(), read.texts("user"), read.texts("assistant")) == (["hello", "hi"], ["hello"], ["hi"])
    assert [call["input"] for call in read.tool_calls("Bash")] == [{"c": 1}]
    assert read.tool_calls("Read") == []


@pytest.mark.parametrize("path", ["", "/nowhere/at/all", "/"])
def test_a_transcript_that_is_not_there_is_empty(path: str) -> None:
    assert list(hook.Transcript(path)) == []


# --- state ---------------------------------------------------------------------------------------------


@pytest.fixture
def event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> hook.Event:
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(tmp_path / "state"))
    return hook.event_of(payload("Stop"))


def test_state_is_kept_for_one_session_and_one_name(event: hook.Event) -> None:
    with hook.state(event, "calls") as kept:
        assert dict(kept) == {}
        kept["n"] = 1
    with hook.state(event, "calls") as kept:
        assert dict(kept) == {"n": 1}
    with hook.state(event, "other") as kept:
        assert dict(kept) == {}
    with hook.state(hook.event_of(payload("Stop", session_id="another")), "calls") as kept:
        assert dict(kept) == {}


def test_a_block_that_raises_changes_nothing(event: hook.Event) -> None:
    with hook.state(event, "calls") as kept:
        kept["n"] = 1
    with pytest.raises(RuntimeError), hook.state(event, "calls") as kept:
        kept["n"] = 2
        raise RuntimeError
    with hook.state(event, "calls") as kept:
        assert kept["n"] == 1


def test_what_is_no_json_is_an_error_and_keeps_what_was_there(event: hook.Event) -> None:
    with hook.state(event, "calls") as kept:
        kept["n"] = 1
    with pytest.raises(TypeError), hook.state(event, "calls") as kept:
        kept["n"] = object()
    with hook.state(event, "calls") as kept:
        assert kept["n"] == 1
    assert not [name for name in os.listdir(kept.folder) if name.endswith(".new")]


@pytest.mark.parametrize("torn", [b"", b'{"n": ', b"[1]", b"\xff"])
def test_a_state_that_cannot_be_read_is_put_aside(
    event: hook.Event, torn: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with hook.state(event, "calls") as kept:
        kept["n"] = 1
    Path(kept.path).write_bytes(torn)
    with hook.state(event, "calls") as kept:
        assert dict(kept) == {}
    assert Path(f"{kept.path}.broken").read_bytes() == torn
    assert ".broken" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "..", "x" * 300, "é", "a\0b", "CON:", "\ud800"])
def test_no_name_leads_out_of_the_folder(event: hook.Event, tmp_path: Path, name: str) -> None:
    for kept in (hook.State(name, "n"), hook.State("s", name)):
        with kept:
            kept["x"] = 1
        assert Path(kept.path).resolve().is_relative_to(tmp_path / "state" / "hook-state")
        assert Path(kept.path).is_file()


def test_two_long_names_that_begin_alike_are_two(event: hook.Event) -> None:
    assert hook.State("s", "x" * 300).path != hook.State("s", "x" * 301).path


def test_only_the_user_can_read_it(event: hook.Event) -> None:
    with hook.state(event, "calls") as kept:
        kept["n"] = 1
    assert os.stat(kept.path).st_mode & 0o077 == 0
    assert os.stat(kept.folder).st_mode & 0o077 == 0


def test_no_count_is_lost_among_threads(event: hook.Event) -> None:
    def add() -> None:
        for _ in range(25):
            with hook.State(event.session_id, "calls", wait=60) as kept:
                kept["n"] = kept.get("n", 0) + 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with hook.state(event, "calls") as kept:
        assert kept["n"] == 100


def test_no_count_is_lost_among_processes(event: hook.Event) -> None:
    code = (
        "from pegboard import hook\n"
        "for _ in range(25):\n"
        "    with hook.State('s', 'calls', wait=60) as kept: kept['n'] = kept.get('n', 0) + 1\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    with hook.State("s", "calls") as kept:
        assert kept["n"] == 100


def test_who_waits_too_long_is_told(event: hook.Event) -> None:
    with hook.state(event, "calls"), pytest.raises(hook.StateBusyError, match=r"for more than 0\.1 s"):
        hook.State(event.session_id, "calls", wait=0.1).__enter__()


def test_a_killed_holder_leaves_no_lock(event: hook.Event) -> None:
    code = (
        "import time\nfrom pegboard import hook\nwith hook.State('s', 'calls'):\n    print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait()
    with hook.State("s", "calls", wait=5):
        pass


def test_the_state_of_old_sessions_goes_away(event: hook.Event) -> None:
    old, young, held = hook.State("old", "n"), hook.State("young", "n"), hook.State("held", "n")
    for kept in (old, young, held):
        with kept:
            kept["x"] = 1
    long_ago = time.time() - hook.STALE_AFTER - 100
    for kept in (old, held):
        for path in (kept.folder, *(os.path.join(kept.folder, name) for name in os.listdir(kept.folder))):
            os.utime(path, (long_ago, long_ago))
    os.utime(os.path.join(os.path.dirname(old.folder), ".cleaned"), (long_ago, long_ago))
    lock = held._locked()
    with hook.state(event, "any"):
        pass
    lock.close()
    assert [os.path.exists(kept.path) for kept in (old, young, held)] == [False, True, True]
    assert not os.path.exists(old.folder)


def test_a_clean_up_happens_once_a_day(event: hook.Event) -> None:
    with hook.state(event, "any"):
        pass
    old = hook.State("old", "n")
    with old:
        old["x"] = 1
    long_ago = time.time() - hook.STALE_AFTER - 100
    for path in (old.folder, *(os.path.join(old.folder, name) for name in os.listdir(old.folder))):
        os.utime(path, (long_ago, long_ago))
    with hook.state(event, "any"):
        pass
    assert os.path.exists(old.path)


def test_once_is_once_in_a_session(event: hook.Event) -> None:
    assert [hook.once(event, "greet"), hook.once(event, "greet"), hook.once(event, "other")] == [True, False, True]
    assert hook.once(hook.event_of(payload("Stop", session_id="another")), "greet")
