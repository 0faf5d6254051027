"""Rules are looked up by the words that they name: no rule that holds may be missed by that."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_dresses import DO_NOT, MAY_RUN_IT, RUN_IT, RUN_MORE, commands
from shell_hostile import RUN_IT_TOO

from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.permissions.commands import analyse
from pegboard_builtins.permissions.grammar import parse
from pegboard_builtins.permissions.index import CommandIndex
from pegboard_builtins.permissions.permit import covered_commands
from pegboard_builtins.permissions.restrict import Match, matches
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet, with_granted
from pegboard_builtins.permissions.subject import Subject

SOURCE = Source(SettingsLayer.USER, "settings.toml", 1)
HERE = Path("/p")
SPECS = [
    *("rm", "rm:*", "rm build", "rm build:*", "rm*", "r*", "* build", "/bin/rm:*", "rm -rf:*", "*", "./x:*", "[:*"),
    *("npm test:*", "npm t*", "npm:*", "npm  test", "make", "make -*", "git push:*", "git pu*", "git -C x push:*"),
    *("git push origin main:*", "echo 'a b':*", "bash -c 'rm build'", ":", "env A=b rm:*", "日本:*", "x-y z_1:*"),
]
RULES = tuple(Rule(parse(f"Bash({spec})"), SOURCE, HERE) for spec in SPECS)
SAID = [
    *(commands(text) for text in (RUN_IT, MAY_RUN_IT, DO_NOT, RUN_MORE)),
    RUN_IT_TOO,
    ["git pu$X", "git $X", "g$X push", "git p{u,}sh", "git pu?h", "git -C x pu$(cat f)", "sudo git pu$X", "$X", "x$Y"],
    ["git 'push' origin", "git push$X", "git push origin m$X", "git\tpush", "/usr/bin/git push", "tmux new 'git push'"],
]
EVERYTHING = [command for listed in SAID for command in listed]
PIECES = st.sampled_from(
    [
        "git",
        "push",
        "pu",
        "sh",
        "$X",
        " ",
        " ",
        "rm",
        "build",
        "'",
        '"',
        "/bin/",
        "-C x",
        "*",
        "{u,}",
        "`a`",
        "npm test",
    ]
)


def subject_of(command: str) -> Subject:
    return Subject("Bash", {"command": command}, False, HERE, HERE)


def missed(command: str) -> list[str]:
    """Return the rules that hold for a command although nobody would look at them."""
    subject, index = subject_of(command), CommandIndex(RULES)
    analysis = subject.analysis
    assert analysis is not None
    looked_at = {str(rule) for rule in index.restricting(analysis)}
    holding = [rule for rule in RULES if matches(rule, subject) is not Match.NO]
    if analysis.problems:
        holding = [rule for rule in holding if matches(rule, subject) is Match.YES]  # of the others one is enough
    wrong = [str(rule) for rule in holding if str(rule) not in looked_at]
    allowed = {str(rule) for one in analysis.commands for rule in index.allowing(one)}
    covering = [rule for rule in RULES if covered_commands(rule, subject, RuleSet(allow=RULES))[0]]
    return wrong + [f"allow {rule}" for rule in covering if str(rule) not in allowed and rule.pattern.spec]


def test_no_rule_that_holds_for_a_command_of_the_corpus_is_passed_over(count):
    wanted = count(len(EVERYTHING))
    tried = EVERYTHING[:: max(1, len(EVERYTHING) // wanted)] + SAID[-1] + SAID[-2]
    assert {command: missed(command) for command in tried if missed(command)} == {}


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
def test_no_rule_that_holds_is_passed_over(command):
    assert missed(command) == []


@pytest.mark.parametrize(
    "command",
    [
        "git pu$X",
        "git pu`cat f`",
        "git pu$(cat f)h origin",
        "git $(cat f)",
        "git p{u,}sh",
        "git pu?h",
        "git -C x pu$X",
        "sudo git pu$X",
        "git push$X",
    ],
)
def test_a_second_word_that_only_a_shell_could_finish_is_asked_about(command):
    rule = Rule(parse("Bash(git push:*)"), SOURCE, HERE)
    analysis = analyse(command)
    assert rule in list(CommandIndex((rule,)).restricting(analysis))
    assert matches(rule, subject_of(command)) is Match.MAYBE


def test_a_rule_that_ends_within_a_word_finds_what_another_program_runs():
    rule = Rule(parse("Bash(git pu*)"), SOURCE, HERE)
    assert matches(rule, subject_of("""python3 -c 'import os; os.system("git push")'""")) is Match.MAYBE


def test_what_was_granted_is_read_once_and_ends_with_the_grant():
    rules = RuleSet(allow=(RULES[0],))
    with_one = with_granted(rules, ["Bash(ls:*)"], HERE)
    assert with_granted(rules, ["Bash(ls:*)"], HERE) is with_one
    assert [str(rule) for rule in with_granted(rules, ["Bash(make)"], HERE).allow] == ["Bash(rm)", "Bash(make)"]
    assert with_granted(rules, [], HERE) is rules
