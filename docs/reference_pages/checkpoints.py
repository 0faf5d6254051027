"""The page of checkpoints: the verbs."""

from __future__ import annotations

from reference_pages.command_line import Command, command_sections, commands_of
from reference_pages.markdown import page


def checkpoints_page() -> str:
    """Return the page."""
    from pegboard_builtins.git_safety.verbs import app

    intro = (
        "[Undo what a turn did](../how-to/undo-a-turn.md) tells what all of this is for; the settings are those of\n"
        "[`[git_safety]`](settings.md)."
    )
    found: list[Command] = list(commands_of(app, "checkpoints "))
    return page("Checkpoints", "`pegboard checkpoints`", intro, ["## The verbs", *command_sections(found)])
