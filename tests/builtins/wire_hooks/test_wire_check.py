"""`pegboard hooks check` and `selftest` find hooks that do nothing; one notice says so when they run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pegboard.testing import call
from pegboard_builtins.wire_hooks.accidents import accident

HERE = '"$CLAUDE_PROJECT_DIR"/hook'
PRE = "PreToolUse"


def findings(typed: Any, *words: str) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["text"], one["mend"]) for one in typed.json("hooks", "check", *words)["findings"]]


@pytest.mark.parametrize(
    ("event", "entry", "kind", "text", "mend"),
    [
        pytest.param(PRE, {"timeout": 30000}, "timeout", "8.3 hours", "Write 30 ", id="milliseconds"),
        pytest.param(PRE, {"timout": 3}, "key", "`timout`", "`timeout`", id="unknown key"),
        pytest.param(PRE, {"headers": {}}, "key", "hooks of the type http", "", id="a key of another type"),
        pytest.param(PRE, {"matcher": "bash"}, "matcher", "no tool 'bash'", "'Bash'", id="lower case"),
        pytest.param(PRE, {"matcher": "Bash|Edti"}, "matcher", "no tool 'Edti'", "'Edit'", id="one of a list"),
        pytest.param(PRE, {"matcher": "MultiEdit"}, "matcher", "never matches", "", id="a tool of other hosts"),
        pytest.param(PRE, {"matcher": "mcp__memory"}, "matcher", "no tool has it", "mcp__memory__.*", id="a server"),
        pytest.param(PRE, {"matcher": "tools:Write AND x:**"}, "matcher", "no regular", "list names", id="a language"),
        pytest.param(PRE, {"matcher": "Wrote.*"}, "matcher", "matches no known tool", "`if`", id="a pattern"),
        pytest.param(
            "SessionStart", {"matcher": "start"}, "matcher", "no source 'start'", "'startup'", id="another field"
        ),
        pytest.param("Stop", {"matcher": "Bash"}, "matcher", "Stop has no matcher", "", id="no matcher"),
        pytest.param(PRE, {"if": "bash(rm *)"}, "if", "no such tool", "'Bash'", id="if in lower case"),
        pytest.param(PRE, {"if": "Bash(a *) || Bash(b *)"}, "if", "like several", "a hook for each", id="if with two"),
        pytest.param(PRE, {"if": "Bash(a"}, "settings", "one permission rule", "", id="if that is no rule"),
        pytest.param("Stop", {"if": "Bash(git *)"}, "if", "never runs", "Take `if` away", id="if without a tool"),
        pytest.param("TeammateIdle", {}, "event", "nothing here fires", "", id="an event that cannot fire"),
        pytest.param(
            "TaskCreated", {}, "event", "TaskCreate is off", "tasks = true", id="an event of a tool that is off"
        ),
        pytest.param(
            PRE, {"matcher": "TaskCreate"}, "matcher", "never matches", "tasks = true", id="a tool that is off"
        ),
        pytest.param(PRE, {"command": "no-such-program"}, "broken", "no program", "Install it", id="no program"),
        pytest.param(PRE, {"command": "python3 /no/x.py"}, "broken", "does not exist", "Mend", id="no script"),
        pytest.param(
            PRE, {"command": 'echo "$CLAUDE_TOOL_FILE_PATH"'}, "variable", "set by nobody", "jq -r", id="variable"
        ),
        pytest.param(PRE, {"command": "[[ -n x ]] && exit 2"}, "bash under sh", "of bash alone", "shell", id="bashism"),
        pytest.param(PRE, {"command": "if true; then"}, "bash under sh", "cannot read", "shell", id="syntax"),
        pytest.param(
            PRE, {"command": "$CLAUDE_PROJECT_DIR/hook"}, "unquoted placeholder", "two words", 'Write "', id="unquoted"
        ),
        pytest.param(PRE, {"command": "./hook"}, "relative path", "after a `cd`", "PROJECT_DIR", id="relative"),
        pytest.param(PRE, {"command": "sh hook"}, "relative path", "after a `cd`", "PROJECT_DIR", id="relative script"),
        pytest.param(
            PRE, {"command": "jq -r .tool_nam"}, "input field", "no .tool_nam", ".tool_name", id="a jq path, bare"
        ),
        pytest.param(
            PRE, {"command": "jq -e '.tool_nmae'"}, "input field", "no .tool_nmae", ".tool_name", id="a jq path"
        ),
        pytest.param(
            PRE,
            {"command": """echo '{"hookSpecificOutput":{"hookEventName":"Stop"}}'"""},
            "hookEventName",
            "for Stop, and this is PreToolUse",
            '"PreToolUse"',
            id="another event's answer",
        ),
        pytest.param(
            PRE, {"command": """echo '{"decision":"deny"}'"""}, "output field", "never 'deny'", "'block'", id="decision"
        ),
        pytest.param(
            PRE, {"command": "echo 'run the tests'"}, "text", "at PreToolUse", "additionalContext", id="text alone"
        ),
        pytest.param(
            "Stop",
            {"command": "if grep -q x; then echo 'not done'; fi"},
            "text",
            "at Stop",
            "systemMessage",
            id="text, if",
        ),
        pytest.param(
            PRE,
            {"command": "cat PLAN.md 2>/dev/null | head -30 || true"},
            "text",
            "at PreToolUse",
            "model",
            id="a file",
        ),
        pytest.param(PRE, {"command": "true", "once": True}, "once", "in skills", "", id="once in settings"),
        pytest.param(PRE, {"command": "echo no >&2; exit 1"}, "exit code", "refuses nothing", "2 refuses", id="exit 1"),
    ],
)
def test_a_hook_that_does_nothing_is_found(
    typed: Any, project: Any, event: str, entry: dict[str, Any], kind: str, text: str, mend: str
) -> None:
    program = project.root / "hook"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    project.declare({event: [{"command": "true", **entry}]}, where="user")
    found = findings(typed)
    assert [one for one in found if one[0] == kind and text in one[1] and mend in one[2]], found


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        pytest.param(
            '#!/usr/bin/env python3\nimport json, sys\nx = json.load(sys.stdin)["tool_output"]\n',
            "input field",
            "'tool_output'",
            id="input",
        ),
        pytest.param(
            '#!/usr/bin/env python3\nimport json\nprint(json.dumps({"modifiedToolInput": {}}))\n',
            "output field",
            "'modifiedToolInput'",
            id="output",
        ),
        pytest.param(
            "#!/usr/bin/env python3\nimport json\nprint('checking')\nprint(json.dumps({'decision': 'block'}))\n",
            "text before the decision",
            "plain text of its answer",
            id="a print before the answer",
        ),
        pytest.param(
            '#!/bin/sh\necho checking\necho \'{"decision":"block"}\'\n',
            "text before the decision",
            "plain text of its answer",
            id="an echo before the answer",
        ),
        pytest.param("#!/bin/sh\n[[ -n x ]]\n", "bash under sh", "of bash alone", id="bash in a script"),
        pytest.param("#!/bin/sh\r\nexit 0\r\n", "broken", "carriage return", id="line ends"),
        pytest.param("#!/bin/sh\necho careful >&2\nexit 0\n", "stderr with exit 0", "nobody reads", id="stderr"),
        pytest.param('#!/bin/sh\ntest "$TOOL_NAME" = Bash\n', "variable", "$TOOL_NAME", id="variable"),
    ],
)
def test_a_program_is_read_and_its_own_line_is_named(typed: Any, project: Any, text: str, kind: str, said: str) -> None:
    program = project.root / "hook"
    program.write_bytes(text.encode())
    program.chmod(0o755)
    project.declare({"PostToolUse" if "tool_output" in text else "PreToolUse": [HERE]})
    typed.fine("trust", "--yes")
    told = typed.json("hooks", "check")["findings"]
    [one] = [one for one in told if one["kind"] == kind]
    assert said in one["text"]
    assert one["file"] == str(program)
    assert one["line"] >= 1


def test_a_relative_path_is_a_doubt_since_it_holds_until_somebody_changes_the_folder(typed: Any, project: Any) -> None:
    (project.root / "hook").write_text("exit 0\n")
    project.declare({PRE: ["sh ./hook"]}, where="user")
    [one] = typed.json("hooks", "check")["findings"]
    assert (one["kind"], one["level"], typed.code) == ("relative path", "doubt", 0)


def test_what_is_well_is_not_complained_of(typed: Any, project: Any) -> None:
    (project.root / "guard.py").write_text(
        "import json, sys\n"
        "event = json.load(sys.stdin)\n"
        "if 'rm -rf' in event['tool_input'].get('command', ''):\n"
        "    print('not that', file=sys.stderr)\n"
        "    sys.exit(2)\n"
    )
    project.declare(
        {
            "PreToolUse": [
                {"matcher": "Bash|MultiEdit", "command": 'python3 "$CLAUDE_PROJECT_DIR"/guard.py', "timeout": 10},
                {"matcher": "mcp__memory__.*", "command": "true", "description": "tolerated"},
                {"matcher": "Bash", "command": "jq -r '.tool_input.command' | grep -q x && exit 2; exit 0"},
                {"matcher": "Edit.*", "command": "[[ 1 ]]", "shell": "bash"},
            ],
            "Notification": [{"matcher": "idle_prompt", "command": "true"}],
            "SessionStart": ["echo 'context for the model'"],
            "PostToolUse": [
                "echo 'seen' >> log",
                "ls && echo done",
                "x=$(echo 'a'); touch $x",
                "cat x | sh",
                "cat > y",
            ],
        }
    )
    assert findings(typed) == []
    assert "11 hooks: nothing to find." in typed.fine("hooks", "check")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("node -e 'const a = 1; " + "a / 2; " * 900 + "'", id="an inline program"),
        pytest.param("SAID='" + "a/b " * 1500 + "'; exit 0", id="a long assignment"),
        pytest.param("/" + "deep/" * 1000 + "guard", id="a path that no system has"),
        pytest.param("python3 ./" + "n" * 400 + ".py", id="a name that no system has"),
    ],
)
@pytest.mark.parametrize("where", ["project", "user"])
def test_a_command_longer_than_a_path_can_be_is_listed_checked_and_consented_to(
    typed: Any, project: Any, command: str, where: str
) -> None:
    project.declare({"PreToolUse": [{"matcher": "Bash", "command": command}]}, where=where)
    typed.fine("trust", "--yes")
    [row] = typed.json("hooks", "list")["hooks"]
    assert (row["standing"], row["runs"]) == ("active", command)
    typed.json("hooks", "check")
    assert typed.code in (0, 1)


URL = "http://localhost:9/hook"


@pytest.mark.parametrize(
    ("event", "entry", "kind", "said"),
    [
        pytest.param(PRE, {"url": "http://:80/hook"}, "url", "no URL", id="no host"),
        pytest.param(PRE, {"url": "https://b.example/x"}, "url", "`allowedHttpHookUrls` has no", id="not let"),
        pytest.param(PRE, {"url": "http://localhost/$TOKEN"}, "url", "not replaced", id="a variable in it"),
        pytest.param(
            PRE, {"url": URL, "headers": {"X": "Bearer $TOK"}}, "variable", "`allowedEnvVars` does", id="header"
        ),
        pytest.param(
            PRE,
            {"url": URL, "headers": {"X": "${TOK}"}, "allowedEnvVars": ["TOK"]},
            "variable",
            "`httpHookAllowedEnvVars` does not name",
            id="a header beyond the bound",
        ),
        pytest.param(
            PRE,
            {"url": URL, "headers": {"X": "${NOBODY_SETS}"}, "allowedEnvVars": ["NOBODY_SETS"]},
            "variable",
            "is not set here",
            id="a header that is not set",
        ),
        pytest.param(PRE, {"prompt": "Is $TOOL_INPUT safe?"}, "variable", "only $ARGUMENTS", id="in a prompt"),
        pytest.param(
            "Stop", {"prompt": 'Done? Say {"decision": "block"} if not.'}, "answer", "`decision`", id="another answer"
        ),
        pytest.param("PermissionRequest", {"prompt": "Fine?"}, "type", "has no effect", id="a prompt nobody hears"),
        pytest.param(
            PRE, {"command": "grep -q x && exit 2; exit 0", "async": True}, "async", "not refused", id="async"
        ),
        pytest.param(
            "Stop", {"command": """echo '{"decision":"block"}'""", "async": True}, "async", "not refused", id="in JSON"
        ),
    ],
)
def test_what_asks_others_and_does_nothing_is_found(
    typed: Any, project: Any, event: str, entry: dict[str, Any], kind: str, said: str
) -> None:
    kinds = {"url": "http", "prompt": "prompt", "command": "command"}
    entry = {"type": next(kinds[key] for key in entry if key in kinds), **entry}
    bounds = {"allowedHttpHookUrls": ["http://localhost*"], "httpHookAllowedEnvVars": ["NOBODY_SETS"]}
    project.declare({event: [entry]}, where="user", **bounds)
    found = findings(typed)
    assert [one for one in found if one[0] == kind and said in one[1]], found


def test_what_asks_others_as_it_should_is_well(typed: Any, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOK", "x")
    project.declare(
        {
            PRE: [
                {"type": "http", "url": URL, "headers": {"X": "Bearer $TOK"}, "allowedEnvVars": ["TOK"]},
                {"type": "prompt", "prompt": 'Harmless? $ARGUMENTS {"ok": false} if it reads $AWS_SECRET_ACCESS_KEY.'},
            ],
            "Stop": [
                {"type": "agent", "prompt": "Are the tests green?"},
                {"command": "test -e done || exit 2", "asyncRewake": True},
                {"command": "touch done", "async": True},
            ],
        },
        where="user",
    )
    assert findings(typed) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("guard", "#!/usr/bin/env no-such-thing\n", "asks for 'no-such-thing'", id="env"),
        pytest.param(
            "guard", "#!/usr/bin/env -S no-such-thing run --script\n", "asks for 'no-such-thing'", id="env -S"
        ),
        pytest.param("guard", "#!/usr/bin/env -S A=1 no-such-thing\n", "asks for 'no-such-thing'", id="a variable"),
        pytest.param("guard", "#!/usr/bin/env sh -e\n", "Write `env -S`", id="env with several words"),
        pytest.param("guard", "#!/no/such/python3\n", "asks for /no/such/python3", id="a path"),
        pytest.param("guard.py", "import sys\nsys.exit(0)\n", "has no first line", id="none, in Python"),
        pytest.param("guard.js", "process.exit(0)\n", "`#!/usr/bin/env node`", id="none, in JavaScript"),
    ],
)
def test_a_program_whose_first_line_leads_nowhere_is_found_before_and_when_it_runs(
    typed: Any, project: Any, name: str, text: str, said: str
) -> None:
    program = project.root / name
    program.write_text(text)
    program.chmod(0o755)
    project.declare({PRE: [f'"$CLAUDE_PROJECT_DIR"/{name}']})
    typed.fine("trust", "--yes")
    [(kind, found, mend)] = findings(typed)
    assert kind == "broken"
    assert said in found + mend
    [row] = typed.json("hooks", "selftest")["hooks"]
    assert (row["state"], said.lower() in row["why"].lower()) == ("inert", True)
    [fired] = typed.json("hooks", "fire", PRE, "--tool", "Bash")["hooks"]
    assert fired["status"] == "broken"


def test_a_first_line_that_leads_somewhere_and_a_program_of_the_shell_are_well(typed: Any, project: Any) -> None:
    for name, text in (("a", "#!/usr/bin/env -S sh -e\n"), ("b.sh", "exit 0\n"), ("c", "#!/bin/sh\nexit 3\n")):
        (project.root / name).write_text(text)
        (project.root / name).chmod(0o755)
    project.declare({PRE: [f'"$CLAUDE_PROJECT_DIR"/{name}' for name in ("a", "b.sh", "c")]})
    typed.fine("trust", "--yes")
    assert findings(typed) == []
    told = typed.json("hooks", "fire", PRE, "--tool", "Bash")["hooks"]
    assert [one["status"] for one in told] == ["ran", "ran", "failed"]


def test_nothing_declared_is_well(typed: Any) -> None:
    assert "0 hooks: nothing to find." in typed.fine("hooks", "check")
    assert "No guard is declared here." in typed.fine("hooks", "selftest")


def test_wrong_settings_are_findings_with_file_and_line_and_end_with_1(typed: Any, project: Any) -> None:
    path = project.declare({"PreTolUse": ["true"], "Stop": [{"type": "comand", "command": "true"}]}, where="user")
    told = typed.json("hooks", "check")["findings"]
    assert typed.code == 1
    assert all(one["where"].startswith(f"{path}:") for one in told), told
    assert {one["kind"] for one in told} == {"settings"}
    assert "Did you mean 'PreToolUse'" in typed("hooks", "check")


def test_what_sessions_noticed_is_told_with_the_hook(typed: Any, project: Any) -> None:
    project.declare({"UserPromptSubmit": [{"id": "loud", "command": "echo a >&2"}]}, where="user")
    script = project.outer / "script.toml"
    script.write_text('[[turn]]\ntext = "Done."\n')
    typed("run", "-m", f"scripted:{script}", "Go")
    assert "the hook loud may not do what it means to" in typed.stderr
    told = typed.json("hooks", "check")["findings"]
    [one] = [one for one in told if one["kind"] == "recorded"]
    assert (one["hook"], "wrote to stderr and exited with 0" in one["text"]) == ("loud", True)
    assert not [one for one in typed.json("hooks", "check", "--no-recorded")["findings"] if one["kind"] == "recorded"]


# --- when it runs --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_hook_in_doubt_is_told_of_once_with_the_mend(project: Any, host_of: Any) -> None:
    answer = {"additionalContext": "lost", "hookSpecificOutput": {"hookEventName": "PreToolUse", "reason": "lost"}}
    project.declare({"PreToolUse": [{"id": "lost", "command": project.hook("lost", stdout=answer)}]})
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), call("Bash", command="echo"), "Done.")
        await host.prompt("Go.")
        [notice] = [one.text for one in host.records("notice") if "may not do" in one.text]
    assert "'additionalContext' (it belongs into hookSpecificOutput)" in notice
    assert "'hookSpecificOutput.reason' (it belongs at the top)" in notice


@pytest.mark.parametrize(
    ("stderr", "is_one"),
    [
        ("python3: can't open file '/x/guard.py': [Errno 2] No such file or directory", True),
        ('sh: 1: Syntax error: "(" unexpected', True),
        ("bash: line 1: unexpected EOF while looking for matching `\"'", True),
        ("/bin/sh: 3: Bad substitution", True),
        ("usage: guard.py [-h]\nguard.py: error: unrecognized arguments: --x", True),
        ("/p/guard.py: 1: import: not found\n/p/guard.py: 2: Syntax error: word unexpected", True),
        ("/p/guard.sh: line 3: jqq: command not found", True),
        ("guard.sh: line 9: syntax error near unexpected token `fi'", True),
        ("./guard.sh: line 4: INPUT: unbound variable", True),
        ("grep: unrecognized option '--force'", True),
        ("error: Failed to spawn: `guard`", True),
        ("Do not edit .env: there is No such file or directory to protect", False),
        ("SyntaxError in a.py, line 3: mend it before you go on", False),
        ("src/a.py:12:3: F821 undefined name, not found", False),
        ("notes.md: line 3: the command is not found in the list", False),
        ("", False),
    ],
)
def test_exit_codes_of_interpreters_are_told_from_those_of_hooks(stderr: str, is_one: bool) -> None:
    assert bool(accident(stderr)) is is_one


# --- selftest ------------------------------------------------------------------------------------------


def test_selftest_names_the_guards_that_guard_nothing(typed: Any, project: Any) -> None:
    deny = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}}
    allow = {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "allow"}}
    project.declare(
        {
            "PreToolUse": [
                {"id": "good", "matcher": "Bash", "command": project.hook("good")},
                {"id": "gone", "command": "no-such-program"},
                {"id": "script", "command": f"{sys.executable} /no/such/guard.py"},
                {"id": "shell", "command": "if true; then"},
                {"id": "crash", "command": project.hook("crash", exit=1, stderr="Traceback")},
                {"id": "nonsense", "command": project.hook("nonsense", stdout='{"continue": "x"}')},
                {"id": "nobody", "matcher": "Wrote", "command": project.hook("nobody")},
                {"id": "late", "command": "sleep 30", "timeout": 0.2},
                {"id": "slow", "command": "sleep 30"},
                {"id": "refuses", "command": project.hook("refuses", stdout=deny)},
                {"id": "allows", "matcher": "Edit", "command": project.hook("allows", stdout=allow)},
                {"id": "asks", "type": "prompt", "prompt": "fine?"},
            ],
            "Notification": [{"id": "no guard", "command": project.hook("note")}],
        },
        where="user",
    )
    told = typed.json("hooks", "selftest", "--seconds", "1")
    assert typed.code == 1
    assert {one["id"]: one["state"] for one in told["hooks"]} == {
        "good": "works",
        "gone": "inert",
        "script": "inert",
        "shell": "inert",
        "crash": "inert",
        "nonsense": "inert",
        "nobody": "inert",
        "late": "inert",
        "slow": "doubt",
        "refuses": "doubt",
        "allows": "doubt",
        "asks": "left out",
    }
    why = {one["id"]: one["why"] for one in told["hooks"]}
    assert "no program" in why["gone"]
    assert "interpreter" in why["shell"]
    assert "interpreter" in why["script"]
    assert "matches nothing" in why["nobody"]
    assert project.ran.count("good") == 1
    sent = dict(project.seen)
    assert (sent["good"]["tool_name"], sent["allows"]["tool_name"]) == ("Bash", "Edit")
    assert "note" not in project.ran
    assert "7 of 12 guards are inert." in typed("hooks", "selftest", "--seconds", "1")
    every = typed.json("hooks", "selftest", "--seconds", "1", "--all")["hooks"]
    assert [one["state"] for one in every if one["id"] == "no guard"] == ["works"]


@pytest.mark.parametrize("event", ["SessionStart", "Setup", "CwdChanged", "FileChanged"])
def test_selftest_gives_a_hook_the_file_for_variables_that_a_session_gives_it(
    typed: Any, project: Any, event: str
) -> None:
    project.declare({event: [{"command": 'test -n "$CLAUDE_ENV_FILE" && echo "export A=1" >> "$CLAUDE_ENV_FILE"'}]})
    typed.fine("trust", "--yes")
    assert [one["state"] for one in typed.json("hooks", "selftest", "--all")["hooks"]] == ["works"]


def test_selftest_runs_nothing_that_is_not_trusted(typed: Any, project: Any) -> None:
    project.declare({"PreToolUse": [project.hook("guard")]})
    told = typed.json("hooks", "selftest")
    assert (typed.code, told["hooks"][0]["state"], project.ran) == (0, "left out", [])
    typed.fine("trust", "--yes")
    assert "No guard is inert." in typed.fine("hooks", "selftest")
    assert project.ran == ["guard"]


# --- explain and add -----------------------------------------------------------------------------------


def test_explain_has_what_each_hook_was_sent_and_said(typed: Any, project: Any) -> None:
    project.declare(
        {"PreToolUse": [{"id": "loud", "command": project.hook("loud", exit=2, stderr="not so")}]}, where="user"
    )
    script = project.outer / "script.toml"
    script.write_text(
        '[[turn]]\n[[turn.call]]\nname = "Bash"\ninput = { command = "true" }\n[[turn]]\ntext = "Done."\n'
    )
    typed("run", "-q", "-m", f"scripted:{script}", "Go")
    told = typed.json("hooks", "explain", "last")
    [event] = told["events"]
    assert (event["event"], event["outcome"], event["winner"], event["reason"]) == (
        "PreToolUse",
        "deny",
        "loud",
        "not so",
    )
    assert json.loads(event["payload"])["tool_input"] == {"command": "true"}
    printed = typed.fine("hooks", "explain", told["call"][:6], "--payload")
    assert "loud stderr: not so" in printed
    assert '"tool_input":{"command":"true"}' in printed
    assert "nowhere" in typed.error("hooks", "explain", "nowhere")


def test_add_lists_shows_and_adds_a_ready_hook(typed: Any, project: Any) -> None:
    names = [one["name"] for one in typed.json("hooks", "add")]
    assert "protect-paths" in names
    assert "protect-paths" in typed.fine("hooks", "add")
    settings = project.root / ".pegboard" / "settings.toml"
    shown = typed.fine("hooks", "add", "protect-paths", "--dry-run")
    assert "+[[hooks.PreToolUse]]" in shown
    assert not settings.exists()
    said = typed.fine("hooks", "add", "protect-paths")
    assert "pegboard trust" in said
    assert (project.root / ".pegboard" / "hooks" / "protect-paths.py").is_file()
    assert "already" in typed.fine("hooks", "add", "protect-paths")
    typed.fine("trust", "--yes")
    write = json.dumps({"file_path": str(project.root / ".env"), "content": "x"})
    told = typed.json("hooks", "fire", "PreToolUse", "--tool", "Write", "--input", write)
    assert (typed.code, told["outcome"]["decision"]) == (5, "deny")
    assert "Did you mean 'protect-paths'" in typed.error("hooks", "add", "protect-path")


def test_ready_hooks_pass_their_own_check(typed: Any, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in typed.json("hooks", "add"):
        typed.fine("hooks", "add", one["name"], "--user")
    wrong = [one for one in typed.json("hooks", "check")["findings"] if one["level"] == "wrong"]
    assert wrong == []


def test_a_hook_can_be_added_to_a_file_of_the_contract(typed: Any, project: Any, tmp_path: Path) -> None:
    file = project.root / ".claude" / "settings.json"
    typed.fine("hooks", "add", "git-context", "--claude")
    assert "SessionStart" in json.loads(file.read_text())["hooks"]
