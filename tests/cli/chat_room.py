"""A person at a terminal that talks with `pegboard chat`: tmux, keys, and a screen to wait for."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEADLINE = 60.0
"""Seconds until a text must stand on the screen: for the slowest machine, never for the usual one."""
MISSING = shutil.which("tmux") is None
needs_tmux = pytest.mark.skipif(MISSING, reason="tmux is not installed; chat is driven through it")

ASKS = '[[turn.call]]\nname = "Bash"\ninput = {{ command = "{command}" }}\n'


class Room:
    """A terminal window in a server of its own, with a project, a state folder and a chat in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()
        self.state = folder / "state"
        self.config = folder / "config"
        self._socket = folder / "tmux"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PEGBOARD", "TMUX"))},
            "PEGBOARD_STATE_DIR": str(self.state),
            "PEGBOARD_MEMORY__ON": "false",
            "PEGBOARD_CONFIG_DIR": str(self.config),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PS1": "$ ",
        }

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", "/dev/null", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout

    def start(self, script: str, *words: str, width: int = 80, height: int = 40, **environment: str) -> None:
        """Begin a chat with a scripted model, and wait until it can be typed to."""
        (self.project / "script.toml").write_text(script)
        self.begin("--model", "scripted:script.toml", *words, width=width, height=height, **environment)
        self.wait("/help tells more")

    def begin(self, *words: str, width: int = 80, height: int = 40, **environment: str) -> None:
        """Type the command line of a chat."""
        self.environment |= environment
        command = shlex.join([sys.executable, "-m", "pegboard", "chat", *words])
        if not self._socket.exists():
            self.tmux("new-session", "-d", "-x", str(width), "-y", str(height), "-c", str(self.project), "bash --norc")
        else:
            self.tmux("send-keys", "clear", "Enter")
        given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        self.tmux("send-keys", "-l", f"clear; {given} {command}; echo ended with $?")
        self.tmux("send-keys", "Enter")

    def end(self) -> None:
        self.tmux("kill-server")

    # --- what a person does and sees -------------------------------------------------------------------

    def type(self, text: str) -> None:
        """Type a text, and Enter."""
        self.keys(text)
        self.press("Enter")

    def keys(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)

    def press(self, *names: str) -> None:
        self.tmux("send-keys", *names)

    def screen(self, *, past: bool = True) -> str:
        """Return what stands in the window, and what has scrolled away."""
        return self.tmux("capture-pane", "-p", *(["-S", "-2000"] if past else []))

    def wait(self, wanted: str, *, times: int = 1) -> str:
        """Wait until a text (a regular expression) stands there so often, and return the screen."""
        ends = time.monotonic() + DEADLINE
        while True:
            screen = self.screen()
            if len(re.findall(wanted, screen)) >= times:
                return screen
            if time.monotonic() > ends:
                raise AssertionError(f"{wanted!r} does not stand {times} times in\n{screen}")
            time.sleep(0.05)

    def wait_gone(self, wanted: str) -> str:
        """Wait until a text does not stand in the window any more."""
        ends = time.monotonic() + DEADLINE
        while re.search(wanted, screen := self.screen(past=False)):
            if time.monotonic() > ends:
                raise AssertionError(f"{wanted!r} still stands in\n{screen}")
            time.sleep(0.05)
        return screen

    def wait_file(self, name: str) -> str:
        """Wait for a file in the project, and return what is in it."""
        ends = time.monotonic() + DEADLINE
        while not (self.project / name).exists():
            if time.monotonic() > ends:
                raise AssertionError(f"there is no {name}\n{self.screen()}")
            time.sleep(0.05)
        return (self.project / name).read_text()

    def records(self) -> str:
        """Return the journals."""
        return "".join(path.read_text() for path in sorted(self.state.glob("sessions/*/*.jsonl")))


def asks(command: str) -> str:
    """Return the turn of a script that calls Bash."""
    return f"[[turn]]\n{ASKS.format(command=command)}"


def says(text: str) -> str:
    """Return the turn of a script that ends with a text."""
    return f"[[turn]]\ntext = {text!r}\n"
