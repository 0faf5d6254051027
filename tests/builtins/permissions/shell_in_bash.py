"""What bash makes of a command: it runs it, with stand-ins for what must not happen."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

STAND_INS = ("rm", "npm", "make", "git", "sudo", "doas")
REAL = (
    *("bash", "base64", "basename", "cat", "cut", "diff", "dirname", "env", "find", "grep", "head", "ls", "nice"),
    *("nohup", "setsid", "sh", "sort", "stdbuf", "tail", "tee", "timeout", "touch", "tr", "wc", "xargs"),
)
RECORDER = r"""#!/bin/bash
line=${0##*/}
for word in "$@"; do printf -v quoted %q "$word"; line+=$'\t'$quoted; done
printf '%s\n' "$line" >> "$RECORDED"
case ${0##*/} in sudo|doas) while [[ $1 == -* || $1 == *=* || $1 == root ]]; do shift; done; exec "$@";; esac
"""
SECRET = "keep-me\n"
LONG_AGO = 1_000_000_000


@dataclass
class Run:
    """What a command did: the stand-ins that ran, what was printed, and whether it changed the file `keep/x`."""

    ran: list[list[str]]
    output: str
    changed: bool


class Bash:
    """Runs commands with the stand-ins on PATH, each in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.number = root, 0
        self.bin = root / "bin"
        self.bin.mkdir(parents=True)
        recorder = self.bin / ".recorder"
        recorder.write_text(RECORDER)
        recorder.chmod(0o755)
        for name in STAND_INS:
            (self.bin / name).symlink_to(recorder)
        for name in REAL:
            found = shutil.which(name, path="/usr/bin:/bin")
            if found:
                (self.bin / name).symlink_to(found)

    def ran(self, command: str) -> list[list[str]]:
        """Return what ran: each stand-in with its words, as bash quotes them."""
        return self.run(command, str(self.bin)).ran

    def run(self, command: str, path: str) -> Run:
        self.number += 1
        work, log = self.root / f"w{self.number}", self.root / f"log{self.number}"
        (work / "src").mkdir(parents=True)
        (work / "in.txt").write_text("a\n")
        (work / "keep").mkdir()
        kept = work / "keep" / "x"
        kept.write_text(SECRET)
        os.utime(kept, (LONG_AGO, LONG_AGO))
        (work / "link").symlink_to("keep")
        before = _state(kept)
        log.touch()
        environment = {"PATH": path, "HOME": str(work), "RECORDED": str(log), "LC_ALL": "C.UTF-8"}
        said = self.root / f"said{self.number}"
        with (
            said.open("wb") as output,
            subprocess.Popen(
                ["/bin/bash", "-c", command],
                cwd=work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            ) as process,
        ):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
        ran = [line.split("\t") for line in log.read_text(errors="replace").splitlines()]
        return Run(ran, said.read_text(errors="replace"), changed=_state(kept) != before)


def _state(file: Path) -> tuple[object, ...]:
    if not file.exists():
        return ()
    facts = file.stat()
    others = sorted(path.name for path in file.parent.iterdir())
    return (file.read_text(), facts.st_mtime, facts.st_ino, facts.st_mode, *others)


def some_of(listed: list[str], wanted: int) -> list[str]:
    return listed[:: max(1, len(listed) // max(wanted, 1))]
