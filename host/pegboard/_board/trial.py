"""Bringing packs up in a process of its own first: one that ends the interpreter, or never ends, ends only that.

Each is imported, and its `register` called with the settings that it comes with. Everything else that may go wrong is
met in the host itself, which says why. Run as a program it is that process: it takes plugins on stdin and tells on a
pipe which one it is at.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pegboard._board.registry import Board

SECONDS = 10.0
"""How long one import may take here, and one `register` that does not say how long it may take."""
Plugin = tuple[str, str]
"""Its name and its entry point's value."""
IMPORT, REGISTER = "import", "register"


class _Place(NamedTuple):
    """Where the process has come to: the plugin, what it does, and whether it took too long for that."""

    name: str = ""
    doing: str = IMPORT
    seconds: float = 0.0
    late: bool = False


def failures(plugins: Iterable[Plugin], seconds: float = SECONDS) -> dict[str, str]:
    """Bring plugins up in a process of its own; return those that end it or do not end, each with what happened."""
    found: dict[str, str] = {}
    waiting = list(plugins)
    while waiting:
        ended, culprit, what = _tried(waiting, seconds)
        if not culprit:
            break
        found[culprit] = what
        waiting = [one for one in waiting if one[0] not in ended and one[0] != culprit]
    return found


def _tried(plugins: Sequence[Plugin], seconds: float) -> tuple[set[str], str, str]:
    """Go on until one of them ends the process; return which have ended, the culprit ("" for none) and its deed."""
    reader, writer = os.pipe()
    with tempfile.TemporaryDirectory(prefix="pegboard-trial-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pegboard._board.trial", str(writer)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(writer,),
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        os.close(writer)
        try:
            assert process.stdin is not None
            try:
                said = {"path": sys.path, "folder": folder, "plugins": list(plugins)}
                process.stdin.write(json.dumps(said).encode())
                process.stdin.close()
            except BrokenPipeError:
                pass
            ended, at = _followed(reader, seconds)
        finally:
            os.close(reader)
            _end(process)
    if at.late:
        return ended, at.name, f"its {at.doing} has not ended after {at.seconds:.0f} s"
    if not at.name or at.name in ended:
        return ended, "", ""
    return ended, at.name, f"its {at.doing} {_deed(process.returncode)}"


def _followed(reader: int, seconds: float) -> tuple[set[str], _Place]:
    """Read which plugins begin and end, until the pipe closes or one takes too long."""
    ended: set[str] = set()
    at, rest = _Place(seconds=seconds), b""
    deadline = time.monotonic() + 3 * seconds  # the first has the interpreter's start before it
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return ended, at._replace(late=bool(at.name) and at.name not in ended)
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            return ended, at
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            word, limit, name = line.decode().split(" ", 2)
            if word == "end":
                ended.add(name)
            else:
                at = _Place(name, word, max(seconds, float(limit)))
        deadline = time.monotonic() + at.seconds


def _deed(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"ends the interpreter ({name})"
    return f"leaves the interpreter (exit code {code})"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that its packs have started; one that ends by itself has a moment to."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


# --- in the process of its own -------------------------------------------------------------------------


def main(writer: int) -> None:
    """Bring up what stands on stdin, and tell on the pipe where it is."""
    from pegboard._board import registry
    from pegboard.hookspecs import POLICIES
    from pegboard.settings import load_settings

    said = json.loads(sys.stdin.buffer.read())
    sys.path[:] = said["path"]
    folder = Path(said["folder"])
    # The host's own deadline is short, and a busy machine would decide about packs: here only the parent's counts.
    POLICIES[REGISTER] = replace(POLICIES[REGISTER], timeout=None)
    view = load_settings(folder, config_dir=folder, trusted=True, environment={}, managed=None)
    for name, value in said["plugins"]:
        try:
            _bring_up(name, value, registry.Board(view), writer)
        except BaseException:  # what can be caught is the host's to tell
            pass
        _tell(writer, "end", name)
    os._exit(0)  # threads and exit functions of packs are nobody's concern here


def _bring_up(name: str, value: str, board: Board, writer: int) -> None:
    from pegboard._board.discovery import PluginRecord
    from pegboard._board.registry import resolve
    from pegboard.hookspecs import NO_OPTIONS, OPTIONS

    _tell(writer, IMPORT, name)
    plugin = resolve(value)
    register = getattr(plugin, REGISTER, None)
    if register is not None:
        said = getattr(register, OPTIONS, NO_OPTIONS).timeout
        _tell(writer, REGISTER, name, said if isinstance(said, int | float) else 0.0)
        board.load([PluginRecord(name, value, plugin=plugin)])


def _tell(writer: int, word: str, name: str, limit: float = 0.0) -> None:
    os.write(writer, f"{word} {limit} {name}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
