"""`pegboard plugins lock|sync`: pin the packs of a project, and bring those back that are pinned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pegboard._cli import app as command_line
from pegboard._cli.installing import DryOption, LinksOption, NoIndexOption, accept_new
from pegboard._cli.opening import JsonOption, closed_host
from pegboard._cli.trusting import YesOption
from pegboard.output import print_json, say

if TYPE_CHECKING:
    from pegboard._board.discovery import PluginRecord
    from pegboard._board.lock import Pack
    from pegboard.host import Host


def lock(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; end with 1 if the packs are others.")] = False,
    as_json: JsonOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Write the packs that take part here into pegboard.lock: name, version and hash, no addresses.

    Packs that are switched off or not trusted are left out. `pegboard run --locked` then refuses any others.
    """
    from pegboard._board import lock as locks

    host = closed_host(cwd)
    records, here = _here(host)
    path = host.lock_file
    if check:
        drift = locks.drift(locks.read(path), here, records)
        if as_json:
            print_json({"ok": not drift, "file": str(path), "drift": drift})
        elif drift:
            raise locks.LockDriftError(path, drift)
        else:
            say(f"The packs here are those of {path}.")
        if drift:
            raise typer.Exit(1)
        return
    text = locks.text_of(here)
    was = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text != was:
        _write(path, text)
    if as_json:
        print_json({"file": str(path), "changed": text != was, "packs": [_facts(pack) for pack in here]})
        return
    count = f"{len(here)} distribution{'s' * (len(here) != 1)}"
    say(f"{'Written' if text != was else 'Nothing has changed'}: {path} ({count})")
    waiting = sorted({record.distribution for record in records if record.status == "untrusted"})
    if waiting:
        say(f"Not trusted, so left out: {', '.join(waiting)}.", "yellow")


def sync(
    exact: Annotated[bool, typer.Option("--exact", help="Take out packs that are not locked, too.")] = False,
    no_index: NoIndexOption = False,
    find_links: LinksOption = None,
    dry_run: DryOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Install the packs of pegboard.lock in the versions that it names, and hold them to its hashes.

    The exit code is 1 if something is still another than it is locked.
    """
    from pegboard._board import lock as locks
    from pegboard._cli.installers import Sources, environment
    from pegboard._cli.installing import installed_now

    host = closed_host(cwd)
    locked = locks.read(host.lock_file)
    wants, extra, own = _needed(host, locked)
    where = environment() if wants or (extra and exact) else None
    sources = Sources(no_index, tuple(find_links or ()))
    commands = []
    if where is not None and wants:
        commands.append(where.restore(wants, sources))
    if where is not None and extra and exact:
        commands.append(where.uninstall(extra))
    for command in () if dry_run else commands:
        installed_now(command, as_json=as_json)
    if not dry_run:
        accept_new([pack.name for pack in locked], yes=yes, as_json=as_json)
    records, here = _here(closed_host(cwd))
    left = locks.drift(locked, here, records)
    if as_json:
        print_json({"ok": not left, "commands": commands, "drift": left})
    else:
        _tell(host.lock_file, commands, left, own, dry_run=dry_run)
    if left and not dry_run:
        raise typer.Exit(1)


def _needed(host: Host, locked: list[Pack]) -> tuple[list[str], list[str], list[str]]:
    """Return what must be installed, what is not locked, and what a person must do about the host itself."""
    from pegboard._board.discovery import OWN_DISTRIBUTION
    from pegboard._board.fingerprint import EDITABLE
    from pegboard._cli.installers import environment

    _, here = _here(host, everything=True)
    now = {pack.key: pack for pack in here}
    wants, own = [], []
    for pack in locked:
        there = now.get(pack.key)
        if there is not None and (there.version, there.print_) == (pack.version, pack.print_):
            continue
        if pack.key == OWN_DISTRIBUTION:
            if there is None or there.version != pack.version:
                own.append(environment().own_upgrade(pack.version))
        elif EDITABLE in (pack.print_, there.print_ if there is not None else ""):
            own.append(f"install {pack.name} {pack.version} yourself: an editable install is involved")
        else:
            wants.append(f"{pack.name}=={pack.version}")
    extra = [pack.name for key, pack in now.items() if key not in {one.key for one in locked}]
    return wants, [name for name in extra if name != OWN_DISTRIBUTION], own


def _here(host: Host, *, everything: bool = False) -> tuple[list[PluginRecord], list[Pack]]:
    from pegboard._board import lock as locks

    records = host.find()
    if everything:  # what is installed, whether it takes part or not
        for record in records:
            record.status = type(record.status).FOUND
    return records, locks.packs_of(records, host.packs.print_of)


def _facts(pack: Pack) -> dict[str, object]:
    return {"name": pack.name, "version": pack.version, "hash": pack.print_, "plugins": list(pack.plugins)}


def _tell(path: Path, commands: list[list[str]], left: list[str], own: list[str], *, dry_run: bool) -> None:
    import shlex

    for command in commands if dry_run else ():
        say(f"$ {shlex.join(command)}")
    if not left:
        say(f"The packs here are those of {path}.", "green")
    for line in left:
        say(f"{'differs' if dry_run else 'still differs'}: {line}", "yellow")
    for line in own:
        say(f"  mend: {line}")


def _write(path: Path, text: str) -> None:
    from pegboard.settings_writing import folder_locked, write_whole

    fresh = not path.exists()
    with folder_locked(path):
        write_whole(path, text)
    if fresh:
        path.chmod(0o644)  # it is for everybody who works on the project
