"""A sub-agent: a session of its own below another, with less than that one has and never more."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from pegboard._agent.chokepoints import DEPTH, Done, running_call
from pegboard._agent.flagging import SessionFlags
from pegboard._agent.fold import Replay
from pegboard._agent.journal import Journal
from pegboard._agent.loop import Limits, TurnEnd
from pegboard._agent.session import Session
from pegboard._agent.shapes import Options, check_model
from pegboard._agent.showing import Shown
from pegboard._agent.store import AGENT, AGENTS
from pegboard._agent.toolbox import Toolbox
from pegboard._board.plan import Plan
from pegboard.context import AgentBrief, AgentReport
from pegboard.errors import AgentError, ModelError
from pegboard.messages import Block, EndReason, Origin, Tally, TextBlock, Usage, whole
from pegboard.records import AgentEnded, AgentStarted, SubagentStart
from pegboard.requests import Purpose, Section, Stability

WIDTH = ("plan", "dontAsk", "default", "acceptEdits", "auto", "bypassPermissions")
"""Permission modes, from the one that lets the least run."""
OUT_OF_BAND = frozenset({Origin.USER, Origin.HOST, Origin.HOOK, Origin.MODEL})
"""Labels that a report does not hand on: they say nothing of what the sub-agent has looked at."""
LONGEST_LINE = 120


class _SharedTally(Tally):
    """What a sub-agent uses is used by who started it, too."""

    __slots__ = ("_above",)

    def __init__(self, above: Tally) -> None:
        super().__init__()
        self._above = above

    def add(self, usage: Usage) -> None:
        """Add one request's usage."""
        super().add(usage)
        self._above.add(usage)


class SubSession(Session):
    """The session of one sub-agent. Its plan, flags, tools, mode and limits are those of *above*, or less."""

    purpose = Purpose.SUBAGENT

    def __init__(self, above: Session, brief: AgentBrief, agent_id: str) -> None:
        self._above = above
        self.brief: AgentBrief = brief
        self.agent_id = agent_id
        self.parents = (*above.parents, above.session_id)
        self._call = running_call.get()
        self.calls: list[str] = []
        self.labels: set[Origin] = set()
        self.narrowest = brief.mode
        session_id = f"{AGENT}{agent_id}"
        path = above.folder / AGENTS / f"{session_id}.jsonl"
        journal = Journal(path, fsync=above._settings.fsync)
        try:
            super().__init__(
                above._host,
                session_id=session_id,
                path=path,
                cwd=above.project,
                options=Options(
                    model=brief.model or above.model_name,
                    interactive=above.interactive,
                    agent=brief.kind,
                    worktree=f"agent-{agent_id}" if brief.isolation == "worktree" else "",
                ),
                replay=_past(above),
                journal=journal,
                show=self._pass_on if above.screen.streams else None,
            )
        except BaseException:
            journal.close()
            raise
        if above.dispatcher.quarantined:
            self.dispatcher.quarantined.update(above.dispatcher.quarantined)
            self.dispatcher.use(self._whole_plan())
        self.invoker.asking = above.invoker.asking
        self.prompt_id = above.prompt_id

    # --- what it has of the session above ----------------------------------------------------------------

    @property
    def top(self) -> Session:
        """The session that a person runs."""
        return self._above.top

    @property
    def mode(self) -> str:
        """The permission mode: that of the session above as it is now, or the brief's where that allows less."""
        modes = [self._above.mode, self.narrowest]
        return min((mode for mode in modes if mode in WIDTH), key=WIDTH.index, default=self._above.mode)

    @mode.setter
    def mode(self, mode: str) -> None:
        """Leave it as it is: nobody sets the mode of a sub-agent."""

    def _choose_flags(self, journal: Journal) -> SessionFlags:
        return SessionFlags(self._host, self, journal, above=self._above.flags.snapshot)

    def _whole_plan(self) -> Plan:
        return self._above.dispatcher.whole

    def _make_toolbox(self) -> Toolbox:
        allowed, named = self._above.invoker.allowed, self.brief.tools
        if allowed is not None:
            named = allowed if named is None else tuple(name for name in named if name in allowed)
        return self._above._toolbox.part(self, named)

    def _sections(self) -> tuple[Section, ...]:
        """Return the sections of the prompt: the brief's own words in the place of the host's first one."""
        first, *others = self._host.session_sections(self.flags, self.workspace)
        if self.brief.system.strip():
            first = Section(name=first.name, text=self.brief.system, stability=Stability.SESSION, owner="host")
        return (first, *others)

    def _can_defer(self) -> bool:
        return False  # nobody could take the call up again

    def _holds_text(self) -> bool:
        return False  # nothing that it says is shown

    def limits(self) -> Limits:
        """Return the ceilings of its turn: those of the session above, or lower ones."""
        above, brief = self._above.limits(), self.brief
        times = [one for one in (above.max_time, self._above.time_left(), brief.max_time) if one is not None]
        return Limits(
            max_steps=min(above.max_steps, brief.max_steps or above.max_steps),
            max_time=min(times, default=None),
            max_cost=above.max_cost,
            max_continuations=above.max_continuations,
            no_progress_warn=above.no_progress_warn,
            no_progress_stop=above.no_progress_stop,
        )

    def spent(self) -> float:
        """Return the US dollars that count against the ceiling: those of all together."""
        return self._above.spent()

    # --- what is told --------------------------------------------------------------------------------------

    def _start_facts(self) -> dict[str, Any]:
        return {"parent": self._above.session_id, "agent_id": self.agent_id, "agent_type": self.agent_type}

    async def _tell_start(self) -> None:
        await self.fire(SubagentStart(agent_type=self.agent_type))

    def notice(self, plugin: str, text: str, level: str = "info") -> None:
        """Tell the person something, and keep it here."""
        super().notice(plugin, text, level)
        self._above.pass_notice(plugin, f"{self.agent_type}: {text}", level)

    def pass_notice(self, plugin: str, text: str, level: str) -> None:
        """Show what a sub-agent of this one tells."""
        self._above.pass_notice(plugin, text, level)

    def _pass_on(self, shown: Shown) -> None:
        """Let the person see which tools it calls, below the call that runs it."""
        if shown.kind == "tool" and self._call:
            given = next((str(value) for value in shown.data.get("input", {}).values()), "")
            line = " ".join(f"{shown.text} {given}".split())
            self._above.screen.progress(self._call, f"{line[:LONGEST_LINE]}\n")

    def _add_user(self, block: Block, kind: str, *, source: str = "", tool: dict[str, Any] | None = None) -> None:
        self.labels.update(block.origins)
        super()._add_user(block, kind, source=source, tool=tool)

    async def _run_one(self, call: Any) -> Done:
        self.calls.append(call.name)
        return await super()._run_one(call)

    # --- its work ------------------------------------------------------------------------------------------

    async def work(self) -> TurnEnd:
        """Do what the brief says."""
        self._turn += 1
        self._begin_turn()
        prompt = str(self._above.emit("subagent", self.brief.prompt))
        self._add_user(TextBlock(text=whole(prompt), origins=(Origin.MODEL,)), "prompt")
        return await self._turn_task()

    def report(self, end: TurnEnd, duration_ms: float) -> AgentReport:
        """Return what became of it."""
        return AgentReport(
            agent_id=self.agent_id,
            session_id=self.session_id,
            journal=self.path,
            reason=end.reason,
            text=end.text,
            detail=end.detail,
            steps=end.steps,
            model=self.model_name,
            usage=self.usage,
            duration_ms=duration_ms,
            calls=tuple(self.calls),
            origins=tuple(sorted(self.labels - OUT_OF_BAND)),
            kept=self.kept,
        )


def _past(above: Session) -> Replay:
    """Return what a sub-agent knows of the past: where it is, and whose account it runs on."""
    replay = Replay()
    replay.cwd, replay.project, replay.workspace = str(above.cwd), str(above.project), str(above.workspace)
    replay.usage = _SharedTally(above._usage)
    return replay


async def run_agent(above: Session, brief: AgentBrief) -> AgentReport:
    """Run a sub-agent of *above* to its end. Raises AgentError, and CancelledError once it has ended in good order."""
    if len(above.parents) + 1 >= DEPTH:
        raise AgentError(f"sub-agents start each other {DEPTH} levels deep; this one is refused")
    if not brief.prompt.strip():
        raise AgentError("there is nothing in what the sub-agent is told")
    try:
        check_model(brief.model or above.model_name, above.known_models())
    except ModelError as error:
        raise AgentError(str(error)) from None
    sub = SubSession(above, brief, f"a{uuid.uuid4().hex[:16]}")
    above.write(
        AgentStarted(
            agent=sub.agent_id,
            kind=brief.kind,
            session=sub.session_id,
            journal=str(sub.path),
            call=running_call.get(),
            title=brief.title,
            model=sub.model_name,
        )
    )
    began = time.perf_counter()
    end = TurnEnd(EndReason.INTERRUPTED, "interrupted before it began")
    try:
        try:
            await sub.__aenter__()
            end = await sub.work()
        except asyncio.CancelledError:
            end = TurnEnd(EndReason.INTERRUPTED, "interrupted")
            raise
        finally:
            await sub.close()
    finally:
        report = sub.report(end, (time.perf_counter() - began) * 1e3)
        above.count_agent(report.usage)
        above.write(_ended(report))
    return report


def _ended(report: AgentReport) -> AgentEnded:
    return AgentEnded(
        agent=report.agent_id,
        session=report.session_id,
        journal=str(report.journal),
        reason=report.reason,
        detail=report.detail,
        steps=report.steps,
        calls=len(report.calls),
        usage=report.usage,
        duration_ms=report.duration_ms,
    )
