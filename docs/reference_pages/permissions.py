"""The page of `pegboard permissions`: its verbs."""

from __future__ import annotations

from reference_pages.command_line import command_sections, commands_of
from reference_pages.markdown import page


def permissions_page() -> str:
    """Return the page."""
    from pegboard_builtins.permissions.verbs import app

    return page(
        "Permission rules",
        "the code of `permissions`",
        "The verbs that show, try and judge rules. What rules say is told in "
        "[Allow what you mean](../how-to/allow-what-you-mean.md), how they are decided in "
        "[How permission rules are decided](../explanation/permissions.md), and the table `[permissions]` among the "
        "[settings](settings.md).",
        list(command_sections(list(commands_of(app, "permissions ")))),
    )
