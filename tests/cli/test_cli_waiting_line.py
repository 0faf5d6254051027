"""`pegboard run` on a terminal shows that it waits."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = '[[turn]]\ndelay = 3.2\ntext = "At last."\n'


def on_a_terminal(folder: Path, *options: str, term: str = "xterm") -> str:
    """Run it with all its streams on a terminal, and return what that was sent."""
    (folder / "slow.toml").write_text(SCRIPT)
    places = {f"XDG_{what}_HOME": str(folder / what.lower()) for what in ("STATE", "CONFIG", "DATA", "CACHE")}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pegboard", "run", "-m", "scripted:slow.toml", *options, "Go."],
        cwd=folder,
        env={**os.environ, **places, "HOME": str(folder), "TERM": term},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    sent = b""
    try:
        while piece := os.read(ours, 65536):
            sent += piece
    except OSError:  # so the other end's close is told on Linux
        pass
    os.close(ours)
    assert process.wait() == 0
    return sent.decode()


def test_a_slow_model_is_named_and_the_line_goes_away_when_it_answers(tmp_path: Path) -> None:
    sent = on_a_terminal(tmp_path)
    assert "... scripted:slow.toml, 2 s" in sent
    before, _, after = sent.partition("At last.")
    assert before.endswith("\r\x1b[K")
    assert "scripted:slow.toml" not in after


@pytest.mark.parametrize(
    ("options", "term"),
    [
        pytest.param(["--quiet"], "xterm", id="quiet"),
        pytest.param(["--output", "json"], "xterm", id="JSON"),
        pytest.param([], "dumb", id="a terminal that takes no line back"),
    ],
)
def test_elsewhere_nothing_is_drawn(tmp_path: Path, options: list[str], term: str) -> None:
    assert ", 2 s" not in on_a_terminal(tmp_path, *options, term=term)
