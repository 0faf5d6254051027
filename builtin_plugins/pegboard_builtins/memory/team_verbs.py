"""`pegboard memory team`: what is shared in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from pegboard.output import print_json, say
from pegboard_builtins.memory.events import Event, MemoryFailure
from pegboard_builtins.memory.log_verbs import (
    JsonOption,
    ProjectOption,
    client_for,
    named,
    prepared,
    short,
    shown_event,
)
from pegboard_builtins.memory.team import Team, author_of, push

app = typer.Typer(help="Memory that a team shares in PostgreSQL (extra `postgres`).", no_args_is_help=True)


def _team(ctx: typer.Context) -> Team:
    """Connect. Raises MemoryFailure where the settings name no database."""
    from pegboard_builtins.memory.configuring import config_of, settings_of
    from pegboard_builtins.memory.projects import machine_key

    backend = settings_of(ctx.obj).backend
    if backend.kind != "postgres" or not backend.url_secret:
        raise MemoryFailure(
            'no database is named: [memory.backend] kind = "postgres", url_secret = "NAME of the secret with its URL"'
        )
    url = ctx.obj.secret(backend.url_secret)
    if not url:
        raise MemoryFailure(f"[memory.backend] url_secret: there is no secret {backend.url_secret!r}")
    return Team(url, author_of(machine_key(config_of(ctx.obj).root)))


def _shared(ctx: typer.Context, project: str) -> str:
    """Return a project's id, if the settings say that it is shared. Raises MemoryFailure."""
    from pegboard_builtins.memory.configuring import config_of, settings_of
    from pegboard_builtins.memory.projects import read_meta

    identity, _ = named(ctx, project)
    name = read_meta(config_of(ctx.obj).root / "projects" / identity).name
    if not {identity, name} & set(settings_of(ctx.obj).backend.projects):
        raise MemoryFailure(
            f'this project is not shared; to share it: [memory.backend] projects = ["{name or identity}"]'
        )
    return identity


@app.command("push")
def push_(ctx: typer.Context, project: ProjectOption = "", as_json: JsonOption = False) -> None:
    """Send what is new, through scanner and filters; take away what was forgotten here."""
    identity = _shared(ctx, project)
    with client_for(ctx) as client, _team(ctx) as team:
        done = push(client, team, identity, _leaving(ctx))
    if as_json:
        print_json({"sent": done.sent, "taken_away": done.taken_away})
    else:
        say(f"{done.sent} events were sent, {done.taken_away} taken away")


def _leaving(ctx: typer.Context) -> Callable[[Event], Event]:
    """Return what every event passes on its way out: the scanner for secrets, and the filters of exports."""
    from dataclasses import replace

    scanned = prepared(ctx, secrets_too=True)

    def leave(event: Event) -> Event:
        clean = scanned(event)
        out: dict[str, Any] = ctx.obj.emit("export", {"text": clean.text, "meta": dict(clean.meta)})
        return replace(clean, text=out["text"], meta=out["meta"])

    return leave


@app.command()
def search(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="Words; a phrase in quotation marks is looked for as one.")],
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=1000, help="How many at most.")] = 20,
    project: ProjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Look in what the whole team remembers. It is shown and never recalled by itself: others wrote it."""
    identity = _shared(ctx, project)
    with _team(ctx) as team:
        team.prepare()
        hits = team.search(identity, query, limit=limit)
    shown: list[dict[str, Any]] = [
        {
            "author": hit.author,
            "mine": hit.author == team.author,
            "score": hit.score,
            "event": shown_event(ctx, hit.event),
        }
        for hit in hits
    ]
    if as_json:
        print_json(shown)
        return
    if not shown:
        say("Nothing fits. Each word counts by itself; try others.")
    for one in shown:
        event = one["event"]
        say(f"{'mine' if one['mine'] else one['author'][:6]} #{event['number']}  {event['at']}  {short(event['text'])}")


@app.command()
def watch(
    ctx: typer.Context,
    seconds: Annotated[float, typer.Option(help="How long; until Ctrl-C by default.", min=0)] = 0,
    project: ProjectOption = "",
) -> None:
    """Say when others push something."""
    identity = _shared(ctx, project)
    with _team(ctx) as team:
        for told in team.news(identity, seconds=seconds or None):
            say(f"{told['author'][:6]} pushed {told['events']} events")
