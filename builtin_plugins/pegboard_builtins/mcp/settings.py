"""The table `[mcp]`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TABLE = "mcp"
PROJECT_FILE = ".mcp.json"


class McpSettings(BaseModel):
    """Which servers there are, and how long is waited for them."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    servers: dict[str, dict[str, Any]] = Field(
        default={}, description="The servers by name: `[mcp.servers.NAME]` with `command` or `url`."
    )
    disabled: tuple[str, ...] = Field(default=(), description="Names of servers that take no part.")
    project_file: bool = Field(default=True, description="Whether the project's .mcp.json is read.")
    wait: float = Field(
        default=10.0,
        ge=0,
        description="Seconds that the first turn waits for servers to start; who is later comes with the next turn.",
    )


class ServerSettings(BaseModel):
    """One server, as `[mcp.servers.NAME]` and .mcp.json declare it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    type: Literal["stdio", "http"] | None = Field(
        default=None, description="stdio where there is a `command`, http where there is a `url`."
    )
    command: str = Field(default="", description="The program that is the server.")
    args: tuple[str, ...] = Field(default=(), description="Its arguments.")
    env: dict[str, str] = Field(default={}, description="More variables for it; it inherits PATH, HOME and the like.")
    cwd: str = Field(default="", description="Where it runs; the project folder unless said.")
    url: str = Field(default="", description="The endpoint of a server over streamable HTTP.")
    headers: dict[str, str] = Field(default={}, description="More headers of each request.")
    oauth: bool = Field(default=True, description="Whether a token of `pegboard mcp login` is used.")
    client_id: str = Field(default="", description="The OAuth client's id, where the server registers none by itself.")
    scopes: str = Field(default="", description="The OAuth scopes to ask for, with blanks between.")
    start_seconds: float = Field(default=30.0, gt=0, description="How long starting it may take.")
    list_seconds: float = Field(default=15.0, gt=0, description="How long listing its tools may take.")
    call_seconds: float = Field(default=300.0, gt=0, description="How long a call may take.")
    max_message: int = Field(default=16_000_000, ge=1_000, description="Bytes that one message of it may have.")
    max_tools: int = Field(default=500, ge=1, description="How many of its tools are taken.")
    tools: tuple[str, ...] = Field(default=(), description="Only these of its tools, by name or pattern; all if empty.")
    without: tuple[str, ...] = Field(default=(), description="None of these tools, by name or pattern.")
    hints: bool = Field(
        default=True,
        description="Whether tools that it calls read-only run without a question. Else all are asked about.",
    )
