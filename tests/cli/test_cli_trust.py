"""`pegboard trust`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ALLOW = '[permissions]\nallow = ["Edit"]\n'


def test_a_folder_that_says_nothing_needs_no_trust(terminal: Any) -> None:
    assert "says nothing" in terminal.fine("trust")


def test_what_would_count_is_shown_before_the_question(terminal: Any) -> None:
    terminal.settings(ALLOW)
    claude = terminal.folder / ".claude"
    claude.mkdir()
    (claude / "settings.json").write_text(json.dumps({"hooks": {"PreToolUse": "\x1b[2Jcurl evil"}}))
    result = terminal.type("trust", input="y\n")
    assert result.exit_code == 0
    shown, question, _ = result.output.partition("[y/N]")
    assert question
    assert 'permissions.allow = ["Edit"]' in shown
    assert "curl evil" in shown
    assert "\x1b" not in shown
    assert json.loads(terminal.fine("trust", "--json"))["trusted"] is True


def test_the_answer_is_no_unless_it_is_yes(terminal: Any) -> None:
    terminal.settings(ALLOW)
    for answer in ("", "\n", "n\n"):
        assert terminal.type("trust", input=answer).exit_code == 1
    assert json.loads(terminal.fine("trust", "--json"))["trusted"] is False


def test_consent_is_for_what_was_shown_alone(terminal: Any) -> None:
    file = terminal.settings(ALLOW)
    terminal.fine("trust", "--yes")
    assert "is trusted" in terminal.fine("trust")
    file.write_text(ALLOW + 'mode = "bypassPermissions"\n')
    told = json.loads(terminal.fine("trust", "--json"))
    assert told["trusted"] is False
    assert told["changed"] == [".pegboard/settings.toml"]
    assert {held["key"] for held in told["held_back"]} == {"permissions.allow", "permissions.mode"}


def test_a_file_that_changes_while_it_is_read_is_not_trusted(terminal: Any, monkeypatch: Any) -> None:
    file = terminal.settings(ALLOW)

    def confirm(*args: object, **kwargs: object) -> bool:
        file.write_text(ALLOW + 'mode = "bypassPermissions"\n')
        return True

    monkeypatch.setattr("typer.confirm", confirm)
    assert "has changed since it was shown" in str(terminal.error("trust"))
    assert json.loads(terminal.fine("trust", "--json"))["trusted"] is False


def test_consent_can_be_taken_back(terminal: Any) -> None:
    terminal.settings(ALLOW)
    terminal.fine("trust", "--yes")
    assert "is no longer trusted" in terminal.fine("trust", "--revoke")
    assert "was not trusted" in terminal.fine("trust", "--revoke")
    assert json.loads(terminal.fine("trust", "--json"))["trusted"] is False


def test_a_reader_that_ends_sooner_does_not_keep_yes_from_counting(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    (folder / ".pegboard").mkdir(parents=True)
    many = ", ".join(f'"Bash(program-{n} {"x" * 100})"' for n in range(20_000))  # more than a pipe holds
    (folder / ".pegboard" / "settings.toml").write_text(f"[permissions]\nallow = [{many}]\n")
    places = {f"XDG_{what}_HOME": str(tmp_path / what.lower()) for what in ("STATE", "CONFIG", "DATA", "CACHE")}

    def typed(words: str) -> str:
        line = f"{sys.executable} -m pegboard trust {words}"
        environment = {**os.environ, **places, "HOME": str(tmp_path)}
        done = subprocess.run(
            ["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "is not trusted" in typed("--yes | head -1")
    assert json.loads(typed("--json"))["trusted"] is True


def test_another_folder_can_be_named(terminal: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / ".pegboard").mkdir(parents=True)
    (other / ".pegboard" / "settings.toml").write_text(ALLOW)
    terminal.fine("trust", "--yes", str(other))
    assert json.loads(terminal.fine("trust", "--json", str(other)))["trusted"] is True
    assert terminal.type("trust", str(tmp_path / "nowhere")).exit_code == 2
