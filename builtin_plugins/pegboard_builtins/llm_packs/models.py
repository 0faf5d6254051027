"""Models of a pack, asked as `llm:MODEL`: messages and tools in their words, and what they answer in ours."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

from pegboard.context import Ctx
from pegboard.errors import ModelError, did_you_mean
from pegboard.messages import ImageBlock, Message, StopReason, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from pegboard.requests import BlockDone, ModelDone, ModelStarted, Request, StreamEvent, TextDelta
from pegboard_builtins.llm_packs.finding import Packs

PREFIX = "llm:"
END = object()


def model_named(packs: Packs, name: str) -> Any:
    """Return a model by its id. Raises ModelError."""
    known = {model.model_id: model for pack in packs.found for model in pack.models}
    if name not in known:
        raise ModelError(f"no pack of llm has the model {name!r}.{did_you_mean(name, known)}")
    return known[name]


async def answer(request: Request, packs: Packs, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Ask a model, and yield what it says. Raises ModelError."""
    model = model_named(packs, request.model.removeprefix(PREFIX))
    tools = list(_tools(request)) if model.supports_tools else []
    if request.tools and not tools and request.purpose in ("turn", "subagent"):
        ctx.log.warning("%s cannot call tools", request.model)
    yield ModelStarted(model=request.model)
    response = model.prompt(
        _last_words(request),  # for packs that do not know of `messages` yet, which has all of it
        system="\n\n".join(request.system) or None,
        messages=messages(request),
        tools=tools or None,
        stream=bool(model.can_stream),
        **_options(model, request),
    )
    text = ""
    async for chunk in _chunks(response):
        text += chunk
        yield TextDelta(text=chunk)
    if text:
        yield BlockDone(block=TextBlock(text=text))
    calls = list(response.tool_calls())
    for number, call in enumerate(calls):
        id_ = call.tool_call_id or f"{request.request_id}_{number}"
        yield BlockDone(block=ToolUseBlock(id=id_, name=call.name, input=dict(call.arguments or {})))
    usage = Usage(input_tokens=response.input_tokens or 0, output_tokens=response.output_tokens or 0)
    yield ModelDone(stop_reason=StopReason.TOOL_USE if calls else StopReason.END_TURN, usage=usage)


def _last_words(request: Request) -> str | None:
    last = request.messages[-1].content if request.messages else ()
    return "\n\n".join(block.text for block in last if isinstance(block, TextBlock)) or None


def _options(model: Any, request: Request) -> dict[str, Any]:
    known = getattr(model.Options, "model_fields", {})
    return {"max_tokens": request.max_tokens} if "max_tokens" in known else {}


async def _chunks(response: Iterable[str]) -> AsyncIterator[str]:
    """Read a response in a thread: the library waits where it reads. Who does not want it any more leaves it behind."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Any] = asyncio.Queue()
    gone = threading.Event()

    def put(one: Any) -> None:
        if not gone.is_set():
            loop.call_soon_threadsafe(queue.put_nowait, one)

    def read() -> None:
        try:
            for chunk in response:
                if gone.is_set():
                    return
                put(chunk)
        except (Exception, SystemExit) as error:
            put(error)
        else:
            put(END)

    threading.Thread(target=read, name="pegboard-llm", daemon=True).start()
    try:
        while (one := await queue.get()) is not END:
            if isinstance(one, BaseException):
                raise ModelError(f"{type(one).__name__}: {one}") from one
            if one:
                yield one
    finally:
        gone.set()


def _tools(request: Request) -> Iterable[Any]:
    import llm

    for spec in request.tools:
        if request.allowed_tools is None or spec.name in request.allowed_tools:
            yield llm.Tool(name=spec.name, description=spec.description, input_schema=spec.input_schema)


def messages(request: Request) -> list[Any]:
    """Return a request's conversation in the library's words."""
    from llm.parts import Message as TheirMessage
    from llm.parts import TextPart

    found = [TheirMessage(role="system", parts=[TextPart(text="\n\n".join(request.system))])] if request.system else []
    names: dict[str, str] = {}
    for message in request.messages:
        names.update((block.id, block.name) for block in message.content if isinstance(block, ToolUseBlock))
        found += _in_their_words(message, names)
    return found


def _in_their_words(message: Message, names: dict[str, str]) -> Iterable[Any]:
    """Go through what a message becomes: results of tools are messages of their own."""
    from llm.parts import Message as TheirMessage
    from llm.parts import ToolResultPart

    results = [block for block in message.content if isinstance(block, ToolResultBlock)]
    if results:
        parts: list[Any] = [
            ToolResultPart(
                name=names.get(block.tool_use_id, ""), output=_text(block.content), tool_call_id=block.tool_use_id
            )
            for block in results
        ]
        yield TheirMessage(role="tool", parts=parts)
    others = [part for part in map(_part, message.content) if part is not None]
    if others:
        yield TheirMessage(role=message.role, parts=others)


def _part(block: Any) -> Any:
    import llm
    from llm.parts import AttachmentPart, TextPart, ToolCallPart

    if isinstance(block, TextBlock):
        return TextPart(text=block.text)
    if isinstance(block, ToolUseBlock):
        return ToolCallPart(name=block.name, arguments=block.input, tool_call_id=block.id)
    if isinstance(block, ImageBlock) and block.source.get("type") == "base64":
        content = base64.b64decode(block.source["data"])
        return AttachmentPart(attachment=llm.Attachment(type=block.source.get("media_type"), content=content))
    return None  # reasoning belongs to the model that it is from


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(b.text for b in content if isinstance(b, TextBlock))
