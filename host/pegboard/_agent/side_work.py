"""What is done beside the turn: requests to a model and calls of tools that no answer of the model asked for."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from pydantic_core import to_json

from pegboard._agent.batches import Batched
from pegboard._agent.chokepoints import DEPTH, Done, Invoker, depth
from pegboard._agent.egress import Egress
from pegboard._agent.flagging import FlagOwner, SessionFlags
from pegboard._agent.prompting import Prompting
from pegboard._agent.side import collect
from pegboard._board.dispatch import Dispatcher
from pegboard.errors import ModelError, PegboardError, ToolError
from pegboard.messages import Message, StopReason, Tally, TextBlock, ToolCall, Usage
from pegboard.records import Record, RequestRecord, ResponseRecord, ToolAttempt
from pegboard.requests import ModelAnswer, Purpose, Request, ToolSpec


class SideOwner(FlagOwner, Protocol):
    """What work beside the turn takes from its session."""

    dispatcher: Dispatcher
    invoker: Invoker

    def write(self, record: Record) -> None: ...
    async def after_call(self) -> None: ...


class SideWork:
    """Goes through the same onion and the same hooks as the turn's own work."""

    def __init__(
        self, session: SideOwner, egress: Egress, prompting: Prompting, usage: Tally, flagged: SessionFlags
    ) -> None:
        self._session = session
        self._egress = egress
        self._prompting = prompting
        self._usage = usage
        self._flagged = flagged

    async def ask_model(
        self,
        messages: Sequence[Message] | str,
        *,
        purpose: Purpose,
        model: str | None,
        system: str,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
    ) -> ModelAnswer:
        """Ask a model. Raises ModelError."""
        if depth.get() >= DEPTH:
            raise ModelError(f"models and hooks ask each other {DEPTH} levels deep; this request is refused")
        if isinstance(messages, str):
            messages = [Message(role="user", content=(TextBlock(text=messages),))]
        session = self._session
        request = Request(
            purpose=purpose,
            model=model or session.model_name,
            system=(system,) if system else (),
            tools=tuple(sorted(tools, key=lambda spec: spec.name)),
            messages=list(self._egress.messages(f"model.{purpose}", messages)),
            max_tokens=max_tokens,
            session_id=session.session_id,
            request_id=self._prompting.next_id(),
        )
        session.write(
            RequestRecord(
                request=request.request_id, purpose=purpose, model=request.model, hash="", messages=len(messages)
            )
        )
        level = depth.set(depth.get() + 1)
        try:
            answer = await collect(session.dispatcher.model_call(request))
        except PegboardError as error:
            self._end_request(request, StopReason.ERROR, Usage(), "", str(error))
            raise
        finally:
            depth.reset(level)
        self._end_request(request, answer.stop_reason, answer.usage, answer.text, "")
        return answer

    def _end_request(self, request: Request, stop: str, usage: Usage, text: str, error: str) -> None:
        self._usage.add(usage)
        self._session.write(
            ResponseRecord(request=request.request_id, stop_reason=stop, usage=usage, text=text, error=error)
        )

    async def call(self, name: str, given: dict[str, Any], *, origin: str) -> Done:
        """Call a tool. Raises ToolError where tools and hooks call each other for ever."""
        if depth.get() >= DEPTH:
            raise ToolError(f"tools and hooks call each other {DEPTH} levels deep; the call of {name} is refused")
        session = self._session
        if self._flagged.live:
            self._flagged.heed(session)
        wanted = ToolCall(id=f"side_{uuid.uuid4().hex[:12]}", name=name, input=given, origin=origin)
        prepared = session.invoker.prepare(wanted)
        level = depth.set(depth.get() + 1)
        try:
            done = await session.invoker.invoke(prepared, Batched([prepared]))
        except asyncio.CancelledError as cancelled:
            self._end_call(await session.invoker.finish(prepared, cancelled))
            raise
        finally:
            depth.reset(level)
        if done.outcome is None:
            done = await session.invoker.skip(prepared, "deferred")
        self._end_call(done)
        await session.after_call()
        return done

    def _end_call(self, done: Done) -> None:
        assert done.outcome is not None
        content = done.outcome.result.content
        self._session.write(
            ToolAttempt(
                call=done.call.id,
                name=done.call.name,
                outcome=done.outcome.kind,
                attempt=done.attempts,
                duration_ms=done.outcome.duration_ms,
                output=content if isinstance(content, str) else "[picture or document]",
                origin=done.call.origin,
                input=to_json(done.call.input).decode(),
            )
        )
