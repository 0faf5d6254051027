"""The one place that calls hooks: order, deadline, isolation, failure policy, and a record of it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from operator import sub
from time import perf_counter_ns
from types import CoroutineType
from typing import Any

from pydantic_core import from_json, to_json

from pegboard._board.answers import sound
from pegboard._board.caught import describe, pass_on
from pegboard._board.failing import Failures
from pegboard._board.forking import end_if_forked
from pegboard._board.onion import Below, Watched
from pegboard._board.outcomes import (
    CallOutcome,
    Failure,
    PromptOutcome,
    ResultOutcome,
    StepOutcome,
    Vote,
    beyond,
    patched,
    reduce_steps,
    reduce_votes,
    what_changed,
    with_input,
)
from pegboard._board.permitting import in_bounds, own_sections, within
from pegboard._board.plan import Impl, Plan, seconds_of
from pegboard._board.registry import Board
from pegboard._board.round import Round
from pegboard._board.row import Row, in_row
from pegboard._board.sheet import Sheet
from pegboard._board.surroundings import Surroundings
from pegboard._board.taking import patch, take_prompt, vote
from pegboard._board.turnout import Bound, Turnout
from pegboard._board.watchdog import OverrunError, Watchdog
from pegboard._board.whereabouts import AS_AGENT
from pegboard.context import Ctx
from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    Skip,
    StepDecision,
)
from pegboard.errors import HookTimeoutError, ModelError, UnknownModelError, WrongAnswerError
from pegboard.hookspecs import POLICIES, Ask, State
from pegboard.messages import Batch, Outcome, ToolCall
from pegboard.records import Event, Record
from pegboard.requests import (
    CallNext,
    CompactionJob,
    CompactionResult,
    Request,
    RequestDraft,
    RequestPatch,
    StreamEvent,
)

NUMBERS = (int, float)
SLOW_NS = 1_000_000
"""Only after a dispatch of a millisecond is it worth a look whether one of them alone was over its deadline."""


class Dispatcher:
    """Calls the hooks of one session, by one plan. Each method is one hookspec."""

    def __init__(self, plan: Plan, around: Surroundings, watchdog: Watchdog) -> None:
        self._around = around
        self._dog = watchdog
        self.failures = Failures(around, lambda: self.plan, self._bind)
        self.abandoned: list[str] = []
        self.notice = around.notice
        self._turnout = Turnout(around.ctx)
        self.use(plan)

    def use(self, plan: Plan) -> None:
        """Take another plan; only between turns."""
        self.whole = plan
        self.plan = self._turnout.ask(plan)
        self._bind()

    def begin_turn(self) -> bool:
        """Ask those that say when they take part; whether the plan of this turn is another than that of the last."""
        return self._ask(None)

    def ask_again(self, event: str) -> bool:
        """Ask those whom a lifecycle event was for whether they take part now; whether the plan has changed by it."""
        impls = self.plan.hooks["lifecycle"]
        return self._ask({impl.plugin for impl in impls if impl.match is not None and impl.match(event)})

    def _ask(self, plugins: Collection[str] | None) -> bool:
        last = self.plan
        self.plan = self._turnout.ask(self.whole, plugins)
        if self.plan is not last:
            self._bind()
        return self.plan.id != last.id

    def _bind(self) -> None:
        self._bound = {h: in_row(b) for h, b in self._turnout.bind(self.plan, self.failures.leaves_out).items()}
        self.hooked = frozenset(hook for hook, bound in self._bound.items() if bound)
        """The hooks that somebody implements."""
        self._deciders = {
            hook: in_row(tuple(b for b in bound if not b[0].options.rewrites)) for hook, bound in self._bound.items()
        }
        self._rewriters = {
            hook: tuple(b for b in bound if b[0].options.rewrites) for hook, bound in self._bound.items()
        }
        self._matched = {hook: any(impl.match for impl, _ in bound) for hook, bound in self._bound.items()}
        self.shows_batch = any("batch" in impl.takes for impl, _ in self._bound["pre_tool"])
        """Whether any hook before a tool looks at the other calls of the message."""
        self._unless = tuple((impl.options.unless, ctx) for impl, ctx in self._bound["next_step"])
        self._onion: CallNext | None = None

    @property
    def quarantined(self) -> dict[str, str]:
        """The plugins that are left out until the session ends, each with its last error."""
        return self.failures.quarantined

    def listens(self, event: str, *, by_name: bool = False) -> bool:
        """Whether anybody wants to be told of a lifecycle event; *by_name* means with a matcher that says so."""
        matchers = [impl.match for impl, _ in self._bound["lifecycle"]]
        return any(match(event) if match is not None else not by_name for match in matchers)

    def knows_agents(self) -> bool:
        """Whether any plugin makes a session an agent (`where="session:agent"`)."""
        return any(AS_AGENT in impl.options.where for impls in self.whole.hooks.values() for impl in impls)

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
        for pair in self._matching(sheet, self._rewriters["prompt_submit"], prompt):
            impl, answer = pair[0], await self._one(sheet, pair, (outcome.prompt,))
            take_prompt(sheet, impl, answer, outcome)
            if isinstance(answer, PromptDecision) and answer.updated_prompt is not None and not outcome.blocked:
                outcome.rewrite(answer)
                sheet.row(impl, effect="rewrote")
        deciders = self._matching(sheet, self._deciders["prompt_submit"], outcome.prompt)
        for (impl, _), answer in zip(deciders, await self._together(sheet, deciders, (outcome.prompt,)), strict=True):
            take_prompt(sheet, impl, answer, outcome)
            if isinstance(answer, PromptDecision) and answer.updated_prompt is not None:
                sheet.row(impl, effect="dropped: not marked rewrites=True")
        if sheet.ns:
            sheet.close("block" if outcome.blocked else "pass", outcome.by)
        return outcome

    # --- request ---------------------------------------------------------------------------------------

    async def prepare_request(self, draft: RequestDraft) -> RequestDraft:
        """Apply each patch in order; a patch that makes no valid draft is left out."""
        bound = self._bound["prepare_request"]
        if not bound:
            return draft
        sheet = Sheet(self, "prepare_request", draft.purpose)
        for pair in bound:
            impl, answer = pair[0], await self._one(sheet, pair, (draft,))
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
        def broken(request: Request, error: BaseException, yielded: bool) -> AsyncIterator[StreamEvent]:
            if yielded and not impl.options.guard:
                self.failed(impl, describe(error))
                raise ModelError(f"{impl.plugin!r} broke while the model answered: {describe(error)}") from error
            return self._broken_frame(impl, request, inner, error)

        def frame(request: Request) -> AsyncIterator[StreamEvent]:
            below = Below(inner)
            try:
                stream = impl.call(request, below, ctx)
            except BaseException as error:
                pass_on(error)
                return broken(request, error, False)
            if stream is None:
                return inner(request)
            if stream is below.passed:
                return below.raw  # type: ignore[return-value]  # passed on as it is: no layer in between
            if not hasattr(type(stream), "__aiter__"):
                if type(stream) is CoroutineType:
                    stream.close()
                wrong = WrongAnswerError(impl.plugin, impl.hook, type(stream).__name__, "an async iterator")
                return broken(request, wrong, False)
            try:
                return Watched(stream, request, below, broken, impl.plugin)
            except BaseException as error:  # its own `__aiter__`
                pass_on(error)
                return broken(request, error, False)

        return frame

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
        for pair in self._rewriters["pre_tool"]:
            impl = pair[0]
            if impl.match is not None and not impl.match(call.name):
                sheet.skip(impl)
                continue
            given = outcome.call
            answer = await self._one(sheet, pair, (given, batch))
            if answer is not None:
                self._rewrite(sheet, impl, answer, outcome, votes, frozen)
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
            for pair in deciders:
                self._restore(outcome, frozen, "" if answers else ", ".join(impl.plugin for impl, _ in deciders))
                answers.append(await self._one(sheet, pair, (outcome.call, batch)))
            self._restore(outcome, frozen, "")
        final = outcome.call.input_hash
        if answers.count(None) < len(answers):
            for (impl, _), answer in zip(deciders, answers, strict=True):
                if answer is not None:
                    vote(sheet, impl, answer, final, outcome, votes)
        if votes:
            self._count(sheet, votes, outcome, can_defer=can_defer)
        sheet.close(str(outcome.verdict or "none"), outcome.by, before, final)
        return outcome

    def _count(self, sheet: Sheet, votes: list[Vote], outcome: CallOutcome, *, can_defer: bool) -> None:
        """Reduce the votes, and say who won and what was dropped."""
        winner, dropped = reduce_votes(votes, outcome.call.input_hash, can_defer=can_defer)
        for place, why in dropped.items():
            sheet.effect(votes[place].plugin, why)
            self._around.notice(votes[place].plugin, why, "warning")
        if winner is not None:
            decision = winner.decision
            outcome.verdict, outcome.by, outcome.reason = decision.verdict, winner.plugin, decision.reason
            outcome.rule, outcome.result = decision.rule, decision.result
            sheet.effect(winner.plugin, "won")

    def _restore(self, outcome: CallOutcome, frozen: bytes, suspects: str) -> None:
        """Give the call a fresh copy of its input; *suspects* are named as who may have changed the last one."""
        if suspects:
            self._changed_in_place(outcome.call.name, suspects)
        outcome.call = replace(outcome.call, input=from_json(frozen))

    def _changed_in_place(self, tool: str, suspects: str) -> None:
        text = f"a hook changed the input of {tool} in place, which does not count ({suspects})"
        self._around.notice("", text, "warning")

    def _rewrite(
        self, sheet: Sheet, impl: Impl, answer: Any, outcome: CallOutcome, votes: list[Vote], frozen: bytes
    ) -> None:
        if isinstance(answer, Decision) and answer.updated_input is not None:
            changed = with_input(outcome.call, answer.updated_input)
            problem = beyond(impl.options.fields, frozen, changed.input) or self._around.problems(changed)
            if problem:
                # Running what was there before could undo what the rewriter is there for: the call is refused.
                answer = Decision.deny(f"{impl.plugin} rewrote the input to one that does not fit: {problem}")
            else:
                outcome.call = self._around.prepare(changed)
        vote(sheet, impl, answer, outcome.call.input_hash, outcome, votes)

    # --- ask -------------------------------------------------------------------------------------------

    async def resolve_ask(self, ask: Ask) -> tuple[Resolution | None, str]:
        """Ask one after another; the first answer counts. Returns it with who gave it."""
        bound = self._bound["resolve_ask"]
        if not bound:
            return None, ""
        sheet = Sheet(self, "resolve_ask", ask.call.id)
        for pair in bound:
            impl, answer = pair[0], await self._one(sheet, pair, (ask,))
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
        frozen = to_json(call.input)
        place = 0
        while place < len(bound):
            begin = place
            impl, answer, place = await self._until_answer(sheet, bound, place, (call, after.outcome))
            if to_json(call.input) != frozen:
                self._changed_in_place(call.name, ", ".join(one.plugin for one, _ in bound[begin:place]))
                call = replace(call, input=from_json(frozen))
            if impl is not None:
                patch(sheet, impl, answer, after)
        sheet.close(str(outcome.kind), "")
        return after

    # --- step, compaction, lifecycle, journal ----------------------------------------------------------

    def step_decider(self) -> Callable[[State], Awaitable[StepOutcome]] | None:
        """Return `next_step`; None where nobody implements it, or all say that they have nothing to say just now."""
        if not self._unless:
            return None
        try:
            for unless, ctx in self._unless:
                if unless is None or not unless(ctx):
                    return self.next_step
        except BaseException as error:
            pass_on(error)
            return self.next_step
        return None

    async def next_step(self, state: State) -> StepOutcome:
        """Decide together what comes next."""
        bound = self._bound["next_step"]
        if not bound:
            return StepOutcome()
        sheet = Sheet(self, "next_step", str(state.step))
        answers = await self._together(sheet, bound, (state,))
        if answers.count(None) == len(answers) and not sheet.rows:
            return StepOutcome()
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

            answer = await self._one(sheet, (impl, ctx), (replace(job, default=default),))
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

    async def _one(self, sheet: Sheet, pair: Bound, args: tuple[Any, ...]) -> Any:
        answers = [None]
        round_ = self._call(sheet, (pair,), args, answers)
        if round_ is not None:
            await round_.finish()
        return self._looked_at(sheet, (pair,), answers)[0]

    async def _together(self, sheet: Sheet, bound: Sequence[Bound], args: tuple[Any, ...]) -> list[Any]:
        """Call all, those that wait side by side; return an answer, a Failure or None for each, in order."""
        answers: list[Any] = [None] * len(bound)
        round_ = self._call(sheet, bound, args, answers)
        if round_ is not None:
            await round_.finish()
        return self._looked_at(sheet, bound, answers)

    async def _until_answer(
        self, sheet: Sheet, bound: Sequence[Bound], place: int, args: tuple[Any, ...]
    ) -> tuple[Impl | None, Any, int]:
        """Call from *place* on until one has answered; return it, what it answered, and the next place."""
        answers: list[Any] = [None] * len(bound)
        while place < len(bound):
            before = len(sheet.ns)
            round_ = self._call(sheet, bound, args, answers, place, one_by_one=True)
            if round_ is not None:
                await round_.finish()
            begin, place = place, place + len(sheet.ns) - before
            self._looked_at(sheet, bound, answers, begin, place)
            if answers[place - 1] is not None:
                return bound[place - 1][0], answers[place - 1], place
        return None, None, place

    def _call(
        self,
        sheet: Sheet,
        bound: Sequence[Bound],
        args: tuple[Any, ...],
        answers: list[Any],
        place: int = 0,
        *,
        one_by_one: bool = False,
    ) -> Round | None:
        """Call from *place* on, as far as that goes without waiting: all, or *one_by_one* until one answers or waits.

        Puts a duration into the sheet for each that was called. Returns the round of those that wait, if any does.
        """
        if self.plan.asleep:
            self._wake(bound)
        dog, ns = self._dog, sheet.ns
        dog.count += 1
        if len(bound) - place == 1 and (bound[place][0].plain or bound[place][0].stepped):
            return self._call_last(sheet, bound, args, answers, place)
        marks = [perf_counter_ns()]
        first, begin, end = len(ns) - place, place, len(bound)
        round_: Round | None = None
        if type(bound) is Row and not place:
            try:
                bound.call(args[0], answers, marks, dog, one_by_one=one_by_one)
            except BaseException as error:
                answers[len(marks) - 1] = self._caught(bound[len(marks) - 1][0], error)
                marks.append(perf_counter_ns())
            place = len(marks) - 1
            if one_by_one and answers[place - 1] is not None:
                end = place
        while place < end:
            walk = _Walk(waits=round_ is not None and round_.waits)
            steps = _walk(walk, bound, place, args, answers, marks, dog, one_by_one)
            try:
                waits_for = steps.send(None)
            except StopIteration:
                place = begin + len(marks) - 1
                if place == end or (one_by_one and answers[place - 1] is not None):
                    break
                # What comes now is neither a plain `def` nor stepped in place: in a thread, with a limit of its own.
                impl, ctx = bound[place]
                round_ = round_ or Round(answers, ns, first, self.abandoned, dog)
                dog.running = impl
                try:
                    dog.limit = limit = seconds_of(impl, args[0])
                    round_.start(place, impl, ctx, args, limit)
                except BaseException as error:
                    answers[place] = self._caught(impl, error)
            except BaseException as error:
                place = begin + len(marks) - 1
                answers[place] = self._caught(bound[place][0], error)
            else:
                place = begin + len(marks) - 1
                walk.waits = walk.over = True
                impl = bound[place][0]
                round_ = round_ or Round(answers, ns, first, self.abandoned, dog)
                round_.in_place = (place, impl, steps, waits_for, impl.limit, marks[-1])  # type: ignore[assignment]
            marks.append(perf_counter_ns())
            place += 1
            if one_by_one and (answers[place - 1] is not None or (round_ is not None and round_.waits)):
                break
        dog.running = None
        ns.extend(map(sub, marks[1:], marks))
        if marks[-1] - marks[0] > SLOW_NS:
            self._refuse_late(bound[begin:place], ns[first + begin :], answers, begin)
        return round_ if round_ is not None and round_.waits else None

    def _call_last(
        self, sheet: Sheet, bound: Sequence[Bound], args: tuple[Any, ...], answers: list[Any], place: int
    ) -> Round | None:
        """Call the one that is left, which costs less than a walk through several."""
        impl, ctx = bound[place]
        dog, ns = self._dog, sheet.ns
        dog.running = impl
        round_ = answer = None
        began = perf_counter_ns()
        try:
            answer = impl.call(*args, ctx)
            if impl.stepped:
                steps, answer = answer, None
                waits_for = steps.send(None)
                round_ = Round(answers, ns, len(ns) - place, self.abandoned, dog)
                round_.in_place = (place, impl, steps, waits_for, impl.limit, began)  # type: ignore[assignment]
        except StopIteration as end:
            answer = end.value if impl.stepped else self._caught(impl, end)
        except BaseException as error:
            answer = self._caught(impl, error)
        dog.running = None
        answers[place] = answer
        ns.append(perf_counter_ns() - began)
        if ns[-1] > SLOW_NS:
            self._refuse_late(bound[place:], ns[-1:], answers, place)
        return round_

    def _looked_at(
        self, sheet: Sheet, bound: Sequence[Bound], answers: list[Any], begin: int = 0, end: int | None = None
    ) -> list[Any]:
        """Check what those from *begin* to *end* answered, and count who failed."""
        end_if_forked(self._dog.forks)
        if not all_silent(answers):
            for place, answer in enumerate(answers):
                if answer is not None:
                    answers[place] = self._checked(sheet, bound[place][0], answer)
        if self.failures.counts:
            self.failures.settle(bound[begin:end], answers[begin:end])
        return answers

    def _refuse_late(self, bound: Sequence[Bound], ns: list[int], answers: list[Any], begin: int) -> None:
        """Drop the answers of those that kept the loop past their deadline and could not be ended."""
        for place, (impl, _) in enumerate(bound):
            limit = impl.limit
            late = isinstance(limit, NUMBERS) and ns[place] > limit * 1e9
            if late and type(answers[begin + place]) is not Failure:
                error = HookTimeoutError(impl.plugin, impl.hook, limit)  # type: ignore[arg-type]
                answers[begin + place] = Failure(str(error), timeout=True)

    def _caught(self, impl: Impl, error: BaseException) -> Failure:
        if isinstance(error, OverrunError):
            self._dog.settle()
            limit = impl.limit if isinstance(impl.limit, int | float) else 0.0
            return Failure(str(HookTimeoutError(impl.plugin, impl.hook, limit)), timeout=True)
        self._dog.running = None
        pass_on(error)
        return Failure(describe(error))

    def _checked(self, sheet: Sheet, impl: Impl, answer: Any) -> Any:
        """Turn an answer of the wrong type into a Failure; count failures. What is held back is only journaled."""
        if type(answer) is not Failure:
            try:
                if type(answer) is CoroutineType:
                    answer.close()
                answer = sound(answer, impl.plugin, impl.hook, POLICIES[impl.hook].answers)
            except BaseException as error:
                pass_on(error)
                answer = Failure(str(error) if type(error) is WrongAnswerError else describe(error))
            else:
                answer = sheet.bound(impl, *in_bounds(answer), mend="Nobody reads so much")
                if impl.lacks:
                    answer = sheet.bound(impl, *within(answer, impl.lacks))
                return sheet.hold(impl, answer) if impl.held and answer is not None else answer
        if impl.held:
            sheet.hold(impl, answer)
            self.failed(impl, answer.error)
            return None
        sheet.failed(impl, answer)
        return answer

    def failed(self, impl: Impl, error: str) -> None:
        """Tell of a failure and count it."""
        self.failures.take(impl, error)


def all_silent(answers: list[Any]) -> bool:
    """Whether nobody has answered. What one has answered may have an `__eq__` of its own, which `count` asks."""
    try:
        return answers.count(None) == len(answers)
    except BaseException as error:
        pass_on(error)
        return False


class _Walk:
    """How a walk through implementations goes on: whether somebody `waits` already, and whether it is `over`."""

    __slots__ = ("over", "waits")

    def __init__(self, *, waits: bool) -> None:
        self.waits = waits
        self.over = False


async def _walk(
    walk: _Walk,
    bound: Sequence[Bound],
    place: int,
    args: tuple[Any, ...],
    answers: list[Any],
    marks: list[int],
    dog: Watchdog,
    one_by_one: bool,
) -> Any:
    """Call one after another, up to one that has to be called otherwise; a mark of the clock stands after each.

    It is stepped once. One coroutine around all, because to step each by itself costs an exception for each that does
    not wait. Where one does, this coroutine is that one's from there on, and returns its answer: `over` says so.
    """
    # Most hooks have two arguments, and a call without a star is made by the interpreter itself: 0.2 µs less each.
    two = len(args) == 2
    one, other = args if two else (args[0], None)
    mark = marks.append
    for impl, ctx in bound[place:] if place else bound:
        if impl.plain:
            dog.running = impl
            if impl.brief is not None:
                answer = impl.brief(one)
            else:
                answer = impl.call(one, other, ctx) if two else impl.call(*args, ctx)
        elif impl.stepped and not walk.waits:
            dog.running = impl
            if impl.brief is not None:
                answer = await impl.brief(one)
            else:
                answer = await (impl.call(one, other, ctx) if two else impl.call(*args, ctx))
            if walk.over:
                return answer
        else:
            return None
        mark(perf_counter_ns())
        if answer is not None:
            answers[place] = answer
            if one_by_one:
                return None
        place += 1
    return None


# --- who is there --------------------------------------------------------------------------------------


def implementations(board: Board, hook: str) -> dict[str, Any]:
    """Return the functions that implement a hook, by plugin."""
    return {impl.plugin_name: impl.function for impl in getattr(board.manager.hook, hook).get_hookimpls()}
