"""The record of one dispatch while it is made: durations, rows, outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pegboard._board.outcomes import Failure, in_words
from pegboard._board.plan import Impl, Plan
from pegboard.records import HookRecord, Record, ShadowRecord


class Owner(Protocol):
    """The dispatcher, as far as its sheets need it."""

    plan: Plan

    def put(self, kind: type[Record], facts: dict[str, Any]) -> None: ...
    def failed(self, impl: Impl, error: str) -> None: ...
    @property
    def notice(self) -> Callable[[str, str, str], None]: ...


class Sheet:
    """The record of one dispatch while it is made."""

    __slots__ = ("_dispatcher", "_dropped", "hook", "ns", "rows", "skipped", "subject")

    def __init__(self, dispatcher: Owner, hook: str, subject: str) -> None:
        self._dispatcher = dispatcher
        self.hook = hook
        self.subject = subject
        self.ns: list[int] = []
        self.rows: dict[int, dict[str, Any]] = {}
        self.skipped: list[int] = []
        self._dropped: dict[int, str] = {}

    def row(self, impl: Impl, **facts: str) -> None:
        """Say something of an implementation (fields of records.HookRow); what is said again replaces what was."""
        row = self.rows.setdefault(impl.index, {"i": impl.index, "plugin": impl.plugin})
        row.update({name: value for name, value in facts.items() if value})

    def effect(self, plugin: str, effect: str) -> None:
        """Say what became of a plugin's answer."""
        for row in self.rows.values():
            if row["plugin"] == plugin:
                row["effect"] = "won, rewrote" if row.get("effect") == "rewrote" and effect == "won" else effect

    def hashes(self, impl: Impl, before: str, after: str) -> None:
        """Say which input a rewriter saw and which it left."""
        if impl.index in self.rows:
            self.rows[impl.index].update(before=before, after=after)

    def skip(self, impl: Impl) -> None:
        """Say that a matcher left an implementation out."""
        self.skipped.append(impl.index)

    def forget(self, bound: Sequence[tuple[Impl, Any]]) -> None:
        """Take back what was said of these, the last that were called."""
        del self.ns[len(self.ns) - len(bound) :]
        for impl, _ in bound:
            self.rows.pop(impl.index, None)
            self._dropped.pop(impl.index, None)

    def failed(self, impl: Impl, failure: Failure) -> None:
        """Say that an implementation failed."""
        effect = "refused in its name" if impl.options.guard else "left out"
        self.row(impl, error=failure.error, effect=effect)
        self._dispatcher.failed(impl, failure.error)

    def bound(self, impl: Impl, kept: Any, dropped: Sequence[str], mend: str = "") -> Any:
        """Write down and tell what was taken out of an answer, by default for want of a permission; return the rest."""
        if dropped:
            said = f"dropped: {'; '.join(dropped)}"
            self.row(impl)
            self._dropped[impl.index] = f"{self._dropped[impl.index]}; {said}" if impl.index in self._dropped else said
            mend = mend or "Its author writes Declares(permissions=[...])"
            text = f"{impl.hook} answered more than it may: {said}. {mend}"
            self._dispatcher.notice(impl.plugin, text, "warning")
        return kept

    def hold(self, impl: Impl, answer: Any) -> None:
        """Write down what one in shadow would have done; tell the person where it is to warn. Nothing comes of it."""
        verdict, reason = in_words(answer, guard=impl.options.guard)
        if not verdict:
            return
        facts = {"point": self.hook, "subject": self.subject, "by": impl.plugin, "flag": impl.ramp}
        self._dispatcher.put(ShadowRecord, {**facts, "mode": impl.held, "verdict": verdict, "reason": reason})
        if impl.held == "warn":
            said = f": {reason}" if reason else ""
            text = f"{self.hook} would have said {verdict} to {self.subject or 'this'}{said} ({impl.ramp} is warn)"
            self._dispatcher.notice(impl.plugin, text, "warning")

    def close(self, outcome: str, winner: str, before: str = "", after: str = "") -> None:
        """Write the record."""
        if self._dropped:
            for index, said in self._dropped.items():
                effect = self.rows[index].get("effect")
                self.rows[index]["effect"] = f"{effect}; {said}" if effect else said
        facts: dict[str, Any] = {
            "point": self.hook,
            "plan": self._dispatcher.plan.id,
            "subject": self.subject,
            "ns": self.ns,
            "outcome": outcome,
        }
        if self.rows:
            facts["rows"] = [self.rows[index] for index in sorted(self.rows)]
        if winner:
            facts["winner"] = winner
        if before:
            facts["before"], facts["after"] = before, after
        if self.skipped:
            facts["skipped"] = self.skipped
        self._dispatcher.put(HookRecord, facts)
