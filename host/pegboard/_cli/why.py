"""`pegboard why`: who decided about one tool call, and which hooks could have been left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import app as command_line
from pegboard._cli.opening import JsonOption, journal_of, milliseconds
from pegboard._cli.trace import declared_said, declared_took, declared_verdict, said
from pegboard.errors import UnknownCallError
from pegboard.output import print_json, print_table, say

if TYPE_CHECKING:
    from pegboard._agent.explaining import Dispatch, Explanation
    from pegboard._agent.steps import Step
    from pegboard.records import Record

SHORT = 10
"""Characters of a hash that a person reads; --json has them all."""


def why(
    call_id: Annotated[str, typer.Argument(help="A call's id, a beginning of it that is unique, or `last`.")],
    session: Annotated[str | None, typer.Option(help="A session's id; the newest of this folder by default.")] = None,
    as_json: JsonOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Tell who decided about a tool call: every hook in order, which verdict won, and which hooks it did not need."""
    from dataclasses import asdict

    from pegboard._agent.explaining import explain
    from pegboard._cli.way_out import records_of, surface_of

    path = journal_of(session, cwd)
    surface = surface_of(as_json)
    try:
        told = explain(records_of(path, cwd, surface), call_id)
    except UnknownCallError as unknown:
        path, told = _of_an_agent(path, call_id, lambda one: records_of(one, cwd, surface), unknown)
    if as_json:
        print_json({"session": path.stem, **asdict(told)})
        return
    _show(told)


def _of_an_agent(
    path: Path, call_id: str, records: Callable[[Path], Iterable[Record]], unknown: UnknownCallError
) -> tuple[Path, Explanation]:
    """Return the call of a sub-agent of this session, and where it is written. Raises *unknown* where there is none."""
    from pegboard._agent.explaining import explain
    from pegboard._agent.store import agents_below

    for one in agents_below(path):
        try:
            return one, explain(records(one), call_id)
        except UnknownCallError:
            continue
    raise unknown


def _show(told: Explanation) -> None:
    from pegboard._agent.views import brief, plain

    say(f"{told.tool} {told.call}", "bold")
    if told.input is not None:
        say(f"  asked for: {brief(plain(told.input))}")
    if told.ran_with:
        say(f"  ran with:  {brief(told.ran_with)}")
    say(f"  decided:   {decided(told)}")
    if told.outcome:
        ran = f"after {milliseconds(told.ms)}, attempt {told.attempts}" if told.ms is not None else "without running"
        say(f"  outcome:   {told.outcome} {ran}")
        say(f"  output:    {told.output}" if told.output else "  output:    (none)")
    else:
        say("  outcome:   none: the call was deferred, or the session ended first")
    for agent in told.agents:
        ran = f"{agent.outcome} after {milliseconds(agent.ms)}" if agent.outcome else "unfinished"
        say(f"  sub-agent: {agent.kind}, {ran}; pegboard trace {agent.session}")
    for dispatch in told.dispatches:
        _show_dispatch(dispatch)
    if told.dispatches:
        print()
        names = ", ".join(told.removable)
        say(f"Could be removed, one at a time, without changing the verdict: {names or 'none'}.")


def decided(told: Explanation) -> str:
    """Return in a sentence what the verdict was and who gave it."""
    if not told.verdict:
        return "no pre_tool hook was asked" + (": the call could not run at all" if told.outcome == "error" else "")
    if told.verdict == "none":
        sentence = "no hook had an opinion, so the host's default counted"
    else:
        behind = f" (the hook {told.declared.id}, {told.declared.where})" if told.declared else ""
        sentence = f"{told.verdict} by {told.winner}{behind}" + (f": {told.reason}" if told.reason else "")
    question = told.question
    if question is None:
        return sentence
    answer = "allowed" if question.allowed else "denied"
    return f"{sentence}; asked, and {answer} by {question.by}" + (f": {question.answer}" if question.answer else "")


def _show_dispatch(dispatch: Dispatch) -> None:
    print()
    came_to = f"{dispatch.outcome} by {dispatch.winner}" if dispatch.winner else dispatch.outcome
    say(f"{dispatch.point} came to {came_to}", "bold cyan")
    steps = [row for place, step in enumerate(dispatch.steps, 1) for row in _rows(dispatch, place, step)]
    columns = ("#", "plugin", "verdict", "saw", "left", "took", "needed", "said")
    print_table(columns, steps, empty="nobody was asked")


def _rows(dispatch: Dispatch, place: int, step: Step) -> Iterator[tuple[Any, ...]]:
    """Go through the row of an implementation, and those of the declared hooks that it fired."""
    yield place, _plugin(step), *_row(dispatch, step)
    for one in step.declared:
        took, words = declared_took(one), declared_said(one)
        yield "", f"  {one.id}", declared_verdict(one), "", "", took, "", words


def _row(dispatch: Dispatch, step: Step) -> tuple[str, ...]:
    needed = {None: "", True: "no", False: "yes"}[step.removable]
    if step.removable is False and step.without and step.without != dispatch.outcome:
        needed = f"yes, else {step.without}"
    words = said(step) if step.called else "not asked: its matcher is for other tools"
    return step.verdict, step.before[:SHORT], step.after[:SHORT], milliseconds(step.ms), needed, words


def _plugin(step: Step) -> str:
    return f"{step.plugin} {step.version}".strip()
