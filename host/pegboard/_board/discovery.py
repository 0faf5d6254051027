"""Finding plugins: entry points become records, and every record has a status and a reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from pegboard._board.installed import entry_points, normal
from pegboard._board.order import Tier
from pegboard._board.snapshot import Known
from pegboard._dataclass import dataclass
from pegboard.errors import DuplicatePluginError
from pegboard.hookspecs import ImplOptions
from pegboard.output import clipped

GROUP = "pegboard"
OWN_DISTRIBUTION = "pegboard"
LONGEST_NAME, LONGEST_REASON = 200, 2_000
"""Characters of what a distribution calls itself and its plugins, and of what is told of one."""
NO_ALIASES: Mapping[str, str] = {}


class Status(StrEnum):
    """What became of a plugin; it is never just absent."""

    FOUND = "found"
    DISABLED = "disabled"
    UNTRUSTED = "untrusted"
    INCOMPATIBLE = "incompatible"
    LOAD_ERROR = "load_error"
    CONFIG_ERROR = "config_error"
    ACTIVE = "active"
    QUARANTINED = "quarantined"


@dataclass(slots=True)
class PluginRecord:
    """A plugin that was found. `value` is the entry point's (`module` or `module:attribute`).

    `name` is what it is called here; `point` is the entry point's own name, where the settings give it another.
    """

    name: str
    value: str
    distribution: str = ""
    version: str = ""
    tier: Tier = Tier.USER
    status: Status = Status.FOUND
    reason: str = ""
    mend: str = ""
    plugin: Any = field(default=None, repr=False)
    hooks: dict[str, ImplOptions] = field(default_factory=dict, repr=False)
    """What it implements, once it was loaded."""
    import_ms: float = 0.0
    register_ms: float = 0.0
    """How long its hooks were checked and `register` ran; of one that is not imported yet, nothing."""
    load_ms: float = 0.0
    """How long this start took to bring it up, whether by its import or by what is known of it."""
    folder: str = ""
    """Where its distribution's metadata lies; empty for one that was given in code."""
    print_: str = ""
    """The fingerprint of its distribution, where somebody has asked for it."""
    accepted: frozenset[str] | None = None
    """The permissions that were shown when its distribution was accepted; None where nobody had to accept it."""
    fails: str = ""
    """What it does to the interpreter, as it was found when the pack was accepted; it is not imported then."""
    unbounded: bool = False
    """Whether it may do all without declaring it: an object of the very program that opened the host."""
    path: Path | None = None
    """Where it lies, if nobody installed it: a file or a folder."""
    point: str = ""

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What its distribution's metadata calls it."""
        return self.name, self.value, self.distribution, self.version

    def fail(self, status: Status, reason: str, mend: str = "") -> None:
        """Take the plugin out, and say why and what mends it; a pack may have said that, so its length is bounded."""
        self.status = status
        self.reason = clipped(reason, LONGEST_REASON)
        self.mend = clipped(mend or f"pegboard plugins disable {self.name}", LONGEST_REASON)


class EntryPointLike(Protocol):
    """What is needed of an entry point."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def dist(self) -> Any: ...


@dataclass(frozen=True)
class Selection:
    """Who takes part: `--no-plugins`, `PEGBOARD_NO_PLUGINS` and `plugins.disabled`, read before any import.

    `only_own` leaves out every plugin of another distribution; `without` leaves out those names, built-ins too.
    """

    only_own: bool = False
    without: Mapping[str, str] = field(default_factory=dict)

    def refuses(self, record: PluginRecord) -> str:
        """Return why a plugin takes no part; empty if it does."""
        if record.name in self.without:
            return self.without[record.name]
        if self.only_own and record.distribution != OWN_DISTRIBUTION:
            return "--no-plugins leaves out every plugin of another distribution"
        return ""

    @classmethod
    def of(cls, *, option: str | None, variable: str | None, disabled: Mapping[str, str] | None = None) -> Selection:
        """Read the option (None: not given, "": given without names), the variable and the settings' names."""
        without = dict(disabled or {})
        only_own = False
        for given, said_by in ((variable, "PEGBOARD_NO_PLUGINS"), (option, "--no-plugins")):
            if given is None:
                continue
            names = [name.strip() for name in given.split(",") if name.strip()]
            if not names or names in (["1"], ["true"], ["all"]):
                only_own = only_own or bool(names) or said_by == "--no-plugins"
                continue
            without.update(dict.fromkeys(names, f"{said_by} leaves it out"))
        return cls(only_own=only_own, without=without)


def installed_entry_points() -> list[EntryPointLike]:
    """Return the entry points of our group in this environment, importing none of them."""
    return list(entry_points(GROUP))


def find_plugins(
    points: Iterable[EntryPointLike],
    selection: Selection,
    doubt: Callable[[PluginRecord], str] = lambda record: "",
    aliases: Mapping[str, str] = NO_ALIASES,
) -> list[PluginRecord]:
    """Return a record per entry point, sorted; those that share a name are load errors that name both owners.

    A built-in among them stands.

    *doubt* says why a plugin of another distribution is not trusted. One that takes no part is nobody's rival.
    *aliases* has other names for plugins by `distribution:name`, so that two may be here that are called the same.
    """
    records = sorted(map(_record, points), key=lambda record: (record.tier, record.distribution, record.name))
    given = {_key(*key.rpartition(":")[::2]): alias for key, alias in aliases.items() if alias and ":" in key}
    for record in records if given else ():
        alias = given.get(_key(record.distribution, record.name))
        if alias and record.tier is not Tier.HOST:
            record.point, record.name = record.name, alias
    owners: dict[str, list[PluginRecord]] = {}
    for record in records:
        if any(len(text) > LONGEST_NAME for text in record.names):
            _cut(record)
            continue
        why = selection.refuses(record)
        if why:
            record.fail(Status.DISABLED, why, "take its name out there")
            continue
        why = doubt(record) if record.tier is not Tier.HOST else ""
        if why:
            record.fail(Status.UNTRUSTED, why, f"pegboard plugins trust {record.distribution or record.name}")
            continue
        if record.fails:
            record.fail(Status.LOAD_ERROR, record.fails, tried_again(record))
            continue
        owners.setdefault(record.name, []).append(record)
    for rivals in owners.values():
        if len(rivals) > 1:
            _leave_out(rivals)
    return records


def _leave_out(rivals: Sequence[PluginRecord]) -> None:
    """Say that these are load errors because they share a name. A built-in stands: no pack switches one off by that.

    What a session is guarded by would otherwise depend on how a pack that was accepted for something else is called.
    """
    own = [record for record in rivals if record.tier is Tier.HOST]
    stands = own[0] if len(own) == 1 else None
    names = tuple(_owner(rival) for rival in rivals)
    for record in rivals:
        if record is not stands:
            error = DuplicatePluginError(record.name, names, _owner(stands) if stands else "")
            record.fail(Status.LOAD_ERROR, error.reason, _told_apart(record if stands else rivals[-1]))


def _cut(record: PluginRecord) -> None:
    """Take out a plugin whose metadata no index would have taken: nobody reads such names."""
    longest = max(map(len, record.names))
    record.name, record.value, record.distribution, record.version = (
        clipped(text, LONGEST_NAME) for text in record.names
    )
    text = f"its metadata has a name of {longest:,} characters; {LONGEST_NAME} are the most"
    record.fail(Status.LOAD_ERROR, text, f"pegboard plugins uninstall {record.distribution}")


def _key(distribution: str, name: str) -> tuple[str, str]:
    return normal(distribution), name


def _told_apart(rival: PluginRecord) -> str:
    """Return what lets a plugin live beside another of its name."""
    key = f"{rival.distribution}:{rival.point or rival.name}"
    return (
        f'give one another name in the settings, [plugins.aliases] "{key}" = "other_name", '
        f"or: pegboard plugins uninstall {rival.distribution}"
    )


def _record(entry_point: EntryPointLike) -> PluginRecord:
    distribution, version = _name_and_version(entry_point.dist)
    folder = str(getattr(entry_point.dist, "folder", None) or getattr(entry_point.dist, "_path", None) or "")
    tier = Tier.HOST if distribution == OWN_DISTRIBUTION and _is_own(folder) else Tier.USER
    return PluginRecord(entry_point.name, entry_point.value, distribution, version, tier, folder=folder)


def tried_again(record: PluginRecord) -> str:
    """Return what mends a plugin whose import is not survived."""
    return (
        f"pegboard plugins uninstall {record.distribution}; once its author has mended it, "
        f"`pegboard plugins trust {record.distribution}` tries it again"
    )


def _is_own(folder: str) -> bool:
    """Whether a metadata folder bears our name, too: what METADATA says, anybody can write into it."""
    return not folder or os.path.basename(folder).lower().startswith((f"{OWN_DISTRIBUTION}-", f"{OWN_DISTRIBUTION}."))


def _name_and_version(distribution: Any) -> tuple[str, str]:
    """Return what a distribution's METADATA begins with.

    Its own `name` and `version` read the whole file as an e-mail message, each anew for every entry point: with the
    modules that this imports, that is a twentieth of a start.
    """
    if isinstance(distribution, Known):
        return distribution.name, distribution.version
    read = getattr(distribution, "read_text", None)
    head = ((read("METADATA") or "") if read is not None else "").partition("\n\n")[0]
    facts = dict(line.split(": ", 1) for line in head.splitlines() if line.startswith(("Name: ", "Version: ")))
    name, version = facts.get("Name", "").strip(), facts.get("Version", "").strip()
    if name and version:
        return name, version
    return getattr(distribution, "name", "") or "", getattr(distribution, "version", "") or ""


def _owner(record: PluginRecord) -> str:
    return f"{record.distribution} {record.version}".strip() or record.value
