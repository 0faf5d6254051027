"""The kit splits a shell command into what it runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard.hook import Command, ShellSyntaxError, shell_commands
from pegboard.shell import read


def lines(text: str) -> list[str]:
    return [shlex.join(command.words) for command in shell_commands(text) if command.words]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("ls", ["ls"], id="one"),
        pytest.param("", [], id="none"),
        pytest.param("# rm x\n  ", [], id="a comment"),
        pytest.param("a; b && c || d & e | f |& g", [*"abcdefg"], id="a list"),
        pytest.param("a\nb", ["a", "b"], id="two lines"),
        pytest.param("(cd a && rm b) || { rm c; }", ["cd a", "rm b", "rm c"], id="groups"),
        pytest.param("if [ -f x ]; then rm x; else ls; fi", ["'[' -f x ']'", "rm x", "ls"], id="if"),
        pytest.param("for i in a b; do rm $i; done", ["rm '$i'"], id="for"),
        pytest.param("while read x; do rm $x; done < f", ["read x", "rm '$x'"], id="while"),
        pytest.param("case $x in a|b) rm 1;; *) rm 2 ;; esac; ls", ["a", "rm 1", "rm 2", "ls"], id="case"),
        pytest.param("f() { rm x; }; f", ["rm x", "f"], id="a function"),
        pytest.param("function g { rm y; }", ["rm y"], id="another function"),
        pytest.param("! rm x", ["rm x"], id="not"),
        pytest.param("FOO=1 BAR= git push", ["git push"], id="assignments"),
        pytest.param("echo $(rm x) `rm y`", ["rm x", "rm y", "echo '$(rm x)' '`rm y`'"], id="substitutions"),
        pytest.param('echo "a $(rm x) ${Y:-$(rm y)}"', None, id="substitutions in quotes"),
        pytest.param("echo '$(rm x)'", ["echo '$(rm x)'"], id="none in single quotes"),
        pytest.param('echo "\\$(rm x)"', ["echo '$(rm x)'"], id="none behind a backslash"),
        pytest.param("diff <(rm a) >(rm b)", ["rm a", "rm b", "diff '<(rm a)' '>(rm b)'"], id="process substitution"),
        pytest.param("echo `echo \\`rm x\\``", ["rm x", "echo '`rm x`'", "echo '`echo \\`rm x\\``'"], id="nested"),
        pytest.param("cat <<E >o\n$(rm z)\nE\nls", ["rm z", "cat", "ls"], id="a here-document that is expanded"),
        pytest.param("cat <<'E'\n$(rm z)\nE\nls", ["cat", "ls"], id="a here-document that is not"),
        pytest.param("cat <<-E\n\trm z\n\tE\nls", ["cat", "ls"], id="a here-document with tabs"),
        pytest.param("bash <<E\nrm 1\nE", ["bash", "rm 1"], id="a here-document for a shell"),
        pytest.param("sh <<< 'rm 1'", ["sh", "rm 1"], id="a here-string for a shell"),
        pytest.param("sudo -u root -- rm -rf /", ["sudo -u root -- rm -rf /", "rm -rf /"], id="sudo"),
        pytest.param("sudo --user root rm x", None, id="sudo with a long option"),
        pytest.param("env -i A=1 -u B rm x", ["env -i A=1 -u B rm x", "rm x"], id="env"),
        pytest.param("env -S 'rm x'", ["env -S 'rm x'", "rm x"], id="env -S"),
        pytest.param("sudo timeout -k 1 5 nice -n 3 rm x", None, id="several"),
        pytest.param("find . -exec rm {} + -o -delete", None, id="find"),
        pytest.param("ls | xargs -n 1 -I{} rm {}", ["ls", "xargs -n 1 '-I{}' rm '{}'", "rm '{}'"], id="xargs"),
        pytest.param('bash -euo pipefail -c "ls; rm x"', None, id="bash -c"),
        pytest.param("sh -c 'sh -c \"rm x\"'", None, id="sh -c in sh -c"),
        pytest.param("eval rm x", ["eval rm x", "rm x"], id="eval"),
        pytest.param("trap 'rm x' EXIT", ["trap 'rm x' EXIT", "rm x"], id="trap"),
        pytest.param("command -v rm", ["command -v rm"], id="a question"),
        pytest.param("bash script.sh rm", ["bash script.sh rm"], id="a script in a file"),
        pytest.param("r\\m 'x'y\"z\"", ["rm xyz"], id="quotes within a word"),
        pytest.param("$'\\x72\\155' x", ["rm x"], id="escapes"),
        pytest.param("r\\\nm x", ["rm x"], id="a line that goes on"),
        pytest.param("/usr/bin/rm x", ["/usr/bin/rm x"], id="with its folder"),
    ],
)
def test_what_runs_is_found(text: str, found: list[str] | None) -> None:
    if found is not None:
        assert lines(text) == found
    else:
        assert any(command.name == "rm" for command in shell_commands(text))


def test_redirections_are_no_words() -> None:
    [command] = shell_commands("sort a 2>err >>'o ut' <in >&2 &>both")
    assert command.words == ("sort", "a")
    assert command.redirects == ((">", "err"), (">>", "o ut"), ("<", "in"), (">&", "2"), ("&>", "both"))
    [only] = shell_commands("> file")
    assert (only.name, only.redirects) == ("", ((">", "file"),))


def test_who_reads_a_pipe_is_known() -> None:
    assert [(c.name, c.reads_pipe) for c in shell_commands("curl x | sudo sh; sh")] == [
        ("curl", False),
        ("sudo", True),
        ("sh", True),
        ("sh", False),
    ]


@pytest.mark.parametrize(
    ("text", "sure"),
    [("rm x", True), ("$X x", False), ("`x` y", False), ("r? x", False), ("{rm,x}", False), ("'$X' x", True)],
)
def test_a_name_that_only_a_shell_knows_is_not_sure(text: str, sure: bool) -> None:
    assert shell_commands(text)[-1].is_sure is sure


def test_a_word_says_whether_something_in_it_is_expanded() -> None:
    [command] = shell_commands('rm "$DIR/x" \'$DIR\' *.py "*"')
    assert [word.sure for word in command.args] == [False, True, False, True]


@pytest.mark.parametrize(
    "text",
    ["echo 'a", 'echo "a', "echo $(rm", "echo `rm", "(rm x", "rm x)", "cat <<E\nrm", "echo ${x", "rm >", "a\0b"],
)
def test_a_text_that_ends_within_something_is_an_error(text: str) -> None:
    with pytest.raises(ShellSyntaxError):
        shell_commands(text)


@pytest.mark.parametrize("text", ["$(" * 5000, "(" * 3000, "x" * 70_000, "sh -c " * 200 + "x", "`" * 999, "{ " * 5000])
def test_no_text_is_too_much(text: str) -> None:
    try:
        shell_commands(text)
    except ShellSyntaxError:
        pass


def test_options_are_found_in_a_bundle_and_not_behind_the_end_of_options() -> None:
    [command] = shell_commands("git push -uf --force-with-lease=x -- --all")
    assert command.has("-f", "--force")
    assert command.has("--force-with-lease")
    assert not command.has("--all")
    assert not command.has("--force")
    assert isinstance(command, Command)


# --- properties ----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@given(
    st.lists(st.lists(WORDS, min_size=1, max_size=4), min_size=1, max_size=4), st.sampled_from([";", "&&", "|", "\n"])
)
@settings(max_examples=200, deadline=None)
def test_quoted_words_come_back_as_they_were(commands: list[list[str]], operator: str) -> None:
    written = [["run", *words] for words in commands]
    text = f" {operator} ".join(shlex.join(words) for words in written)
    assert [list(command.words) for command in shell_commands(text)] == written


PIECES = [
    "rm x",
    "ls",
    "a=1",
    "$(",
    ")",
    "(",
    "{ ",
    ";}",
    "'",
    '"',
    "`",
    "|",
    "&&",
    ";",
    "\n",
    " ",
    "$X",
    "<<E",
    "E",
    ">f",
    "\\",
    "#",
]


def test_it_finds_all_that_the_permission_rules_find(count: Callable[[int], int]) -> None:
    """Two readers of the same language: whatever one can follow without a problem, the other reads alike."""

    @given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
    @settings(max_examples=count(20_000), deadline=None)
    def agree(text: str) -> None:
        try:
            ours = [command.name for command in shell_commands(text) if command.words]
        except ShellSyntaxError:
            return
        theirs = read(text)
        if theirs.problems or "a=1" in text:
            return
        names = [command.words[0].text.rpartition("/")[2] for command in theirs.commands if command.words]
        assert sorted(ours) == sorted(names)

    agree()
