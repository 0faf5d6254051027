"""`pegboard hooks explain`: what declared hooks were told of a call, and what each of them said."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import UnknownCallError
from pegboard.output import print_json, print_table, say
from pegboard.records import AssistantLine, DeclaredHooks, Record
from pegboard_builtins.wire_hooks.verbs.desk import JsonOption, host_of
from pegboard_builtins.wire_hooks.verbs.listing import brief

LAST = "last"


def run(
    ctx: typer.Context,
    call: Annotated[str, typer.Argument(metavar="CALL_ID", help="A call's id, a unique beginning of it, or `last`.")],
    session: Annotated[str | None, typer.Option(help="A session's id; the newest of this folder by default.")] = None,
    payload: Annotated[bool, typer.Option("--payload", help="Also print what the hooks were sent.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell what every declared hook said of a tool call: event by event, with output, exit code and effect.

    `pegboard why` has the same beside everything else that decided.
    """
    host = host_of(ctx)
    path = host.find_session(session)
    found, records = _records(host, path, call)
    told = {"session": path.stem, "call": found, "events": [_facts(record) for record in records]}
    if as_json:
        print_json(told)
        return
    _show(told, payload=payload)


def _records(host: HostView, path: Any, wanted: str) -> tuple[str, list[DeclaredHooks]]:
    """Return the call that is meant, and the records of its declared hooks. Raises UnknownCallError."""
    calls: dict[str, list[DeclaredHooks]] = {}
    for record in host.records(path):
        for call in _calls(record):
            calls.setdefault(call, [])
        if isinstance(record, DeclaredHooks) and record.subject:
            calls.setdefault(record.subject, []).append(record)
    close = [call for call in calls if call.startswith(wanted)]
    found = wanted if wanted in calls else list(calls)[-1] if wanted == LAST and calls else ""
    if not found and len(close) == 1:
        found = close[0]
    if not found:
        raise UnknownCallError(wanted, close or calls)
    return found, calls[found]


def _calls(record: Record) -> list[str]:
    if not isinstance(record, AssistantLine):
        return []
    blocks = record.message.get("content")
    return [
        str(block.get("id"))
        for block in (blocks if isinstance(blocks, list) else [])
        if isinstance(block, dict) and block.get("type") == "tool_use"
    ]


def _facts(record: DeclaredHooks) -> dict[str, Any]:
    return {
        "event": record.event,
        "seq": record.seq,
        "outcome": record.outcome,
        "winner": record.winner,
        "reason": record.reason,
        "payload": record.payload,
        "payload_file": record.payload_file,
        "hooks": [row.model_dump(mode="json") for row in record.rows],
    }


def _show(told: dict[str, Any], *, payload: bool) -> None:
    say(f"call {told['call']}", "bold")
    if not told["events"]:
        say(f"No declared hook was asked about it; `pegboard why {told['call']}` tells who decided.")
    for event in told["events"]:
        print()
        by = f" by {event['winner']}" if event["winner"] else ""
        reason = f": {event['reason']}" if event["reason"] else ""
        say(f"{event['event']} came to {event['outcome']}{by}{reason}", "bold cyan")
        if payload:
            say(f"  sent: {event['payload'] or event['payload_file']}")
        columns = ("hook", "where", "status", "took", "exit", "verdict", "said", "effect")
        print_table(columns, [_line(one) for one in event["hooks"]], empty="No hook was for it.")
        for one in event["hooks"]:
            for name in ("stdout", "stderr"):
                if one[name].strip():
                    say(f"  {one['id']} {name}: {brief(one[name], 1000)}")
            for file in one["cut"]:
                say(f"  {one['id']}: all of it is in {file}")


def _line(one: dict[str, Any]) -> tuple[Any, ...]:
    took = f"{one['ms']:.1f} ms" if one["ms"] else ""
    said = "; ".join(filter(None, [one["reason"], one["problem"]]))
    return one["id"], one["where"], one["status"], took, one["exit"], one["verdict"], brief(said, 300), one["effect"]
