"""The page of the chat: its commands and its keys."""

from __future__ import annotations

from reference_pages.markdown import code, page, table
from reference_pages.settings import host_of_built_ins

from pegboard._cli.chat.slash import KEYS, commands


def chat_page() -> str:
    """Return the page."""
    with host_of_built_ins() as host:
        found = commands(host)
    rows = [
        (code(f"/{one.name} {one.args}".strip()), one.help, one.plugin, "yes" if one.anytime else "")
        for one in found.values()
    ]
    return page(
        "The chat",
        "`pegboard._cli.chat` and the built-in plugins",
        "What may be typed in `pegboard chat` ([how to use it](../how-to/talk-in-a-terminal.md)). The beginning of a\n"
        "command will do where no other command begins like that. A plugin brings commands with\n"
        "`registry.add_command(NAME, chat='module:function')`; it cannot take a name that is here.",
        [
            "## Commands",
            table(("command", "what it does", "of the plugin", "while it works"), rows),
            "## Keys",
            table(("key", "what it does"), KEYS),
        ],
    )
