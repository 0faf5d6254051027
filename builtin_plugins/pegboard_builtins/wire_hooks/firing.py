"""One event from its input to its outcome: choose, run side by side, read, merge, and a journal record of it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from pegboard.context import Ctx
from pegboard.decisions import Verdict
from pegboard.errors import PegboardError
from pegboard.flags import Ramp
from pegboard_builtins.wire_hooks.choose import Choice, RampOf, choose, in_full
from pegboard_builtins.wire_hooks.events import EVENTS, EventRow
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.inputs import Given
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.load import HookTable
from pegboard_builtins.wire_hooks.merge import Heard, Together, merge
from pegboard_builtins.wire_hooks.parse import Said, read

KEPT_OF_AN_OUTPUT = 4_000
KEPT_PAYLOAD = 64 * 1024
"""Characters in a journal record; what is longer lies in a file that the record names."""
PROCESS_LIKE = frozenset({HandlerType.COMMAND})


class Told(Protocol):
    """An event: an input model, or one as somebody gave it."""

    @property
    def hook_event_name(self) -> str: ...

    def line(self) -> bytes: ...


class Runs(Protocol):
    """What runs handlers: the service of `open_runners`."""

    async def run(self, handler: Handler, job: Job) -> RawResult: ...


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
    together: Together = field(default_factory=Together)
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
    ramp: RampOf = in_full
    detach: Detach | None = None
    starting: Callable[[Handler], None] | None = None
    """Told of each handler that is about to run."""
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
    fired = Fired(row, payload=event.line())
    facts = event.facts if isinstance(event, Given) else from_json(fired.payload)
    for choice in choose(table.of(row.name), row, facts, place.ramp):
        if choice.matches:
            fired.ran.append(Ran(choice))
        else:
            fired.passed_over.append(choice)
    running = [one for one in fired.ran if one.choice.runs]
    if running:
        firing = _Firing(fired, facts, place, await runners(), background)
        for wave in _waves(running):
            await firing.run(wave)
        await firing.check_again()
    fired.together = merge(row, fired.heard)
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
            await self._one(wave[0])
            return
        tasks = [asyncio.create_task(self._one(one), name=f"hook {one.choice.handler.id}") for one in wave]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # each ends its own process before it ends
            raise

    async def _one(self, one: Ran) -> None:
        handler = one.choice.handler
        if self._place.starting is not None:
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
        return Job(
            event=self._fired.row.name,
            line=self._line,
            facts=self._facts,
            cwd=place.cwd,
            project=place.project,
            seconds=seconds,
            session_id=place.session_id,
            env_file=place.env_file,
            environment=place.environment,
            ctx=place.ctx,
            scrub=bool(switches.get("scrub_environment")),
            allowed_urls=switches.get("allowed_urls"),
            allowed_variables=switches.get("allowed_variables"),
            detach=place.detach,
        )

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
    passed = ctx.emit(f"hook.{handler.type}", job.line)
    if passed is job.line:
        return job
    line = passed.encode() if isinstance(passed, str) else passed
    return replace(job, line=line, facts=from_json(line))


# --- the record ----------------------------------------------------------------------------------------


def record_of(fired: Fired, subject: str, spill: Callable[[str], Path]) -> dict[str, Any]:
    """Return the journal's record of an event: a DeclaredHooks as values. *spill* saves what is too long for a line."""
    together = fired.together
    outcome, by, reason = came_to(fired)
    payload = fired.payload.decode().rstrip("\n")
    large = len(payload) > KEPT_PAYLOAD
    return {
        "event": fired.row.name,
        "subject": subject,
        "payload": "" if large else payload,
        "payload_file": str(spill(payload)) if large else "",
        "rows": [_row(one, together, spill) for one in fired.ran],
        "outcome": outcome,
        "winner": by.id if by is not None else "",
        "reason": reason,
    }


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
        "kind": handler.type.value,
        "where": f"{handler.where.file}:{handler.where.line}" if handler.where.line else handler.where.file,
        "status": said.status if said is not None else one.choice.status,
    }
    if raw is None or said is None:
        facts["problem"] = one.choice.why
        return facts
    cut = [str(path) for path in raw.cut]
    outputs = {}
    for name, text in (("stdout", raw.stdout), ("stderr", raw.stderr)):
        if len(text) > KEPT_OF_AN_OUTPUT:
            if not raw.cut:
                cut.append(str(spill(text)))
            text = text[:KEPT_OF_AN_OUTPUT]
        outputs[name] = text
    facts["ms"] = round(raw.milliseconds, 3)
    facts["exit"] = raw.exit if handler.type in PROCESS_LIKE and not raw.timed_out and not raw.error else None
    facts["verdict"] = said.word
    facts["reason"] = said.reason or said.stop_reason
    facts["effect"] = _effect(handler, said, together) if one.counts else f"held: {one.choice.held}"
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
