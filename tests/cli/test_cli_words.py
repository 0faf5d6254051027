"""Plain words of `pegboard run`: read without typer, to the same end as with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pegboard._cli import running
from pegboard._cli.app import run_command_line
from pegboard._cli.words import MODES, SWITCHES, VALUES, Output, Wanted, plain_run

OPTIONS = (*SWITCHES, *VALUES, "-m", "-o", "--allow", "--deny", "--flag", "--mod", "--help", "-cq", "--", "--nothing")
TEXTS = (
    "go",
    "",
    "-",
    "-x",
    "a=b",
    "é",
    "0",
    "1",
    "12",
    "0.5",
    "-3",
    "1e3",
    "1_0",
    "text",
    "json",
    "JSON",
    "plan",
    ".",
)
WORDS = st.sampled_from([*OPTIONS, *TEXTS, *(f"{name}={text}" for name in OPTIONS for text in TEXTS)])


@pytest.fixture
def by_typer(monkeypatch, capsys):
    """Return a function that reads words with typer: what is wanted, or None if it refuses them or shows help."""
    seen = []
    monkeypatch.setattr(running, "run", lambda wanted, no_plugins: seen.append(wanted) or 0)

    def read(words):
        seen.clear()
        run_command_line(["run", *words])
        capsys.readouterr()
        return seen[0] if seen else None

    return read


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, max_size=5))
@example(words=["go", "--max-steps", "3", "--allow", "Read", "--allow", "Bash(ls *)", "-o", "json", "-q"])
@example(words=["--mode", "plan", "--cwd", ".", "--max-cost=0", "--max-time", "0.5", "go"])
def test_plain_words_mean_what_they_mean_to_typer(by_typer, words):
    plain = plain_run(["run", *words])
    if plain is not None:
        assert plain == by_typer(words)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param(["go"], Wanted(prompt="go"), id="a prompt"),
        pytest.param(["--model", "a:b", "go on"], Wanted(prompt="go on", model="a:b"), id="an option with its value"),
        pytest.param(["-m=x"], None, id="a short option with an equals sign is typer's"),
        pytest.param(["--output=json", "-"], Wanted(prompt="-", output=Output.JSON), id="an equals sign"),
        pytest.param(["--allow", "A", "--allow", "B"], Wanted(allow=("A", "B")), id="lists add up"),
        pytest.param(["-c", "--quiet"], Wanted(continue_=True, quiet=True), id="switches"),
        pytest.param(["one", "two"], None, id="two prompts"),
        pytest.param(["--mode", "nice"], None, id="a mode that nobody knows"),
        pytest.param(["--max-steps", "0"], None, id="out of range"),
        pytest.param(["--cwd", "/nowhere"], None, id="no such folder"),
        pytest.param(["--effort", "max", "go"], Wanted(prompt="go", effort="max"), id="an effort"),
        pytest.param(["--effort", "much", "go"], None, id="an effort that there is not"),
        pytest.param(["--model"], None, id="a value that is missing"),
        pytest.param(["--help"], None, id="help"),
    ],
)
def test_words_that_are_not_plain_are_left_to_typer(words, wanted):
    assert plain_run(["run", *words]) == wanted


def test_every_mode_is_plain():
    assert [plain_run(["run", "--mode", mode]) for mode in MODES] == [Wanted(mode=mode) for mode in MODES]


def test_completion_is_left_to_typer():
    assert plain_run(["run", "go"], {"_PEGBOARD_COMPLETE": "bash_complete"}) is None


def test_a_plain_run_imports_neither_typer_nor_rich(tmp_path: Path):
    (tmp_path / "script.toml").write_text('[[turn]]\ntext = "done"\n')
    program = (
        "import sys; from pegboard._cli.main import main\n"
        "code = main(['run', '--model', 'scripted:script.toml', '--no-plugins', 'go'])\n"
        "print(code, sorted({'typer', 'rich', 'anthropic'} & set(sys.modules)))"
    )
    environment = {
        "PEGBOARD_STATE_DIR": str(tmp_path / "state"),
        "PEGBOARD_CONFIG_DIR": str(tmp_path / "config"),
        "PEGBOARD_MEMORY__ON": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == ["done", "0 []"], done.stderr
