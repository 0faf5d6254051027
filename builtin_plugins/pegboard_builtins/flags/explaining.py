"""Why a flag has its value: every layer's vote, the rule that matched, what it gates, what would change it."""

from __future__ import annotations

from datetime import date
from typing import Any

from pegboard.context import HostView
from pegboard.flags import LAYER_RANK, Flag, FlagLayer, FlagVote, why_ignored
from pegboard.output import print_table, say
from pegboard_builtins.flags.showing import Shown, age_of, facts_of

HOW = {
    FlagLayer.REMOTE: "the remote source of [flags.remote]",
    FlagLayer.USER: "pegboard flags set {name} VALUE",
    FlagLayer.PROJECT: "pegboard flags set {name} VALUE --project",
    FlagLayer.LOCAL: "pegboard flags set {name} VALUE --local",
    FlagLayer.SESSION: "pegboard flags set {name} VALUE --session next",
    FlagLayer.ENVIRONMENT: "{variable}=VALUE",
    FlagLayer.COMMAND_LINE: "pegboard run --flag {name}=VALUE",
    FlagLayer.MANAGED: "[flags.values] in /etc/pegboard/settings.toml",
    FlagLayer.LIVE: "pegboard flags set {name} {safe} --live",
}


def explained(host: HostView, name: str) -> dict[str, Any]:
    """Return everything that decides about a flag."""
    shown = Shown(host, strict=False)
    facts = facts_of(shown, name)
    flag = shown.flag(name)
    votes = [_vote(flag, vote) for vote in shown.votes(name)]
    default = {
        "layer": str(FlagLayer.DEFAULT),
        "value": flag.default,
        "file": flag.file or f"plugin {flag.owner}",
        "line": flag.line,
        "variant": flag.variant if flag.variants else "",
        "rule": "",
        "counts": True,
        "why": "",
        "age": None,
        "stale": False,
    }
    votes = sorted([default, *votes], key=lambda vote: LAYER_RANK[FlagLayer(vote["layer"])])
    for vote in votes:
        vote["wins"] = False
    counting = [vote for vote in votes if vote["counts"]]
    counting[-1]["wins"] = True
    return {
        **facts,
        "votes": votes,
        "session": shown.session.id if shown.session is not None else "",
        "would_change": would_change(flag, FlagLayer(counting[-1]["layer"])),
        "problems": [str(one) for one in shown.resolution.problems if getattr(one, "flag", "") == name],
    }


def _vote(flag: Flag, vote: FlagVote) -> dict[str, Any]:
    why = why_ignored(flag, vote)
    return {
        "layer": str(vote.layer),
        "value": vote.value,
        "file": vote.file,
        "line": vote.line,
        "variant": vote.variant,
        "rule": vote.rule,
        "counts": not why,
        "why": why,
        "age": vote.age,
        "stale": vote.stale,
    }


def would_change(flag: Flag, layer: FlagLayer) -> list[str]:
    """Return what would change a flag's value for a session that begins now: every layer that stands higher."""
    if flag.disabled:
        return ["nothing: the flag is disabled where it is declared"]
    found = []
    for higher, how in HOW.items():
        vote = FlagVote(flag.name, higher, flag.safe if higher is FlagLayer.LIVE else flag.default)
        if LAYER_RANK[higher] >= LAYER_RANK[layer] and not why_ignored(flag, vote):
            found.append(f"{higher}: {how.format(name=flag.name, variable=flag.variable, safe=flag.safe)}")
    return found


def print_explained(told: dict[str, Any]) -> None:
    """Print it for a person."""
    name = told["name"]
    say(f"{name} is {told['value']!r} ({told['type']}), because of the layer {told['layer']}", "bold")
    if told["help"]:
        say(f"  {told['help']}")
    facts = [f"owner {told['owner']}", f"kind {told['kind']}"]
    facts += [f"stage {told['stage']}"] if told["stage"] else []
    if told["expires"]:
        gone = date.fromisoformat(told["expires"]) < date.today()
        facts.append(f"{'EXPIRED' if gone else 'expires'} {told['expires']}")
    facts += [word for word in ("locked", "live", "remote", "disabled") if told[word]]
    say(f"  {', '.join(facts)}")
    if told["session"]:
        say(f"  in the session that started this process (snapshot {told['session']})", "yellow")
    if told["rule"]:
        say(f"  rule that matched: {told['rule']} -> {told['variant'] or told['value']!r}")
    rows = [
        (
            "->" if vote["wins"] else "",
            vote["layer"],
            repr(vote["value"]),
            f"{vote['file']}:{vote['line']}" if vote["line"] else vote["file"],
            vote["why"] or vote["rule"],
            f"{'stale, ' if vote['stale'] else ''}{age_of(vote['age'])} old" if vote["age"] is not None else "",
        )
        for vote in told["votes"]
    ]
    print_table(("", "layer", "says", "where", "", "age"), rows, empty="")
    for problem in told["problems"]:
        say(f"  wrong: {problem}", "red")
    gates = [f"{gate['kind']} {gate['name']} of {gate['plugin']} ({gate['how']})" for gate in told["gates"]]
    say(f"  gates: {'; '.join(gates) or 'nothing; code may read it'}")
    say("  what would change it, for sessions that begin then:" if told["would_change"] else "  nothing changes it")
    for line in told["would_change"]:
        say(f"    {line}")
