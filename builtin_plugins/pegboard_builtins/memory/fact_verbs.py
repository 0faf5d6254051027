"""`pegboard memory recall|facts|consolidate|diff|revert|blame|mcp`: what stands on the log."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.output import clipped, print_json, print_table, print_text, say
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.log_verbs import JsonOption, ProjectOption

if TYPE_CHECKING:
    from pegboard_builtins.memory.facts import Fact
    from pegboard_builtins.memory.opened import Opened
    from pegboard_builtins.memory.patches import Edit, Run

NameArgument = Annotated[str, typer.Argument(metavar="FACT", help="The fact's name.")]

facts_app = typer.Typer(
    help="The facts of this project: list, show, edit, approve, reject.", invoke_without_command=True
)
NOTHING = "There are no facts yet. Notes become facts when they are consolidated: `pegboard memory consolidate`."


def _opened(ctx: typer.Context, project: str = "") -> Opened:
    from pegboard_builtins.memory.opening import open_memory

    host: HostView = ctx.obj
    return open_memory(host, project=project)


# --- recall --------------------------------------------------------------------------------------------


def recall(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="A prompt; without one, what a session begins with.")] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of everything considered why it is in or not.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what would come into a prompt by itself: facts, and earlier events about the same."""
    from pegboard_builtins.memory.choosing import recalled_for
    from pegboard_builtins.memory.fence import fenced

    opened = _opened(ctx)
    found = recalled_for(opened, prompt)
    if as_json:
        rows = [_weighed(one) for one in found.weighed]
        print_json({"tokens": found.tokens, "considered": rows if explain else [row for row in rows if row["kept"]]})
        return
    if not explain:
        print_text(fenced(found.items, "preview") or "Nothing would be recalled. `--explain` says why.")
        return
    columns = ("id", "from", "in", "score", "tokens", "why", "text")
    cells = [
        (row["id"], "/".join(row["origins"]), "yes" if row["kept"] else "no", row["score"], row["tokens"], row["why"],
         _first_line(row["text"]))
        for row in map(_weighed, found.weighed)
    ]  # fmt: skip
    print_table(columns, cells, empty="Nothing was considered: there are no facts, and no event fits.")
    say(f"about {found.tokens} tokens of {opened.settings.recall.budget_tokens}")


def _weighed(one: Any) -> dict[str, Any]:
    facts = {"id": one.item.id, "text": one.item.text, "origins": list(one.item.origins), "tokens": one.item.tokens}
    return {**facts, "kept": one.kept, "score": round(one.score, 3), "why": one.reason}


# --- facts ---------------------------------------------------------------------------------------------


@facts_app.callback()
def facts(
    ctx: typer.Context,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for approval.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the facts of this project. `pegboard memory facts VERB` does something with one."""
    if ctx.invoked_subcommand is not None:
        return
    folder = _settled(ctx)
    found = [fact for fact in folder.all() if not waiting or fact.state == "waiting"]
    if as_json:
        print_json({"folder": str(folder.folder), "facts": [_fact(one) for one in found], "problems": folder.problems})
        return
    rows = [(one.name, one.state, "/".join(one.labels), len(one.cites), _first_line(one.text)) for one in found]
    empty = "None waits for approval." if waiting else NOTHING
    print_table(("fact", "state", "from", "events", "text"), rows, empty=empty)
    for problem in folder.problems:
        print(f"warning: {problem}", file=sys.stderr)


@facts_app.command()
def show(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show a fact, with its head."""
    folder = _settled(ctx)
    fact = folder.get(name)
    if as_json:
        print_json({**_fact(fact), "path": str(folder.path_of(name))})
        return
    say(f"{folder.path_of(name)} ({fact.state})", "dim")
    print_text((folder.text_of(name) or "").rstrip("\n"))


@facts_app.command()
def edit(
    ctx: typer.Context,
    name: NameArgument,
    text: Annotated[
        str | None, typer.Option("--text", help="The new text; '-' reads it. Else an editor opens.")
    ] = None,
) -> None:
    """Edit a fact, or write a new one; what a person wrote needs no approval."""
    from pegboard_builtins.memory.events import Event
    from pegboard_builtins.memory.facts import Fact, write_fact
    from pegboard_builtins.memory.patches import Edit, now

    opened = _opened(ctx)
    folder = _settled(ctx, opened)
    name = folder.name_of(folder.path_of(name))
    before = folder.text_of(name)
    old = folder.get(name) if before is not None else None
    given = sys.stdin.read() if text == "-" else text
    new = (given if given is not None else _edited(old.text if old else "", name)).strip()
    if not new:
        raise MemoryFailure(f"nothing is left of {name!r}; `pegboard memory facts reject {name}` takes it away")
    if old is not None and new == old.text:
        say("nothing changed")
        return
    new = _clean(ctx, opened, new)
    event = Event(opened.project, new, "note", "user", worktree=opened.worktree, meta={"fact": name, "by": "person"})
    number = opened.memory.put([event])[0]
    cites = (number,) if number else ()
    fact = old.grown((), cites, text=new, at=now(), approved=True) if old else Fact(name, new, ("user",), cites, now())
    _apply(ctx, [Edit(name, before, write_fact(fact), "edited by a person", fact.cites)], opened)
    say(f"{'changed' if old else 'written'}: {name}")


@facts_app.command()
def approve(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[FACT]...", help="Names of facts.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
) -> None:
    """Take facts in that are not from you or the model: from now on they come into prompts."""
    from pegboard_builtins.memory.facts import write_fact
    from pegboard_builtins.memory.patches import Edit

    folder = _settled(ctx)
    edits: list[Edit] = []
    for fact in _chosen(ctx, names, everything):
        new = write_fact(replace(fact, approved=True))
        edits.append(Edit(fact.name, folder.text_of(fact.name), new, "approved by a person", fact.cites))
    _apply(ctx, edits)
    for one in edits:
        say(f"approved: {one.name}")


@facts_app.command()
def reject(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[FACT]...", help="Names of facts.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
) -> None:
    """Take facts away, and never make them of the same words again. The events stay."""
    from pegboard_builtins.memory.facts import digest_of
    from pegboard_builtins.memory.patches import Edit

    folder = _settled(ctx)
    chosen = _chosen(ctx, names, everything)
    _apply(ctx, [Edit(one.name, folder.text_of(one.name), None, "rejected by a person", one.cites) for one in chosen])
    with folder.writing():
        ledger = folder.ledger()
        ledger["rejected"] |= {digest_of(" ".join(one.text.split())): one.name for one in chosen}
        folder.write_ledger(ledger)
    for one in chosen:
        say(f"rejected: {one.name}")


def _chosen(ctx: typer.Context, names: Sequence[str] | None, everything: bool) -> list[Fact]:
    folder = _settled(ctx)
    if everything == bool(names):
        raise typer.BadParameter("name facts, or say --all")
    if everything:
        return [fact for fact in folder.all() if fact.state == "waiting"]
    return [folder.get(name) for name in names or ()]


def _settled(ctx: typer.Context, opened: Opened | None = None) -> Any:
    from pegboard_builtins.memory.patches import Patches

    folder = (opened or _opened(ctx)).facts
    Patches(folder).settle()
    return folder


def _apply(ctx: typer.Context, edits: Sequence[Edit], opened: Opened | None = None) -> None:
    from pegboard_builtins.memory.patches import Patches

    if edits:
        Patches((opened or _opened(ctx)).facts).apply(edits, by="person")


def _clean(ctx: typer.Context, opened: Opened, text: str) -> str:
    """Return a text as it may be kept, and say what was masked."""
    from pegboard_builtins.memory.opening import clean

    text, found = clean(ctx.obj, opened.settings, text)
    if found:
        print(f"warning: masked: {', '.join(found)}", file=sys.stderr)
    return text


def _edited(text: str, name: str) -> str:
    """Let a person edit a text in their editor. Raises MemoryFailure if there is no terminal or it fails."""
    if not sys.stdin.isatty():
        raise MemoryFailure("there is no terminal to edit on; say --text WORDS, or --text - and give them as input")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="pegboard-fact-") as folder:
        path = Path(folder) / f"{Path(name).name}.md"
        path.write_text(text + "\n" if text else "", encoding="utf-8")
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)
        except OSError as error:
            raise MemoryFailure(f"the editor {editor!r} cannot be started: {error.strerror}; set EDITOR") from None
        if done.returncode:
            raise MemoryFailure(f"the editor ended with {done.returncode}; nothing was changed")
        return path.read_text(encoding="utf-8")


def _fact(fact: Fact) -> dict[str, Any]:
    return {**asdict(fact), "state": fact.state, "labels": list(fact.labels)}


def _first_line(text: str) -> str:
    return clipped(text.strip().partition("\n")[0], 100)


# --- consolidation -------------------------------------------------------------------------------------


def consolidate(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the patch, and change nothing.")] = False,
    due: Annotated[bool, typer.Option("--due", help="Only if it is idle long enough and enough is new.")] = False,
    model: Annotated[str, typer.Option(help="A model to propose facts: 'off', 'default' or a name.")] = "",
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make facts of what was observed: as one patch that cites events, and can be reverted."""
    from pegboard_builtins.memory.consolidation.verb import run

    report = run(ctx.obj, _opened(ctx, project), dry_run=dry_run, due=due, model=model)
    if as_json:
        facts = {"run": report.run.id if report.run else "", "edits": [asdict(edit) for edit in report.edits]}
        print_json({**facts, "dropped": report.dropped, "closed": report.closed, "events": report.events})
        return
    if report.closed:
        say(f"not yet: {'; '.join(report.closed)}")
        return
    if report.run is None and not report.edits:
        say(f"nothing to change: {report.events} new events were looked at")
    if due:  # the daemon's log holds nothing that is remembered, and names of facts tell something of it
        say(f"{len(report.edits)} facts changed, {len(report.dropped)} proposals left out")
        return
    for edit in report.edits:
        sign = "+" if edit.before is None else "-" if edit.after is None else "~"
        say(f"{sign} {edit.name}: {edit.why}")
    for reason in report.dropped:
        say(f"  left out: {reason}", "dim")
    if report.run is not None:
        say(f"run {report.run.id}; `pegboard memory diff` shows it, `pegboard memory revert` takes it back")


RunArgument = Annotated[
    str, typer.Argument(metavar="[RUN]", help="A run's id, or its beginning; the newest if absent.")
]


def diff(
    ctx: typer.Context,
    run: RunArgument = "",
    list_: Annotated[bool, typer.Option("--list", help="List the runs instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a run changed in the facts, as a diff with the events that it cites."""
    from pegboard_builtins.memory.patches import Patches

    patches = Patches(_opened(ctx).facts)
    if list_:
        _list_runs(list(patches.all()), as_json=as_json)
        return
    found = patches.run(run)
    if as_json:
        print_json(asdict(found))
        return
    back = f", reverted by {found.reverted_by}" if found.reverted_by else ""
    what = f"reverts {found.reverts}" if found.reverts else found.by
    say(f"{found.id} ({found.at}, {what}{f', {found.model}' if found.model else ''}{back})")
    for edit in found.edits:
        cites = " ".join(f"#{number}" for number in edit.cites)
        say(f"{edit.name}: {edit.why}{f' [{cites}]' if cites else ''}", "dim")
    for line in found.diff().splitlines():
        say(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))
    for reason in found.dropped:
        say(f"left out: {reason}", "dim")


def _list_runs(runs: Sequence[Run], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(run) for run in runs])
        return
    rows = [(run.id, run.at, run.by, run.model, len(run.edits), "reverted" if run.reverted_by else "") for run in runs]
    print_table(("run", "at", "by", "model", "facts", "state"), rows, empty="Nothing has changed facts yet.")


def revert(ctx: typer.Context, run: RunArgument = "") -> None:
    """Put the facts back as they were before a run; refused where they changed since."""
    from pegboard_builtins.memory.patches import Patches

    back = Patches(_opened(ctx).facts).revert(run)
    say(f"reverted: {back.reverts} (run {back.id})")


def blame(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show where a fact is from: the events that it cites, their lines in journals, the runs that changed it."""
    from pegboard_builtins.memory.patches import Patches

    opened = _opened(ctx)
    folder = _settled(ctx, opened)
    fact = folder.get(name)
    events = {number: _cited(opened, number) for number in fact.cites}
    runs = [run for run in Patches(folder).all() if any(edit.name == fact.name for edit in run.edits)]
    rows = [_event_row(ctx.obj, number, found) for number, found in events.items()]
    if as_json:
        changes = [{"run": run.id, "at": run.at, "by": run.by, "model": run.model} for run in runs]
        print_json({"fact": fact.name, "state": fact.state, "labels": fact.labels, "events": rows, "runs": changes})
        return
    say(f"{fact.name} ({fact.state}, {'/'.join(fact.labels)})")
    columns = ("event", "kind", "from", "at", "journal", "text")
    cells = [[row[key] for key in ("number", "kind", "origin", "at", "journal", "text")] for row in rows]
    print_table(columns, cells, empty="It cites no events: a person wrote the file, or the log was busy then.")
    for run in runs:
        why = next(edit.why for edit in run.edits if edit.name == fact.name)
        say(f"{run.at}  {run.id}  {run.by}{f' ({run.model})' if run.model else ''}: {why}")


def _cited(opened: Opened, number: int) -> Any:
    found = opened.memory.read(opened.project, number, number)
    return found[0] if found else None


def _event_row(host: HostView, number: int, event: Any) -> dict[str, Any]:
    from datetime import UTC, datetime

    if event is None:
        gone = "it was forgotten, or dropped by gc"
        return {"number": number, "kind": "", "origin": "", "at": "", "journal": "", "text": gone}
    at = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%d %H:%M")
    text = _first_line(event.text)
    journal = _journal_line(host, event.record) or (f"session {event.session}" if event.session else "")
    return {"number": number, "kind": event.kind, "origin": event.origin, "at": at, "journal": journal, "text": text}


def _journal_line(host: HostView, record: str) -> str:
    """Return the file and line of a record that an event names as SESSION:SEQ; a record's number is its line."""
    session, _, seq = record.rpartition(":")
    if not session or not seq.isdigit():
        return ""
    try:
        path = host.find_session(session)
    except Exception:  # the journal was pruned; its id is still worth showing
        return f"{session}:{seq}"
    return f"{path}:{_line_of(path, int(seq))}"


def _line_of(path: Path, seq: int) -> int:
    wanted = f'"seq":{seq},'.encode()
    with open(path, "rb") as file:
        for line, text in enumerate(file, 1):
            if wanted in text[:200]:
                return line
    return seq


def mcp(ctx: typer.Context) -> None:
    """Serve this project's memory to other agents over MCP, on standard input and output (extra `mcp`)."""
    from pegboard_builtins.memory.mcp_server import serve

    serve(ctx.obj, _opened(ctx))


VERBS: dict[str, Callable[..., None]] = {
    "recall": recall,
    "consolidate": consolidate,
    "diff": diff,
    "revert": revert,
    "blame": blame,
    "mcp": mcp,
}
"""The verbs by their names; `facts` is a group of its own: `facts_app`."""
