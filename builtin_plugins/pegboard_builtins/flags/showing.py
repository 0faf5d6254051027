"""Flags as verbs and the chat show them: the value that counts here, and what is remarkable about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from pegboard.context import HostView
from pegboard.errors import PegboardError
from pegboard.flags import Flag, FlagDetails, FlagSnapshot, FlagVote, Resolution, UnknownFlagError
from pegboard.output import say
from pegboard_builtins.flags.declaring import held_back

SNAPSHOT_VARIABLE = "PEGBOARD_FLAGS_SNAPSHOT"


class Shown:
    """What every flag is here: in a process of a session, what it is in that session. Raises what is wrong first."""

    def __init__(self, host: HostView, *, strict: bool = True) -> None:
        self.host = host
        self.flags: Mapping[str, Flag] = host.flags()
        self.resolution: Resolution = host.resolve_flags()
        if strict and self.resolution.problems:
            raise self.resolution.problems[0]
        self.session = self._of_session()

    def _of_session(self) -> FlagSnapshot | None:
        wanted = self.host.environment.get(SNAPSHOT_VARIABLE)
        if not wanted:
            return None
        try:
            return self.host.snapshot(wanted)
        except PegboardError:
            return None

    def flag(self, name: str) -> Flag:
        """Return a flag. Raises UnknownFlagError."""
        if name not in self.flags:
            raise UnknownFlagError(name, self.flags)
        return self.flags[name]

    def details(self, name: str) -> FlagDetails:
        """Return what a flag is here."""
        if self.session is not None and name in self.session.details:
            return self.session.details[name]
        return self.resolution.snapshot.details[name]

    def votes(self, name: str) -> list[FlagVote]:
        """Return every layer's vote on a flag."""
        return self.resolution.votes.get(name, [])

    def value(self, name: str) -> str:
        """Return a flag's value as a text."""
        value = self.details(name).value
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def remark(self, name: str) -> str:
        """Return in a few words what is remarkable."""
        flag, one = self.flags[name], self.details(name)
        words = [word for word in ("locked", "live", "remote", "disabled") if getattr(flag, word)]
        words += [str(flag.kind)] if flag.kind != "release" else []
        words += [f"expired {flag.expires}"] if flag.expires and flag.expires < date.today() else []
        words += [f"stale, {age_of(one.age)} old"] if one.stale else []
        return ", ".join(words)

    def say_asides(self) -> None:
        """Tell what else a person should know: the session whose flags these are, votes that do not count."""
        if self.session is not None:
            say(f"These are the flags of the session that started this process (snapshot {self.session.id}).", "yellow")
        for line in held_back(self.host.project, trusted=self.host.settings.trusted):
            say(line, "yellow")
        for votes in self.resolution.votes.values():
            for vote in votes:
                if vote.ignored:
                    where = f"{vote.file}:{vote.line}" if vote.line else vote.file
                    say(f"{vote.flag} = {vote.value!r} ({where}) does not count: {vote.ignored}", "yellow")


def facts_of(shown: Shown, name: str) -> dict[str, Any]:
    """Return everything about one flag, for --json."""
    flag, one = shown.flag(name), shown.details(name)
    return {
        "name": name,
        "value": one.value,
        "type": flag.type,
        "layer": str(one.layer),
        "variant": one.variant,
        "reason": one.reason,
        "rule": one.rule,
        "file": one.file,
        "line": one.line,
        "stale": one.stale,
        "age": one.age,
        "default": flag.default,
        "help": flag.help,
        "owner": flag.owner,
        "kind": str(flag.kind),
        "stage": flag.stage,
        "expires": str(flag.expires) if flag.expires else None,
        "min": flag.min,
        "max": flag.max,
        "choices": list(flag.choices),
        "locked": flag.locked,
        "live": flag.live,
        "remote": flag.remote,
        "disabled": flag.disabled,
        "safe": flag.safe,
        "variable": flag.variable,
        "gates": [
            {"kind": gate.kind, "name": gate.name, "plugin": gate.plugin, "how": gate.how}
            for gate in shown.host.gates()
            if gate.flag == name
        ],
    }


def age_of(seconds: float | None) -> str:
    """Return an age for a person."""
    if seconds is None:
        return "of unknown age"
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
