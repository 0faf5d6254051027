"""`pegboard hooks check`: finds hooks that do not do what their author meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.output import print_json, say
from pegboard_builtins.wire_hooks.verbs.desk import JsonOption, WithOption, host_of, table_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pegboard.context import HostView
    from pegboard_builtins.wire_hooks.checking import Finding, Tools
    from pegboard_builtins.wire_hooks.load import HookTable

SESSIONS = 5
"""How many of the newest sessions are asked what was noticed when hooks ran."""


def run(
    ctx: typer.Context,
    with_file: WithOption = None,
    recorded: Annotated[
        bool,
        typer.Option("--recorded/--no-recorded", help="Also say what the newest sessions noticed."),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Look for hooks that do nothing, or not what they say: each finding has a place and a mend.

    No hook is run. It looks at the settings, at commands, and at the programs that they name: fields and events that
    do not exist, matchers that match nothing, variables that nobody sets, bash under sh, lost answers, and more; and at
    hooks in the heads of skills, commands and agents.
    What is `wrong` cannot work; a `doubt` hardly does what is meant. The exit code is 1 if anything is wrong.
    """
    from dataclasses import asdict

    from pegboard_builtins.wire_hooks.checking import Level, check

    host = host_of(ctx)
    table = table_in(with_file, host)
    tools = tools_of(host)
    found = check(table, host.project, tools, host.environment)
    heads = table_of_heads(host, table) if with_file is None else None
    if heads is not None:
        found += check(heads, host.project, tools, host.environment)
    if recorded and with_file is None:
        found += _recorded(host, table)
    hooks = len(table.entries) + (len(heads.entries) if heads is not None else 0)
    wrong = [one for one in found if one.level is Level.WRONG]
    if as_json:
        print_json({"findings": [{**asdict(one), "where": one.where} for one in found], "hooks": hooks})
    else:
        for one in found:
            _show(one)
        what = f"{hooks} hook{'' if hooks == 1 else 's'}"
        doubts = len(found) - len(wrong)
        say(f"{what}: {len(wrong)} wrong, {doubts} in doubt." if found else f"{what}: nothing to find.", "bold")
    if wrong:
        raise typer.Exit(1)


def table_of_heads(host: HostView, table: HookTable) -> HookTable:
    """Return the hooks in the heads of skills, commands and agents, which count once those are used."""
    from pegboard_builtins.wire_hooks import heads

    return heads.table_of_heads(table, host.project, host.config_dir, host.settings)


def tools_of(host: HostView) -> Tools:
    """Return the tools that a session which began now would have, and those that a flag keeps from it."""
    from pegboard_builtins.wire_hooks.checking import Tools

    flags = host.resolve_flags().snapshot.values
    off = {name: tool.flag for name, tool in host.tools().items() if tool.flag and not flags.get(tool.flag)}
    return Tools(frozenset(host.tools()) - off.keys(), off)


def _show(one: Finding) -> None:
    who = f"{one.hook} ({one.where})" if one.hook else one.where
    say(f"{one.level:<6} {who}: {one.text}", "red" if one.level == "wrong" else "yellow")
    if one.mend:
        say(f"{'':<7}mend: {one.mend}")


def _recorded(host: HostView, table: HookTable) -> Iterator[Finding]:
    """Go through what was noticed when these hooks ran, the newest session first; the same thing only once."""
    from pegboard.records import DeclaredHooks
    from pegboard_builtins.wire_hooks.checking import Finding, Level

    handlers: dict[str, Any] = {entry.handler.id: entry.handler for entry in table.entries}
    seen: set[tuple[str, str]] = set()
    for path in host.sessions()[:SESSIONS]:
        for record in host.records(path):
            if not isinstance(record, DeclaredHooks):
                continue
            for row in record.rows:
                handler = handlers.get(row.id)
                if not row.problem or handler is None or (row.id, row.problem) in seen or row.status in NOT_RUN:
                    continue
                seen.add((row.id, row.problem))
                text = f"when it ran in session {path.stem[:8]}: {row.problem}"
                mend = f"See it with `pegboard hooks fire {record.event}`."
                where = handler.where
                yield Finding("recorded", text, mend, row.id, where.file, where.line, Level.DOUBT)


NOT_RUN = ("untrusted", "disabled", "deduplicated", "background", "unreachable")
