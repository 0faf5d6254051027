"""Which distributions the user has accepted: consent for a pack as it is installed, until a file of it changes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard._board.fingerprint import fingerprint
from pegboard._board.snapshot import Snapshot
from pegboard._board.trust import read_known, save_known

if TYPE_CHECKING:
    from pegboard._board.discovery import PluginRecord

KEPT = 20
"""How many forms of one distribution are remembered: other environments may have other versions."""


class AcceptedPacks:
    """The file of accepted distributions in the state folder; per user, as that folder is."""

    def __init__(self, state_dir: Path, snapshot: Snapshot | None = None) -> None:
        self.path = state_dir / "packs.json"
        self._snapshot = snapshot
        self._known: dict[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        if self._known is None:
            self._known = read_known(self.path)
        return self._known

    def forms_of(self, distribution: str) -> dict[str, dict[str, Any]]:
        """Return what was accepted of a distribution, by fingerprint, the newest last."""
        found = self._all().get(distribution.lower(), {})
        if not isinstance(found, dict):
            return {}
        return {form: said for form, said in found.items() if isinstance(said, dict)}

    def accepted(self, distribution: str, print_: str) -> dict[str, Any] | None:
        """Return what was known of exactly these files when they were accepted; None if they were not."""
        return self.forms_of(distribution).get(print_)

    def last(self, distribution: str) -> dict[str, Any] | None:
        """Return what was known of the form that was accepted last."""
        forms = list(self.forms_of(distribution).values())
        return forms[-1] if forms else None

    def accept(self, distribution: str, print_: str, facts: Mapping[str, Any]) -> None:
        """Accept these files of a distribution; *facts* is what was shown of them."""
        self._known = read_known(self.path)  # another process may have written since
        forms = {form: said for form, said in self.forms_of(distribution).items() if form != print_}
        forms[print_] = dict(facts)
        self._known[distribution.lower()] = dict(list(forms.items())[-KEPT:])
        save_known(self.path, self._known)

    def revoke(self, distribution: str) -> bool:
        """Take consent back, for all forms; False if there was none."""
        self._known = read_known(self.path)
        if self._known.pop(distribution.lower(), None) is None:
            return False
        save_known(self.path, self._known)
        return True

    def print_of(self, record: PluginRecord) -> str:
        """Return the fingerprint of a plugin's distribution; empty where it has no folder of its own."""
        if not record.folder:
            return ""
        return self._snapshot.print_of(record.folder) if self._snapshot is not None else str(fingerprint(record.folder))

    def doubt(self, record: PluginRecord) -> str:
        """Return why a plugin is not trusted; empty if its distribution is accepted as it is."""
        record.print_ = self.print_of(record)
        accepted = self.accepted(record.distribution, record.print_)
        if accepted is not None:
            record.accepted = frozenset(accepted.get("permissions", ()))
            record.fails = str(accepted.get("fails", {}).get(record.point or record.name, ""))
            return ""
        last = self.last(record.distribution)
        if last is None:
            return "its distribution was not accepted yet"
        then = str(last.get("version", ""))
        if then != record.version:
            return f"its distribution is another than was accepted: {then} then, {record.version} now"
        return f"its files are others than were accepted, though both say that they are {then}"


def gone_since(state_dir: Path, records: Iterable[PluginRecord]) -> list[str]:
    """Return the packs that this environment had at the last look and has no more; from now on it has what it has.

    An installer that makes an environment anew drops what was put in past it, and nobody would be told.
    """
    path = state_dir / "environments.json"
    known = read_known(path)
    said = known.get(sys.prefix)
    before = said if isinstance(said, dict) else {}
    now = {record.distribution: record.version for record in records if record.folder and record.distribution}
    if before != now:
        try:
            save_known(path, {**known, sys.prefix: now})
        except OSError:
            return []
    return [f"{name}=={version}" for name, version in sorted(before.items()) if name not in now]


def distributions_of(records: Iterable[PluginRecord]) -> dict[str, list[PluginRecord]]:
    """Return the plugins by distribution, sorted; those without one are left out."""
    found: dict[str, list[PluginRecord]] = {}
    for record in sorted(records, key=lambda one: (one.distribution.lower(), one.name)):
        if record.distribution:
            found.setdefault(record.distribution, []).append(record)
    return found
