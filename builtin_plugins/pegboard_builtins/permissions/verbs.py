"""`pegboard permissions`: which rules there are, what they say about a call, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import PegboardError, did_you_mean
from pegboard.output import STYLES, print_json, print_table, say
from pegboard_builtins.permissions.settings import LISTS, MODES, TABLE, TIGHTENING, PermissionSettings

if TYPE_CHECKING:
    from pegboard_builtins.permissions.considering import Judged
    from pegboard_builtins.permissions.linting import Finding
    from pegboard_builtins.permissions.rules import RuleSet
    from pegboard_builtins.permissions.subject import Subject

app = typer.Typer(help="Which rules there are, and what they say about a call.", no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
FOUND = 1
NO_RULES = (
    "There are no rules: whatever changes something is asked about. Rules stand in [permissions] of the settings."
)


def _rules(host: HostView) -> RuleSet:
    from pegboard_builtins.permissions.rules import rules_for

    host.settings.declare(TABLE, PermissionSettings, tightening=TIGHTENING)
    return rules_for(host.settings, host.project, host.project)


def _mode(host: HostView, rules: RuleSet) -> str:
    said = host.settings.session.mode
    return said if said != "default" else rules.mode or said


@app.command("list")
def list_rules(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the rules that count here, in the order in which they are asked, with file and line."""
    host: HostView = ctx.obj
    rules = _rules(host)
    found = [
        {"list": name, "rule": str(rule), "origin": rule.origin}
        for name in reversed(LISTS)
        for rule in getattr(rules, name)
    ]
    held = [
        {"list": key.partition(".")[2], "said": said.value, "origin": str(said.source)}
        for key, said in host.settings.held_back
        if key.partition(".")[0] == TABLE
    ]
    if as_json:
        facts = {"mode": _mode(host, rules), "rules": found, "held_back": held, "problems": rules.problems}
        print_json({**facts, "workspace": rules.workspace})
        return
    say(f"mode: {_mode(host, rules)}")
    print_table(("list", "rule", "from"), [tuple(row.values()) for row in found], empty=NO_RULES)
    for row in held:
        say(f"held back, because this folder is not trusted: {row['list']} = {row['said']} ({row['origin']})", "yellow")
    for problem in rules.problems:
        say(problem, "red")


@app.command("test")
def judge_call(
    ctx: typer.Context,
    call: Annotated[str, typer.Argument(help="A call, such as 'Bash(git push --force)' or 'Edit(src/a.py)'.")],
    given: Annotated[str, typer.Option("--input", "-i", help="The whole input as a JSON object instead.")] = "",
    mode: Annotated[str, typer.Option(help="A permission mode; the one of the settings by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say what would become of a call, and what every rule says about it. Nothing is run."""
    from pegboard_builtins.permissions.considering import judge

    host: HostView = ctx.obj
    rules = _rules(host)
    if mode and mode not in MODES:
        raise typer.BadParameter(f"there is no mode {mode!r}; there are {', '.join(MODES)}", param_hint="--mode")
    subject = _subject(host, call, given)
    chosen = mode or _mode(host, rules)
    judged = judge(subject, rules, chosen)
    if as_json:
        print_json({"tool": subject.tool, "input": subject.given, "mode": chosen, **asdict(judged)})
    else:
        _print(judged, chosen, _unknown(subject.tool, host.tools()))


def _subject(host: HostView, call: str, given: str) -> Subject:
    import re

    from pegboard_builtins.permissions.subject import Subject

    match = re.fullmatch(r"\s*([^()\s]+)\s*(?:\((.*)\))?\s*", call, re.DOTALL)
    if match is None:
        raise typer.BadParameter("write a call as Tool(what it is about), such as 'Bash(npm test)'", param_hint="CALL")
    name, about = match[1], match[2] or ""
    tool = host.tools().get(name)
    made = _input(name, about) if not given else _parsed(given)
    if tool is not None and tool.normalise is not None and all(isinstance(value, str) for value in made.values()):
        made = tool.normalised(made, host.project)
    return Subject(name, made, tool is not None and tool.read_only, host.project, host.project)


def _parsed(given: str) -> dict[str, Any]:
    try:
        made = json.loads(given)
    except ValueError as wrong:
        raise PegboardError(f"--input is no JSON: {wrong}") from None
    if not isinstance(made, dict):
        raise PegboardError('--input must be a JSON object, such as \'{"command": "ls"}\'')
    return made


def _input(name: str, about: str) -> dict[str, Any]:
    """Return the input that a call in short stands for."""
    from pegboard_builtins.permissions.grammar import MAIN_INPUT, PATH_TOOLS

    if name == "Bash":
        return {"command": about}
    if name in ("Glob", "Grep"):
        return {"pattern": about}
    if name in PATH_TOOLS:
        return {"file_path": about}
    if name in MAIN_INPUT:
        return {MAIN_INPUT[name][0]: about}
    key, colon, value = about.partition(":")
    return {key: value} if colon else {}


def _unknown(name: str, known: Collection[str]) -> str:
    """Return what is odd about a tool's name, where it is close to a known one and not it."""
    return f"there is no tool {name!r} here.{hint}" if name not in known and (hint := did_you_mean(name, known)) else ""


def _print(judged: Judged, mode: str, unknown: str) -> None:
    say(f"{judged.verdict}: {judged.reason}", STYLES.get(judged.verdict, ""))
    say(f"mode: {mode}; decided by {judged.by}")
    for command in judged.commands:
        say(f"  runs: {command}")
    for problem in judged.problems:
        say(f"  cannot be followed: {problem}", "yellow")
    rows = [(one.list, one.rule, one.holds, "decides" if one.decides else "", one.origin) for one in judged.considered]
    print_table(("list", "rule", "holds", "", "from"), rows, empty="No rule is about this tool.")
    if unknown:
        say(unknown, "yellow")


@app.command()
def lint(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Find rules that never decide, and those that allow more than they seem to. Exit code 1: some must be mended."""
    from pegboard_builtins.permissions.linting import lint as judge_rules

    host: HostView = ctx.obj
    found = judge_rules(_rules(host), host.tools(), Path(host.project))
    if as_json:
        print_json({"found": [asdict(one) for one in found]})
    else:
        for one in found:
            _print_finding(one)
        if not found:
            say("Nothing is wrong with the rules.", "green")
    raise typer.Exit(FOUND if any(one.wrong for one in found) else 0)


def _print_finding(one: Finding) -> None:
    where = f"{one.where}: " if one.where else ""
    say(f"{where}{one.rule}{' ' if one.rule else ''}{one.text}", "red" if one.wrong else "yellow")
    if one.example:
        say(f"    this runs without a question: {one.example}")
