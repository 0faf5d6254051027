"""The desk: everything that votes on flags, asked once per session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pegboard.context import HostView
from pegboard.errors import SettingsError
from pegboard.flags import Flag, FlagLayer, FlagRequest, FlagVote
from pegboard_builtins.flags.settings import FlagsTable
from pegboard_builtins.flags.state import NEXT, FlagState
from pegboard_builtins.flags.voting import UNTRUSTED, from_environment, from_settings

if TYPE_CHECKING:
    from pegboard_builtins.flags.targeting import Decisions


class Desk:
    """Reads the declarations at once, and everything else when a session begins."""

    def __init__(self, host: HostView, settings: FlagsTable) -> None:
        self.host = host
        self.settings = settings
        self.state = FlagState(host.state_dir)
        self.rules: tuple[Any, ...] = ()
        self.held: Mapping[str, tuple[str, int | None]] = {}
        self.declared: tuple[Flag, ...] = ()
        paths = (host.config_dir / "flags.toml", host.project / ".pegboard" / "flags.toml")
        if any(path.exists() for path in paths):
            from pegboard_builtins.flags.declaring import read_declared

            found = read_declared(host.project, host.config_dir, trusted=host.settings.trusted)
            self.declared, self.rules, self.held = tuple(found.flags), tuple(found.rules), found.held

    def votes(self, request: FlagRequest) -> list[FlagVote]:
        """Return all votes for a session. One with an id takes what was said for the next session with it."""
        flags = request.flags
        votes = list(from_settings(self.host.settings, flags, self._excuse))
        votes += from_environment(self.host.environment, flags)
        votes += self._remote(request)
        votes += self._rules(request)
        if self.state.root.exists():
            if request.session_id and request.fresh:
                self.state.take_next(request.session_id, request.project)
            votes += self.state.session_votes(request.session_id or NEXT, request.project)
            votes += self._thrown(flags)
        return votes

    def _rules(self, request: FlagRequest) -> list[FlagVote]:
        """Return what targeting rules say: those of the flags' own declarations stand lowest."""
        flags = request.flags
        rules = [
            (flag, flag.targeting, FlagLayer.DEFAULT, flag.file, flag.line)
            for flag in flags.values()
            if flag.targeting is not None and not flag.disabled
        ]
        unknown = []
        for rule in self.rules:
            if rule.flag in flags:
                rules.append((flags[rule.flag], rule.logic, rule.layer, rule.file, rule.line))
            else:
                excuse = self._excuse(rule.flag)
                unknown.append(FlagVote(rule.flag, rule.layer, None, rule.file, rule.line, ignored=excuse))
        if not rules:
            return unknown
        from pegboard_builtins.flags.targeting import context_of, votes_of_rules

        context = context_of(request, self.key(), self.host.environment)
        return [*unknown, *votes_of_rules(rules, context, self.decisions())]

    def _remote(self, request: FlagRequest) -> list[FlagVote]:
        table = self.settings.remote
        if table is None or table.kind == "none":
            return []
        from pegboard_builtins.flags.remote import Remote
        from pegboard_builtins.flags.targeting import context_of

        authorization = self.host.secret(table.header_secret) if table.header_secret else None
        cache = self.state.root / "cache"
        remote = Remote(table, cache, self.decisions(), authorization or "", self.host.project)
        return remote.votes(request, context_of(request, self.key(), self.host.environment))

    def key(self) -> str:
        """Return the hash by which rules know this user."""
        from pegboard_builtins.flags.targeting import hashed_key

        return hashed_key(self.settings.key, self.state.root / "key")

    def decisions(self) -> Decisions:
        """Return what rules decided before."""
        from pegboard_builtins.flags.targeting import Decisions

        return Decisions(self.state.root / "decisions.sqlite3")

    def _thrown(self, flags: Mapping[str, Flag]) -> Iterator[FlagVote]:
        for name, value in self.live().items():
            if name in flags:
                yield FlagVote(name, FlagLayer.LIVE, value, str(self.state.live_file))

    def live(self) -> Mapping[str, Any]:
        """Return the kill switches that were thrown."""
        return self.state.live()

    def _excuse(self, name: str) -> str:
        """Return why a name that nobody declares now need not be wrong: who declares it is not here."""
        if name in self.held:
            return f"declared in {self.held[name][0]}, and {UNTRUSTED}"
        out = sorted(plugin for plugin, (status, _) in self.host.plugins().items() if status != "active")
        return f"nobody declares it; {', '.join(out)} may, but takes no part" if out else ""

    def health(self) -> str | None:
        """Return what is wrong with flags here, for `doctor`."""
        try:
            found = self.host.resolve_flags()
        except SettingsError as error:
            return str(error)
        return "\n".join(map(str, found.problems)) or None
