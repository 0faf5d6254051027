"""`pegboard plugins bench`: what each pack costs, beside a plugin that does nothing."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli.opening import JsonOption, closed_host, journal_of
from pegboard.errors import PluginError, did_you_mean
from pegboard.output import print_json, print_table, say, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pegboard._authoring.costs import Cost, Subject
    from pegboard._board.discovery import PluginRecord

NOTHING = "There are no packs here that take part: `pegboard plugins list` shows what there is."


def bench(
    wanted: Annotated[
        str, typer.Argument(metavar="[NAME|PATH]", help="A plugin, or a pack's project folder; all packs if none.")
    ] = "",
    session: Annotated[
        str, typer.Option("--session", metavar="ID", help="Ask hooks about this session's calls and prompts.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Measure what packs cost: import, registration, start, hooks, and what their tools take of each request.

    Each is measured as it comes, without your settings, in processes of its own and as you: its hooks really run, a
    hundred times and more, each in turn with one that does nothing. Tools are not called. A pack that is broken costs
    its own row only; one that was asked for by name, exit code 1.
    """
    from pegboard._authoring import costs

    events = costs.recorded(journal_of(session, None)) if session else costs.canned()
    done = list(_measured(wanted, events))
    if as_json:
        print_json({"events": session or "canned", "plugins": [asdict(one) | {"tokens": one.tokens} for one in done]})
    else:
        _show(done)
    if wanted and any(one.problem for one in done):
        raise typer.Exit(1)


def _measured(wanted: str, events: dict[str, Any]) -> Iterator[Cost]:
    from pegboard._authoring.costs import Cost, measured

    for one in _subjects(wanted):
        if isinstance(one, Cost):
            yield one
            continue
        if sys.stderr.isatty():
            print(f"measuring {visible(one.name)} ...", file=sys.stderr)
        yield measured(one, events)


def _subjects(wanted: str) -> Sequence[Subject | Cost]:
    """Return what shall be measured; of what takes no part, why it is not."""
    records = closed_host().find()
    named = [record for record in records if record.name == wanted]
    if wanted and not named and (Path(wanted) / "pyproject.toml").is_file():
        from pegboard._authoring.checking import project_at
        from pegboard._authoring.costs import subjects_of

        project = project_at(Path(wanted).resolve())
        if not project.points:
            raise PluginError(project.folder.name, "declares no plugin; `pegboard plugins check` says what lacks")
        return subjects_of(project)
    if wanted and not named:
        known = {record.name for record in records}
        text = f"is neither installed here nor a folder with a pyproject.toml.{did_you_mean(wanted, known)}"
        raise PluginError(wanted, text)
    if wanted and all(record.tier.name == "HOST" for record in named):
        raise PluginError(wanted, "is built in; this measures packs, which are another's")
    chosen = named or [record for record in records if record.tier.name != "HOST" and record.status != "disabled"]
    return [_subject(record) for record in sorted(chosen, key=lambda record: (record.name, record.distribution))]


def _subject(record: PluginRecord) -> Subject | Cost:
    from pegboard._authoring.costs import Cost, Subject

    about = (record.distribution, record.version)
    if record.status != "found":
        return Cost(record.name, *about, problem=f"{record.status}: {record.reason}", mend=record.mend)
    if record.path is not None and record.path.is_dir():
        return Cost(record.name, *about, problem="it is a folder without code that a host imports")
    if record.path is not None:
        return Subject(record.name, record.path.stem, *(record.distribution, "0"), source=record.path.parent)
    return Subject(record.name, record.value, *about, folder=record.folder)


def _show(costs: Sequence[Cost]) -> None:
    rows = [
        (
            one.name,
            f"{one.distribution} {one.version}".strip(),
            _ms(one.import_ms),
            _ms(one.register_ms),
            _ms(one.start_ms),
            str(one.tokens) if one.tools else "",
            one.problem or (f"each start imports it: {one.imported_at_start}" if one.imported_at_start else ""),
        )
        for one in costs
    ]
    columns = ("name", "from", "import", "register", "start", "tokens", "")
    print_table(columns, rows, empty=NOTHING)
    for one in costs:
        if one.mend and one.problem:
            say(f"{one.name}: {one.mend}")
    hooks = [
        (one.name, hook, *(_us(found.get(key)) for key in ("median_us", "p95_us", "no_op_us")), found["fired"])
        for one in costs
        for hook, found in one.hooks.items()
    ]
    if hooks:
        say("")
        print_table(("name", "hook", "median", "p95", "a no-op", "fired"), hooks, empty="")
    for one in costs:
        for failure in one.failures:
            say(f"{one.name} failed in {failure}", "red")
    if any(one.import_ms is not None for one in costs):
        say("")
        say("start: what it adds to each. tokens: about, of each request.")
    if hooks:
        say("A hook's time is that of the whole dispatch; 0 times: a flag, a switch or a path leaves it out.")


def _ms(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2g} ms"


def _us(us: float | None) -> str:
    return "" if us is None else f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:.0f} µs"
