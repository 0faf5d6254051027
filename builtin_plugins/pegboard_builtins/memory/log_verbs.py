"""`pegboard memory status|start|stop|logs|doctor|add|search|show|...`: the daemon and its log."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.output import clipped, print_json, print_table, say
from pegboard_builtins.memory.events import Event, MemoryFailure

if TYPE_CHECKING:
    from pegboard_builtins.memory.client import Client
    from pegboard_builtins.memory.projects import Identity

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
ProjectOption = Annotated[str, typer.Option("--project", help="Another project, by its id; this folder's by default.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
NumbersArgument = Annotated[list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Numbers of events.")]
WRONG = 1


def client_for(ctx: typer.Context, *, starts: bool = True) -> Client:
    """Return a client for a verb; with `starts=False` it looks itself where no daemon runs."""
    from pegboard_builtins.memory.configuring import client_of

    return client_of(ctx.obj, starts=starts)


def _here(ctx: typer.Context) -> Identity:
    from pegboard_builtins.memory.configuring import config_of, settings_of
    from pegboard_builtins.memory.projects import identify, note_root

    host: HostView = ctx.obj
    settings = settings_of(host)
    root = config_of(host, settings).root
    found = identify(host.project, root, worktrees=settings.scope == "project+worktree")
    note_root(root, found, quota=settings.quota, retention_days=settings.retention_days)
    return found


def named(ctx: typer.Context, project: str) -> tuple[str, str]:
    """Return a project's id and the worktree: this folder's, or the project that was asked for by id or name."""
    if not project:
        here = _here(ctx)
        return here.project, here.worktree
    known = {one["project"]: one["name"] for one in _known(ctx)}
    found = [identity for identity, name in known.items() if project in (identity, name)]
    if len(found) == 1:
        return found[0], ""
    from pegboard.errors import did_you_mean

    if found:
        raise MemoryFailure(f"{project!r} is the name of {len(found)} projects: say which id: {', '.join(found)}")
    hint = did_you_mean(project, [*known, *known.values()])
    raise MemoryFailure(
        f"nothing is remembered of a project {project!r}.{hint} `pegboard memory projects` has them all"
    )


def _known(ctx: typer.Context) -> list[dict[str, Any]]:
    from pegboard_builtins.memory.projects import read_meta

    with client_for(ctx, starts=False) as client:
        told = client.status()
    found = []
    for identity, one in told["projects"].items():
        meta = read_meta(client.config.root / "projects" / identity)
        found.append({"project": identity, "name": meta.name, "roots": list(meta.roots), **one})
    return found


# --- the daemon ----------------------------------------------------------------------------------------


def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Tell whether a daemon runs, where, and how much is remembered."""
    with client_for(ctx, starts=False) as client:
        told = client.status()
    if as_json:
        print_json({key: value for key, value in told.items() if key != "build"})
        return
    if told["pid"]:
        child = f", consolidating (process {told['child']})" if told["child"] else ""
        say(f"a daemon runs: process {told['pid']}, {told['clients']} clients, since {_moment(told['started'])}{child}")
        say(f"socket      {told['socket']}")
    else:
        say("no daemon runs; one is started when something is to be remembered")
    safe = (
        "synced to the disk before it counts"
        if told["durability"] == "fsync"
        else "not synced: a crash of the system may lose the newest"
    )
    say(f"folder      {told['root']}")
    say(f"durability  {told['durability']} ({safe})")
    say(f"events      {told['events']} in {len(told['projects'])} projects, {told['spooled']} puts in the spool")
    gone = sum(one["dropped"].get("events", 0) for one in told["projects"].values())
    if gone:
        say(f"dropped     {gone} events that were too old or too much (`retention_days`, `quota`)")
    damaged = sum(one["damaged"] for one in told["projects"].values())
    if damaged:
        say(f"damaged     {damaged} lines; `pegboard memory verify` tells which", "red")


def start(
    ctx: typer.Context,
    foreground: Annotated[bool, typer.Option("--foreground", help="Run it here, until it is stopped.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the daemon, if none runs."""
    if foreground:
        from pegboard_builtins.memory.configuring import config_of
        from pegboard_builtins.memory.daemon import BUSY, main

        config = config_of(ctx.obj)
        done = main(config.json())
        if done == BUSY:
            raise MemoryFailure("a daemon runs already; `pegboard memory status` tells more")
        raise typer.Exit(done)
    with client_for(ctx) as client:
        told = client.start()
    if as_json:
        print_json({"pid": told["pid"]})
    else:
        say(f"a daemon runs: process {told['pid']}")


def stop(
    ctx: typer.Context,
    kill: Annotated[bool, typer.Option("--kill", help="End one that does not answer; nothing kept is lost.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let the daemon finish and end. The next session starts another one, unless the plugin is disabled."""
    from pegboard_builtins.memory.place import is_locked

    with client_for(ctx, starts=False) as client:
        root = client.config.root
        pid = _killed(root) if kill else client.drain()
    if is_locked(root):
        raise MemoryFailure(f"{root}: it still has the memory; `pegboard memory stop --kill` ends it")
    if as_json:
        print_json({"pid": pid})
    else:
        say(f"ended: process {pid}" if pid else "no daemon ran")


def _killed(root: Path) -> int:
    """End whoever holds the lock. Its number is from the lock, and believed only while the lock is held."""
    import json

    from pegboard_builtins.memory.place import LOCK, is_locked

    if not is_locked(root):
        return 0
    try:
        pid = int(json.loads((root / LOCK).read_bytes())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        pid = 0
    if pid <= 1:  # 0 and -1 are not one process: they are all of ours, and all there are
        raise MemoryFailure(f"{root / LOCK}: it does not say which process it is")
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while is_locked(root) and time.monotonic() < until:
        time.sleep(0.01)
    return pid


def logs(
    ctx: typer.Context,
    lines: Annotated[int, typer.Option("-n", "--lines", help="How many of the last lines.", min=1)] = 50,
) -> None:
    """Print what the daemon wrote down: starts, ends, failures. It never holds what is remembered."""
    from pegboard_builtins.memory.configuring import config_of
    from pegboard_builtins.memory.starting import LOG

    path = config_of(ctx.obj).root / LOG
    if not path.exists():
        say("No daemon has run yet.")
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]:
        say(line)


def doctor(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Look for what could keep memory from working; ends with 1 if something is wrong."""
    from pegboard_builtins.memory.ailments import ailments
    from pegboard_builtins.memory.configuring import config_of

    found = list(ailments(config_of(ctx.obj)))
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        rows = [("wrong" if one.wrong else "note", one.text, one.where, one.mend) for one in found]
        print_table(("", "what", "where", "mend"), rows, empty="Nothing is wrong with memory.")
    if any(one.wrong for one in found):
        raise typer.Exit(WRONG)


def install_service(
    ctx: typer.Context,
    kind: Annotated[str, typer.Option(help="systemd or launchd; what this system has by default.")] = "",
    show: Annotated[bool, typer.Option("--print", help="Print the unit instead of writing it.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the unit away again.")] = False,
) -> None:
    """Let systemd or launchd run the daemon from your login on. Nobody needs that: it starts by itself."""
    from pegboard_builtins.memory import service
    from pegboard_builtins.memory.configuring import config_of

    kind = kind or service.kind_here()
    if kind not in ("systemd", "launchd"):
        raise typer.BadParameter("it is systemd or launchd", param_hint="--kind")
    path = service.unit_path(kind)
    if remove:
        existed = path.exists()
        path.unlink(missing_ok=True)
        say(f"removed: {path}" if existed else f"there was none: {path}")
        return
    text = service.unit_text(kind, config_of(ctx.obj))
    if show:
        print(text, end="")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"written: {path}")
    say(f"then:    {service.how_to_begin(kind)}")


# --- events --------------------------------------------------------------------------------------------


def add(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to remember; '-' reads it.")],
    key: Annotated[str, typer.Option(help="Of two with one key, the first is kept.")] = "",
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Remember a note. Secrets and confidential names in it are masked first."""
    given = (sys.stdin.read() if text == "-" else text).strip()
    identity, worktree = named(ctx, project)
    event = prepared(ctx)(Event(identity, given, key=key, worktree=worktree))
    if event.meta.get("redacted"):
        print(f"warning: masked: {', '.join(event.meta['redacted'])}", file=sys.stderr)
    with client_for(ctx) as client:
        number = client.put([event])[0]
    if as_json:
        print_json({"number": number, "project": identity, "worktree": worktree})
    else:
        say(f"kept: #{number}" if number else "kept in the spool; a daemon will take it from there")


def prepared(ctx: typer.Context, *, secrets_too: bool = False) -> Callable[[Event], Event]:
    """Return what masks an event as the settings say, before it is kept; with *secrets_too* secrets in any case."""
    from dataclasses import replace

    from pegboard_builtins.memory.configuring import settings_of
    from pegboard_builtins.memory.observing import masked
    from pegboard_builtins.memory.secrets import Secrets

    redact = settings_of(ctx.obj).capture.redact
    secrets = Secrets() if secrets_too or "secrets" in redact else None

    def prepare(event: Event) -> Event:
        clean = masked(event, secrets)
        return replace(clean, text=str(ctx.obj.emit("memory", clean.text))) if "names" in redact else clean

    return prepare


def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="Words; a phrase in quotation marks is looked for as one.")],
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=1000, help="How many at most.")] = 20,
    neighbours: Annotated[int, typer.Option(min=0, max=20, help="How many events around each are shown, too.")] = 1,
    origin: Annotated[list[str] | None, typer.Option(help="Only of this origin; may be said again.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; may be said again.")] = None,
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Look for events of this project, best first."""
    identity, worktree = named(ctx, project)
    with client_for(ctx) as client:
        hits = client.search(
            identity,
            query,
            limit=limit,
            neighbours=neighbours,
            worktree=worktree,
            origins=origin or (),
            kinds=kind or (),
        )
    shown: list[dict[str, Any]] = [
        {
            "score": hit.score,
            "event": shown_event(ctx, hit.event),
            "neighbours": [shown_event(ctx, one) for one in hit.neighbours],
        }
        for hit in hits
    ]
    if as_json:
        print_json(shown)
        return
    if not shown:
        say("Nothing fits. Each word counts by itself; try others.")
    said = {int(one["event"]["number"]) for one in shown}
    for one in shown:
        near = [event for event in one["neighbours"] if int(event["number"]) not in said]
        said.update(int(event["number"]) for event in near)
        for event in sorted([*near, one["event"]], key=lambda event: int(event["number"])):
            mark = ">" if event is one["event"] else " "
            line = (
                f"{mark} #{event['number']}  {event['at']}  {event['origin']}/{event['kind']}  {short(event['text'])}"
            )
            say(line, "" if event is one["event"] else "dim")


def show(
    ctx: typer.Context,
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBER...", help="Numbers of events.")],
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show events whole, with where they are from."""
    identity, _ = named(ctx, project)
    with client_for(ctx) as client:
        events = [event for number in numbers for event in client.read(identity, number, number)]
    missing = sorted(set(numbers) - {event.number for event in events})
    if missing:
        raise MemoryFailure(
            f"there is no event {', '.join(f'#{n}' for n in missing)}: never kept, forgotten, or damaged"
        )
    shown = [shown_event(ctx, event) for event in events]
    if as_json:
        print_json(shown)
        return
    for one in shown:
        for name in ("number", "at", "kind", "origin", "session", "record", "worktree", "key", "meta"):
            if one[name]:
                say(f"{name:<9} {one[name]}")
        print(one["text"])


def shown_event(ctx: typer.Context, event: Event) -> dict[str, Any]:
    """Return an event as it may be shown: names that were listed since are masked here."""
    facts = {**asdict(event), "at": _moment(event.at)}
    return {**facts, **ctx.obj.emit("text", {"text": event.text, "meta": dict(event.meta)})}


def short(text: str) -> str:
    """Return a text in one line, on a terminal not longer than one reads at a glance."""
    line = " ".join(text.split())
    return clipped(line, 160) if sys.stdout.isatty() else line


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


def forget(
    ctx: typer.Context,
    numbers: NumbersArgument = None,
    match: Annotated[str, typer.Option(help="All whose text has this in it, letter for letter.")] = "",
    session: Annotated[str, typer.Option(help="All of a session, by its whole id.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: DryRunOption = False,
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take events out of every file, for good, and look through every file afterwards. Facts that cite them go, too."""
    identity, _ = named(ctx, project)
    given: dict[str, Any] = {"numbers": numbers or (), "match": match, "session": session}
    with client_for(ctx) as client:
        meant = client.forget(identity, **given, dry_run=True).numbers
        if not meant and not match:
            raise MemoryFailure("no such event is remembered; `pegboard memory search` finds numbers")
        told = f"{len(meant)} events" + (
            f" ({', '.join(f'#{n}' for n in meant[:10])}{', ...' if len(meant) > 10 else ''})" if meant else ""
        )
        if dry_run:
            print_json({"numbers": list(meant)}) if as_json else say(f"would forget {told}")
            return
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Forget {told} for good?", abort=True)
        done = client.forget(identity, **given)
    _forget_in_the_project(ctx, project, done.numbers)
    if as_json:
        print_json(asdict(done))
    else:
        say(f"forgotten: {told}")
        say(
            f"looked through {done.files} files, {done.searched_bytes:,} bytes: {done.found_bytes} bytes of it are left"
        )
        for one in done.purged:
            say(f"gone with it, because nobody could read it: {one}")
    if done.left:
        raise MemoryFailure(f"something is left of it in {', '.join(done.left)}; delete it there if it shall go, too")


def _forget_in_the_project(ctx: typer.Context, project: str, numbers: Sequence[int]) -> None:
    """Take away facts that lie in a folder of the project, where the daemon does not look. Git may still have them."""
    from pegboard_builtins.memory.opening import open_memory
    from pegboard_builtins.memory.patches import Patches

    opened = open_memory(ctx.obj, project=project)
    if opened.settings.facts_dir and numbers:
        Patches(opened.facts).forget(numbers)


# --- keeping house -------------------------------------------------------------------------------------


def reindex(ctx: typer.Context, project: ProjectOption = "") -> None:
    """Make a project's index anew from its log."""
    identity, _ = named(ctx, project)
    with client_for(ctx) as client:
        say(f"indexed: {client.reindex(identity)} events")


def verify(
    ctx: typer.Context,
    project: Annotated[str, typer.Option("--project", help="One project, by its id; all by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Read every byte of logs and indexes; ends with 1 if something is damaged or missing."""
    wanted = named(ctx, project)[0] if project else ""
    with client_for(ctx, starts=False) as client:
        told = client.verify(wanted)
    if as_json:
        print_json(told)
    else:
        rows = [
            (
                identity,
                "ok" if one["ok"] else "wrong",
                one["events"],
                len(one["damaged"]),
                len(one["missing"]),
                one["forgotten"],
                len(one["torn"]),
                one["index"],
            )
            for identity, one in told.items()
        ]
        columns = ("project", "", "events", "damaged", "missing", "forgotten", "torn", "index")
        print_table(columns, rows, empty="Nothing is remembered yet.")
        for identity, one in told.items():
            for bad in one["damaged"]:
                say(f"{identity}: {bad['segment']:012d}.ndjson, byte {bad['offset']}: {bad['reason']}", "red")
    if not all(one["ok"] for one in told.values()):
        raise typer.Exit(WRONG)


def gc(ctx: typer.Context, dry_run: DryRunOption = False, as_json: JsonOption = False) -> None:
    """Drop what is older than `retention_days`, or more than `quota`: what the daemon does while nobody asks, now."""
    from pegboard_builtins.memory.configuring import settings_of

    settings = settings_of(ctx.obj)
    _here(ctx)  # notes what this project's settings allow
    with client_for(ctx) as client:
        told = client.gc(quota=settings.quota, retention_days=settings.retention_days, dry_run=dry_run)
    if as_json:
        print_json(told)
        return
    rows = [
        (
            identity,
            f"#{each['segments'][0]['first']} to #{each['last']}",
            sum(one["bytes"] for one in each["segments"]),
            ", ".join(sorted({one["because"] for one in each["segments"]})),
        )
        for identity, each in told.items()
    ]
    print_table(("project", "events", "bytes", "because"), rows, empty="Nothing has had its time.")
    if rows:
        say("nothing was dropped: --dry-run" if dry_run else "dropped")


def export(
    ctx: typer.Context,
    to: Annotated[Path | None, typer.Option("--to", help="A file, written with mode 0600; else it is printed.")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object per line; there is no other form.")] = True,
    project: ProjectOption = "",
) -> None:
    """Write out a project's events, through the filters of ways out, for `import` elsewhere."""
    from pegboard_builtins.memory.exchange import exported

    identity, _ = named(ctx, project)
    with ExitStack() as stack:
        client = stack.enter_context(client_for(ctx))
        file = stack.enter_context(_private(to)) if to is not None else sys.stdout
        count = -1  # the head is no event
        for line in exported(client, identity, lambda facts: ctx.obj.emit("export", facts)):
            print(line, file=file)
            count += 1
    if to is not None:
        say(f"{count} events are in {to}")


def _private(path: Path) -> Any:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
    except OSError as error:
        raise MemoryFailure(f"{path}: it cannot be written: {error.strerror}") from None


def import_(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE", help="What `export` wrote; '-' reads it.")],
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take exported events into this project; what is there already is left alone."""
    from pegboard_builtins.memory.exchange import imported

    identity, _ = named(ctx, project)
    with ExitStack() as stack:
        client = stack.enter_context(client_for(ctx))
        try:
            file = sys.stdin if source == "-" else stack.enter_context(open(source, encoding="utf-8"))
        except OSError as error:
            raise MemoryFailure(f"{source}: it cannot be read: {error.strerror}") from None
        read, new = imported(client, identity, file, source, prepared(ctx))
    if as_json:
        print_json({"read": read, "new": new, "project": identity})
    else:
        say(f"{read} events were read, {new} of them are new")


def projects(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List all projects of which something is remembered."""
    found = _known(ctx)
    if as_json:
        print_json(found)
        return
    rows = [(one["project"], one["name"], one["events"], one["bytes"], ", ".join(one["roots"])) for one in found]
    print_table(("project", "name", "events", "bytes", "seen in"), rows, empty="Nothing is remembered yet.")


def merge(
    ctx: typer.Context,
    worktree: Annotated[str, typer.Argument(help="The worktree's name; this folder's if it is one.")] = "",
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give the whole project what one of its worktrees remembers."""
    identity, here = named(ctx, project)
    name = worktree or here
    if not name:
        raise MemoryFailure("this folder is no linked worktree; say the name of one")
    with client_for(ctx) as client:
        count = client.merge(identity, name)
    if as_json:
        print_json({"worktree": name, "events": count})
    else:
        say(f"{count} events of {name} are the project's now" if count else f"nothing is remembered of {name} alone")


VERBS: dict[str, Callable[..., None]] = {
    "status": status,
    "start": start,
    "stop": stop,
    "logs": logs,
    "doctor": doctor,
    "add": add,
    "search": search,
    "show": show,
    "forget": forget,
    "reindex": reindex,
    "verify": verify,
    "gc": gc,
    "export": export,
    "import": import_,
    "projects": projects,
    "merge": merge,
    "install-service": install_service,
}
"""The verbs by name, in the order of the help."""
