"""What verbs print passes filters too: those of built-ins that the settings have a table for.

A verb that only reads loads no plugins. So a built-in that filters says where its filters are by an entry point of the
group `pegboard.filters`, under its own name; it is imported only where some settings that count have its table.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard import output
from pegboard._cli import app as command_line
from pegboard._folders import config_folder, state_folder
from pegboard.errors import EgressClosedError, PegboardError, SettingsError

if TYPE_CHECKING:
    from pegboard._agent.egress import Egress
    from pegboard.records import Record
    from pegboard.settings import SettingsView

GROUP = "pegboard.filters"
OWN = "pegboard"
TRACE, EXPORT = "trace", "export"


def records_of(path: Path, cwd: Path | None, surface: str = TRACE) -> Iterator[Record]:
    """Go through a journal's records as they may leave."""
    egress = egress_of(cwd)
    if egress is None:
        from pegboard._agent.journal import read_records

        yield from read_records(path)
        return
    from pydantic_core import ValidationError, to_json

    from pegboard._agent.journal import read_lines
    from pegboard.records import parse_record

    for _, _, _, raw in read_lines(path):
        if raw is not None:
            try:
                yield parse_record(to_json(egress.emit(surface, raw)))
            except ValidationError:
                continue


def surface_of(as_json: bool) -> str:
    """Return the way out of what a verb prints: a document for other programs, or lines for a person."""
    return EXPORT if as_json else TRACE


def passed(value: Any, cwd: Path | None, surface: str = TRACE) -> Any:
    """Return plain data of a session as it may leave. Raises EgressClosedError."""
    egress = egress_of(cwd)
    return value if egress is None else egress.emit(surface, value)


@contextmanager
def watched_output(verb: str) -> Iterator[None]:
    """Let all that a plugin's verb prints with `pegboard.output` pass the filters.

    Not those of the very plugin whose verb it is: that must be able to say what is wrong with itself.
    """

    def gate(value: Any, as_json: bool) -> Any:
        egress = egress_of(None, verb)
        return value if egress is None else egress.emit(surface_of(as_json), value)

    output.gate = gate
    try:
        yield
    finally:
        output.gate = None


def said(text: str) -> str:
    """Return what an error may say on a terminal or in a pipe. Never raises: who cannot look shows nothing."""
    try:
        egress = egress_of(None)
        return text if egress is None else str(egress.emit("error", text))
    except PegboardError as error:  # closed, or never made: either says how to mend it
        return str(error)
    except Exception as error:
        return f"[withheld: the filters of what is printed cannot be made ({type(error).__name__})]"


@lru_cache(maxsize=8)
def egress_of(cwd: Path | None, without: str = "") -> Egress | None:
    """Return the filters for a folder's sessions, but for one plugin's; None for none. Raises PegboardError."""
    folder = (cwd or Path.cwd()).resolve()
    broken: list[SettingsError] = []
    view = _settings(folder, broken, trusted=False)
    tables = {name for file in view.files for name in file.values}
    if not broken and tables <= {"plugins", "model", "session"}:
        return None
    found = {name: load for name, load in _points().items() if name in tables or _named_in(broken, name)}
    found.pop(without, None)
    if not found:
        return None
    return _egress(folder, found, broken)


def _settings(folder: Path, broken: list[SettingsError], *, trusted: bool) -> SettingsView:
    from pegboard.settings import load_settings

    return load_settings(folder, config_dir=config_folder(os.environ), trusted=trusted, problems=broken)


def _egress(folder: Path, found: Mapping[str, Any], broken: list[SettingsError]) -> Egress | None:
    from pegboard._agent.egress import Egress
    from pegboard._board.discovery import Selection
    from pegboard._board.trust import TrustStore

    for name in found:
        if _named_in(broken, name):
            # Its settings may be in the very file that nobody can read: closed, not open.
            raise EgressClosedError("trace", name, f"a settings file that may be about it is wrong: {broken[0]}")
    view = _settings(folder, [], trusted=TrustStore(state_folder(os.environ)).trusts(folder))
    chosen = Selection.of(
        option=command_line.no_plugins,
        variable=os.environ.get("PEGBOARD_NO_PLUGINS"),
        disabled=dict.fromkeys(view.plugins.disabled, "disabled"),
    )
    filters: list[tuple[str, str, Any]] = []
    for name, point in found.items():
        if name in chosen.without or not view.table(name):
            continue
        made = point.load()(
            view, project=folder, config_dir=config_folder(os.environ), state_dir=state_folder(os.environ)
        )
        filters += [(name, pattern, function) for pattern, function in made]
    return Egress(tuple(filters), lambda record: None) if filters else None


def _points() -> dict[str, Any]:
    from importlib_metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP) if getattr(point.dist, "name", "") == OWN}


def _named_in(broken: list[SettingsError], name: str) -> bool:
    """Whether a file that is no TOML may hold this table."""
    for error in broken:
        try:
            text = Path(str(error.file)).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return True
        if name in text:
            return True
    return False
