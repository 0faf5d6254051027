"""`pegboard flags doctor`: everything that flags depend on."""

from __future__ import annotations

import os
from datetime import date, datetime

from pegboard.context import HostView
from pegboard.errors import SettingsError
from pegboard.flags import Resolution
from pegboard_builtins.flags.declaring import held_back
from pegboard_builtins.flags.showing import SNAPSHOT_VARIABLE, age_of
from pegboard_builtins.flags.state import FlagState

OK, NOTE, WRONG = "ok", "note", "wrong"
Finding = tuple[str, str, str]


def examine(host: HostView) -> list[Finding]:
    """Return (subject, state, text) in a stable order."""
    found: list[Finding] = []
    flags = host.flags()
    found.append(("declared", OK, f"{len(flags)} flags"))
    try:
        resolution = host.resolve_flags()
    except SettingsError as error:
        return [*found, ("sources", WRONG, str(error))]
    found += [("values", WRONG, str(problem)) for problem in resolution.problems]
    held = held_back(host.project, trusted=host.settings.trusted)
    found += [("trust", NOTE, f"{line}: look at it and consent with `pegboard trust`") for line in held]
    found += _ignored(resolution)
    found += _state(host)
    found += _kill_switches(host)
    for flag in flags.values():
        if flag.expires is not None and flag.expires < date.today():
            found.append((flag.name, NOTE, f"has expired on {flag.expires}; its owner is {flag.owner}"))
        if flag.targeting is not None:
            found += _targeting(flag.name)
    wanted = host.environment.get(SNAPSHOT_VARIABLE)
    if wanted:
        found.append(("session", NOTE, f"this process belongs to a session: its flags are snapshot {wanted}"))
    return found


def _ignored(resolution: Resolution) -> list[Finding]:
    found: list[Finding] = []
    for votes in resolution.votes.values():
        for vote in votes:
            where = f"{vote.file}:{vote.line}" if vote.line else vote.file
            if vote.ignored:
                found.append((vote.flag, NOTE, f"{vote.value!r} ({where}) does not count: {vote.ignored}"))
            elif vote.stale:
                found.append((vote.flag, NOTE, f"{vote.value!r} ({where}) is stale: {age_of(vote.age)} old"))
    return found


def _state(host: HostView) -> list[Finding]:
    root = FlagState(host.state_dir).root
    if not root.exists():
        return [("state", OK, f"{root} is made when it is needed")]
    if not os.access(root, os.W_OK):
        return [("state", WRONG, f"{root} cannot be written")]
    return [("state", OK, f"{root} can be written")]


def _kill_switches(host: HostView) -> list[Finding]:
    state = FlagState(host.state_dir)
    try:
        thrown = state.thrown()
    except SettingsError as error:
        return [("kill switches", WRONG, str(error))]
    found: list[Finding] = []
    for name, one in sorted(thrown.items()):
        when = datetime.fromtimestamp(one.get("at", 0)).strftime("%Y-%m-%d %H:%M")
        known = "" if name in host.flags() else ", and nobody declares it now"
        found.append((name, NOTE, f"the kill switch stands at {one.get('value')!r} since {when}{known}"))
    return found


def _targeting(name: str) -> list[Finding]:
    from importlib.util import find_spec

    if find_spec("openfeature") is not None and find_spec("openfeature.contrib.tools.flagd.core") is not None:
        return []
    return [(name, WRONG, "has a targeting rule that cannot be evaluated: pip install 'pegboard[targeting]'")]
