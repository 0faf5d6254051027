"""`/hooks` in a conversation: the declared hooks that count here, and those that do not, with the reason."""

from __future__ import annotations

from pegboard.context import Ctx
from pegboard_builtins.wire_hooks.load import Entry, Standing
from pegboard_builtins.wire_hooks.sources import read_table
from pegboard_builtins.wire_hooks.verbs.desk import place_of


def hooks_command(words: str, ctx: Ctx) -> str:
    """Return the declared hooks, of all events or of those whose name has *words* in it."""
    table = read_table(ctx.all_settings, ctx.project, ctx.consented)
    found = [entry for entry in table.entries if words.lower() in entry.handler.event.lower()]
    if not found:
        return f"no hook is declared for {words}" if words else "no hook is declared in a settings file"
    lines = [_line(entry) for entry in found] + [f"  wrong: {problem}" for problem in table.problems]
    return "\n".join(["declared in settings files:", *lines])


def _line(entry: Entry) -> str:
    handler = entry.handler
    matcher = f" {handler.matcher}" if handler.matcher else ""
    standing = (
        "" if entry.standing is Standing.ACTIVE else f"  [{entry.standing}{': ' + entry.why if entry.why else ''}]"
    )
    return f"  {handler.event}{matcher}  {handler.id}  {place_of(handler)}{standing}"
