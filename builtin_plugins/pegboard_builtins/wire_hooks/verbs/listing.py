"""`pegboard hooks list`: every declared hook of this project, where it stands, and whether it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.output import clipped, print_json, print_table, say
from pegboard_builtins.wire_hooks.verbs.desk import JsonOption, host_of, place_of, trust_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard.context import HostView
    from pegboard_builtins.wire_hooks.handlers import Handler
    from pegboard_builtins.wire_hooks.heads import Head
    from pegboard_builtins.wire_hooks.load import Entry, HookTable, Problem


def run(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The hooks of one event alone, by any spelling.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show every hook that is declared for this project: where, from which layer, trusted or not, and its posture.

    The order is the one in which answers are merged. Hooks that do not count are shown with the reason; those in the
    heads of skills, commands and agents come last, with what they wait for.
    """
    from pegboard_builtins.wire_hooks.events import row_of
    from pegboard_builtins.wire_hooks.load import load
    from pegboard_builtins.wire_hooks.sources import consent_to, hook_files

    host = host_of(ctx)
    files = hook_files(host.settings, host.project)
    consented = consent_to(files, host.project, host.consented)
    table = load(files, consented)
    wanted = row_of(event).name if event else ""
    heads, in_heads = heads_here(host, table)
    told = [facts_of(entry, consented) for entry in table.entries]
    told += _of_heads(heads, host)
    told = [one for one in told if not wanted or one["event"] == wanted]
    found = [*table.problems, *in_heads]
    if as_json:
        problems = [
            {"text": one.text, "mend": one.mend, "file": one.where.file, "line": one.where.line} for one in found
        ]
        print_json({"hooks": told, "problems": problems, "files": list(table.files)})
        return
    columns = ("id", "event", "matcher", "kind", "where", "layer", "trust", "posture", "counts", "runs")
    empty = f"No hook is declared for {wanted}." if wanted else "No hook is declared here."
    print_table(columns, [_line(one) for one in told], empty=empty)
    for problem in found:
        say(f"wrong: {problem}", "red")
    if not told and not found and not wanted:
        say("`pegboard hooks add` shows ready ones; `pegboard hooks events` has the events.", "dim")


def heads_here(host: HostView, table: HookTable) -> tuple[list[Head], list[Problem]]:
    """Return the hooks in the heads of skills, commands and agents, and what is wrong with those files."""
    from pegboard_builtins.wire_hooks.heads import heads_of

    return heads_of(table, host.project, host.config_dir, host.settings)


def _of_heads(heads: list[Head], host: HostView) -> list[dict[str, Any]]:
    """Return what is to say of hooks in heads: they wait for the use of their file, and one of the project for consent.

    Whoever consents to such a file consents to its hooks.
    """
    wanted = {one.key: one for one in host.wanted()} if any(head.origin == "project" for head in heads) else {}
    told = []
    for head in heads:
        facts = {"layer": "user" if head.origin == "pack" else head.origin, "holds": head.holds, "trust": "not needed"}
        if head.origin == "project":
            asked = wanted.get(head.consent_key(host.project))
            facts["trust"] = "yes" if asked is not None and host.consented(asked) else "no"
        for entry in head.entries:
            one = {**facts_of(entry, lambda handler: True), **facts}
            if one["trust"] == "no" and one["standing"] == "active":
                one |= {"standing": "untrusted", "why": "nobody consented to this file as it is now: `pegboard trust`"}
            told.append(one)
    return told


def facts_of(entry: Entry, consented: Callable[[Handler], bool]) -> dict[str, Any]:
    """Return what is to say of a hook."""
    handler = entry.handler
    return {
        "id": handler.id,
        "event": handler.event,
        "matcher": handler.matcher,
        "if": handler.condition,
        "kind": str(handler.type),
        "runs": handler.label,
        "file": handler.where.file,
        "line": handler.where.line,
        "where": place_of(handler),
        "layer": str(handler.where.layer),
        "plugin": handler.plugin.name if handler.plugin is not None else "",
        "trust": trust_of(handler, consented),
        "holds": "always",
        "standing": str(entry.standing),
        "why": entry.why,
        "on_error": str(handler.on_error),
        "on_timeout": str(handler.on_timeout or handler.on_error),
        "timeout": handler.timeout,
        "marks": marks_of(handler),
    }


def marks_of(handler: Handler) -> list[str]:
    """Return the marks of an entry that change how it is run."""
    said = {
        "async": handler.asynchronous and not handler.rewake,
        "asyncRewake": handler.rewake,
        "sequential": handler.sequential,
        "recheck": handler.recheck,
        "worker": handler.worker,
        f"flag={handler.flag}": bool(handler.flag),
        f"ramp={handler.ramp}": bool(handler.ramp),
    }
    return [name for name, is_so in said.items() if is_so]


def posture_of(told: dict[str, Any]) -> str:
    """Return what a failure means, in a word or two."""
    late = told["on_timeout"]
    return str(told["on_error"]) if late == told["on_error"] else f"{told['on_error']}, late: {late}"


def _line(told: dict[str, Any]) -> tuple[str, ...]:
    matcher = "*" if told["matcher"] in (None, "") else str(told["matcher"])
    counts = told["standing"] if told["holds"] == "always" else told["holds"]
    if told["standing"] != "active":
        counts = f"{told['standing']}: {told['why']}"
    marks = f" [{', '.join(told['marks'])}]" if told["marks"] else ""
    return (
        told["id"],
        told["event"],
        f"{matcher} if {told['if']}" if told["if"] else matcher,
        told["kind"],
        told["where"],
        f"{told['layer']}, plugin {told['plugin']}" if told["plugin"] else told["layer"],
        told["trust"],
        posture_of(told),
        counts,
        brief(told["runs"]) + marks,
    )


def brief(text: str, most: int = 70) -> str:
    """Return the beginning of a text in one line."""
    return clipped(" ".join(text.split()), most)
