"""The page of flags: their words, what the built-ins declare, and the verbs."""

from __future__ import annotations

from reference_pages.classes import described, members
from reference_pages.command_line import Command, command_sections, commands_of
from reference_pages.markdown import code, page, prose, summary, table


def flags_page() -> str:
    """Return the page of flags."""
    from pegboard import flags
    from pegboard_builtins.flags.verbs import app

    intro = (
        "[How flags are decided](../explanation/flags.md) tells what all of this is for. In `flags.toml` a flag is a\n"
        'table `[flags."NAME"]` with the fields of `Flag` below; a table with `targeting` alone is a rule for a flag\n'
        "that somebody else declares."
    )
    parts = ["## What the built-ins declare", _declared()]
    parts += [*described(flags.Flag), "## Declaring", prose(flags.flag), prose(flags.ramp)]
    parts += ["## Reading", prose(flags.FlagView), table(("member", "what it is"), members(flags.FlagView))]
    parts += [prose(flags.ramp_of)]
    for kind in (flags.FlagDetails, flags.FlagVote, flags.FlagRequest):
        parts += described(kind)
    enums = (flags.FlagLayer, flags.FlagKind, flags.Ramp)
    rows = [(code(kind.__name__), ", ".join(code(str(one)) for one in kind), summary(kind)) for kind in enums]
    parts += ["## Enumerations", table(("name", "values", "what it says"), rows)]
    found: list[Command] = list(commands_of(app, "flags "))
    parts += ["## The verbs", *command_sections(found)]
    return page("Flags", "`pegboard.flags` and `pegboard flags`", intro, parts)


def _declared() -> str:
    from pathlib import Path

    from pegboard.host import Host

    host = Host(Path("/"), environment={}, no_plugins="", strict=False).open()
    rows = [
        (code(flag.name), code(repr(flag.default)), str(flag.kind), "yes" if flag.live else "", flag.owner, flag.help)
        for flag in host.board.flags.values()
    ]
    return table(("flag", "default", "kind", "live", "owner", "what it is for"), rows)
