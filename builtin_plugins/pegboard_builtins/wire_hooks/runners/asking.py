"""What handlers that ask a model or a tool share: the event in a text, a verdict out of one, and no circles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pydantic_core import from_json, to_json

from pegboard.context import Ctx
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job, RawResult

ARGUMENTS = re.compile(r"\\\$|\$ARGUMENTS")
PATH = re.compile(r"\$\{([A-Za-z_][\w-]*(?:\.[\w-]+)*)\}")
FENCED = re.compile(r"```[a-zA-Z]*\s*\n(.*?)```", re.DOTALL)
NO_SESSION = "it needs a session, and there is none here: it asks through the session's model or tools"

_asking: ContextVar[tuple[str, ...]] = ContextVar("pegboard_hooks_asking", default=())


@contextmanager
def asking(handler: Handler) -> Iterator[bool]:
    """Mark that *handler* asks now; whether it may: not while a hook of these kinds is asking already.

    What an agent hook reads, or an MCP hook calls, is a tool call, and hooks are fired for it. Those that would ask
    again stay silent there, else each answer would need another one first.
    """
    if _asking.get():
        yield False
        return
    token = _asking.set((handler.id,))
    try:
        yield True
    finally:
        _asking.reset(token)


def with_arguments(prompt: str, line: bytes) -> str:
    """Return a prompt with the event in place of `$ARGUMENTS`, or after it; `\\$` stands for a dollar sign."""
    event = line.decode().rstrip("\n")
    placed = False

    def value(match: re.Match[str]) -> str:
        nonlocal placed
        if match[0] == "\\$":
            return "$"
        placed = True
        return event

    text = ARGUMENTS.sub(value, prompt)
    return text if placed else f"{text}\n\nARGUMENTS: {event}"


def substituted(value: Any, facts: Mapping[str, Any]) -> Any:
    """Return *value* with each `${path.to.field}` in its texts replaced by what the event has there.

    Objects become their JSON, what is missing the empty text.
    """
    if isinstance(value, str):
        return PATH.sub(lambda match: _at(facts, match[1]), value)
    if isinstance(value, Mapping):
        return {key: substituted(inner, facts) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [substituted(inner, facts) for inner in value]
    return value


def _at(facts: Any, path: str) -> str:
    for part in path.split("."):
        if isinstance(facts, Mapping) and part in facts:
            facts = facts[part]
        elif isinstance(facts, list | tuple) and part.isdigit() and int(part) < len(facts):
            facts = facts[int(part)]
        else:
            return ""
    return facts if isinstance(facts, str) else to_json(facts).decode()


def model_name(handler: Handler, ctx: Ctx) -> str | None:
    """Return the handler's model with the session's prefix, unless it has its own; None for the session's model."""
    if not handler.model or ":" in handler.model:
        return handler.model or None
    return f"{ctx.model_name.partition(':')[0]}:{handler.model}"


def verdict_in(text: str) -> dict[str, Any] | None:
    """Return the verdict that a model wrote: a JSON object, alone, in a fence, or within other words; else None."""
    candidates = [text.strip(), *FENCED.findall(text)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    for candidate in candidates:
        try:
            found = from_json(candidate)
        except ValueError:
            continue
        verdict = as_verdict(found)
        if verdict is not None:
            return verdict
    return None


def as_verdict(found: Any) -> dict[str, Any] | None:
    """Return `{ok, reason, impossible}` of an object that has a true or false `ok`; None for any other."""
    if not isinstance(found, dict) or not isinstance(found.get("ok"), bool):
        return None
    reason = found.get("reason")
    return {
        "ok": found["ok"],
        "reason": reason if isinstance(reason, str) else "" if reason is None else json.dumps(reason),
        "impossible": found.get("impossible") is True,
    }


def no_session() -> RawResult:
    """Return the result of a handler that was fired without a session."""
    return RawResult(exit=None, error=NO_SESSION)


def may_ask_models(ctx: Ctx) -> bool:
    """Return whether handlers may ask a model in this session."""
    return bool(ctx.flags["hooks.ask_models"])


def switched_off() -> RawResult:
    """Return the result of a handler that may ask no model."""
    return RawResult(exit=None, error="no model is asked: the flag hooks.ask_models is off")


def silent(job: Job) -> RawResult:
    """Return the result of a handler that stays silent because a hook is asking already."""
    return RawResult(note=f"not asked: this {job.event} is the doing of a hook that asks")
