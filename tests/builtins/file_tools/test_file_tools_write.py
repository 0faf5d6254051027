"""Write: whole files, after reading, atomically, and inside the workspace."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from file_tools_desk import Desk

from pegboard.errors import ToolError
from pegboard.tools import Claims
from pegboard_builtins.file_tools import atomic
from pegboard_builtins.file_tools.edit import edit
from pegboard_builtins.file_tools.read import read
from pegboard_builtins.file_tools.write import write


def test_a_new_file_has_the_recorded_response(desk: Desk) -> None:
    path = desk.folder / "new.txt"
    result = desk.call(write, file_path="new.txt", content="hello\n")
    assert result.data == {
        "type": "create",
        "filePath": str(path),
        "content": "hello\n",
        "structuredPatch": [],
        "originalFile": None,
        "userModified": False,
    }
    assert path.read_text() == "hello\n"


def test_replacing_a_file_that_was_read_shows_what_changed(desk: Desk) -> None:
    path = desk.file("a.txt", "one\ntwo\n")
    desk.call(read, file_path="a.txt")
    result = desk.call(write, file_path="a.txt", content="one\n2\n")
    assert result.data["type"] == "update"
    assert result.data["originalFile"] == "one\ntwo\n"
    hunk = {"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": [" one", "-two", "+2"]}
    assert result.data["structuredPatch"] == [hunk]
    assert path.read_text() == "one\n2\n"


def test_a_file_that_was_not_read_is_not_replaced(desk: Desk) -> None:
    path = desk.file("a.txt", "precious")
    with pytest.raises(ToolError, match="not been read"):
        desk.call(write, file_path="a.txt", content="gone")
    assert path.read_text() == "precious"


def test_a_file_that_changed_since_it_was_read_is_not_replaced(desk: Desk) -> None:
    path = desk.file("a.txt", "old")
    desk.call(read, file_path="a.txt")
    path.write_text("by somebody else")
    with pytest.raises(ToolError, match="changed since you read it"):
        desk.call(write, file_path="a.txt", content="mine")
    assert path.read_text() == "by somebody else"


def test_another_agents_reading_does_not_count(desk: Desk) -> None:
    desk.file("a.txt", "old")
    desk.call(read, file_path="a.txt")
    desk.services.agent_id = "agent-1"
    with pytest.raises(ToolError, match="not been read"):
        desk.call(write, file_path="a.txt", content="new")


def test_what_was_read_is_still_known_after_a_resume(desk: Desk) -> None:
    path = desk.file("a.txt", "old")
    desk.call(read, file_path="a.txt")
    resumed = Desk(desk.folder)
    resumed.services.state = dict(desk.services.state)
    resumed.call(write, file_path="a.txt", content="new")
    assert path.read_text() == "new"


def test_a_file_may_be_written_again_and_again(desk: Desk) -> None:
    for text in ("1", "2", "3"):
        desk.call(write, file_path="a.txt", content=text)
    assert (desk.folder / "a.txt").read_text() == "3"


def test_the_same_call_after_a_crash_succeeds_though_nothing_was_remembered(desk: Desk) -> None:
    desk.file("a.txt", "old")
    desk.call(read, file_path="a.txt")
    before = dict(desk.services.state)
    desk.call(write, file_path="a.txt", content="new")
    desk.services.state = before
    desk.call(write, file_path="a.txt", content="new")
    desk.call(write, file_path="a.txt", content="newer")
    assert write.repeatable


def test_parent_folders_are_created(desk: Desk) -> None:
    desk.call(write, file_path="a/b/c.txt", content="x")
    assert (desk.folder / "a/b/c.txt").read_text() == "x"


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o4711])
def test_the_mode_of_an_existing_file_is_kept(desk: Desk, mode: int) -> None:
    path = desk.file("a.sh", "old")
    path.chmod(mode)
    desk.call(read, file_path="a.sh")
    desk.call(write, file_path="a.sh", content="new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_mode_that_the_umask_leaves(desk: Desk) -> None:
    old = os.umask(0o027)
    try:
        desk.call(write, file_path="a.txt", content="x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((desk.folder / "a.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"a\r\nb\r\n", b"x\r\ny\r\n", id="CRLF"),
        pytest.param(b"a\r\nb\n", b"x\ny\n", id="mixed endings become what was written"),
        pytest.param(b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfx\ny\n", id="byte order mark"),
        pytest.param("a\n".encode("utf-16"), "x\ny\n".encode("utf-16"), id="UTF-16"),
    ],
)
def test_encoding_and_line_endings_are_kept(desk: Desk, before: bytes, after: bytes) -> None:
    path = desk.file("a.txt", before)
    desk.call(read, file_path="a.txt")
    desk.call(write, file_path="a.txt", content="x\ny\n")
    assert path.read_bytes() == after


@pytest.mark.parametrize("mode", [0o444, 0o555, 0o400])
def test_a_file_that_is_marked_read_only_is_left_alone(desk: Desk, mode: int) -> None:
    """A rename asks nobody: root or not, whoever took the right away meant it."""
    path = desk.file("a.txt", "old\n")
    path.chmod(mode)
    desk.call(read, file_path="a.txt")
    for tool, given in ((write, {"content": "new\n"}), (edit, {"old_string": "old", "new_string": "new"})):
        with pytest.raises(ToolError, match=f"read-only \\(mode {mode:o}\\)"):
            desk.call(tool, file_path="a.txt", **given)
    assert path.read_text() == "old\n"
    assert os.listdir(desk.folder) == ["a.txt"]
    path.chmod(0o644)
    desk.call(edit, file_path="a.txt", old_string="old", new_string="new")
    assert path.read_text() == "new\n"


def test_a_path_of_thousands_of_folders_is_refused(desk: Desk) -> None:
    with pytest.raises(ToolError, match=r"too many|too long"):
        desk.call(write, file_path="a/" * 3000 + "x", content="x")
    assert os.listdir(desk.folder) == []


def test_nothing_is_left_beside_the_file(desk: Desk) -> None:
    desk.call(write, file_path="a.txt", content="x")
    assert os.listdir(desk.folder) == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.file("a.txt", "old")
    desk.call(read, file_path="a.txt")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ToolError, match="No space left"):
        desk.call(write, file_path="a.txt", content="new")
    assert path.read_text() == "old"
    assert os.listdir(desk.folder) == ["a.txt"]


def test_a_reader_never_sees_half_a_file(desk: Desk) -> None:
    path = desk.file("a.txt", "0" * 200_000)
    desk.call(read, file_path="a.txt")
    sizes: set[int] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            sizes.add(len(path.read_bytes()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for digit in "123456789":
        desk.call(write, file_path="a.txt", content=digit * 200_000)
    over.set()
    watcher.join()
    assert sizes == {200_000}


def test_a_file_that_appears_in_between_is_not_replaced(desk: Desk) -> None:
    path = desk.file("a.txt", "theirs")
    with pytest.raises(ToolError, match="created by somebody else"):
        atomic.replace(path, b"mine", expected=None)
    assert path.read_text() == "theirs"


def test_a_link_inside_the_workspace_is_written_through_and_stays_a_link(desk: Desk) -> None:
    target = desk.file("real.txt", "old")
    (desk.folder / "link.txt").symlink_to("real.txt")
    desk.call(read, file_path="link.txt")
    desk.call(write, file_path="link.txt", content="new")
    assert (desk.folder / "link.txt").is_symlink()
    assert target.read_text() == "new"


def test_a_hard_link_keeps_the_old_text_and_the_model_is_told(desk: Desk) -> None:
    path = desk.file("a.txt", "old\n")
    (desk.folder / "b.txt").hardlink_to(path)
    desk.call(read, file_path="a.txt")
    first = desk.call(write, file_path="a.txt", content="new\n")
    assert "a.txt had another name (hard link), which keeps the old text" in first.text
    assert "hard link" not in desk.call(write, file_path="a.txt", content="newer\n").text
    (desk.folder / "c.txt").hardlink_to(path)
    (desk.folder / "d.txt").hardlink_to(path)
    changed = desk.call(edit, file_path="a.txt", old_string="newer", new_string="newest")
    assert "a.txt had 2 other names (hard links), which keep the old text" in changed.text
    assert [(desk.folder / f"{name}.txt").read_text() for name in "abcd"] == ["newest\n", "old\n", "newer\n", "newer\n"]


@pytest.mark.parametrize("name", ["link.txt", "folder/new.txt", "dangling"])
def test_a_link_out_of_the_workspace_is_refused_and_its_target_named(desk: Desk, elsewhere: Path, name: str) -> None:
    victim = elsewhere / "victim.txt"
    victim.write_text("theirs")
    (desk.folder / "link.txt").symlink_to(victim)
    (desk.folder / "folder").symlink_to(elsewhere)
    (desk.folder / "dangling").symlink_to(elsewhere / "not-yet")
    desk.services.state[f"seen::{victim}"] = "whatever"
    with pytest.raises(ToolError, match="symbolic link out of the workspace") as wrong:
        desk.call(write, file_path=name, content="mine")
    assert str(elsewhere) in str(wrong.value)
    assert [path.name for path in elsewhere.iterdir()] == ["victim.txt"]
    assert victim.read_text() == "theirs"


def test_a_plain_path_outside_the_workspace_is_for_permissions_to_decide(desk: Desk, elsewhere: Path) -> None:
    desk.call(write, file_path=str(elsewhere / "a.txt"), content="x")
    assert (elsewhere / "a.txt").read_text() == "x"


def test_a_circle_of_links_is_an_error(desk: Desk) -> None:
    (desk.folder / "a").symlink_to("b")
    (desk.folder / "b").symlink_to("a")
    with pytest.raises(ToolError):
        desk.call(write, file_path="a", content="x")


def test_a_folder_cannot_be_written(desk: Desk) -> None:
    with pytest.raises(ToolError, match="is a directory"):
        desk.call(write, file_path=".", content="x")


def test_a_file_in_the_way_of_a_folder_is_an_error(desk: Desk) -> None:
    desk.file("a", "x")
    with pytest.raises(ToolError):
        desk.call(write, file_path="a/b.txt", content="x")


def test_half_a_surrogate_pair_is_refused(desk: Desk) -> None:
    with pytest.raises(ToolError, match="surrogate"):
        desk.call(write, file_path="a.txt", content="x\ud800")
    assert os.listdir(desk.folder) == []


def test_writes_to_one_file_conflict_and_to_two_do_not(desk: Desk) -> None:
    a, b = (write.claims_of({"file_path": name, "content": ""}, desk.folder) for name in ("a", "b"))
    assert a == Claims.write(desk.folder / "a")
    assert a.conflicts(a)
    assert not a.conflicts(b)
    assert write.egress == ("file",)
