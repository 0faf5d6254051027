"""Targeting rules in flagd's JSON-logic, and the decisions that they came to, kept so that nobody is moved later."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pegboard.errors import PegboardError, SettingsError
from pegboard.flags import Flag, FlagError, FlagLayer, FlagRequest, FlagVote
from pegboard.typed import dataclass

EXTRA = "pip install 'pegboard[targeting]'"
BUCKETING = "flagd fractional v2 (openfeature-flagd-core 1.0.0)"
"""What `fractional` means with the version that the extra pins; kept with each decision."""
NO_MATCH = ("", None, "")
SWITCH_VARIANTS = {"on": True, "off": False, "true": True, "false": False}
"""What a boolean flag without variants of its own has."""


class RuleError(PegboardError):
    """A rule cannot be evaluated, or answers what is no variant."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule came to: the variant and its value. No variant where the rule gave the value itself."""

    variant: str
    value: Any
    stored: bool = False


def evaluate(flag: Flag, logic: Any, context: Mapping[str, Any]) -> Match | None:
    """Evaluate a rule; None where it has no answer, so that the default counts. Raises RuleError.

    *context* has the attributes, and `targetingKey`.
    """
    found = answer_of(flag.name, logic, context)
    if found is None:
        return None
    variants = flag.variants or (SWITCH_VARIANTS if type(flag.default) is bool else {})
    name = str(found).lower() if isinstance(found, bool) else found
    if isinstance(name, str) and name in variants:
        return Match(name, variants[name])
    if flag.variants:
        raise RuleError(f"flag {flag.name!r}: the rule answers {found!r}, which is none of {', '.join(flag.variants)}")
    try:
        return Match("", flag.check(found))
    except FlagError as wrong:
        raise RuleError(f"the rule's answer does not fit: {wrong}") from None


def answer_of(name: str, logic: Any, context: Mapping[str, Any]) -> Any:
    """Return what a rule answers. Raises RuleError."""
    try:
        from openfeature.contrib.tools.flagd.core.targeting import targeting
        from openfeature.evaluation_context import EvaluationContext
    except ImportError:
        raise RuleError(f"flag {name!r}: its rule cannot be evaluated without an extra: {EXTRA}") from None
    given = dict(context)
    key = given.pop("targetingKey", None)
    try:
        return targeting(name, logic, EvaluationContext(targeting_key=key, attributes=given))
    except Exception as error:  # a rule is somebody's data: whatever it does is its fault
        raise RuleError(f"flag {name!r}: its rule cannot be evaluated: {error!r}") from None


def words_of(logic: Any) -> Iterator[str]:
    """Go through every operator of a rule."""
    if isinstance(logic, dict):
        for word, arguments in logic.items():
            yield word
            yield from words_of(arguments)
    elif isinstance(logic, list):
        for one in logic:
            yield from words_of(one)


def read_by(logic: Any) -> Iterator[str]:
    """Go through the attributes that a rule looks at."""
    if isinstance(logic, dict):
        for word, arguments in logic.items():
            if word == "var":
                first = arguments[0] if isinstance(arguments, list) and arguments else arguments
                yield str(first)
            else:
                yield from read_by(arguments)
    elif isinstance(logic, list):
        for one in logic:
            yield from read_by(one)


def decides_by_lot(logic: Any) -> bool:
    """Whether a rule spreads people over variants, and will do so tomorrow as today."""
    words = set(words_of(logic))
    return "fractional" in words and not any(name.startswith("$flagd") for name in read_by(logic))


class Decisions:
    """What rules decided by lot, kept: a new version of the library may count otherwise, and nobody moves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def decide(self, flag: Flag, logic: Any, context: Mapping[str, Any]) -> Match | None:
        """Return what was decided before for the same rule and the same person, else decide. Raises RuleError."""
        if not decides_by_lot(logic):
            return evaluate(flag, logic, context)
        key = decision_key(flag.name, logic, context)
        kept = self._kept(key)
        if kept is not None:
            variant, value = kept
            try:
                value = flag.variants[variant] if variant in flag.variants else flag.check(value)
                return Match(variant, value, stored=True)
            except FlagError:
                pass  # the flag has another type by now
        found = evaluate(flag, logic, context)
        if found is not None:
            return self._keep(key, flag, found)
        return None

    def _open(self) -> Any:
        import sqlite3

        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(self.path, timeout=5.0, isolation_level=None)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS decisions"
            " (key TEXT PRIMARY KEY, flag TEXT, variant TEXT, value TEXT, bucketing TEXT, at REAL)"
        )
        return connection

    def _kept(self, key: str) -> tuple[str, Any] | None:
        if not self.path.exists():
            return None
        import sqlite3

        try:
            connection = self._open()
            try:
                row = connection.execute("SELECT variant, value FROM decisions WHERE key = ?", (key,)).fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise SettingsError(f"what rules decided cannot be read: {error}; remove it", file=self.path) from None
        return (row[0], json.loads(row[1])) if row is not None else None

    def _keep(self, key: str, flag: Flag, found: Match) -> Match:
        import sqlite3

        try:
            connection = self._open()
            try:
                # Of two processes that decide at once, the first one's decision stands for both.
                connection.execute(
                    "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?)",
                    (key, flag.name, found.variant, json.dumps(found.value), BUCKETING, time.time()),
                )
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"what a rule decided cannot be kept: {error}", file=self.path) from None
        return found


def decision_key(name: str, logic: Any, context: Mapping[str, Any]) -> str:
    """Return what a decision is kept under: the flag, the rule, and what the rule looks at."""
    seen = {one.partition(".")[0] for one in read_by(logic)} | {"targetingKey"}
    looked_at = {one: context.get(one) for one in sorted(seen)}
    text = json.dumps([name, logic, looked_at], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


# --- for whom ------------------------------------------------------------------------------------------


def context_of(request: FlagRequest, key: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes that rules may look at."""
    return {
        "targetingKey": key,
        "project": request.project.name,
        "version": request.version,
        "os": platform.system().lower(),
        "python": platform.python_version(),
        "model": request.model,
        "ci": environment.get("CI", "").lower() in ("1", "true", "yes"),
    }


def hashed_key(said: str, file: Path) -> str:
    """Return the hash by which rules know this user: of what he said, or of a random key that is made once."""
    secret = said or _own_key(file)
    return hashlib.sha256(f"pegboard flags {secret}".encode()).hexdigest()[:32]


def _own_key(file: Path) -> str:
    try:
        found = file.read_text(encoding="utf-8").strip()
        if found:
            return found
    except OSError:
        pass
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_name(f".key.{os.getpid()}")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(os.urandom(16).hex())
        try:
            os.link(fresh, file)  # of two that make one at once, the first one's stands
        except FileExistsError:
            pass
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"the key for targeting rules cannot be kept: {error}", file=file) from None
    finally:
        fresh.unlink(missing_ok=True)


def votes_of_rules(
    rules: list[tuple[Flag, Any, FlagLayer, str, int | None]], context: Mapping[str, Any], decisions: Decisions
) -> Iterator[FlagVote]:
    """Go through what rules say for a session; a rule that cannot be evaluated says so and does not count."""
    for flag, logic, layer, file, line in rules:
        try:
            found = decisions.decide(flag, logic, context)
        except RuleError as wrong:
            yield FlagVote(flag.name, layer, flag.default, file, line, rule="targeting", ignored=str(wrong))
            continue
        if found is None:
            if layer is FlagLayer.DEFAULT:
                yield FlagVote(flag.name, layer, flag.default, file, line, flag.variant, "targeting", "DEFAULT")
            continue
        rule = "targeting (decided before)" if found.stored else "targeting"
        yield FlagVote(flag.name, layer, found.value, file, line, found.variant, rule, "TARGETING_MATCH")
