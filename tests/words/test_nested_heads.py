"""Keys within keys at the top of a file: as much of YAML as heads use, and clear words about the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.frontmatter import NestedError, parse_markdown, parse_nested

yaml = pytest.importorskip("yaml")

TEXT = st.text("abc XYZ,;.$|&<>/()*=!%", min_size=1, max_size=20).filter(lambda text: text == text.strip())
KEY = st.text("abcXYZ_", min_size=1, max_size=8)
SCALAR = st.none() | st.booleans() | st.integers(-1000, 1000) | TEXT
VALUES = st.recursive(
    SCALAR, lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(KEY, inner, min_size=1, max_size=3)
)


@given(
    st.dictionaries(KEY, VALUES, min_size=1, max_size=4) | st.lists(VALUES, min_size=1, max_size=4), st.integers(0, 4)
)
def test_what_a_library_writes_is_read_as_it_was_meant(value: Any, indent: int) -> None:
    written = yaml.safe_dump(value, default_flow_style=False, width=10_000)
    lines = [" " * indent + line for line in written.splitlines()]
    assert parse_nested(lines) == value


HOOKS = """---
name: x
hooks:
  PreToolUse:
    # before commands
    - matcher: "Bash"
      hooks:
        - type: command
          command: |
            echo one

            echo two
          timeout: 5
          async: true
  Stop:
    - hooks:
        - {"type": "command", "command": "true"}
---
body
"""


def test_the_hooks_of_an_agent_are_read_as_their_author_means_them() -> None:
    head = parse_markdown(HOOKS).head
    entry = {"type": "command", "command": "echo one\n\necho two", "timeout": 5, "async": True}
    assert head.value("hooks") == {
        "PreToolUse": [{"matcher": "Bash", "hooks": [entry]}],
        "Stop": [{"hooks": [{"type": "command", "command": "true"}]}],
    }
    assert head.value("name") == "x"
    assert head.value("nothing") is None


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        pytest.param(["  a:", "    - b", "   c: d"], 12, "indented as nothing before it", id="indented between"),
        pytest.param(["  a: [b, c"], 10, "is no JSON", id="brackets that do not close"),
        pytest.param(["  a: 1", "  what is this"], 11, "is neither", id="no key"),
        pytest.param(["  a: 1", "  a: 2"], 11, "stands there twice", id="a key twice"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(lines: list[str], line: int, said: str) -> None:
    with pytest.raises(NestedError, match=said) as caught:
        parse_nested(lines, 10)
    assert caught.value.line == line


@given(st.lists(st.text(" ab:-#'\"[]{}|>1", max_size=12), max_size=6))
def test_no_lines_do_worse_than_being_refused(lines: list[str]) -> None:
    try:
        parse_nested(lines)
    except NestedError:
        pass
