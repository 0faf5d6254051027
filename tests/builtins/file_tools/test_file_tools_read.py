"""Read: lines with numbers, pictures, and refusals that say what to do."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from file_tools_desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard.errors import ToolError, ToolInputError
from pegboard.messages import ImageBlock
from pegboard_builtins.file_tools import read as module
from pegboard_builtins.file_tools import text
from pegboard_builtins.file_tools.paths import real_text
from pegboard_builtins.file_tools.read import PAGE_CHARACTERS, page, read
from pegboard_builtins.file_tools.write import write

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_the_response_has_the_recorded_shape(desk: Desk) -> None:
    path = desk.file("a.txt", "one\ntwo\nthree\n")
    result = desk.call(read, file_path=str(path))
    facts = {
        "filePath": str(path),
        "content": "one\ntwo\nthree\n",
        "numLines": 4,
        "startLine": 1,
        "totalLines": 4,
    }
    assert result.data == {"type": "text", "file": facts}
    assert result.content == "     1\tone\n     2\ttwo\n     3\tthree"
    assert not result.is_error


def test_hooks_see_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    seen = [
        read.normalised({"file_path": path}, tmp_path)["file_path"]
        for path in ("a.txt", "./b/../a.txt", "~/a.txt", "/etc//x/../passwd", "//etc/passwd")
    ]
    assert seen == [f"{tmp_path}/a.txt", f"{tmp_path}/a.txt", "/home/me/a.txt", "/etc/passwd", "/etc/passwd"]


def test_normalising_twice_changes_nothing_more(tmp_path: Path) -> None:
    once = read.normalised({"file_path": "../a", "limit": 3}, tmp_path)
    assert read.normalised(once, Path("/other")) == once == {"file_path": f"{tmp_path.parent}/a", "limit": 3}


@settings(max_examples=200)
@given(
    lines=st.lists(st.tuples(st.sampled_from("aé "), st.sampled_from([0, 1, 30, 998, 1000, 1999, 2000, 2001, 3100]))),
    often=st.sampled_from([1, 7, 90]),
    end=st.sampled_from(["", "\n"]),
    limit=st.sampled_from([None, 1, 2, 5]),
)
def test_a_whole_page_is_the_page_that_measuring_each_line_gives(
    lines: list[tuple[str, int]], often: int, end: str, limit: int | None
) -> None:
    text = "\n".join(sign * width for sign, width in lines * often) + end
    quick = page("/a.txt", text, 1, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_fits", lambda text, lines: False)
        measured = page("/a.txt", text, 1, limit)
    assert (quick.data["file"]["content"], quick.content) in (
        (measured.data["file"]["content"], measured.content),
        # All lines that there are: only the empty piece behind the last LF is not left out as one more line.
        (measured.data["file"]["content"] + "\n", measured.content.partition("\n[These are")[0]),
    )


def test_a_file_of_exactly_a_page_has_no_further_line_to_read(desk: Desk) -> None:
    path = desk.file("a.txt", "x\n" * 2000)
    assert "Read on" not in str(desk.call(read, file_path=str(path)).content)
    desk.file("a.txt", "x\n" * 2001)
    assert "Read on with offset=2001" in str(desk.call(read, file_path=str(path)).content)


def test_a_file_that_does_not_say_how_long_it_is_is_read_whole(desk: Desk) -> None:
    shown = str(desk.call(read, file_path="/proc/self/status").content)
    assert "Name:" in shown
    assert "ctxt_switches" in shown


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="a way of Linux")
def test_the_kernel_names_the_same_file_as_a_walk_through_its_folders(desk: Desk) -> None:
    desk.file("real/deep/a.txt", "x")
    (desk.folder / "link").symlink_to("real/deep")
    (desk.folder / "chain").symlink_to("link")
    (desk.folder / "loop").symlink_to("loop")
    (desk.folder / "gone").symlink_to("nowhere/at/all")
    desk.file("odd (deleted)", "x")
    os.mkfifo(desk.folder / "pipe")
    names = ["link/a.txt", "chain/a.txt", "chain", "loop", "loop/b", "gone", "gone/b", "odd (deleted)", "pipe", "new/x"]
    for name in names:
        assert real_text(f"{desk.folder}/{name}") == os.path.realpath(desk.folder / name)
    assert real_text("a\0b") == "a\0b"


@pytest.mark.parametrize("kind", ["renamed", "deleted", "a link elsewhere"])
def test_the_stamp_belongs_to_the_file_whose_bytes_were_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Whatever takes its place while it is read, nobody may take that for what the model has seen."""
    path, other = desk.file("a.txt", "old\n"), desk.file("b.txt", "new\n")
    read_on = text.content_of

    def meanwhile(descriptor: int) -> bytes:
        data = read_on(descriptor)
        if kind == "renamed":
            other.rename(path)
        else:
            path.unlink()
            if kind == "a link elsewhere":
                path.symlink_to(other)
        return data

    monkeypatch.setattr(text, "content_of", meanwhile)
    assert desk.call(read, file_path="a.txt").content == "     1\told"
    monkeypatch.undo()
    if kind == "deleted":
        path.write_text("new\n")
    with pytest.raises(ToolError, match=r"changed since you read it|has not been read yet"):
        desk.call(write, file_path="a.txt", content="mine\n")
    assert path.read_text() == "new\n"


def test_what_became_a_pipe_after_it_was_looked_at_does_not_hold_a_call_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.file("a.txt", "old\n")
    look = module.regular_file

    def meanwhile(path: Path | str, cwd: Path) -> os.stat_result:
        status = look(path, cwd)
        os.unlink(path)
        os.mkfifo(path)
        return status

    monkeypatch.setattr(module, "regular_file", meanwhile)
    with pytest.raises(ToolError, match="no regular file"):
        desk.call(read, file_path=str(path))


def test_offset_and_limit_choose_lines_and_say_what_is_left(desk: Desk) -> None:
    desk.file("a.txt", "".join(f"line {n}\n" for n in range(1, 11)))
    result = desk.call(read, file_path="a.txt", offset=3, limit=2)
    assert str(result.content).startswith("     3\tline 3\n     4\tline 4\n[These are lines 3 to 4 of 11.")
    assert "offset=5" in str(result.content)
    assert result.data["file"]["content"] == "line 3\nline 4"
    assert result.data["file"]["startLine"] == 3


def test_a_long_file_is_cut_at_2000_lines(desk: Desk) -> None:
    desk.file("a.txt", "x\n" * 5000)
    result = desk.call(read, file_path="a.txt")
    assert str(result.content).count("\n") == 2000
    assert "offset=2001" in str(result.content)
    assert result.data["file"]["totalLines"] == 5001


def test_a_wide_line_is_cut_and_says_so(desk: Desk) -> None:
    desk.file("a.txt", "a" * 2500 + "\nb\n")
    text = str(desk.call(read, file_path="a.txt").content)
    assert "a" * 2000 + " [line cut: 500 more characters]" in text
    assert text.endswith("     2\tb")


def test_one_answer_stays_below_the_limit_of_the_tool(desk: Desk) -> None:
    desk.file("a.txt", ("a" * 1000 + "\n") * 1900)
    result = desk.call(read, file_path="a.txt")
    assert read.max_output is not None
    assert PAGE_CHARACTERS // 2 < len(str(result.content)) < read.max_output
    assert f"offset={result.data['file']['numLines'] + 1}" in str(result.content)


def test_an_empty_file_is_said_to_be_empty(desk: Desk) -> None:
    desk.file("a.txt")
    assert "exists but is empty" in str(desk.call(read, file_path="a.txt").content)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        pytest.param(b"a\r\nb\r\n", "a\nb\n", id="CRLF is shown as LF"),
        pytest.param(b"\xef\xbb\xbfhi\n", "hi\n", id="a byte order mark is not shown"),
        pytest.param("grüß\n".encode("utf-16"), "grüß\n", id="UTF-16 with a mark"),
        pytest.param(b"gr\xfc\xdf\n", "gr��\n", id="Latin-1 is shown with replacement characters"),
        pytest.param("a\u2028b\x0cc\x85d\n".encode(), "a\u2028b\x0cc\x85d\n", id="only LF ends a line"),
    ],
)
def test_text_is_decoded(desk: Desk, data: bytes, shown: str) -> None:
    desk.file("a.txt", data)
    result = desk.call(read, file_path="a.txt")
    assert result.data["file"]["content"] == shown
    assert result.data["file"]["totalLines"] == shown.count("\n") + 1


def test_a_picture_is_shown_whatever_the_file_is_called(desk: Desk) -> None:
    desk.file("a.txt", PNG)
    result = desk.call(read, file_path="a.txt")
    assert isinstance(result.content, tuple)
    (block,) = result.content
    assert isinstance(block, ImageBlock)
    assert block.source["media_type"] == "image/png"
    assert base64.b64decode(block.source["data"]) == PNG
    assert result.data["type"] == "image"
    assert result.data["file"]["originalSize"] == len(PNG)


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        pytest.param(b"\x7fELF\0\0\1", "xxd", id="binary"),
        pytest.param(b"%PDF-1.7\n\0", "PDF", id="PDF"),
        pytest.param(PNG + b"\0" * 4_000_000, "smaller copy", id="huge picture"),
    ],
)
def test_what_cannot_be_shown_is_an_error_that_says_what_to_do(desk: Desk, data: bytes, advice: str) -> None:
    desk.file("a.bin", data)
    with pytest.raises(ToolError, match=advice):
        desk.call(read, file_path="a.bin")


def test_a_folder_is_an_error_that_names_glob(desk: Desk) -> None:
    with pytest.raises(ToolError, match=r"is a directory.*Glob"):
        desk.call(read, file_path=".")


def test_a_missing_file_is_told_in_the_contracts_words_with_the_nearest_name(desk: Desk) -> None:
    desk.file("config.toml")
    with pytest.raises(ToolError) as wrong:
        desk.call(read, file_path="confg.toml")
    said = f"File does not exist. Note: your current working directory is {desk.folder}."
    assert str(wrong.value) == said + " Did you mean 'config.toml'?"


def test_a_named_pipe_is_refused_at_once(desk: Desk) -> None:
    os.mkfifo(desk.folder / "pipe")
    with pytest.raises(ToolError, match="no regular file"):
        desk.call(read, file_path="pipe")


def test_an_endless_device_is_refused(desk: Desk) -> None:
    with pytest.raises(ToolError, match="no regular file"):
        desk.call(read, file_path="/dev/zero")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error(desk: Desk) -> None:
    desk.file("a.txt", "secret").chmod(0)
    with pytest.raises(ToolError, match="No permission"):
        desk.call(read, file_path="a.txt")


def test_an_offset_behind_the_end_says_how_long_the_file_is(desk: Desk) -> None:
    desk.file("a.txt", "one\n")
    with pytest.raises(ToolError, match="has 2 lines"):
        desk.call(read, file_path="a.txt", offset=50)


def test_a_path_with_a_nul_is_an_error(desk: Desk) -> None:
    with pytest.raises(ToolError, match="is no path"):
        desk.call(read, file_path="a\0b")


def test_an_unknown_argument_is_refused(desk: Desk) -> None:
    with pytest.raises(ToolInputError):
        desk.call(read, file_path="a", lines=3)


def test_reading_claims_the_file_it_really_is(desk: Desk) -> None:
    path = desk.file("a.txt")
    (desk.folder / "link").symlink_to(path)
    assert read.claims_of({"file_path": "link"}, desk.folder).reads == {f"file:{path}"}


def test_only_a_new_stamp_is_journaled(desk: Desk) -> None:
    desk.file("a.txt", "one")
    for _ in range(3):
        desk.call(read, file_path="a.txt")
    assert len(desk.services.lines) == 1
