"""Edit on real source files: whatever slips into `old_string`, the place that was meant becomes what was meant."""

from __future__ import annotations

import random
import re
import string
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from file_tools_desk import Desk
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pegboard.errors import ToolError
from pegboard_builtins.file_tools.edit import edit
from pegboard_builtins.file_tools.preview import preview_edit
from pegboard_builtins.file_tools.read import read

SOURCES = [Path(module.__file__ or "").read_text(encoding="utf-8").split("\n") for module in (random, string, textwrap)]
STRAIGHT = str.maketrans("‘’“”–—\u00a0", "''\"\"-- ")

# --- a file and an edit of it ----------------------------------------------------------------------------------


def source(chance: random.Random) -> list[str]:
    """Return some lines of a real file, with what files have: repeated blocks, tabs, typography, trailing blanks."""
    lines = chance.choice(SOURCES)
    start = chance.randrange(len(lines) - 80)
    found = lines[start : start + chance.randint(5, 80)]
    if chance.random() < 0.5:
        at, size = chance.randrange(len(found)), chance.randint(1, 12)
        block = found[at : at + size]
        if chance.random() < 0.5:
            block = [f"    {line}" if line else line for line in block]
        found[chance.randrange(len(found)) :] += block
    if chance.random() < 0.4:
        found = [re.sub("^( {4})+", lambda match: "\t" * (len(match[0]) // 4), line) for line in found]
    if chance.random() < 0.5:
        forms = {"'": "’", '"': chance.choice("“”"), "-": chance.choice("–—"), " ": "\u00a0"}

        def typographic(match: re.Match[str]) -> str:
            return forms[match[0]] if chance.random() < 0.3 else match[0]

        found = [re.sub(r"['\"-]|(?<=\S) (?=\S)", typographic, line) for line in found]
    return [line + " " * chance.choice([0, 0, 0, 0, 1, 3]) for line in found]


def change(block: list[str], chance: random.Random) -> list[str]:
    """Return the block with one line replaced, added or taken away."""
    at = chance.randrange(len(block))
    indent = block[at][: len(block[at]) - len(block[at].lstrip())] if block[at].strip() else ""
    made = f"{indent}NEW_LINE = {chance.randrange(1000)}"
    return chance.choice(
        [
            [*block[:at], made, *block[at + 1 :]],
            [*block[:at], made, *block[at:]],
            [*block[: at + 1], made, *block[at + 1 :]],
            [*block[:at], *block[at + 1 :]],
        ]
    )


def nothing(lines: list[str], chance: random.Random) -> Callable[[str], str]:
    return lambda line: line


def trailing(lines: list[str], chance: random.Random) -> Callable[[str], str]:
    """Take blanks away at the ends of lines, or put some there; the same for equal lines."""
    more = chance.choice(["", " ", "\t ", "  "])
    return lambda line: line if "NEW_LINE" in line or not line else line.rstrip() + more


def straight(lines: list[str], chance: random.Random) -> Callable[[str], str]:
    return lambda line: line.translate(STRAIGHT)


def shifted(lines: list[str], chance: random.Random) -> Callable[[str], str]:
    """Indent all by more, or by what all have in common by less."""
    kind = chance.choice(["    ", "  ", "\t"])
    if chance.random() < 0.5:
        return lambda line: kind + line if line.strip() else line
    common = min((len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()), default=0)
    return lambda line: line[common:] if line.strip() else line


def spaces(lines: list[str], chance: random.Random) -> Callable[[str], str]:
    width = chance.choice([2, 4, 8])
    return lambda line: re.sub("^\t+", lambda match: " " * (width * len(match[0])), line)


def tabs(lines: list[str], chance: random.Random) -> Callable[[str], str]:
    return lambda line: re.sub("^( {4})+", lambda match: "\t" * (len(match[0]) // 4), line)


SLIPS = [nothing, trailing, straight, shifted, spaces, tabs]


def alike(line: str) -> str:
    """What is left of a line when everything is overlooked that may be."""
    return line.translate(STRAIGHT).strip(" \t")


def times(block: list[str], lines: list[str]) -> int:
    """How often lines like these stand in the file, also where the first or last is only a part of one."""
    wanted = "\n".join(map(alike, block)).strip("\n")
    return len(re.findall(f"(?={re.escape(wanted)})", "\n".join(map(alike, lines)))) if wanted else 0


HAPPENED: Counter[str] = Counter()


def one_edit(chance: random.Random) -> None:
    lines = source(chance)
    at = chance.randrange(len(lines))
    block = lines[at : at + chance.randint(1, 8)]
    # Blanks behind the last letter that is asked for stay, as they do in an exact edit.
    block[-1] = lines[at + len(block) - 1] = block[-1].rstrip(" \t")
    after = change(block, chance) or [""]  # the end of the line was not asked for, so an empty line stays
    slip = chance.choice(SLIPS)
    slipped = slip(block + after, chance)
    old, new = ("\n".join(map(slipped, text)) for text in (block, after))
    head, tail = lines[:at], lines[at + len(block) :]
    ending = chance.choice(["\n", "\r\n"])
    mark = chance.choice(["", "", "\ufeff"])
    outside = chance.random() < 0.2
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder).resolve())
        path = desk.file("a.py", mark + ending.join(lines))
        desk.call(read, file_path="a.py")
        if outside:
            head = ["# somebody else was here", *head]
            path.write_bytes((mark + ending.join([*head, *block, *tail])).encode())
        before, refused = path.read_bytes(), ""
        try:
            desk.call(edit, file_path="a.py", old_string=old, new_string=new)
        except ToolError as wrong:
            refused = str(wrong)
        if refused:
            assert path.read_bytes() == before, "an edit that was refused changed the file"
            exact = "\n".join([*head, *block, *tail]).count(old) == 1
            assert not exact or old == new or not old, f"refused though it is exact and unique: {refused}"
            simple = slip in (trailing, straight) and times(block, [*head, *block, *tail]) == 1
            assert outside or not simple or old == new, f"refused though only one place is meant: {refused}"
            return
        plain = "\n".join([*head, *block, *tail])
        if old in plain:  # exactly: then that is what was asked for, wherever the slip came from
            assert plain.count(old) == 1
            wanted = plain.replace(old, new)
        else:
            assert not outside, "a file that was changed from outside was edited at a place that is only alike"
            assert times(block, [*head, *block, *tail]) == 1, "two places are alike, and one of them was edited"
            wanted = "\n".join([*head, *after, *tail])
            HAPPENED[f"{slip.__name__} done"] += 1
        made = path.read_bytes().decode()
        if len(set(block)) > len({slipped(line) for line in block}):
            # Lines that differ in the file are one and the same in what was asked for: which of them goes is open.
            made, wanted = (re.sub(r"[ \t]+(?=\r?\n)", "", text) for text in (made, wanted))
        assert made == mark + wanted.replace("\n", ending), f"{slip.__name__}: {old!r} -> {new!r}, meant: {after!r}"


def test_an_edit_never_hits_another_place_and_loses_no_byte(count: Callable[[int], int]) -> None:
    HAPPENED.clear()

    @settings(max_examples=count(2000), deadline=None, suppress_health_check=list(HealthCheck))
    @given(seed=st.integers(0, 2**32))
    @example(54361)  # a line of blanks became a line of text, and gave it its blanks
    @example(25118508)  # a line of quotes alone did so, too
    @example(4721456)  # of two empty lines, one of blanks, one goes
    @example(1_408_818_454)  # of two lines of blanks, the other one goes
    def generated(seed: int) -> None:
        one_edit(random.Random(seed))

    generated()
    for slip in SLIPS[1:]:
        assert HAPPENED[f"{slip.__name__} done"], f"no edit with this slip went through: {HAPPENED}"


# --- each way down -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "old", "new", "after", "apart"),
    [
        pytest.param("a = 1  \nb\n", "a = 1\nb", "a = 1\nc", "a = 1  \nc\n", "blanks at the ends", id="blanks there"),
        pytest.param("a\nb\n", "a  \nb", "a  \nc", "a\nc\n", "blanks at the ends", id="blanks asked for"),
        pytest.param("say “it’s”\n", "say \"it's\"", "say \"it's\" twice", "say “it’s” twice\n", "quotes", id="quotes"),
        pytest.param("1–2\n", "1-2", "1-3", "1–3\n", "dashes", id="dashes"),
        pytest.param("  a:\n    b\n", "a:\n  b", "a:\n  c", "  a:\n    c\n", "indentation", id="shifted"),
        pytest.param("\ta:\n\t\tb\n", "    a:\n        b\n", "    a:\n        if b:\n            c\n",
                     "\ta:\n\t\tif b:\n\t\t\tc\n", "indentation", id="tabs"),
        pytest.param("x\n    a\n    b\nx", "  a\n  b\n", "", "x\nx", "indentation", id="a block goes"),
    ],
)  # fmt: skip
def test_a_slip_is_overlooked_where_one_place_is_meant(
    desk: Desk, text: str, old: str, new: str, after: str, apart: str
) -> None:
    path = desk.file("a.txt", text)
    desk.call(read, file_path="a.txt")
    result = desk.call(edit, file_path="a.txt", old_string=old, new_string=new)
    assert path.read_text() == after
    assert apart in str(result.content)


@pytest.mark.parametrize(
    ("text", "old", "said"),
    [
        pytest.param("if a:\n    b\n    c\n", "if a:\n    b\nc", "nearest lines", id="another block structure"),
        pytest.param("\ta\n    b\n", "a\nb", "nearest lines", id="tabs and spaces at once"),
        pytest.param("  a\nx\n    a\n", "\ta", "lines 1 and 3", id="two places are alike"),
        pytest.param("it’s\nit‘s\n", "it's", "lines 1 and 2", id="two forms of a quote"),
        pytest.param("a\n", "   ", "No line", id="blanks only"),
    ],
)
def test_a_slip_in_doubt_is_refused(desk: Desk, text: str, old: str, said: str) -> None:
    path = desk.file("a.txt", text)
    desk.call(read, file_path="a.txt")
    with pytest.raises(ToolError, match=said):
        desk.call(edit, file_path="a.txt", old_string=old, new_string="new")
    assert path.read_text() == text


def test_replace_all_overlooks_nothing(desk: Desk) -> None:
    desk.file("a.txt", "it’s\n")
    desk.call(read, file_path="a.txt")
    with pytest.raises(ToolError, match="not found"):
        desk.call(edit, file_path="a.txt", old_string="it's", new_string="x", replace_all=True)


def test_a_siblings_work_is_not_edited_unread_though_the_text_is_unique(desk: Desk) -> None:
    path = desk.file("a.txt", "one\ntwo\n")
    desk.call(read, file_path="a.txt")
    desk.services.agent_id = "other"
    desk.call(read, file_path="a.txt")
    desk.call(edit, file_path="a.txt", old_string="one", new_string="1")
    desk.services.agent_id = ""
    with pytest.raises(ToolError, match=r"another agent \(agent other\)"):
        desk.call(edit, file_path="a.txt", old_string="two", new_string="2")
    assert path.read_text() == "1\ntwo\n"
    desk.call(read, file_path="a.txt")
    desk.call(edit, file_path="a.txt", old_string="two", new_string="2")
    assert path.read_text() == "1\n2\n"


def test_a_long_run_of_blanks_does_not_keep_it_busy(desk: Desk) -> None:
    desk.file("a.txt", "a" + " \n" * 50_000 + "b")
    desk.call(read, file_path="a.txt")
    with pytest.raises(ToolError, match="not found"):
        desk.call(edit, file_path="a.txt", old_string="a\n\n\n\nc", new_string="x")


def test_whoever_is_asked_sees_what_a_slip_would_change(desk: Desk) -> None:
    desk.file("a.txt", "  a:\n    b\n")
    given = {"file_path": "a.txt", "old_string": "a:\n  b", "new_string": "a:\n  c"}
    assert preview_edit(given, desk.folder).endswith("@@ -1,2 +1,2 @@\n   a:\n-    b\n+    c\n")
