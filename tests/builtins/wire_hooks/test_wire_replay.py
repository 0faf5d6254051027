"""`pegboard hooks replay` and `test`: sessions that are over, and golden cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

DENY = {
    "hookSpecificOutput": {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": "nothing is touched here",
    }
}
SCRIPT = """
[[turn]]
text = "I do it."
[[turn.call]]
name = "Bash"
input = { command = "touch a" }
[[turn.call]]
name = "Bash"
input = { command = "echo b" }

[[turn]]
text = "Done."
"""


@pytest.fixture
def session(typed: Any, project: Any) -> Any:
    """A session in the project's folder, with whatever hooks the test has declared before it."""

    def run() -> None:
        script = project.outer / "script.toml"
        script.write_text(SCRIPT)
        typed("run", "-q", "-m", f"scripted:{script}", "--allow", "Bash", "Touch a file")

    return run


def test_a_session_without_hooks_is_replayed_with_todays(typed: Any, project: Any, session: Any) -> None:
    session()
    assert "Nothing would differ" in typed.fine("hooks", "replay")
    assert (project.root / "a").exists()
    (project.root / "a").unlink()
    project.declare(
        {
            "PreToolUse": [{"id": "guard", "if": "Bash(touch *)", "command": project.hook("guard", stdout=DENY)}],
            "PostToolUse": [{"id": "after", "command": project.hook("after")}],
            "UserPromptSubmit": [{"id": "prompts", "command": project.hook("prompts", exit=2, stderr="no prompts")}],
            "Stop": [{"id": "stop", "command": project.hook("stop")}],
        },
        where="user",
    )
    told = typed.json("hooks", "replay")
    assert typed.code == 1
    assert [(one["event"], one["then"], one["now"], one["by"]) for one in told["replayed"]] == [
        ("UserPromptSubmit", "none", "block", "prompts"),
        ("PreToolUse", "none", "deny", "guard"),
    ]
    assert project.ran == ["prompts", "guard", "after", "after", "stop"]
    sent = dict(project.seen)
    assert sent["prompts"]["prompt"] == "Touch a file"
    assert sent["guard"]["tool_input"] == {"command": "touch a"}
    assert sent["guard"]["session_id"] == told["session"]
    assert sent["after"]["tool_response"]
    assert sent["stop"]["last_assistant_message"] == "Done."
    assert not (project.root / "a").exists(), "no tool is run"
    printed = typed("hooks", "replay", "--event", "pre-tool")
    assert "nothing is touched here" in printed
    assert "no prompts" not in printed


def test_what_hooks_were_sent_is_sent_again_byte_for_byte(typed: Any, project: Any, session: Any) -> None:
    project.declare({"PreToolUse": [{"id": "guard", "command": project.hook("guard")}]}, where="user")
    session()
    before = list(project.seen)
    assert "Nothing would differ" in typed.fine("hooks", "replay")
    assert project.seen[len(before) :] == before
    told = typed.json("hooks", "replay", "--all")
    assert [one["exact"] for one in told["replayed"] if one["event"] == "PreToolUse"] == [True, True]


def test_a_decision_that_would_be_lost_differs(typed: Any, project: Any, session: Any) -> None:
    path = project.declare(
        {"PreToolUse": [{"id": "guard", "command": project.hook("guard", stdout=DENY)}]}, where="user"
    )
    session()
    path.unlink()
    told = typed.json("hooks", "replay")
    assert [(one["then"], one["then_by"], one["now"]) for one in told["replayed"]] == [("deny", "guard", "none")] * 2


def test_another_settings_file_can_be_tried_on_a_session(typed: Any, project: Any, session: Any) -> None:
    session()
    file = project.outer / "strict.toml"
    file.write_text(
        f'[[hooks.pre-tool]]\nmatcher = "Bash"\n[[hooks.pre-tool.hooks]]\ntype = "command"\n'
        f"command = '{project.hook('strict', exit=2, stderr='strict')}'\n"
    )
    told = typed.json("hooks", "replay", "--with", str(file))
    assert [one["now"] for one in told["replayed"]] == ["deny", "deny"]
    assert "no session" in typed.error("hooks", "replay", "ffffffff").lower()


def test_what_is_untrusted_or_needs_a_session_is_said(typed: Any, project: Any, session: Any) -> None:
    session()
    project.declare({"PreToolUse": [{"id": "waiting", "command": project.hook("waiting", exit=2)}]})
    project.declare({"PreToolUse": [{"id": "asks", "type": "prompt", "prompt": "?"}]}, where="user")
    printed = typed.fine("hooks", "replay")
    assert "nobody consented to them: waiting." in printed
    assert "need a session: asks." in printed
    assert project.ran == []


# --- golden cases --------------------------------------------------------------------------------------

CASES = """
[[case]]
name = "touch is refused"
event = "pre-tool"
tool = "Bash"
input = {{ command = "touch x" }}
[case.expect]
decision = "{decision}"
reason = "{reason}"
by = "guard"
ran = ["guard"]

[[case]]
event = "UserPromptSubmit"
payload = {{ prompt = "hello" }}
[case.expect]
context = ["be", "kind"]
"""


def test_cases_that_hold_pass(typed: Any, project: Any, tmp_path: Path) -> None:
    project.declare(
        {
            "PreToolUse": [{"id": "guard", "command": project.hook("guard", stdout=DENY)}],
            "UserPromptSubmit": ["echo be kind"],
        },
        where="user",
    )
    file = tmp_path / "cases.toml"
    file.write_text(CASES.format(decision="deny", reason="touched"))
    assert "2 cases passed." in typed.fine("hooks", "test", str(file))
    assert "ok     case 2" in typed.fine("hooks", "test", str(file))


def test_a_case_that_fails_shows_the_difference(typed: Any, project: Any, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"hooks": {}}')
    file = tmp_path / "cases.toml"
    file.write_text('settings = "settings.json"\n' + CASES.format(decision="deny", reason="touched"))
    printed = typed("hooks", "test", str(file))
    assert typed.code == 1
    assert "FAILED touch is refused" in printed
    for line in ("- decision = deny", "+ decision = none", "- by = guard", "- context contains 'be'", "- ran = guard"):
        assert line in printed
    told = typed.json("hooks", "test", str(file))
    assert (told["failed"], told["cases"][0]["passed"]) == (2, False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("[[case]\n", ":1: is no TOML", id="no TOML"),
        pytest.param("", "case: Field required", id="no case"),
        pytest.param("[[case]]\nevent = 'Stop'\n[[case]]\nevnt = 'Stop'\n", ":3: ", id="the line of the case"),
        pytest.param("[[case]]\nevent = 'Stop'\nexpected = {}\n", "Did you mean 'expect'", id="a key"),
        pytest.param("[[case]]\nevent = 'Stop'\nexpect = { reson = 'x' }\n", "Did you mean 'reason'", id="inner key"),
        pytest.param("[[case]]\nevent = 'Stop'\nexpect = { decision = 'no' }\n", "decision", id="a decision"),
        pytest.param("[[case]]\nevent = 'Stopp'\n", "Did you mean 'Stop'", id="an event"),
        pytest.param("settings = 'no.toml'\n[[case]]\nevent = 'Stop'\n", "no such file", id="no settings"),
    ],
)
def test_a_file_of_cases_that_is_wrong_is_named(typed: Any, tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "cases.toml"
    file.write_text(text)
    assert problem in typed.error("hooks", "test", str(file))


def test_a_file_of_cases_that_is_not_there_is_named_with_the_nearest(typed: Any, tmp_path: Path) -> None:
    (tmp_path / "cases.toml").write_text("")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    assert "case.toml: there is no such file. Did you mean 'cases.toml'?" in typed.error(
        "hooks", "test", str(tmp_path / "case.toml")
    )
    assert "cannot be read: Is a directory" in typed.error("hooks", "test", str(tmp_path))
    assert "is no text in UTF-8" in typed.error("hooks", "test", str(tmp_path / "bytes.toml"))
