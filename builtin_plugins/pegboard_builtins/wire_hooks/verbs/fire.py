"""`pegboard hooks fire`: runs the hooks of an event without an agent, and shows what each of them does."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import PegboardError
from pegboard.output import print_json
from pegboard_builtins.wire_hooks.verbs.desk import Bench, EventArgument, JsonOption, WithOption, host_of, table_in

BLOCKED = 5


def run(
    ctx: typer.Context,
    event: EventArgument,
    tool: Annotated[str, typer.Option("--tool", help="The tool that is called; Bash where nothing is said.")] = "",
    tool_input: Annotated[str, typer.Option("--input", metavar="JSON", help="What it is called with.")] = "",
    prompt: Annotated[str, typer.Option("--prompt", help="The prompt, for UserPromptSubmit.")] = "",
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME=VALUE", help="Another field of the event, JSON or text; repeatable."),
    ] = None,
    whole: Annotated[
        str, typer.Option("--event", metavar="JSON|FILE", help="The whole event, `-` for standard input.")
    ] = "",
    with_file: WithOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the hooks that an event is for, for real, and show a row for each: matched or why not, time, exit, decision.

    Nothing else is run: no model, no tool. What is not said of the event is made up. The exit code is 5 if the event
    is denied or blocked, else 0. Hooks that nobody consented to do not run; prompt, agent and mcp_tool hooks need a
    session and say so.
    """
    from pegboard_builtins.wire_hooks.events import row_of
    from pegboard_builtins.wire_hooks.verbs.showing import facts_of, show

    host = host_of(ctx)
    row = row_of(event)
    given = given_event(
        row.name, host.project, tool=tool, tool_input=tool_input, prompt=prompt, fields=field or [], whole=whole
    )
    told = asyncio.run(_fire(host, given, with_file))
    told = facts_of(told, given.facts)
    if as_json:
        print_json(told)
    else:
        show(told)
    if told["outcome"]["refused"]:
        raise typer.Exit(BLOCKED)


async def _fire(host: HostView, given: Any, with_file: Path | None) -> Any:
    async with Bench(host, table_in(with_file, host)) as bench:
        return await bench.fire(given)


def given_event(
    event: str, project: Path, *, tool: str, tool_input: str, prompt: str, fields: list[str], whole: str
) -> Any:
    """Return the event that options describe. Raises PegboardError."""
    from pegboard_builtins.wire_hooks.events import EVENTS
    from pegboard_builtins.wire_hooks.examples import completed

    facts = _object(_text_of(whole), "--event") if whole else {}
    if tool:
        facts["tool_name"] = tool
    if tool_input:
        facts["tool_input"] = _object(tool_input, "--input")
    if prompt:
        facts["prompt"] = prompt
    for one in fields:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{one!r} is no NAME=VALUE", param_hint="--field")
        facts[name] = _value(value)
    return completed(EVENTS[event], facts, project)


def _text_of(whole: str) -> str:
    if whole == "-":
        return sys.stdin.read()
    if whole.lstrip().startswith("{"):
        return whole
    try:
        return Path(whole).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise PegboardError(f"--event: {whole} is neither a JSON object nor a file that can be read: {wrong}") from None


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"this is no JSON: {wrong}", param_hint=option) from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"this is no JSON object: {text[:80]}", param_hint=option)
    return value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
