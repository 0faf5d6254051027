"""The page of commands and skills: the verbs."""

from __future__ import annotations

from reference_pages.command_line import Command, command_sections, commands_of
from reference_pages.markdown import page


def commands_page() -> str:
    """Return the page."""
    from pegboard_builtins.commands.verbs import app

    intro = (
        "[Write commands and skills](../how-to/write-commands-and-skills.md) tells what all of this is\n"
        "for; the settings are those of [`[commands]`](settings.md)."
    )
    found: list[Command] = list(commands_of(app, "commands "))
    return page("Commands and skills", "`pegboard commands`", intro, ["## The verbs", *command_sections(found)])
