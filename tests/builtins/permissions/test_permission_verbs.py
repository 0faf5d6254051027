"""`pegboard permissions list|test|lint`, as they are typed."""

from __future__ import annotations

import json

import pytest

from pegboard._cli import way_out
from pegboard._cli.main import main

RULES = """[permissions]
deny = [
  "Bash(rm:*)",
  "Read(.env)",
]
ask = ["Bash(git push:*)"]
allow = ["Bash(git:*)", "Bash(npm test:*)"]
"""


@pytest.fixture
def type_(tmp_path, monkeypatch, capsys):
    """Types a verb in a project; returns what it prints."""
    project = tmp_path / "project"
    config = tmp_path / "config"
    project.mkdir()
    config.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(config))
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(tmp_path / "state"))

    def typed(*words, rules=RULES, code=0):
        (config / "settings.toml").write_text(rules)
        way_out.egress_of.cache_clear()
        assert main(["permissions", *words]) == code
        said = capsys.readouterr()
        return json.loads(said.out) if "--json" in words else said.out + said.err

    typed.file = config / "settings.toml"
    typed.project = project
    return typed


def test_the_list_names_every_rule_with_its_line_in_the_order_of_asking(type_):
    told = type_("list", "--json")
    assert [(row["list"], row["rule"]) for row in told["rules"]] == [
        ("deny", "Bash(rm:*)"), ("deny", "Read(.env)"), ("ask", "Bash(git push:*)"),
        ("allow", "Bash(git:*)"), ("allow", "Bash(npm test:*)"),
    ]  # fmt: skip
    assert [row["origin"].rpartition(":")[2] for row in told["rules"]] == ["3", "4", "6", "7", "7"]
    assert f"user {type_.file}:3" in type_("list")
    assert "There are no rules" in type_("list", rules="")


def test_what_an_untrusted_folder_would_allow_is_told_as_held_back(type_):
    (type_.project / ".pegboard").mkdir()
    (type_.project / ".pegboard" / "settings.toml").write_text('[permissions]\nallow = ["Bash"]\ndeny = ["Edit"]\n')
    told = type_("list", "--json", rules="")
    assert [row["rule"] for row in told["rules"]] == ["Edit"]
    assert told["held_back"][0]["said"] == ["Bash"]
    assert "held back" in type_("list", rules="")


@pytest.mark.parametrize(
    ("call", "verdict", "decides"),
    [
        pytest.param("Bash(ls && sudo rm -rf x)", "deny", ["Bash(rm:*)"], id="a deny in a dress"),
        pytest.param("Bash(cat .env)", "deny", ["Read(.env)"], id="a rule for a file, in a command"),
        pytest.param("Bash(git push origin)", "ask", ["Bash(git push:*)"], id="an ask before an allow"),
        pytest.param("Bash(git add x && npm test)", "allow", ["Bash(git:*)", "Bash(npm test:*)"], id="two allows"),
        pytest.param("Bash(make)", "ask", [], id="nobody says anything"),
        pytest.param("Read(.env)", "deny", ["Read(.env)"], id="a file"),
        pytest.param("Read(src/a.py)", "allow", [], id="a read"),
    ],
)
def test_a_call_is_judged_with_every_rule_that_was_considered(type_, call, verdict, decides):
    told = type_("test", call, "--json")
    assert told["verdict"] == verdict
    assert [row["rule"] for row in told["considered"] if row["decides"]] == decides
    assert all(row["origin"].startswith("user ") for row in told["considered"])
    words = type_("test", call)
    assert words.startswith(f"{verdict}: ")
    assert all(f"{rule}" in words for rule in decides)


def test_of_two_rules_with_the_same_words_the_one_that_decides_is_marked(type_):
    rules = '[permissions]\ndeny = ["Bash(git push:*)"]\nallow = ["Bash(git push:*)", "Bash(echo a, b)"]\n'
    told = type_("test", "Bash(git push)", "--json", rules=rules)
    assert [row["list"] for row in told["considered"] if row["decides"]] == ["deny"]
    told = type_("test", "Bash(echo a, b)", "--json", rules=rules)
    assert [row["rule"] for row in told["considered"] if row["decides"]] == []  # it only reads, and needs no rule


def test_a_tool_whose_name_is_close_to_another_is_told(type_):
    assert "there is no tool 'Bsh' here. Did you mean 'Bash'?" in type_("test", "Bsh(rm x)")
    assert "there is no tool" not in type_("test", "mcp__server__tool(a:b)")
    assert "there is no tool" not in type_("test", "Bash(rm x)")


def test_the_mode_counts_and_a_wrong_one_is_refused(type_):
    assert type_("test", "Bash(make)", "--mode", "dontAsk", "--json")["verdict"] == "deny"
    assert type_("test", "Bash(make)", "--mode", "bypassPermissions", "--json")["verdict"] == "allow"
    assert type_("test", "Bash(rm x)", "--mode", "bypassPermissions", "--json")["verdict"] == "deny"
    assert "there is no mode" in type_("test", "Bash(make)", "--mode", "yolo", code=2)
    assert "as Tool(" in type_("test", "Bash make", code=2)
    assert "no JSON" in type_("test", "Bash", "--input", "{", code=1)


def test_a_whole_input_may_be_given_and_what_cannot_be_followed_is_told(type_):
    told = type_("test", "Bash", "--input", json.dumps({"command": "echo 'open"}), "--json")
    assert (told["verdict"], bool(told["problems"])) == ("ask", True)
    assert "cannot be followed" in type_("test", "Bash(echo 'open)")


def found(type_, rules, code):
    told = type_("lint", "--json", rules=rules, code=code)
    return {(one["kind"], one["rule"]): one for one in told["found"]}


def test_lint_finds_rules_that_never_decide(type_):
    rules = """[permissions]
deny = ["Bash(git push:*)", "Bsh(x)", "Edit(secret/**)", "Bash(git push --force)"]
ask = ["Bash(git push origin:*)", "Edit(secret/**)"]
allow = ["Bash(git push)", "Bash(npm test && npm run x)", "BashOutput(x)", "Bash(make:*)"]
"""
    kinds = found(type_, rules, 1)
    for rule in ("Bash(git push)", "Bash(git push origin:*)", "Edit(secret/**)"):
        assert "never decides" in kinds["unreachable", rule]["text"], rule
    assert not kinds["unreachable", "Bash(git push --force)"]["wrong"]
    assert "Did you mean 'Bash'" in kinds["unknown", "Bsh(x)"]["text"]
    assert ("dead", "Bash(npm test && npm run x)") in kinds
    assert ("dead", "BashOutput(x)") in kinds
    assert ("unreachable", "Bash(make:*)") not in kinds


@pytest.mark.parametrize(
    "rule",
    [
        "Bash(git:*)",
        "Bash(npm*)",
        "Bash(python3:*)",
        "Bash(tar:*)",
        "Bash(make:*)",
        "Bash(*)",
        "Bash(git * main)",
        "Edit",
    ],
)
def test_lint_shows_a_call_that_a_wide_rule_lets_run_and_it_does(type_, rule):
    rules = f'[permissions]\nallow = ["{rule}"]\n'
    finding = found(type_, rules, 0)["wide", rule]
    assert finding["example"]
    assert type_("test", finding["example"], "--json", rules=rules)["verdict"] == "allow"
    assert "runs without a question" in type_("lint", rules=rules)


@pytest.mark.parametrize("rule", ["Bash(git status)", "Bash(npm run build)", "Edit(src/**)", "Bash(cargo fmt)"])
def test_lint_leaves_a_narrow_rule_alone(type_, rule):
    assert found(type_, f'[permissions]\nallow = ["{rule}"]\n', 0) == {}
    assert "Nothing is wrong" in type_("lint", rules=f'[permissions]\nallow = ["{rule}"]\n')
