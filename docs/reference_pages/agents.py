"""The page of sub-agents: what a file may say, what the tool takes, and the verbs."""

from __future__ import annotations

from typing import Any

from reference_pages.command_line import Command, command_sections, commands_of
from reference_pages.markdown import code, page, table


def agents_page() -> str:
    """Return the page."""
    from pegboard_builtins.agents.builtin import BUILTIN
    from pegboard_builtins.agents.definition import READ, UNREAD
    from pegboard_builtins.agents.running import agent
    from pegboard_builtins.agents.verbs import app

    intro = (
        "[Use sub-agents](../how-to/use-sub-agents.md) tells what all of this is for; the settings are those of\n"
        "[`[agents]`](settings.md)."
    )
    schema: dict[str, Any] = agent.input_schema
    needed = schema.get("required", ())
    inputs = [
        (code(name) + ("" if name in needed else " (not always)"), facts.get("description", ""))
        for name, facts in schema["properties"].items()
    ]
    there = [(code(one.name), ", ".join(one.tools or ("all",)), one.description) for one in BUILTIN]
    found: list[Command] = list(commands_of(app, "agents "))
    return page(
        "Sub-agents",
        "`pegboard_builtins.agents`",
        intro,
        [
            "## A file",
            table(("key", "what it means"), [(code(key), text) for key, text in READ.items()]),
            f"Known and without effect here: {', '.join(code(key) for key in sorted(UNREAD))}.",
            "## What is built in",
            table(("name", "tools", "for what"), there),
            "## The tool `Agent`",
            table(("input", "what it is"), inputs),
            "## The verbs",
            *command_sections(found),
        ],
    )
