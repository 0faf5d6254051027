"""Feature flags in OpenFeature's words: what may be switched, who voted for what, and a frozen view of what counts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping
from copy import deepcopy
from dataclasses import MISSING, field, fields, replace
from datetime import date
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from pydantic_core import from_json, to_json

from pegboard._dataclass import dataclass
from pegboard.errors import SettingsError

FlagValue = bool | int | float | str | dict[str, Any]

TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object"}
"""The five types of a flag, by the type of its default, in OpenFeature's words."""

VARIABLE_PREFIX = "PEGBOARD_FLAG_"
"""`tools.parallel_limit` is `PEGBOARD_FLAG_TOOLS_PARALLEL_LIMIT` in the environment."""

NAME = r"[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+)*"


class FlagLayer(StrEnum):
    """Who may vote on a flag, lowest first; a higher layer wins. Live votes only move a flag to its safe side."""

    DEFAULT = "default"
    REMOTE = "remote"
    USER = "user"
    PROJECT = "project"
    LOCAL = "local"
    SESSION = "session"
    ENVIRONMENT = "environment"
    COMMAND_LINE = "command line"
    MANAGED = "managed"
    LIVE = "live"


LAYER_RANK = {layer: rank for rank, layer in enumerate(FlagLayer)}


class FlagKind(StrEnum):
    """Why a flag exists. An experiment must say when it ends."""

    RELEASE = "release"
    EXPERIMENT = "experiment"
    OPS = "ops"
    PERMISSION = "permission"


class Ramp(StrEnum):
    """How far a hook, a rule or a pack counts: not at all, only in the journal, as a warning, or in full."""

    OFF = "off"
    SHADOW = "shadow"
    WARN = "warn"
    ENFORCE = "enforce"


# --- what can be wrong ---------------------------------------------------------------------------------


def edits(left: str, right: str) -> int:
    """Return how many letters must be added, taken, changed or swapped with the next to make one of the other."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b)))
            if last and j > 1 and a == right[j - 2] and left[i - 2] == b:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]


def nearest_flag(name: str, known: Iterable[str]) -> str | None:
    """Return the flag that *name* was probably meant to be: the fewest edits, at most a third of its letters."""
    close = [
        (edits(name.lower(), one.lower()), one) for one in known if abs(len(one) - len(name)) <= max(2, len(name) // 3)
    ]
    best = min(close, default=None)
    return best[1] if best is not None and best[0] <= max(2, len(name) // 3) else None


class UnknownFlagError(SettingsError):
    """Nobody declared a flag of this name."""

    def __init__(
        self,
        flag: str,
        known: Iterable[str],
        *,
        file: Path | str | None = None,
        line: int | None = None,
        said: str = "",
    ) -> None:
        self.flag = flag
        self.nearest = nearest_flag(flag, known)
        hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
        super().__init__(
            f"there is no flag {flag!r}{said}.{hint} `pegboard flags list` shows them all.", file=file, line=line
        )


class FlagError(SettingsError):
    """A flag's declaration or value does not fit."""

    def __init__(self, flag: str, problem: str, *, file: Path | str | None = None, line: int | None = None) -> None:
        self.flag = flag
        self.reason = problem
        super().__init__(f"flag {flag!r}: {problem}", file=file, line=line)


# --- declaring -----------------------------------------------------------------------------------------


_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return _NOTHING


@cache
def _names() -> re.Pattern[str]:
    return re.compile(NAME)


@dataclass(frozen=True)
class Flag:
    """A flag and its default; the type of the default is the type of the flag. Raises FlagError.

    `owner` is the plugin unless it is said. An experiment must have `expires`. `min` and `max` bound numbers,
    `choices` the values of any other. `locked` flags are changed by the managed layer alone; `remote` flags may be
    set by a remote source. `live` flags are kill switches: they may change during a session, and only to `safe`.
    `variants` name values; `targeting` is flagd's JSON-logic and answers the name of a variant. A `disabled` flag
    has its default, whoever votes; an `undecided` one too, but who asks through OpenFeature gets the fallback he gave.
    """

    name: str
    default: FlagValue
    help: str = ""
    owner: str = ""
    kind: FlagKind = FlagKind.RELEASE
    stage: str = ""
    expires: date | None = None
    min: float | None = None
    max: float | None = None
    choices: tuple[str | int | float, ...] = ()
    locked: bool = False
    live: bool = False
    safe: FlagValue | None = None
    remote: bool = False
    disabled: bool = False
    undecided: bool = False
    variants: Mapping[str, FlagValue] = field(default_factory=_nothing)
    default_variant: str = ""
    targeting: Any = None
    metadata: Mapping[str, bool | int | float | str] = field(default_factory=_nothing)
    file: str = ""
    line: int | None = None

    def __post_init__(self) -> None:
        if not _names().fullmatch(self.name):
            raise self._wrong("the name must be letters and digits, in words joined by one of . _ -")
        if type(self.default) not in TYPES:
            raise self._wrong(f"a default is {', '.join(TYPES.values())}; not {type(self.default).__name__}")
        if type(self.kind) is not FlagKind:
            object.__setattr__(self, "kind", self._kind(self.kind))
        if self.kind is FlagKind.EXPERIMENT and self.expires is None:
            raise self._wrong("an experiment must say when it ends: expires = 2027-01-31")
        if type(self.choices) is not tuple:
            object.__setattr__(self, "choices", tuple(self.choices))
        bounded = self.min is not None or self.max is not None or self.choices
        if bounded or self.variants or self.default_variant:
            self._check_bounds()
        if self.live and self.safe is None:
            raise self._wrong("a live flag is a kill switch: say which value is safe")
        if self.safe is not None:
            self.check(self.safe)

    def _kind(self, said: Any) -> FlagKind:
        try:
            return FlagKind(said)
        except ValueError:
            raise self._wrong(f"kind is one of {', '.join(FlagKind)}; not {said!r}") from None

    def _check_bounds(self) -> None:
        if (self.min is not None or self.max is not None) and type(self.default) not in (int, float):
            raise self._wrong("min and max are for numbers")
        if self.min is not None or self.max is not None or self.choices:
            self.check(self.default)
        for value in self.variants.values():
            self.check(value)
        if self.default_variant and self.default_variant not in self.variants:
            raise self._wrong(f"default_variant {self.default_variant!r} is none of {', '.join(self.variants)}")

    def _wrong(self, problem: str) -> FlagError:
        return FlagError(self.name, problem, file=self.file or None, line=self.line)

    @property
    def type(self) -> str:
        """The flag's type: boolean, integer, number, string or object."""
        return TYPES[type(self.default)]

    @property
    def variable(self) -> str:
        """The flag's name in the environment."""
        return variable_of(self.name)

    def owned_by(self, plugin: str) -> Flag:
        """Return the flag with *plugin* as its owner, if it names none itself."""
        if self.owner:
            return self
        copied = object.__new__(Flag)  # not `replace`: what was checked need not be checked again
        copied.__dict__.update(self.__dict__, owner=plugin)
        return copied

    def check(self, value: Any) -> FlagValue:
        """Return *value* as a value of this flag: a whole number will do for a number. Raises FlagError."""
        wanted = type(self.default)
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise self._wrong(f"is {TYPES[wanted]}, and {value!r} is {TYPES.get(type(value), type(value).__name__)}")
        if isinstance(value, int | float):
            if self.min is not None and value < self.min:
                raise self._wrong(f"{value!r} is less than {self.min:g}")
            if self.max is not None and value > self.max:
                raise self._wrong(f"{value!r} is more than {self.max:g}")
        if self.choices and value not in self.choices:
            raise self._wrong(f"{value!r} is none of {', '.join(map(str, self.choices))}")
        return value

    def parse(self, text: str) -> FlagValue:
        """Read a value from a variable or an option: the flag's type says how. Raises FlagError."""
        kind = type(self.default)
        if kind is bool:
            word = text.strip().lower()
            if word in ("true", "1", "yes", "on"):
                return self.check(True)
            if word in ("false", "0", "no", "off"):
                return self.check(False)
            raise self._wrong(f"is boolean: say true or false, not {text!r}")
        if kind is str:
            return self.check(text)
        try:
            found: Any = int(text) if kind is int else float(text) if kind is float else from_json(text)
        except ValueError:
            raise self._wrong(f"is {self.type}, and {text!r} is none") from None
        return self.check(found)

    @property
    def variant(self) -> str:
        """The name of the default among the variants; empty where there are none."""
        if self.default_variant or not self.variants:
            return self.default_variant
        return next((name for name, value in self.variants.items() if value == self.default), "")


def flag(name: str, default: FlagValue, *, help: str = "", **facts: Any) -> Flag:
    """Declare a flag, in a plugin's module or for `Registry.add_flag`. Raises FlagError for facts that do not fit."""
    if not facts.keys() <= _DEFAULTS.keys():
        return Flag(name=name, default=default, help=help, **facts)  # which says what is wrong with them
    # A start may declare hundreds, and a frozen dataclass sets its fields one by one: three times as long.
    made = object.__new__(Flag)
    known = made.__dict__
    known.update(_DEFAULTS)
    known.update(facts)
    known["name"], known["default"], known["help"] = name, default, help
    made.__post_init__()
    return made


_DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(Flag) if one.default is not MISSING}
_DEFAULTS |= dict.fromkeys(("variants", "metadata"), _NOTHING)


def ramp(name: str, default: Ramp | str = Ramp.SHADOW, *, help: str = "", **facts: Any) -> Flag:
    """Declare a flag that says how far something counts: off, shadow, warn or enforce."""
    choices = tuple(str(step) for step in Ramp)
    facts.setdefault("variants", {step: step for step in choices})
    return Flag(name=name, default=str(default), help=help, choices=choices, **facts)


def variable_of(name: str) -> str:
    """Return a flag's name in the environment."""
    return VARIABLE_PREFIX + name.upper().replace(".", "_").replace("-", "_")


# --- votes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FlagVote:
    """One layer's word on one flag, with file and line. `ignored` says why it does not count, if it does not.

    A text from a variable or an option is `raw`: the flag's type says how it is read. `age` is in seconds, of what a
    remote source said; `stale` says that this is older than it should be.
    """

    flag: str
    layer: FlagLayer
    value: Any
    file: str = ""
    line: int | None = None
    variant: str = ""
    rule: str = ""
    reason: str = ""
    raw: bool = False
    ignored: str = ""
    age: float | None = None
    stale: bool = False


@dataclass(frozen=True)
class FlagDetails:
    """What a flag is in one session, and why: OpenFeature's evaluation details, and who said so."""

    name: str
    value: FlagValue
    variant: str = ""
    layer: FlagLayer = FlagLayer.DEFAULT
    rule: str = ""
    reason: str = "STATIC"
    file: str = ""
    line: int | None = None
    age: float | None = None
    stale: bool = False

    def as_fact(self) -> tuple[str, str, str, str]:
        """Return layer, variant, rule and reason: what the journal keeps beside the value."""
        # The plain text: to write a member of an enumeration as JSON takes ten times as long.
        return (self.layer._value_, self.variant, self.rule, self.reason)


@dataclass(frozen=True)
class FlagRequest:
    """What a flag source is asked: every declared flag, and for whom the session is.

    `fresh` is a session whose flags nobody knows yet: it has no journal, and no session above it.
    """

    flags: Mapping[str, Flag]
    fresh: bool = True
    session_id: str = ""
    project: Path = Path()
    model: str = ""
    version: str = ""


@dataclass(frozen=True)
class EvaluationContext:
    """Whom a flag is evaluated for. `targeting_key` leaves the machine only hashed."""

    targeting_key: str = ""
    attributes: Mapping[str, bool | int | float | str] = field(default_factory=dict)


FlagSource = Callable[[FlagRequest], Iterable[FlagVote]]
LiveCheck = Callable[[], Mapping[str, Any]]
"""Returns the flags that went to their safe side, with that value. Asked at every read of a live flag: be quick."""


def why_ignored(flag: Flag, vote: FlagVote) -> str:
    """Return why a vote does not count on this flag; empty if it does."""
    if vote.ignored:
        return vote.ignored
    if flag.disabled and vote.layer is not FlagLayer.DEFAULT:
        return "the flag is disabled"
    if flag.locked and vote.layer not in (FlagLayer.DEFAULT, FlagLayer.MANAGED, FlagLayer.LIVE):
        return "the flag is locked: only the managed layer may change it"
    if vote.layer is FlagLayer.REMOTE and not flag.remote:
        return "the flag is not declared remote = true"
    if vote.layer is FlagLayer.LIVE and not flag.live:
        return "the flag is not live"
    if vote.layer is FlagLayer.LIVE and vote.value != flag.safe:
        return f"a live flag only moves to its safe side, {flag.safe!r}"
    return ""


def checked(flags: Mapping[str, Flag], vote: FlagVote) -> FlagVote:
    """Return a vote with its value read and checked. Raises UnknownFlagError and FlagError with file and line."""
    flag = flags.get(vote.flag)
    if flag is None:
        if vote.layer is FlagLayer.ENVIRONMENT:
            known = {one.variable: one.name for one in flags.values()}
            raise UnknownFlagError(vote.flag, known, file=vote.file or None, line=vote.line)
        raise UnknownFlagError(vote.flag, flags, file=vote.file or None, line=vote.line)
    try:
        value = flag.parse(vote.value) if vote.raw and isinstance(vote.value, str) else flag.check(vote.value)
    except FlagError as wrong:
        raise FlagError(flag.name, wrong.reason, file=vote.file or None, line=vote.line) from None
    return replace(vote, value=value, raw=False)


@dataclass(slots=True)
class Resolution:
    """What all votes came to: a snapshot, every vote that was understood, and what was wrong with the others."""

    snapshot: FlagSnapshot
    votes: dict[str, list[FlagVote]]
    problems: list[SettingsError]


def resolve(flags: Mapping[str, Flag], votes: Iterable[FlagVote]) -> Resolution:
    """Let the highest layer that counts decide each flag; of one layer, the last vote.

    A remote source serves many programs: what it says of flags that nobody declared here is left out without a word,
    and a value that does not fit costs only itself.
    """
    by_flag: dict[str, list[FlagVote]] = {}
    problems: list[SettingsError] = []
    for vote in votes:
        if vote.layer is FlagLayer.REMOTE and vote.flag not in flags:
            continue
        try:
            good = vote if vote.ignored and vote.flag in flags else checked(flags, vote)
            by_flag.setdefault(good.flag, []).append(good)
        except SettingsError as wrong:
            if vote.layer is FlagLayer.REMOTE:
                by_flag.setdefault(vote.flag, []).append(replace(vote, ignored=str(wrong)))
            elif not vote.ignored:
                problems.append(wrong)
    details = {
        name: decided(flag, by_flag[name]) if name in by_flag else at_default(flag) for name, flag in flags.items()
    }
    return Resolution(FlagSnapshot(details), by_flag, problems)


def at_default(flag: Flag) -> FlagDetails:
    """Return a flag that nobody voted on."""
    made = object.__new__(FlagDetails)  # for each flag at each start: see `flag`
    facts = made.__dict__
    facts.update(_AT_DEFAULT)
    facts["name"], facts["value"] = flag.name, flag.default
    if flag.variants:
        facts["variant"] = flag.variant
    if flag.disabled:
        facts["reason"] = "DISABLED"
    if flag.file:
        facts["file"], facts["line"] = flag.file, flag.line
    return made


_AT_DEFAULT: dict[str, Any] = {one.name: one.default for one in fields(FlagDetails) if one.default is not MISSING}


def decided(flag: Flag, votes: Iterable[FlagVote]) -> FlagDetails:
    """Return what the votes on one flag come to."""
    winner = None
    for vote in votes:
        if not why_ignored(flag, vote) and (winner is None or LAYER_RANK[vote.layer] >= LAYER_RANK[winner.layer]):
            winner = vote
    if winner is None:
        return at_default(flag)
    variant = winner.variant or next((name for name, value in flag.variants.items() if value == winner.value), "")
    reason = "STALE" if winner.stale else winner.reason or "STATIC"
    return FlagDetails(
        flag.name,
        winner.value,
        variant,
        winner.layer,
        winner.rule,
        reason,
        winner.file,
        winner.line,
        winner.age,
        winner.stale,
    )


# --- the snapshot --------------------------------------------------------------------------------------


class FlagSnapshot:
    """The value of every flag for one session. `id` is a hash of the content, so equal snapshots are one."""

    __slots__ = ("_id", "_voted", "details")

    def __init__(self, details: Mapping[str, FlagDetails] | None = None) -> None:
        self.details: Mapping[str, FlagDetails] = MappingProxyType(dict(details or {}))
        self._id = ""
        self._voted: bool | None = None

    @classmethod
    def of(cls, values: Mapping[str, FlagValue]) -> FlagSnapshot:
        """Return a snapshot of plain values."""
        return cls({name: FlagDetails(name, value) for name, value in values.items()})

    @property
    def id(self) -> str:
        """Twelve letters of the hash; empty where there are no flags."""
        if not self._id and self.details:
            votes = [[name, *fact[:3]] for name, fact in sorted(self.facts.items())]
            content = [sorted(self.values.items()), votes]
            self._id = hashlib.sha256(to_json(content)).hexdigest()[:12]
        return self._id

    @property
    def values(self) -> dict[str, FlagValue]:
        """All values by name."""
        return {name: one.value for name, one in self.details.items()}

    @property
    def voted(self) -> bool:
        """Whether somebody voted on any flag: what hooks are told with every event, so it is found out once."""
        if self._voted is None:
            self._voted = bool(self.facts)
        return self._voted

    @property
    def facts(self) -> dict[str, tuple[str, str, str, str]]:
        """Layer, variant, rule and reason of each flag for which somebody voted."""
        plain = FlagLayer.DEFAULT
        return {n: d.as_fact() for n, d in self.details.items() if d.layer is not plain or d.variant or d.rule}

    @classmethod
    def restore(cls, values: Mapping[str, Any], facts: Mapping[str, Iterable[str]]) -> FlagSnapshot:
        """Return the snapshot that `values` and `facts` were taken of."""
        details = {}
        for name, value in values.items():
            layer, variant, rule, reason = facts.get(name, ("default", "", "", "STATIC"))
            details[name] = FlagDetails(name, value, variant, FlagLayer(layer), rule, reason)
        return cls(details)

    def changed(self, *others: Iterable[FlagDetails]) -> FlagSnapshot:
        """Return a snapshot with some details in the place of these."""
        return FlagSnapshot({**self.details, **{one.name: one for group in others for one in group}})


# --- the view ------------------------------------------------------------------------------------------

_keep = dict.__setitem__


def _tell_nobody(read: FlagDetails) -> None:
    """Take a read that no journal is kept of."""


class FlagView(dict[str, FlagValue]):
    """The flags of one session, frozen, under the id of their snapshot. `flags["name"]` is the quick way to read.

    Reading a name that nobody declared raises UnknownFlagError. *on_read* is told of the first read of each flag in
    a turn, for the journal. A live flag is looked at anew with every read, and may only have gone to its safe side.

    It is a dict of what was read in this turn, so that reading again costs no more than a dict does; everything
    else (`in`, `len`, iteration, comparison) is about all flags.
    """

    __slots__ = (
        "_known",
        "_live",
        "_live_names",
        "_on_read",
        "_plain",
        "_safe",
        "_told",
        "declared",
        "snapshot",
    )

    def __init__(
        self,
        snapshot: FlagSnapshot | Mapping[str, FlagValue],
        *,
        declared: Mapping[str, Flag] | None = None,
        on_read: Callable[[FlagDetails], object] | None = None,
        live: LiveCheck | None = None,
    ) -> None:
        super().__init__()
        self.snapshot = snapshot if isinstance(snapshot, FlagSnapshot) else FlagSnapshot.of(snapshot)
        self.declared: Mapping[str, Flag] = declared or {}
        self._known = dict(self.snapshot.details)
        self._on_read = on_read or _tell_nobody
        self._live = live
        self._live_names = frozenset(name for name, one in self.declared.items() if one.live) if live else frozenset()
        self._plain = self._known
        if self._live_names:
            self._plain = {name: one for name, one in self._known.items() if name not in self._live_names}
        self._safe: dict[str, FlagDetails] = {}
        self._told: set[str] = set()

    @property
    def snapshot_id(self) -> str:
        """The id of the snapshot."""
        return self.snapshot.id

    # reading

    def __missing__(self, name: str) -> FlagValue:
        one = self._plain.get(name)
        if one is None:
            return self.details(name).value
        value = one.value
        if type(value) is dict:
            return deepcopy(self.details(name).value)  # whoever changes it changes a copy
        # Neither live nor a table: it is told when it comes in here, and so once in a turn.
        self._on_read(one)
        _keep(self, name, value)
        return value

    def details(self, name: str) -> FlagDetails:
        """Return a flag's value with variant, layer, rule and reason. It counts as a read."""
        one = self._peek(name)
        if name in self._plain and type(one.value) is not dict:
            self[name]
        elif name not in self._told:
            self._told.add(name)
            self._on_read(one)
        return one

    def _peek(self, name: str) -> FlagDetails:
        if name in self._live_names:
            self.look_at_live()
            if name in self._safe:
                return self._safe[name]
        try:
            return self._known[name]
        except KeyError:
            raise UnknownFlagError(name, self._known) from None

    def get(self, name: str, default: Any = None) -> Any:
        """Return a flag's value. *default* is never used: a flag that nobody declared is an error."""
        return self[name]

    def boolean(self, name: str) -> bool:
        """Return a boolean flag. Raises FlagError for a flag of another type."""
        return self._typed(name, bool)  # type: ignore[no-any-return]

    def integer(self, name: str) -> int:
        """Return an integer flag. Raises FlagError for a flag of another type."""
        return self._typed(name, int)  # type: ignore[no-any-return]

    def number(self, name: str) -> float:
        """Return a number flag. Raises FlagError for a flag of another type."""
        return self._typed(name, float)  # type: ignore[no-any-return]

    def string(self, name: str) -> str:
        """Return a string flag. Raises FlagError for a flag of another type."""
        return self._typed(name, str)  # type: ignore[no-any-return]

    def table(self, name: str) -> dict[str, Any]:
        """Return an object flag, as a copy. Raises FlagError for a flag of another type."""
        return self._typed(name, dict)  # type: ignore[no-any-return]

    def _typed(self, name: str, wanted: type) -> Any:
        value = self[name]
        if type(value) is not wanted:
            raise FlagError(name, f"is {TYPES[type(value)]}, and was asked for as {TYPES[wanted]}")
        return value

    # live flags

    def look_at_live(self) -> bool:
        """Take what live flags went to their safe side; True if one of them has since the last look."""
        if self._live is None or not self._live_names:
            return False
        before = len(self._safe)
        for name, value in self._live().items():
            flag = self.declared.get(name)
            if flag is None or not flag.live or flag.safe is None or name in self._safe or value != flag.safe:
                continue
            if name in self._known and self._known[name].value != flag.safe:
                self._safe[name] = FlagDetails(name, flag.safe, layer=FlagLayer.LIVE, reason="STATIC")
                self._told.discard(name)
        return len(self._safe) > before

    @property
    def has_live(self) -> bool:
        """Whether there are kill switches to look at."""
        return bool(self._live_names)

    @property
    def gone_safe(self) -> tuple[str, ...]:
        """The live flags that went to their safe side during this session."""
        return tuple(sorted(self._safe))

    def begin_turn(self) -> None:
        """Let the first read of each flag be told again."""
        dict.clear(self)
        self._told.clear()

    def peek(self, name: str) -> FlagValue:
        """Return a flag's value without counting it as a read: for gates, which have a record of their own."""
        return self._peek(name).value

    # being a mapping of all flags

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FlagView):
            return self.snapshot_id == other.snapshot_id and self._safe == other._safe
        return NotImplemented if not isinstance(other, Mapping) else {n: self._peek(n).value for n in self} == other

    __hash__ = None

    def __repr__(self) -> str:
        return f"FlagView({len(self)} flags, snapshot {self.snapshot_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (FlagView, (self.snapshot.values,))

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """Return the names of all flags."""
        return self._known.keys()

    def items(self) -> Any:
        """Return all flags with their values; each counts as a read."""
        return [(name, self[name]) for name in self._known]

    def values(self) -> Any:
        """Return all values; each counts as a read."""
        return [self[name] for name in self._known]

    def copy(self) -> dict[str, FlagValue]:
        """Return all flags as a plain dict; each counts as a read."""
        return dict(self.items())

    def _refuse(self, *args: Any, **given: Any) -> NoReturn:
        raise TypeError("the flags of a session are frozen; `pegboard flags set` changes those of the next one")

    __setitem__ = __delitem__ = update = pop = popitem = setdefault = clear = _refuse
    __ior__ = __or__ = __ror__ = _refuse


def ramp_of(flags: Mapping[str, Any], name: str) -> Ramp:
    """Return how far something under the flag *name* counts. Raises UnknownFlagError and FlagError.

    A boolean flag that is on means enforce, one that is off means off; a string flag must be one of the four words.
    It is the word for whatever has a `ramp = "NAME"`: what is in shadow is evaluated and journaled and decides
    nothing (`Ctx.shadow`), what warns also tells the person.
    """
    value = flags[name]
    if value is True:
        return Ramp.ENFORCE
    if value is False:
        return Ramp.OFF
    try:
        return Ramp(value)
    except ValueError:
        raise FlagError(name, f"is {value!r}, and a ramp is one of {', '.join(Ramp)}") from None
