"""The four records of every step, put together of parts that are encoded once.

Each function returns what `Journal.append` takes: the fields that `Journal.write` would write for the same facts.
A block's JSON is made once and goes into its line, and into the hash of the requests that hold it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from pegboard._agent.journal import encoded
from pegboard.messages import Block, Origin, Usage

_LABELS: dict[tuple[Origin, ...], bytes] = {}


def block_json(block: Block) -> bytes:
    """Return the JSON of a block, as `encoded` does in twice the time: without what is kept beside it."""
    facts = block.__dict__.copy()
    del facts["origins"]
    return encoded(facts)


def request_line(request: str, purpose: str, model: str, digest: str, messages: int) -> bytes:
    """Return the fields of a RequestRecord of a turn."""
    text = f',"request":"{request}","purpose":"{purpose}","model":%b,"hash":"{digest}","messages":{messages}'
    return text.encode() % _quoted(model)


def assistant_line(request: str, model: str, block: bytes) -> bytes:
    """Return the fields of an AssistantLine."""
    name = request.encode()
    return b',"message":{"id":"%b","role":"assistant","model":%b,"content":[%b]},"request":"%b"' % (
        name,
        _quoted(model),
        block,
        name,
    )


def response_line(request: str, stop_reason: str, usage: Usage, facts: dict[str, Any]) -> bytes:
    """Return the fields of a ResponseRecord; *facts* has those that are not always there."""
    fields = {"request": request, "stop_reason": stop_reason, "usage": usage.__dict__, **facts}
    return b"," + encoded(fields)[1:-1]


def user_line(block: Block, content: bytes, kind: str, facts: dict[str, Any]) -> bytes:
    """Return the fields of a UserLine with one block, whose JSON is *content*."""
    return b',"message":{"role":"user","content":[%b]},"kind":"%b","origins":[%b],%b' % (
        content,
        kind.encode(),
        _LABELS.get(block.origins) or _labels(block.origins),
        encoded(facts)[1:-1],
    )


@lru_cache(100)
def _quoted(name: str) -> bytes:
    return to_json(name)


def _labels(origins: tuple[Origin, ...]) -> bytes:
    found = _LABELS[origins] = to_json(origins)
    return found
