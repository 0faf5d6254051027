"""One event from its input to its outcome: choose, run side by side, read, merge, and a journal record of it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from pegboard.context import Ctx
from pegboard.decisions import Verdict
from pegboard.errors import PegboardError
from pegboard.flags import Ramp
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.choose import Choice, RampOf, chosen, in_full
from pegboard_builtins.wire_hooks.events import EVENTS, EventRow
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.inputs import Given
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.load import HookTable
from pegboard_builtins.wire_hooks.merge import NOTHING, Heard, Together, merge
from pegboard_builtins.wire_hooks.parse import NOTHING as SAID_NOTHING
from pegboard_builtins.wire_hooks.parse import Said, read

KEPT_OF_AN_OUTPUT = 4_000
KEPT_PAYLOAD = 64 * 1024
"""Characters in a journal record; what is longer lies in a file that the record names."""
PROCESS_LIKE = frozenset({HandlerType.COMMAND})
KINDS = {kind: kind.value for kind in HandlerType}
WAYS_OUT = {kind: f"hook.{kind.value}" for kind in HandlerType}


class Told(Protocol):
    """An event: an input model, or one as somebody gave it."""

    @property
    def hook_event_name(self) -> str: ...

    def line(self) -> bytes: ...


class Runs(Protocol):
    """What runs handlers: the service of `open_runners`."""

    def run(self, handler: Handler, job: Job) -> Coroutine[Any, Any, RawResult]: ...


@dataclass(slots=True)
class Ran:
    """What became of one choice: `raw` and `said` are None where it did not run."""

    choice: Choice
    raw: RawResult | None = None
    said: Said | None = None

    @property
    def counts(self) -> bool:
        """Whether its answer counts: not where a ramp holds it."""
        return self.choice.held is Ramp.ENFORCE


@dataclass(slots=True)
class Fired:
    """One event, fired: every handler that it was for, and what they came to."""

    row: EventRow
    ran: list[Ran] = field(default_factory=list)
    together: Together = field(default_factory=lambda: NOTHING)
    payload: bytes = b""
    passed_over: list[Choice] = field(default_factory=list)
    """Those of the same event that this one is not for."""

    @property
    def heard(self) -> list[Heard]:
        """Those that answered and count, in order."""
        return [Heard(one.choice.handler, one.said) for one in self.ran if one.said is not None and one.counts]


Detach = Callable[[Handler, Coroutine[Any, Any, RawResult]], None]
"""Takes what is left of a program that goes on by itself."""


@dataclass(slots=True)  # not frozen: see Job
class Place:
    """Where and for whom an event is fired: what all jobs of a session share. It is read only."""

    cwd: Path
    project: Path
    session_id: str = ""
    env_file: Path | None = None
    ctx: Ctx | None = None
    switches: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    runs: Runs | None = None
    """What runs handlers, if it is open already."""
    ramp: RampOf = in_full
    detach: Detach | None = None
    starting: Callable[[Handler], None] | None = None
    """Told of each handler that is about to run."""
    first_time: Callable[[Handler], bool] | None = None
    """Asked of each that says `once`; False where it has run already."""
    alone: bool = True
    """Whether no person is there: a hook that would wake the model later is waited for then (hook-behaviour 2.1, 8)."""


Background = Callable[[Handler, Job], None]
"""Takes a handler whose entry says `async`, and its job, and lets it run on its own."""


async def fire(
    table: HookTable,
    event: Told,
    place: Place,
    runners: Callable[[], Awaitable[Runs]],
    background: Background | None = None,
) -> Fired:
    """Fire an event. Raises only for cancellation; whatever a hook does is in the answer."""
    row = EVENTS[event.hook_event_name]
    payload = event.line()
    fired = Fired(row, payload=payload)
    facts = event.facts if isinstance(event, Given) else from_json(payload)
    running = []
    for choice in chosen(table, row, facts, place.ramp):
        status = choice.status
        if status == "no match":
            fired.passed_over.append(choice)
            continue
        one = Ran(choice)
        fired.ran.append(one)
        if status == "run":
            if choice.handler.once and place.first_time is not None and not place.first_time(choice.handler):
                one.choice = replace(choice, status="disabled", why="it has run in this session, and says `once`")
                continue
            running.append(one)
    if not running:
        return fired
    firing = _Firing(fired, facts, place, place.runs or await runners(), background)
    if len(running) == 1:
        await firing.one(running[0])
    else:
        for wave in _waves(running):
            await firing.run(wave)
        await firing.check_again()
    for one in running:
        if one.said is not None and one.said is not SAID_NOTHING:
            fired.together = merge(row, fired.heard)
            break
    return fired


def _waves(running: Sequence[Ran]) -> list[list[Ran]]:
    """Group what runs side by side; a `sequential` handler runs alone, after all before it."""
    waves: list[list[Ran]] = []
    for one in running:
        if waves and not one.choice.handler.sequential and not waves[-1][-1].choice.handler.sequential:
            waves[-1].append(one)
        else:
            waves.append([one])
    return waves


class _Firing:
    def __init__(
        self, fired: Fired, facts: Mapping[str, Any], place: Place, runners: Runs, background: Background | None
    ) -> None:
        self._fired = fired
        self._facts = facts
        self._place = place
        self._runners = runners
        self._background = background
        self._line = fired.payload

    async def run(self, wave: Sequence[Ran]) -> None:
        """Run handlers side by side, and wait for the slowest."""
        if len(wave) == 1:
            await self.one(wave[0])
            return
        tasks = [asyncio.create_task(self.one(one), name=f"hook {one.choice.handler.id}") for one in wave]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # each ends its own process before it ends
            raise

    async def one(self, one: Ran) -> None:
        """Run a handler, and read what it says."""
        handler = one.choice.handler
        if handler.status_message and self._place.starting is not None:
            self._place.starting(handler)
        behind = handler.asynchronous and not (handler.rewake and self._place.alone)
        if behind and self._background is not None:
            self._background(handler, self._job(handler))
            one.choice = replace(one.choice, status="background", why="it runs on its own; its decisions do not count")
            return
        if handler.sequential:
            self._show(merge(self._fired.row, self._fired.heard).updated)
        one.raw = await run_one(self._runners, handler, self._job(handler))
        if one.raw.detached:
            one.choice, one.raw = replace(one.choice, status="background", why=one.raw.note), None
            return
        one.said = read(self._fired.row, handler, one.raw)

    def _job(self, handler: Handler) -> Job:
        place, switches = self._place, self._place.switches
        seconds = handler.timeout if handler.timeout is not None else self._fired.row.seconds_of(handler.type)
        job = Job(self._fired.row.name, self._line, self._facts, place.cwd, place.project, seconds, place.session_id)
        job.env_file, job.environment, job.ctx, job.detach = place.env_file, place.environment, place.ctx, place.detach
        if switches:
            job.scrub = bool(switches.get("scrub_environment"))
            job.allowed_urls = switches.get("allowed_urls")
            job.allowed_variables = switches.get("allowed_variables")
        return job

    def _show(self, updated: dict[str, Any] | None) -> None:
        """Let the handlers that follow see a new input."""
        if updated is not None and updated != self._facts.get("tool_input"):
            self._facts = {**self._facts, "tool_input": updated}
            self._line = to_json(self._facts) + b"\n"

    async def check_again(self) -> None:
        """Fire guards that say `recheck` again, if another hook of the same event changed what they had seen."""
        if not any(one.choice.handler.recheck for one in self._fired.ran):
            return
        together = merge(self._fired.row, self._fired.heard)
        if together.updated is None:
            return
        again = [
            one
            for one in self._fired.ran
            if one.said is not None
            and one.choice.handler.recheck
            and any(rewriter.id != one.choice.handler.id for rewriter in together.rewriters)
        ]
        if not again:
            return
        self._show(together.updated)
        seen = [(one, one.said) for one in again]
        await self.run(again)
        for one, before in seen:
            if one.said is not None and before is not None and before.verdict is Verdict.DENY:
                one.said = before  # what was refused once stays so


async def run_one(runners: Runs, handler: Handler, job: Job) -> RawResult:
    """Run a handler; its payload leaves the host, so the filters see it first."""
    began = time.perf_counter()
    try:
        if job.ctx is not None:
            job = _let_out(handler, job, job.ctx)
        raw = await runners.run(handler, job)
    except PegboardError as error:
        raw = RawResult(error=str(error))
    except Exception as error:  # an error of ours must not look like a decision of theirs
        raw = RawResult(error=f"it could not be run: {type(error).__name__}: {error}")
    raw.milliseconds = raw.milliseconds or (time.perf_counter() - began) * 1e3
    return raw


def _let_out(handler: Handler, job: Job, ctx: Ctx) -> Job:
    """Pass the payload through the filters of its way out. Raises EgressClosedError."""
    passed = ctx.emit(WAYS_OUT[handler.type], job.line)
    if passed is job.line:
        return job
    line = passed.encode() if isinstance(passed, str) else passed
    return replace(job, line=line, facts=from_json(line))


# --- the record ----------------------------------------------------------------------------------------


def record_of(fired: Fired, subject: str, spill: Callable[[str], Path]) -> dict[str, Any]:
    """Return the journal's record of an event: a DeclaredHooks as values, less what is as it is by default.

    *spill* saves what is too long for a line.
    """
    together = fired.together
    payload = fired.payload.decode().rstrip("\n")
    facts: dict[str, Any] = {"event": fired.row.name, "subject": subject}
    if len(payload) > KEPT_PAYLOAD:
        facts["payload_file"] = str(spill(payload))
    else:
        facts["payload"] = payload
    facts["rows"] = [_row(one, together, spill) for one in fired.ran]
    facts["outcome"], by, reason = came_to(fired) if together.spoken else ("none", None, "")
    if by is not None:
        facts["winner"] = by.id
    if reason:
        facts["reason"] = reason
    return facts


def came_to(fired: Fired) -> tuple[str, Handler | None, str]:
    """Return in a word what an event came to, whose doing that was, and the reason.

    `stop` stands above everything but a refusal, as it does when it is carried out.
    """
    together = fired.together
    refused = together.verdict is Verdict.DENY or (together.blocked and fired.row.name == "UserPromptSubmit")
    if together.stop and not refused:
        return "stop", together.stop_by, together.stop_reason or together.reason
    if together.verdict is not None:
        return str(together.verdict), together.winner, together.reason
    return "block" if together.blocked else "none", together.winner, together.reason


def _row(one: Ran, together: Together, spill: Callable[[str], Path]) -> dict[str, Any]:
    """Return a DeclaredRow as values."""
    handler, raw, said = one.choice.handler, one.raw, one.said
    facts: dict[str, Any] = {
        "id": handler.id,
        "kind": KINDS[handler.type],
        "where": f"{handler.where.file}:{handler.where.line}" if handler.where.line else handler.where.file,
        "status": said.status if said is not None else one.choice.status,
    }
    if raw is None or said is None:
        facts["problem"] = one.choice.why
        return facts
    facts["ms"] = round(raw.milliseconds, 3)
    if handler.type in PROCESS_LIKE and not raw.timed_out and not raw.error:
        facts["exit"] = raw.exit
    if not one.counts:
        facts["effect"] = f"held: {one.choice.held}"
    if said is SAID_NOTHING and not raw.cut and len(raw.stdout) <= KEPT_OF_AN_OUTPUT:
        if raw.stdout:
            facts["stdout"] = raw.stdout
        return facts
    cut = [str(path) for path in raw.cut]
    outputs = {}
    for name, text in (("stdout", raw.stdout), ("stderr", raw.stderr)):
        if len(text) > KEPT_OF_AN_OUTPUT:
            if not raw.cut:
                cut.append(str(spill(text)))
            text = text[:KEPT_OF_AN_OUTPUT]
        outputs[name] = text
    if one.counts:
        facts["effect"] = _effect(handler, said, together)
    facts["verdict"] = said.word
    facts["reason"] = said.reason or said.stop_reason
    facts["problem"] = "; ".join(filter(None, [said.problem, *said.inert]))
    facts.update(outputs)
    facts["cut"] = cut
    return facts


def _effect(handler: Handler, said: Said, together: Together) -> str:
    words = []
    if together.winner is handler and (said.verdict is not None or said.block):
        words.append("won")
    elif said.verdict is not None or said.block:
        words.append("kept")
    if said.specific.get("updatedInput"):
        words.append("rewrote" if together.updated_by is handler else "its input was replaced by a later one")
    if said.context or said.text:
        words.append("context")
    if said.stop:
        words.append("stop")
    return ", ".join(words)
