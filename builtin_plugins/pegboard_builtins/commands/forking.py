"""Files that say `context: fork`: a sub-agent does what they say, and only its report comes into the conversation."""

from __future__ import annotations

from pegboard.context import Ctx
from pegboard.errors import PegboardError
from pegboard.messages import ToolResult
from pegboard.output import one_line
from pegboard_builtins.commands.places import Found

AGENT = "Agent"
FORK = "fork"


def forks(one: Found) -> bool:
    """Whether a sub-agent does what a file says. Raises MarkdownError."""
    return one.content.head.text("context").strip().lower() == FORK


async def done_apart(one: Found, text: str, model: str, ctx: Ctx) -> ToolResult:
    """Let a sub-agent do what a file says, and return its report. Raises PegboardError where there is none to do it."""
    if AGENT not in ctx.tools:
        raise PegboardError(f"it says `context: fork`, and the tool {AGENT}, which would do it, is not in this session")
    given = {"description": one_line(one.description or one.name, 100), "prompt": text}
    kind = one.content.head.text("agent").strip()
    if kind:
        given["subagent_type"] = kind
    if model:
        given["model"] = model
    return await ctx.invoke(AGENT, given)
