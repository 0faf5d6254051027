"""The filter of every way out on which words leave: names are masked, or the payload is refused; visibly."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pegboard.context import Ctx
from pegboard.egress import FilterFunction, StreamFilter, refuse
from pegboard.settings import SettingsView
from pegboard_builtins.undercover.destinations import GitError, Where, repository
from pegboard_builtins.undercover.engine import Hit, Matcher, Stream, mask_value
from pegboard_builtins.undercover.settings import AT_HOME, Policy, UndercoverSettings
from pegboard_builtins.undercover.sources import Finder, ListError, finder_of, key_of

NAME = "undercover"


class Undercover:
    """The names of one host: read when they are first needed; if they cannot be, everything is closed."""

    def __init__(self, settings: UndercoverSettings, *, config_dir: Path, project: Path) -> None:
        self.settings = settings
        self.project = project
        self._config_dir = config_dir
        self._finder: Finder | None = None
        self._error = ""
        self._at_home: bool | None = None

    def __repr__(self) -> str:
        return "<the names of a host>"

    @property
    def finder(self) -> Finder:
        """What finds the names. Raises ListError, every time."""
        if self._error:
            raise ListError(self._error)
        if self._finder is None:
            try:
                self._finder = finder_of(self.settings, config_dir=self._config_dir, project=self.project)
            except ListError as error:
                self._error = str(error)
                raise
        return self._finder

    @property
    def key(self) -> bytes:
        """The key of this user's ids. Raises ListError."""
        return key_of(self._config_dir)

    @property
    def at_home(self) -> bool:
        """Whether the project's repository is an internal one. Not knowing is no."""
        if self._at_home is None:
            try:
                self._at_home = repository(self.project, self.settings.internal) is Where.INTERNAL
            except GitError:
                self._at_home = False
        return self._at_home

    def lets_out(self, surface: str) -> bool:
        """Whether nothing is looked for on a way out."""
        if self.settings.policy(surface) is Policy.ALLOW:
            return True
        root = surface.partition(".")[0]
        return root in AT_HOME and surface not in self.settings.surfaces and self.at_home


class Filter:
    """What the host asks about everything that leaves."""

    def __init__(self, undercover: Undercover) -> None:
        self._undercover = undercover
        self._told: set[tuple[str, str, str]] = set()

    def __repr__(self) -> str:
        return "<the filter of undercover>"

    def __call__(self, surface: str, payload: Any, ctx: Ctx | None = None) -> Any:
        """Return what may leave; the very same object where there is nothing to hide."""
        finder = self._undercover.finder
        if self._undercover.lets_out(surface):
            return payload
        hits: list[Hit] = []
        masked = mask_value(finder, payload, self._undercover.settings.mask, hits)
        if not hits:
            return payload
        if self._undercover.settings.policy(surface) is not Policy.MASK:
            raise refuse(surface, NAME, f"it holds {ids_of(hits)}; say it without")
        self.tell(surface, hits, ctx)
        return masked

    def stream(self, surface: str, ctx: Ctx | None = None) -> StreamFilter:
        """Return a filter for one text in pieces."""
        finder = self._undercover.finder
        if self._undercover.lets_out(surface):
            return _Open()
        if self._undercover.settings.policy(surface) is Policy.MASK and isinstance(finder, Matcher):
            return _Masked(self, surface, ctx, finder, self._undercover.settings.mask)
        return _Whole(self, surface, ctx)

    def tell(self, surface: str, hits: Iterable[Hit], ctx: Ctx | None) -> None:
        """Say once for each name and way out of a session that something was masked."""
        session = ctx.session_id if ctx is not None else ""
        fresh = sorted({hit.name.id for hit in hits if (session, surface, hit.name.id) not in self._told})
        if not fresh:
            return
        self._told.update((session, surface, one) for one in fresh)
        text = f"masked in {surface}: {', '.join(fresh)}"
        if ctx is not None:
            ctx.notice(text, level="warning")
        else:
            print(f"{NAME}: {text}", file=sys.stderr)


def ids_of(hits: Iterable[Hit]) -> str:
    """Return the ids of what was found, each once."""
    return ", ".join(sorted({hit.name.id for hit in hits}))


class _Open:
    def take(self, piece: str) -> str:
        return piece

    def end(self) -> str:
        return ""


class _Masked:
    def __init__(self, owner: Filter, surface: str, ctx: Ctx | None, finder: Matcher, mask: str) -> None:
        self._owner, self._surface, self._ctx = owner, surface, ctx
        self._stream = Stream(finder, mask)
        self._told = 0

    def take(self, piece: str) -> str:
        return self._after(self._stream.take(piece))

    def end(self) -> str:
        return self._after(self._stream.end())

    def _after(self, shown: str) -> str:
        new = self._stream.hits[self._told :]
        self._told += len(new)
        if new:
            self._owner.tell(self._surface, new, self._ctx)
        return shown


class _Whole:
    """Where a name closes the way out, nothing leaves before everything was seen."""

    def __init__(self, owner: Filter, surface: str, ctx: Ctx | None) -> None:
        self._owner, self._surface, self._ctx = owner, surface, ctx
        self._parts: list[str] = []

    def take(self, piece: str) -> str:
        self._parts.append(piece)
        return ""

    def end(self) -> str:
        return str(self._owner(self._surface, "".join(self._parts), self._ctx))


def filters(
    settings: SettingsView, *, project: Path, config_dir: Path, state_dir: Path
) -> list[tuple[str, FilterFunction]]:
    """Return the filters for verbs that load no plugins (entry point `pegboard.filters`). Raises SettingsError."""
    settings.declare(NAME, UndercoverSettings)
    ours = settings.parse(NAME, UndercoverSettings)
    if not ours.on:
        return []
    return [("*", Filter(Undercover(ours, config_dir=config_dir, project=project)))]
