"""The table `[mcp]`."""

from typing import Any, Literal

from pegboard.typed import Typed, fact

TABLE = "mcp"
PROJECT_FILE = ".mcp.json"


class McpSettings(Typed):
    """Which servers there are, and how long is waited for them."""

    servers: dict[str, dict[str, Any]] = fact(
        default={}, description="The servers by name: `[mcp.servers.NAME]` with `command` or `url`."
    )
    disabled: tuple[str, ...] = fact(default=(), description="Names of servers that take no part.")
    project_file: bool = fact(default=True, description="Whether the project's .mcp.json is read.")
    wait: float = fact(
        default=10.0,
        ge=0,
        description="Seconds that the first turn waits for servers to start; who is later comes with the next turn.",
    )


class ServerSettings(Typed):
    """One server, as `[mcp.servers.NAME]` and .mcp.json declare it."""

    type: Literal["stdio", "http"] | None = fact(
        default=None, description="stdio where there is a `command`, http where there is a `url`."
    )
    command: str = fact(default="", description="The program that is the server.")
    args: tuple[str, ...] = fact(default=(), description="Its arguments.")
    env: dict[str, str] = fact(default={}, description="More variables for it; it inherits PATH, HOME and the like.")
    cwd: str = fact(default="", description="Where it runs; the project folder unless said.")
    url: str = fact(default="", description="The endpoint of a server over streamable HTTP.")
    headers: dict[str, str] = fact(default={}, description="More headers of each request.")
    oauth: bool = fact(default=True, description="Whether a token of `pegboard mcp login` is used.")
    client_id: str = fact(default="", description="The OAuth client's id, where the server registers none by itself.")
    scopes: str = fact(default="", description="The OAuth scopes to ask for, with blanks between.")
    start_seconds: float = fact(default=30.0, gt=0, description="How long starting it may take.")
    list_seconds: float = fact(default=15.0, gt=0, description="How long listing its tools may take.")
    call_seconds: float = fact(default=300.0, gt=0, description="How long a call may take.")
    max_message: int = fact(default=16_000_000, ge=1_000, description="Bytes that one message of it may have.")
    max_tools: int = fact(default=500, ge=1, description="How many of its tools are taken.")
    tools: tuple[str, ...] = fact(default=(), description="Only these of its tools, by name or pattern; all if empty.")
    without: tuple[str, ...] = fact(default=(), description="None of these tools, by name or pattern.")
    hints: bool = fact(
        default=True,
        description="Whether tools that it calls read-only run without a question. Else all are asked about.",
    )
