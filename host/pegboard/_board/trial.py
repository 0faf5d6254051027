"""Importing packs in a process of its own first: one that ends the interpreter, or never ends, ends only that.

Everything else that an import can do wrong is met in the host itself, which says why. Run as a program it is that
process: it takes plugins on stdin and tells on a pipe which one it is at.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

SECONDS = 10.0
"""How long one import may take here."""
Plugin = tuple[str, str]
"""Its name and its entry point's value."""


def failures(plugins: Iterable[Plugin], seconds: float = SECONDS) -> dict[str, str]:
    """Import plugins in a process of its own; return those that end it or do not end, each with what happened."""
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
    """Import until one of them ends the process; return which have ended, the culprit ("" for none) and its deed."""
    reader, writer = os.pipe()
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
            process.stdin.write(json.dumps({"path": sys.path, "plugins": list(plugins)}).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass
        ended, begun, late = _followed(reader, seconds)
    finally:
        os.close(reader)
        _end(process)
    if late:
        return ended, begun, f"its import has not ended after {seconds:.0f} s"
    if not begun or begun in ended:
        return ended, "", ""
    return ended, begun, _deed(process.returncode)


def _followed(reader: int, seconds: float) -> tuple[set[str], str, bool]:
    """Read which plugins begin and end, until the pipe closes or one takes too long."""
    ended: set[str] = set()
    begun, rest = "", b""
    deadline = time.monotonic() + 3 * seconds  # the first has the interpreter's start before it
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return ended, begun, bool(begun) and begun not in ended
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            return ended, begun, False
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            word, _, name = line.decode().partition(" ")
            if word == "begin":
                begun = name
            else:
                ended.add(name)
        deadline = time.monotonic() + seconds


def _deed(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"its import ends the interpreter ({name})"
    return f"its import leaves the interpreter (exit code {code})"


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


def main(writer: int) -> None:
    """Import what stands on stdin, and tell on the pipe where it is."""
    said = json.loads(sys.stdin.buffer.read())
    sys.path[:] = said["path"]
    for name, value in said["plugins"]:
        os.write(writer, f"begin {name}\n".encode())
        try:
            importlib.import_module(value.partition(":")[0].strip())
        except BaseException:  # what can be caught is the host's to tell
            pass
        os.write(writer, f"end {name}\n".encode())
    os._exit(0)  # threads and exit functions of packs are nobody's concern here


if __name__ == "__main__":
    main(int(sys.argv[1]))
