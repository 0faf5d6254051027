"""`pegboard trace`: what happened in a session, when, how long it took, and who decided what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import app as command_line
from pegboard._cli.opening import JsonOption, journal_of, local, milliseconds
from pegboard.output import print_json, print_table, say

if TYPE_CHECKING:
    from pegboard._agent.declared import DeclaredStep
    from pegboard._agent.steps import Step
    from pegboard._agent.views import TraceRow
    from pegboard.records import Record


def trace(
    session: Annotated[str | None, typer.Argument(help="A session's id; the newest of this folder by default.")] = None,
    as_json: JsonOption = False,
    cwd: command_line.CwdOption = None,
    view: Annotated[str | None, typer.Option("--view", help="Show what a plugin makes of it, by its name.")] = None,
) -> None:
    """Show a session as a timeline: model calls, tools and hooks, with durations and decisions."""
    from dataclasses import asdict

    from pegboard._agent.views import timeline
    from pegboard._cli.way_out import records_of, surface_of

    path = journal_of(session, cwd)
    if view is not None:
        from pegboard._cli.viewing import print_view

        print_view(view, path, records_of(path, cwd, surface_of(as_json)), cwd, as_json=as_json)
        return
    rows = timeline(records_of(path, cwd, surface_of(as_json)))
    if as_json:
        print_json({"session": path.stem, "rows": [asdict(row) for row in rows]})
        return
    _print_rows(rows)
    if any(row.kind == "tool" for row in rows):
        say(f"Who decided about a call: pegboard why ID --session {path.stem}", "dim")


def print_timeline(records: Iterable[Record]) -> None:
    """Print what happened, from a journal's records."""
    from pegboard._agent.views import timeline

    _print_rows(timeline(records))


def _print_rows(rows: Iterable[TraceRow]) -> None:
    columns = ("time", "what", "id", "took", "decision", "by", "detail")
    print_table(columns, _lines(rows), empty="The journal has no records.")


def _lines(rows: Iterable[TraceRow]) -> Iterable[tuple[Any, ...]]:
    for row in rows:
        indent = "  " * row.level
        name = f"{row.kind} {row.name}".strip() if row.kind not in ("ask", "attempt", "turn") else row.name
        # A session's id is so long that it would push everything else aside.
        id_ = row.id if row.level == 0 and row.kind != "session" else ""
        detail = f"{row.id} {row.detail}".strip() if row.kind == "session" else row.detail
        time = local(row.timestamp, "%H:%M:%S.%f")[:-3] if row.level == 0 else ""
        yield time, indent + name, id_, milliseconds(row.ms), row.decision, row.by, detail
        for step in row.answers:
            yield "", f"{indent}  {step.plugin}", "", milliseconds(step.ms), step.verdict, "", said(step)
            for one in step.declared:
                what = f"{indent}    {one.id}"
                yield "", what, "", declared_took(one), declared_verdict(one), "", declared_said(one)


def said(step: Step) -> str:
    """Return what an implementation said, and what became of it."""
    effect = step.effect
    if step.rewrote:
        over = f", over what {' and '.join(step.over)} had made of it" if step.over else ""
        effect += f" {', '.join(step.rewrote)}{over}"
    words = [step.reason, f"failed: {step.error}" if step.error else "", f"[{effect}]" if effect else ""]
    return " ".join(filter(None, words))


def declared_took(one: DeclaredStep) -> str:
    """Return how long a declared hook took; nothing for one that did not run."""
    return milliseconds(one.ms) if one.ms else ""


def declared_verdict(one: DeclaredStep) -> str:
    """Return what a declared hook decided, or what became of it where it did not."""
    return one.verdict or ("" if one.status == "ran" else one.status)


def declared_said(one: DeclaredStep) -> str:
    """Return where a declared hook stands, what it said, and what became of its answer."""
    words = [one.where, one.reason, one.problem, f"[{one.effect}]" if one.effect else ""]
    return " ".join(filter(None, words))
