"""ToolSearch: the parameters of tools of which the prompt has only the names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import did_you_mean
from pegboard.messages import ToolReferenceBlock, ToolResult
from pegboard.tools import TOOL_SEARCH, Claims, Tool, tool

SELECT = "select:"
BEST = 5


def _claims(given: object, cwd: object) -> Claims:
    return Claims.write("session:tools")


def _written_out(given: dict[str, Any], cwd: object) -> dict[str, Any]:
    return {"max_results": BEST, **given}


@tool(name=TOOL_SEARCH, read_only=True, repeatable=True, claims=_claims, egress=(), normalise=_written_out)
async def tool_search(
    query: Annotated[
        str,
        Field(
            min_length=1,
            description="`select:NAME,NAME` for tools by name, else words to look for in names and descriptions; "
            "a word with + before it must occur.",
        ),
    ],
    ctx: Ctx,
    max_results: Annotated[int, Field(ge=1, le=50, description="At most so many, the best first.")] = BEST,
) -> ToolResult:
    """Get the definitions of tools of which you know only the names, before you call them.

    The tools that it answers with can be called from then on, like all others.
    """
    hidden = ctx.deferred_tools
    found = _selected(query, ctx.tools) if query.strip().lower().startswith(SELECT) else _best(query, hidden)
    found = found if query.strip().lower().startswith(SELECT) else found[:max_results]
    ctx.offer_tools(*found)
    facts = {"matches": found, "query": query, "total_deferred_tools": len(hidden)}
    if found:
        return ToolResult(content=tuple(ToolReferenceBlock(tool_name=name) for name in found), data=facts)
    return ToolResult(content=_nothing(query, hidden, ctx.tools), data=facts)


def _selected(query: str, tools: Mapping[str, Tool]) -> list[str]:
    """Return the tools that are named; one that is shown already may be named again. Letters' case does not matter."""
    spelled = {name.lower(): name for name in tools}
    wanted = [word.strip().lower() for word in query.strip()[len(SELECT) :].split(",")]
    return list(dict.fromkeys(spelled[word] for word in wanted if word in spelled))


def _best(query: str, hidden: Mapping[str, Tool]) -> list[str]:
    """Return the tools in which most of the words occur; in a name they count for more than in a description."""
    words = query.lower().split()
    must = [word[1:] for word in words if word.startswith("+") and len(word) > 1]
    wanted = [word.removeprefix("+") for word in words if word != "+"]
    scored = []
    for name, one in hidden.items():
        parts = [part for part in re.split(r"[^a-z0-9]+", name.lower()) if part]
        text = one.description.lower()
        if all(word in name.lower() or word in text for word in must):
            score = sum(_worth(word, name.lower(), parts, text) for word in wanted)
            if score:
                scored.append((-score, name))
    return [name for _, name in sorted(scored)]


def _worth(word: str, name: str, parts: list[str], text: str) -> int:
    if word in parts or word == name:
        return 10
    return (5 if word in name else 0) + (2 if word in text else 0)


def _nothing(query: str, hidden: Mapping[str, Tool], tools: Mapping[str, Tool]) -> str:
    if not hidden:
        return "Every tool is shown to you already: nothing is left to be asked for."
    names = query.strip()[len(SELECT) :].split(",") if query.strip().lower().startswith(SELECT) else []
    hint = did_you_mean(names[0].strip(), list(tools)) if names else ""
    return f"No tool fits {query!r}.{hint} {len(hidden)} can be asked for; their names are in your prompt."
