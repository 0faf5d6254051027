"""A server written with the official package, for tests: over both transports, and misbehaving on demand.

python mcp_test_server.py [stdio | http PORT] [BEHAVIOUR]
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Annotated

import anyio
import mcp_types as types
from mcp.server.mcpserver import Context, Image, MCPServer
from pydantic import BaseModel, Field

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

server = MCPServer("everything", log_level="CRITICAL")
READS = types.ToolAnnotations(read_only_hint=True)


class Weather(BaseModel):
    city: str
    degrees: int


@server.tool(annotations=READS)
def add(a: int, b: Annotated[int, Field(description="The other one.")]) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
def write_down(text: str) -> str:
    """Change something."""
    return f"written: {text}"


@server.tool(annotations=READS)
def weather(city: str) -> Weather:
    """Say what the weather is like."""
    return Weather(city=city, degrees=21)


@server.tool(annotations=READS)
def picture() -> Image:
    """Draw a picture."""
    return Image(data=PIXEL, format="png")


@server.tool(annotations=READS)
def fail(text: str) -> str:
    """Fail."""
    raise ValueError(text)


@server.tool(annotations=READS)
def crash() -> str:
    """End the server in the middle of a call."""
    print("the last words", file=sys.stderr, flush=True)
    os._exit(3)


@server.tool(annotations=READS)
async def hang(seconds: float = 3600.0) -> str:
    """Never answer."""
    await anyio.sleep(seconds)
    return "slept"


@server.tool(annotations=READS)
def much(characters: int = 1_000_000) -> str:
    """Say very much."""
    return "x" * characters


@server.tool(annotations=READS)
def environment() -> str:
    """Show the names of the variables."""
    return " ".join(sorted(os.environ))


@server.tool(annotations=READS)
def variable(name: str) -> str:
    """Show one variable."""
    return os.environ.get(name, "(unset)")


@server.tool(annotations=READS)
async def grow(ctx: Context) -> str:
    """Get another tool."""

    def grown() -> str:
        """Be new."""
        return "new"

    server.add_tool(grown, name="grown", annotations=READS)
    await ctx.session.send_tool_list_changed()
    return "there is another tool now"


@server.tool(annotations=READS)
async def ask(ctx: Context) -> str:
    """Ask the person something."""

    answer = await ctx.elicit("Who are you?", Weather)
    return str(answer)


def _child() -> None:
    """Start a process that would outlive the server."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", "mcp-grandchild"])


def _flood() -> None:
    line = (
        b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"' + b"x" * 100 + b'"}}\n'
    )
    while True:
        os.write(1, line * 50)


def main(words: list[str]) -> None:
    behaviour = words[-1] if words else ""
    if behaviour == "silent":
        time.sleep(3600)
    if behaviour == "broken":
        print("Traceback: no module named acme", file=sys.stderr)
        sys.exit(1)
    if behaviour == "noisy":
        print("Starting up, this is no message")
        sys.stdout.flush()
    if behaviour == "endless":
        while True:
            os.write(1, b"x" * 65536)
    if behaviour == "flood":
        threading.Thread(target=_flood, daemon=True).start()
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _child()
        threading.Thread(target=lambda: server.run("stdio"), daemon=True).start()
        time.sleep(3600)
    if behaviour == "parent":
        _child()
    if words[:1] == ["http"]:
        server.run("streamable-http", host="127.0.0.1", port=int(words[1]))
    else:
        server.run("stdio")


if __name__ == "__main__":
    main(sys.argv[1:])
