"""`pegboard plugins trust`: accept distributions as they are installed, after having seen what they declare."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli.opening import JsonOption, closed_host
from pegboard.errors import PluginError, did_you_mean
from pegboard.output import print_json, say

if TYPE_CHECKING:
    from pegboard._board.about import About
    from pegboard._board.discovery import PluginRecord
    from pegboard.host import Host

WARNING = "A plugin is a program: once it runs, it can do what you can. Its permissions bound what its hooks decide."
SOURCE = "What its source says (nothing of it was run):"

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Without a question, for scripts.")]


def trust(
    names: Annotated[list[str] | None, typer.Argument(help="Plugins or distributions; all that wait, if none.")] = None,
    yes: YesOption = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take consent back.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what installed packs declare, why they are here and what hash they have, and accept them.

    It holds until one of their files changes. Nothing of them is run. With --json nothing is asked: it only tells,
    unless --yes is given.
    """
    host = closed_host()
    packs = third_party(host)
    chosen = _chosen(packs, names)
    if revoke:
        _revoke(host, chosen if names else [], as_json=as_json)
        return
    shown = [_about(host, packs[name]) for name in chosen]
    waiting = [one for one in shown if _waits(host, one)]
    if as_json:
        accepted = [one for one in (waiting if yes else []) if _accept(host, one)]
        _try(host, accepted)
        print_json([_facts(host, one, accepted=one not in waiting or one in accepted) for one in shown])
        return
    if not waiting:
        say(_nothing(packs, names))
        return
    refused = [one for one in waiting if not _ask(host, one, yes=yes)]
    _tell_failing(_try(host, [one for one in waiting if one not in refused]))
    if refused:
        raise typer.Exit(1)


def third_party(host: Host) -> dict[str, list[PluginRecord]]:
    """Return the plugins that are not ours by distribution, importing none."""
    from pegboard._board.acceptance import distributions_of
    from pegboard._board.order import Tier

    return distributions_of(record for record in host.find() if record.tier is not Tier.HOST and record.folder)


def distributions_named(packs: dict[str, list[PluginRecord]], names: Iterable[str]) -> list[str]:
    """Return the distributions that are meant by these names: their own, or those of their plugins."""
    from pegboard._board.installed import normal

    known = {normal(distribution): distribution for distribution in packs}
    owners: dict[str, list[str]] = {}
    for distribution, records in packs.items():
        for record in records:
            owners.setdefault(record.name, []).append(distribution)
    found: list[str] = []
    for name in names:
        meant = owners.get(name) or ([known[normal(name)]] if normal(name) in known else [])
        if not meant:
            hint = did_you_mean(name, {*owners, *packs})
            raise PluginError(name, f"is no pack that is installed here.{hint} `pegboard plugins list` shows all.")
        found += [one for one in meant if one not in found]
    return found


def accept_shown(host: Host, distributions: Iterable[str], *, yes: bool) -> list[str]:
    """Show packs that were just installed, and accept them; return those that were not accepted."""
    packs = third_party(host)
    shown = [_about(host, packs[name]) for name in _known(packs, distributions)]
    waiting = [one for one in shown if _waits(host, one)]
    refused = [one.distribution for one in waiting if not _ask(host, one, yes=yes)]
    _tell_failing(_try(host, [one for one in waiting if one.distribution not in refused]))
    return refused


def accept_silently(host: Host, distributions: Iterable[str]) -> None:
    """Accept packs without a word, for scripts that read JSON."""
    packs = third_party(host)
    shown = [_about(host, packs[name]) for name in _known(packs, distributions)]
    _try(host, [one for one in shown if _accept(host, one)])


def _known(packs: dict[str, list[PluginRecord]], names: Iterable[str]) -> list[str]:
    from pegboard._board.installed import normal

    wanted = set(map(normal, names))
    return [name for name in packs if normal(name) in wanted]


def _chosen(packs: dict[str, list[PluginRecord]], names: list[str] | None) -> list[str]:
    return distributions_named(packs, names) if names else list(packs)


def _about(host: Host, records: list[PluginRecord]) -> About:
    from pegboard._board.about import about

    return about(records, records[0].print_ or host.packs.print_of(records[0]))


def _ask(host: Host, one: About, *, yes: bool) -> bool:
    _show(host, one)
    if not yes and not _confirm(f"Trust {one.distribution} {one.version} as it is now?"):
        say(f"{one.distribution} stays untrusted, and takes no part.")
        return False
    _accept(host, one)
    say(f"{one.distribution} {one.version} is trusted until one of its files changes.", "green")
    return True


def _waits(host: Host, one: About) -> bool:
    """Whether a pack is not accepted as it is, or is to be tried again."""
    accepted = host.packs.accepted(one.distribution, one.print_)
    return accepted is None or bool(accepted.get("fails"))


def _try(host: Host, accepted: Iterable[About]) -> dict[str, str]:
    """Bring up what was accepted in a process of its own, and keep which of it nobody would survive."""
    from pegboard._board.trial import failures

    packs = list(accepted)
    # Two distributions may have a plugin of one name.
    plugins = {f"{one.distribution}:{name}": value for one in packs for name, (value, _) in one.plugins.items()}
    found = failures(plugins.items())
    for one in packs:
        fails = {name: what for name in one.plugins if (what := found.get(f"{one.distribution}:{name}", ""))}
        if fails:
            host.packs.accept(one.distribution, one.print_, {**one.facts, "fails": fails})
    return {key.rpartition(":")[2]: what for key, what in found.items()}


def _tell_failing(found: dict[str, str]) -> None:
    for name, what in sorted(found.items()):
        say(f"{name} takes no part: {what}.", "red")


def _confirm(question: str) -> bool:
    """Ask a person; where there is none, the answer is no."""
    try:
        return typer.confirm(question, default=False)
    except typer.Abort:
        if sys.stdin.isatty():
            raise  # Ctrl-C
        say("")
        return False


def _accept(host: Host, one: About) -> bool:
    """Accept a distribution, if it still is what was shown."""
    from pegboard._board.fingerprint import fingerprint

    if str(fingerprint(one.folder)) != one.print_:
        raise PluginError(one.distribution, "has changed since it was shown, so it was not accepted. Look once more.")
    host.packs.accept(one.distribution, one.print_, one.facts)
    return True


def _revoke(host: Host, distributions: list[str], *, as_json: bool) -> None:
    if not distributions:
        raise PluginError("", "say whose consent to take back: `pegboard plugins trust --revoke NAME`")
    had = {name: host.packs.revoke(name) for name in distributions}
    if as_json:
        print_json([{"distribution": name, "trusted": False, "was_trusted": was} for name, was in had.items()])
        return
    for name, was in had.items():
        say(f"{name} {'is no longer' if was else 'was not'} trusted.")


def _nothing(packs: dict[str, list[PluginRecord]], names: list[str] | None) -> str:
    if not packs:
        return "No pack is installed here but what Pegboard brings itself, which needs no trust."
    return f"{', '.join(names or packs)}: trusted, and nothing has changed since."


def _show(host: Host, one: About) -> None:
    import difflib

    from pegboard._board.about import listed

    last = host.packs.last(one.distribution)
    state = "is new here" if last is None else f"has changed since you accepted {last.get('version', 'it')}"
    say(f"{one.distribution} {one.version} {state}.", "bold")
    asked = "you asked for it" if one.requested else "nobody noted that it was asked for"
    say(f"  why here  {f'needed by {listed(one.needed_by)}' if one.needed_by else asked}")
    say(f"  files     {_files(one)}")
    says = list(one.says())
    if last is None:
        say(f"  {SOURCE}")
        for line in says:
            say(f"    {line}")
    else:
        say("  What it declares, then and now:")
        changes = list(difflib.unified_diff(last.get("says", []), says, lineterm="", n=100))[3:]
        for line in changes or ["the same; its code is another"]:
            say(f"    {line}", {"+": "green", "-": "red"}.get(line[:1], ""))
    if not one.permissions:
        say("  It declares no permission: its hooks can refuse, ask and stop, and nothing else.")
    say(f"  {WARNING}", "yellow")


def _files(one: About) -> str:
    kind, _, digest = one.print_.partition(":")
    if kind == "editable":
        return f"an editable install: it is trusted as the folder has it, whoever edits that (sha256 {digest})"
    if kind == "metadata":
        return f"it has no RECORD, so only its metadata is pinned (sha256 {digest})"
    return f"{one.files} in RECORD (sha256 {digest})"


def _facts(host: Host, one: About, *, accepted: bool) -> dict[str, Any]:
    last = host.packs.last(one.distribution)
    return {
        "distribution": one.distribution,
        "version": one.version,
        "trusted": accepted,
        "hash": one.print_,
        "requested": one.requested,
        "needed_by": one.needed_by,
        "permissions": one.permissions,
        "says": list(one.says()),
        "said_before": list(last.get("says", [])) if last is not None else [],
        "plugins": sorted(one.plugins),
    }
