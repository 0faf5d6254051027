"""`pegboard undercover`: look for names, judge and change the list, and see which ways out are covered."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.output import print_json, print_table, say
from pegboard_builtins.undercover.settings import UndercoverSettings
from pegboard_builtins.undercover.sources import ListError

if TYPE_CHECKING:
    from pegboard_builtins.undercover.filtering import Undercover
    from pegboard_builtins.undercover.scanning import Spot

app = typer.Typer(help="Confidential names never leave: look for them, and see what is covered.", no_args_is_help=True)
names_app = typer.Typer(help="The list of names.", no_args_is_help=True)
app.add_typer(names_app, name="names")

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
HIT = 1
NOT_ON = "[undercover] names is not set: nothing is looked for. Say where the list is, such as file:~/names.txt"


class NotScanned(ListError):
    """Something could not be looked at; nobody may take that for clean."""


def _settings(ctx: typer.Context) -> UndercoverSettings:
    host: HostView = ctx.obj
    host.settings.declare("undercover", UndercoverSettings)
    return host.settings.parse("undercover", UndercoverSettings)


def _undercover(ctx: typer.Context) -> Undercover:
    """Return the names of the settings. Raises ListError where there are none: exit code 3."""
    from pegboard_builtins.undercover.filtering import Undercover

    settings = _settings(ctx)
    if not settings.on:
        raise NotScanned(NOT_ON if not settings.names else "[undercover] enabled is false: nothing is looked for")
    found = Undercover(settings, config_dir=ctx.obj.config_dir, project=ctx.obj.project)
    _ = found.finder
    return found


# --- looking -------------------------------------------------------------------------------------------


@app.command()
def scan(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH...]", help="Files, folders, or - for input.")
    ] = None,
    staged: Annotated[bool, typer.Option("--staged", help="What is staged in git.")] = False,
    message_file: Annotated[Path | None, typer.Option(help="A commit's message, as git's hooks get it.")] = None,
    range_: Annotated[str, typer.Option("--range", help="Commits A..B: messages, authors, added lines.")] = "",
    pushed: Annotated[str, typer.Option(help="A remote; reads what git gives to pre-push.", hidden=True)] = "",
    url: Annotated[str, typer.Option(hidden=True)] = "",
    as_json: JsonOption = False,
) -> None:
    """Look for names. Exit code 0: none; 1: some, told by place and id alone; 3: it could not be looked at."""
    from pegboard_builtins.undercover.destinations import GitError
    from pegboard_builtins.undercover.scanning import ScanError

    undercover = _undercover(ctx)
    try:
        spots = list(
            _spots(undercover, paths or [], staged=staged, message=message_file, range_=range_, push=(pushed, url))
        )
    except (GitError, ScanError, OSError) as error:
        raise NotScanned(f"it could not be looked at: {error}") from None
    except typer.BadParameter:
        raise
    except Exception as error:  # whatever it is: what was not looked at is not clean
        raise NotScanned(f"it could not be looked at: {type(error).__name__}") from None
    if as_json:
        print_json({"found": [asdict(spot) for spot in spots]})
    else:
        for spot in spots:
            print(f"{spot.where}:{spot.line}:{spot.column}: {spot.id} ({spot.how})")
        if spots:
            print(f"{len(spots)} found; none may leave", file=sys.stderr)
    raise typer.Exit(HIT if spots else 0)


def _spots(
    undercover: Undercover,
    paths: Sequence[str],
    *,
    staged: bool,
    message: Path | None,
    range_: str,
    push: tuple[str, str],
) -> Iterator[Spot]:
    from pegboard_builtins.undercover import scanning

    finder, mask, here = undercover.finder, undercover.settings.mask, Path.cwd()
    if not (paths or staged or message or range_ or push[0]):
        raise typer.BadParameter("say what to look at: PATH, -, --staged, --message-file or --range")
    for path in paths:
        if path == "-":
            yield from scanning.in_text(finder, sys.stdin.buffer.read().decode("utf-8", "replace"), "input")
        else:
            yield from scanning.in_paths(finder, [Path(path)], mask)
    if staged:
        yield from scanning.in_staged(finder, here, mask)
    if message is not None:
        yield from scanning.in_message(finder, message)
    if range_:
        yield from scanning.in_range(finder, here, [range_], mask)
    if push[0]:
        yield from _pushed(undercover, *push)


def _pushed(undercover: Undercover, remote: str, url: str) -> Iterator[Spot]:
    """Look at what git is about to push: its lines on standard input say which refs, and what the remote has."""
    from pegboard_builtins.undercover import scanning
    from pegboard_builtins.undercover.destinations import git, remote_is_internal

    if remote_is_internal(url or remote, undercover.settings.internal):
        return
    here = Path.cwd()
    for line in sys.stdin.read().splitlines():
        local, local_id, there, there_id = [*line.split(), "", "", "", ""][:4]
        if not local_id.strip("0"):
            continue
        for name in (local, there):
            yield from scanning.in_text(undercover.finder, name, "the name of a branch or tag")
        known = there_id if there_id.strip("0") and git(here, "cat-file", "-t", there_id, check=False) else ""
        unseen = [f"^{known}"] if known else ["--not", f"--remotes={remote}"]
        yield from scanning.in_range(undercover.finder, here, [local_id, *unseen], undercover.settings.mask)


@app.command("test")
def show_text(
    ctx: typer.Context,
    text: Annotated[str | None, typer.Argument(help="A text; read from standard input if absent.")] = None,
) -> None:
    """Show a text as it would leave. Exit code 1 if something was masked."""
    undercover = _undercover(ctx)
    given = sys.stdin.read() if text is None else text
    from pegboard_builtins.undercover.engine import masked

    hits = undercover.finder.find(given)
    print(masked(given, hits, undercover.settings.mask).rstrip("\n"))
    raise typer.Exit(HIT if hits else 0)


@app.command()
def explain(
    ctx: typer.Context,
    text: Annotated[str | None, typer.Argument(help="A text; read from standard input if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which names are in a text, by id, where, and in which dress: plain, decoded, run, reversed or rot13."""
    undercover = _undercover(ctx)
    given = sys.stdin.read() if text is None else text
    rows = [
        {"id": hit.name.id, "group": hit.name.group, "start": hit.start, "end": hit.end, "dress": hit.how}
        for hit in undercover.finder.find(given)
    ]
    if as_json:
        print_json({"mode": undercover.settings.mode, "found": rows})
        return
    columns = ("id", "group", "start", "end", "dress")
    print_table(columns, [[row[name] for name in columns] for row in rows], empty="There is no name in it.")


# --- the list ------------------------------------------------------------------------------------------


@app.command()
def lint(
    ctx: typer.Context,
    against: Annotated[Path | None, typer.Option(help="A folder of your own text or code to measure against.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how ordinary each name is: hits per megabyte. Exit code 1 if one needs a context or its exact case."""
    from pegboard_builtins.undercover.linting import lint as judge
    from pegboard_builtins.undercover.sources import names_of, ruled

    settings = _settings(ctx)
    names = ruled(names_of(settings, config_dir=ctx.obj.config_dir, project=ctx.obj.project), settings.rule)
    verdicts = judge(names, against)
    wrong = [one for one in verdicts if one.advice]
    if as_json:
        print_json([asdict(one) for one in verdicts])
    else:
        rows = [(one.id, one.line, one.words, one.repository, one.advice) for one in wrong]
        columns = ("id", "number", "per MB of words", "per MB of --against", "what to do")
        print_table(columns, rows, empty=f"All {len(verdicts)} names are rare enough.")
    raise typer.Exit(HIT if wrong else 0)


@names_app.command("add")
def add_names(
    ctx: typer.Context,
    group: Annotated[str, typer.Option(help="The heading to put them under.")] = "",
) -> None:
    """Add names, one a line on standard input: never as arguments, which other programs can read."""
    from pegboard_builtins.undercover import editing

    path = editing.file_of(_settings(ctx).names)
    count = editing.add(path, _given(), group)
    say(f"added: {count}")


@names_app.command("remove")
def remove_names(ctx: typer.Context) -> None:
    """Take names out, one a line on standard input, in any spelling."""
    from pegboard_builtins.undercover import editing

    path = editing.file_of(_settings(ctx).names)
    say(f"removed: {editing.remove(path, _given())}")


def _given() -> list[str]:
    if sys.stdin.isatty():
        print("One name a line; end with Ctrl-D.", file=sys.stderr)
    return [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]


@names_app.command("count")
def count_names(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Count the names, by heading."""
    from collections import Counter

    from pegboard_builtins.undercover.sources import names_of

    names = names_of(_settings(ctx), config_dir=ctx.obj.config_dir, project=ctx.obj.project)
    groups = Counter(name.group for name in names)
    if as_json:
        print_json({"names": len(names), "groups": dict(groups)})
        return
    print_table(("group", "names"), [(group or "(none)", count) for group, count in groups.items()], empty="none")


@names_app.command("hash")
def hash_names(
    ctx: typer.Context,
    to: Annotated[Path, typer.Argument(help="The file to write.")],
) -> None:
    """Write a hashed list, for contractors and CI: it finds whole words in plain text, and shows no name."""
    from pegboard_builtins.undercover.engine import HashedList
    from pegboard_builtins.undercover.sources import names_of, ruled

    settings = _settings(ctx)
    names = ruled(names_of(settings, config_dir=ctx.obj.config_dir, project=ctx.obj.project), settings.rule)
    hashed = HashedList.of(names)
    try:
        to.write_text(hashed.dump() + "\n", encoding="utf-8")
    except OSError as error:
        raise ListError(f"{to} cannot be written: {error.strerror}") from None
    say(f'Written: {len(hashed)} names. Use it with [undercover] names = "hashed:{to}"')


# --- what is covered -----------------------------------------------------------------------------------


@app.command()
def audit(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List each way out of each tool and plugin: covered, blocked, open, inside, unused, or unknown."""
    from pegboard_builtins.undercover.auditing import audit as rows_of

    rows = list(rows_of(ctx.obj, _settings(ctx)))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    columns = ("kind", "owner", "name", "surface", "policy", "state")
    print_table(columns, [tuple(asdict(row)[name] for name in columns) for row in rows], empty="There are none.")


@app.command()
def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Say whether names are looked for, how, and what is wrong with the list. Exit code 3 if it cannot be used."""
    settings = _settings(ctx)
    facts: dict[str, Any] = {
        "on": settings.on,
        "mode": settings.mode,
        "aliases": settings.aliases,
        "source": settings.names.partition(":")[0],
        "policies": {name: str(policy) for name, policy in sorted(settings.surfaces.items())},
    }
    problem = ""
    if settings.on:
        try:
            facts["names"] = len(_undercover(ctx).finder)
        except ListError as error:
            problem = str(error)
    facts["problem"] = problem
    if as_json:
        print_json(facts)
    elif not settings.on:
        say(NOT_ON if not settings.names else "[undercover] enabled is false: nothing is looked for")
    else:
        say(f"names:    {facts.get('names', 'none, so every way out is closed')} (from {facts['source']})")
        say(f"mode:     {settings.mode}")
        if settings.aliases:
            say("aliases:  on, so models work under stand-in names")
        for name, policy in facts["policies"].items():
            say(f"{name + ':':<10}{policy}")
        if problem:
            say(f"wrong:    {problem}", "red")
    raise typer.Exit(ListError.exit_code if problem else 0)


@app.command("install-git-hooks")
def install_git_hooks(ctx: typer.Context) -> None:
    """Write pre-commit, commit-msg and pre-push hooks into this repository; hooks that are there run first."""
    from pegboard_builtins.undercover.destinations import GitError
    from pegboard_builtins.undercover.githooks import install

    try:
        done = install(ctx.obj.project)
    except (GitError, OSError) as error:
        raise ListError(f"the hooks cannot be written: {error}") from None
    for name, what in done:
        say(f"{name}: {what}")
