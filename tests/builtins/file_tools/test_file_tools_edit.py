"""Edit: exact, unique, after reading, and no byte lost elsewhere."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from file_tools_desk import Desk
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pegboard.errors import ToolError
from pegboard_builtins.file_tools.edit import edit
from pegboard_builtins.file_tools.matching import places
from pegboard_builtins.file_tools.patch import structured_patch
from pegboard_builtins.file_tools.read import read


def test_the_response_has_the_recorded_shape(desk: Desk) -> None:
    path = desk.file("a.txt", "ONE\ntwo\n")
    desk.call(read, file_path="a.txt")
    result = desk.call(edit, file_path="a.txt", old_string="two", new_string="2")
    assert result.data == {
        "filePath": str(path),
        "oldString": "two",
        "newString": "2",
        "originalFile": "ONE\ntwo\n",
        "structuredPatch": [
            {"oldStart": 1, "oldLines": 2, "newStart": 1, "newLines": 2, "lines": [" ONE", "-two", "+2"]}
        ],
        "userModified": False,
        "replaceAll": False,
    }
    assert path.read_text() == "ONE\n2\n"


def test_the_wire_input_always_says_replace_all(tmp_path: Path) -> None:
    wire = edit.normalised({"file_path": "a", "old_string": "x", "new_string": "y"}, tmp_path)
    assert wire == {"file_path": f"{tmp_path}/a", "old_string": "x", "new_string": "y", "replace_all": False}
    assert list(wire) == ["file_path", "old_string", "new_string", "replace_all"]
    assert edit.normalised({**wire, "replace_all": True}, tmp_path)["replace_all"] is True


def test_a_file_that_was_not_read_is_not_edited(desk: Desk) -> None:
    path = desk.file("a.txt", "x")
    with pytest.raises(ToolError, match="not been read"):
        desk.call(edit, file_path="a.txt", old_string="x", new_string="y")
    assert path.read_text() == "x"


def test_several_matches_are_refused_with_their_lines(desk: Desk) -> None:
    path = desk.file("a.txt", "x = 1\ny = 2\nx = 1\n")
    desk.call(read, file_path="a.txt")
    with pytest.raises(ToolError, match=r"Found 2 matches .*lines 1, 3"):
        desk.call(edit, file_path="a.txt", old_string="x = 1", new_string="x = 3")
    assert path.read_text() == "x = 1\ny = 2\nx = 1\n"


def test_matches_that_overlap_are_not_unique(desk: Desk) -> None:
    desk.file("a.txt", "aaa")
    desk.call(read, file_path="a.txt")
    with pytest.raises(ToolError, match="Found 2 matches"):
        desk.call(edit, file_path="a.txt", old_string="aa", new_string="b")


def test_replace_all_replaces_all(desk: Desk) -> None:
    path = desk.file("a.txt", "x\r\ny x\nx")
    desk.call(read, file_path="a.txt")
    result = desk.call(edit, file_path="a.txt", old_string="x", new_string="long", replace_all=True)
    assert path.read_bytes() == b"long\r\ny long\nlong"
    assert "3 places" in str(result.content)


def test_when_nothing_matches_the_nearest_lines_are_shown(desk: Desk) -> None:
    desk.file("a.py", "import os\n\n\ndef load(path):\n\treturn open(path)\n\n\ndef save(path): ...\n")
    desk.call(read, file_path="a.py")
    with pytest.raises(ToolError, match="not found in file") as wrong:
        desk.call(edit, file_path="a.py", old_string="def load(path):\n    return read(path)", new_string="pass")
    assert "     4\tdef load(path):\n     5\t\treturn open(path)" in str(wrong.value)


def test_when_nothing_is_alike_that_is_said(desk: Desk) -> None:
    desk.file("a.py", "import os\n")
    desk.call(read, file_path="a.py")
    with pytest.raises(ToolError, match="No line of the file is like it"):
        desk.call(edit, file_path="a.py", old_string="zzzzzzzzzzzz", new_string="y")


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        pytest.param("", "x", "use Write", id="nothing to replace"),
        pytest.param("a", "a", "No changes", id="no change"),
        pytest.param("a\r\n", "a\n", "line endings only", id="only line endings"),
        pytest.param("a", "\udc80", "surrogate", id="half a character"),
    ],
)
def test_an_edit_without_meaning_is_refused(desk: Desk, old: str, new: str, advice: str) -> None:
    desk.file("a.txt", "a\n")
    desk.call(read, file_path="a.txt")
    with pytest.raises(ToolError, match=advice):
        desk.call(edit, file_path="a.txt", old_string=old, new_string=new)


def test_an_edit_goes_through_after_an_outside_change_if_its_text_is_unique(desk: Desk) -> None:
    path = desk.file("a.txt", "one\ntwo\n")
    desk.call(read, file_path="a.txt")
    path.write_text("zero\none\ntwo\n")
    result = desk.call(edit, file_path="a.txt", old_string="two", new_string="2")
    assert path.read_text() == "zero\none\n2\n"
    assert "changed by somebody else" in str(result.content)


@pytest.mark.parametrize(
    ("now", "replace_all"),
    [
        pytest.param("one\n", False, id="its text is gone"),
        pytest.param("two\ntwo\n", False, id="its text is there twice"),
        pytest.param("two\ntwo\n", True, id="nobody knows what all is"),
    ],
)
def test_an_edit_after_an_outside_change_is_refused_if_in_doubt(desk: Desk, now: str, replace_all: bool) -> None:
    path = desk.file("a.txt", "one\ntwo\n")
    desk.call(read, file_path="a.txt")
    path.write_text(now)
    with pytest.raises(ToolError, match="read it again"):
        desk.call(edit, file_path="a.txt", old_string="two", new_string="2", replace_all=replace_all)
    assert path.read_text() == now


def test_edits_follow_each_other_without_reading_again(desk: Desk) -> None:
    path = desk.file("a.txt", "1 2 3")
    desk.call(read, file_path="a.txt")
    for digit in "123":
        result = desk.call(edit, file_path="a.txt", old_string=digit, new_string="x" + digit)
        assert "somebody else" not in str(result.content)
    assert path.read_text() == "x1 x2 x3"


@pytest.mark.parametrize("data", ["a\n".encode("utf-32"), b"\xff\xfea\0\0\0b\0"], ids=["UTF-32", "a NUL in UTF-16"])
def test_what_only_begins_like_utf_16_is_binary(desk: Desk, data: bytes) -> None:
    """Two bytes in the place of a character of four would make another file of it."""
    path = desk.file("a.txt", data)
    for tool, words in ((read, {}), (edit, {"old_string": "a", "new_string": "bc"})):
        with pytest.raises(ToolError, match="binary"):
            desk.call(tool, file_path="a.txt", **words)
    assert path.read_bytes() == data


def test_a_binary_file_is_refused(desk: Desk) -> None:
    desk.file("a.bin", b"x\0y")
    with pytest.raises(ToolError, match="binary"):
        desk.call(edit, file_path="a.bin", old_string="x", new_string="y")


def test_a_link_out_of_the_workspace_is_refused(desk: Desk, elsewhere: Path) -> None:
    (elsewhere / "a.txt").write_text("x")
    (desk.folder / "link").symlink_to(elsewhere / "a.txt")
    desk.call(read, file_path="link")
    with pytest.raises(ToolError, match="out of the workspace"):
        desk.call(edit, file_path="link", old_string="x", new_string="y")
    assert (elsewhere / "a.txt").read_text() == "x"


def test_bytes_that_are_no_utf8_survive(desk: Desk) -> None:
    path = desk.file("a.txt", b"gr\xfc\xdfe\r\nname = 1\r\n\xff\xfe")
    desk.call(read, file_path="a.txt")
    desk.call(edit, file_path="a.txt", old_string="name = 1", new_string="name = 2\nmore")
    assert path.read_bytes() == b"gr\xfc\xdfe\r\nname = 2\r\nmore\r\n\xff\xfe"


def test_lines_that_only_surround_the_change_keep_their_endings(desk: Desk) -> None:
    path = desk.file("a.txt", b"a\nb\r\nc\nd\r\ne\r\n")
    desk.call(read, file_path="a.txt")
    desk.call(edit, file_path="a.txt", old_string="a\nb\nc\nd\n", new_string="a\nb\nX\nd\n")
    assert path.read_bytes() == b"a\nb\r\nX\nd\r\ne\r\n"


PIECES = st.text(st.sampled_from("ab \té\u2028\U0001f600\x0b\r\n"), max_size=12)
ENDINGS = st.sampled_from(["\n", "\r\n"])
MARKS = st.sampled_from([b"", b"\xef\xbb\xbf"])


@settings(max_examples=300, deadline=None)
@given(before=PIECES, old=PIECES, new=PIECES, after=PIECES, ending=ENDINGS, mark=MARKS, mode=st.integers(0o600, 0o777))
def test_an_edit_changes_what_it_names_and_no_other_byte(
    before: str, old: str, new: str, after: str, ending: str, mark: bytes, mode: int
) -> None:
    before, old, new, after = (text.replace("\r", "") for text in (before, old, new, after))
    plain = before + old + after
    assume(old and old != new and len(places(plain, old)) == 1)
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder).resolve())
        path = desk.file("a.txt", mark + plain.replace("\n", ending).encode())
        path.chmod(mode | 0o600)
        desk.call(read, file_path="a.txt")
        desk.call(edit, file_path="a.txt", old_string=old, new_string=new)
        # A file without any line end has no style of its own: then what was written counts.
        ending = ending if "\n" in plain else "\n"
        assert path.read_bytes() == mark + (before + new + after).replace("\n", ending).encode()
        assert stat.S_IMODE(path.stat().st_mode) == mode | 0o600


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(st.sampled_from(["a", "b", "c", ""])), endings=st.data())
def test_endings_outside_the_edit_are_never_touched(lines: list[str], endings: st.DataObject) -> None:
    raw = [line + endings.draw(ENDINGS) for line in lines]
    at = endings.draw(st.integers(0, len(raw)))
    head, tail = "".join(raw[:at]), "".join(raw[at:])
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder).resolve())
        path = desk.file("a.txt", head + "HERE" + tail)
        desk.call(read, file_path="a.txt")
        desk.call(edit, file_path="a.txt", old_string="HERE", new_string="there")
        assert path.read_bytes().decode() == head + "there" + tail


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("ab\n"), max_size=30), old=st.text(st.sampled_from("ab\n"), min_size=1, max_size=4))
def test_an_edit_without_replace_all_needs_exactly_one_match(text: str, old: str) -> None:
    matches = sum(text.startswith(old, at) for at in range(len(text)))
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder).resolve())
        path = desk.file("a.txt", text)
        desk.call(read, file_path="a.txt")
        if matches == 1:
            desk.call(edit, file_path="a.txt", old_string=old, new_string="Z")
            assert path.read_text() == text.replace(old, "Z")
        else:
            with pytest.raises(ToolError):
                desk.call(edit, file_path="a.txt", old_string=old, new_string="Z")
            assert path.read_text() == text


LINES = st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=30)


@settings(max_examples=200, deadline=None)
@given(old=LINES, new=LINES, ends=st.tuples(st.booleans(), st.booleans()))
def test_the_patch_leads_from_the_old_text_to_the_new(old: list[str], new: list[str], ends: tuple[bool, bool]) -> None:
    before, after = ("\n".join(text) + "\n" * end for text, end in zip((old, new), ends, strict=True))
    hunks = structured_patch(before, after)
    assert patched(before, hunks) == after
    assert bool(hunks) == (before != after)


def patched(text: str, hunks: list[dict[str, object]]) -> str:
    """Apply hunks with the patch program, which knows what they mean."""
    body = ["--- a", "+++ a"]
    for hunk in hunks:
        body.append("@@ -{oldStart},{oldLines} +{newStart},{newLines} @@".format(**hunk))
        body += hunk["lines"]  # type: ignore[arg-type]
    if not hunks:
        return text
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").write_text(text)
        job = "\n".join([*body, ""])
        subprocess.run(["git", "apply", "--unidiff-zero", "-p0"], input=job.encode(), cwd=folder, check=True)
        path = Path(folder) / "a"
        return path.read_text() if path.exists() else ""
