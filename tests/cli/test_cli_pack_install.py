"""`plugins install|uninstall|upgrade|lock|sync` and `run --locked`, in a real environment with local wheels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wheel_room import Room

WORDS = '''
from pegboard import tool


@tool(read_only=True)
def {name}(path: str) -> int:
    """Count the words in a text file."""
    return 4
'''

MORE = '''
from pegboard import Declares, flag, hookimpl, tool

declares = Declares(permissions=["context"])
LOUD = flag("acme.loud", False, help="Loud.")


@tool(read_only=True)
def word_count(path: str, least: int = 1) -> int:
    """Count the words in a text file, those that are not too short."""
    return 5


@hookimpl
def pre_tool(call):
    return None
'''

SCRIPT = '[[turn]]\ntext = "Done."\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Room:
    room = Room(tmp_path_factory.mktemp("room"))
    room.wheel("acme-words", "1.0", WORDS.format(name="word_count"))
    room.wheel("acme-words", "1.1", MORE)
    room.wheel("acme-needs-old", "1.0", WORDS.format(name="old"), requires=["acme-dep<2"])
    room.wheel("acme-needs-new", "1.0", WORDS.format(name="new"), requires=["acme-dep>=2"])
    for version in ("1.0", "2.0"):
        room.wheel("acme-dep", version, "", points={})
    (room.project / "script.toml").write_text(SCRIPT * 4)
    return room


@pytest.fixture
def room(made: Room) -> Iterator[Room]:
    """The environment; what a test has installed is taken out after it."""
    before = set(made.site.iterdir())
    yield made
    gone = [path.name.partition("-")[0] for path in set(made.site.iterdir()) - before if path.suffix == ".dist-info"]
    if gone:
        made.pip("uninstall", "--quiet", "--yes", *gone)
    for path in (made.root / "state" / "packs.json", made.project / "pegboard.lock"):
        path.unlink(missing_ok=True)


@pytest.fixture
def whole(full: bool, request: pytest.FixtureRequest) -> Room:
    """The same, for what CI has no time for: it starts dozens of processes."""
    if not full:
        pytest.skip("takes a minute: --full")
    room: Room = request.getfixturevalue("room")
    return room


def test_a_pack_goes_in_is_accepted_is_used_and_goes_out(whole: Room) -> None:
    room = whole
    assert "would install acme-words 1.0" in room.fine(
        "plugins", "install", "acme-words==1.0", "--dry-run", *room.links
    )
    assert room.statuses() == {}
    said = room.fine("plugins", "install", "acme-words==1.0", "--yes", *room.links)
    assert "you asked for it" in said
    assert "installed acme-words 1.0" in said
    assert "acme-words 1.0 is trusted" in said
    assert room.statuses() == {"acme_words": "found"}
    assert room.facts("tools", "call", "word_count", "--input", '{"path": "a"}')["output"] == "4"
    assert "there already" in room.fine("plugins", "install", "acme-words", *room.links)
    said = room.fine("plugins", "uninstall", "acme_words")
    assert "acme-words 1.0 is uninstalled" in said
    assert room.statuses() == {}
    assert json.loads((room.root / "state" / "packs.json").read_text()) == {}


def test_without_a_yes_it_is_installed_and_takes_no_part(whole: Room) -> None:
    room = whole
    said = room.fine("plugins", "install", "acme-words==1.0", *room.links)
    assert "Not trusted, so it takes no part: acme-words." in said
    assert room.statuses() == {"acme_words": "untrusted"}
    told = room.facts("plugins", "install", "acme-words==1.0", *room.links)
    assert (told["installed"], told["accepted"]) == ([], [])


def test_what_does_not_go_with_the_packs_that_are_there_is_named_and_changes_nothing(room: Room) -> None:
    room.fine("plugins", "install", "acme-needs-old", "--yes", *room.links)
    before = sorted(path.name for path in room.site.iterdir())
    said = room.fine("plugins", "install", "acme-needs-new", *room.links, code=1)
    assert "acme-needs-old 1.0 depends on acme-dep<2" in said
    assert "acme-needs-new 1.0 depends on acme-dep>=2" in said
    assert "Nothing was changed." in said
    assert sorted(path.name for path in room.site.iterdir()) == before


def test_what_is_no_pack_and_what_is_not_there_are_said(whole: Room) -> None:
    room = whole
    assert "no plugin in it" in room.fine("plugins", "install", "acme-dep", *room.links)
    said = room.fine("plugins", "install", "acme-nowhere", *room.links, code=1)
    assert "cannot be installed" in said
    assert "acme-nowhere" in said
    assert "is a part of Pegboard" in room.fine("plugins", "uninstall", "permissions", code=1)
    assert "is no pack" in room.fine("plugins", "uninstall", "acme-nowhere", code=1)


def test_who_needs_what_goes_is_named(whole: Room) -> None:
    room = whole
    room.wheel("acme-suite", "1.0", "", requires=["acme-words"], points={})
    room.fine("plugins", "install", "acme-suite", "--yes", *room.links)
    assert "acme-suite needs it" in room.fine("plugins", "uninstall", "acme-words")


def test_a_preview_shows_what_an_upgrade_changes_and_runs_nothing(whole: Room) -> None:
    room = whole
    marker = room.root / "imported"
    room.wheel("acme-words", "1.2", f"{MORE}\nopen({str(marker)!r}, 'w').close()\n")
    try:
        room.fine("plugins", "install", "acme-words==1.0", "--yes", *room.links)
        said = room.fine("plugins", "upgrade", "--preview", *room.links)
        for words in (
            "acme-words 1.0 -> 1.2",
            "it wants more: context",
            "+  may      context",
            "+  hooks    pre_tool",
            "+  flags    acme.loud",
            "tokens of each request (",
        ):
            assert words in said, said
        (told,) = room.facts("plugins", "upgrade", "acme_words", "--preview", *room.links)
        assert told["tokens_per_request"] > told["tokens_per_request_before"] > 20
        assert told["more_permissions"] == ["context"]
        assert room.statuses() == {"acme_words": "found"}
        said = room.fine("plugins", "upgrade", "acme-words", *room.links)
        assert "acme-words 1.2 has changed since you accepted 1.0" in said
        assert "installed acme-words 1.0 -> 1.2" in said
        assert room.statuses() == {"acme_words": "untrusted"}
        assert "Nothing is newer" in room.fine("plugins", "upgrade", *room.links)
        assert not marker.exists()
    finally:
        (room.wheels / "acme_words-1.2-py3-none-any.whl").unlink()


# --- locks ---------------------------------------------------------------------------------------------


def go(room: Room, *words: str, code: int = 0) -> str:
    return room.fine("run", "go", "--model", "scripted:script.toml", *words, code=code)


def test_a_lock_holds_a_run_to_the_packs_that_it_names(room: Room) -> None:
    room.fine("plugins", "install", "acme-words==1.0", "acme-needs-old", "--yes", *room.links)
    assert "there is no" in go(room, "--locked", code=1)
    told = room.facts("plugins", "lock")
    assert [pack["name"] for pack in told["packs"]] == ["acme-needs-old", "acme-words", "pegboard"]
    text = (room.project / "pegboard.lock").read_text()
    assert "://" not in text
    assert str(room.root) not in text
    assert "Nothing has changed" in room.fine("plugins", "lock")
    assert "Done." in go(room, "--locked")

    room.fine("plugins", "upgrade", "acme-words", "--yes", *room.links)
    room.fine("plugins", "uninstall", "acme-needs-old")
    said = go(room, "--locked", code=1)
    assert "acme-words: 1.0 is locked, 1.1 is installed" in said
    assert "acme-needs-old 1.0 is locked and is not installed here" in said
    assert "Done." not in said
    assert room.facts("plugins", "lock", "--check", code=1)["ok"] is False
    assert "Done." in go(room)  # who does not ask for it is not held to it

    said = room.fine("plugins", "sync", "--yes", *room.links)
    assert "The packs here are those of" in said
    assert "Done." in go(room, "--locked")
    assert room.facts("plugins", "lock", "--check")["drift"] == []


def test_what_is_not_locked_is_drift_and_goes_only_if_that_is_asked_for(whole: Room) -> None:
    room = whole
    room.fine("plugins", "lock")
    room.fine("plugins", "install", "acme-words==1.0", "--yes", *room.links)
    assert "acme-words 1.0 is installed here and not locked" in go(room, "--locked", code=1)
    assert "still differs" in room.fine("plugins", "sync", *room.links, code=1)
    room.fine("plugins", "sync", "--exact", *room.links)
    assert room.statuses() == {}


def test_other_files_of_the_same_version_are_drift_and_stay_so_where_the_wheel_is_another(whole: Room) -> None:
    room = whole
    room.fine("plugins", "install", "acme-words==1.0", "--yes", *room.links)
    room.fine("plugins", "lock")
    other = room.root / "others"
    (other / "kept").mkdir(parents=True, exist_ok=True)
    from wheel_room import write_wheel

    wheel = write_wheel(other, "acme-words", "1.0", WORDS.format(name="evil"))
    room.pip("install", "--quiet", "--no-index", "--force-reinstall", "--no-deps", str(wheel))
    assert "takes no part here: untrusted" in go(room, "--locked", code=1)
    room.fine("plugins", "trust", "acme_words", "--yes")
    assert "acme-words 1.0: other files; record:" in go(room, "--locked", code=1)
    said = room.fine("plugins", "sync", "--no-index", "--find-links", str(other), code=1)
    assert "still differs: acme-words 1.0: other files" in said
    assert "those of" in room.fine("plugins", "sync", *room.links)
    assert "Done." in go(room, "--locked")


def test_a_session_keeps_what_it_ran_with_and_a_resume_says_what_changed(whole: Room) -> None:
    room = whole
    room.fine("plugins", "install", "acme-words==1.0", "--yes", *room.links)
    room.fine("plugins", "lock")
    go(room, "--locked")
    journal = max((room.root / "state" / "sessions").rglob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    (plan, *_) = [row for row in map(json.loads, journal.read_text().splitlines()) if row["type"] == "plan"]
    (stamp,) = [one for one in plan["plugins"] if one["name"] == "acme_words"]
    locked = (room.project / "pegboard.lock").read_text()
    assert stamp["hash"] in locked
    assert len(plan["lock"]) == 64
    room.fine("plugins", "upgrade", "--yes", *room.links)
    said = room.fine("run", "again", "--continue")
    assert "since this session was last open: acme-words was 1.0 and is 1.1" in said
    assert "last open" not in room.fine("run", "again", "--continue")
    room.fine("plugins", "uninstall", "acme-words")
    assert "acme-words 1.1 takes no part any more" in room.fine("run", "again", "--continue")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("version = 1\n[[pack]\n", "cannot be read", id="no TOML"),
        pytest.param("version = 2\n", "reads version 1", id="another version"),
        pytest.param('version = 1\n[[pack]]\nname = "a"\nversion = 1\n', "each a text", id="a number"),
        pytest.param("version = 1\npack = 3\n", "each a text", id="no list"),
    ],
)
def test_a_lock_that_cannot_be_read_is_an_error_with_its_file(terminal: Any, text: str, said: str) -> None:
    (terminal.folder / "pegboard.lock").write_text(text)
    error = str(terminal.error("plugins", "lock", "--check"))
    assert said in error
    assert str(Path(terminal.folder.resolve()) / "pegboard.lock") in error
