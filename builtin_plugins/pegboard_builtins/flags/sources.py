"""The desk: everything that votes on flags, asked once per session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pegboard.context import HostView
from pegboard.errors import SettingsError
from pegboard.flags import Flag, FlagLayer, FlagRequest, FlagVote
from pegboard_builtins.flags.settings import FlagsTable
from pegboard_builtins.flags.state import NEXT, FlagState
from pegboard_builtins.flags.voting import UNTRUSTED, from_environment, from_settings


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
        if self.state.root.exists():
            if request.session_id and request.fresh:
                self.state.take_next(request.session_id, request.project)
            votes += self.state.session_votes(request.session_id or NEXT, request.project)
            votes += self._thrown(flags)
        return votes

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
