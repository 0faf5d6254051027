"""The one way to run a tool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import PydanticSerializationError, to_json

from pegboard._agent.batches import NO_BATCH
from pegboard._board.caught import describe, pass_on
from pegboard._board.dispatch import Dispatcher
from pegboard._board.outcomes import CallOutcome
from pegboard._board.threads import Threads
from pegboard._board.waiting import LateError, being_cancelled, within
from pegboard._dataclass import dataclass
from pegboard.context import Ctx
from pegboard.decisions import Resolution, Verdict
from pegboard.errors import ToolError, ToolInputError, UnknownToolError
from pegboard.hookspecs import Ask
from pegboard.messages import (
    Batch,
    Origin,
    Outcome,
    OutcomeKind,
    ResultPart,
    TextBlock,
    ToolCall,
    ToolResult,
    ToolUseBlock,
    canonical,
    input_hash,
    trusted,
    whole,
)
from pegboard.records import AskRecord, Record, Spilled, ToolAttempt, ToolStarted
from pegboard.tools import Claims, Preview, Tool

PLAIN = frozenset({str, int, bool, float, type(None)})
"""What nobody can change in place."""
DEPTH = 4
"""How deep tools and hooks may call tools and models through the host."""

QUESTIONS = 5
"""How often one call may be asked about, where each answer changes its input to one that somebody else minds."""

depth: ContextVar[int] = ContextVar("pegboard_depth", default=0)
being_asked: ContextVar[bool] = ContextVar("pegboard_being_asked", default=False)
"""Whether this is work that was started to answer a question; what it asks itself must not wait for that one."""
running_call: ContextVar[str] = ContextVar("pegboard_running_call", default="")
"""The id of the call whose tool runs here, so that what it prints is shown in the right place."""


class Surroundings(Protocol):
    """What running a tool needs of its session."""

    cwd: Path

    def write(self, record: Record) -> None: ...
    def notice(self, plugin: str, text: str, level: str) -> None: ...
    def ctx(self, plugin: str) -> Ctx: ...
    def spill(self, call_id: str, text: str) -> Path: ...


@dataclass(slots=True)
class Done:
    """A call that is over. `outcome` is None if it was deferred."""

    call: ToolCall
    outcome: Outcome | None
    contexts: list[tuple[str, str]] = field(default_factory=list)
    stop: str | None = None
    attempts: int = 1


class Invoker:
    """Runs tool calls of any origin: pre_tool, permission, the tool itself, post_tool."""

    def __init__(
        self,
        around: Surroundings,
        dispatcher: Dispatcher,
        tools: Mapping[str, Tool],
        threads: Threads,
        *,
        timeout: float,
        output_limit: int,
        can_defer: Callable[[], bool],
    ) -> None:
        self._around = around
        self._dispatcher = dispatcher
        self.tools = tools
        self._threads = threads
        self._timeout = timeout
        self._limit = output_limit
        self._can_defer = can_defer
        self._one_at_a_time = asyncio.Lock()
        self.alone = False
        """Whether the message has one call only, which no other can come in the way of."""
        self.asking = asyncio.Lock()
        """Held while somebody is asked: the sub-agents of a session ask one after another, too."""
        self.allowed: tuple[str, ...] | None = None
        """The subset that the last request offered; None for all."""
        self.hint: Callable[[str], str] = lambda name: ""
        """What to say beside a wrong input of a tool: that the model was not shown its parameters, say."""
        self.switched_off: Mapping[str, str] = {}
        """Tools whose kill switch was thrown in this session, each with the flag."""

    # --- before ----------------------------------------------------------------------------------------

    def prepare(self, wanted: ToolUseBlock | ToolCall) -> ToolCall:
        """Return a call as hooks shall see it: paths made absolute, and hashed."""
        name, given = wanted.name, wanted.input
        tool = self.tools.get(name)
        if tool is not None and tool.normalise is not None and not self.problems(wanted):
            given = tool.normalised(given, self._around.cwd)
        try:
            hashed = input_hash(given)
        except PydanticSerializationError:  # half a character: what hooks decide on must be what runs
            given = whole(given)
            hashed = input_hash(given)
        return trusted(
            ToolCall,
            {
                "id": wanted.id,
                "name": name,
                "input": _copied(given),
                "origin": wanted.origin if type(wanted) is ToolCall else "model",
                "input_hash": hashed,
            },
        )

    def claims_of(self, call: ToolCall) -> Claims:
        """Return what a call touches; one that cannot run touches nothing."""
        tool = self.tools.get(call.name)
        if tool is None:
            return Claims()
        try:
            return tool.claims_of(call.input, self._around.cwd)
        except BaseException as error:  # one that does not understand the input: nothing may run beside it
            pass_on(error)
            return Claims.alone()

    def problems(self, call: ToolUseBlock | ToolCall) -> str:
        """Return what is wrong with a call's input; empty if nothing is."""
        try:
            self._arguments(call)
        except ToolError as error:
            return str(error)
        return ""

    def _arguments(self, call: ToolUseBlock | ToolCall) -> dict[str, Any]:
        tool = self.tools.get(call.name)
        if tool is None:
            raise UnknownToolError(call.name, self.tools)
        return tool.arguments(call.input)

    async def invoke(self, call: ToolCall, batch: Callable[[], Batch]) -> Done:
        """Run one call that `prepare` has seen. Raises only CancelledError (see `finish`)."""
        name, origin = call.name, call.origin
        try:
            if self.allowed is not None and origin == "model" and name not in self.allowed:
                raise ToolError(f"{name} may not be called now; these may: {', '.join(self.allowed) or 'none'}")
            if self.switched_off and name in self.switched_off:
                raise ToolError(f"{name} was switched off ({self.switched_off[name]}); go on without it")
            arguments = self._arguments(call)
        except ToolInputError as error:
            return await self._refused(call, str(error) + self.hint(name), OutcomeKind.ERROR)
        except ToolError as error:
            return await self._refused(call, str(error), OutcomeKind.ERROR)
        tool = self.tools[name]
        if "pre_tool" in self._dispatcher.hooked or not (tool.read_only or origin == "user"):
            decided = await (self._decide(call, batch) if self.alone else self._in_turn(call, batch))
            if isinstance(decided, Done):
                return decided
            if decided.call.input_hash != call.input_hash:
                arguments = self._arguments(decided.call)
            return await self._attempts(tool, decided.call, arguments, decided)
        return await self._attempts(tool, call, arguments, None)

    async def _in_turn(self, call: ToolCall, batch: Callable[[], Batch]) -> CallOutcome | Done:
        """Decide on the calls of the model one after another in source order.

        Questions do not overlap then, and the journal reads the same each time. A hook that calls a tool meanwhile
        must not wait for itself.
        """
        if call.origin != "model" or "pre_tool" not in self._dispatcher.hooked:
            return await self._decide(call, batch)
        async with self._one_at_a_time:
            return await self._decide(call, batch)

    async def _decide(self, call: ToolCall, batch: Callable[[], Batch]) -> CallOutcome | Done:
        shown = batch() if self._dispatcher.shows_batch else NO_BATCH
        decided = await self._dispatcher.pre_tool(call, shown, can_defer=self._can_defer())
        verdict = decided.verdict
        if verdict is Verdict.DENY:
            return await self._denied(decided)
        if verdict is Verdict.DEFER:
            return Done(decided.call, None, decided.contexts)
        if verdict is Verdict.ASK or (verdict is None and self._needs_permission(decided.call)):
            return await self._asked(decided, batch())
        return decided

    def _needs_permission(self, call: ToolCall) -> bool:
        return call.origin != "user" and not self.tools[call.name].read_only

    async def _asked(self, decided: CallOutcome, batch: Batch) -> CallOutcome | Done:
        """Ask; an answer with another input is decided again, and what that would have to ask anew is asked."""
        for _ in range(QUESTIONS):
            call = decided.call
            reason = decided.reason or "no rule allows it"
            ask = Ask(call, reason, decided.by, decided.rule, decided.always, batch, self._description_of(call))
            answer, by = await self._answered(ask)
            self._note_answer(ask, answer, by)
            if answer is None:
                decided.reason = (
                    f"{call.name} needs permission ({reason}), and nobody can be asked. "
                    f"Do not try the same again; go on without it, or say what you would have done."
                )
                decided.by = decided.by or "host"
                return await self._denied(decided)
            if not answer.allow:
                decided.reason = answer.reason or f"{by} refused {call.name}"
                decided.by = by
                done = await self._denied(decided)
                if answer.interrupt and done.stop is None:
                    done.stop = decided.reason
                return done
            if answer.updated_input is None:
                return decided
            again = await self._decided_again(call, answer.updated_input, batch)
            again.contexts = decided.contexts + again.contexts
            if again.verdict is Verdict.DENY:
                return await self._denied(again)
            if again.verdict is not Verdict.ASK or (again.by, again.rule) == (decided.by, decided.rule):
                return again
            decided = again  # somebody else minds the new input: whoever answered was not asked about that
        decided.verdict, decided.reason = Verdict.DENY, "its input was changed again and again while it was asked about"
        return await self._denied(decided)

    async def _answered(self, ask: Ask) -> tuple[Resolution | None, str]:
        if being_asked.get():
            return await self._dispatcher.resolve_ask(ask)
        async with self.asking:
            inside = being_asked.set(True)
            try:
                return await self._dispatcher.resolve_ask(ask)
            finally:
                being_asked.reset(inside)

    async def _decided_again(self, call: ToolCall, given: dict[str, Any], batch: Batch) -> CallOutcome:
        """Freeze and decide on an input that an answer put in the place of the one that was asked about."""
        changed = replace(call, input=given, input_hash=input_hash(given))
        again = await self._dispatcher.pre_tool(changed, batch, can_defer=False)
        problem = self.problems(again.call)
        if again.verdict is Verdict.DENY and not problem:
            return again
        if not problem and again.call.input_hash != changed.input_hash:
            problem = "the input was changed after it was allowed"
        if problem:
            again.verdict, again.reason = Verdict.DENY, problem
        return again

    def _note_answer(self, ask: Ask, answer: Resolution | None, by: str) -> None:
        self._around.write(
            AskRecord(
                call=ask.call.id,
                name=ask.call.name,
                input_hash=ask.call.input_hash,
                reason=ask.reason,
                allowed=answer is not None and answer.allow,
                by=by or "host",
                answer=answer.reason if answer is not None else "nobody could be asked",
                remember=answer.remember if answer is not None else "",
                rules=answer.rules if answer is not None else (),
            )
        )

    def _description_of(self, call: ToolCall) -> Callable[[], str] | None:
        preview = self.tools[call.name].preview
        return None if preview is None else partial(_described, preview, dict(call.input), self._around.cwd)

    async def _denied(self, decided: CallOutcome) -> Done:
        reason = decided.reason or f"refused by {decided.by}"
        done = await self._refused(decided.call, reason, OutcomeKind.DENIED, contexts=decided.contexts)
        if decided.stop:
            done.stop = decided.stop_reason or reason
        return done

    async def _refused(
        self, call: ToolCall, reason: str, kind: OutcomeKind, *, contexts: list[tuple[str, str]] | None = None
    ) -> Done:
        result = ToolResult(content=reason, is_error=True)
        done = Done(call, Outcome(kind=kind, result=result, started=False), list(contexts or ()))
        return await self._after(done)

    async def skip(self, call: ToolCall, reason: str) -> Done:
        """Give a call that will not start its result."""
        return await self._refused(call, f"[not run: {reason}]", OutcomeKind.CANCELLED)

    # --- running ---------------------------------------------------------------------------------------

    async def _attempts(
        self, tool: Tool, call: ToolCall, arguments: dict[str, Any], decided: CallOutcome | None
    ) -> Done:
        """Run a call that may run; once more if a post_tool hook wants that."""
        attempt = 1
        while True:
            if decided is not None and decided.result is not None:
                result = ToolResult(content=decided.result)
                outcome = Outcome(OutcomeKind.SUBSTITUTED, result, started=False, attempt=attempt)
            else:
                outcome = await self._one_attempt(tool, call, arguments, attempt)
            done = Done(call, outcome, [] if decided is None else list(decided.contexts), attempts=attempt)
            if decided is not None and decided.stop:
                done.stop = decided.stop_reason or "stopped by a hook"
            if "post_tool" not in self._dispatcher.hooked:
                return done
            again = await self._after_with_retry(done, may_retry=attempt == 1 and outcome.started)
            if not again:
                return done
            self._around.write(
                ToolAttempt(
                    call=call.id,
                    name=call.name,
                    outcome=outcome.kind,
                    attempt=attempt,
                    duration_ms=outcome.duration_ms,
                    output=_as_text(outcome.result),
                    origin=call.origin,
                )
            )
            attempt += 1

    async def _one_attempt(self, tool: Tool, call: ToolCall, arguments: dict[str, Any], attempt: int) -> Outcome:
        if not (tool.read_only and tool.repeatable):
            self._around.write(
                ToolStarted(
                    call=call.id,
                    name=call.name,
                    input=canonical(call.input).decode(),
                    input_hash=call.input_hash,
                    claims=str(self.claims_of(call)),
                    attempt=attempt,
                    repeatable=tool.repeatable,
                    origin=call.origin,
                )
            )
        seconds = tool.timeout or self._timeout
        started = time.perf_counter()
        kind = OutcomeKind.OK
        running = running_call.set(call.id)
        try:
            result = as_result(await self._called(tool, arguments, seconds))
            if result.is_error:
                kind = OutcomeKind.ERROR
        except LateError as late:
            left = "; it does not stop, and was left behind" if late.left else ""
            kind, result = OutcomeKind.TIMEOUT, _error(f"{tool.name} took longer than {seconds:g} s{left}")
        except TimeoutError as error:
            kind, result = OutcomeKind.TIMEOUT, _error(str(error) or f"{tool.name} timed out")
        except ToolError as error:
            kind, result = OutcomeKind.ERROR, _error(str(error))
        except asyncio.CancelledError:
            if not being_cancelled():
                kind, result = OutcomeKind.ERROR, _error(f"{tool.name} cancelled itself")
            else:
                outcome = Outcome(
                    kind=OutcomeKind.CANCELLED,
                    result=_error("[interrupted by the user]"),
                    attempt=attempt,
                    duration_ms=(time.perf_counter() - started) * 1e3,
                )
                raise Interrupted(Done(call, outcome, attempts=attempt), told=False) from None
        except BaseException as error:  # a tool's SystemExit too: it must not end the host
            pass_on(error)
            kind, result = OutcomeKind.ERROR, _error(f"{tool.name} failed: {describe(error)}")
        finally:
            running_call.reset(running)
        content = result.content
        if type(content) is str and len(content) > (tool.max_output or self._limit):
            result = replace(result, content=self._cut_long(call, content, tool.max_output or self._limit))
        return trusted(
            Outcome,
            {
                "kind": kind,
                "result": result,
                "started": True,
                "attempt": attempt,
                "duration_ms": (time.perf_counter() - started) * 1e3,
            },
        )

    def _called(self, tool: Tool, arguments: dict[str, Any], seconds: float) -> Awaitable[Any]:
        """Return what a tool gives back within *seconds*; a plain `def` runs in a thread. Raises LateError."""
        if tool.wants_ctx:
            arguments["ctx"] = self._around.ctx(tool.owner)
        if tool.is_async:
            return within(seconds, tool.function(**arguments))
        return within(seconds, self._threads.run(lambda: tool.function(**arguments)))

    def _cut_long(self, call: ToolCall, text: str, limit: int) -> str:
        """Return head and tail of a long output for the model; all of it goes into a file."""
        path = self._around.spill(call.id, text)
        self._around.write(Spilled(call=call.id, path=str(path), characters=len(text)))
        head, tail = text[: limit * 2 // 3], text[-(limit // 3) :]
        middle = f"\n\n[... {len(text) - len(head) - len(tail):,} characters left out; all of it is in {path} ...]\n\n"
        return head + middle + tail

    # --- after -----------------------------------------------------------------------------------------

    async def _after(self, done: Done) -> Done:
        if "post_tool" in self._dispatcher.hooked:
            await self._after_with_retry(done, may_retry=False)
        return done

    async def _after_with_retry(self, done: Done, *, may_retry: bool) -> bool:
        """Let post_tool patch the outcome; True if it shall be tried once more."""
        assert done.outcome is not None
        try:
            patched = await self._dispatcher.post_tool(done.call, done.outcome)
        except asyncio.CancelledError:
            if done.outcome.started:
                # Who would have redacted the output may not have come to it: it is withheld.
                text = f"[the tool ended ({done.outcome.kind}), then the user interrupted; its output is withheld]"
                done.outcome = replace(done.outcome, result=_error(text))
            raise Interrupted(done, told=True) from None
        if patched.retry and may_retry:
            return True
        done.outcome = patched.outcome
        done.contexts += patched.contexts
        if patched.stop and done.stop is None:
            done.stop = patched.stop_reason or "stopped by a hook"
        return False

    async def finish(self, call: ToolCall, cancelled: asyncio.CancelledError) -> Done:
        """Return what became of a call that was cancelled, wherever it stood; post_tool is told if it was not yet."""
        try:
            if not isinstance(cancelled, Interrupted):
                return await self.skip(call, "interrupted by the user")
            return cancelled.done if cancelled.told else await self._after(cancelled.done)
        except Interrupted as again:  # cancelled a second time; the caller raises the first anyway
            return again.done


class Interrupted(asyncio.CancelledError):
    """A call was cancelled while it ran, or while post_tool looked at it (`told`); `done` is what became of it."""

    def __init__(self, done: Done, *, told: bool) -> None:
        self.done = done
        self.told = told
        super().__init__()


def _described(preview: Preview, given: dict[str, Any], cwd: Path) -> str:
    """Return what a tool says a call would change; nothing where it cannot: the question is asked all the same."""
    try:
        return preview(given, cwd)
    except BaseException as error:
        pass_on(error)
        return ""


def _copied(given: dict[str, Any]) -> dict[str, Any]:
    """Return an input of the call's own: what a hook does to it does not change the message."""
    return {key: value if type(value) in PLAIN else deepcopy(value) for key, value in given.items()}


def _error(text: str) -> ToolResult:
    return ToolResult(content=text, is_error=True)


def as_result(value: Any) -> ToolResult:
    """Return what a tool's function gave back as a ToolResult: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return ToolResult(content=value, data=value)
    if isinstance(value, ToolResult):
        if not isinstance(value.content, str | tuple):
            raise ToolError(f"the tool gave back a ToolResult whose content is {type(value.content).__name__}")
        return value
    if value is None:
        return ToolResult(content="(no output)")
    if hasattr(type(value), "model_dump_json"):  # a model of pydantic's, or of ours
        return ToolResult(content=value.model_dump_json(), data=value.model_dump(mode="json"))
    try:
        text = to_json(value).decode()
    except (ValueError, TypeError) as error:
        raise ToolError(f"the tool gave back something without a JSON: {error}") from None
    return ToolResult(content=text, data=value)


def _as_text(result: ToolResult) -> str:
    if isinstance(result.content, str):
        return result.content
    return "".join(block.text for block in result.content if isinstance(block, TextBlock))


def sendable(content: str | tuple[ResultPart, ...]) -> str | tuple[ResultPart, ...]:
    """Return a tool's output as the API takes it: without blank text, and whole characters only."""
    if isinstance(content, str):
        if not content or content.isspace():
            return "(no output)"
        return content if content.isascii() else whole(content)
    parts = tuple(
        [
            TextBlock(text=whole(part.text)) if isinstance(part, TextBlock) else part
            for part in content
            if not isinstance(part, TextBlock) or part.text.strip()
        ]
    )
    return parts or "(no output)"


TOOL_ONLY = (Origin.TOOL,)


def origins_of(call: ToolCall, result: ToolResult) -> tuple[Origin, ...]:
    """Return the labels of a tool's output; labels only grow."""
    if call.name.startswith("mcp__"):
        return tuple(sorted({Origin.TOOL, Origin.MCP, *result.origins}))
    return tuple(sorted({Origin.TOOL, *result.origins})) if result.origins else TOOL_ONLY
