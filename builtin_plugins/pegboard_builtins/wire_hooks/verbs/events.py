"""`pegboard hooks events`: every event of the contract, and whether anything here can fire it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.output import print_json, print_table, say
from pegboard_builtins.wire_hooks.verbs.desk import JsonOption, host_of, table_of

if TYPE_CHECKING:
    from pegboard_builtins.wire_hooks.events import EventRow


def run(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="One event alone, by any spelling.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show the events that hooks can be declared for: when each fires, what it is matched on, what may be answered.

    Events that nothing here can fire say what would have to exist.
    """
    from pegboard_builtins.wire_hooks.events import EVENTS, row_of

    counts = _counts(ctx)
    rows = [row_of(event)] if event else list(EVENTS.values())
    told = [facts_of(row, counts.get(row.name, 0)) for row in rows]
    if as_json:
        print_json(told)
    elif event:
        _show(told[0])
    else:
        columns = ("event", "hooks", "matched on", "types", "exit 2", "fires when")
        lines = [
            (
                one["event"],
                one["hooks"] or "",
                one["matched_on"] or "-",
                ",".join(one["types"]),
                one["exit_2"],
                one["fires"] or f"never: needs {one['missing']}",
            )
            for one in told
        ]
        print_table(columns, lines, empty="There is no event.")


def _counts(ctx: typer.Context) -> dict[str, int]:
    from collections import Counter

    return Counter(entry.handler.event for entry in table_of(host_of(ctx)).entries)


def facts_of(row: EventRow, hooks: int = 0) -> dict[str, Any]:
    """Return what the table says of an event."""
    from pegboard_builtins.wire_hooks.events import SHORT

    short = [name for name, event in SHORT.items() if event == row.name]
    fields = row.input.model_fields
    return {
        "event": row.name,
        "spellings": [row.name, row.snake, *short],
        "hooks": hooks,
        "can_fire": bool(row.fires),
        "fires": row.fires,
        "missing": row.missing,
        "matched_on": row.matches,
        "types": sorted(map(str, row.types)),
        "timeout": row.seconds,
        "exit_2": str(row.exit_2),
        "decides": row.decides,
        "plain_text_is_context": row.text,
        "continue_false_counts": row.stops,
        "input": {name: not field.is_required() and field.default is None for name, field in fields.items()},
        "output": list(row.specific.model_fields) if row.specific is not None else [],
    }


def _show(told: dict[str, Any]) -> None:
    say(told["event"], "bold cyan")
    say(f"  also written:  {', '.join(told['spellings'][1:])}")
    say(f"  fires when:    {told['fires'] or 'never: it needs ' + told['missing']}")
    say(f"  matched on:    {told['matched_on'] or 'nothing: matchers are ignored'}")
    say(f"  types:         {', '.join(told['types'])}")
    say(f"  timeout:       {told['timeout']:g} s, where an entry says none")
    say(f"  exit code 2:   {told['exit_2']}")
    say(f"  plain text:    {'context for the model' if told['plain_text_is_context'] else 'not read'}")
    say(f"  input:         {', '.join(f'[{name}]' if may else name for name, may in told['input'].items())}")
    inner = f"hookSpecificOutput: {', '.join(told['output'])}" if told["output"] else "nothing of its own"
    say(f"  answer:        {inner}" + ("; decision, reason" if told["decides"] else ""))
    say(f"  hooks here:    {told['hooks']}")
    say(f"  schemas:       pegboard hooks schema {told['event']} [--output]")
