"""Hundreds of dressed-up commands against deny, ask and allow rules; and bash itself says what they run."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_dresses import DO_NOT, MAY_RUN_IT, ONLY_ALLOWED, RUN_IT, RUN_MORE, commands
from shell_hostile import RUN_IT_TOO, RUN_MORE_TOO
from shell_in_bash import Bash, some_of

from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.permissions.decide import decide
from pegboard_builtins.permissions.grammar import parse
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject


def rules(**lists: list[str]) -> RuleSet:
    source = Source(SettingsLayer.USER, "settings.toml", 1)
    made = {
        name: tuple(Rule(parse(text, allows=name == "allow"), source, Path("/p")) for text in texts)
        for name, texts in lists.items()
    }
    return RuleSet(**made, workspace=("/p",), readable=("/p",))


def verdict(command: str, by: RuleSet, mode: str = "default") -> str:
    decision = decide(Subject("Bash", {"command": command}, False, Path("/p"), Path("/p")), by, mode)
    return "none" if decision is None or decision.verdict is None else str(decision.verdict)


DENY = rules(deny=["Bash(rm:*)"], allow=["Bash"])
ASK = rules(ask=["Bash(rm:*)"], allow=["Bash"])
ALLOW = rules(allow=["Bash(npm test:*)"])


def test_the_corpus_is_large_and_has_nothing_twice():
    everything = [one for text in (RUN_IT, MAY_RUN_IT, DO_NOT, ONLY_ALLOWED, RUN_MORE) for one in commands(text)]
    assert len(everything) >= 800
    assert len(set(commands(RUN_IT))) == len(commands(RUN_IT))


@pytest.mark.parametrize("mode", ["default", "acceptEdits", "auto", "bypassPermissions"])
def test_no_dress_evades_a_deny_or_an_ask_rule(mode):
    wrong = [c for c in commands(RUN_IT) if verdict(c, DENY, mode) != "deny" or verdict(c, ASK, mode) != "ask"]
    wrong += [c for c in commands(MAY_RUN_IT) if verdict(c, DENY, mode) not in ("deny", "ask")]
    wrong += [c for c in commands(MAY_RUN_IT) if verdict(c, ASK, mode) != "ask"]
    assert wrong == []


def test_without_a_person_what_may_be_denied_is_denied():
    wrong = [c for c in commands(RUN_IT) + commands(MAY_RUN_IT) if verdict(c, DENY, "dontAsk") != "deny"]
    assert wrong == []


def test_no_allow_rule_lets_another_command_through():
    assert [c for c in commands(RUN_MORE) if verdict(c, ALLOW) == "allow"] == []


def test_false_asks_are_few_and_counted(capsys):
    asked = [c for c in commands(DO_NOT) if verdict(c, DENY) != "allow"]
    asked += [c for c in commands(ONLY_ALLOWED) if verdict(c, ALLOW) != "allow"]
    number = len(commands(DO_NOT)) + len(commands(ONLY_ALLOWED))
    with capsys.disabled():
        print(f"\nfalse asks: {len(asked)} of {number} harmless commands: {asked}")
    assert len(asked) <= 3


# --- what bash makes of them ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    if not Path("/bin/bash").exists():
        pytest.skip("bash is not here")
    return Bash(tmp_path_factory.mktemp("bash"))


NEEDS_MORE = ("/bin/", "coproc", "alias", "time ", "é=1", "[1+1]", "x/a/")
"""What the stand-ins cannot show: a program by its path, or one that this bash may refuse."""


def test_the_corpus_tells_the_truth_about_what_bash_runs(bash, count):
    """Else it would show nothing: what is said to run `rm` runs it, or this bash refuses the line."""
    tried = [c for c in some_of(commands(RUN_IT), count(400)) if not any(word in c for word in NEEDS_MORE)]
    silent = [c for c in tried if not any(line[0] == "rm" for line in bash.ran(c))]
    assert len(silent) <= len(tried) // 20 + 1, silent


def test_what_an_allow_rule_covers_runs_nothing_else(bash, count):
    covered = [c for c in commands(ONLY_ALLOWED) if verdict(c, ALLOW) == "allow"]
    for command in some_of(covered, count(100)):
        ran = bash.ran(command)
        assert all(line[:2] in (["npm", "test"], ["git", "status"]) for line in ran), (command, ran)


def test_what_a_deny_rule_lets_run_does_not_run_it(bash, count):
    let_run = [c for c in commands(DO_NOT) if verdict(c, DENY) == "allow"]
    for command in some_of(let_run, count(100)):
        assert not any(line[0] == "rm" for line in bash.ran(command)), command


def test_the_second_corpus_evades_nothing_either():
    wrong = [c for c in RUN_IT_TOO if verdict(c, DENY) not in ("deny", "ask") or verdict(c, ASK) != "ask"]
    wrong += [c for c in RUN_MORE_TOO if verdict(c, ALLOW) == "allow"]
    assert wrong == []
