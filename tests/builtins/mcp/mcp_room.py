"""What the tests of MCP share: servers to start, sessions that use them, and a look at what is left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pegboard.messages import ToolResultBlock
from pegboard.testing import HostFixture

HERE = Path(__file__).parent
OFFICIAL = str(HERE / "mcp_test_server.py")
BARE = str(HERE / "mcp_bare_server.py")


def official(*words: str, **more: Any) -> dict[str, Any]:
    """The declaration of the server that the official package makes."""
    return {"command": sys.executable, "args": [OFFICIAL, *words], **more}


def bare(*words: str, **more: Any) -> dict[str, Any]:
    """The declaration of a server without any package, which starts at once and misbehaves as its words say."""
    return {"command": sys.executable, "args": ["-I", "-S", BARE, *words], **more}


def fixture(folder: Path, servers: dict[str, Any], **settings: Any) -> HostFixture:
    """A host with these servers and the permission to call them all."""
    mcp = {"servers": servers, **settings.pop("mcp", {})}
    tables = {"mcp": mcp, "permissions": {"allow": [f"mcp__{name}__*" for name in servers]}, **settings}
    host = HostFixture(folder=folder, settings=tables)
    host.builtin("mcp", "permissions", "planning_tools")
    return host


def results(host: HostFixture) -> list[ToolResultBlock]:
    return [block for message in host.messages for block in message.content if isinstance(block, ToolResultBlock)]


def texts(host: HostFixture) -> list[str]:
    return [str(block.content) for block in results(host)]


def running(mark: str) -> list[int]:
    """The processes that have *mark* in their command line, but for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark.encode() in words and state != "Z":
                found.append(int(entry.name))
    return found


@contextmanager
def over_http(*words: str) -> Iterator[str]:
    """Start a server over HTTP, `PORT` in its words being a free port, and yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, *(word.replace("PORT", str(port)) for word in words)]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def gone(mark: str, seconds: float = 20.0) -> bool:
    """Whether nothing with *mark* is left, after a while at most."""
    end = time.monotonic() + seconds
    while running(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
