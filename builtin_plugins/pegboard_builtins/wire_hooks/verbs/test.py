"""`pegboard hooks test`: plays golden cases of hooks, and shows where they come to something else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.output import print_json, say
from pegboard_builtins.wire_hooks.verbs.desk import Bench, JsonOption, host_of, table_in

if TYPE_CHECKING:
    from pegboard.context import HostView
    from pegboard_builtins.wire_hooks.golden import Case, Cases, Verdict


def run(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE.toml", help="Files of cases.")],
    as_json: JsonOption = False,
) -> None:
    """Play golden cases: events, and what the hooks should come to. Each difference is shown, and makes it end with 1.

    A file has `[[case]]` tables with `event`, `tool` and `input` (or `payload`, the event's fields), and in
    `[case.expect]` the `decision` (none, allow, ask, defer, deny, block, stop), texts that `reason`, `context` and
    `message` contain, `updated_input`, `by` and `ran`. `settings` names the file whose hooks are tested; without it
    they are this project's.
    """
    from pegboard_builtins.wire_hooks.golden import read_cases

    host = host_of(ctx)
    told: list[dict[str, Any]] = []
    for file in files:
        for verdict in asyncio.run(_play(host, file, read_cases(file))):
            told.append({"file": str(file), "name": verdict.name, "event": verdict.event, "passed": verdict.passed})
            told[-1]["differences"] = verdict.differences
    failed = [one for one in told if not one["passed"]]
    if as_json:
        print_json({"cases": told, "failed": len(failed)})
    else:
        _show(told, failed)
    if failed:
        raise typer.Exit(1)


def _show(told: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    for one in told:
        say(f"{'ok' if one['passed'] else 'FAILED':<7}{one['name']}", "" if one["passed"] else "red")
        for line in one["differences"]:
            say(f"       {line}", {"-": "green", "+": "red"}[line[0]])
    say(f"{len(failed)} of {len(told)} cases failed." if failed else f"{len(told)} cases passed.", "bold")


async def _play(host: HostView, file: Path, cases: Cases) -> list[Verdict]:
    settings = file.parent / cases.settings if cases.settings else None
    async with Bench(host, table_in(settings, host)) as bench:
        return [await _one(bench, place, case) for place, case in enumerate(cases.case, 1)]


async def _one(bench: Bench, place: int, case: Case) -> Verdict:
    from pegboard_builtins.wire_hooks.events import row_of
    from pegboard_builtins.wire_hooks.examples import completed
    from pegboard_builtins.wire_hooks.golden import Verdict, differences
    from pegboard_builtins.wire_hooks.verbs.showing import outcome_of

    row = row_of(case.event)
    facts = dict(case.payload)
    if case.tool:
        facts["tool_name"] = case.tool
    if case.input is not None:
        facts["tool_input"] = case.input
    done = await bench.fire(completed(row, facts, bench.host.project))
    ran = [one.choice.handler.id for one in done.fired.ran if one.said is not None]
    ran += [one.handler.id for one in done.behind]
    name = case.name or f"case {place}"
    return Verdict(name, row.name, differences(case.expect, outcome_of(done.fired), ran))
