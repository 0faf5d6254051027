"""Odd forms of commands against rules of two words, and against rules for files; bash says what they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_in_bash import SECRET, Bash, some_of
from shell_odd import HARMLESS, MAY_PUSH, MORE, PUSHES, READS, WRITES

from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.permissions.decide import decide
from pegboard_builtins.permissions.grammar import parse
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject

ENDLESS = "BASH_ENV"
"""The stand-ins are bash scripts themselves, and would go on for ever."""
SHOWN = ("keep-me", "em-peek", "k   e   e   p", "a2VlcC1tZQo")
"""What is in the file, and how some programs show it."""
ORDINARY = "/usr/bin:/bin"


class Project:
    """A folder with `keep/x`, a link to that folder, and what rules say there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("keep", "src"):
            (root / folder).mkdir()
        (root / "keep/x").write_text(SECRET)
        (root / "in.txt").write_text("a\n")
        (root / "link").symlink_to("keep")

    def verdict(self, command: str, **lists: list[str]) -> str:
        source = Source(SettingsLayer.USER, "settings.toml", 1)
        made = {
            name: tuple(Rule(parse(text, allows=name == "allow"), source, self.root) for text in texts)
            for name, texts in lists.items()
        }
        rules = RuleSet(**made, workspace=(str(self.root),), readable=(str(self.root),))
        decision = decide(Subject("Bash", {"command": command}, False, self.root, self.root), rules, "default")
        return "none" if decision is None or decision.verdict is None else str(decision.verdict)


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = tmp_path.resolve() / "project"
    root.mkdir()
    monkeypatch.setenv("HOME", str(root))
    return Project(root)


def test_there_are_more_than_five_hundred_and_none_twice():
    for listed in (PUSHES, MAY_PUSH, WRITES, READS, MORE, HARMLESS):
        assert len(set(listed)) == len(listed)
    assert len(PUSHES) + len(MAY_PUSH) + len(WRITES) + len(READS) + len(MORE) > 500


@pytest.mark.parametrize("rule", ["Bash(git push:*)", "Bash(git push*)", "Bash(git pus*)"])
def test_a_rule_of_two_words_holds(project, rule):
    both = PUSHES + MAY_PUSH
    assert [c for c in both if project.verdict(c, deny=[rule], allow=["Bash"]) not in ("deny", "ask")] == []
    assert [c for c in both if project.verdict(c, ask=[rule], allow=["Bash"]) != "ask"] == []


def test_a_rule_of_one_word_holds_in_the_same_forms(project):
    both = [c.replace("git push", "rm build") for c in PUSHES + MAY_PUSH if "git push" in c and ".git push" not in c]
    assert len(both) > 300
    assert [c for c in both if project.verdict(c, deny=["Bash(rm:*)"], allow=["Bash"]) not in ("deny", "ask")] == []


@pytest.mark.parametrize("rule", ["Edit(keep/**)", "Write(/keep/x)", "Edit(x)"])
def test_a_rule_against_editing_holds_for_commands(project, rule):
    assert [c for c in WRITES if project.verdict(c, deny=[rule], allow=["Bash"]) not in ("deny", "ask")] == []


@pytest.mark.parametrize("rule", ["Read(keep/**)", "Read(/keep/x)", "Read(x)"])
def test_a_rule_against_reading_holds_for_commands(project, rule):
    assert [c for c in READS if project.verdict(c, deny=[rule], allow=["Bash"]) not in ("deny", "ask")] == []


def test_no_allow_rule_lets_another_command_through_in_odd_forms(project):
    assert [c for c in MORE if project.verdict(c, allow=["Bash(npm test:*)"]) == "allow"] == []


def test_false_asks_of_odd_forms_are_few_and_counted(project, capsys):
    against = ["Bash(git push:*)", "Edit(keep/**)", "Read(keep/**)"]
    asked = [c for c in HARMLESS if project.verdict(c, deny=against, allow=["Bash"]) != "allow"]
    with capsys.disabled():
        print(f"\nfalse asks: {len(asked)} of {len(HARMLESS)} harmless commands: {asked}")
    assert len(asked) <= 3


# --- what bash makes of them ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    if not Path("/bin/bash").exists():
        pytest.skip("bash is not here")
    return Bash(tmp_path_factory.mktemp("odd"))


def few_of(wrong: list[str], tried: list[str]) -> bool:
    """Whether so few are wrong that a program which is not here explains them."""
    return len(wrong) <= len(tried) // 10 + 1


def test_what_is_said_to_push_or_to_make_does(bash, count):
    path = f"{bash.bin}:{ORDINARY}"
    for name, listed in (("git", PUSHES), ("make", MORE)):
        tried = [c for c in some_of(listed, count(len(listed))) if ENDLESS not in c]
        silent = [c for c in tried if not any(line[0] == name for line in bash.run(c, path).ran)]
        assert few_of(silent, tried), silent


def test_what_is_said_to_write_or_to_show_a_file_does(bash, count):
    tried = some_of(WRITES, count(len(WRITES)))
    unchanged = [c for c in tried if not bash.run(c, ORDINARY).changed]
    assert few_of(unchanged, tried), unchanged
    tried = some_of(READS, count(len(READS)))
    unseen = [c for c in tried if not any(piece in bash.run(c, ORDINARY).output for piece in SHOWN)]
    assert few_of(unseen, tried), unseen
