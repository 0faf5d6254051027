"""`pegboard flags`: its verbs. Each one's work is in a module of its own, imported when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import PegboardError
from pegboard.output import print_json, print_table, print_text, say

app = typer.Typer(help="What may be switched, who switched it, and why.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A flag's name.")]
UserOption = Annotated[bool, typer.Option("--user", help="In your own settings (this is the default).")]
ProjectOption = Annotated[bool, typer.Option("--project", help="In this folder's .pegboard/settings.toml.")]
LocalOption = Annotated[bool, typer.Option("--local", help="In this folder's .pegboard/settings.local.toml.")]
SessionOption = Annotated[
    str, typer.Option("--session", metavar="ID|next", help="For one session, when it starts: by its id, or `next`.")
]
LiveOption = Annotated[
    bool, typer.Option("--live", help="Throw a kill switch, also for sessions that run: to its safe value only.")
]


def host_of(ctx: typer.Context) -> HostView:
    """Return the host that the command line opened for this verb."""
    if ctx.obj is None:
        raise PegboardError("these verbs run under `pegboard` only")
    host: HostView = ctx.obj
    return host


@app.command("list")
def list_flags(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show every flag with its value here, the layer that said so, and what it is for."""
    from pegboard_builtins.flags.showing import Shown, facts_of

    shown = Shown(host_of(ctx))
    if as_json:
        print_json([facts_of(shown, name) for name in shown.flags])
        return
    rows = [
        (name, shown.value(name), flag.type, shown.details(name).layer, flag.owner, shown.remark(name), flag.help)
        for name, flag in shown.flags.items()
    ]
    print_table(("name", "value", "type", "layer", "owner", "", "what it is for"), rows, empty="No flag is declared.")
    shown.say_asides()


@app.command()
def get(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Print a flag's value, and nothing else."""
    from pegboard_builtins.flags.showing import Shown, facts_of

    shown = Shown(host_of(ctx))
    shown.flag(name)
    if as_json:
        print_json(facts_of(shown, name))
    else:
        print_text(str(shown.value(name)))


@app.command("set")
def set_flag(
    ctx: typer.Context,
    name: NameArgument,
    value: Annotated[str, typer.Argument(help="The value, as the flag's type has it.")],
    user: UserOption = False,
    project: ProjectOption = False,
    local: LocalOption = False,
    session: SessionOption = "",
    live: LiveOption = False,
) -> None:
    """Set a flag, for sessions that begin from now on. Comments and everything else in the file stay."""
    from pegboard_builtins.flags.changing import Target, set_value

    target = Target.of(host_of(ctx), user=user, project=project, local=local, session=session, live=live)
    for line in set_value(host_of(ctx), target, name, value):
        say(line)


@app.command()
def unset(
    ctx: typer.Context,
    name: NameArgument,
    user: UserOption = False,
    project: ProjectOption = False,
    local: LocalOption = False,
    session: SessionOption = "",
    live: LiveOption = False,
) -> None:
    """Take back what one place says of a flag. A kill switch that is taken back counts for later sessions."""
    from pegboard_builtins.flags.changing import Target, unset_value

    target = Target.of(host_of(ctx), user=user, project=project, local=local, session=session, live=live)
    for line in unset_value(host_of(ctx), target, name):
        say(line)


@app.command()
def explain(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Tell why a flag has its value: every layer's vote with file and line, what it gates, what would change it."""
    from pegboard_builtins.flags.explaining import explained, print_explained

    told = explained(host_of(ctx), name)
    if as_json:
        print_json(told)
    else:
        print_explained(told)


snapshot = typer.Typer(help="The flags that sessions ran with.", no_args_is_help=True)
app.add_typer(snapshot, name="snapshot")


@snapshot.command("list")
def snapshot_list(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show the snapshots of this folder's sessions, newest first."""
    from pegboard_builtins.flags.recorded import snapshots

    found = snapshots(host_of(ctx))
    if as_json:
        print_json(found)
        return
    rows = [(one["snapshot"], one["session"], one["time"], one["source"], one["flags"]) for one in found]
    print_table(("snapshot", "session", "since", "from", "flags"), rows, empty="No session has had flags here.")


@snapshot.command("show")
def snapshot_show(
    ctx: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A snapshot's id, a session's id, or `now`.")] = "now",
    as_json: JsonOption = False,
) -> None:
    """Show every value in a snapshot, with the layer that said so."""
    from pegboard_builtins.flags.recorded import snapshot_of

    found = snapshot_of(host_of(ctx), wanted)
    if as_json:
        print_json(
            {
                "id": found.id,
                "flags": {
                    name: {"value": one.value, "layer": str(one.layer), "variant": one.variant, "rule": one.rule}
                    for name, one in found.details.items()
                },
            }
        )
        return
    say(f"snapshot {found.id or '(no flags)'}", "bold")
    rows = [(one.name, text_of(one.value), one.layer, one.variant, one.rule) for one in found.details.values()]
    print_table(("name", "value", "layer", "variant", "rule"), rows, empty="It has no flags.")


@app.command()
def diff(
    ctx: typer.Context,
    left: Annotated[str, typer.Argument(help="A snapshot's id, a session's id, or `now`.")],
    right: Annotated[str, typer.Argument(help="The other one.")] = "now",
    as_json: JsonOption = False,
) -> None:
    """Show what differs between two snapshots. The exit code is 1 if something does."""
    from pegboard_builtins.flags.recorded import differences, snapshot_of

    host = host_of(ctx)
    found = differences(snapshot_of(host, left), snapshot_of(host, right))
    if as_json:
        print_json(found)
    else:
        rows = [(one["name"], text_of(one["left"]), text_of(one["right"]), one["why"]) for one in found]
        print_table(("name", left, right, ""), rows, empty="No difference.")
    if found:
        raise typer.Exit(1)


@app.command()
def audit(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="One flag; all that were not at their default otherwise.")] = "",
    session: Annotated[str, typer.Option(help="One session; all of this folder otherwise.")] = "",
    everywhere: Annotated[bool, typer.Option("--all", help="The sessions of every folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell which sessions ran with a flag at which value, and whether it mattered: was it read, did it gate a thing."""
    from pegboard_builtins.flags.recorded import audited

    found = audited(host_of(ctx), name, session, everywhere=everywhere)
    if as_json:
        print_json(found)
        return
    rows = [
        (one["session"], one["flag"], text_of(one["value"]), one["layer"], one["reads"], one["mattered"])
        for one in found
    ]
    print_table(
        ("session", "flag", "value", "layer", "reads", "did it matter"), rows, empty="No session has run with it."
    )


@app.command()
def report(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="One ramp; all otherwise.")] = "",
    session: Annotated[str, typer.Option(help="One session; all of this folder otherwise.")] = "",
    everywhere: Annotated[bool, typer.Option("--all", help="The sessions of every folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell how often what is in shadow, or only warns, would have changed what happened."""
    from pegboard_builtins.flags.reporting import reported

    found = reported(host_of(ctx), name, session, everywhere=everywhere)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["flag"],
            one["by"],
            one["point"],
            one["asked"],
            one["said"],
            one["disagreed"],
            one["share"],
            one["example"],
        )
        for one in found
    ]
    columns = ("ramp", "by", "point", "asked", "said", "disagreed", "share", "for example")
    print_table(columns, rows, empty="Nothing has run in shadow.")


@app.command()
def lint(
    ctx: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Code to look at beside the plugins'.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find names that nobody declares, in files and code, and flags that are expired, never read, or dead."""
    from pegboard_builtins.flags.linting import lint as look

    found = look(host_of(ctx), paths or [])
    if as_json:
        print_json([one.as_dict() for one in found])
    else:
        for one in found:
            say(str(one), "red" if one.wrong else "yellow")
        say(f"{sum(one.wrong for one in found)} wrong, {sum(not one.wrong for one in found)} to look at.")
    if any(one.wrong for one in found):
        raise typer.Exit(1)


@app.command()
def doctor(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Look at all that flags depend on: files, trust, state, remote, kill switches. Exit code 1 if it is wrong."""
    from pegboard_builtins.flags.checking import examine

    found = examine(host_of(ctx))
    if as_json:
        print_json([{"subject": subject, "state": state, "text": text} for subject, state, text in found])
    else:
        for subject, state, text in found:
            say(f"{state:<6} {subject}: {text}", {"ok": "", "note": "yellow", "wrong": "red"}[state])
    if any(state == "wrong" for _, state, _ in found):
        raise typer.Exit(1)


@app.command()
def export(
    ctx: typer.Context,
    form: Annotated[str, typer.Option("--format", help="flagd, ofrep or json.")] = "json",
) -> None:
    """Print every flag: as a flagd definition, as an OFREP answer, or as our own JSON."""
    from pegboard_builtins.flags.exchanging import exported

    print_json(exported(host_of(ctx), form))


@app.command("import")
def import_flags(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A flagd definition, an OFREP answer, or what `export` printed.")],
    user: UserOption = False,
    project: ProjectOption = False,
    local: LocalOption = False,
) -> None:
    """Take over flags: definitions go to flags.toml, values to the settings. Nothing that is there is replaced."""
    from pegboard_builtins.flags.changing import Target
    from pegboard_builtins.flags.exchanging import imported

    target = Target.of(host_of(ctx), user=user, project=project, local=local, session="", live=False)
    for line in imported(host_of(ctx), file, target):
        say(line)


@app.command()
def bisect(
    ctx: typer.Context,
    expect: Annotated[
        str, typer.Option(help="'VERDICT on CALL': what should have come of a call, e.g. 'allow on toolu_1'.")
    ],
    session: Annotated[str, typer.Option(help="A session's id; the newest of this folder by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Find the smallest set of flags and packs that flips a recorded decision, by asking its hooks again."""
    from pegboard_builtins.flags.bisecting import bisected, print_bisected

    found = bisected(host_of(ctx), session or None, expect)
    if as_json:
        print_json(found)
    else:
        print_bisected(found)
    if not found["flips"]:
        raise typer.Exit(1)


def text_of(value: Any) -> str:
    """Return a value for a person: texts as they are, everything else as JSON."""
    import json

    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
