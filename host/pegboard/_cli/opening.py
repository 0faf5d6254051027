"""What inspection verbs open: the host as far as they need it, the sessions of a folder, one journal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pegboard._cli import app as command_line
from pegboard.output import visible

if TYPE_CHECKING:
    from pegboard._agent.store import Store
    from pegboard.host import Host

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]


def closed_host(cwd: Path | None = None) -> Host:
    """Return a host that has imported nothing yet: `find()` lists plugins, `trust` has consent."""
    from pegboard.host import Host

    return Host(cwd, no_plugins=command_line.no_plugins, strict=False)


def open_host(cwd: Path | None = None) -> Host:
    """Return a host with its plugins loaded, in whatever state they and the settings are."""
    return closed_host(cwd).open()


def tried_host(cwd: Path | None = None) -> Host:
    """Return the same, after packs that nothing is known of were imported in a process of its own.

    For verbs that say what is wrong with a pack: they must outlive it.
    """
    from pegboard.host import Host

    return Host(cwd, no_plugins=command_line.no_plugins, strict=False, tried=True).open()


def name_untrusted(host: Host) -> None:
    """Say on stderr which packs nobody has accepted: without them a list looks as if they were not there."""
    waiting = host.untrusted()
    if waiting:
        print(f"! {visible(waiting)}", file=sys.stderr)


def name_broken(host: Host) -> None:
    """Say on stderr which plugins are broken: what one of them brings looks as if it were not there."""
    for record in host.board.records:
        if record.status in ("load_error", "config_error", "incompatible"):
            said = f"the plugin {record.name!r} takes no part: {record.reason}. {record.mend}"
            print(f"! {visible(said)}", file=sys.stderr)


def host_of_built_ins(cwd: Path | None = None) -> Host:
    """Return a host with no plugin of another distribution, for what must not depend on those."""
    from pegboard.host import Host

    given = command_line.no_plugins
    return Host(cwd, no_plugins=given if given is not None else "", strict=False).open()


def open_store() -> Store:
    """Return the sessions of the state folder, without the host: reading a journal needs neither loop nor plugins."""
    from pegboard._agent.store import Store
    from pegboard._folders import state_folder

    return Store(state_folder(os.environ))


def project_folder(cwd: Path | None) -> Path:
    """Return the folder whose sessions are meant, as the host has it."""
    return (cwd or Path.cwd()).resolve()


def journal_of(wanted: str | None, cwd: Path | None) -> Path:
    """Return the journal of a session, by the beginning of its id or the newest of a folder."""
    store = open_store()
    return store.find(wanted) if wanted else store.newest(project_folder(cwd))


def local(timestamp: str, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return a record's time as the clock on the wall has it; the text itself where it is no time."""
    from datetime import datetime

    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime(form)
    except ValueError:
        return timestamp


def milliseconds(ms: float | None) -> str:
    """Return a duration for a person: three digits that matter; empty where it is unknown."""
    if ms is None:
        return ""
    if ms >= 1000:
        return f"{ms / 1000:,.1f} s"
    if not ms:
        return "<1 ms"  # taken from two timestamps, which have milliseconds
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2g} ms"
