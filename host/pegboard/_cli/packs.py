"""`pegboard plugins new|check`: begin a pack, and see what a host will think of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pegboard._cli.opening import JsonOption
from pegboard.output import print_json, say

if TYPE_CHECKING:
    from pegboard._authoring.checking import Finding

STYLES = {"ok": "", "doubt": "yellow", "wrong": "red"}


def new(
    name: Annotated[str, typer.Argument(help="The distribution's name, such as acme-words.")],
    into: Annotated[Path | None, typer.Option("--into", help="The folder; one of that name here by default.")] = None,
    tool: Annotated[bool, typer.Option("--tool", help="With a tool for the model (if nothing else is said).")] = False,
    hook: Annotated[bool, typer.Option("--hook", help="With a guard that decides about tool calls.")] = False,
    flag: Annotated[bool, typer.Option("--flag", help="With a feature flag and a hook that hangs from it.")] = False,
    command: Annotated[bool, typer.Option("--command", help="With a verb of the command line.")] = False,
    model: Annotated[bool, typer.Option("--model", help="With a model that answers requests.")] = False,
    compactor: Annotated[bool, typer.Option("--compactor", help="With what makes conversations shorter.")] = False,
) -> None:
    """Begin a pack: a project with tests, types, checks and publishing that passes all of them as it stands."""
    from pegboard._authoring.scaffold import write_project

    asked = {"tool": tool, "hook": hook, "flag": flag, "command": command, "model": model, "compactor": compactor}
    kinds = [kind for kind, wanted in asked.items() if wanted] or ["tool"]
    folder = into or Path(name)
    for path in write_project(name, kinds, folder):
        say(str(path))
    say("")
    say("Next:")
    say(f"  cd {folder}")
    say("  python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest")
    say("  .venv/bin/pegboard plugins check .")


def check(
    path: Annotated[Path, typer.Argument(help="The pack's project folder.", file_okay=False, exists=True)] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Check a pack's project as a host will see it. The exit code is 1 if something is wrong, not for doubts.

    It looks at metadata, import (time and deeds), hooks and their signatures, tool schemas, a session, determinism,
    the prompt cache, latency, and what is left afterwards. The pack runs in processes of its own, as you.
    """
    from pegboard._authoring import checking

    project = checking.project_at(path.resolve())
    found = []
    for one in checking.check(project):
        found.append(one)
        if not as_json:
            _show(one)
    wrong = sum(one.state == checking.WRONG for one in found)
    doubts = sum(one.state == checking.DOUBT for one in found)
    if as_json:
        print_json({"ok": not wrong, "findings": [asdict(one) for one in found]})
    else:
        told = f"{len(found)} findings: {wrong} wrong, {doubts} in doubt."
        say(told if wrong or doubts else f"Nothing is wrong ({len(found)} findings).", "bold")
    if wrong:
        raise typer.Exit(1)


def _show(one: Finding) -> None:
    subject = f"{one.plugin}: " if one.plugin else ""
    say(f"{one.state:<6} {one.check:<12} {subject}{one.text}", STYLES[one.state])
    if one.mend and one.state != "ok":
        say(f"{'':<20}mend: {one.mend}")
