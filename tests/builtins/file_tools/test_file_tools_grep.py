"""Grep: what matches, how it is shown, and the same with and without ripgrep."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from file_tools_desk import Desk
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pegboard.errors import ToolError
from pegboard_builtins.file_tools import grep as module
from pegboard_builtins.file_tools import ripgrep
from pegboard_builtins.file_tools.grep import grep
from pegboard_builtins.file_tools.ripgrep import wider_pattern


@pytest.fixture(
    params=[
        "own",
        pytest.param("rg", marks=pytest.mark.skipif(not shutil.which("rg"), reason="ripgrep is not installed")),
    ]
)
def project(desk: Desk, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Desk:
    if request.param == "own":
        monkeypatch.setattr(ripgrep, "installed", lambda: None)
    desk.file("a.py", "import os\n\ndef one():\n    return 1\n\ndef two():\n    return 2\n")
    desk.file("src/b.py", "def three():\r\n    return 3\r\n")
    desk.file("src/c.txt", "nothing\nDEF\n")
    desk.file("bin", b"def\0x")
    desk.file(".git/hooks/d.py", "def hidden(): ...\n")
    desk.file(".env", "def=1\n")
    for number, name in enumerate(("a.py", "src/b.py", "src/c.txt", ".env")):
        os.utime(desk.folder / name, (10**9 + number, 10**9 + number))
    return desk


def test_the_response_has_the_recorded_shape(project: Desk) -> None:
    result = project.call(grep, pattern="nothing")
    assert result.data == {
        "mode": "files_with_matches",
        "filenames": ["src/c.txt"],
        "numFiles": 1,
        "totalFiles": 1,
    }
    assert result.content == "src/c.txt"


def test_files_come_newest_first_without_git_and_binaries(project: Desk) -> None:
    assert project.call(grep, pattern="def").data["filenames"] == [".env", "src/b.py", "a.py"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"type": "py"}, ["src/b.py", "a.py"]),
        ({"type": "python", "glob": "src/**"}, ["src/b.py"]),
        ({"type": "rust"}, []),
        ({"type": "rust", "path": "a.py"}, ["a.py"]),
    ],
    ids=["type", "type and glob", "none", "a file that is named"],
)
def test_a_type_chooses_files(project: Desk, given: dict[str, str], found: list[str]) -> None:
    assert project.call(grep, pattern="def", **given).data["filenames"] == found


def test_a_type_that_nobody_knows_is_told_with_the_nearest(project: Desk) -> None:
    with pytest.raises(ToolError, match="Did you mean 'typescript'"):
        project.call(grep, pattern="def", type="typscript")


def test_content_is_shown_with_file_and_line(project: Desk) -> None:
    result = project.call(grep, pattern=r"^def \w+\(\):$", output_mode="content")
    assert result.content == "a.py:3:def one():\na.py:6:def two():\nsrc/b.py:1:def three():"
    assert result.data["numLines"] == 3
    assert result.data["numFiles"] == 2


def test_lines_around_a_match_are_marked_by_a_dash(project: Desk) -> None:
    result = project.call(grep, pattern="return", output_mode="content", dash_A=1, dash_B=1, path="a.py")
    assert result.content == ("a.py-3-def one():\na.py:4:    return 1\na.py-5-\na.py-6-def two():\na.py:7:    return 2")
    apart = project.call(grep, pattern="import|return 2", output_mode="content", dash_C=1, path="a.py", dash_n=False)
    assert apart.content == "a.py:import os\na.py-\n--\na.py-def two():\na.py:    return 2"


def test_count_counts_lines(project: Desk) -> None:
    result = project.call(grep, pattern="def|return", output_mode="count")
    assert result.content == ".env:1\na.py:4\nsrc/b.py:2"
    assert result.data["numMatches"] == 7


def test_capitals_count_unless_told_otherwise(project: Desk) -> None:
    assert project.call(grep, pattern="DEF").data["filenames"] == ["src/c.txt"]
    assert project.call(grep, pattern="DEF", dash_i=True).data["numFiles"] == 4


def test_a_pattern_may_reach_across_lines(project: Desk) -> None:
    assert project.call(grep, pattern=r"one\(\):\n.*return 1").data["numFiles"] == 0
    result = project.call(grep, pattern=r"three\(\):\n\s+return 3", multiline=True, output_mode="content")
    assert result.content == "src/b.py:1:def three():\nsrc/b.py:2:    return 3"


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("*.py", ["src/b.py", "a.py"]),
        ("src/*.py", ["src/b.py"]),
        ("**/*.{py,txt}", ["src/b.py", "a.py"]),
        ("/a.py", ["a.py"]),
        (".env", [".env"]),
    ],
)
def test_glob_chooses_files(project: Desk, glob: str, found: list[str]) -> None:
    assert project.call(grep, pattern="def", glob=glob).data["filenames"] == found


def test_head_limit_cuts_and_says_so(project: Desk) -> None:
    files = project.call(grep, pattern="def", head_limit=1)
    assert files.data["filenames"] == [".env"]
    assert files.data["totalFiles"] == 3
    assert "first 1 of 3" in str(files.content)
    lines = project.call(grep, pattern="return", output_mode="content", head_limit=2)
    assert lines.data["numLines"] == 2
    assert "there are more" in str(lines.content)
    whole = project.call(grep, pattern="return", output_mode="content", head_limit=3)
    assert "there are more" not in str(whole.content)
    assert project.call(grep, pattern="return", output_mode="content", head_limit=0).data["numLines"] == 3


def test_a_single_file_can_be_searched(project: Desk) -> None:
    assert project.call(grep, pattern="two", path="a.py").data["filenames"] == ["a.py"]


def test_nothing_found_is_no_error(project: Desk) -> None:
    result = project.call(grep, pattern="zzz")
    assert (result.content, result.is_error) == ("No files found", False)


def test_wide_lines_are_cut(project: Desk) -> None:
    project.file("min.js", "x" * 3000)
    result = project.call(grep, pattern="xx", output_mode="content")
    assert result.content == "min.js:1:" + "x" * 500 + " [line cut: 2500 more characters]"


def test_links_pipes_and_unreadable_files_are_left_out(project: Desk) -> None:
    (project.folder / "link.py").symlink_to("a.py")
    (project.folder / "loop").symlink_to(".")
    os.mkfifo(project.folder / "pipe")
    locked = project.file("locked.txt", "def")
    locked.chmod(0)
    found = project.call(grep, pattern="def").data["filenames"]
    assert {"link.py", "pipe"}.isdisjoint(found)
    assert ("locked.txt" in found) == (os.geteuid() == 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"pattern": "a("}, "no regular expression", id="bad pattern"),
        pytest.param({"pattern": "a", "path": "nowhere"}, "does not exist", id="no such path"),
        pytest.param({"pattern": "a", "glob": "../*"}, "beginning of a pattern", id="glob leads out"),
    ],
)
def test_what_cannot_be_searched_says_why(project: Desk, arguments: dict[str, str], said: str) -> None:
    with pytest.raises(ToolError, match=said):
        project.call(grep, **arguments)


@pytest.mark.parametrize("pattern", ["[[:upper:]]{3}", "[[:alpha:]_]+", r"interface{}", "a{,3}x"])
def test_what_grep_users_write_is_understood(project: Desk, pattern: str) -> None:
    project.file("x.go", "func interface{} ABC aax\n")
    assert "x.go" in project.call(grep, pattern=pattern).data["filenames"]


def test_names_that_are_no_utf8_are_found(project: Desk) -> None:
    (Path(os.fsdecode(os.fsencode(project.folder) + b"/\xff.txt"))).write_text("def needle\n")
    assert project.call(grep, pattern="needle").data["filenames"] == ["�.txt"]
    assert project.call(grep, pattern="needle", output_mode="count").content == "�.txt:1"


@pytest.mark.parametrize("mode", ["content", "files_with_matches", "count"])
@pytest.mark.parametrize("pattern", ["def", r"def \w\w\w\(", "^return 1|[DE]F$", "(", r"\x", "[a--b]", "[[:alpha:]]ef"])
def test_a_search_here_finds_what_a_search_apart_finds(
    project: Desk, pattern: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []
    for few in (0, 300):
        monkeypatch.setattr(module, "FEW", few)
        try:
            result = project.call(grep, pattern=pattern, output_mode=mode)
            answers.append((result.content, result.data))
        except ToolError as wrong:
            answers.append((str(wrong), None))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("pattern", ["(a+)+$", "a*", "a?", "a{2}", "(?i)a", "[[a]"])
def test_only_what_ends_for_certain_is_searched_here(pattern: str) -> None:
    assert not module.search.is_quick(pattern)
    assert module.search.is_quick(r"a|b\*[+]".replace("[+]", ""))


TOKENS = [
    "a",
    "b",
    "é",
    ".",
    r"\s",
    r"\S",
    r"\b",
    r"\B",
    "^",
    "$",
    r"\A",
    r"\Z",
    r"\^",
    "[^a]",
    "[^b\\s]",
    "|",
    "(",
    ")",
    "\\n",
]


@settings(max_examples=400)
@given(
    pattern=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=5).map("".join),
    text=st.text(st.sampled_from("aab é\n\t"), max_size=20),
)
@example(pattern="[^a]b", text="a\nb")
@example(pattern=r"\[^a", text="b\n[a")
@example(pattern=r"a\Z", text="a\nb")
def test_a_file_is_passed_over_only_if_no_line_of_it_matches(
    pattern: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "afar.txt"
    path.write_text(text)
    job = {"pattern": pattern, "ignore_case": False, "multiline": False, "mode": "count", "limit": 0}
    job |= {"before": 0, "after": 0, "numbers": True, "files": [(str(path), "afar.txt")]}
    answer = module.search.answer(job)
    try:
        regex = re.compile(pattern)
    except re.error:
        assert "error" in answer
        return
    lines = text.split("\n")
    matching = sum(regex.search(line) is not None for line in (lines[:-1] if lines[-1] == "" else lines))
    assert answer["counts"] == ([matching] if matching else [])


def test_a_pattern_that_never_ends_is_ended_and_the_loop_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.5)
    monkeypatch.setattr(ripgrep, "installed", lambda: None)
    desk.file("a.txt", "a" * 60 + "!")
    before = children()  # other tests of this process may have left some that stay

    async def run() -> int:
        search = asyncio.create_task(desk.acall(grep, pattern="(a+)+$"))
        ticks = 0
        while not search.done():
            await asyncio.sleep(0.01)
            ticks += 1
        with pytest.raises(ToolError, match="took longer"):
            await search
        return ticks

    assert asyncio.run(run()) > 10
    assert not children() - before


def test_a_search_that_is_cancelled_leaves_no_process(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ripgrep, "installed", lambda: None)
    desk.file("a.txt", "a" * 60 + "!")
    before = children()  # other tests of this process may have left some that stay

    async def run() -> None:
        search = asyncio.create_task(desk.acall(grep, pattern="(a+)+$"))
        await asyncio.sleep(0.3)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search

    asyncio.run(run())
    assert not children() - before


def children() -> set[int]:
    """Return our child processes, dead ones that nobody waited for included."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        if text.rpartition(")")[2].split()[1] == str(os.getpid()):
            found.add(int(entry.parent.name))
    return found


@pytest.mark.skipif(not shutil.which("rg"), reason="ripgrep is not installed")
@pytest.mark.parametrize("place", [".rgignore", "src/.rgignore", "../.rgignore", ".ignore", "src/.ignore"])
def test_what_only_ripgrep_would_ignore_is_searched(desk: Desk, place: str) -> None:
    desk.file("src/a.py", "needle\n")
    desk.file("b.py", "needle\n")
    desk.file(place, "*.py\n")
    (desk.folder / ".git").mkdir()
    found = desk.call(grep, pattern="needle", output_mode="count").content
    assert found == "b.py:1\nsrc/a.py:1"


# --- the pattern for ripgrep -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", "(?i)a", "(?<=a)b", "a++", "[[:alpha:]]", "[a&&b]", r"\x41", r"\Aa", "é\n"]
)
def test_ripgrep_is_not_asked_where_dialects_differ(pattern: str) -> None:
    assert wider_pattern(pattern, ignore_case=False) is None


PARTS = st.sampled_from(
    [
        *"aZ0 _.-é{}i",
        "İ",
        r"\d",
        r"\w",
        r"\S",
        r"\s",
        r"\W",
        r"\b",
        r"\B",
        "^",
        "$",
        ".",
        "[ab]",
        "[^a]",
        r"[\w-]",
        r"[^\s]",
        "(",
        ")",
        "(?:",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{,2}",
        "{1,}",
        "+?",
        r"\.",
        r"\{",
        "[a-f0-9]",
        "[]a]",
        "[a-]",
        "[-a]",
        r"[\]]",
        "//",
        "[.*]",
        r"[\D]",
        "K",
    ]
)
PATTERNS = st.lists(PARTS, min_size=1, max_size=6).map("".join)
TEXTS = st.lists(
    st.sampled_from(
        [
            b"a",
            b"Z",
            b"0",
            b" ",
            b"_",
            b"-",
            b".",
            "é".encode(),
            b"i",
            "İ".encode(),
            "ı".encode(),
            b"I",
            b"{",
            b"}",
            b"\n",
            b"\r\n",
            b"\xff",
            b"\xc3",
            "²".encode(),
            "́".encode(),
            b"\x1c",
            "\u2028".encode(),
            b"b",
            b"]",
            b"\xef\xbb\xbf",
            b"K",
            b"k",
            b"\t",
            b"\x0b",
            b"\r",
        ]
    ),
    max_size=8,
).map(b"".join)


@pytest.fixture(scope="module")
def parity_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("parity"))


@pytest.mark.skipif(not shutil.which("rg"), reason="ripgrep is not installed")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=PATTERNS, texts=st.lists(TEXTS, min_size=1, max_size=6), ignore_case=st.booleans())
@example(pattern="^a", texts=[b"\xef\xbb\xbfa"], ignore_case=False)
@example(pattern="a$", texts=[b"a\r\n"], ignore_case=False)
@example(pattern=r"\w", texts=["²".encode()], ignore_case=False)
@example(pattern="i", texts=["İ".encode()], ignore_case=True)
@example(pattern="é", texts=["é".encode("utf-16")], ignore_case=False)
@example(pattern="a", texts=[b"a" * 100_000 + b"\0"], ignore_case=False)
def test_the_result_is_the_same_with_and_without_ripgrep(
    parity_desk: Desk, pattern: str, texts: list[bytes], ignore_case: bool
) -> None:
    shutil.rmtree(parity_desk.folder)
    parity_desk.folder.mkdir()
    for number, text in enumerate(texts):
        parity_desk.file(f"{'sub/' * (number % 2)}{number}.txt", text)
    answers = []
    for program in (ripgrep.installed, lambda: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ripgrep, "installed", program)
            try:
                result = parity_desk.call(grep, pattern=pattern, dash_i=ignore_case, output_mode="content")
                answers.append((result.content, result.data))
            except ToolError as wrong:
                answers.append((str(wrong), None))
    assert answers[0] == answers[1]


@pytest.mark.skipif(not shutil.which("rg"), reason="ripgrep is not installed")
def test_ripgrep_is_really_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str] | None] = []

    async def listen(*args: object, **more: object) -> set[str] | None:
        asked.append(await candidates(*args, **more))  # type: ignore[arg-type]
        return asked[-1]

    candidates = ripgrep.candidates
    monkeypatch.setattr(ripgrep, "candidates", listen)
    desk.file("a.txt", "needle")
    desk.file("b/c.txt", "hay")
    assert desk.call(grep, pattern=r"\bneed\w+").data["filenames"] == ["a.txt"]
    assert asked == [{"a.txt"}]


def test_a_thousand_files_are_searched_in_reasonable_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ripgrep, "installed", lambda: None)
    for number in range(1000):
        desk.file(f"{number % 20}/{number}.txt", f"line {number}\n" * 20)
    started = time.monotonic()
    assert desk.call(grep, pattern=r"line 99\d$").data["totalFiles"] == 10
    assert time.monotonic() - started < 10
