"""A server written with the official package, for tests: `python mcp_test_server.py [http PORT]`."""

from __future__ import annotations

import base64
import os
import sys
from typing import Annotated

import mcp_types as types
from mcp.server.mcpserver import Context, Elicit, Image, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
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
    raise ToolError(text)


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

    def grown(text: str) -> str:
        """Be new."""
        return text

    server.add_tool(grown, name="grown", annotations=READS)
    await ctx.notify_tools_changed()
    return "there is another tool now"


def who() -> Elicit[Weather]:
    return Elicit("Where are you, and how is it there?", Weather)


@server.tool(annotations=READS)
def ask(told: Annotated[Weather, Resolve(who)]) -> str:
    """Ask the person something."""
    return f"{told.city}: {told.degrees}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("stdio")
