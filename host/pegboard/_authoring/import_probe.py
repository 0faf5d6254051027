"""A process of its own that imports one plugin and tells what that took and did: `python -X importtime -m ... VALUE`.

Its last line on stdout is JSON; what stands before it the plugin printed. The times are on stderr, after the marker.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

MARKER = "pegboard: the plugin's own import begins here"
WATCHED = {
    "subprocess.Popen": "starts a process",
    "os.exec": "becomes another program",
    "os.posix_spawn": "starts a process",
    "os.system": "runs a command",
    "os.fork": "forks",
    "socket.connect": "opens a connection",
    "socket.bind": "listens on a socket",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.mkdir": "makes a folder",
    "os.rmdir": "removes a folder",
    "shutil.rmtree": "removes a folder",
}
"""What an import has no business to do, by its audit event."""


def main(value: str) -> None:
    """Import what an entry point's value names, and print what came of it."""
    # The host's own modules are not the plugin's to pay for.
    import pegboard.context
    import pegboard.declares
    import pegboard.flags
    import pegboard.hookspecs
    import pegboard.records
    import pegboard.tools  # noqa: F401
    from pegboard._board.registry import resolve

    done: list[str] = []
    sys.addaudithook(lambda event, facts: _note(done, event, facts))
    print(MARKER, file=sys.stderr, flush=True)
    started = time.perf_counter()
    resolve(value)
    taken = (time.perf_counter() - started) * 1e3
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    done += [f"starts the thread {name!r}" for name in threads]
    print(json.dumps({"ms": taken, "does": sorted(set(done))}), flush=True)


def _note(done: list[str], event: str, facts: tuple[Any, ...]) -> None:
    if event in WATCHED:
        done.append(f"{WATCHED[event]}{_named(facts)}")
    elif event == "open" and _writes(facts) and ".pyc" not in str(facts[0]):  # Python writes its byte code itself
        done.append(f"writes to {facts[0]}")


def _named(facts: tuple[Any, ...]) -> str:
    first = next((one for one in facts if isinstance(one, str | bytes)), "")
    return f": {os.fsdecode(first)}" if first else ""


def _writes(facts: tuple[Any, ...]) -> bool:
    mode, flags = facts[1], facts[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR))


if __name__ == "__main__":
    main(sys.argv[1])
