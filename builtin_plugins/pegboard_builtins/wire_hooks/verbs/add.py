"""`pegboard hooks add`: installs a ready-to-use hook, and shows what that changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import SettingsError
from pegboard.output import print_json, print_table, say

if TYPE_CHECKING:
    from pegboard_builtins.wire_hooks.adding import Addition


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="One of the hooks; without it, all of them are shown.")] = "",
    user: Annotated[bool, typer.Option("--user", help="Add it to your own settings.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Add it to .pegboard/settings.local.toml.")] = False,
    claude: Annotated[
        bool, typer.Option("--claude", help="Add it to .claude/settings.json, which other hosts read, too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a program that was changed since it was added.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")] = False,
) -> None:
    """Install a ready-to-use hook: its program, and its entry in this project's .pegboard/settings.toml.

    Without a name, the hooks that there are.
    """
    from pegboard_builtins.wire_hooks.adding import addition_of, write
    from pegboard_builtins.wire_hooks.ready import ready_hook

    if not name:
        _show_all(as_json=as_json)
        return
    host: HostView = ctx.obj
    project = None if user else host.project
    addition = addition_of(ready_hook(name), _target(host, user=user, local=local, claude=claude), project=project)
    if not dry_run:
        write(addition, overwrite=force)
    if as_json:
        print_json(_facts(addition, written=not dry_run))
    else:
        _show(addition, written=not dry_run, needs_trust=not user)


def _target(host: HostView, *, user: bool, local: bool, claude: bool) -> Path:
    if local and (user or claude):
        raise SettingsError("say one of --user, --local and --claude; --user --claude is ~/.claude/settings.json")
    if claude:
        return (Path.home() if user else host.project) / ".claude" / "settings.json"
    if user:
        return host.config_dir / "settings.toml"
    return host.project / ".pegboard" / ("settings.local.toml" if local else "settings.toml")


def _show_all(*, as_json: bool) -> None:
    from pegboard_builtins.wire_hooks.ready import ready_hooks

    hooks = ready_hooks()
    if as_json:
        print_json(
            [
                {
                    "name": hook.name,
                    "summary": hook.summary,
                    "events": hook.events,
                    "matchers": hook.matchers,
                    "types": hook.kinds,
                    "needs": hook.needs,
                    "about": hook.about,
                    "path": str(hook.path),
                }
                for hook in hooks
            ]
        )
        return
    rows = [(hook.name, ", ".join(hook.events), ", ".join(hook.kinds), hook.summary) for hook in hooks]
    print_table(("name", "events", "type", "what it does"), rows, empty="There are none.")


def _facts(addition: Addition, *, written: bool) -> dict[str, Any]:
    return {
        "name": addition.hook.name,
        "settings": str(addition.settings),
        "diff": addition.diff,
        "files": [{"path": str(made.target), "is": _state(made)} for made in addition.copies],
        "missing": addition.missing,
        "written": written and not addition.changes_nothing,
    }


def _state(made: Any) -> str:
    return "new" if made.there is None else "changed" if made.differs else "there"


def _show(addition: Addition, *, written: bool, needs_trust: bool) -> None:
    if addition.changes_nothing:
        say(f"{addition.hook.name} is there already, in {addition.settings}", "dim")
        return
    for made in addition.copies:
        say(f"{_state(made):<8}{made.target}", "dim" if _state(made) == "there" else "green")
    for line in addition.diff.splitlines():
        say(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))
    for program in addition.missing:
        say(f"warning: it needs {program}, which is not on your path", "yellow")
    if not written:
        say("Nothing was changed: --dry-run.", "dim")
    elif needs_trust:
        say("It runs once you consent to it: pegboard trust", "dim")
