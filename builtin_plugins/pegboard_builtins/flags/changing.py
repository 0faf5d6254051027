"""Setting a flag in one place: a settings file, the words for one session, or a kill switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli

from pegboard.context import HostView
from pegboard.errors import PegboardError, SettingsError
from pegboard.flags import LAYER_RANK, Flag, FlagError, FlagLayer, FlagVote, decided, why_ignored
from pegboard.settings_writing import change_file, with_key, without_key
from pegboard.typed import dataclass
from pegboard_builtins.flags.showing import Shown
from pegboard_builtins.flags.state import NEXT, FlagState
from pegboard_builtins.flags.voting import UNTRUSTED


@dataclass(frozen=True, slots=True)
class Target:
    """Where to write: the layer, and its file."""

    layer: FlagLayer
    path: Path

    @classmethod
    def of(cls, host: HostView, *, user: bool, project: bool, local: bool, session: str, live: bool) -> Target:
        """Return the one that is meant, the user's own file if nothing was said. Raises PegboardError for two."""
        if user + project + local + bool(session) + live > 1:
            raise PegboardError("say one of --user, --project, --local, --session and --live")
        state = FlagState(host.state_dir)
        if live:
            return cls(FlagLayer.LIVE, state.live_file)
        if session:
            wanted = session if session == NEXT else host.find_session(session).stem
            return cls(FlagLayer.SESSION, state.session_file(wanted, host.project))
        if project:
            return cls(FlagLayer.PROJECT, host.project / ".pegboard" / "settings.toml")
        if local:
            return cls(FlagLayer.LOCAL, host.project / ".pegboard" / "settings.local.toml")
        return cls(FlagLayer.USER, host.config_dir / "settings.toml")


def set_value(host: HostView, target: Target, name: str, text: str) -> list[str]:
    """Set a flag and return what to say. Raises SettingsError, and then nothing has changed."""
    shown = Shown(host, strict=False)
    flag = shown.flag(name)
    value = flag.parse(text)
    refused = why_ignored(flag, FlagVote(name, target.layer, value))
    if refused:
        raise FlagError(name, f"was not set: {refused}")
    if target.layer is FlagLayer.LIVE:
        FlagState(host.state_dir).throw(name, value)
        return [f"Thrown: {name} is {text} from now on, in sessions that run too. `unset --live` is for later ones."]
    if target.layer is FlagLayer.SESSION:
        changed = FlagState(host.state_dir).change(target.path, lambda all_: {**all_, name: value})
    else:
        changed = change_file(target.path, lambda before: with_flag(before, target.path, name, value))
    said = [f"Written: {target.path}" if changed else f"It says so already: {target.path}"]
    return [*said, *after_change(shown, flag, target, value)]


def unset_value(host: HostView, target: Target, name: str) -> list[str]:
    """Take back what one place says of a flag, also of one that nobody declares any more."""

    def without(values: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in values.items() if key != name}

    if target.path.suffix == ".json":
        changed = target.path.exists() and FlagState(host.state_dir).change(target.path, without)
    else:
        changed = target.path.exists() and change_file(target.path, lambda text: without_flag(text, target.path, name))
    if not changed and name not in host.flags():
        Shown(host, strict=False).flag(name)
    return [f"Taken back: {target.path}" if changed else f"{target.path} says nothing of {name}."]


def after_change(shown: Shown, flag: Flag, target: Target, value: Any) -> list[str]:
    """Return what keeps a value that was just written from counting."""
    if target.layer in (FlagLayer.PROJECT, FlagLayer.LOCAL) and shown.host.settings.trusted:
        said = ["This folder's settings have changed, so it is no longer trusted: `pegboard trust`."]
    elif target.layer in (FlagLayer.PROJECT, FlagLayer.LOCAL):
        said = [f"It does not count yet: {UNTRUSTED}."]
    else:
        said = []
    others = [vote for vote in shown.votes(flag.name) if vote.layer is not target.layer]
    winner = decided(flag, [*others, FlagVote(flag.name, target.layer, value)])
    if LAYER_RANK[winner.layer] > LAYER_RANK[target.layer]:
        where = f" ({winner.file}{f':{winner.line}' if winner.line else ''})" if winner.file else ""
        said.append(f"{flag.name} stays {winner.value!r} here: {winner.layer}{where} decides.")
    return said


def with_flag(text: str, path: Path, name: str, value: Any) -> str:
    """Return a settings file's text with a flag set, in the form that it has there."""
    return with_key(text, place_of(text, path, name), value)


def without_flag(text: str, path: Path, name: str) -> str:
    """Return a settings file's text without a flag."""
    return without_key(text, place_of(text, path, name))


def place_of(text: str, path: Path, name: str) -> tuple[str, ...]:
    """Return the keys under which a flag stands in a file: `"a.b" = 1`, or a table of a table. Raises SettingsError."""
    try:
        values = tomli.loads(text).get("flags", {})
    except tomli.TOMLDecodeError as wrong:
        raise SettingsError(f"is no TOML: {wrong.msg}. Nothing was changed.", file=path, line=wrong.lineno) from None
    node: Any = values.get("values", {}) if isinstance(values, dict) else {}
    parts = name.split(".")
    for part in parts:
        node = node.get(part) if isinstance(node, dict) else None
    return ("flags", "values", *(parts if node is not None and len(parts) > 1 else [name]))
