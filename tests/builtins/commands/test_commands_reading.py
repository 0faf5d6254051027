"""Heads of Markdown files, words in brackets, and what is put into a text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.frontmatter import MarkdownError, parse_markdown, read_markdown, split_words
from pegboard_builtins.commands.expanding import put_in

WORDS = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="#'\"\\"), min_size=1, max_size=20)


def head_of(*lines: str):  # type: ignore[no-untyped-def]
    return parse_markdown("\n".join(["---", *lines, "---", "body"])).head


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param("description: Use when: a, or b", "Use when: a, or b", id="colons that are no YAML"),
        pytest.param("argument-hint: [a] [b]", "[a] [b]", id="brackets that are meant as they stand"),
        pytest.param('description: "a \\"b\\" # c"', 'a "b" # c', id="double quotation marks"),
        pytest.param("description: 'it''s'", "it's", id="single quotation marks"),
        pytest.param("description: a # why", "a", id="a comment"),
        pytest.param("description: it's", "it's", id="an apostrophe"),
        pytest.param("description:\t tab", "tab", id="a tab"),
        pytest.param("description:", "", id="nothing"),
    ],
)
def test_a_key_has_the_text_behind_its_colon(line: str, text: str) -> None:
    assert head_of(line).text(line.partition(":")[0]) == text


def test_texts_may_go_on_below() -> None:
    head = head_of("a: >", "  b", "  c", "", "  d", "e: |", "  f", "   g", "h: i", "  j", "k:", "  - l", "  - 'm n'")
    assert head.text("a") == "b c\nd"
    assert head.text("e") == "f\n g"
    assert head.text("h") == "i j"
    assert head.words("k") == ("l", "m n")


def test_keys_that_hold_keys_are_left_alone_and_known() -> None:
    head = head_of("hooks:", "  PreToolUse:", "    - matcher: x", "name: y")
    assert head.nested == ("hooks",)
    assert head.text("name") == "y"
    assert head.lines == {"hooks": 2, "name": 5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bash(git add:*), Bash(git x -m 'a, b'), Read", ("Bash(git add:*)", "Bash(git x -m 'a, b')", "Read")),
        ("Read Grep  Glob", ("Read", "Grep", "Glob")),
        ("[Read, 'Write']", ("Read", "Write")),
        ("", ()),
        ("Bash(open", ("Bash(open",)),
    ],
)
def test_tools_are_told_apart_where_they_are(text: str, words: tuple[str, ...]) -> None:
    assert head_of(f"tools: {text}").words("tools") == words


def test_a_text_without_a_whole_head_is_all_body() -> None:
    assert parse_markdown("---\na: b").body == "---\na: b"
    assert parse_markdown("a\n---\nb").body == "a\n---\nb"
    assert parse_markdown("---\n---\nb").body == "b"


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True), WORDS, max_size=5), st.text(max_size=50))
def test_what_is_written_is_read(values: dict[str, str], body: str) -> None:
    body = body.replace("\r", "").strip("\n")
    values = {key: f"x{value}" for key, value in values.items()}
    read = parse_markdown("\n".join(["---", *(f"{key}: {value}" for key, value in values.items()), "---", body]))
    assert read.head.values == values
    assert read.body == body


@given(st.text())
def test_any_text_is_read_as_something(text: str) -> None:
    parse_markdown(f"---\n{text}\n---\nb")
    split_words(text)


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("one")
    assert read_markdown(file).body == "one"
    assert read_markdown(file) is read_markdown(file)
    file.write_text("three")
    assert read_markdown(file).body == "three"
    file.unlink()
    with pytest.raises(MarkdownError, match="cannot be read"):
        read_markdown(file)


@given(st.text(max_size=30))
def test_arguments_are_put_in_once(words: str) -> None:
    text, used = put_in("<$ARGUMENTS>", words, {})
    assert used
    assert text == f"<{words}>"


def test_arguments_by_number() -> None:
    assert put_in("$1-$2-$3-$ARGUMENTS[0]-$10", "a 'b c'", {})[0] == "a-b c--a-$10"
    assert put_in("${CLAUDE_PLUGIN_ROOT} ${OTHER} $x", "", {"CLAUDE_PLUGIN_ROOT": "/r"})[0] == "/r ${OTHER} $x"
    assert put_in("$1", "it's", {})[0] == "it's"
