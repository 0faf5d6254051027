"""How often what is in shadow would have changed what happened."""

from __future__ import annotations

from typing import Any

from pegboard.context import HostView
from pegboard.decisions import STRICTNESS, Verdict
from pegboard.records import HookRecord, PlanRecord, PromptRefused, Record, ShadowRecord
from pegboard.typed import dataclass
from pegboard_builtins.flags.recorded import sessions


@dataclass(slots=True)
class Tally:
    """One ramp and one of those that it holds back."""

    flag: str
    by: str
    point: str
    mode: str = ""
    asked: int = 0
    said: int = 0
    disagreed: int = 0
    example: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for a table or JSON; `share` is of all that it was asked, or said where that is not known."""
        whole = self.asked or self.said
        share = f"{100 * self.disagreed / whole:.1f} %" if whole else ""
        return {
            "flag": self.flag,
            "by": self.by,
            "point": self.point,
            "mode": self.mode,
            "asked": self.asked,
            "said": self.said,
            "disagreed": self.disagreed,
            "share": share,
            "example": self.example,
        }


def reported(host: HostView, name: str, session: str, *, everywhere: bool) -> list[dict[str, Any]]:
    """Return a row for each ramp and each of those that it held back."""
    tallies: dict[tuple[str, str, str], Tally] = {}
    for path in sessions(host, session, everywhere=everywhere):
        _count(list(host.records(path)), path.stem, tallies)
    rows = [tally.as_dict() for _, tally in sorted(tallies.items()) if not name or tally.flag == name]
    return sorted(rows, key=lambda row: (row["flag"], -row["disagreed"], row["by"]))


def _count(records: list[Record], session: str, tallies: dict[tuple[str, str, str], Tally]) -> None:
    happened: dict[tuple[str, str], str] = {}
    plans: dict[str, PlanRecord] = {}
    asked: dict[tuple[str, str], int] = {}
    for record in records:
        if isinstance(record, PlanRecord):
            plans[record.plan] = record
        elif isinstance(record, HookRecord):
            happened[record.point, record.subject] = record.outcome
            names = plans[record.plan].hooks.get(record.point, ()) if record.plan in plans else ()
            for place, plugin in enumerate(names):
                if place not in record.skipped:
                    asked[record.point, plugin] = asked.get((record.point, plugin), 0) + 1
        elif isinstance(record, PromptRefused):
            happened["prompt_submit", ""] = "block"
    here: set[tuple[str, str, str]] = set()
    for record in records:
        if isinstance(record, ShadowRecord):
            key = (record.flag, record.by, record.point)
            tally = tallies.setdefault(key, Tally(*key))
            tally.mode = record.mode
            tally.said += 1
            here.add(key)
            actual = happened.get((record.point, record.subject), "none")
            if would_change(record.point, actual, record.verdict):
                tally.disagreed += 1
                tally.example = f"{record.subject} in {session[:8]}: {actual}, not {record.verdict}"
    for flag, by, point in here:
        tallies[flag, by, point].asked += asked.get((point, by), 0)


def would_change(point: str, actual: str, verdict: str) -> bool:
    """Whether an answer would have changed what came of a dispatch, had it counted."""
    if point in ("pre_tool", "resolve_ask"):
        try:
            said = STRICTNESS[Verdict(verdict)]
        except ValueError:
            return verdict in ("rewrite", "context")
        try:
            return said > STRICTNESS[Verdict(actual)]
        except ValueError:  # nobody else had an opinion
            return True
    return verdict != actual
