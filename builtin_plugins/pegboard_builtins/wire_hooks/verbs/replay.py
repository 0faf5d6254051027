"""`pegboard hooks replay`: what today's hooks would have decided in a session that is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.output import print_json, print_table, say
from pegboard_builtins.wire_hooks.verbs.desk import Bench, JsonOption, WithOption, host_of, table_in

if TYPE_CHECKING:
    from pegboard.context import HostView
    from pegboard_builtins.wire_hooks.load import HookTable
    from pegboard_builtins.wire_hooks.recorded import Recorded


def run(
    ctx: typer.Context,
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="A session's id, or a beginning of it; the newest by default.")
    ] = "",
    with_file: WithOption = None,
    event: Annotated[str, typer.Option("--event", help="The events of this name alone, by any spelling.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Print every event, not the differences alone.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fire today's hooks on every event of a recorded session, and print each decision that would differ.

    No model and no tool is run; the hooks are, for real. Events that hooks were sent then are sent again byte for
    byte; prompts, tool calls, results and endings that no hook was for are rebuilt from the journal. The exit code is
    1 if anything would differ.
    """
    from pegboard_builtins.wire_hooks.events import row_of
    from pegboard_builtins.wire_hooks.recorded import events_of

    host = host_of(ctx)
    path = host.find_session(session or None)
    table = table_in(with_file, host)
    wanted = row_of(event).name if event else ""
    recorded = [one for one in events_of(host.records(path), path) if not wanted or one.event == wanted]
    told = asyncio.run(_replay(host, table, recorded))
    differing = [one for one in told if one["differs"]]
    if as_json:
        print_json({"session": path.stem, "events": len(told), "replayed": told if every else differing})
    else:
        _show(path.stem, told, differing, every=every)
    if differing:
        raise typer.Exit(1)


def _show(session: str, told: list[dict[str, Any]], differing: list[dict[str, Any]], *, every: bool) -> None:
    columns = ("seq", "event", "about", "then", "now", "by", "reason")
    rows = [
        (one["seq"], one["event"], one["about"], one["then"], one["now"], one["by"], one["reason"])
        for one in (told if every else differing)
    ]
    print_table(columns, rows, empty=f"Nothing would differ in {len(told)} events of session {session}.")
    if differing:
        say(f"{len(differing)} of {len(told)} events would come to something else.", "bold")
    asking = {name for one in told for name in one["not_asked"]}
    if asking:
        say(f"Not asked, because they need a session: {', '.join(sorted(asking))}.", "yellow")
    waiting = {name for one in told for name in one["untrusted"]}
    if waiting:
        say(f"Not run, because nobody consented to them: {', '.join(sorted(waiting))}.", "yellow")


async def _replay(host: HostView, table: HookTable, recorded: list[Recorded]) -> list[dict[str, Any]]:
    async with Bench(host, table) as bench:
        return [await _one(bench, one) for one in recorded]


async def _one(bench: Bench, one: Recorded) -> dict[str, Any]:
    from pegboard_builtins.wire_hooks.examples import event_of
    from pegboard_builtins.wire_hooks.runners.asking import NO_SESSION
    from pegboard_builtins.wire_hooks.verbs.showing import outcome_of

    done = await bench.fire(event_of(one.facts))
    outcome = outcome_of(done.fired)
    ran = done.fired.ran
    return {
        "seq": one.seq,
        "event": one.event,
        "subject": one.subject,
        "about": _about(one),
        "exact": one.exact,
        "verdict": one.verdict,
        "then": one.then,
        "then_by": one.by,
        "then_reason": one.reason,
        "now": outcome["decision"],
        "by": outcome["by"],
        "reason": outcome["reason"],
        "updated_input": outcome["updated_input"],
        "differs": outcome["decision"] != one.then,
        "not_asked": [r.choice.handler.id for r in ran if r.raw is not None and r.raw.error == NO_SESSION],
        "untrusted": [r.choice.handler.id for r in ran if r.choice.status == "untrusted"],
    }


def _about(one: Recorded) -> str:
    from pegboard_builtins.wire_hooks.verbs.listing import brief

    facts = one.facts
    if "tool_name" in facts:
        given = facts.get("tool_input")
        given = given if isinstance(given, dict) else {}
        main = next((str(given[key]) for key in ("command", "file_path", "pattern", "url") if key in given), "")
        return brief(f"{facts['tool_name']} {main}")
    return brief(str(facts.get("prompt") or facts.get("last_assistant_message") or facts.get("source") or ""))
