"""The way in: version, exit codes, the one boundary, --no-plugins, completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pegboard import __version__
from pegboard._cli import main as way_in
from pegboard._cli.app import VERBS, take_no_plugins
from pegboard.errors import BlockedError, LimitError, PegboardError

Run = subprocess.CompletedProcess[str]


def pegboard(*words: str, home: Path, **environment: str) -> Run:
    return subprocess.run(
        [sys.executable, "-m", "pegboard", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=home,
        env={**os.environ, "PEGBOARD_STATE_DIR": str(home / "state"), "PEGBOARD_CONFIG_DIR": str(home), **environment},
        timeout=120,
    )


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert way_in.main(["--version"]) == 0
    assert capsys.readouterr().out == f"pegboard {__version__}\n"


def test_wrong_usage_exits_2(tmp_path: Path) -> None:
    assert pegboard("run", "--no-such-option", home=tmp_path).returncode == 2
    assert pegboard("no-such-verb", home=tmp_path).returncode == 2


def test_help_names_every_verb_and_the_option_that_stands_anywhere(tmp_path: Path) -> None:
    done = pegboard("--help", home=tmp_path)
    assert done.returncode == 0
    for verb in VERBS:
        assert verb.name in done.stdout
    assert "--no-plugins" in done.stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [(PegboardError("wrong"), 1), (LimitError("too long"), 4), (BlockedError("no"), 5), (KeyboardInterrupt(), 130)],
)
def test_an_expected_error_is_one_line_and_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> int:
        raise error

    monkeypatch.setattr("pegboard._cli.app.run_command_line", fail)
    assert way_in.main(["doctor"]) == code
    said = capsys.readouterr().err
    assert said == (f"error: {error}\n" if str(error) else "")


def test_an_internal_error_exits_3_with_a_report_that_holds_no_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*given: object) -> int:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("pegboard._cli.app.run_command_line", fail)
    assert way_in.main(["doctor", "a secret prompt"]) == 3
    report = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in report
    assert f"pegboard {__version__}" in report
    assert "secret" not in report


@pytest.mark.parametrize(
    ("given", "words", "found"),
    [
        (["run", "x"], ["run", "x"], None),
        (["--no-plugins", "run"], ["run"], ""),
        (["run", "--no-plugins=a,b", "x"], ["run", "x"], "a,b"),
        (["run", "--no-plugins=a", "--no-plugins=b"], ["run"], "a,b"),
        (["run", "--", "--no-plugins"], ["run", "--", "--no-plugins"], None),
    ],
)
def test_no_plugins_is_taken_out_wherever_it_stands(given: list[str], words: list[str], found: str | None) -> None:
    assert take_no_plugins(given) == (words, found)


def test_a_pipe_that_is_closed_is_no_internal_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m pegboard hooks specs | head -1 > /dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert "internal error" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_full_disk_under_our_output_is_no_internal_error(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        argv = [sys.executable, "-m", "pegboard", "hooks", "specs"]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 1
    assert done.stderr.strip() == "error: the output cannot be written: No space left on device"


@pytest.mark.parametrize("verb", [["run", "hi", "--model", "scripted:s.toml"], ["doctor"]])
def test_a_folder_that_is_not_there_is_wrong_usage(verb: list[str], tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pegboard", *verb, "--cwd", str(tmp_path / "gone")]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "does not exist" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_whoever_started_us_has_closed_do_no_harm(closed: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[[turn]]\ntext = "Hello."\n')
    command = f"exec {sys.executable} -m pegboard run hi --model scripted:s.toml {closed}"
    environment = {**os.environ, "PEGBOARD_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if " >&-" in f" {closed}" else "Hello.\n")
    (journal,) = (tmp_path / "state").rglob("*.jsonl")
    assert all(line.startswith('{"seq":') for line in journal.read_text().splitlines())


def test_shells_complete_verbs(tmp_path: Path) -> None:
    done = pegboard(home=tmp_path, _PEGBOARD_COMPLETE="complete_bash", COMP_WORDS="pegboard se", COMP_CWORD="1")
    assert done.stdout.split() == ["sessions", "settings"]
