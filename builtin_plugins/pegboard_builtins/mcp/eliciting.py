"""What a server is answered that asks the person something: hooks may answer, then the person, else nobody did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mcp_types as types

from pegboard.context import Ctx
from pegboard.decisions import Answer
from pegboard.records import Elicitation, ElicitationResult, PersonAsked
from pegboard_builtins.mcp.words import clean, clean_schema

MESSAGE = 2_000
ACTIONS = ("accept", "decline", "cancel")


async def elicited(ctx: Ctx | None, server: str, params: Any) -> types.ElicitResult:
    """Ask the hooks of the session whose call the server works on, then its person; tell hooks what is answered."""
    if ctx is None:
        return types.ElicitResult(action="cancel")
    asked = _event(server, params)
    action, content = _of(await ctx.fire(asked))
    if not action:
        action, content = _of(await ctx.fire(_to_the_person(server, asked)))
    if not action:
        where = f" ({asked.url})" if asked.url else ""
        ctx.notice(f"the MCP server {server!r} asks, and nobody answers it: {asked.message}{where}", level="warning")
        action = "cancel"
    problem = _objection(asked, action, content)
    if problem:
        ctx.notice(f"an answer to the MCP server {server!r} does not fit what it asks: {problem}", level="warning")
        action, content = "cancel", None
    result = ElicitationResult(
        server=server,
        action=action,  # type: ignore[arg-type]  # `_of` has no others
        mode=asked.mode,
        elicitation_id=asked.elicitation_id,
        content=content,
    )
    changed, others = _of(await ctx.fire(result))
    if changed and not _objection(asked, changed, others):
        action, content = changed, others
    return types.ElicitResult(
        action=action,
        content=content if action == "accept" and asked.mode == "form" else None,
    )


def _event(server: str, params: Any) -> Elicitation:
    if getattr(params, "mode", "form") == "url":
        return Elicitation(
            server=server,
            message=clean(params.message, MESSAGE),
            mode="url",
            url=clean(params.url, MESSAGE),
            elicitation_id=clean(params.elicitation_id or "", 200),
        )
    try:
        schema = clean_schema(params.requested_schema)
    except ValueError:
        schema = {}
    return Elicitation(server=server, message=clean(params.message, MESSAGE), requested_schema=schema)


def _to_the_person(server: str, asked: Elicitation) -> PersonAsked:
    return PersonAsked(
        by=f"the MCP server {server!r}",
        message=asked.message,
        mode=asked.mode,
        url=asked.url,
        requested_schema=asked.requested_schema,
    )


def _of(answers: Iterable[tuple[str, Answer]]) -> tuple[str, dict[str, Any] | None]:
    """Return the action that the first hook with one wants, and its content; a block declines for all."""
    found: tuple[str, dict[str, Any] | None] = ("", None)
    for _, answer in answers:
        if answer.block:
            return "decline", None
        if not found[0] and answer.action in ACTIONS:
            found = (answer.action, answer.content or {} if answer.action == "accept" else None)
    return found


def _objection(asked: Elicitation, action: str, content: dict[str, Any] | None) -> str:
    """Return why a content may not be sent: it does not fit the form. Empty if it may."""
    if action != "accept" or asked.mode != "form" or not asked.requested_schema:
        return ""
    from pegboard_builtins.mcp.schemas import checker

    return "; ".join(checker(asked.requested_schema)(content or {}))
