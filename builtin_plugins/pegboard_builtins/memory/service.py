"""Units that let systemd or launchd run the daemon, for people who want it there from the login on."""

from __future__ import annotations

import os
import plistlib
import sys
from dataclasses import replace
from pathlib import Path

from pegboard_builtins.memory.place import Config
from pegboard_builtins.memory.starting import LOG, argv_of

NAME = "pegboard-memory"
FOREVER = 10.0**9
UNIT = """[Unit]
Description=Pegboard's memory

[Service]
Type=exec
ExecStart={command}
Restart=on-failure
RestartSec=5
# 75: another daemon is there already, and serves just as well
SuccessExitStatus=75
RestartPreventExitStatus=75
WorkingDirectory=/
UMask=0077

[Install]
WantedBy=default.target
"""


def unit_path(kind: str) -> Path:
    """Return where the user's unit of this kind belongs."""
    if kind == "launchd":
        return Path.home() / "Library/LaunchAgents" / f"{NAME}.plist"
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "systemd/user" / f"{NAME}.service"


def unit_text(kind: str, config: Config) -> str:
    """Return a unit that runs a daemon which does not end for want of use."""
    argv = argv_of(replace(config, idle_exit=FOREVER))
    if kind == "launchd":
        log = str(config.root / LOG)
        facts = {
            "Label": NAME,
            "ProgramArguments": argv,
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 30,
            "WorkingDirectory": "/",
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
        return plistlib.dumps(facts).decode()
    return UNIT.format(command=" ".join(map(_quoted, argv)))


def _quoted(word: str) -> str:
    """Return a word as systemd reads it: quoted, with its escapes, specifiers and variables taken literally."""
    for sign, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$"), ("\n", "\\n")):
        word = word.replace(sign, written)
    return f'"{word}"'


def kind_here() -> str:
    """Return which of the two this system has."""
    return "launchd" if sys.platform == "darwin" else "systemd"


def how_to_begin(kind: str) -> str:
    """Return the command that makes the unit count."""
    if kind == "launchd":
        return f"launchctl bootstrap gui/$(id -u) {unit_path(kind)}"
    return f"systemctl --user daemon-reload && systemctl --user enable --now {NAME}"
