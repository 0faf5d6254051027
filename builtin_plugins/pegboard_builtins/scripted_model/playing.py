"""One request answered from a script: choose the turn, check the request, say the turn or fail as it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pegboard.context import Ctx
from pegboard.errors import ContextOverflowError, ModelError, ScriptError
from pegboard.requests import Purpose, Request, StreamEvent, TextDelta, ThinkingDelta, ToolInputDelta
from pegboard_builtins.scripted_model import MODEL, PREFIX
from pegboard_builtins.scripted_model.expectations import check
from pegboard_builtins.scripted_model.position import CONVERSATIONS, Conversation, Queue
from pegboard_builtins.scripted_model.script import Position, Script, Turn, find_script
from pegboard_builtins.scripted_model.turns import TurnWords

DELTAS = (TextDelta, ThinkingDelta, ToolInputDelta)
MOST_SESSIONS = 10_000
"""Sessions whose place is remembered. A forgotten one is found again in its journal."""

DEFAULT_TEXT = "(a scripted answer: the script has no turn for this purpose)"
_DEFAULT = Turn(TurnWords(text=DEFAULT_TEXT), 0, "default")


class OutOfTurnsError(ScriptError):
    """A request for which the script has no more turns."""

    def __init__(self, script: Script, purpose: Purpose, wanted: int) -> None:
        self.file = script.file
        self.purpose = purpose
        self.wanted = wanted
        self.turns = len([p for p in script.tracks.get(purpose, ()) if p.answer is not None])
        of_purpose = "" if purpose is Purpose.TURN else f' with purpose = "{purpose}"'
        super().__init__(
            f"{script.file}: the script has {self.turns} turns{of_purpose} that answer, and this request wants "
            f"turn {wanted + 1}. Add a [[turn]], or find out why the conversation goes on."
        )


_places: dict[tuple[str, str, str], tuple[Script, Conversation | Queue]] = {}


async def answer(request: Request, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Yield what the script says to *request*. Raises ScriptError, and the ModelError that a turn asks for."""
    script = find_script(request.model[len(PREFIX) :], ctx.project)
    place = _place_of(script, request)
    turn = _choose(script, place, request, ctx)
    chunk_delay = 0.0
    if not turn.plain:
        await _before(turn, request)
        chunk_delay = turn.words.chunk_delay
        if turn.words.error is not None:
            if turn.words.error.broken:
                for event in turn.events[:-1]:
                    yield event
            raise _failure(turn)
    last = turn.events[-1]
    for event in turn.events:
        if chunk_delay and isinstance(event, DELTAS):
            await asyncio.sleep(chunk_delay)
        if event is last:
            place.finish(request)  # before the yield: who has the end of a message need not come back for more
        yield event


async def _before(turn: Turn, request: Request) -> None:
    words = turn.words
    if words.expect is not None:
        check(turn, request)
    if words.delay:
        await asyncio.sleep(words.delay)


def _place_of(script: Script, request: Request) -> Conversation | Queue:
    key = (request.session_id, request.purpose, request.model)
    found = _places.get(key)
    if found is not None and found[0] is script:
        return found[1]
    if script.context_window is not None:
        MODEL.windows[request.model[len(PREFIX) :]] = script.context_window
    place = Conversation() if request.purpose in CONVERSATIONS else Queue()
    if len(_places) >= MOST_SESSIONS:
        del _places[next(iter(_places))]
    _places[key] = (script, place)
    return place


def _choose(script: Script, place: Conversation | Queue, request: Request, ctx: Ctx) -> Turn:
    track = script.tracks.get(request.purpose)
    if track is None and request.purpose is not Purpose.TURN:
        return _DEFAULT
    number = place.take(request, ctx)
    position = track[number] if track is not None and number < len(track) else Position()
    turn = position.answer
    if position.failures:
        failed = place.failed.get(number, 0)
        if failed < len(position.failures):
            place.failed[number] = failed + 1
            turn = position.failures[failed]
    if turn is None:
        raise OutOfTurnsError(script, request.purpose, number)
    script.played.add(turn.number)
    return turn


def _failure(turn: Turn) -> ModelError:
    error = turn.words.error
    assert error is not None
    kind = "the context is too long" if error.overflow else "the stream broke" if error.broken else "the request failed"
    message = error.message or f"scripted: {kind}" + (f" with status {error.status}" if error.status else "")
    return (ContextOverflowError if error.overflow else ModelError)(
        message, status=error.status, retryable=error.may_be_retried, retry_after=error.retry_after
    )
