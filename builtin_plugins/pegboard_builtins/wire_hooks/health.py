"""What `pegboard doctor` says of declared hooks: problems in files, what waits for consent, what cannot start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pegboard.context import Ailment, Wanted
from pegboard.settings import SettingsView
from pegboard_builtins.wire_hooks.checking import broken
from pegboard_builtins.wire_hooks.handlers import HandlerType
from pegboard_builtins.wire_hooks.load import Standing
from pegboard_builtins.wire_hooks.sources import read_table


def ailments_of(
    view: SettingsView, project: Path, wrong: str | None, consented: Callable[[Wanted], bool]
) -> list[Ailment]:
    """Return what is wrong, or waits, a line each."""
    table = read_table(view, project, consented)
    found = (
        [Ailment(wrong, mend="change that line; `pegboard hooks schema settings` has what may stand there")]
        if wrong
        else []
    )
    for problem in table.problems:
        file, line = problem.where.file, problem.where.line
        mend = problem.mend or "`pegboard hooks check` tells more"
        found.append(Ailment(problem.text, f"{file}:{line}" if line else file, mend))
    for entry in table.entries:
        handler = entry.handler
        where = f"{handler.where.file}:{handler.where.line}" if handler.where.line else handler.where.file
        if entry.standing is Standing.UNTRUSTED:
            mend = "look at it and consent with `pegboard trust`"
            found.append(
                Ailment(f"the hook {handler.id} does not run: nobody consented to it", where, mend, wrong=False)
            )
        elif entry.standing is Standing.ACTIVE and handler.type is HandlerType.COMMAND:
            text, _, mend = broken(handler, project, {}).partition("; ")
            if text:
                found.append(Ailment(f"the hook {handler.id} is broken: {text}", where, mend))
    return found
