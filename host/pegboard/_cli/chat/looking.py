"""Looking at a conversation from inside it: its hooks, what happened, who decided, and which others there are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pydantic_core import ValidationError, to_json
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pegboard._cli.chat import drawing
from pegboard._cli.chat.plugin_commands import answer
from pegboard._cli.chat.shapes import Talking
from pegboard._cli.opening import local, milliseconds
from pegboard.errors import EgressClosedError, PegboardError
from pegboard.output import STYLES, readable
from pegboard.records import Record, parse_record

if TYPE_CHECKING:
    from pegboard._agent.explaining import Explanation
    from pegboard._agent.views import TraceRow

MOST_SESSIONS = 9


async def hooks(talk: Talking, words: str) -> None:
    """Show who hangs from which hook, in order; then what a plugin has to say about it."""
    from pegboard._cli.hooks import _marks

    table = _grid(2)
    for hook, impls in talk.session.dispatcher.plan.hooks.items():
        if not impls:
            continue
        line = Text()
        for place, impl in enumerate(impls):
            marks = [mark for mark in _marks(impl) if "=" not in mark and " " not in mark]
            line.append(", " if place else "").append(readable(impl.plugin))
            line.append(f" ({', '.join(marks)})" if marks else "", style="dim")
        table.add_row(Text(hook, style="bold"), line)
    talk.face.draw(table)
    more = await answer(talk, "hooks", words)
    if more:
        talk.face.draw(Text(talk.shown(more)))


async def trace(talk: Talking, words: str) -> None:
    """Show the timeline of the last turn, or of all."""
    from pegboard._agent.views import timeline

    if words not in ("", "all"):
        raise PegboardError(f"/trace shows the last turn, /trace all everything; there is no {words!r}")
    rows = timeline(await _records(talk))
    if not words:
        begins = [place for place, row in enumerate(rows) if row.kind == "turn" and row.name.startswith("turn ")]
        rows = rows[begins[-1] :] if begins else rows
    if not rows:
        talk.face.say("nothing has happened yet")
        return
    table = _grid(4)
    for row in rows:
        table.add_row(*_trace_row(row))
    talk.face.draw(table)


def _trace_row(row: TraceRow) -> tuple[Text, ...]:
    name = f"{row.kind} {row.name}".strip() if row.kind not in ("ask", "attempt", "turn") else row.name
    decision = f"{row.decision}{' by ' + row.by if row.by else ''}"
    said = " ".join(filter(None, [decision, row.id if row.kind == "tool" else "", row.detail]))
    return (
        Text(local(row.timestamp, "%H:%M:%S") if row.level == 0 else "", style="dim"),
        Text("  " * row.level + readable(name)),
        Text(milliseconds(row.ms), style="dim"),
        Text(readable(said).replace("\n", " ")[:300], style=STYLES.get(row.decision, "dim")),
    )


async def why(talk: Talking, words: str) -> None:
    """Tell who decided about a call."""
    from pegboard._agent.explaining import LAST, explain

    talk.face.draw(_explained(explain(await _records(talk), words or LAST)))


def _explained(told: Explanation) -> Group:
    from pegboard._agent.views import brief, plain
    from pegboard._cli.trace import said
    from pegboard._cli.why import decided

    head = _grid(2)
    asked = brief(plain(told.input)) if told.input is not None else ""
    facts = (
        ("asked for", asked),
        ("ran with", told.ran_with),
        ("decided", decided(told)),
        ("outcome", f"{told.outcome or 'none'}{' after ' + milliseconds(told.ms) if told.ms is not None else ''}"),
        ("not needed", ", ".join(told.removable)),
    )
    for name, value in facts:
        if value:
            head.add_row(Text(name, style="dim"), Text(readable(str(value))))
    rows = _grid(3)
    for dispatch in told.dispatches:
        for step in dispatch.steps:
            words = readable(said(step)) if step.called else "not asked: its matcher is for others"
            if step.verdict or step.answered or step.error:
                style = STYLES.get(step.verdict, "")
                rows.add_row(Text(f"{dispatch.point} {readable(step.plugin)}"), Text(step.verdict, style), Text(words))
            for one in step.declared:
                rows.add_row(Text(f"  {readable(one.id)}"), Text(one.verdict or one.status), Text(readable(one.reason)))
    title = Text(f"{readable(told.tool)} {readable(told.call)}", style="bold")
    return Group(title, head, rows) if rows.row_count else Group(title, head)


async def choose_session(talk: Talking) -> str:
    """Let the person choose another conversation of this folder; empty if there is none, or none was chosen."""
    store, here = talk.host.store, talk.session.path
    paths = [path for path in store.paths(talk.host.cwd) if path != here][:MOST_SESSIONS]
    if not paths:
        talk.face.say("there is no other conversation in this folder")
        return ""
    infos = await asyncio.to_thread(lambda: [store.info(path) for path in paths])
    choices = [
        f"{local(info.changed, '%m-%d %H:%M')}  {talk.shown(drawing.bounded(info.prompt, 1)) or '(no prompt)'}"
        for info in infos
    ]
    chosen = await talk.face.choose([*choices, "none of these"])
    return infos[chosen].id if chosen < len(infos) else ""


async def _records(talk: Talking) -> Iterable[Record]:
    """Return the session's records as far as they may be shown."""
    return await asyncio.to_thread(lambda: list(_passed(talk)))


def _passed(talk: Talking) -> Iterator[Record]:
    from pegboard._agent.journal import read_lines

    for _, _, _, raw in read_lines(talk.session.path):
        if raw is None:
            continue
        try:
            yield parse_record(to_json(talk.session.emit("trace", raw)))
        except ValidationError:
            continue
        except EgressClosedError as closed:
            raise PegboardError(str(closed)) from None


def _grid(columns: int) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    for place in range(columns):
        table.add_column(no_wrap=place < columns - 1, overflow="ellipsis" if place < columns - 1 else "fold")
    return table
