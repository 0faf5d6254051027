"""`pegboard plugins install|uninstall|upgrade`: packs go in and out the way the host itself was installed."""

from __future__ import annotations

import importlib
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._board.installed import normal
from pegboard._cli.opening import JsonOption, closed_host
from pegboard._cli.trusting import YesOption, accept_shown, distributions_named, third_party
from pegboard.errors import PluginError
from pegboard.output import print_json, say

if TYPE_CHECKING:
    from pegboard._board.about import About
    from pegboard._board.discovery import PluginRecord
    from pegboard._cli.installers import Environment, Planned, Sources

NoIndexOption = Annotated[bool, typer.Option("--no-index", help="Ask no index; only --find-links counts.")]
LinksOption = Annotated[
    list[str] | None, typer.Option("--find-links", help="A folder (or page) with wheels; may be repeated.")
]
PreOption = Annotated[bool, typer.Option("--pre", help="Take pre-releases, too.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def install(
    wants: Annotated[list[str], typer.Argument(help="Distributions as pip takes them: NAME, NAME==1.0, a wheel.")],
    no_index: NoIndexOption = False,
    find_links: LinksOption = None,
    pre: PreOption = False,
    dry_run: DryOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Install packs where Pegboard is installed (uv tool, pipx, a venv), and show them for you to accept.

    First it is rehearsed with all packs that are there; what does not go together is named, and nothing is changed.
    With --json and without --yes nothing is accepted.
    """
    sources = _sources(no_index, find_links, pre)
    where, packs = _where(), third_party(closed_host())
    planned = where.rehearse(wants, _pins(packs), sources)
    command = where.install(wants, sources)
    if dry_run:
        _tell_plan(planned, command, as_json=as_json)
        return
    before = {(name, records[0].version) for name, records in packs.items()}
    _run(command, as_json=as_json)
    here = third_party(closed_host())
    fresh = [name for name, records in here.items() if (name, records[0].version) not in before]
    refused = accept_new(fresh, yes=yes, as_json=as_json)
    _tell_installed(planned, command, fresh, refused, as_json=as_json)


def uninstall(
    names: Annotated[list[str], typer.Argument(help="Plugins or distributions.")],
    dry_run: DryOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take packs out of the environment, whatever state they are in: nothing of them is imported."""
    from pegboard._board.about import listed, needed_by
    from pegboard._board.acceptance import gone_since

    host = closed_host()
    packs = third_party(host)
    own = {record.name for record in host.find()} - {one.name for records in packs.values() for one in records}
    for name in names:
        if name in own:
            raise PluginError(name, f"is a part of Pegboard; `pegboard plugins disable {name}` switches it off")
    chosen = distributions_named(packs, names)
    command = _where().uninstall(chosen)
    if dry_run:
        _tell_plan([], command, as_json=as_json)
        return
    needed = {name: [one for one in needed_by(name) if one not in chosen] for name in chosen}
    _run(command, as_json=as_json)
    after = closed_host()
    still = [name for name in chosen if name in third_party(after)]
    gone_since(host.state_dir, after.find())  # whoever takes a pack out need not be told that it is gone
    for name in chosen:
        if name not in still:
            host.packs.revoke(name)
    if as_json:
        print_json({"uninstalled": [name for name in chosen if name not in still], "still_there": still})
    for name in () if as_json else chosen:
        if name in still:
            say(f"{name} is still there: {packs[name][0].folder}", "red")
        else:
            say(f"{name} {packs[name][0].version} is uninstalled.")
        if needed[name]:
            say(f"  {listed(needed[name])} needs it, and may be broken now.", "yellow")
    if still:
        raise typer.Exit(1)


def upgrade(
    names: Annotated[list[str] | None, typer.Argument(help="Plugins or distributions; all packs, if none.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would change, and change nothing.")] = False,
    no_index: NoIndexOption = False,
    find_links: LinksOption = None,
    pre: PreOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring packs to their newest versions that go together, and show what they declare now beside before.

    --preview fetches the new wheels and reads them, running nothing: version, permissions, tools with what they cost
    in each request, hooks, flags.
    """
    packs = third_party(closed_host())
    chosen = distributions_named(packs, names) if names else list(packs)
    if not chosen:
        raise PluginError("", "no pack is installed here but what Pegboard brings itself")
    sources, where = _sources(no_index, find_links, pre), _where()
    rest = {name: records for name, records in packs.items() if name not in chosen}
    planned = where.rehearse(chosen, _pins(rest), sources, upgrade=chosen)
    moving = [one for one in planned if normal(one.name) in set(map(normal, chosen))]
    if preview:
        _preview(where, packs, moving, sources, as_json=as_json)
        return
    if not moving:
        if as_json:
            print_json({"installed": [], "accepted": [], "untrusted": []})
        else:
            say("Nothing is newer.")
        return
    command = where.install(chosen, sources, again=chosen)
    _run(command, as_json=as_json)
    fresh = [name for name in third_party(closed_host()) if normal(name) in {normal(one.name) for one in moving}]
    refused = accept_new(fresh, yes=yes, as_json=as_json)
    _tell_installed(planned, command, fresh, refused, as_json=as_json)


def installed_now(command: Sequence[str], *, as_json: bool) -> None:
    """Run an installer's command, showing it. Raises InstallerError if it fails."""
    _run(command, as_json=as_json)


def _sources(no_index: bool, find_links: list[str] | None, pre: bool) -> Sources:
    from pegboard._cli.installers import Sources

    return Sources(no_index, tuple(find_links or ()), pre)


def _where() -> Environment:
    from pegboard._cli.installers import environment

    return environment()


def _pins(packs: dict[str, list[PluginRecord]]) -> list[str]:
    """Return the packs that are there, and the host itself, as requirements that keep them as they are."""
    from pegboard import __version__

    return [f"pegboard=={__version__}", *(f"{name}=={records[0].version}" for name, records in packs.items())]


def _run(command: Sequence[str], *, as_json: bool) -> None:
    from pegboard._cli.installers import InstallerError, last_line, run

    if not as_json:
        say(f"$ {shlex.join(command)}", "dim")
    done = run(command)
    importlib.invalidate_caches()
    if done.returncode:
        raise InstallerError(f"{command[0]} ended with {done.returncode}: {last_line(done)}")


def accept_new(fresh: list[str], *, yes: bool, as_json: bool) -> list[str]:
    """Show the packs that came in and ask; return those that stay untrusted."""
    host = closed_host()
    if not as_json:
        return accept_shown(host, fresh, yes=yes)
    if not yes:
        packs = third_party(host)
        return [name for name in fresh if any(record.status == "untrusted" for record in packs.get(name, ()))]
    from pegboard._cli.trusting import accept_silently

    accept_silently(host, fresh)
    return []


def _tell_plan(planned: Sequence[Planned], command: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        facts = [{"name": one.name, "version": one.version, "before": one.before} for one in planned]
        print_json({"command": list(command), "would_install": facts})
        return
    for one in planned:
        say(f"would install {one}")
    say(f"$ {shlex.join(command)}")


def _tell_installed(
    planned: Sequence[Planned], command: Sequence[str], fresh: list[str], refused: list[str], *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "command": list(command),
                "installed": [{"name": one.name, "version": one.version, "before": one.before} for one in planned],
                "accepted": [name for name in fresh if name not in refused],
                "untrusted": refused,
            }
        )
        return
    for one in planned:
        say(f"installed {one}")
    if not planned:
        say("Everything was there already.")
    if not fresh and planned:
        say("None of it is a pack: there is no plugin in it.", "yellow")
    if refused:
        say(f"Not trusted, so it takes no part: {', '.join(refused)}.", "yellow")


# --- preview -------------------------------------------------------------------------------------------


def _preview(
    where: Environment,
    packs: dict[str, list[PluginRecord]],
    moving: Sequence[Planned],
    sources: Sources,
    *,
    as_json: bool,
) -> None:
    from pegboard._board.about import about, about_files

    told = []
    for one in moving:
        name = next(name for name in packs if normal(name) == normal(one.name))
        now = about(packs[name], "")
        with tempfile.TemporaryDirectory(prefix="pegboard-preview-") as folder:
            where.fetch(f"{one.name}=={one.version}", sources, Path(folder))
            told.append((one, now, about_files(Path(folder), one.name)))
    if as_json:
        print_json([_changes(*each) for each in told])
        return
    for each in told:
        _show_changes(*each)
    if not told:
        say("Nothing is newer.")


def _changes(one: Planned, now: About, then: About) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "before": now.version,
        "permissions": then.permissions,
        "permissions_before": now.permissions,
        "more_permissions": sorted(set(then.permissions) - set(now.permissions)),
        "tokens_per_request": then.tokens,
        "tokens_per_request_before": now.tokens,
        "says": list(then.says()),
        "says_before": list(now.says()),
    }


def _show_changes(one: Planned, now: About, then: About) -> None:
    import difflib

    say(f"{one.name} {now.version} -> {one.version}", "bold")
    more = sorted(set(then.permissions) - set(now.permissions))
    if more:
        say(f"  it wants more: {', '.join(more)}", "yellow")
    say(f"  its tools take about {then.tokens} tokens of each request ({now.tokens} now)")
    changes = list(difflib.unified_diff(list(now.says()), list(then.says()), lineterm="", n=100))[3:]
    for line in changes or ["what it declares is the same; its code is another"]:
        say(f"    {line}", {"+": "green", "-": "red"}.get(line[:1], ""))
