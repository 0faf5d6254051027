"""What a command's own text says of its variables, loops and pipes counts for the rules that restrict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.shell import read
from pegboard.shell_filling import filled
from pegboard_builtins.permissions.commands import analyse

DRESSES = {
    "a variable": "X=rm; $X -rf x",
    "a variable in braces": "X=rm\nsudo ${X} x",
    "two halves": "A=r; B=m; $A$B x",
    "an exported variable": "export X=rm && $X x",
    "a value with a blank": "X='rm -rf'; $X x",
    "eval of a variable": "X='rm x'; eval \"$X\"",
    "a loop": "for c in ls rm; do $c x; done",
    "an array": 'A=(rm x); "${A[@]}"',
    "positional words": 'set -- rm x; "$@"',
    "one positional word": "set -- rm; $1 x",
    "a default": "${UNSET:-rm} x",
    "a printed name": "$(echo rm) -rf x",
    "a printed name in backticks": "`printf rm` x",
    "a variable that holds what was printed": "X=$(echo rm); $X x",
    "read": "read c <<< rm; $c x",
    "printf -v": "printf -v c rm; $c x",
    "printed into a shell": "echo 'rm x' | sh",
    "printed by format into a shell": "printf '%s\\n' 'rm x' | bash",
    "a here-document into a shell": "cat <<E | bash\nrm x\nE",
    "a variable in a pipe": "X='rm x'; echo \"$X\" | sh -s",
}


@pytest.mark.parametrize("command", DRESSES.values(), ids=DRESSES)
def test_a_deny_holds_where_the_text_itself_says_what_will_run(guarded: Any, command: str) -> None:
    assert guarded.bash(command, deny=["Bash(rm *)"], allow=["Bash"]) == "deny"
    assert guarded.bash(command, ask=["Bash(rm *)"], allow=["Bash"]) == "ask"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("X=rm; echo '$X' x", id="within single quotes"),
        pytest.param("X=ls; $X rm", id="as an argument"),
        pytest.param("X=rm; echo \"$X\"", id="only printed"),
        pytest.param("git commit -m \"$(echo rm x)\"", id="in a message"),
        pytest.param("echo rm x | cat", id="into a program that runs nothing"),
    ],
)  # fmt: skip
def test_what_only_names_a_denied_command_is_not_denied(guarded: Any, command: str) -> None:
    assert guarded.bash(command, deny=["Bash(rm *)"], allow=["Bash"]) != "deny"


@given(st.text("ABXrm $\"'`|;(){}=<>-x \n", max_size=40))
def test_filling_in_never_fails_and_never_changes_what_an_allow_must_cover(source: str) -> None:
    assert len(filled(source, read(source))) <= 12
    assert all(form.text is not None for form in analyse(source).forms)
    assert [command.simple for command in analyse(source).commands] == list(read(source).commands)


def test_a_text_that_grows_when_it_is_filled_in_ends_soon() -> None:
    source = "; ".join(f'V{n}="$V{n - 1}$V{n - 1}"' for n in range(1, 30)) + "; V0=x; $V29"
    assert len(filled(source, read(source))) <= 12
