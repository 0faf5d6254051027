"""The page of MCP: what a declaration of a server may say, and the verbs."""

from __future__ import annotations

from reference_pages.command_line import Command, command_sections, commands_of
from reference_pages.markdown import code, page, table


def mcp_page() -> str:
    """Return the page."""
    from pegboard_builtins.mcp.settings import ServerSettings
    from pegboard_builtins.mcp.verbs import app

    intro = (
        "[Use MCP servers](../how-to/use-mcp-servers.md) and [Offer tools to another agent](../how-to/serve-tools.md)\n"
        "tell what all of this is for; the other settings are those of [`[mcp]`](settings.md)."
    )
    rows = [
        (code(name), _type(str(one.annotation)), code(_shown(one.default)), one.description or "")
        for name, one in ServerSettings.model_fields.items()
    ]
    found: list[Command] = list(commands_of(app, "mcp "))
    sections = [
        "## A server\n\n"
        "The keys of `[mcp.servers.NAME]`, and of an entry of `mcpServers` in the project's `.mcp.json`.\n"
        "`${NAME}` and `${NAME:-default}` in `command`, `args`, `env`, `cwd`, `url` and `headers` stand for\n"
        "a variable or a secret of the keyring.",
        table(("key", "type", "default", "what it says"), rows),
        "## The verbs",
        *command_sections(found),
    ]
    return page("MCP", "`pegboard mcp`", intro, sections)


def _type(annotation: str) -> str:
    named = {"<class 'str'>": "text", "<class 'float'>": "number", "<class 'int'>": "number", "<class 'bool'>": "bool"}
    if annotation in named:
        return named[annotation]
    return "table" if annotation.startswith("dict") else "list" if annotation.startswith("tuple") else "`stdio`, `http`"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if not value else str(value)
