"""The verbs: which there are, and where each one lives. A verb's module is imported when it is asked for."""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pegboard._cli.words import take_no_plugins
from pegboard.errors import PegboardError

if TYPE_CHECKING:
    from pegboard.context import HostView


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of our own. `target` is `module:attribute`: a function, or a typer.Typer with verbs of its own.

    To one that `grows` plugins add verbs, under names such as `hooks fire`.
    """

    name: str
    target: str
    grows: bool = False


VERBS = (
    Verb("run", "pegboard._cli.run:run"),
    Verb("chat", "pegboard._cli.chat:chat"),
    Verb("demo", "pegboard._cli.demo:demo"),
    Verb("dev", "pegboard._cli.dev:dev"),
    Verb("plugins", "pegboard._cli.plugins:app"),
    Verb("hooks", "pegboard._cli.hooks:app", grows=True),
    Verb("tools", "pegboard._cli.tools:app"),
    Verb("sessions", "pegboard._cli.sessions:app"),
    Verb("trace", "pegboard._cli.trace:trace"),
    Verb("why", "pegboard._cli.why:why"),
    Verb("settings", "pegboard._cli.settings:app"),
    Verb("trust", "pegboard._cli.trust:trust"),
    Verb("doctor", "pegboard._cli.doctor:doctor"),
)

EPILOG = (
    "--no-plugins, anywhere, leaves out every plugin of another distribution; --no-plugins=a,b leaves out those, "
    "built-ins included. PEGBOARD_NO_PLUGINS does the same."
)

Watched = Callable[[str], AbstractContextManager[str | None]]

no_plugins: str | None = None
"""What --no-plugins said: None if it was not given, an empty string without names."""


def run_command_line(given: list[str], watched: Watched = nullcontext) -> int:
    """Run the verb that is asked for, a plugin's under *watched*, which takes its name. Raises PegboardError."""
    global no_plugins
    words, no_plugins = take_no_plugins(given)
    wanted = next((word for word in words if not word.startswith("-")), "")
    only = {verb.name: verb for verb in VERBS}.get(wanted)
    app = build_app([only]) if only is not None else build_app(VERBS)
    host = _add_plugin_commands(app, wanted) if only is None or only.grows else None
    try:
        if host is None:
            app(words, prog_name="pegboard")
        else:
            with watched(wanted):
                app(words, prog_name="pegboard", obj=host)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def build_app(verbs: Sequence[Verb]) -> typer.Typer:
    """Return an app with these verbs."""
    app = typer.Typer(
        name="pegboard",
        help="An extensibility host for coding agents.",
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_pegboard)
    for verb in verbs:
        mount(app, verb.name, verb.target)
    return app


def mount(app: typer.Typer, name: str, target: str, help: str = "") -> None:
    """Add what *target* names as the verb *name*. Raises PegboardError if it cannot be imported."""
    module, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute or "app")
    except (Exception, SystemExit) as error:
        raise PegboardError(f"the verb {name!r} cannot be imported from {target}: {error}") from error
    if isinstance(found, typer.Typer):
        found = copy.copy(found)  # who asked may add to it
        found.registered_commands = list(found.registered_commands)
        if help:
            app.add_typer(found, name=name, help=help)
        else:
            app.add_typer(found, name=name)  # its own help: None would take that away
        return
    group, _, last = name.rpartition(" ")
    inner = next((one.typer_instance for one in app.registered_groups if one.name == group), None) if group else app
    if inner is None:
        raise PegboardError(f"the verb {name!r} belongs to {group!r}, which there is not")
    inner.command(last, help=help or None)(found)


def _add_plugin_commands(app: typer.Typer, wanted: str) -> HostView:
    """Add the verbs that plugins bring: the one that is asked for, or all for the help.

    Returns the host as those verbs get it, in `typer.Context.obj`.
    """
    from pegboard.host import Host, HostFace

    host = Host(no_plugins=no_plugins, strict=False).open()
    first_words = {name.partition(" ")[0] for name in host.board.commands}
    record = host.board.record(wanted) if wanted and wanted not in first_words else None
    if record is not None and record.status in ("config_error", "load_error"):
        raise PegboardError(f"the plugin {wanted!r} takes no part: {record.reason}")
    for command in host.board.commands.values():
        if not wanted or command.name.partition(" ")[0] == wanted or wanted not in first_words:
            try:
                mount(app, command.name, command.target, command.help)
            except PegboardError as error:
                if command.name == wanted and wanted:
                    raise
                print(f"warning: {error}", file=sys.stderr)
    return HostFace(host)


def _version(value: bool) -> None:
    if value:
        from pegboard import __version__

        print(f"pegboard {__version__}")
        raise typer.Exit


def _pegboard(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An extensibility host for coding agents: a minimal loop, eleven hooks, and everything else a plugin."""


CwdOption = Annotated[
    Path | None, typer.Option("--cwd", help="The project folder; this folder by default.", exists=True, file_okay=False)
]
