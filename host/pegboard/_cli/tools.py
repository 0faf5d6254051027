"""`pegboard tools`: which tools there are, and a call of one by the user himself."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from pegboard._cli import app as command_line
from pegboard._cli.opening import JsonOption, name_broken, name_untrusted, open_host
from pegboard.errors import UnknownToolError
from pegboard.output import print_json, print_table, visible

if TYPE_CHECKING:
    from pegboard._agent.chokepoints import Done
    from pegboard.host import Session

app = typer.Typer(help="Which tools there are; call one yourself.", no_args_is_help=True)

NOTHING = "There are no tools: the plugins that bring some are off or broken, see `pegboard plugins list --load`."


@app.command("list")
def list_tools(as_json: JsonOption = False) -> None:
    """List all tools. This imports the plugins that are not known yet."""
    host = open_host()
    name_untrusted(host)
    tools = host.board.tools.values()
    if as_json:
        print_json(
            [
                {
                    "name": tool.name,
                    "plugin": tool.owner,
                    "description": tool.description,
                    "read_only": tool.read_only,
                    "repeatable": tool.repeatable,
                    "egress": tool.egress,
                    "flag": tool.flag,
                    "timeout": tool.timeout,
                    "input_schema": tool.input_schema,
                }
                for tool in tools
            ]
        )
        return
    rows = [
        (tool.name, tool.owner, "reads" if tool.read_only else "changes", _first_line(tool.description))
        for tool in tools
    ]
    print_table(("name", "plugin", "effect", "what it does"), rows, empty=NOTHING)


@app.command()
def call(
    name: Annotated[str, typer.Argument(help="The tool's name.")],
    given: Annotated[str, typer.Option("--input", "-i", help="Its input as a JSON object; '-' reads it.")] = "{}",
    as_json: JsonOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Call a tool yourself, in a session of its own: every hook sees it, and the journal keeps it.

    The exit code is 1 if the call was denied or failed.
    """
    import asyncio

    from pegboard._cli.own_output import own_output

    parsed = _parsed(sys.stdin.read() if given == "-" else given)
    with own_output() as out:
        code = asyncio.run(_call(name, parsed, cwd, out, as_json=as_json))
    raise typer.Exit(code)


def _parsed(text: str) -> dict[str, Any]:
    from pydantic_core import from_json

    try:
        value = from_json(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"is no JSON: {wrong}", param_hint="--input") from None
    if not isinstance(value, dict):
        raise typer.BadParameter("must be a JSON object", param_hint="--input")
    return value


async def _call(name: str, given: dict[str, Any], cwd: Any, out: TextIO, *, as_json: bool) -> int:
    from pegboard.host import Host

    # Strict, unlike all other verbs here: with settings that are wrong a rule that forbids this could be missing.
    async with Host(cwd, no_plugins=command_line.no_plugins) as host:
        if name not in host.board.tools:
            name_untrusted(host)
            name_broken(host)
            raise UnknownToolError(name, host.board.tools)
        async with host.session() as session:
            done = await session.call_user_tool(name, given)
            with redirect_stdout(out):
                _show(session, done, as_json=as_json)
    return 0 if done.outcome is not None and not _went_wrong(done) else 1


def _went_wrong(done: Done) -> bool:
    return done.outcome is None or done.outcome.kind not in ("ok", "substituted")


def _show(session: Session, done: Done, *, as_json: bool) -> None:
    outcome = done.outcome
    assert outcome is not None  # a call of the user's is never left deferred
    text = session.emit("text", _text(outcome.result.content))
    contexts = [(plugin, session.emit("text", context)) for plugin, context in done.contexts]
    if as_json:
        print_json(
            {
                "call": done.call.id,
                "tool": done.call.name,
                "input": done.call.input,
                "session": session.session_id,
                "outcome": str(outcome.kind),
                "output": text,
                "attempts": done.attempts,
                "duration_ms": round(outcome.duration_ms, 3),
                "contexts": [{"plugin": plugin, "text": context} for plugin, context in contexts],
            }
        )
        return
    wrong = _went_wrong(done)
    stream = sys.stderr if wrong else sys.stdout
    words = f"{outcome.kind}: {text}" if wrong else text
    print("\n".join(visible(line) for line in words.split("\n")) if stream.isatty() else words, file=stream)
    for plugin, context in contexts:
        print(f"note of {plugin}: {visible(context)}", file=sys.stderr)
    if wrong:
        print(f"who decided: pegboard why {done.call.id} --session {session.session_id}", file=sys.stderr)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(getattr(block, "text", f"[{block.type}]") for block in content)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
