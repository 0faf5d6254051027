"""Calls a Python function with the event."""

from __future__ import annotations

import asyncio
import time
import traceback
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from pegboard import hook
from pegboard.decisions import Decision, Verdict
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.runners.awaiting import LateError, awaited
from pegboard_builtins.wire_hooks.runners.loading import Loaded, NoFunctionError, load
from pegboard_builtins.wire_hooks.runners.threads import InThreads, OverrunError, Watched

QUICK = 0.001
"""Seconds: a plain function that takes less may be called on the loop itself."""
SLOW = 0.01
TRUSTED = 3
"""So many quick answers in a row, and it is called on the loop; one slow one, and it is not any more."""
MOST_TRACE = 20

clock = time.perf_counter


class _Known:
    """A function that was loaded, and how quick it has been."""

    __slots__ = ("handler", "loaded", "project", "quick", "seen")

    def __init__(self, handler: Handler, loaded: Loaded, project: Path, seen: object) -> None:
        self.handler = handler
        self.loaded = loaded
        self.project = project
        self.quick = 0
        self.seen = seen


class FunctionRunner:
    """Runs function handlers.

    A plain `def` first runs in a thread, which is left behind at the deadline. One that has shown itself to be quick
    is called on the loop, where a watcher ends it if it overruns all the same: a thread costs thirty times as much.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, Path], _Known] = {}
        self._latest: dict[str, _Known] = {}
        """By the handler's id alone, for what is called again and again: a path takes long to hash."""
        self._threads = InThreads()
        self._watched = Watched()

    async def run(self, handler: Handler, job: Job) -> RawResult:
        """Call it, for `job.seconds` at most. What it raises is no decision."""
        began = clock()
        known = self._latest.get(handler.id)
        if (
            known is None
            or known.handler is not handler
            or known.project is not job.project
            or known.seen != (job.session_id, job.facts.get("prompt_id"))
        ):
            try:
                known = self._latest[handler.id] = await self._look_again(handler, job)
            except LateError:
                return _late(began, "its module did not load in time")
            except NoFunctionError as none:
                return _failed(began, str(none), "")
            except Exception as error:
                return _failed(began, f"{handler.function} cannot be loaded: {_said(error)}", _trace(error))
        loaded = known.loaded
        try:
            event = _event(job)
            if loaded.is_async:
                answer = await awaited(loaded.function(event), job.seconds)
            elif known.quick >= TRUSTED:
                answer = self._watched.call(loaded.function, event, job.seconds)
                if clock() - began > SLOW:
                    known.quick = 0
            else:
                answer = await self._in_thread(known, event, job.seconds)
            result = RawResult() if answer is None else RawResult(answer=wire(answer, job.event))
        except LateError as late:
            return _late(began, str(late))
        except OverrunError:
            known.quick = 0
            return _late(began, "it was ended")
        except (Exception, SystemExit) as error:  # it must not end the host
            return _failed(began, f"{handler.function} raised {_said(error)}", _trace(error))
        result.milliseconds = (clock() - began) * 1e3
        return result

    async def _look_again(self, handler: Handler, job: Job) -> _Known:
        """Load it, or load it again if its file has changed: once per turn, so that a turn sees one state of it."""
        seen = (job.session_id, job.facts.get("prompt_id"))
        known = self._known.get((handler.id, handler.function, job.project))
        if known is not None and known.handler is handler and known.seen == seen:
            return known
        if known is not None and known.handler == handler and not known.loaded.has_changed:
            known.seen, known.handler, known.project = seen, handler, job.project
            return known
        loading = self._threads.run(lambda: load(handler, job.project))
        if not (await asyncio.wait([loading], timeout=job.seconds))[0]:
            loading.cancel()
            raise LateError
        loaded: Loaded = loading.result()
        known = _Known(handler, loaded, job.project, seen)
        self._known[(handler.id, handler.function, job.project)] = known
        return known

    async def _in_thread(self, known: _Known, event: Any, seconds: float) -> Any:
        function = known.loaded.function
        taken = 0.0

        def call() -> Any:
            nonlocal taken
            began = clock()
            try:
                return function(event)
            finally:
                taken = clock() - began

        future = self._threads.run(call)
        done, _ = await asyncio.wait([future], timeout=seconds)
        if not done:
            known.quick = 0
            future.cancel()
            raise LateError("its thread was left behind")
        known.quick = known.quick + 1 if taken < QUICK else 0
        return future.result()

    async def close(self) -> None:
        """Let the threads end."""
        self._threads.close()
        self._watched.close()


class _Later:
    """The payload of an event, read when the function looks at it. It is its own: nobody else sees what it changes."""

    def __get__(self, event: Any, owner: type | None = None) -> Any:
        raw = event.raw = from_json(event.line_)
        return raw


@cache
def _kind_of(name: str) -> type[hook.Event]:
    """Return the kit's class of an event, but with a payload that is read later."""
    kind = type(hook.event_of({"hook_event_name": name}))
    return type(kind.__name__, (kind,), {"raw": _Later(), "__module__": kind.__module__})


def _event(job: Job) -> hook.Event:
    kind = _kind_of(job.event)
    event = kind.__new__(kind)
    event.name = job.event
    event.line_ = job.line  # type: ignore[attr-defined]  # see _Later
    return event


def wire(answer: Any, event: str) -> dict[str, Any] | None:
    """Return what a function answered as the object that a program would print. Raises TypeError."""
    if answer is None:
        return None
    if isinstance(answer, hook.Answer) or type(answer).__name__ == "Answer":  # also one of a copy of the kit's file
        output: dict[str, Any] = answer.output(event)
        return output
    if isinstance(answer, Decision):
        return of_decision(answer, event)
    if isinstance(answer, dict):
        return answer
    raise TypeError(f"it answered {type(answer).__name__}; answer an Answer, a Decision, a dict of the wire, or None")


def of_decision(decision: Decision, event: str) -> dict[str, Any]:
    """Return a Decision on the wire. Raises TypeError for one that the wire has no words for."""
    if decision.result is not None:
        raise TypeError("a declared hook cannot answer in the tool's place; Decision.substitute is for plugins")
    inside: dict[str, Any] = {}
    outside: dict[str, Any] = {}
    if event == "PreToolUse":
        if decision.verdict is not None:
            inside["permissionDecision"] = str(decision.verdict)
            inside["permissionDecisionReason"] = decision.reason
        if decision.updated_input is not None:
            inside["updatedInput"] = decision.updated_input
    elif decision.verdict is Verdict.DENY:
        outside |= {"decision": "block", "reason": decision.reason}
    elif decision.verdict in (Verdict.ASK, Verdict.DEFER) or decision.updated_input is not None:
        raise TypeError(f"{event} hooks can neither ask, defer nor change the input; PreToolUse hooks can")
    if decision.context:
        inside["additionalContext"] = decision.context
    if decision.stop:
        outside |= {"continue": False, "stopReason": decision.reason}
    if inside:
        outside["hookSpecificOutput"] = {"hookEventName": event, **inside}
    return outside


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error, limit=-MOST_TRACE))


def _failed(began: float, problem: str, trace: str) -> RawResult:
    """A function that broke: exit 1, as a program that raises, which decides nothing."""
    return RawResult(exit=1, stderr=trace or problem, broken=problem, milliseconds=(clock() - began) * 1e3)


def _late(began: float, note: str) -> RawResult:
    return RawResult(exit=None, timed_out=True, note=note, milliseconds=(clock() - began) * 1e3)
