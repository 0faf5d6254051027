"""What ends the commands of a host that was killed, and so could not end them itself.

One small shell per process of ours reads names of families from a pipe that only we can write to. Where the pipe ends
before a family is taken back, we are gone: then `family.py`, run as a program, ends those that are left.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable

from pegboard_builtins.shell_tool import family
from pegboard_builtins.shell_tool.family import MARK

PATIENCE = 1.0
"""Seconds that the shell may take to end, once there is nothing left to do for it."""
WATCH = """
left=' '
while read -r sign name; do
  case $sign in
    +) left="$left$name " ;;
    -) case $left in *" $name "*) left="${left%%" $name "*} ${left#*" $name "}" ;; esac ;;
  esac
done
case $left in *[!\\ ]*) exec "$@" $left ;; esac
"""


class Guard:
    """The shell that watches, started when there is a first family to watch over. Never raises: it is a second net."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families: dict[str, None] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def watch(self, name: str, instead_of: str = "") -> None:
        """End this family should we be killed; it takes the place of another one."""
        with self._lock:
            self._families[name] = None
            self._families.pop(instead_of, None)
            self._tell(f"+ {name}\n- {instead_of}\n" if instead_of else f"+ {name}\n")

    def leave(self, name: str) -> None:
        """It has ended, or is not ours to end any more."""
        with self._lock:
            if name in self._families:
                del self._families[name]
                self._tell(f"- {name}\n")

    def close(self) -> None:
        """Let the shell end, which kills what it still watches over."""
        with self._lock:
            self._close()

    def _tell(self, words: str) -> None:
        try:
            if self._process is None:
                self._start(self._families)
                return
            try:
                os.write(self._pipe, words.encode())
            except BrokenPipeError:  # somebody has ended it
                self._close()
                self._start(self._families)
        except OSError:
            pass  # no shell, no pipe, no process to be had: then commands are not watched over

    def _start(self, families: Iterable[str]) -> None:
        theirs, ours = os.pipe()
        kept = {name: value for name, value in os.environ.items() if name != MARK}
        try:
            # In a session of its own: what a terminal sends to us, and who kills our group, must not reach it.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", WATCH, "sh", sys.executable, "-I", "-S", family.__file__],
                stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd="/", env=kept, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._pipe = ours
        os.set_blocking(ours, False)  # a shell that was stopped must not stop us
        os.write(ours, "".join(f"+ {name}\n" for name in families).encode())

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        os.close(self._pipe)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.returncode = 0  # it ends by itself; nobody need be warned that it runs


GUARD = Guard()
"""One per process, because processes are killed."""
