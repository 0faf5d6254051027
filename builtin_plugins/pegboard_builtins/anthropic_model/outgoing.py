"""A Request in the words of the Messages API."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from pegboard.messages import Message, RedactedThinkingBlock, ThinkingBlock, ToolReferenceBlock, ToolResultBlock
from pegboard.requests import Request
from pegboard_builtins.anthropic_model.settings import PREFIX

COUNTED_PARAMS = ("output_config", "speed", "thinking")
SENT_PARAMS = (
    *COUNTED_PARAMS,
    "container",
    "diagnostics",
    "inference_geo",
    "metadata",
    "service_tier",
    "stop_sequences",
)
OUR_PARAMS = ("betas", "count_tokens", "effort", "no_replay", "tool_choice")
"""Read here or by other plugins, not passed on as they are."""

CACHE_POINT = {"type": "ephemeral"}
MAX_CACHE_POINTS = 4


class Wires:
    """Messages in the API's words, as bytes: each made once, and kept as long as somebody holds the message.

    A request has the whole conversation in it, of which all but the end was in the one before.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[Message], bytes]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, messages: Sequence[Message], anchors: frozenset[int], deferred: frozenset[str]) -> bytes:
        """Return the list of messages, as JSON."""
        kept = self._kept
        sent = []
        for index, message in enumerate(messages[:]):
            found = kept.get(id(message)) if index not in anchors else None
            sent.append(found[1] if found is not None else self._made(message, index in anchors, deferred))
        return b"[%b]" % b",".join(filter(None, sent))

    def _made(self, message: Message, anchor: bool, deferred: frozenset[str]) -> bytes:
        said = _sent(message, anchor, deferred)
        made = b"" if said is None else to_json(said)
        if not anchor and not _refers(message):
            key, kept = id(message), self._kept
            kept[key] = weakref.ref(message, lambda _: kept.pop(key, None)), made
        return made


def to_send(request: Request, wires: Wires) -> bytes:
    """Return the body of a request for an answer, as a stream."""
    before, anchors, deferred, after = _parts(request)
    after |= {**_given(request, SENT_PARAMS), "max_tokens": request.max_tokens, "stream": True}
    messages = wires.of(request.messages, anchors, deferred)
    return b'%b,"messages":%b,%b' % (to_json(before)[:-1], messages, to_json(after)[1:])


def to_count(request: Request) -> dict[str, Any]:
    """Return the arguments of `messages.count_tokens`."""
    before, anchors, deferred, after = _parts(request)
    sent = [_sent(message, index in anchors, deferred) for index, message in enumerate(request.messages)]
    return {**before, "messages": [message for message in sent if message is not None], **after}


def _parts(request: Request) -> tuple[dict[str, Any], frozenset[int], frozenset[str], dict[str, Any]]:
    """Return what stands before the messages, which of them are anchors, which tools are deferred, and what follows."""
    before: dict[str, Any] = {"model": request.model.removeprefix(PREFIX)}
    tools, system = _tools(request), _system(request)
    if tools:
        before["tools"] = tools
        choice = _tool_choice(request)
        if choice is not None:
            before["tool_choice"] = choice
    if system:
        before["system"] = system
    anchors = _anchors(request, MAX_CACHE_POINTS - bool(tools) - bool(system))
    deferred = frozenset(tool.name for tool in request.tools if tool.deferred)
    return before, anchors, deferred, _given(request, COUNTED_PARAMS)


def unknown_params(request: Request) -> list[str]:
    """Return the parameters that are not passed on, because the API does not know them."""
    return sorted(request.params.keys() - {*SENT_PARAMS, *OUR_PARAMS})


def betas(request: Request, settled: Sequence[str]) -> dict[str, str]:
    """Return the header that asks for beta features: the settings' and the request's own."""
    names = [*dict.fromkeys((*settled, *request.params.get("betas", ())))]
    return {"anthropic-beta": ",".join(names)} if names else {}


def _given(request: Request, names: Sequence[str]) -> dict[str, Any]:
    given = {name: request.params[name] for name in names if request.params.get(name) is not None}
    effort = request.params.get("effort")
    return {**given, "output_config": {"effort": effort, **given.get("output_config", {})}} if effort else given


def _tools(request: Request) -> list[dict[str, Any]]:
    tools = [tool.model_dump(mode="json") for tool in request.tools]
    for tool in reversed(tools):
        if not tool.pop("deferred", False):
            tool["cache_control"] = CACHE_POINT
            break
        tool["defer_loading"] = True  # it stands where a reference names it; the API caches nothing of it here
    return tools


def _system(request: Request) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text} for text in request.system if text.strip()]
    if blocks:
        blocks[-1]["cache_control"] = CACHE_POINT
    return blocks


def _anchors(request: Request, room: int) -> frozenset[int]:
    """Return where the conversation is cached: the last of the request's anchors, as many as there is room for."""
    count = len(request.messages)
    places = sorted({index % count for index in request.anchors if -count <= index < count})
    return frozenset(places[-room:])


def _with_references(wire: dict[str, Any], deferred: frozenset[str]) -> dict[str, Any]:
    """Leave only references to tools that the API takes out of the list for them; name the others in words.

    Since a compaction those that were asked for before it are tools like all others, and a server may be gone.
    """
    for block in wire["content"]:
        if block["type"] == "tool_result" and isinstance(block["content"], list):
            block["content"] = [
                part
                if part["type"] != "tool_reference" or part["tool_name"] in deferred
                else {"type": "text", "text": f"[the tool {part['tool_name']}]"}
                for part in block["content"]
            ]
    return wire


def _sent(message: Message, anchor: bool, deferred: frozenset[str]) -> dict[str, Any] | None:
    """Return a message as it is sent; None if nothing of it is."""
    wire = _with_references(message.wire(), deferred)
    blocks = [
        block
        for block, known in zip(wire["content"], message.content, strict=True)
        # Reasoning without a signature is another model's, or was cut off: the API would refuse it.
        if not (isinstance(known, ThinkingBlock) and not known.signature)
    ]
    if not blocks:
        return None
    if anchor and not isinstance(message.content[-1], ThinkingBlock | RedactedThinkingBlock):
        blocks[-1]["cache_control"] = CACHE_POINT
    return {"role": wire["role"], "content": blocks}


def _refers(message: Message) -> bool:
    """Whether it names tools that are sent in words once they are not deferred any more, and otherwise by reference."""
    return any(
        isinstance(part, ToolReferenceBlock)
        for block in message.content
        if isinstance(block, ToolResultBlock) and not isinstance(block.content, str)
        for part in block.content
    )


def _tool_choice(request: Request) -> dict[str, Any] | None:
    """Express the subset of tools without touching their definitions, where the API can; the host refuses the rest."""
    given: dict[str, Any] | None = request.params.get("tool_choice")
    if given is not None or request.allowed_tools is None:
        return given
    allowed = [tool.name for tool in request.tools if tool.name in request.allowed_tools]
    if not allowed:
        return {"type": "none"}
    return None
