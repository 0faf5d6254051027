"""Which declared hooks stood behind a plugin's answer: their records come before that of the hook they hang from."""

from __future__ import annotations

from collections.abc import Iterator

from pegboard._dataclass import dataclass
from pegboard.records import DeclaredHooks, HookRecord

POINT_OF = {
    "UserPromptSubmit": "prompt_submit",
    "PreToolUse": "pre_tool",
    "PermissionRequest": "resolve_ask",
    "PostToolUse": "post_tool",
    "PostToolUseFailure": "post_tool",
    "PostToolBatch": "next_step",
    "Stop": "next_step",
    "PreCompact": "compact",
}
"""The hook that an event of the contract hangs from; all others hang from `lifecycle`."""
OF_CALLS = ("pre_tool", "resolve_ask", "post_tool")


def point_of(record: DeclaredHooks) -> str:
    """Return the hook that an event hangs from."""
    return POINT_OF.get(record.event, "lifecycle")


@dataclass(frozen=True, slots=True)
class DeclaredStep:
    """What became of one declared hook. `won` says that the answer of its plugin was this hook's."""

    event: str
    id: str
    kind: str
    where: str
    status: str
    verdict: str = ""
    reason: str = ""
    effect: str = ""
    problem: str = ""
    exit: int | None = None
    ms: float = 0.0
    won: bool = False


def steps_of(record: DeclaredHooks) -> tuple[DeclaredStep, ...]:
    """Return a record's hooks in configuration order."""
    return tuple(
        DeclaredStep(
            event=record.event,
            id=row.id,
            kind=row.kind,
            where=row.where,
            status=row.status,
            verdict=row.verdict,
            reason=row.reason,
            effect=row.effect,
            problem=row.problem,
            exit=row.exit,
            ms=row.ms,
            won=bool(record.winner) and row.id == record.winner,
        )
        for row in record.rows
    )


class Waiting:
    """Declared hooks whose dispatch is not yet told: it ends, and is written, after they have answered."""

    def __init__(self) -> None:
        self._records: list[DeclaredHooks] = []

    def take(self, record: DeclaredHooks) -> None:
        """Take note of a record."""
        self._records.append(record)

    def of(self, record: HookRecord) -> tuple[DeclaredHooks, ...]:
        """Return, and forget, what belongs to a dispatch; calls that run side by side are told apart by their ids."""
        found = [one for one in self._records if _belongs(one, record)]
        if found:
            self._records = [one for one in self._records if one not in found]
        return tuple(found)

    def rest(self) -> Iterator[DeclaredHooks]:
        """Go through those whose dispatch never came to its end."""
        records, self._records = self._records, []
        yield from records


def _belongs(one: DeclaredHooks, record: HookRecord) -> bool:
    if point_of(one) != record.point:
        return False
    return record.point not in OF_CALLS or one.subject == record.subject
