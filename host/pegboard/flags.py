"""Feature flags in OpenFeature's words: what may be switched, and a frozen view of what is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from pegboard.errors import PegboardError, did_you_mean

FlagValue = bool | int | float | str | dict[str, Any]


class UnknownFlagError(PegboardError):
    """Nobody declared a flag of this name."""

    def __init__(self, flag: str, known: Iterable[str]) -> None:
        self.flag = flag
        super().__init__(f"there is no flag {flag!r}.{did_you_mean(flag, known)}")


class Flag(BaseModel):
    """A flag and its default; the type of the default is the type of the flag.

    `live` flags may change during a session, and only to `safe`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    default: bool | int | float | str | dict[str, Any]
    help: str = ""
    owner: str = ""
    min: float | None = None
    max: float | None = None
    live: bool = False
    safe: bool | int | float | str | None = None


def flag(name: str, default: FlagValue, *, help: str = "", **facts: Any) -> Flag:
    """Declare a flag. Raises pydantic's ValidationError for facts that do not fit."""
    return Flag(name=name, default=default, help=help, **facts)


class EvaluationContext(BaseModel):
    """Whom a flag is evaluated for. `targeting_key` leaves the machine only hashed."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    targeting_key: str = ""
    attributes: dict[str, bool | int | float | str] = {}


class FlagView(Mapping[str, FlagValue]):
    """The flags of one session, frozen, under the id of their snapshot.

    Reading a name that nobody declared raises UnknownFlagError. *on_read* is told of each read, for the journal.
    """

    __slots__ = ("_on_read", "_values", "snapshot_id")

    def __init__(
        self,
        values: Mapping[str, FlagValue],
        *,
        snapshot_id: str = "",
        on_read: Callable[[str, FlagValue], None] | None = None,
    ) -> None:
        self._values = dict(values)
        self._on_read = on_read
        self.snapshot_id = snapshot_id

    def __getitem__(self, name: str) -> FlagValue:
        try:
            value = self._values[name]
        except KeyError:
            raise UnknownFlagError(name, self._values) from None
        if self._on_read is not None:
            self._on_read(name, value)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
