"""`pegboard hooks events`, `list`, `order`, `fire`, `enable` and `disable` on real files and processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli

from pegboard_builtins.wire_hooks.events import EVENTS

DENY = {
    "hookSpecificOutput": {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": "not here",
    }
}


# --- events --------------------------------------------------------------------------------------------


def test_every_event_of_the_contract_is_listed_with_when_it_fires_or_what_is_missing(typed: Any) -> None:
    told = typed.json("hooks", "events")
    assert [one["event"] for one in told] == list(EVENTS)
    assert all(bool(one["fires"]) != bool(one["missing"]) for one in told)
    assert "never: needs teams of agents" in typed.fine("hooks", "events")


@pytest.mark.parametrize("spelling", ["PreToolUse", "pretooluse", "pre_tool_use", "pre-tool", "pre_tool"])
def test_an_event_has_one_row_by_any_spelling(typed: Any, spelling: str) -> None:
    [one] = typed.json("hooks", "events", spelling)
    assert (one["event"], one["matched_on"], one["can_fire"]) == ("PreToolUse", "tool_name", True)
    assert one["input"]["tool_name"] is False
    assert one["input"]["agent_id"] is True


def test_an_event_that_there_is_not_is_told_the_nearest(typed: Any) -> None:
    assert "Did you mean 'PreToolUse'" in typed.error("hooks", "events", "PreTolUse")


# --- list ----------------------------------------------------------------------------------------------


def test_nothing_declared_is_said(typed: Any) -> None:
    assert "No hook is declared here." in typed.fine("hooks", "list")
    assert typed.json("hooks", "list") == {"files": [], "hooks": [], "problems": []}


def test_a_hook_is_listed_with_file_line_layer_trust_and_posture(typed: Any, project: Any) -> None:
    path = project.declare(
        {"PreToolUse": [{"matcher": "Bash", "id": "mine", "command": "true", "on_error": "closed"}], "PreTolUse": [{}]}
    )
    project.declare({"Stop": ["false"]}, where="user")
    told = typed.json("hooks", "list")
    theirs, mine = sorted(told["hooks"], key=lambda one: one["id"])
    assert (mine["id"], mine["event"], mine["matcher"], mine["kind"]) == ("mine", "PreToolUse", "Bash", "command")
    line = 1 + next(n for n, text in enumerate(path.read_text().splitlines()) if '"type"' in text)
    assert mine["file"] == str(path)
    assert mine["line"] in (line - 1, line)
    assert (mine["layer"], mine["trust"], mine["standing"]) == ("project", "no", "untrusted")
    assert (mine["on_error"], mine["on_timeout"]) == ("closed", "closed")
    assert (theirs["layer"], theirs["trust"], theirs["standing"]) == ("user", "not needed", "active")
    [problem] = told["problems"]
    assert "no event 'PreTolUse'" in problem["text"]
    assert "Did you mean 'PreToolUse'" in problem["text"]
    printed = typed.fine("hooks", "list")
    assert f"{path}:{mine['line']}" in printed
    assert "wrong: " in printed
    typed.fine("trust", "--yes")
    mine = next(one for one in typed.json("hooks", "list")["hooks"] if one["id"] == "mine")
    assert (mine["trust"], mine["standing"]) == ("yes", "active")


def head(event: str, command: str) -> str:
    lines = ["---", "name: x", "description: x", "hooks:", f"  {event}:", "    - hooks:"]
    return "\n".join([*lines, "        - type: command", f"          command: {command}", "---", "Do it.", ""])


def test_hooks_in_the_heads_of_files_are_listed_with_what_they_wait_for(typed: Any, project: Any) -> None:
    project.declare({"Stop": ["true"]}, where="user")
    files = {
        project.root / ".claude" / "skills" / "guard" / "SKILL.md": ("PreToolUse", "skill guard", "no"),
        project.root / ".pegboard" / "commands" / "db" / "drop.md": ("PreToolUse", "command db:drop", "no"),
        project.home / ".claude" / "agents" / "x.md": ("Stop", "agent x", "not needed"),
    }
    for path, (event, _, _) in files.items():
        path.parent.mkdir(parents=True)
        path.write_text(head(event, "echo hello"))
    told = {one["file"]: one for one in typed.json("hooks", "list")["hooks"]}
    assert len(told) == 4
    for path, (event, what, trust) in files.items():
        one = told[str(path)]
        kind, _, name = what.partition(" ")
        event = "SubagentStop" if kind == "agent" else event
        assert one["id"] == f"{event}/1.1@{kind}:{name}"
        assert one["holds"] == (f"while the {what} runs" if kind == "agent" else f"once the {what} is used")
        assert (one["trust"], one["standing"]) == (trust, "untrusted" if trust == "no" else "active")
        assert (one["layer"], one["line"]) == ("user" if kind == "agent" else "project", 4)
    typed.fine("trust", "--yes")
    now = typed.json("hooks", "list", "pre-tool")["hooks"]
    assert [(one["trust"], one["standing"]) for one in now] == [("yes", "active")] * 2
    assert "once the skill guard is used" in " ".join(typed.fine("hooks", "list").split())


def test_a_hook_in_a_head_can_be_switched_off_and_on(typed: Any, project: Any) -> None:
    path = project.home / ".claude" / "skills" / "guard" / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text(head("PreToolUse", "echo hello"))
    name = "PreToolUse/1.1@skill:guard"
    for verb, standing in (("disable", "disabled"), ("enable", "active")):
        typed.fine("hooks", verb, name)
        assert [(one["id"], one["standing"]) for one in typed.json("hooks", "list")["hooks"]] == [(name, standing)]


def test_a_head_that_cannot_be_read_is_told_beside_the_list(typed: Any, project: Any) -> None:
    path = project.root / ".claude" / "skills" / "guard" / "SKILL.md"
    path.parent.mkdir(parents=True)
    path.write_text("---\nname: x\ndescription: x\nhooks: later\n---\nDo it.\n")
    [problem] = typed.json("hooks", "list")["problems"]
    assert (problem["file"], problem["line"]) == (str(path), 4)


# --- order ---------------------------------------------------------------------------------------------


def test_order_shows_layers_steps_and_copies(typed: Any, project: Any) -> None:
    project.declare({"PreToolUse": ["a", "same"]}, where="user")
    project.declare(
        {"PreToolUse": ["same", {"command": "alone", "sequential": True}, {"matcher": "Edit", "command": "b"}]}
    )
    typed.fine("trust", "--yes")
    rows = typed.json("hooks", "order", "pre-tool")
    assert [(one["runs"], one["step"], one["status"]) for one in rows] == [
        ("a", 1, "runs"),
        ("same", None, "deduplicated"),
        ("same", 1, "runs"),
        ("alone", 2, "runs"),
        ("b", 3, "runs"),
    ]
    assert [one["runs"] for one in typed.json("hooks", "order", "PreToolUse", "--tool", "Bash")] == [
        "a",
        "same",
        "same",
        "alone",
    ]
    assert "No hook is declared for Stop." in typed.fine("hooks", "order", "Stop")


# --- fire ----------------------------------------------------------------------------------------------


def test_fire_runs_what_matches_and_ends_with_5_on_a_deny(typed: Any, project: Any) -> None:
    project.declare(
        {
            "PreToolUse": [
                {"matcher": "Bash", "command": project.hook("guard", stdout=DENY)},
                {"matcher": "Edit", "command": project.hook("other")},
            ]
        },
        where="user",
    )
    told = typed.json("hooks", "fire", "pre_tool", "--tool", "Bash", "--input", '{"command": "rm x"}')
    assert typed.code == 5
    assert (told["outcome"]["decision"], told["outcome"]["reason"]) == ("deny", "not here")
    guard, other = told["hooks"]
    assert (guard["status"], guard["exit"], guard["decision"], guard["ms"] > 0) == ("ran", 0, "deny", True)
    assert (other["status"], other["why"]) == ("no match", "the matcher 'Edit' does not match 'Bash'")
    [(name, sent)] = project.seen
    assert (name, sent["tool_input"], sent["cwd"]) == ("guard", {"command": "rm x"}, str(project.root))
    assert list(sent)[:4] == ["session_id", "transcript_path", "cwd", "prompt_id"]
    printed = typed("hooks", "fire", "PreToolUse")
    assert "PreToolUse came to deny by" in printed


def test_fire_ends_with_0_on_an_ask_and_on_nothing(typed: Any, project: Any) -> None:
    asks = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "ask"}}
    project.declare({"PreToolUse": [project.hook("asker", stdout=asks)]}, where="user")
    assert typed.json("hooks", "fire", "PreToolUse")["outcome"]["decision"] == "ask"
    assert typed.code == 0
    assert "No hook is declared for Stop." in typed.fine("hooks", "fire", "stop")


def test_fire_ends_with_5_on_a_block_and_on_a_refused_permission(typed: Any, project: Any) -> None:
    refuses = {"hookEventName": "PermissionRequest", "decision": {"behavior": "deny", "message": "never"}}
    project.declare(
        {
            "UserPromptSubmit": [project.hook("prompts", exit=2, stderr="not so")],
            "PermissionRequest": [project.hook("asked", stdout={"hookSpecificOutput": refuses})],
        },
        where="user",
    )
    told = typed.json("hooks", "fire", "prompt-submit", "--prompt", "hello")
    assert (typed.code, told["outcome"]["decision"], told["outcome"]["reason"]) == (5, "block", "not so")
    told = typed.json("hooks", "fire", "ask")
    assert (typed.code, told["outcome"]["decision"], told["outcome"]["reason"]) == (5, "deny", "never")


def test_the_pattern_of_an_untrusted_hook_is_not_tried(typed: Any, project: Any) -> None:
    endless = r"^(\w+)+!$"  # tried on such a name it would not come to an end
    project.declare({"PreToolUse": [{"matcher": endless, "command": "true"}]})
    told = typed.json("hooks", "fire", "PreToolUse", "--tool", "mcp__server__" + "a" * 60)
    (row,) = told["hooks"]
    assert row["status"] == "untrusted"
    assert "whether its matcher fits is tried only then" in row["why"]


def test_an_untrusted_hook_is_a_row_and_does_not_run(typed: Any, project: Any) -> None:
    project.declare({"PreToolUse": [project.hook("guard", exit=2)]})
    told = typed.json("hooks", "fire", "PreToolUse")
    assert (typed.code, told["hooks"][0]["status"], project.ran) == (0, "untrusted", [])


def test_a_whole_event_is_sent_as_it_was_given(typed: Any, project: Any, tmp_path: Path) -> None:
    project.declare({"PostToolUse": [project.hook("after")]}, where="user")
    file = tmp_path / "event.json"
    event = {
        "tool_name": "Read",
        "tool_input": {"file_path": "a"},
        "tool_response": {"x": 1},
        "effort": {"level": "low"},
    }
    file.write_text(json.dumps(event))
    typed.fine("hooks", "fire", "post-tool", "--event", str(file), "--field", "permission_mode=plan")
    typed.fine("hooks", "fire", "post-tool", "--event", json.dumps({**event, "hook_event_name": "PostToolUse"}))
    (_, first), (_, second) = project.seen
    assert {key: first[key] for key in event} == event
    assert (first["permission_mode"], second["permission_mode"]) == ("plan", "default")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--input", "{"), "this is no JSON"),
        (("--input", "[]"), "this is no JSON object"),
        (("--event", "nowhere.json"), "neither a JSON object nor a file"),
        (("--event", '{"hook_event_name": "Stop"}'), "it is Stop, and PreToolUse was asked for"),
        (("--event", '{"permission_mode": "lenient"}'), "permission_mode"),
        (("--field", "x"), "no NAME=VALUE"),
    ],
)
def test_an_event_that_is_none_is_an_error(typed: Any, words: tuple[str, ...], problem: str) -> None:
    assert problem in " ".join(typed.error("hooks", "fire", "PreToolUse", *words).replace("│", " ").split())


def test_a_tool_is_only_for_events_of_tools(typed: Any) -> None:
    assert "is about no tool call" in typed.error("hooks", "fire", "Stop", "--tool", "Bash")


def test_what_needs_a_session_says_so(typed: Any, project: Any) -> None:
    project.declare({"PreToolUse": [{"type": "prompt", "prompt": "fine?"}]}, where="user")
    told = typed.json("hooks", "fire", "PreToolUse")
    assert (told["hooks"][0]["status"], told["outcome"]["decision"]) == ("failed", "none")
    assert "it needs a session" in told["hooks"][0]["problem"]


def test_a_hook_in_the_background_is_run_and_decides_nothing(typed: Any, project: Any) -> None:
    project.declare({"PreToolUse": [{"command": project.hook("later", stdout=DENY), "async": True}]}, where="user")
    told = typed.json("hooks", "fire", "PreToolUse")
    assert (typed.code, told["outcome"]["decision"], project.ran) == (0, "none", ["later"])
    assert (told["hooks"][0]["status"], told["hooks"][0]["decision"]) == ("background", "deny")


def test_what_a_hook_exports_is_shown(typed: Any, project: Any) -> None:
    project.declare({"SessionStart": ['echo "export A=1" >> "$CLAUDE_ENV_FILE"']}, where="user")
    assert "for later Bash commands: export A=1" in typed.fine("hooks", "fire", "session-start")


def test_the_hooks_of_another_file_can_be_fired(typed: Any, project: Any, tmp_path: Path) -> None:
    project.declare({"PreToolUse": [project.hook("mine", exit=2)]}, where="user")
    file = tmp_path / "other.toml"
    file.write_text('[[hooks.pre-tool]]\nfunction = "fn.py:nothing"\n')
    (tmp_path / "fn.py").write_text("def nothing(event):\n    return None\n")
    told = typed.json("hooks", "fire", "PreToolUse", "--with", str(file))
    assert (typed.code, [one["kind"] for one in told["hooks"]], project.ran) == (0, ["function"], [])
    assert "no such file" in typed.error("hooks", "fire", "PreToolUse", "--with", str(tmp_path / "no.toml"))


# --- enable and disable --------------------------------------------------------------------------------


def test_a_hook_is_switched_off_and_on_and_comments_stay(typed: Any, project: Any) -> None:
    project.declare({"PreToolUse": [{"id": "mine", "command": project.hook("guard", exit=2)}]}, where="user")
    config = project.outer / "config" / "settings.toml"
    config.parent.mkdir()
    before = '# mine\n[hooks]\ndisabled = [\n  "gone",  # long since\n]\nclaude = true  # yes\n'
    config.write_text(before)
    assert "mine is switched off in" in typed.fine("hooks", "disable", "mine")
    text = config.read_text()
    assert all(comment in text for comment in ("# mine", "# long since", "# yes"))
    assert tomli.loads(text)["hooks"]["disabled"] == ["gone", "mine"]
    assert typed.json("hooks", "fire", "PreToolUse")["hooks"][0]["status"] == "disabled"
    assert "already" in typed.fine("hooks", "disable", "mine")
    assert "no longer switched off" in typed.fine("hooks", "enable", "mine")
    assert tomli.loads(config.read_text()) == tomli.loads(before)
    assert "# long since" in config.read_text()
    typed("hooks", "fire", "PreToolUse")
    assert typed.code == 5
    assert "is not switched off" in typed.fine("hooks", "enable", "mine")


def test_switching_a_hook_that_there_is_not_is_an_error(typed: Any, project: Any) -> None:
    project.declare({"Stop": [{"id": "mine", "command": "true"}]}, where="user")
    assert "Did you mean 'mine'" in typed.error("hooks", "disable", "mime")
    assert "Did you mean 'mine'" in typed.error("hooks", "enable", "mime")
    assert not (project.outer / "config").exists()


def test_an_id_that_is_made_of_a_place_is_warned_of(typed: Any, project: Any) -> None:
    project.declare({"Stop": ["true"]}, where="user")
    assert "made of its place" in typed.fine("hooks", "disable", "Stop/1.1@user")


def test_a_hook_can_be_switched_off_for_a_folder(typed: Any, project: Any) -> None:
    project.declare({"Stop": [{"id": "mine", "command": "true"}]}, where="user")
    said = typed.fine("hooks", "disable", "mine", "--local")
    assert "pegboard trust" in said
    assert tomli.loads((project.root / ".pegboard" / "settings.local.toml").read_text()) == {
        "hooks": {"disabled": ["mine"]}
    }
    assert typed.json("hooks", "list")["hooks"][0]["standing"] == "active"
    typed.fine("trust", "--yes")
    assert typed.json("hooks", "list")["hooks"][0]["standing"] == "disabled"
