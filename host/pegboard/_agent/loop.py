"""The turn loop: ask the model, run what it wants, until somebody says that it is enough.

A function of callables: it knows no journal, no plugin and no provider.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import field
from typing import Protocol

from pegboard._dataclass import dataclass
from pegboard.decisions import StepVerb
from pegboard.errors import ContextOverflowError, ModelError, PegboardError
from pegboard.hookspecs import State
from pegboard.messages import Block, EndReason, Outcome, StopReason, TextBlock, ToolCall, ToolUseBlock, Usage, total
from pegboard.requests import (
    BlockDone,
    CompactionTrigger,
    ModelDone,
    ModelNotice,
    Request,
    StreamEvent,
    TextDelta,
    ToolUseCut,
)

CUT_ANSWERS = 3
"""How often in a row an answer that was cut at max_tokens is asked to go on."""
WINDOW = 20
"""Over how many calls repetition is looked for."""


@dataclass(frozen=True)
class Limits:
    """Hard ceilings of a turn; None or 0 for no limit. Hooks can lower them, never raise them."""

    max_steps: int = 200
    max_time: float | None = None
    max_cost: float | None = None
    max_continuations: int = 8
    no_progress_warn: int = 3
    no_progress_stop: int = 6


NO_USAGE = Usage()


@dataclass(slots=True)
class Answer:
    """What came of one request: its blocks, those of them that call tools, and all its text.

    `cut` names a tool call that was cut off, `status` is the HTTP status of an error.
    """

    blocks: list[Block] = field(default_factory=list)
    calls: list[ToolUseBlock] = field(default_factory=list)
    text: str = ""
    stop_reason: str = StopReason.ERROR
    usage: Usage = NO_USAGE
    cut: str = ""
    error: str = ""
    status: int = 0
    out_of_time: bool = False
    first_ms: float | None = None
    duration_ms: float = 0.0

    @classmethod
    def of(cls, blocks: Iterable[Block], stop_reason: str, *, cut: str = "") -> Answer:
        """Return an answer that is there already."""
        answer = cls(stop_reason=stop_reason, cut=cut)
        for block in blocks:
            answer.add(block)
        return answer

    def add(self, block: Block) -> None:
        """Add a block."""
        self.blocks.append(block)
        kind = type(block)
        if kind is ToolUseBlock:
            self.calls.append(block)  # type: ignore[arg-type]
        elif kind is TextBlock:
            self.text += block.text  # type: ignore[union-attr]


class Finished(Protocol):
    """One call of a batch, when it is over. `outcome` is None for a deferred call."""

    call: ToolCall
    outcome: Outcome | None
    stop: str | None


@dataclass(frozen=True)
class TurnEnd:
    """Why and how a turn ended. `text` is the model's last word; `status` is the HTTP status of what failed."""

    reason: EndReason
    detail: str = ""
    text: str = ""
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    status: int = 0


class Step(Protocol):
    """What `next_step` came to."""

    @property
    def verb(self) -> StepVerb | None: ...
    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def injects(self) -> list[tuple[str, str]]: ...


@dataclass(frozen=True)
class Port:
    """All that the loop needs from outside.

    request: build and journal the next request (takes the step).
    stream: send it. keep: journal a block of the answer. end: journal that the request is over.
    discard: say that what was kept of a request is void. show: show a stream event to a person.
    run: run calls, giving exactly one result each. say: add words for the model (text, kind, source).
    decider: what asks the `next_step` hooks, as they are now (None: none has a word on this step). display: show a
    whole message's text and return what was shown (None: text is shown as it comes).
    compact: make the conversation shorter; False if that was not possible.
    fill: (tokens, window) of the conversation. spent: US dollars of the session. steered: words that arrived
    during the turn; those are added for the model.
    """

    request: Callable[[int], Awaitable[Request]]
    stream: Callable[[Request], AsyncIterator[StreamEvent]]
    keep: Callable[[Request, Block], None]
    end: Callable[[Request, Answer], None]
    discard: Callable[[Request, str], None]
    show: Callable[[StreamEvent], None]
    run: Callable[[Sequence[ToolUseBlock]], Awaitable[Sequence[Finished]]]
    say: Callable[[str, str, str], None]
    decider: Callable[[], Callable[[State], Awaitable[Step]] | None]
    compact: Callable[[CompactionTrigger], Awaitable[bool]]
    fill: Callable[[], tuple[int, int]]
    spent: Callable[[], float]
    steered: Callable[[], bool]
    notice: Callable[[str, str], None]
    compact_at: float = 0.8
    display: Callable[[Request, str], Awaitable[str]] | None = None
    watched: bool = True
    """Whether a person looks on; else only notices are shown."""


async def run_turn(
    port: Port, limits: Limits, *, turn: int = 1, steps_before: int = 0, answer: Answer | None = None
) -> TurnEnd:
    """Run one turn. Never raises for what a model, tool or hook does; CancelledError passes through.

    *answer* is one that is kept already, after which the process ended: what follows from it comes first.
    """
    turn_state = _Turn(port, limits, turn, steps_before)
    try:
        if answer is not None:
            turn_state.text = answer.text
            end = await turn_state.after(answer)
            if end is not None:
                return end
        while True:
            end = await turn_state.step()
            if end is not None:
                return end
    except PegboardError as error:
        return turn_state.end(EndReason.ERROR, str(error))


class _Turn:
    """What one turn remembers from step to step."""

    def __init__(self, port: Port, limits: Limits, turn: int, steps_before: int) -> None:
        self.port = port
        self.limits = limits
        self.turn = turn
        self.steps = steps_before
        self.usages: list[Usage] = []
        self.text = ""
        self.unfinished = False
        self.continuations = 0
        self.kept_going = False
        self.cuts = 0
        self.overflows = 0
        self.started = time.monotonic()
        self.repeats: deque[int] = deque(maxlen=WINDOW)
        self.counts: dict[int, int] = {}
        self.warned = False

    def end(self, reason: EndReason, detail: str = "", *, status: int = 0) -> TurnEnd:
        return TurnEnd(reason, detail, self.text, self.steps, total(self.usages), status)

    def over_a_limit(self) -> TurnEnd | None:
        limits = self.limits
        if self.steps >= limits.max_steps:
            return self.end(EndReason.STEP_LIMIT, f"{limits.max_steps} steps")
        if limits.max_time is not None and time.monotonic() - self.started >= limits.max_time:
            return self.end(EndReason.WALL_TIME, f"{limits.max_time:g} s")
        if limits.max_cost is not None and self.port.spent() >= limits.max_cost:
            return self.end(EndReason.COST, f"{limits.max_cost:g} US dollars")
        return None

    async def step(self) -> TurnEnd | None:
        """One request and what follows from it."""
        end = self.over_a_limit()
        if end is not None:
            return end
        tokens, window = self.port.fill()
        if window and tokens >= window * self.port.compact_at:
            await self.port.compact(CompactionTrigger.AUTO)
        request = await self.port.request(self.steps + 1)
        self.steps += 1
        answer = await read_answer(self.port, request)
        self.usages.append(answer.usage)
        text = answer.text
        if text:
            shown = text if self.port.display is None else await self.port.display(request, text)
            self.text = self.text + shown if self.unfinished else shown
        self.unfinished = False
        return await self.after(answer)

    async def after(self, answer: Answer) -> TurnEnd | None:
        """Go on as the stop reason says."""
        reason = answer.stop_reason
        if reason == StopReason.CONTEXT_OVERFLOW:
            return await self.overflow(answer)
        self.overflows = 0
        if reason == StopReason.ERROR:
            end = EndReason.WALL_TIME if answer.out_of_time else EndReason.ERROR
            return self.end(end, answer.error, status=answer.status)
        if answer.calls:
            return await self.calls(answer)
        if reason == StopReason.REFUSAL:
            return self.end(EndReason.ERROR, "the model refused to answer")
        if reason == StopReason.PAUSE_TURN:
            self.unfinished = True
            return None  # the same conversation goes back, and the model goes on
        if reason == StopReason.MAX_TOKENS:
            if self.cuts == CUT_ANSWERS:
                return self.end(EndReason.ERROR, f"the answer reached its token limit {self.cuts + 1} times in a row")
            self.go_on_after_cut(answer)
            return None
        ask = self.port.decider()
        if ask is None:
            return None if self.look_for_words() else self.end_of_answer(answer)
        return await self.decide(ask, answer, (), ending=True)

    async def overflow(self, answer: Answer) -> TurnEnd | None:
        self.overflows += 1
        said = answer.error or "the conversation does not fit the model's window"
        if self.overflows > 2:
            return self.end(EndReason.ERROR, f"{said} - still, after it was made shorter twice")
        if not await self.port.compact(CompactionTrigger.OVERFLOW):
            mend = "ask for less at once, or take a model with a larger window"
            return self.end(EndReason.ERROR, f"{said} - and it cannot be made shorter: {mend}")
        return None

    def go_on_after_cut(self, answer: Answer) -> None:
        self.cuts += 1
        if answer.cut:
            text = (
                f"Your answer reached its token limit inside the call of {answer.cut}; that call did not run. "
                f"Do the same in smaller pieces."
            )
        else:
            self.unfinished = True
            text = "Your answer reached its token limit. Go on exactly where it stopped."
        self.port.say(text, "continue", "host")

    async def calls(self, answer: Answer) -> TurnEnd | None:
        self.cuts = 0
        finished = await self.port.run(answer.calls)
        if answer.cut:
            self.go_on_after_cut(answer)
        deferred = []
        for one in finished:
            if one.stop is not None:
                return self.end(EndReason.STOPPED, one.stop)
            if one.outcome is None:
                deferred.append(one.call.id)
        if deferred:
            return self.end(EndReason.DEFERRED, ", ".join(deferred))
        end = self.look_for_progress(finished)
        if end is not None:
            return end
        self.look_for_words()
        ask = self.port.decider()
        if ask is None:
            self.continuations = 0
            return None
        return await self.decide(ask, answer, finished, ending=False)

    def look_for_progress(self, finished: Sequence[Finished]) -> TurnEnd | None:
        limits = self.limits
        count = 0
        for one in finished:
            count = max(count, self.count_repeat(one))
        if count < limits.no_progress_warn:
            self.warned = False
        elif count >= limits.no_progress_stop:
            return self.end(EndReason.NO_PROGRESS, f"the same call with the same result {count} times")
        elif not self.warned:
            self.warned = True
            self.port.say(
                "You have made the same call with the same result several times. "
                "Try another way, or say what stops you.",
                "continue",
                "host",
            )
            self.port.notice(f"the same call with the same result {count} times", "warning")
        return None

    def count_repeat(self, one: Finished) -> int:
        """Return how often this call gave this result among the last ones."""
        repeats, counts = self.repeats, self.counts
        if len(repeats) == WINDOW:
            oldest = repeats[0]
            if counts[oldest] == 1:
                del counts[oldest]
            else:
                counts[oldest] -= 1
        signature = _signature(one)
        repeats.append(signature)
        count = counts[signature] = counts.get(signature, 0) + 1
        return count

    async def decide(
        self, ask: Callable[[State], Awaitable[Step]], answer: Answer, finished: Sequence[Finished], *, ending: bool
    ) -> TurnEnd | None:
        """Ask the hooks what comes next; without their word a turn ends when the model ends."""
        step = await ask(self.state(answer, finished, ending=ending))
        goes_on = ending and step.verb is not StepVerb.STOP
        for source, text in step.injects:
            self.port.say(text, "continue" if goes_on else "context", source)
        if step.verb is StepVerb.STOP:
            return self.end(EndReason.STOPPED, f"{step.by}: {step.reason}")
        if step.verb is StepVerb.COMPACT:
            await self.port.compact(CompactionTrigger.AUTO)
        if not ending:
            self.continuations = 0
            return None
        if self.look_for_words():
            return None
        if step.verb is StepVerb.KEEP_GOING and step.injects:
            self.kept_going = True
            self.continuations += 1
            most = self.limits.max_continuations
            if not most or self.continuations <= most:
                return None
            self.port.notice(f"hooks kept the turn going {most} times in a row; it ends now", "warning")
        return self.end_of_answer(answer)

    def look_for_words(self) -> bool:
        """Take what the user has said meanwhile; what hooks wanted counts from there anew."""
        if not self.port.steered():
            return False
        self.continuations, self.kept_going = 0, False
        return True

    def end_of_answer(self, answer: Answer) -> TurnEnd:
        return self.end(EndReason.COMPLETED, "" if answer.stop_reason == StopReason.END_TURN else answer.stop_reason)

    def state(self, answer: Answer, finished: Sequence[Finished], *, ending: bool) -> State:
        tokens, window = self.port.fill()
        return State(
            step=self.steps,
            ending=ending,
            stop_reason=answer.stop_reason,
            text=answer.text,
            continuations=self.continuations,
            kept_going=self.kept_going,
            context_tokens=tokens,
            window=window,
            calls=tuple(one.call for one in finished),
            outcomes=tuple(one.outcome for one in finished if one.outcome is not None),
            turn=self.turn,
        )


def _signature(one: Finished) -> int:
    content = one.outcome.result.content if one.outcome is not None else ""
    if type(content) is not str:
        content = repr(content)  # a picture has no hash
    return hash((one.call.name, one.call.input_hash, content))


async def read_answer(port: Port, request: Request) -> Answer:
    """Consume a stream; keep each block as it is complete, and what there is of one when it breaks off.

    On every way out the request is ended: with the model's stop reason, as an error, or as interrupted.
    """
    answer = Answer()
    started = time.perf_counter()
    partial: list[str] = []
    watched, ended, done = port.watched, False, False
    stream = port.stream(request)
    try:
        async for event in stream:
            kind = type(event)
            if answer.first_ms is None and kind is not ModelNotice:
                answer.first_ms = (time.perf_counter() - started) * 1e3
            if kind is BlockDone:
                partial.clear()
                block = event.block  # type: ignore[union-attr]
                answer.add(block)
                port.keep(request, block)
            elif kind is TextDelta:
                partial.append(event.text)  # type: ignore[union-attr]
            elif kind is ModelDone:
                done = True
                answer.stop_reason, answer.usage = event.stop_reason, event.usage  # type: ignore[union-attr]
            elif kind is ToolUseCut:
                answer.cut = event.name  # type: ignore[union-attr]
            elif kind is ModelNotice and event.restart:  # type: ignore[union-attr]
                partial.clear()
                if answer.blocks:
                    port.discard(request, event.text)  # type: ignore[union-attr]
                answer = Answer(first_ms=answer.first_ms)
            if watched or kind is ModelNotice:
                port.show(event)
        ended = True
        if not done:
            raise ModelError("the answer broke off: its stream ended without a stop reason")
    except ContextOverflowError as error:
        answer.stop_reason, answer.error = StopReason.CONTEXT_OVERFLOW, str(error)
    except PegboardError as error:
        answer.stop_reason, answer.error = StopReason.ERROR, str(error)
        answer.status, answer.out_of_time = getattr(error, "status", 0), getattr(error, "out_of_time", False)
        _keep_partial(port, request, answer, partial)
    except BaseException:
        answer.stop_reason = StopReason.INTERRUPTED
        _keep_partial(port, request, answer, partial)
        answer.duration_ms = (time.perf_counter() - started) * 1e3
        port.end(request, answer)
        raise
    finally:
        close = None if ended else getattr(stream, "aclose", None)
        if close is not None:
            await close()
    if answer.stop_reason == StopReason.CONTEXT_OVERFLOW and answer.blocks:
        port.discard(request, "the window was full before the answer ended")
        answer.blocks, answer.calls, answer.text = [], [], ""
    answer.duration_ms = (time.perf_counter() - started) * 1e3
    port.end(request, answer)
    return answer


def _keep_partial(port: Port, request: Request, answer: Answer, partial: list[str]) -> None:
    """Keep text that a person has already seen; a call that was never run must not be left without a result."""
    if answer.calls:
        port.discard(request, "broke off before its calls ran")
        kept = [block for block in answer.blocks if isinstance(block, TextBlock)]
        answer.blocks, answer.calls, answer.text = [], [], ""
        for block in kept:
            answer.add(block)
            port.keep(request, block)
    text = "".join(partial)
    if text.strip():
        block = TextBlock(text=text)
        answer.add(block)
        port.keep(request, block)
