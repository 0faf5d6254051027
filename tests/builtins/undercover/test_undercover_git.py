"""Git's own hooks look for names too; and nothing that the host writes holds one."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import tomli
from undercover_room import CANARIES, EXTERNAL, Terminal, git, leaks_in, make_repository, write_list

from pegboard_builtins.undercover.githooks import install


@pytest.fixture
def terminal(tmp_path):
    project = make_repository(tmp_path / "project")
    git(tmp_path, "init", "-q", "--bare", "outside.git")
    git(tmp_path, "init", "-q", "--bare", "inside.git")
    git(project, "remote", "add", "origin", str(tmp_path / "outside.git"))
    git(project, "remote", "add", "inside", str(tmp_path / "inside.git"))
    names = write_list(tmp_path / "secret")
    made = Terminal(
        tmp_path,
        project,
        f'[undercover]\nnames = "file:{names}"\n[undercover.internal]\nremotes = ["{tmp_path}/inside"]\n',
    )
    install(project)
    return made


def test_real_commits_tags_and_pushes_are_refused_or_pass(terminal):
    def says(*words, given=""):
        done = terminal.run(*words, given=given, program="git")
        assert not leaks_in(done.stderr + done.stdout)
        return done.returncode

    project = terminal.project
    assert says("commit", "-q", "--allow-empty", "-m", "Mend the tests") == 0
    assert says("commit", "-q", "--allow-empty", "-m", "Mend Qorvantix") == 1
    (project / "MSG").write_text("About the velmora-drift\n")
    assert says("commit", "-q", "--allow-empty", "-F", "MSG") == 1
    (project / "b.txt").write_text("on zanthique-db-4.corp.example\n")
    git(project, "add", "b.txt")
    assert says("commit", "-q", "-m", "Fine") == 1
    git(project, "rm", "-q", "-f", "b.txt")
    assert says("push", "-q", "origin", "main") == 0
    git(project, "commit", "-q", "--no-verify", "--allow-empty", "-m", "About Qorvantix")
    assert says("push", "-q", "origin", "main") == 1, "what got round the other hooks is seen by the last one"
    assert says("push", "-q", "inside", "main") == 0
    assert says("push", "-q", "origin", "HEAD~1:refs/heads/velmora-drift") == 1


def test_hooks_that_were_there_run_first(tmp_path):
    project = make_repository(tmp_path / "project")
    old = project / ".git" / "hooks" / "commit-msg"
    old.write_text("#!/bin/sh\necho ran > ran.txt\nexit 7\n")
    old.chmod(0o755)
    done = dict(install(project, program="true"))
    assert "runs first" in done["commit-msg"]
    with pytest.raises(Exception, match="returned non-zero"):
        git(project, "commit", "-q", "--allow-empty", "-m", "x")
    assert (project / "ran.txt").exists()
    assert dict(install(project, program="true"))["commit-msg"] == "written", "twice is as good as once"


def test_the_entry_for_pre_commit_runs_the_same_verbs():
    root = Path(__file__).parents[3]
    text = (root / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert "pegboard undercover scan --staged" in text
    assert "pegboard undercover scan --message-file" in text
    project = tomli.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "undercover" in project["entry-points"]["pegboard.filters"]


# --- canaries ------------------------------------------------------------------------------------------

SCRIPT = """
[[turn]]
thinking = "Qorvantix is what they mean."
text = "I look at Qorvantix."
[[turn.call]]
name = "Read"
input = { file_path = "notes.md" }
[[turn.call]]
name = "Bash"
input = { command = "echo c2VlIFFvcnZhbnRpeCBub3c= | base64 -d; cat notes.md" }
[[turn]]
text = "Now I write it down for the velmora drift."
[[turn.call]]
name = "Bash"
input = { command = "git commit --allow-empty -m 'About Qorvantix'" }
[[turn.call]]
name = "Write"
input = { file_path = "site.md", content = "Run it on zanthique-db-4.corp.example" }
[[turn.call]]
name = "Bash"
input = { command = "gh pr create --title Fix --body-file notes.md" }
[[turn]]
text = "Qorvantix, VELMORA_DRIFT and zanthique-db-4.corp.example: done."
"""

HOOK = """
import json, os, sys
line = sys.stdin.read()
with open(os.environ["CAUGHT"], "a") as file:
    file.write(line + json.dumps(dict(os.environ)) + json.dumps(sys.argv))
print(json.dumps({"systemMessage": "seen"}))
"""


def test_nothing_that_the_host_writes_holds_a_canary(tmp_path, monkeypatch):
    project = make_repository(tmp_path / "project", EXTERNAL)
    (project / "notes.md").write_text("".join(f"- {name}\n" for name in CANARIES))
    tools = tmp_path / "bin"
    tools.mkdir()
    gh = tools / "gh"
    gh.write_text(f'#!/bin/sh\ncat "$6" "$@" > {tmp_path}/published\n')
    gh.chmod(0o755)
    hook, script, caught = tmp_path / "hook.py", tmp_path / "script.toml", tmp_path / "caught.txt"
    hook.write_text(HOOK)
    script.write_text(SCRIPT)
    names = write_list(tmp_path / "secret")
    terminal = Terminal(
        tmp_path,
        project,
        f'[undercover]\nnames = "file:{names}"\n'
        + "".join(
            f'[[hooks.{event}]]\n[[hooks.{event}.hooks]]\ntype = "command"\ncommand = "{sys.executable} {hook}"\n'
            for event in ("PreToolUse", "PostToolUse", "UserPromptSubmit", "Stop", "SessionStart", "SessionEnd")
        ),
    )
    monkeypatch.setenv("CAUGHT", str(caught))
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    tempfile.tempdir = None

    outputs = []
    ways = [("run", "-m", f"scripted:{script}", "--allow", "Bash", "--allow", "Write", "-o", form) for form in
            ("text", "stream-json", "json")]  # fmt: skip
    for words in ways:
        done = terminal.run(*words, given="Look after Qorvantix and the Velmora Drift.")
        assert done.returncode == 0, done.stderr
        outputs.append(done)
    for words in (("trace",), ("trace", "--json"), ("why", "last", "--json"), ("sessions", "list", "--json"),
                  ("plugins", "list"), ("doctor",), ("settings", "show"), ("undercover", "audit"),
                  ("undercover", "status"), ("sessions", "show", "qorvantix")):  # fmt: skip
        outputs.append(terminal.run(*words))
    assert "[internal]" in outputs[0].stdout
    for done in outputs:
        assert leaks_in(done.stdout + done.stderr) == [], done.args

    hooked = caught.read_text()
    assert "[internal]" in hooked
    assert "PreToolUse" in hooked
    assert leaks_in(hooked) == []
    assert not (tmp_path / "published").exists(), "the pull request was never made"
    assert not (project / "site.md").exists()
    assert "Qorvantix" not in git(project, "log", "--all", "--format=%B")

    journals = list(terminal.state.rglob("*.jsonl"))
    assert len(journals) == 3
    beside = {journal.with_suffix("") for journal in journals}
    for path in [*terminal.state.rglob("*"), *terminal.config.rglob("*"), *(tmp_path / "tmp").rglob("*")]:
        if not path.is_file() or path in journals:
            continue
        if beside & set(path.parents):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, "what lies beside a journal is inside, as it is"
            continue
        assert leaks_in(path.read_bytes().decode("utf-8", "replace")) == [], path
    assert all(stat.S_IMODE(journal.stat().st_mode) == 0o600 for journal in journals)
    assert any(leaks_in(journal.read_text()) for journal in journals), "the journal has what was said"
    for journal in journals:
        for line in journal.read_text().splitlines():
            record = json.loads(line)
            if record["type"] in ("egress", "notice", "hook", "ask"):
                assert leaks_in(line) == [], "what is written about names holds none"
