"""`pegboard hooks add`, as a person meets it; and what was added, in a real session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pegboard_builtins.wire_hooks.verbs.add import _target

Pegboard = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    folder.mkdir()
    return folder


@pytest.fixture
def pegboard(project: Path, tmp_path: Path) -> Pegboard:
    """Run the command line in the project; it must end with *code*."""
    foreign = ("PEGBOARD_", "CLAUDE_", "ANTHROPIC_", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {
        "HOME": str(tmp_path / "home"),
        "PEGBOARD_STATE_DIR": str(tmp_path / "state"),
        "PEGBOARD_CONFIG_DIR": str(tmp_path / "config"),
        "PEGBOARD_MEMORY__ON": "false",
        "COLUMNS": "200",
    }

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "pegboard", *words],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_without_a_name_all_are_shown(pegboard: Pegboard) -> None:
    rows = pegboard("hooks", "add").stdout.splitlines()
    assert rows[0].split() == ["name", "events", "type", "what", "it", "does"]
    assert any(row.startswith("protect-paths ") for row in rows)
    found = json.loads(pegboard("hooks", "add", "--json").stdout)
    assert {"about", "events", "matchers", "name", "needs", "path", "summary", "types"} == set(found[0])


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ({}, "my project/.pegboard/settings.toml"),
        ({"local": True}, "my project/.pegboard/settings.local.toml"),
        ({"claude": True}, "my project/.claude/settings.json"),
        ({"user": True}, "config/settings.toml"),
        ({"user": True, "claude": True}, "home/.claude/settings.json"),
    ],
)
def test_it_goes_where_the_options_say(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, bool], file: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    host = SimpleNamespace(project=project, config_dir=tmp_path / "config")
    said = {"user": False, "local": False, "claude": False, **options}
    assert _target(host, **said) == tmp_path / file  # type: ignore[arg-type]


def test_it_writes_the_settings_the_program_and_the_kit(pegboard: Pegboard, tmp_path: Path) -> None:
    shown = json.loads(pegboard("hooks", "add", "rate-limit", "--user", "--claude", "--json").stdout)
    settings = tmp_path / "home" / ".claude" / "settings.json"
    assert (shown["settings"], shown["written"]) == (str(settings), True)
    assert "rate-limit.py" in settings.read_text()
    assert {path.name for path in (settings.parent / "hooks").iterdir()} == {"rate-limit.py", "pegboard_hook.py"}


def test_a_dry_run_shows_all_and_changes_nothing(pegboard: Pegboard, project: Path) -> None:
    shown = pegboard("hooks", "add", "rate-limit", "--dry-run").stdout
    assert "+[[hooks.PreToolUse]]" in shown
    assert "Nothing was changed" in shown
    assert list(project.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("protect-path",), "Did you mean 'protect-paths'?"),
        (("rate-limit", "--local", "--user"), "say one of"),
    ],
)
def test_what_cannot_be_meant_is_an_error(pegboard: Pegboard, words: tuple[str, ...], problem: str) -> None:
    assert problem in pegboard("hooks", "add", *words, code=1).stderr


def test_a_program_that_was_changed_is_replaced_only_by_force(pegboard: Pegboard, project: Path) -> None:
    pegboard("hooks", "add", "rate-limit")
    program = project / ".pegboard" / "hooks" / "rate-limit.py"
    program.write_text("mine")
    assert "then say --force" in pegboard("hooks", "add", "rate-limit", code=1).stderr
    assert program.read_text() == "mine"
    pegboard("hooks", "add", "rate-limit", "--force")
    assert program.read_text() != "mine"


def test_consent_to_an_added_hook_covers_its_program_and_the_kit_beside_it(pegboard: Pegboard, project: Path) -> None:
    """A warm worker in a real session: the fourth call of the same is noticed, if and only if all was consented to."""
    turns = "".join('[[turn]]\n[[turn.call]]\nname = "Bash"\ninput = { command = "true" }\n' for _ in range(5))
    (project / "loop.toml").write_text(f'{turns}[[turn]]\ntext = "done"\n')
    run = ("run", "--model", "scripted:loop.toml", "--allow", "Bash(true)", "go")
    pegboard("hooks", "add", "loop-breaker")

    def notices() -> int:
        pegboard(*run)
        journal = max((project.parent / "state").rglob("*.jsonl"), key=lambda path: path.stat().st_mtime)
        return sum("th time in a row" in line for line in journal.read_text().splitlines() if '"user"' in line)

    assert notices() == 0, "nobody has consented"
    pegboard("trust", "--yes")
    assert notices() > 0
    kit = project / ".pegboard" / "hooks" / "pegboard_hook.py"
    kit.write_text(kit.read_text() + "\n# changed\n")
    assert notices() == 0, "the kit that the program runs has changed"


def test_byte_code_that_came_with_a_project_is_not_believed(pegboard: Pegboard, project: Path, tmp_path: Path) -> None:
    """Consent is given to sources; Python would run byte code of this kind without looking at any."""
    turns = '[[turn]]\n[[turn.call]]\nname = "Bash"\ninput = { command = "true" }\n[[turn]]\ntext = "done"\n'
    (project / "once.toml").write_text(turns)
    pegboard("hooks", "add", "loop-breaker")
    hooks = project / ".pegboard" / "hooks"
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()\n")
    plant = (
        "import importlib.util, py_compile\n"
        f"target = importlib.util.cache_from_source({str(hooks / 'pegboard_hook.py')!r})\n"
        f"py_compile.compile({str(tmp_path / 'evil.py')!r}, target, "
        "invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)\n"
    )
    plain = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(["python3", "-c", plant], check=True, env=plain)
    subprocess.run(["python3", "-c", "import pegboard_hook"], cwd=hooks, env=plain, check=True)
    (tmp_path / "executed").unlink()  # it was: the plant works

    pegboard("trust", "--yes")
    pegboard("run", "--model", "scripted:once.toml", "--allow", "Bash(true)", "go")
    assert not (tmp_path / "executed").exists()
