"""A script's file: how it is found, cached, and what is said about a wrong one."""

from __future__ import annotations

import os

import pytest

from pegboard.errors import ScriptError
from pegboard_builtins import scripted_model
from pegboard_builtins.scripted_model.script import find_script
from pegboard_builtins.scripted_model.toml_lines import line_of, lines_of
from pegboard_builtins.scripted_model.turns import BadScriptError

SCRIPT = '''\
context_window = 100
[[turn]]
text = """
[[turn]]
text = "inside a string"
"""
[[turn]]
text = "second"
[turn.expect]
contains = [
  "a = b",
]
[[turn.call]]
name = "Read"
[[turn.call]]
name = "Bash"
  [turn.call.input]
  command = "ls"
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("context_window",), 1),
        (("turn", 0), 2),
        (("turn", 0, "text"), 3),
        (("turn", 1), 7),
        (("turn", 1, "text"), 8),
        (("turn", 1, "expect", "contains"), 10),
        (("turn", 1, "expect", "contains", 0), 10),
        (("turn", 1, "call", 0), 13),
        (("turn", 1, "call", 1, "name"), 16),
        (("turn", 1, "call", 1, "input", "command"), 18),
        (("turn", 7), 2),
        (("torn", 1), None),
    ],
)
def test_every_key_is_found_on_its_line(place, line):
    assert line_of(lines_of(SCRIPT), place) == line


def test_the_sample_is_a_script(tmp_path):
    (tmp_path / "s.toml").write_text(SCRIPT)
    script = find_script("s.toml", tmp_path)
    assert [turn.line for turn in script.turns] == [2, 7]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param('[[turn]]\ntext = "x"\n[[turn]]\ntxet = "y"', 4, "Did you mean 'text'?", id="a misspelt key"),
        pytest.param('[[turn]]\nText = "x"', 2, "Did you mean 'text'?", id="a capital"),
        pytest.param("[[turns]]\n", 1, "Did you mean 'turn'?", id="a misspelt table"),
        pytest.param("[[turn]]\ntext = 3", 2, "valid string", id="a wrong type"),
        pytest.param('[[turn]]\n[[turn.call]]\nnmae = "Read"', 3, "'turn[0].call[0].nmae'", id="a key of a call"),
        pytest.param(
            "[[turn]]\ntext='x'\nexpect = { containz = 'x' }",
            3,
            "Did you mean 'contains'?",
            id="inside an inline table",
        ),
        pytest.param(
            "[[turn]]\ntext='x'\n[turn.expect.tool_result]\nnme = 'x'",
            4,
            "Did you mean 'name'?",
            id="a key of one of two types",
        ),
        pytest.param("[[turn]]\nusage = { input = 3 }\ntext='x'", 2, "input_tokens", id="a key of usage"),
        pytest.param("[[turn]]\n[[turn]]\ntext='x'", 1, "says nothing", id="an empty turn"),
        pytest.param("[[turn]]\ntext='x'\ntimes=2", 1, "goes with error", id="times without error"),
        pytest.param("[[turn]]\ntext='x'\npurpose='nap'", 3, "compaction", id="an unknown purpose"),
        pytest.param("[[turn]]\ntext = 'x", 2, "is no TOML", id="no TOML"),
    ],
)
def test_a_wrong_script_is_explained_with_its_line(tmp_path, text, line, problem):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(BadScriptError) as caught:
        find_script("s.toml", tmp_path)
    assert caught.value.line == line, str(caught.value)
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"s.toml:{line}: ")


def test_a_wrong_script_in_memory_names_the_turn():
    with pytest.raises(ScriptError, match=r"@bad: there is no key 'turn\[1\].txt'"):
        scripted_model.play("bad", [{"text": "x"}, {"txt": "x"}])


def test_a_file_that_is_not_there_is_a_script_error(tmp_path):
    with pytest.raises(ScriptError, match=r"nope.toml: the script cannot be read: No such file"):
        find_script("nope.toml", tmp_path)
    with pytest.raises(ScriptError, match="cannot be read"):
        find_script(".", tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"text = '\xff'")
    with pytest.raises(ScriptError, match="not UTF-8"):
        find_script("latin.toml", tmp_path)
    with pytest.raises(ScriptError, match="of this name"):
        find_script("@nobody", tmp_path)


def test_a_file_is_parsed_once_until_it_changes(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text("[[turn]]\ntext = 'a'")
    first = find_script("s.toml", tmp_path)
    assert find_script(str(path), tmp_path / "elsewhere") is first
    path.write_text("[[turn]]\ntext = 'b'")
    os.utime(path, ns=(1, 1))
    assert find_script("s.toml", tmp_path).turns[0].words.text == "b"
