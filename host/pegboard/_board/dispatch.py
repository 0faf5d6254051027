"""The one place that calls hooks: order, deadline, isolation, failure policy, and a record of it all."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextvars import copy_context
from dataclasses import replace
from time import perf_counter_ns
from typing import Any

from pydantic_core import from_json, to_json

from pegboard._board.onion import Below, aclose
from pegboard._board.outcomes import (
    CallOutcome,
    Failure,
    PromptOutcome,
    ResultOutcome,
    StepOutcome,
    Vote,
    patched,
    reduce_steps,
    reduce_votes,
    what_changed,
)
from pegboard._board.permitting import own_sections, within
from pegboard._board.plan import Impl, Plan, seconds_of
from pegboard._board.registry import Board, describe
from pegboard._board.sheet import Sheet
from pegboard._board.surroundings import Surroundings
from pegboard._board.turnout import Bound, Turnout
from pegboard._board.waiting import GRACE, LateError, go_on, start_task, until_each_deadline
from pegboard._board.watchdog import OverrunError, Watchdog
from pegboard.context import Ctx
from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    Skip,
    StepDecision,
    Verdict,
)
from pegboard.errors import HookTimeoutError, ModelError, PegboardError, UnknownModelError, WrongAnswerError
from pegboard.hookspecs import POLICIES, Ask, State
from pegboard.messages import Batch, Outcome, ToolCall, ToolResult, input_hash
from pegboard.records import Event, Quarantined, Record
from pegboard.requests import (
    CallNext,
    CompactionJob,
    CompactionResult,
    Request,
    RequestDraft,
    RequestPatch,
    StreamEvent,
)

FAILURES_IN_A_ROW = 3
SLOW_NS = 1_000_000
"""Only after a dispatch of a millisecond is it worth a look whether one of them alone was over its deadline."""


class Dispatcher:
    """Calls the hooks of one session, by one plan. Each method is one hookspec."""

    def __init__(self, plan: Plan, around: Surroundings, watchdog: Watchdog) -> None:
        self._around = around
        self._dog = watchdog
        self._failures: dict[Impl, int] = {}
        self.quarantined: dict[str, str] = {}
        self.muted: set[str] = set()
        self.abandoned: list[str] = []
        self.notice = around.notice
        self._turnout = Turnout(around.ctx)
        self.use(plan)

    def use(self, plan: Plan) -> None:
        """Take another plan; only between turns."""
        self._whole = plan
        self.plan = self._turnout.ask(plan)
        self._bind()

    def begin_turn(self) -> bool:
        """Ask those that say when they take part; whether the plan of this turn is another than that of the last."""
        last = self.plan
        self.plan = self._turnout.ask(self._whole)
        if self.plan is not last:
            self._bind()
        return self.plan.id != last.id

    def _bind(self) -> None:
        self._bound = self._turnout.bind(self.plan, self._is_left_out)
        self.hooked = frozenset(hook for hook, bound in self._bound.items() if bound)
        """The hooks that somebody implements."""
        self._deciders = {
            hook: tuple(b for b in bound if not b[0].options.rewrites) for hook, bound in self._bound.items()
        }
        self._rewriters = {
            hook: tuple(b for b in bound if b[0].options.rewrites) for hook, bound in self._bound.items()
        }
        self._matched = {hook: any(impl.match for impl, _ in bound) for hook, bound in self._bound.items()}
        self._onion: CallNext | None = None

    def _is_left_out(self, plugin: str, hook: str) -> bool:
        return plugin in self.quarantined or (hook == "event" and plugin in self.muted)

    def listens(self, event: str, *, by_name: bool = False) -> bool:
        """Whether anybody wants to be told of a lifecycle event; *by_name* means with a matcher that says so."""
        matchers = [impl.match for impl, _ in self._bound["lifecycle"]]
        return any(match(event) if match is not None else not by_name for match in matchers)

    def put(self, kind: type[Record], facts: dict[str, Any]) -> None:
        """Write a record of *kind* with these fields to the session's journal."""
        self._around.put(kind, facts)

    # --- prompt-submit ---------------------------------------------------------------------------------

    async def prompt_submit(self, prompt: str) -> PromptOutcome:
        """Rewrite one after another, then decide together; one refusal refuses."""
        outcome = PromptOutcome(prompt)
        if not self._bound["prompt_submit"]:
            return outcome
        sheet = Sheet(self, "prompt_submit", "")
        for impl, ctx in self._matching(sheet, self._rewriters["prompt_submit"], prompt):
            answer = await self._one(sheet, impl, ctx, (outcome.prompt,))
            self._take_prompt(sheet, impl, answer, outcome)
            if isinstance(answer, PromptDecision) and answer.updated_prompt is not None and not outcome.blocked:
                outcome.rewrite(answer)
                sheet.row(impl, effect="rewrote")
        deciders = self._matching(sheet, self._deciders["prompt_submit"], outcome.prompt)
        for (impl, _), answer in zip(deciders, await self._together(sheet, deciders, (outcome.prompt,)), strict=True):
            self._take_prompt(sheet, impl, answer, outcome)
            if isinstance(answer, PromptDecision) and answer.updated_prompt is not None:
                sheet.row(impl, effect="dropped: not marked rewrites=True")
        if sheet.ns:
            sheet.close("block" if outcome.blocked else "pass", outcome.by)
        return outcome

    def _take_prompt(self, sheet: Sheet, impl: Impl, answer: Any, outcome: PromptOutcome) -> None:
        if isinstance(answer, Failure) and impl.options.guard:
            answer = PromptDecision.refuse(f"{impl.plugin} (a guard) failed: {answer.error}")
        if not isinstance(answer, PromptDecision):
            return
        if answer.context:
            outcome.contexts.append((impl.plugin, answer.context))
        if answer.title:
            outcome.title = answer.title
        if answer.stop and not outcome.stop:
            outcome.stop, outcome.stop_by, outcome.stop_reason = True, impl.plugin, answer.reason
            sheet.row(impl, verdict="stop", reason=answer.reason, effect="kept")
        if answer.block:
            sheet.row(impl, verdict="block", reason=answer.reason, effect="kept" if outcome.blocked else "won")
            if not outcome.blocked:
                outcome.blocked, outcome.by, outcome.reason = True, impl.plugin, answer.reason
                outcome.hide_prompt = answer.hide_prompt
        elif answer.context:
            sheet.row(impl, effect="context")

    # --- request ---------------------------------------------------------------------------------------

    async def prepare_request(self, draft: RequestDraft) -> RequestDraft:
        """Apply each patch in order; a patch that makes no valid draft is left out."""
        bound = self._bound["prepare_request"]
        if not bound:
            return draft
        sheet = Sheet(self, "prepare_request", draft.purpose)
        for impl, ctx in bound:
            answer = await self._one(sheet, impl, ctx, (draft,))
            if isinstance(answer, RequestPatch):
                if "rewrite" in impl.lacks:
                    answer = sheet.bound(impl, *own_sections(answer, draft, impl.plugin))
                draft = patched(draft, answer, impl.plugin)
                sheet.row(impl, effect="applied", reason=what_changed(answer))
        if sheet.rows:  # asked before every request: only an answer is worth a line
            sheet.close("", "")
        return draft

    # --- model -----------------------------------------------------------------------------------------

    def model_call(self, request: Request) -> AsyncIterator[StreamEvent]:
        """Send a request through the onion. Raises ModelError while it is iterated."""
        if self.plan.asleep:
            self._wake(self._bound["model_call"])
        if self._onion is None:
            onion: CallNext = self._nobody
            for impl, ctx in reversed(self._bound["model_call"]):
                onion = self._frame(impl, ctx, onion)
            self._onion = onion
        return self._onion(request)

    async def _nobody(self, request: Request) -> AsyncIterator[StreamEvent]:
        raise UnknownModelError(request.model, self._around.known_models())
        yield  # pragma: no cover  (makes this an async generator)

    def _frame(self, impl: Impl, ctx: Ctx, inner: CallNext) -> CallNext:
        def frame(request: Request) -> AsyncIterator[StreamEvent]:
            below = Below(inner)
            try:
                stream = impl.call(request, below, ctx)
            except (Exception, SystemExit) as error:
                return self._broken_frame(impl, request, inner, error)
            if stream is None:
                return inner(request)
            if stream is below.passed:
                return below.raw  # type: ignore[return-value]  # passed on as it is: no layer in between
            if not hasattr(stream, "__aiter__"):
                if inspect.iscoroutine(stream):
                    stream.close()
                wrong = WrongAnswerError(impl.plugin, impl.hook, type(stream).__name__, "an async iterator")
                return self._broken_frame(impl, request, inner, wrong)
            return self._watched(impl, request, inner, below, stream)

        return frame

    async def _watched(
        self, impl: Impl, request: Request, inner: CallNext, below: Below, stream: AsyncIterator[StreamEvent]
    ) -> AsyncIterator[StreamEvent]:
        yielded = False
        try:
            async for event in stream:
                yielded = True
                yield event
        except (PegboardError, asyncio.CancelledError, GeneratorExit):
            raise
        except (Exception, SystemExit) as error:
            if error is below.error:
                raise
            if yielded and not impl.options.guard:
                self.failed(impl, describe(error))
                raise ModelError(f"{impl.plugin!r} broke while the model answered: {describe(error)}") from error
            async for event in self._broken_frame(impl, request, inner, error):
                yield event
        finally:
            await aclose(stream)
            if below.passed is not None:
                await aclose(below.passed)  # `async for` in a frame leaves what it read from open

    async def _broken_frame(
        self, impl: Impl, request: Request, inner: CallNext, error: BaseException
    ) -> AsyncIterator[StreamEvent]:
        sheet = Sheet(self, "model_call", request.request_id)
        sheet.failed(impl, Failure(describe(error)))
        if impl.options.guard:
            sheet.close("refused", impl.plugin)
            raise ModelError(f"{impl.plugin} (a guard) failed, so the request is refused: {describe(error)}") from error
        sheet.close("skipped", "")
        try:
            async for event in inner(request):
                yield event
        except UnknownModelError:
            # It was this one's model: that nobody else has it is not what went wrong.
            raise ModelError(f"{impl.plugin!r} broke before it answered: {describe(error)}") from error

    # --- pre-tool --------------------------------------------------------------------------------------

    async def pre_tool(self, call: ToolCall, batch: Batch, *, can_defer: bool) -> CallOutcome:
        """Rewrite one after another, freeze and hash, decide together on the final bytes."""
        if not self._bound["pre_tool"]:
            return CallOutcome(call)
        sheet = Sheet(self, "pre_tool", call.id)
        before = call.input_hash
        votes: list[Vote] = []
        outcome = CallOutcome(call)
        frozen = to_json(call.input)  # a hook that changes it in place is found out by comparing with this
        for impl, ctx in self._rewriters["pre_tool"]:
            if impl.match is not None and not impl.match(call.name):
                sheet.skip(impl)
                continue
            given = outcome.call
            answer = await self._one(sheet, impl, ctx, (given, batch))
            if answer is not None:
                self._rewrite(sheet, impl, answer, outcome, votes)
            if outcome.call is not given:
                frozen = to_json(outcome.call.input)
            elif to_json(given.input) != frozen:
                self._restore(outcome, frozen, impl.plugin)
            sheet.hashes(impl, given.input_hash, outcome.call.input_hash)
        deciders = self._matching(sheet, self._deciders["pre_tool"], call.name)
        answers = await self._together(sheet, deciders, (outcome.call, batch)) if deciders else []
        if deciders and to_json(outcome.call.input) != frozen:
            # Others may have decided on what one of them left: all are asked again, each with a copy of its own.
            sheet.forget(deciders)
            answers = []
            for impl, ctx in deciders:
                self._restore(outcome, frozen, "" if answers else ", ".join(impl.plugin for impl, _ in deciders))
                answers.append(await self._one(sheet, impl, ctx, (outcome.call, batch)))
            self._restore(outcome, frozen, "")
        final = outcome.call.input_hash
        for (impl, _), answer in zip(deciders, answers, strict=True):
            if answer is not None:
                self._vote(sheet, impl, answer, final, outcome, votes)
        winner, dropped = reduce_votes(votes, final, can_defer=can_defer)
        for place, why in dropped.items():
            sheet.effect(votes[place].plugin, why)
            self._around.notice(votes[place].plugin, why, "warning")
        if winner is not None:
            decision = winner.decision
            outcome.verdict, outcome.by, outcome.reason = decision.verdict, winner.plugin, decision.reason
            outcome.rule, outcome.result = decision.rule, decision.result
            sheet.effect(winner.plugin, "won")
        sheet.close(str(outcome.verdict or "none"), outcome.by, before, final)
        return outcome

    def _restore(self, outcome: CallOutcome, frozen: bytes, suspects: str) -> None:
        """Give the call a fresh copy of its input; *suspects* are named as who may have changed the last one."""
        if suspects:
            text = f"a hook changed the input of {outcome.call.name} in place, which does not count ({suspects})"
            self._around.notice("", text, "warning")
        outcome.call = outcome.call.model_copy(update={"input": from_json(frozen)})

    def _rewrite(self, sheet: Sheet, impl: Impl, answer: Any, outcome: CallOutcome, votes: list[Vote]) -> None:
        if isinstance(answer, Decision) and answer.updated_input is not None:
            changed = outcome.call.model_copy(
                update={"input": answer.updated_input, "input_hash": input_hash(answer.updated_input)}
            )
            problem = self._around.problems(changed)
            if problem:
                # Running what was there before could undo what the rewriter is there for: the call is refused.
                answer = Decision.deny(f"{impl.plugin} rewrote the input to one that does not fit: {problem}")
            else:
                outcome.call = self._around.prepare(changed)
        self._vote(sheet, impl, answer, outcome.call.input_hash, outcome, votes)

    def _vote(self, sheet: Sheet, impl: Impl, answer: Any, seen: str, outcome: CallOutcome, votes: list[Vote]) -> None:
        if isinstance(answer, Failure):
            if not impl.options.guard:
                return
            answer = Decision.deny(f"{impl.plugin} (a guard) failed, so the call is refused: {answer.error}")
        decision: Decision = answer
        effect = "kept" if decision.verdict is not None else "context" if decision.context else ""
        if decision.updated_input is not None:
            if impl.options.rewrites:
                effect = "rewrote"
            else:
                effect = "dropped: its input, because it is not marked rewrites=True"
                seen = "" if decision.verdict is Verdict.ALLOW else seen
        if decision.context:
            outcome.contexts.append((impl.plugin, decision.context))
        if decision.always:
            outcome.always = (*outcome.always, *decision.always)
        if decision.stop and not outcome.stop:
            outcome.stop, outcome.stop_reason = True, decision.reason
        votes.append(Vote(impl.plugin, decision, seen))
        # The new input itself, too: of a call that only reads, no other record has the bytes that ran.
        said = "" if decision.updated_input is None else to_json(decision.updated_input).decode()
        sheet.row(impl, verdict=str(decision.verdict or ""), reason=decision.reason, effect=effect, answer=said)

    # --- ask -------------------------------------------------------------------------------------------

    async def resolve_ask(self, ask: Ask) -> tuple[Resolution | None, str]:
        """Ask one after another; the first answer counts. Returns it with who gave it."""
        bound = self._bound["resolve_ask"]
        if not bound:
            return None, ""
        sheet = Sheet(self, "resolve_ask", ask.call.id)
        for impl, ctx in bound:
            answer = await self._one(sheet, impl, ctx, (ask,))
            if isinstance(answer, Resolution):
                verdict = "allow" if answer.allow else "deny"
                sheet.row(impl, verdict=verdict, reason=answer.reason, effect="won")
                sheet.close(verdict, impl.plugin, ask.call.input_hash, ask.call.input_hash)
                return answer, impl.plugin
        sheet.close("none", "")
        return None, ""

    # --- post-tool -------------------------------------------------------------------------------------

    async def post_tool(self, call: ToolCall, outcome: Outcome) -> ResultOutcome:
        """Let each implementation patch the outcome, one after another."""
        after = ResultOutcome(outcome)
        if not self._bound["post_tool"]:
            return after
        sheet = Sheet(self, "post_tool", call.id)
        bound = self._matching(sheet, self._bound["post_tool"], call.name)
        place = 0
        while place < len(bound):
            answers, place = await self._until_answer(sheet, bound, place, (call, after.outcome))
            for impl, answer in answers:
                self._patch(sheet, impl, answer, after)
        sheet.close(str(outcome.kind), "")
        return after

    def _patch(self, sheet: Sheet, impl: Impl, answer: Any, after: ResultOutcome) -> None:
        if isinstance(answer, Failure):
            if not impl.options.guard:
                return
            answer = ResultPatch(hide=True, reason=f"{impl.plugin} (a guard) failed")
        patch: ResultPatch = answer
        result = after.outcome.result
        words = []
        if patch.hide:
            after.hidden = True
            text = f"[the output was withheld by {impl.plugin}{': ' + patch.reason if patch.reason else ''}]"
            result = ToolResult(content=text, is_error=result.is_error)
            words.append("hid")
        elif patch.output is not None or patch.data is not None:
            update: dict[str, Any] = {}
            if patch.output is not None:
                update["content"] = patch.output
            if patch.data is not None:
                update["data"] = patch.data
            result = replace(result, **update)
            words.append("rewrote")
        if result is not after.outcome.result:
            after.outcome = replace(after.outcome, result=result)
        if patch.context:
            after.contexts.append((impl.plugin, patch.context))
            words.append("context")
        if patch.retry:
            after.retry = True
            words.append("retry")
        if patch.stop:
            after.stop, after.stop_reason = True, patch.reason
            words.append("stop")
        sheet.row(impl, reason=patch.reason, effect=", ".join(words))

    # --- step, compaction, lifecycle, journal ----------------------------------------------------------

    async def next_step(self, state: State) -> StepOutcome:
        """Decide together what comes next."""
        bound = self._bound["next_step"]
        if not bound:
            return StepOutcome()
        sheet = Sheet(self, "next_step", str(state.step))
        answers = await self._together(sheet, bound, (state,))
        given = [(i.plugin, a) for (i, _), a in zip(bound, answers, strict=True) if isinstance(a, StepDecision)]
        outcome = reduce_steps(given)
        for (impl, _), answer in zip(bound, answers, strict=True):
            if isinstance(answer, StepDecision):
                effect = "won" if impl.plugin == outcome.by else "kept"
                sheet.row(impl, verdict=str(answer.verb or ""), reason=answer.reason, effect=effect)
        if sheet.rows:
            sheet.close(str(outcome.verb or "none"), outcome.by)
        return outcome

    async def compact(
        self,
        job: CompactionJob,
        accept: Callable[[CompactionResult], str],
        last: Callable[[], CompactionResult | None] = lambda: None,
        *,
        start: int = 0,
    ) -> tuple[CompactionResult | Skip | None, str]:
        """Ask one after another for a result that *accept* has nothing against (it returns the objection).

        *last* is the host's own way, for when nobody has one.
        """
        bound = self._bound["compact"][start:]
        if not bound:
            return last(), "host"
        sheet = Sheet(self, "compact", str(job.trigger))
        for place, (impl, ctx) in enumerate(bound, start + 1):

            async def default(other: CompactionJob | None = None, after: int = place) -> CompactionResult | Skip | None:
                return (await self.compact(other or job, accept, last, start=after))[0]

            answer = await self._one(sheet, impl, ctx, (replace(job, default=default),))
            if isinstance(answer, Skip):
                if not job.must:
                    sheet.row(impl, verdict="skip", reason=answer.reason, effect="won")
                    sheet.close("skip", impl.plugin)
                    return answer, impl.plugin
                sheet.row(impl, verdict="skip", reason=answer.reason, effect="dropped: the window has overflowed")
            elif isinstance(answer, CompactionResult):
                objection = accept(answer)
                if not objection:
                    sheet.row(impl, verdict="result", reason=answer.strategy, effect="won")
                    sheet.close("result", impl.plugin)
                    return answer, impl.plugin
                sheet.row(impl, verdict="result", reason=answer.strategy, effect=f"dropped: {objection}")
        sheet.close("none", "host")
        return last(), "host"

    async def lifecycle(self, event: Event) -> list[tuple[str, Answer]]:
        """Tell everybody; return the answers in order."""
        if not self._bound["lifecycle"]:
            return []
        sheet = Sheet(self, "lifecycle", event.name)
        bound = self._matching(sheet, self._bound["lifecycle"], event.name)
        answers = await self._together(sheet, bound, (event,))
        given = []
        for (impl, _), answer in zip(bound, answers, strict=True):
            if isinstance(answer, Answer):
                given.append((impl.plugin, answer))
                sheet.row(impl, verdict="block" if answer.block else "", reason=answer.reason, effect="kept")
        if sheet.rows:
            sheet.close("", "")
        return given

    async def event(self, record: Record) -> None:
        """Show a journal record to its observers; nothing of this is journaled, or it would never end."""
        sheet = Sheet(self, "event", "")
        bound = self._matching(sheet, self._bound["event"], record.type)  # type: ignore[attr-defined]
        if bound:
            await self._together(sheet, bound, (record,))

    def observes(self, kind: str) -> bool:
        """Whether anybody wants to see records of a type."""
        return any(impl.match is None or impl.match(kind) for impl, _ in self._bound["event"])

    # --- calling ---------------------------------------------------------------------------------------

    def _wake(self, bound: Sequence[Bound]) -> None:
        """Import the plugins that are about to be called for the first time; one that cannot be fails when called."""
        for impl, _ in bound:
            wake = self.plan.asleep.get(impl.plugin)
            if wake is not None:
                wake()

    def _matching(self, sheet: Sheet, bound: Sequence[Bound], name: str) -> Sequence[Bound]:
        if not self._matched[sheet.hook]:
            return bound
        kept = []
        for pair in bound:
            if pair[0].match is None or pair[0].match(name):
                kept.append(pair)
            else:
                sheet.skip(pair[0])
        return kept

    async def _one(self, sheet: Sheet, impl: Impl, ctx: Ctx, args: tuple[Any, ...]) -> Any:
        return (await self._together(sheet, ((impl, ctx),), args))[0]

    async def _until_answer(
        self, sheet: Sheet, bound: Sequence[Bound], place: int, args: tuple[Any, ...]
    ) -> tuple[list[tuple[Impl, Any]], int]:
        """Call from *place* on until one has answered; return it (as a list) and the next place."""
        if self.plan.asleep:
            self._wake(bound[place:])
        dog = self._dog
        dog.count += 1
        ns = sheet.ns
        round_ = None
        clock = perf_counter_ns()
        for here in range(place, len(bound)):
            impl, ctx = bound[here]
            if not (impl.plain or impl.stepped):
                answer = await self._one(sheet, impl, ctx, args)
                clock = perf_counter_ns()
            else:
                dog.limit, dog.running = impl.limit, impl  # type: ignore[assignment]  # neither has a function
                try:
                    answer = impl.call(*args, ctx)
                    if impl.stepped:  # here, not by `_one`: that costs 2 µs for each that never waits
                        coroutine, answer = answer, None
                        waits_for = coroutine.send(None)
                        round_ = _Round([None], ns, len(ns), self.abandoned)
                        round_.in_place = (0, impl, coroutine, waits_for, impl.limit, clock)  # type: ignore[assignment]
                except StopIteration as end:
                    answer = end.value if impl.stepped else self._caught(impl, end)
                except BaseException as error:
                    answer = self._caught(impl, error)
                dog.running = None
                now = perf_counter_ns()
                ns.append(now - clock)
                if round_ is not None:
                    answer = (await round_.finish())[0]
                    round_ = None
                    now = perf_counter_ns()
                elif impl.stepped and now - clock > SLOW_NS:
                    answer = self._refuse_late((bound[here],), ns[-1:], [answer])[0]
                clock = now
                if answer is not None:
                    answer = self._checked(sheet, impl, answer)
                if impl in self._failures and not isinstance(answer, Failure):
                    del self._failures[impl]
            if answer is not None:
                return [(impl, answer)], here + 1
        return [], len(bound)

    async def _together(self, sheet: Sheet, bound: Sequence[Bound], args: tuple[Any, ...]) -> list[Any]:
        """Call all, those that wait side by side; return an answer, a Failure or None for each, in order."""
        if self.plan.asleep:
            self._wake(bound)
        answers: list[Any] = [None] * len(bound)
        round_ = None
        dog = self._dog
        dog.count += 1
        ns = sheet.ns
        first = len(ns)
        # Most hooks have two arguments, and a call without a star is made by the interpreter itself: 0.2 µs less each.
        two = len(args) == 2
        one, other = args if two else (None, None)
        began = clock = perf_counter_ns()
        for place, (impl, ctx) in enumerate(bound):
            dog.running = impl
            try:
                if impl.plain:
                    dog.limit = impl.limit  # type: ignore[assignment]  # plain: no function
                    answer = impl.call(one, other, ctx) if two else impl.call(*args, ctx)
                    if answer is not None:
                        answers[place] = answer
                elif impl.stepped and (round_ is None or not round_.waits):
                    dog.limit = impl.limit  # type: ignore[assignment]  # stepped: no function either
                    coroutine = impl.call(one, other, ctx) if two else impl.call(*args, ctx)
                    try:
                        waits_for = coroutine.send(None)
                    except StopIteration as end:
                        answers[place] = end.value
                    else:
                        round_ = round_ or _Round(answers, ns, first, self.abandoned)
                        round_.in_place = (place, impl, coroutine, waits_for, impl.limit, clock)  # type: ignore[assignment]
                else:
                    if round_ is None:
                        round_ = _Round(answers, ns, first, self.abandoned)
                    dog.limit = limit = seconds_of(impl, args[0])
                    round_.start(place, impl, ctx, args, limit)
            except BaseException as error:
                answers[place] = self._caught(impl, error)
            now = perf_counter_ns()
            ns.append(now - clock)
            clock = now
        dog.running = None
        if clock - began > SLOW_NS:
            self._refuse_late(bound, ns[first:], answers)
        if round_ is not None and round_.waits:
            await round_.finish()
        if answers.count(None) < len(answers):
            for place, answer in enumerate(answers):
                if answer is not None:
                    answers[place] = self._checked(sheet, bound[place][0], answer)
        if self._failures:
            for place, (impl, _) in enumerate(bound):
                if not isinstance(answers[place], Failure):
                    self._failures.pop(impl, None)
        return answers

    def _refuse_late(self, bound: Sequence[Bound], ns: list[int], answers: list[Any]) -> list[Any]:
        """Drop the answers of those that kept the loop past their deadline and could not be ended."""
        for place, (impl, _) in enumerate(bound):
            limit = impl.limit
            late = isinstance(limit, int | float) and ns[place] > limit * 1e9
            if late and not isinstance(answers[place], Failure):
                error = HookTimeoutError(impl.plugin, impl.hook, limit)  # type: ignore[arg-type]
                answers[place] = Failure(str(error), timeout=True)
        return answers

    def _caught(self, impl: Impl, error: BaseException) -> Failure:
        if isinstance(error, OverrunError):
            self._dog.settle()
            limit = impl.limit if isinstance(impl.limit, int | float) else 0.0
            return Failure(str(HookTimeoutError(impl.plugin, impl.hook, limit)), timeout=True)
        self._dog.running = None
        if isinstance(error, KeyboardInterrupt):
            raise error
        return Failure(describe(error))

    def _checked(self, sheet: Sheet, impl: Impl, answer: Any) -> Any:
        """Turn an answer of the wrong type into a Failure; count failures. What is held back is only journaled."""
        if not isinstance(answer, Failure):
            wanted = POLICIES[impl.hook].answers
            if isinstance(answer, wanted):
                if impl.lacks:
                    answer = sheet.bound(impl, *within(answer, impl.lacks))
                return sheet.hold(impl, answer) if impl.held and answer is not None else answer
            if inspect.iscoroutine(answer):
                answer.close()
            names = " or ".join(kind.__name__ for kind in wanted) or "nothing"
            answer = Failure(str(WrongAnswerError(impl.plugin, impl.hook, type(answer).__name__, names)))
        if impl.held:
            sheet.hold(impl, answer)
            self.failed(impl, answer.error)
            return None
        sheet.failed(impl, answer)
        return answer

    def failed(self, impl: Impl, error: str) -> None:
        """Tell of a failure, count it, and quarantine who fails again and again."""
        if impl.hook == "event":
            self._mute(impl, error)
            return
        level = "error" if impl.options.guard else "warning"
        self._around.notice(impl.plugin, f"{impl.hook} failed: {error}", level)
        if impl.options.guard:
            return
        count = self._failures[impl] = self._failures.get(impl, 0) + 1
        if count >= FAILURES_IN_A_ROW and impl.plugin not in self.quarantined:
            self._quarantine(impl, error)

    def _mute(self, impl: Impl, error: str) -> None:
        """Count an observer's failure, and stop telling it after some. A notice is a record that it would be told."""
        count = self._failures[impl] = self._failures.get(impl, 0) + 1
        if count < FAILURES_IN_A_ROW or impl.plugin in self.muted:
            return
        self.muted.add(impl.plugin)
        self._bind()
        self._around.notice(
            impl.plugin,
            f"event failed {count} times and is muted until the session ends; its other hooks go on. "
            f"The last error: {error}",
            "warning",
        )

    def _quarantine(self, impl: Impl, error: str) -> None:
        guards = any(
            other.options.guard for impls in self.plan.hooks.values() for other in impls if other.plugin == impl.plugin
        )
        if guards:
            return
        self.quarantined[impl.plugin] = error
        self._around.write(Quarantined(plugin=impl.plugin, hook=impl.hook, reason=error))
        self._around.notice(
            impl.plugin,
            f"failed {FAILURES_IN_A_ROW} times in a row and is left out until the session ends. "
            f"The last error: {error}. A new session tries it again; `pegboard plugins info {impl.plugin}` tells more.",
            "error",
        )
        self._bind()


class _Round:
    """The implementations of one dispatch that are not plain: stepped in place, in a thread, or as tasks.

    The first coroutine that waits goes on in the task that called it; only those after it get tasks of their own.
    """

    __slots__ = ("_answers", "_first", "_ns", "_tasks", "in_place", "left")

    def __init__(self, answers: list[Any], ns: list[int], first: int, left: list[str]) -> None:
        self._answers = answers
        self._ns = ns
        self._first = first
        self.in_place: tuple[int, Impl, Coroutine[Any, Any, Any], Any, float | None, int] | None = None
        self._tasks: dict[asyncio.Future[None], tuple[int, Impl, float | None]] = {}
        self.left = left  # the dispatcher's own: some are found out only a grace after the round

    @property
    def waits(self) -> bool:
        """Whether somebody has not answered yet."""
        return self.in_place is not None or bool(self._tasks)

    def start(self, place: int, impl: Impl, ctx: Ctx, args: tuple[Any, ...], limit: float | None) -> None:
        """Call one implementation, as far as it goes without waiting. Raises what it raises."""
        if impl.options.blocking:
            self._tasks[self._in_thread(place, impl, ctx, args)] = (place, impl, limit)
        elif not impl.is_async:
            self._answers[place] = impl.call(*args, ctx)
        elif self.in_place is None:
            began = perf_counter_ns()
            coroutine = impl.call(*args, ctx)
            try:
                waits_for = coroutine.send(None)
            except StopIteration as end:
                self._answers[place] = end.value
            else:
                self.in_place = (place, impl, coroutine, waits_for, limit, began)
        else:
            task = start_task(self._as_task(place, impl, ctx, args, limit))
            if not task.done():
                self._tasks[task] = (place, impl, limit)

    async def finish(self) -> list[Any]:
        """Wait for all, each until its own deadline; return the answers."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        pending = {task: None if limit is None else now + limit for task, (_, _, limit) in self._tasks.items()}
        if self.in_place is None:
            await until_each_deadline(pending, self._late)
            return self._answers
        others = loop.create_task(until_each_deadline(pending, self._late)) if pending else None
        try:
            await self._go_on(*self.in_place)
            if others is not None:
                await others
        except BaseException:
            if others is not None:
                others.cancel()
                await asyncio.wait([others])
            raise
        return self._answers

    async def _go_on(
        self, place: int, impl: Impl, coroutine: Any, waits_for: Any, limit: float | None, began: int
    ) -> None:
        try:
            self._answers[place] = await go_on(coroutine, waits_for, limit)
        except LateError as late:
            self._missed(place, impl, limit)
            if late.left:
                self.left.append(str(impl))
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, KeyboardInterrupt) or (
                isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling()
            ):
                raise
            self._answers[place] = Failure(describe(error))
        self._ns[self._first + place] = perf_counter_ns() - began

    async def _as_task(self, place: int, impl: Impl, ctx: Ctx, args: tuple[Any, ...], limit: float | None) -> None:
        began = perf_counter_ns()
        me = asyncio.current_task()
        assert me is not None
        try:
            answer = await impl.call(*args, ctx)
        except BaseException as error:  # also SystemExit, which would end the loop
            if isinstance(error, asyncio.CancelledError) and me.cancelling():
                raise
            answer = Failure(describe(error))
        if me.cancelling():
            return  # it ate its cancellation: too late, whatever it says now
        if limit is not None and perf_counter_ns() - began > limit * 1e9:
            self._missed(place, impl, limit)  # it computed past its deadline, and no timer could fire
            return
        self._answers[place] = answer
        if self._first + place < len(self._ns):
            self._ns[self._first + place] = perf_counter_ns() - began

    def _in_thread(self, place: int, impl: Impl, ctx: Ctx, args: tuple[Any, ...]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        context = copy_context()

        def finish(answer: Any) -> None:
            if not done.done():
                self._answers[place] = answer
                done.set_result(None)

        def run() -> None:
            try:
                answer = context.run(impl.call, *args, ctx)
            except BaseException as error:
                answer = Failure(describe(error))
            try:
                loop.call_soon_threadsafe(finish, answer)
            except RuntimeError:  # the loop has ended: nobody waits any more
                pass

        threading.Thread(target=run, name=f"pegboard-{impl}", daemon=True).start()
        return done

    def _late(self, future: asyncio.Future[None]) -> None:
        place, impl, limit = self._tasks[future]
        self._missed(place, impl, limit)

        def look() -> None:
            if not future.done() or impl.options.blocking:
                self.left.append(str(impl))

        asyncio.get_running_loop().call_later(GRACE, look)

    def _missed(self, place: int, impl: Impl, limit: float | None) -> None:
        self._answers[place] = Failure(str(HookTimeoutError(impl.plugin, impl.hook, limit or 0)), timeout=True)


# --- who is there --------------------------------------------------------------------------------------


def implementations(board: Board, hook: str) -> dict[str, Any]:
    """Return the functions that implement a hook, by plugin."""
    return {impl.plugin_name: impl.function for impl in getattr(board.manager.hook, hook).get_hookimpls()}
