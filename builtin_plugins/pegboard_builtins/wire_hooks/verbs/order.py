"""`pegboard hooks order`: in which order the hooks of an event run and are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.output import print_json, print_table, say
from pegboard_builtins.wire_hooks.verbs.desk import EventArgument, JsonOption, host_of, place_of, table_of
from pegboard_builtins.wire_hooks.verbs.listing import brief, marks_of

if TYPE_CHECKING:
    from pegboard_builtins.wire_hooks.events import EventRow
    from pegboard_builtins.wire_hooks.load import HookTable


def run(
    ctx: typer.Context,
    event: EventArgument,
    tool: Annotated[str, typer.Option("--tool", help="Only what a call of this tool would meet.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show in which order the hooks of an event run, which of them run side by side, and which are copies.

    Hooks of one step start together and are waited for together. Answers are merged from the first row to the last,
    whoever finishes first: of equal verdicts the first counts, of new inputs the last.
    """
    from pegboard_builtins.wire_hooks.events import row_of

    row = row_of(event)
    told = _rows(table_of(host_of(ctx)), row, tool)
    if as_json:
        print_json(told)
        return
    columns = ("#", "step", "id", "where", "status", "runs")
    lines = [
        (place, one["step"] or "", one["id"], one["where"], _status(one), one["runs"])
        for place, one in enumerate(told, 1)
    ]
    what = f"{row.name} of {tool}" if tool else row.name
    print_table(columns, lines, empty=f"No hook is declared for {what}.")
    if any("recheck" in one["marks"] for one in told):
        say("A hook that says recheck runs once more, if another one changed the input.", "dim")


def _status(one: dict[str, Any]) -> str:
    marks = f" [{', '.join(one['marks'])}]" if one["marks"] else ""
    return (f"{one['status']}: {one['why']}" if one["why"] else one["status"]) + marks


def _rows(table: HookTable, row: EventRow, tool: str) -> list[dict[str, Any]]:
    from pegboard_builtins.wire_hooks.choose import Choice
    from pegboard_builtins.wire_hooks.load import Standing, without_copies
    from pegboard_builtins.wire_hooks.match import mismatch

    entries = [entry for entry in table.of(row.name) if not tool or not mismatch(entry.handler, {row.matches: tool})]
    active = [entry.handler for entry in entries if entry.standing is Standing.ACTIVE]
    copies = {handler.id: copy_of for handler, copy_of in without_copies(active)}
    found = []
    step, alone = 0, True
    for entry in entries:
        handler = entry.handler
        copy_of = copies.get(handler.id, "")
        choice = Choice(handler, "runs" if entry.standing is Standing.ACTIVE else str(entry.standing), entry.why)
        if copy_of:
            choice = Choice(handler, "deduplicated", f"a copy of {copy_of}, which runs")
        runs = choice.status == "runs"
        if runs:
            step += alone or handler.sequential
            alone = handler.sequential
        found.append(
            {
                "id": handler.id,
                "step": step if runs else None,
                "where": place_of(handler),
                "matcher": handler.matcher,
                "status": choice.status,
                "why": choice.why,
                "marks": marks_of(handler),
                "runs": brief(handler.label),
            }
        )
    return found
