"""`pegboard hooks selftest`: fires every guard at a harmless event, and names those that guard nothing."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.output import print_json, print_table, say
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.verbs.desk import Bench, JsonOption, WithOption, host_of, place_of, table_in

if TYPE_CHECKING:
    from pegboard.context import HostView
    from pegboard_builtins.wire_hooks.events import EventRow
    from pegboard_builtins.wire_hooks.handlers import Handler
    from pegboard_builtins.wire_hooks.job import RawResult
    from pegboard_builtins.wire_hooks.load import Entry, HookTable
    from pegboard_builtins.wire_hooks.parse import Said

WORKS, INERT, DOUBT, LEFT_OUT = "works", "inert", "doubt", "left out"


@dataclass(frozen=True, slots=True)
class Tested:
    """One hook, fired once. `state` is works, inert, doubt, or left out; `why` says what is wrong."""

    id: str
    event: str
    where: str
    posture: str
    state: str
    why: str = ""
    tool: str = ""
    ms: float | None = None
    exit: int | None = None
    decision: str = ""


def run(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Every hook, not the guards alone.")] = False,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="The most that one hook may take.")] = 10.0,
    with_file: WithOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fire every guard at a harmless event and name those that are inert: they would let everything pass.

    A guard is a hook of an event that can be refused. Inert are those that cannot start, that fail or are late, whose
    matcher matches nothing, and whose exit code 2 comes from an interpreter. The hooks run for real, one by one; no
    model and no tool does. The exit code is 1 if any guard is inert.
    """
    host = host_of(ctx)
    tested = asyncio.run(_test(host, table_in(with_file, host), every=every, seconds=seconds))
    inert = [one for one in tested if one.state == INERT]
    if as_json:
        print_json({"hooks": [asdict(one) for one in tested], "inert": [one.id for one in inert]})
    else:
        _show(tested, inert, every=every)
    if inert:
        raise typer.Exit(1)


def _show(tested: list[Tested], inert: list[Tested], *, every: bool) -> None:
    columns = ("id", "event", "where", "if it fails", "state", "took", "exit", "decision", "why")
    rows = [
        (
            one.id,
            one.event,
            one.where,
            one.posture,
            one.state,
            "" if one.ms is None else f"{one.ms:.0f} ms",
            one.exit,
            one.decision,
            one.why,
        )
        for one in tested
    ]
    what = "hook" if every else "guard"
    print_table(columns, rows, empty=f"No {what} is declared here.")
    if tested:
        say(f"{len(inert)} of {len(tested)} {what}s are inert." if inert else f"No {what} is inert.", "bold")


async def _test(host: HostView, table: HookTable, *, every: bool, seconds: float) -> list[Tested]:
    from pegboard_builtins.wire_hooks.events import EVENTS

    entries = [one for one in table.entries if every or is_guard(EVENTS[one.handler.event])]
    async with Bench(host, table) as bench:
        return [await _one(bench, entry, seconds) for entry in entries]


def is_guard(row: EventRow) -> bool:
    """Whether hooks of an event can refuse something."""
    return row.can_block or row.name == "PermissionRequest"


async def _one(bench: Bench, entry: Entry, seconds: float) -> Tested:
    from pegboard_builtins.wire_hooks.events import EVENTS
    from pegboard_builtins.wire_hooks.examples import example
    from pegboard_builtins.wire_hooks.load import Standing

    handler, row = entry.handler, EVENTS[entry.handler.event]
    made = Tested(handler.id, row.name, place_of(handler), str(handler.on_error), WORKS)
    if entry.standing is Standing.UNREACHABLE:
        return replace(made, state=INERT, why=entry.why)
    if entry.standing is not Standing.ACTIVE:
        return replace(made, state=LEFT_OUT, why=f"{entry.standing}: {entry.why}")
    subject, problem = _subject(handler, row, bench.host)
    if problem:
        return replace(made, state=INERT, why=problem)
    facts: dict[str, Any] = {} if row.tool or not subject else {row.matches: subject}
    event = example(row, bench.host.project, tool=subject if row.tool else "", tool_input=None, **facts)
    raw, said = await _fire(bench, handler, event, seconds)
    state, why = judged(row, handler, raw, said, seconds)
    return replace(
        made,
        state=state,
        why=why,
        tool=subject if row.tool else "",
        ms=round(raw.milliseconds, 3),
        exit=None if raw.timed_out or raw.error else raw.exit,
        decision=said.word,
    )


def _subject(handler: Handler, row: EventRow, host: HostView) -> tuple[str, str]:
    """Return (what the matcher matches, what is wrong): the first known tool, or value, that the hook is for."""
    from pegboard_builtins.wire_hooks.checking import VOCABULARY, values_of
    from pegboard_builtins.wire_hooks.match import mismatch

    if not row.matches or handler.matcher in (None, "", "*"):
        return "", ""
    known = values_of(row, frozenset(host.tools()))
    if known is None:
        return "", ""
    for name in sorted(known):
        if not mismatch(handler, {row.matches: name}):
            return name, ""
    if row.tool and (handler.matcher or "").startswith("mcp__"):
        return "", ""
    there = [name for name in sorted(VOCABULARY) if row.tool and not mismatch(handler, {row.matches: name})]
    what = f"{', '.join(there)}, and there is no such tool here" if there else "nothing that is known here"
    return "", f"its matcher {handler.matcher!r} matches {what}"


async def _fire(bench: Bench, handler: Handler, event: Any, seconds: float) -> tuple[RawResult, Said]:
    import tempfile
    from pathlib import Path

    from pydantic_core import from_json

    from pegboard_builtins.wire_hooks.events import EVENTS
    from pegboard_builtins.wire_hooks.firing import run_one
    from pegboard_builtins.wire_hooks.job import Job
    from pegboard_builtins.wire_hooks.parse import read
    from pegboard_builtins.wire_hooks.session import WITH_ENV_FILE

    row = EVENTS[handler.event]
    place = bench.place()
    line = event.line()
    own = handler.timeout if handler.timeout is not None else row.seconds_of(handler.type)
    job = Job(
        event=row.name,
        line=line,
        facts=from_json(line),
        cwd=place.cwd,
        project=place.project,
        seconds=min(own, seconds),
        scrub=bool(place.switches.get("scrub_environment")),
        allowed_urls=place.switches.get("allowed_urls"),
        allowed_variables=place.switches.get("allowed_variables"),
    )
    with tempfile.TemporaryDirectory(prefix="pegboard-selftest-") as folder:
        job.env_file = Path(folder) / "env.sh" if row.name in WITH_ENV_FILE else None
        raw = await run_one(await bench.runners(), handler, job)
    return raw, read(row, handler, raw)


def judged(row: EventRow, handler: Handler, raw: RawResult, said: Said, seconds: float) -> tuple[str, str]:
    """Return (state, why) of a hook that was fired at a harmless event."""
    from pegboard.decisions import Verdict
    from pegboard_builtins.wire_hooks.accidents import accident
    from pegboard_builtins.wire_hooks.runners.asking import NO_SESSION

    if raw.error == NO_SESSION:
        return LEFT_OUT, "it asks a model or a tool, which needs a session"
    if raw.timed_out:
        own = handler.timeout if handler.timeout is not None else row.seconds_of(handler.type)
        if own > seconds:
            return DOUBT, f"it was still running after {seconds:g} s; its own limit is {own:g} s"
        return INERT, said.problem
    if raw.exit == 2 and said.by_code and (raw.broken or accident(raw.stderr)):
        why = raw.broken or accident(raw.stderr)
        return INERT, f"its exit code 2 comes from an interpreter: {why}; so everything is refused"
    if said.problem:
        closed = " (its entry says that this refuses)" if said.verdict or said.block else ""
        return INERT, said.problem + closed
    if said.verdict is Verdict.DENY or said.block:
        return DOUBT, f"it refuses a harmless event: {said.reason}"
    if said.verdict is Verdict.ALLOW:
        return DOUBT, "it says allow to a harmless event: what it has no opinion on then runs without a question"
    return (DOUBT, "; ".join(said.inert)) if said.inert else (WORKS, "")
