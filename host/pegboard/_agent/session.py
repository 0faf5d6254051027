"""A session: one conversation from its first prompt to its end, over any number of processes."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pegboard import __version__
from pegboard._agent.batches import EMPTY, Batched
from pegboard._agent.chokepoints import Done, Invoker, origins_of, sendable
from pegboard._agent.compacting import Compacting
from pegboard._agent.egress import Egress
from pegboard._agent.ending import tell_end
from pegboard._agent.flagging import SessionFlags
from pegboard._agent.fold import Conversation, MessagesView, Replay
from pegboard._agent.journal import Damage, Journal
from pegboard._agent.lines import assistant_line, block_json, response_line, user_line
from pegboard._agent.loop import Answer, Limits, Port, TurnEnd, run_turn
from pegboard._agent.prompting import Prompting
from pegboard._agent.scheduler import run_calls
from pegboard._agent.serving import Serving
from pegboard._agent.shapes import HostServices, Options, RunResult, check_model, window_of
from pegboard._agent.showing import Screen, Shown
from pegboard._agent.side import Observers, kind_of_failure, reminder
from pegboard._agent.side_work import SideWork
from pegboard._agent.toolbox import STATE as TOOLBOX
from pegboard._agent.toolbox import Toolbox
from pegboard._board.dispatch import Dispatcher
from pegboard._board.plan import Plan
from pegboard.context import AgentBrief, AgentReport, Ctx
from pegboard.decisions import Answer as LifecycleAnswer
from pegboard.declares import Permission
from pegboard.errors import ModelError, PegboardError
from pegboard.messages import (
    Block,
    EndReason,
    Origin,
    StopReason,
    TextBlock,
    ToolCall,
    ToolResultBlock,
    ToolUseBlock,
    Usage,
    total,
    trusted,
    whole,
)
from pegboard.output import clipped, is_signal
from pegboard.records import (
    AssistantLine,
    CwdChanged,
    CwdRecord,
    DirectoryAdded,
    Discarded,
    Event,
    HooksBrought,
    LifecycleRecord,
    MessageDisplay,
    ModelChanged,
    Notice,
    Notification,
    PromptRefused,
    Record,
    ResponseRecord,
    RulesGranted,
    SessionEnded,
    SessionResumed,
    SessionStart,
    SessionStarted,
    Setup,
    StopFailure,
    Titled,
    TurnEnded,
    TurnStarted,
    UserLine,
)
from pegboard.records import TurnEnd as TurnEndEvent
from pegboard.requests import (
    CompactionTrigger,
    ModelNotice,
    Purpose,
    Request,
    Section,
    StreamEvent,
)

LONGEST_NOTICE = 10_000
"""Characters of a notice that are shown; the journal has all of it."""


class Session(Serving):
    """One conversation. `async with` it; then `run`, any number of times.

    *show* is told what a person should see. A session is used from one event loop.
    """

    agent_id = ""
    parents: tuple[str, ...] = ()
    purpose = Purpose.TURN
    brief: AgentBrief | None = None
    kept = ""
    """Where its worktree is, once it was left and something in it was kept."""

    def __init__(
        self,
        host: HostServices,
        *,
        session_id: str,
        path: Path,
        cwd: Path,
        options: Options,
        replay: Replay | None,
        journal: Journal,
        damage: Damage | None = None,
        source: str = "startup",
        show: Callable[[Shown], None] | None = None,
    ) -> None:
        self._host = host
        self.session_id = session_id
        self.path = path
        self.project = cwd
        self.options = options
        self.cancelled = False
        self.interactive = options.interactive
        self.agent_type = options.agent or (replay.agent if replay is not None else "")
        self._damage = damage
        self._source = source
        self._journal = journal
        self._replay = replay or Replay()
        self.worktree = self._replay.worktree or options.worktree
        self.cwd = Path(self._replay.cwd or cwd)
        if replay is not None and replay.project:
            self.project = Path(replay.project)
        self.workspace = Path(self._replay.workspace or self.project)
        settings = host.view.session
        self._settings = settings
        self.mode = options.mode or settings.mode
        self.model_name = options.model or self._replay.model or host.view.model.name
        self._conversation: Conversation = self._replay.conversation
        self._state = self._replay.state
        self._usage = self._replay.usage
        self._turn = self._replay.turn
        self._last_tokens = self._replay.last_tokens
        self._window = window_of(host, self.model_name)
        self._counted_characters = self._replay.counted_characters
        self._ctxs: dict[str, Ctx] = {}
        self._flagged = self._choose_flags(journal)
        self.flags = self._flagged.view
        self.child_environment = self._flagged.child_environment
        self._egress = Egress(host.filters(), self.write, self.ctx)
        self.screen = Screen(show, self._egress, stream=options.stream)
        self.dispatcher = Dispatcher(self._whole_plan(), self, host.watchdog)
        self._toolbox = self._make_toolbox()
        self.invoker = Invoker(
            self,
            self.dispatcher,
            self._toolbox.tools,
            host.threads,
            timeout=settings.tool_timeout,
            output_limit=settings.output_limit,
            can_defer=self._can_defer,
        )
        self.invoker.hint = self._toolbox.hint
        self._prompting = self._make_prompting()
        self._side = SideWork(self, self._egress, self._prompting, self._usage, self._flagged)
        self._steering: deque[tuple[TextBlock, list[tuple[str, str]]]] = deque()
        self._on_their_way: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[TurnEnd] | None = None
        self._turn_ends_at: float | None = None
        self._turn_so_far: list[Usage] = []
        self._turn_text = ""
        self._moved_from: Path | None = None
        self._batch = EMPTY
        self._stop_batch = ""
        self._spent_by_agents: list[Usage] = []
        self._compacting = Compacting(self, self._conversation, self._prompting, self._egress, settings)
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.prompt_id = ""
        self.first_prompt = ""
        self._usual_model = ""
        self._observers: Observers | None = None
        if "event" in self.dispatcher.hooked:
            self._observers = Observers(self.dispatcher.event)
            journal.observe(self.dispatcher.observes, self._observers.tell)

    # --- what a sub-agent has otherwise (see sub_session) ----------------------------------------------

    def _choose_flags(self, journal: Journal) -> SessionFlags:
        return SessionFlags(self._host, self, journal, recorded=self._replay.flags, given=self.options.flags)

    def _whole_plan(self) -> Plan:
        return self._host.plan(self.flags)

    def _make_toolbox(self) -> Toolbox:
        kept = self._replay.state.get("", {}).get(TOOLBOX, {})
        tools = self._host.session_tools(self.flags, self.interactive)
        return Toolbox(self, tools, self._host.tool_sources(self.flags), self._settings, kept)

    def _sections(self) -> tuple[Section, ...]:
        return self._host.session_sections(self.flags, self.workspace)

    def _can_defer(self) -> bool:
        return not self.interactive

    def limits(self) -> Limits:
        """Return the ceilings of a turn."""
        return self.options.limits(self._settings)

    def spent(self) -> float:
        """Return the US dollars that count against the ceiling."""
        return self._usage.cost_usd or 0.0

    @property
    def top(self) -> Session:
        """The session at the top: this one, or for a sub-agent the one that a person runs."""
        return self

    def _start_facts(self) -> dict[str, Any]:
        return {"agent_type": self.agent_type} if self.agent_type else {}

    async def _tell_start(self) -> None:
        past = self._replay
        start = SessionStart(
            source=self._source,
            model=self.model_name,
            title=past.title,
            answered=past.answered,
            tokens=past.last_tokens,
        )
        answers = await self.fire(start)
        self.first_prompt = next((answer.prompt for _, answer in answers if answer.prompt.strip()), "")
        if self._replay.model not in ("", self.model_name):
            from pegboard._agent.switching import told

            await told(self, self._replay.model, "resume", self.fill()[0])

    # --- what requests are made of ---------------------------------------------------------------------

    def _make_prompting(self) -> Prompting:
        model = self._host.view.model
        prompting = Prompting(
            conversation=self._conversation,
            dispatcher=self.dispatcher,
            sections=self._sections(),
            purpose=self.purpose,
            toolbox=self._toolbox,
            window=lambda: self._window,
            model=self.model_name,
            max_tokens=model.max_tokens,
            params={**model.asked, "effort": self.brief.effort} if self.brief and self.brief.effort else model.asked,
            session_id=self.session_id,
            write=self.write,
            append=self._journal.append,
            say=self._say,
            notice=self.notice,
        )
        replay = self._replay
        prompting.restore(replay.system, replay.tools_json, replay.requests, replay.state.get("", {}))
        return prompting

    # --- life ------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Session:
        self._host.watchdog.enter()
        self._loop = asyncio.get_running_loop()
        pid = os.getpid()
        if self._source in ("startup", "clear"):
            self.write(
                SessionStarted(
                    source=self._source,
                    sessionId=self.session_id,
                    cwd=str(self.cwd),
                    project=str(self.project),
                    model=self.model_name,
                    version=__version__,
                    pid=pid,
                    **self._start_facts(),
                )
            )
        else:
            self.write(SessionResumed(cwd=str(self.cwd), model=self.model_name, version=__version__, pid=pid))
        for damaged in self._damage.records() if self._damage else ():
            self.write(damaged)
            kept = f"; what was cut is in {damaged.kept}" if damaged.kept else ""
            self.notice("", f"the journal was damaged ({damaged.where}, {damaged.bytes} bytes){kept}", "warning")
        for request in self._conversation.unfinished_requests:
            self.write(Discarded(request=request, reason="the process ended before the answer did"))
            self._conversation.drop_request(request)
        self._flagged.record()
        plan = self.dispatcher.plan
        if self._replay.stamps:
            from pegboard._agent.comparing import changes

            if changed := changes(self._replay.stamps, plan.stamps.values()):
                self.notice("", f"since this session was last open: {'; '.join(changed)}", "warning")
        if plan.id != self._replay.plan:
            self.write(plan.record(self.flags.snapshot_id))
        if self.worktree:
            await self._enter_worktree()
        for trigger in self.options.setup:
            await self.fire(Setup(trigger=trigger))
        await self._tell_start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self, reason: str = "other") -> None:
        """End the session in good order; it can be resumed."""
        if self._closed:
            return
        self._closed = True
        if self._task is not None and not self._task.done():
            await self.interrupt()
        try:
            await tell_end(self, reason, self._settings.end_budget)
            if self.worktree:
                from pegboard._agent.worktrees import leave

                await leave(self)
            if self.dispatcher.abandoned:
                left = ", ".join(sorted(set(self.dispatcher.abandoned)))
                self.notice("", f"left behind, because they did not end when they were told to: {left}", "warning")
            self.write(SessionEnded(reason=reason))
            if self._observers is not None:
                await self._observers.wait(1.0)
        finally:
            self._shut()

    def _shut(self) -> None:
        self._closed = True
        self._host.watchdog.leave()
        self._egress.close()
        self._journal.close()

    async def _enter_worktree(self) -> None:
        """Work in a checkout of its own from here on. Raises PegboardError, and nothing is left open then."""
        from pegboard._agent.worktrees import enter

        try:
            await enter(self, self.project if self._replay.worktree else self.workspace)
        except BaseException:
            self.write(SessionEnded(reason="other"))
            self._shut()
            raise
        self._prompting.sections = self._sections()

    # --- running ---------------------------------------------------------------------------------------

    async def run(self, prompt: str | None = None) -> RunResult:
        """Run a turn to its end. Without a prompt, go on with a turn that was broken off.

        Never raises for what models, tools and hooks do; raises PegboardError if there is nothing to go on with,
        and JournalError if the journal cannot be written.
        """
        if not self.model_name:
            raise ModelError(
                "no model is chosen: say --model PREFIX:NAME, or set [model] name in the settings. "
                f"Prefixes: {', '.join(self.known_models()) or 'none'}"
            )
        if self.model_name.endswith(":"):
            raise ModelError(f"{self.model_name!r} lacks the model's name: say PREFIX:NAME")
        if self.agent_type and not self.dispatcher.knows_agents():
            raise PegboardError(f"no plugin that takes part here knows what the agent {self.agent_type!r} is")
        self.cancelled = False
        if self.dispatcher.begin_turn():
            self.write(self.dispatcher.plan.record(self.flags.snapshot_id))
        if self._flagged.live:
            self._flagged.heed(self)
        if self._toolbox.sources:
            await self.gather_tools()
            if self.cancelled:
                return self._result(TurnEnd(EndReason.INTERRUPTED, "interrupted before the turn began"))
        if prompt is None:
            return await self._continue()
        self.prompt_id = str(uuid.uuid4())
        await self._settle_orphans(run_them=False)
        outcome = await self.dispatcher.prompt_submit(whole(prompt))
        if self.cancelled:
            return self._result(TurnEnd(EndReason.INTERRUPTED, "interrupted before the prompt was sent"))
        if not outcome.blocked and not outcome.prompt.strip():
            outcome.blocked, outcome.by, outcome.reason = True, "host", "there is nothing in it"
        if outcome.blocked:
            self._refuse_prompt(prompt, outcome.by, outcome.reason)
            return self._result(TurnEnd(EndReason.REFUSED, f"{outcome.by}: {outcome.reason}"))
        self._titled(outcome.title)
        self._turn += 1
        self._begin_turn()
        if outcome.model:
            self._lend_model(outcome.model)
        self._add_user(outcome.words, "prompt")
        for plugin, text in outcome.contexts:
            self._say(text, "context", plugin)
        if outcome.stop:
            end = TurnEnd(EndReason.STOPPED, f"{outcome.stop_by}: {outcome.stop_reason}")
            self._finish_turn(end, time.perf_counter())
            return self._result(end)
        return self._result(await self._turn_task())

    def _refuse_prompt(self, prompt: str, by: str, reason: str) -> None:
        self.write(PromptRefused(prompt=prompt, by=by, reason=reason))
        self.screen.tell("notice", f"the prompt was refused by {by}: {reason}", level="warning")

    def _begin_turn(self) -> None:
        self.prompt_id = self.prompt_id or str(uuid.uuid4())
        self.write(TurnStarted(turn=self._turn, prompt_id=self.prompt_id))
        self._compacting.ineffective = 0
        self.flags.begin_turn()

    async def _continue(self) -> RunResult:
        why_not = self._replay.nothing_to_go_on_with()
        if why_not:
            raise PegboardError(f"there is nothing to go on with: {why_not}")
        if not self._replay.turn_is_open:
            self._turn += 1
            self._begin_turn()
        return self._result(await self._turn_task(continuing=True))

    async def _turn_task(self, *, continuing: bool = False) -> TurnEnd:
        limits = self.limits()
        self._spent_by_agents.clear()
        self._turn_ends_at = None if limits.max_time is None else time.monotonic() + limits.max_time
        steps = self._replay.turn_steps if continuing and self._replay.turn_is_open else 0
        self._turn_so_far, self._turn_text = [], ""
        started = time.perf_counter()
        work = self._one_turn(limits, steps, continuing=continuing)
        self._task = asyncio.create_task(work, name=f"pegboard-turn-{self._turn}")
        timer = None
        if limits.max_time is not None:
            timer = asyncio.get_running_loop().call_later(limits.max_time, self._task.cancel, "wall time")
        try:
            end = await asyncio.shield(self._task)
        except asyncio.CancelledError as cancelled:
            if not self._task.done():
                # Somebody cancels us, not the turn: end it in good order first.
                self.cancelled = True
                self._task.cancel()
                await asyncio.wait([self._task])
                self._finish_turn(self._with_agents(self._interrupted_end(cancelled, limits, steps)), started)
                raise
            end = self._interrupted_end(cancelled, limits, steps)
        finally:
            if timer is not None:
                timer.cancel()
        end = self._with_agents(end)
        self._finish_turn(end, started)
        await self._tell_end(end)
        return end

    def _with_agents(self, end: TurnEnd) -> TurnEnd:
        """Count to a turn what its sub-agents used."""
        if not self._spent_by_agents:
            return end
        return replace(end, usage=total([end.usage, *self._spent_by_agents]))

    async def _tell_end(self, end: TurnEnd) -> None:
        if end.reason is EndReason.ERROR:
            await self.fire(StopFailure(error=kind_of_failure(end.detail, end.status), error_details=end.detail))
            return
        if end.reason is EndReason.DEFERRED:
            message = f"a call waits for a decision ({end.detail}); the session can be resumed"
            await self.fire(Notification(message=message, notification_type="agent_needs_input"))
        await self.fire(TurnEndEvent(reason=end.reason, text=end.text))

    async def _one_turn(self, limits: Limits, steps: int, *, continuing: bool) -> TurnEnd:
        answer = None
        if continuing:
            finished = await self._settle_orphans(run_them=True)
            for one in finished:
                if one.stop is not None:
                    return TurnEnd(EndReason.STOPPED, one.stop, steps=steps)
            deferred = [one.call.id for one in finished if one.outcome is None]
            if deferred:
                return TurnEnd(EndReason.DEFERRED, ", ".join(deferred), steps=steps)
            last = self._conversation.view()[-1]
            if last.role == "assistant":
                if self._replay.stop_reason in (StopReason.INTERRUPTED, StopReason.ERROR):
                    self._say("Your answer was broken off. Go on exactly where it stopped.", "continue", "host")
                else:
                    answer = Answer.of(last.content, self._replay.stop_reason, cut=self._replay.cut)
        return await run_turn(self._port(), limits, turn=self._turn, steps_before=steps, answer=answer)

    def _interrupted_end(self, cancelled: asyncio.CancelledError, limits: Limits, steps_before: int) -> TurnEnd:
        reason, detail = EndReason.INTERRUPTED, "interrupted"
        if "wall time" in cancelled.args or (
            self._turn_ends_at is not None and not self.cancelled and time.monotonic() >= self._turn_ends_at
        ):
            reason, detail = EndReason.WALL_TIME, f"{limits.max_time:g} s"
        so_far = self._turn_so_far
        return TurnEnd(reason, detail, self._turn_text, steps_before + len(so_far), total(so_far))

    def _finish_turn(self, end: TurnEnd, started: float) -> None:
        self._replay.turn_is_open, self._replay.end_reason = False, end.reason
        if self._usual_model:
            self.set_model(self._usual_model)
            self._usual_model = ""
        self.write(
            TurnEnded(
                turn=self._turn,
                reason=end.reason,
                detail=end.detail,
                steps=end.steps,
                usage=end.usage,
                duration_ms=(time.perf_counter() - started) * 1e3,
            )
        )

    def _result(self, end: TurnEnd) -> RunResult:
        text, detail = self._egress.text("text", end.text), self._egress.text("text", end.detail)
        return RunResult(end.reason, text, detail, end.steps, end.usage, self.session_id)

    async def interrupt(self) -> None:
        """End the turn that runs: partial text is kept, running tools are cancelled, the session can go on."""
        self.cancelled = True
        self._toolbox.interrupt()
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    async def steer(self, text: str) -> bool:
        """Send words during a turn; they arrive after the tool call that runs now. False if a hook refused them."""
        if not text.strip():
            return False
        looked_at = asyncio.get_running_loop().create_future()
        self._on_their_way.add(looked_at)
        try:
            return await self._steered(text)
        finally:
            self._on_their_way.discard(looked_at)
            looked_at.set_result(None)

    async def _steered(self, text: str) -> bool:
        outcome = await self.dispatcher.prompt_submit(whole(text))
        if outcome.stop and not outcome.blocked:
            outcome.blocked, outcome.by, outcome.reason = True, outcome.stop_by, outcome.stop_reason
        if outcome.blocked or not outcome.prompt.strip():
            self._refuse_prompt(text, outcome.by or "host", outcome.reason or "there is nothing in it")
            return False
        self._steering.append((outcome.words, outcome.contexts))
        return True

    def take_back(self) -> list[str]:
        """Return words that no turn has taken, and forget them: they came too late, or the turn was interrupted."""
        words = [block.text for block, _ in self._steering]
        self._steering.clear()
        return words

    async def use_model(self, name: str, *, source: str = "sdk") -> None:
        """Ask another model from the next request on; *source* says who wants that ("command", "picker", "sdk").

        Raises ModelError where no plugin answers for it, or a hook refuses.
        """
        from pegboard._agent.switching import switch

        check_model(name, self.known_models())
        await switch(self, name, source)

    def set_model(self, name: str) -> None:
        """Ask another model, whatever hooks would say. Raises ModelError where no plugin answers for it."""
        check_model(name, self.known_models())
        self.model_name = name
        self._prompting.use_model(name)
        self._window = window_of(self._host, name)
        self.write(ModelChanged(model=name))

    def _lend_model(self, name: str) -> None:
        """Ask another model for this turn alone."""
        usual = self.model_name
        try:
            self.set_model(name)
        except ModelError as error:
            self.notice("", f"{usual} is asked: {error}", "warning")
        else:
            self._usual_model = usual

    def use_mode(self, mode: str) -> None:
        """Set the permission mode, which counts from the next call on."""
        self.mode = mode
        self.write(Notice(level="info", text=f"the permission mode is {mode}"))

    async def compact(self, instructions: str = "") -> bool:
        """Make the conversation shorter now (`/compact`); False if nobody could."""
        self.prompt_id = str(uuid.uuid4())  # what a person types is a prompt, too
        return await self._compacting.compact(CompactionTrigger.MANUAL, instructions)

    async def call_user_tool(self, name: str, given: dict[str, Any]) -> Done:
        """Run a tool for the user himself: all hooks see it, the model does not."""
        return await self._side.call(name, given, origin="user")

    # --- what the loop needs ---------------------------------------------------------------------------

    def _port(self) -> Port:
        self._window = window_of(self._host, self.model_name)
        return Port(
            request=self._prompting.build,
            stream=self.dispatcher.model_call,
            keep=self._keep_block,
            end=self._end_request,
            discard=self._discard,
            show=self._show_event,
            run=self._run_calls,
            say=self._say,
            decider=self.dispatcher.step_decider,
            compact=self._compacting.in_turn,
            fill=self.fill,
            spent=self.spent,
            steered=self._take_steering,
            notice=lambda text, level: self.notice("", text, level),
            compact_at=self._settings.compact_at,
            watched=self.screen.on,
            display=self._display if self._holds_text() else None,
        )

    def _holds_text(self) -> bool:
        """Whether text waits for MessageDisplay hooks: whole messages, then, no deltas."""
        self.screen.holds_text = self.dispatcher.listens("MessageDisplay", by_name=True)
        return self.screen.holds_text

    async def _display(self, request: Request, text: str) -> str:
        answers = await self.fire(MessageDisplay(turn=self._turn, message_id=request.request_id, text=text))
        shown = next((answer.display for _, answer in reversed(answers) if answer.display is not None), text)
        self.screen.tell("text", shown)
        self._turn_text = shown
        return shown

    def _keep_block(self, request: Request, block: Block) -> None:
        json = block_json(block)
        self._journal.append(AssistantLine, assistant_line(request.request_id, request.model, json))
        self._conversation.add_assistant(request.request_id, block, json)

    def _end_request(self, request: Request, answer: Answer) -> None:
        usage = answer.usage
        facts: dict[str, Any] = {"first_ms": answer.first_ms, "duration_ms": answer.duration_ms}
        if answer.error:
            facts["error"] = answer.error
        if answer.cut:
            facts["cut"] = answer.cut
        line = response_line(request.request_id, answer.stop_reason, usage, facts)
        self._journal.append(ResponseRecord, line)
        self._conversation.end_request(request.request_id)
        self._usage.add(usage)
        self._turn_so_far.append(usage)
        if answer.text and not self.screen.holds_text:
            self._turn_text = answer.text
        self._replay.stop_reason = answer.stop_reason
        tokens = usage.context_tokens
        if tokens:
            self.counts(tokens)

    def _discard(self, request: Request, reason: str) -> None:
        self.write(Discarded(request=request.request_id, reason=reason))
        self._conversation.drop_request(request.request_id)

    def fill(self) -> tuple[int, int]:
        """Return (tokens of the conversation, tokens of the window): counted by the model, estimated since then."""
        since = max(0, self._conversation.characters - self._counted_characters)
        return self._last_tokens + since // 4, self._window

    async def _run_calls(self, blocks: Sequence[ToolUseBlock]) -> Sequence[Done]:
        done = await self._run_batch(blocks)
        if self._on_their_way:  # words sent before the calls were over, which hooks still look at
            await asyncio.wait(self._on_their_way)
        return done

    async def _run_batch(self, blocks: Sequence[ToolUseBlock]) -> Sequence[Done]:
        self.invoker.allowed = self._prompting.allowed
        self._stop_batch = ""
        self.invoker.alone = len(blocks) == 1
        if len(blocks) == 1:  # nothing that could run beside it, or be held up by it
            call = self.invoker.prepare(blocks[0])
            self._batch = self._batch_of((call,))
            reason = self._hold()
            return (await (self._skip_one(call, reason) if reason else self._run_one(call)),)
        calls = [self.invoker.prepare(block) for block in blocks]
        self._batch = self._batch_of(calls)
        claims = [self.invoker.claims_of(call) for call in calls]
        return await run_calls(
            calls,
            claims,
            self._run_one,
            self._skip_one,
            at_once=self._settings.max_parallel,
            hold=self._hold,
        )

    def _batch_of(self, calls: Sequence[ToolCall]) -> Batched:
        return Batched(calls) if "pre_tool" in self.dispatcher.hooked else EMPTY

    def _hold(self) -> str:
        if self._stop_batch:
            return self._stop_batch
        return "the user has said something new" if self._steering else ""

    async def _run_one(self, call: ToolCall) -> Done:
        if self.screen.on:
            self.screen.call(call)
        if self._flagged.live:
            self._flagged.heed(self)
        try:
            done = await self.invoker.invoke(call, self._batch)
        except asyncio.CancelledError as cancelled:
            self._keep_result(await self.invoker.finish(call, cancelled))
            raise
        if done.stop is not None:
            self._stop_batch = done.stop
        if done.outcome is not None:
            self._keep_result(done)
        if self._moved_from is not None:
            await self.after_call()
        return done

    async def _skip_one(self, call: ToolCall, reason: str) -> Done:
        done = await self.invoker.skip(call, reason)
        self._keep_result(done)
        return done

    def _keep_result(self, done: Done, kind: str = "result") -> None:
        outcome, call = done.outcome, done.call
        assert outcome is not None
        result, call_id = outcome.result, call.id
        block = trusted(
            ToolResultBlock,
            {
                "origins": origins_of(call, result),
                "type": "tool_result",
                "tool_use_id": call_id,
                "content": sendable(result.content),
                "is_error": result.is_error,
            },
        )
        self._add_user(
            block,
            kind,
            tool={
                "id": call_id,
                "name": call.name,
                "outcome": str(outcome.kind),
                "input_hash": call.input_hash,
                "duration_ms": outcome.duration_ms,
                "attempts": done.attempts,
                "started": outcome.started,
            },
        )
        if self.screen.on:
            self.screen.result(done)
        for plugin, text in done.contexts:
            self._say(text, "context", plugin)

    def _take_steering(self) -> bool:
        if not self._steering:
            return False
        while self._steering:
            block, contexts = self._steering.popleft()
            self._add_user(block, "steer")
            self.screen.tell("steer", block.text)
            for plugin, context in contexts:
                self._say(context, "context", plugin)
        return True

    # --- what is added for the model -------------------------------------------------------------------

    def _add_user(self, block: Block, kind: str, *, source: str = "", tool: dict[str, Any] | None = None) -> None:
        """Journal one block for the model, and add it. *tool* has the fields of records.ToolFacts."""
        facts = {"tool": tool} if tool is not None else {"source": source, "isMeta": kind in ("context", "continue")}
        json = block_json(block)
        self._journal.append(UserLine, user_line(block, json, kind, facts))
        self._conversation.add_user(block, json)

    def _say(self, text: str, kind: str, source: str) -> None:
        """Add words of a hook or the host; the API refuses blank ones."""
        if not text.strip():
            return
        origin = Origin.HOST if source == "host" else Origin.HOOK
        block = TextBlock(text=reminder(text), origins=(origin,))
        self._add_user(block, kind, source=source)
        self.screen.tell("context", text, source=source)

    async def _settle_orphans(self, *, run_them: bool) -> list[Done]:
        """Give every call a result: run it, if nothing can have happened yet or it may be repeated."""
        finished = []
        orphans = [(self.invoker.prepare(call), begun) for call, begun in self._replay.orphans]
        self._batch = Batched([call for call, _ in orphans])
        self._stop_batch = ""
        self.invoker.allowed = self._prompting.allowed
        for prepared, begun in orphans:
            tool = self._toolbox.tools.get(prepared.name)
            reads = tool is not None and tool.read_only and tool.repeatable
            harmless = begun is None or begun.get("repeatable") or reads
            if run_them and harmless and not self._stop_batch:
                finished.append(await self._run_one(prepared))
                continue
            if self._stop_batch:
                done = await self.invoker.skip(prepared, self._stop_batch)
            elif begun is None:
                done = await self.invoker.skip(prepared, "the session was interrupted before it began")
            else:
                done = await self.invoker.skip(
                    prepared, "this was left while it ran; what it did is not known. Look before you go on"
                )
            self._keep_result(done, kind="synthesised")
        self._replay.started.clear()
        return finished

    def counts(self, tokens: int) -> None:
        """Take this for the size of the conversation as it stands now."""
        self._last_tokens = tokens
        self._counted_characters = self._conversation.characters

    # --- showing ---------------------------------------------------------------------------------------

    def _show_event(self, event: StreamEvent) -> None:
        if type(event) is ModelNotice:
            if event.restart:
                self.screen.restart()
            self.notice("", event.text, "warning")
        elif self.screen.on:
            self.screen.event(event)

    # --- what plugins may ask for (context.Services, and a dispatcher) ---------------------------------

    def write(self, record: Record) -> None:
        """Write a record to the journal."""
        self._journal.write(record)

    def put(self, kind: type[Record], facts: dict[str, Any]) -> None:
        """Write a record of *kind* with these fields to the journal."""
        self._journal.put(kind, facts)

    def ctx(self, plugin: str) -> Ctx:
        """Return a plugin's Ctx; one per plugin and session."""
        found = self._ctxs.get(plugin)
        if found is None:
            found = self._ctxs[plugin] = Ctx(self, plugin)
            self._egress.watch(found.log)
        return found

    def problems(self, call: ToolCall) -> str:
        """Return what is wrong with a call's input; empty if nothing is."""
        return self.invoker.problems(call)

    def prepare(self, call: ToolCall) -> ToolCall:
        """Return a call as hooks shall see it: normalised and hashed."""
        return self.invoker.prepare(call)

    def known_models(self) -> list[str]:
        """The prefixes that some plugin answers for."""
        return list(self._host.model_infos())

    def notice(self, plugin: str, text: str, level: str = "info") -> None:
        """Tell the person something, and keep it."""
        self.write(Notice(level=level, text=text, plugin=plugin))
        self.screen.tell("notice", clipped(text, LONGEST_NOTICE), level=level, plugin=plugin)

    def signal(self, sequence: str) -> bool:
        """Pass a signal to the terminal of a conversation; False if it is none."""
        if not is_signal(sequence):
            return False
        if self.interactive:
            self.screen.tell("signal", sequence)
        return True

    def pass_notice(self, plugin: str, text: str, level: str) -> None:
        """Show what a sub-agent tells; its own journal has it."""
        self.screen.tell("notice", text, level=level, plugin=plugin)

    async def fire(self, event: Event) -> list[tuple[str, LifecycleAnswer]]:
        """Fire a lifecycle event; context in the answers goes to the model with the next request."""
        if not self.dispatcher.listens(event.name):
            return []
        self.write(LifecycleRecord(event=event.name, facts=event.model_dump_json(exclude={"name"})))
        answers = await self.dispatcher.lifecycle(event)
        for plugin, answer in answers:
            self._titled(answer.title)
            if answer.context:
                self._say(answer.context, "context", plugin)
            if answer.notice:
                self.notice(plugin, answer.notice, "info")
        return answers

    async def run_agent(self, plugin: str, brief: AgentBrief) -> AgentReport:
        """Run a sub-agent for a plugin."""
        self._need(plugin, Permission.MODEL)
        self._need(plugin, Permission.INVOKE)
        return await self._host.run_agent(self, brief)

    def count_agent(self, usage: Usage) -> None:
        """Count what a sub-agent used to this turn."""
        self._spent_by_agents.append(usage)

    async def fire_as(self, plugin: str, event: Event) -> list[tuple[str, LifecycleAnswer]]:
        """Fire an event for a plugin."""
        if isinstance(event, RulesGranted | HooksBrought | DirectoryAdded):
            self._need(plugin, Permission.APPROVE)
        if not isinstance(event, HooksBrought):
            return await self.fire(event)
        self._need(plugin, Permission.REWRITE)
        answers = await self.fire(event)
        if self.dispatcher.ask_again(event.name):  # they hold from now on, not from the next turn
            self.write(self.dispatcher.plan.record(self.flags.snapshot_id))
        return answers

    def _titled(self, title: str) -> None:
        if self._replay.renamed(title):
            self.write(Titled(title=title))
            self.screen.tell("title", title)

    @property
    def broken_off(self) -> bool:
        """Whether the last turn was broken off, so that `run()` without a prompt goes on with it."""
        return self._replay.broken_off

    @property
    def refused(self) -> bool:
        """Whether the last answer was a refusal: that would only be said once more."""
        return self._replay.stop_reason == StopReason.REFUSAL

    @property
    def turn(self) -> int:
        """The number of the turn, 0 before the first."""
        return self._turn

    def time_left(self) -> float | None:
        """Seconds that the turn has left."""
        return None if self._turn_ends_at is None else max(0.0, self._turn_ends_at - time.monotonic())

    def change_folder(self, new: Path) -> None:
        """Move the working folder."""
        if new == self.cwd:
            return
        self._moved_from = self._moved_from or self.cwd
        self.write(CwdRecord(old=str(self.cwd), new=str(new)))
        self.cwd = new

    async def after_call(self) -> None:
        """Fire what a call has brought about beside its result."""
        moved, self._moved_from = self._moved_from, None
        if moved is not None and moved != self.cwd:
            await self.fire(CwdChanged(old_cwd=str(moved), new_cwd=str(self.cwd)))

    def messages(self) -> MessagesView:
        """Return the conversation as it stands."""
        return self._conversation.view()

    @property
    def usage(self) -> Usage:
        """All tokens and dollars of the session."""
        return self._usage.usage()
