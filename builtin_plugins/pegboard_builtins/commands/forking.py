"""Files that say `context: fork`: a sub-agent does what they say, and only its report comes into the conversation."""

from __future__ import annotations

from pegboard.context import Ctx
from pegboard.errors import PegboardError
from pegboard.messages import TextBlock, ToolResult
from pegboard_builtins.commands.places import Found, short

AGENT = "Agent"
FORK = "fork"


def forks(one: Found) -> bool:
    """Whether a sub-agent does what a file says. Raises MarkdownError."""
    return one.content.head.text("context").strip().lower() == FORK


async def done_apart(one: Found, text: str, model: str, ctx: Ctx) -> ToolResult:
    """Let a sub-agent do what a file says, and return its report. Raises PegboardError where there is none to do it."""
    if AGENT not in ctx.tools:
        raise PegboardError(f"it says `context: fork`, and the tool {AGENT}, which would do it, is not in this session")
    given = {"description": short(one.description or one.name, 100), "prompt": text}
    kind = one.content.head.text("agent").strip()
    if kind:
        given["subagent_type"] = kind
    if model:
        given["model"] = model
    return await ctx.invoke(AGENT, given)


def words_of(result: ToolResult) -> str:
    """Return the text of a report."""
    if isinstance(result.content, str):
        return result.content
    return "\n".join(block.text for block in result.content if isinstance(block, TextBlock))
