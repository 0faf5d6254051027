"""Who decided about one tool call, and which hooks could have been left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pegboard._agent.declared import DeclaredStep, Waiting, point_of, steps_of
from pegboard._agent.rewriting import rewritten
from pegboard._agent.steps import Plans, Step
from pegboard._agent.views import brief, content_line, tool_uses
from pegboard._board.outcomes import Vote, reduce_votes
from pegboard._dataclass import dataclass
from pegboard.decisions import Decision, Verdict
from pegboard.errors import PegboardError, UnknownCallError
from pegboard.messages import OutcomeKind
from pegboard.records import (
    AgentEnded,
    AgentStarted,
    AskRecord,
    AssistantLine,
    DeclaredHooks,
    HookRecord,
    HookRow,
    Record,
    ToolAttempt,
    ToolStarted,
    UserLine,
)

LAST = "last"
POINTS = ("pre_tool", "resolve_ask", "post_tool")
VERDICTS = {str(verdict): verdict for verdict in Verdict}
CHANGED_AFTER = "dropped: the input was changed"
UNFINISHED = "unfinished"
CANNOT_DEFER = "dropped: this session cannot defer"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One hook, asked once about the call; `before` and `after` are the hashes of the call's input."""

    point: str
    seq: int
    timestamp: str
    plan: str
    outcome: str
    winner: str
    before: str
    after: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """How it ended that somebody had to be asked."""

    reason: str
    allowed: bool
    by: str
    answer: str
    remember: str
    input_hash: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A sub-agent that the call started; `outcome` is empty while it has not ended."""

    kind: str
    session: str
    journal: str
    outcome: str = ""
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is known of one call.

    `verdict`, `winner` and `reason` are what `pre_tool` came to the last time it was asked; "none" means that no hook
    had an opinion, "" that none was asked. `declared` is the hook of a settings file that stood behind the winner.
    `outcome` is empty while there is no result. `ms` is None where it did not run. `removable` has the plugins without
    any of which, one at a time, the verdict would have been the same.
    """

    call: str
    tool: str
    origin: str
    input: Any
    ran_with: str
    dispatches: tuple[Dispatch, ...]
    verdict: str
    winner: str
    declared: DeclaredStep | None
    reason: str
    question: Question | None
    outcome: str
    output: str
    attempts: int
    ms: float | None
    removable: tuple[str, ...]
    agents: tuple[Agent, ...] = ()


def explain(records: Iterable[Record], call_id: str) -> Explanation:
    """Explain a call by its id, a unique beginning of it, or "last".

    Where an id occurs more than once (a script may use it again), the last of them is meant. Raises UnknownCallError,
    and PegboardError for a beginning that several ids have.
    """
    calls = _Calls()
    for record in records:
        calls.take(record)
    return calls.find(call_id).explanation()


class _Case:
    """What the journal says of one call."""

    def __init__(self, call: str) -> None:
        self.call = call
        self.tool = ""
        self.origin = "model"
        self.input: Any = None
        self.ran_with = ""
        self.hooks: list[tuple[HookRecord, tuple[Step, ...]]] = []
        self.ask: AskRecord | None = None
        self.outcome = ""
        self.output = ""
        self.attempts = 0
        self.ms: float | None = None
        self.agents: dict[str, Agent] = {}

    def unfinished(self, declared: DeclaredHooks) -> None:
        """Take declared hooks whose dispatch was never written: the session ended in it."""
        step = Step(plugin=declared.plugin, declared=steps_of(declared))
        record = HookRecord(point=point_of(declared), plan="", subject=self.call, outcome=UNFINISHED)
        self.hooks.append((record, (step,)))

    def explanation(self) -> Explanation:
        substituted = self.outcome == OutcomeKind.SUBSTITUTED
        dispatches = tuple(
            _dispatch(record, _with_fields(record, steps, self.input), substituted=substituted)
            for record, steps in self.hooks
        )
        decided = [one for one in dispatches if one.point == "pre_tool" and one.outcome != UNFINISHED]
        last = decided[-1] if decided else None
        won = [s for s in last.steps if s.plugin == last.winner] if last and last.winner else []
        behind = [one for step in won for one in step.declared if one.won]
        ask = self.ask
        return Explanation(
            call=self.call,
            tool=self.tool,
            origin=self.origin,
            input=self.input,
            ran_with=self.ran_with,
            dispatches=dispatches,
            verdict=last.outcome if last else "",
            winner=last.winner if last else "",
            declared=behind[0] if behind else None,
            reason=won[0].reason if won else "",
            question=Question(ask.reason, ask.allowed, ask.by, ask.answer, ask.remember, ask.input_hash)
            if ask
            else None,
            outcome=self.outcome,
            output=self.output,
            attempts=self.attempts,
            ms=self.ms,
            removable=_removable(dispatches),
            agents=tuple(self.agents.values()),
        )


class _Calls:
    """All calls of a journal, while it is read."""

    def __init__(self) -> None:
        self._cases: dict[str, _Case] = {}
        self._plans = Plans()
        self._waiting = Waiting()
        self._agents: dict[str, _Case] = {}

    def take(self, record: Record) -> None:
        self._plans.take(record)
        match record:
            case AgentStarted() if record.call:
                case = self._agents[record.session] = self._case(record.call)
                case.agents[record.session] = Agent(record.kind, record.session, record.journal)
            case AgentEnded() if record.session in self._agents:
                agents = self._agents[record.session].agents
                ended = replace(agents[record.session], outcome=record.reason, ms=record.duration_ms)
                agents[record.session] = ended
            case DeclaredHooks():
                self._waiting.take(record)
            case AssistantLine():
                for call, tool, given in tool_uses(record):
                    self._begin(call, tool, given)
            case HookRecord() if record.point in POINTS:
                steps = self._plans.steps(record, self._waiting.of(record))
                self._case(record.subject).hooks.append((record, steps))
            case AskRecord():
                case = self._case(record.call)
                case.ask, case.tool = record, record.name
            case ToolStarted():
                case = self._case(record.call)
                case.tool, case.origin, case.ran_with = record.name, record.origin, record.input
            case ToolAttempt() if record.input:  # the end of a call that no model asked for
                case = self._case(record.call)
                case.tool, case.origin, case.ran_with = record.name, record.origin, record.input
                case.outcome, case.output = record.outcome, brief(record.output)
                case.attempts, case.ms = record.attempt, record.duration_ms or None
            case UserLine() if record.tool is not None:
                facts = record.tool
                case = self._case(facts.id)
                case.tool, case.outcome, case.attempts = facts.name, facts.outcome, facts.attempts
                case.ms, case.output = facts.duration_ms if facts.started else None, content_line(record.message)

    def _begin(self, call: str, tool: str, given: Any) -> None:
        case = self._cases[call] = _Case(call)
        case.tool, case.input = tool, given

    def _case(self, call: str) -> _Case:
        return self._cases.setdefault(call, _Case(call))

    def find(self, wanted: str) -> _Case:
        """Return the call that is meant."""
        for declared in self._waiting.rest():
            if declared.subject:
                self._case(declared.subject).unfinished(declared)
        if wanted in self._cases:
            return self._cases[wanted]
        if wanted == LAST:
            if not self._cases:
                raise PegboardError("this session has no tool call yet; `pegboard trace` shows what it has")
            return list(self._cases.values())[-1]
        close = [call for call in self._cases if wanted and call.startswith(wanted)]
        if len(close) == 1:
            return self._cases[close[0]]
        if close:
            some = ", ".join(close[:4])
            raise PegboardError(f"{wanted!r} is the beginning of {len(close)} calls: {some}. Give more of it.")
        raise UnknownCallError(wanted, self._cases)


# --- what could be left out ----------------------------------------------------------------------------


def _with_fields(record: HookRecord, steps: tuple[Step, ...], given: Any) -> tuple[Step, ...]:
    """Say of each rewriter which fields it changed, and whose change of the same it came after."""
    if record.point != "pre_tool":
        return steps
    names = {row.i: row.plugin for row in record.rows}
    fields = {names[place]: changed for place, changed in rewritten(record, given).items()}
    told, before = [], dict[str, str]()
    for step in steps:
        mine = fields.get(step.plugin, ())
        told.append(
            replace(step, rewrote=mine, over=tuple(dict.fromkeys(before[one] for one in mine if one in before)))
        )
        before |= dict.fromkeys(mine, step.plugin)
    return tuple(told)


def _dispatch(record: HookRecord, steps: tuple[Step, ...], *, substituted: bool) -> Dispatch:
    if record.point == "pre_tool":
        steps = _without_each(record, steps, substituted=substituted)
    elif record.point == "resolve_ask":
        # Without the one that answered the next would have been asked, and nobody knows what that would have said.
        steps = tuple(replace(step, removable=step.effect != "won") for step in steps)
    return Dispatch(
        point=record.point,
        seq=record.seq,
        timestamp=record.timestamp,
        plan=record.plan,
        outcome=record.outcome,
        winner=record.winner,
        before=record.before,
        after=record.after,
        steps=steps,
    )


def _without_each(record: HookRecord, steps: tuple[Step, ...], *, substituted: bool) -> tuple[Step, ...]:
    """Reduce the recorded votes once more without each implementation in turn.

    One that changed the input cannot be judged: the others would have seen another input. One whose answer stood in
    for running the tool is needed, whatever the verdict would be.
    """
    votes = [_vote(row, record.after) for row in record.rows]
    can_defer = all(row.effect != CANNOT_DEFER for row in record.rows)
    judged = []
    for step in steps:
        if step.before != step.after:
            judged.append(replace(step, removable=False))
            continue
        winner, _ = reduce_votes([v for v in votes if v.plugin != step.plugin], record.after, can_defer=can_defer)
        verdict = str(winner.decision.verdict) if winner else "none"
        stands_in = substituted and step.plugin == record.winner
        judged.append(replace(step, removable=verdict == record.outcome and not stands_in, without=verdict))
    return tuple(judged)


def _vote(row: HookRow, final: str) -> Vote:
    verdict = VERDICTS.get(row.verdict)
    # A decider's allow was dropped because it brought an input that it may not bring: it was bound to no input at all.
    seen = row.after or ("" if row.effect.startswith(CHANGED_AFTER) else final)
    return Vote(row.plugin, Decision(verdict=verdict, reason=row.reason), seen)


def _removable(dispatches: tuple[Dispatch, ...]) -> tuple[str, ...]:
    judged = [step for dispatch in dispatches for step in dispatch.steps if step.removable is not None]
    needed = {step.plugin for step in judged if not step.removable}
    return tuple(sorted({step.plugin for step in judged} - needed))
