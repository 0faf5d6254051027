"""The declared hooks of one session: its table, what runs in the background, and firing with all that belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from pegboard.context import Ctx
from pegboard.errors import PegboardError, SettingsError
from pegboard.flags import Ramp, ramp_of
from pegboard.records import HooksBrought
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.firing import Fired, Place, Ran, Told, fire, record_of, run_one
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.load import Brought, HookTable, Standing
from pegboard_builtins.wire_hooks.parse import NOTHING, Said, capped, read_late
from pegboard_builtins.wire_hooks.payloads import Always
from pegboard_builtins.wire_hooks.sources import plugin_at, read_table
from pegboard_builtins.wire_hooks.watch import Watch, is_wanted

WITH_ENV_FILE = frozenset({"SessionStart", "Setup", "CwdChanged", "FileChanged"})
LIFECYCLE = frozenset(
    {
        "SessionStart",
        "Setup",
        "SessionEnd",
        "SubagentStart",
        "UserPromptExpansion",
        "StopFailure",
        "Notification",
        "InstructionsLoaded",
        "MessageDisplay",
        "PermissionDenied",
        "ConfigChange",
        "CwdChanged",
        "DirectoryAdded",
        "FileChanged",
        "PostCompact",
        "TaskCreated",
        "TaskCompleted",
        "PreModelSwitch",
        "PostModelSwitch",
        "Elicitation",
        "ElicitationResult",
        "WorktreeCreate",
        "WorktreeRemove",
    }
)
"""Events that hang from the host's `lifecycle`; the others have a hook of their own."""
SERVICE = "wire_hooks"
SPENT = "spent"
"""The key of our state: the ids of handlers that say `once` and have run."""
BACKGROUND_GRACE = 1.0
"""Seconds that hooks in the background have at a session's end: what tells somebody that it is over must come to it."""
ENV_FILE = "env.sh"
"""Its name in the session's folder; the shell tool sources the same file."""


class HookSession:
    """Fires declared hooks for one session. `waiting` holds what background hooks want the model to know."""

    def __init__(self, ctx: Ctx, table: HookTable) -> None:
        self.ctx = ctx
        self.table = table
        self.always = Always(ctx)
        self.waiting: list[str] = []
        self.watch: Watch | None = None
        self.above: HookSession | None = None
        self._closed = False
        self._runs: Any = None
        self._last_place: Place | None = None
        self._events_of: HookTable | None = None
        self._events: frozenset[str] = frozenset()
        self._background: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()
        self._doubted: set[str] = set()
        self._brought: dict[str, Brought] = {}

    # --- the table -------------------------------------------------------------------------------------

    @classmethod
    def open(cls, ctx: Ctx) -> HookSession:
        """Read what is declared for a session's project."""
        return cls(ctx, read_table(ctx.all_settings, ctx.project, ctx.consented))

    @classmethod
    def without_hooks(cls, ctx: Ctx) -> HookSession:
        """Return those of a project that declared none as this turn began, with its switches: others may bring some."""
        made = cls.open(ctx)
        made.table = replace(made.table, entries=())
        return made

    def below(self, ctx: Ctx) -> HookSession:
        """Return the hooks of a sub-agent: the very same ones, whatever was written since this turn began.

        What runs in the background goes on when the sub-agent has ended, and what it says then is told here.
        """
        made = HookSession.of_agent(ctx, self.table)
        made.above = self
        made._told, made._doubted, made._background = self._told, self._doubted, self._background
        return made

    @classmethod
    def of_agent(cls, ctx: Ctx, table: HookTable) -> HookSession:
        """Return the hooks of a sub-agent: those of a table, and those that its own definition brings."""
        brief = ctx.brief
        if brief is None or not brief.hooks:
            return cls(ctx, table)
        made = cls(ctx, table)
        made.bring(Brought(f"agent:{brief.kind}", brief.hooks, brief.source))
        return made

    def bring_those_of(self, event: HooksBrought) -> None:
        """Let the hooks of a skill hold from now on."""
        plugin = plugin_at(event.folder, self.ctx.all_settings) if event.folder else None
        self.bring(Brought(event.by, event.hooks, event.file, plugin, once=True))

    def bring(self, brought: Brought) -> None:
        """Add hooks at the end; what the same one brought before goes."""
        last = self._brought.get(brought.by)
        if last == brought:
            return
        self._brought[brought.by] = brought
        if last is not None:
            entries = tuple(one for one in self.table.entries if one.handler.where.file != last.path)
            self.table = replace(self.table, entries=entries)
        self._add(brought)

    def _add(self, brought: Brought) -> None:
        entries, problems = brought.beside(self.table, in_agent=bool(self.ctx.parents))
        for problem in problems:
            self.tell(str(problem))
        self.table = replace(self.table, entries=(*self.table.entries, *entries))

    def reload(self) -> bool:
        """Read it again, at the start of a turn; False where a ConfigChange hook refuses or is yet to be asked."""
        if self.watch is not None and not self.watch.may_reload():
            return False
        table = read_table(self.ctx.all_settings, self.ctx.project, self.ctx.consented)
        if table.broken and not self.table.broken:
            # Half written, say. A guard must not be gone because somebody is about to save its file.
            for problem in table.problems:
                self.tell(f"{problem} The hooks of the last turn still hold.")
            return True
        self.table = table
        for brought in self._brought.values():
            self._add(brought)
        self.tell_of_the_table()
        self.watch_files()
        return True

    def watch_files(self) -> None:
        """Begin to watch files, if a hook wants to be told of any; go on with those that are wanted now."""
        if self.watch is not None:
            self.watch.look_again()
        elif is_wanted(self.table):
            self.watch = Watch(self.ctx, lambda: self.table)
            self.watch.start()

    @property
    def may_tell_later(self) -> bool:
        """Whether any hook is a program: each may go on by itself, and what comes of it later must reach the model."""
        return any(handler.type is HandlerType.COMMAND for handler in self.table.active)

    def events(self) -> frozenset[str]:
        """Return the events for which anything is declared, whether it counts or not."""
        if self._events_of is not self.table:
            self._events_of = self.table
            self._events = frozenset(entry.handler.event for entry in self.table.entries)
        return self._events

    def tell_of_the_table(self) -> None:
        """Tell once what is wrong with the files, and what waits for consent."""
        for problem in self.table.problems:
            self.tell(str(problem))
        untrusted = [e.handler.id for e in self.table.entries if e.standing is Standing.UNTRUSTED]
        if untrusted:
            some = ", ".join(untrusted[:3]) + (" ..." if len(untrusted) > 3 else "")
            self.tell(
                f"{len(untrusted)} hook(s) of this project do not run, because nobody consented to them as they are "
                f"now ({some}). `pegboard trust` shows them and asks."
            )

    def tell(self, text: str, level: str = "warning") -> None:
        """Tell the person something; the same thing only once."""
        if text not in self._told:
            self._told.add(text)
            self.ctx.notice(text, level=level)

    # --- firing ----------------------------------------------------------------------------------------

    async def fire(self, event: Told, subject: str = "") -> Fired:
        """Fire an event, write its record, tell what went wrong."""
        name = event.hook_event_name
        fired = await fire(self.table, event, self._place(name), self._runners, self._start)
        if not fired.ran:
            return fired
        self.ctx.record(record_of(fired, subject, lambda text: self.spill(subject or name, text)))
        for one in fired.ran:
            if one.said is None or one.said is NOTHING:
                continue
            if one.said.signal and one.counts:
                self._signal(one.said)
            if one.said.problem or one.said.inert:
                self._complain(fired, one.choice.handler, one.said.problem, one.said.inert)
            if not one.counts:
                self._keep_in_shadow(fired, one, subject)
        for handler, text in fired.together.messages:
            self.ctx.notice(f"{self._named(fired, handler)} says: {self.cut(text)}", level="info")
        return fired

    def _place(self, event: str) -> Place:
        last, ctx, switches = self._last_place, self.ctx, self.table.switches
        cwd, environment = ctx.cwd, ctx.child_environment()
        if (
            last is None
            or last.cwd is not cwd
            or last.environment != environment
            or last.switches is not switches
            or last.runs is not self._runs
        ):
            last = self._last_place = Place(
                cwd=cwd,
                project=ctx.project,
                session_id=ctx.parents[0] if ctx.parents else ctx.session_id,
                ctx=ctx,
                switches=switches,
                environment=environment,
                runs=self._runs,
                ramp=self._ramp,
                first_time=self._first_time,
                starting=self._starting,
                alone=not ctx.interactive,
                detach=self._detach,
            )
        return replace(last, env_file=self._env_file()) if event in WITH_ENV_FILE else last

    def _ramp(self, handler: Handler) -> Ramp:
        """Return how far a handler counts; one that hangs from a flag that nobody declared counts in full, loudly."""
        try:
            if handler.flag and not self.ctx.flags.boolean(handler.flag):
                return Ramp.OFF
            return ramp_of(self.ctx.flags, handler.ramp) if handler.ramp else Ramp.ENFORCE
        except SettingsError as error:
            self.tell(f"the hook {handler.id} hangs from a flag that is wrong, so it counts in full: {error}")
            return Ramp.ENFORCE

    def _first_time(self, handler: Handler) -> bool:
        """Whether a handler that says `once` has not yet run in this session or one of its sub-agents; now it has."""
        shared = self.ctx.shared
        spent = shared.get(SPENT, [])
        if handler.id in spent:
            return False
        shared[SPENT] = [*spent, handler.id]
        return True

    def _starting(self, handler: Handler) -> None:
        if handler.status_message:
            self.ctx.notice(handler.status_message, level="info")

    def _env_file(self) -> Path:
        folder = self.ctx.transcript.with_suffix("")  # one for a session and its sub-agents
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / ENV_FILE

    async def _runners(self) -> Any:
        if self._runs is None:
            self._runs = await self.ctx.service(SERVICE)
        return self._runs

    def _signal(self, said: Said) -> None:
        if not self.ctx.signal(said.signal):
            said.inert += ("its terminalSequence is no title, notification or bell (OSC 0, 1, 2, 9, 99, 777, BEL)",)

    def _complain(self, fired: Fired, handler: Handler, problem: str, inert: tuple[str, ...]) -> None:
        if problem:
            self.tell(f"{fired.row.name} hook error: [{handler.label:.200}] {problem} ({handler.id})")
        if inert and handler.id not in self._doubted:
            self._doubted.add(handler.id)
            text = "; ".join(inert)
            self.tell(f"the hook {handler.id} may not do what it means to: {text}. `pegboard hooks check` tells more.")

    def _keep_in_shadow(self, fired: Fired, one: Ran, subject: str) -> None:
        """Journal what a held hook would have decided."""
        said, handler = one.said, one.choice.handler
        assert said is not None
        if said.word:
            warn = one.choice.held is Ramp.WARN
            point, by = fired.row.name, handler.id
            self.ctx.shadow(point, subject, said.word, said.reason, flag=handler.ramp, by=by, warn=warn)

    def _named(self, fired: Fired, handler: Handler) -> str:
        matched = fired.row.matches
        return f"{fired.row.name}:{handler.matcher}" if matched and handler.matcher else fired.row.name

    def spill(self, name: str, text: str) -> Path:
        """Save a long text beside the journal."""
        return self.ctx.spill(f"hook-{name}", text)

    def cut(self, text: str) -> str:
        """Return a text as it may go on: long ones lie in a file."""
        return capped(text, lambda whole: self.spill("output", whole))

    # --- in the background -----------------------------------------------------------------------------

    def _start(self, handler: Handler, job: Job) -> None:
        self._detach(handler, self._run_behind(handler, job))

    def _detach(self, handler: Handler, work: Coroutine[Any, Any, RawResult]) -> None:
        task = asyncio.get_running_loop().create_task(self._take_late(handler, work), name=f"hook {handler.id}")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _run_behind(self, handler: Handler, job: Job) -> RawResult:
        return await run_one(await self._runners(), handler, job)

    async def _take_late(self, handler: Handler, work: Coroutine[Any, Any, RawResult]) -> None:
        """Take what a hook said that nobody waited for: context and message reach the model, nothing else counts."""
        raw = await work
        said = read_late(EVENTS[handler.event], handler, raw)
        here = self._still_open()
        for text in (said.context, said.message):
            if text:
                here.waiting.append(here.cut(text))
        if handler.rewake and raw.exit == 2:
            words = raw.stderr.strip() or raw.stdout.strip()
            here.waiting.append(here.cut(f"{handler.rewake_message}\n{words}".strip()))
        if said.signal:
            self._signal(said)
        if said.problem and raw.exit != 2:
            here.tell(f"{handler.event} hook error: [{handler.label:.200}] {said.problem} ({handler.id})")

    def _still_open(self) -> HookSession:
        """Return who can still be told: a sub-agent's session ends before the one that started it."""
        return self.above._still_open() if self._closed and self.above is not None else self

    def take_waiting(self) -> str:
        """Return what background hooks left for the model since the last time."""
        texts, self.waiting = self.waiting, []
        return "\n".join(texts)

    async def close(self) -> None:
        """End what still runs: a hook in the background does not outlive the session that a person runs."""
        self._closed = True
        if self.above is not None:
            return
        if self.watch is not None:
            await self.watch.close()
        if self._background:
            await asyncio.wait(self._background, timeout=BACKGROUND_GRACE)
        if self._runs is not None:
            await self._runs.end_session(self.ctx.session_id)
        await asyncio.sleep(0)  # a task that is cancelled before its first step would not end its process
        tasks = list(self._background)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=3.0)
            try:
                self.ctx.notice(f"{len(tasks)} hook(s) in the background were ended with the session", level="info")
            except PegboardError:
                pass  # the journal is closed already
