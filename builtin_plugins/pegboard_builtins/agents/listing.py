"""What the model is told of the agents that a project has: a list, and for the main thread who it is to be."""

from __future__ import annotations

from pegboard.context import Ctx
from pegboard.output import one_line
from pegboard.requests import Layer, Purpose, RequestDraft, RequestPatch, Section, Stability
from pegboard_builtins.agents.definition import Definition
from pegboard_builtins.agents.running import AGENT, counts, roster_of, tools_of

LISTED = "agents"
"""The key of our state: what the prompt was given, byte for byte."""
ALL_TOGETHER = 12_000
"""Characters of the list."""
EACH = 1_024
FIRST = "pegboard"
"""The host's own section, in whose place the words of a main thread that is an agent stand."""
HEAD = "Beside general-purpose and Explore the tool Agent knows these agents (subagent_type, and when to use it):"


def patch_of(draft: RequestDraft, ctx: Ctx) -> RequestPatch | None:
    """Return the list for who may start agents, and what makes the main thread one."""
    if draft.purpose not in (Purpose.TURN, Purpose.SUBAGENT):
        return None
    sections: tuple[Section, ...] = ()
    tools = None
    if ctx.agent_type and not ctx.agent_id:
        one = roster_of(ctx).named(ctx.agent_type)
        if one is not None and counts(one, ctx):
            sections = (Section(name=FIRST, text=one.system, stability=Stability.SESSION, owner="agents"),)
            tools = tools_of(one, {name: ctx.tools[name] for name in draft.tools if name in ctx.tools})
    if AGENT in (draft.tools if tools is None else tools):
        if LISTED not in ctx.state:
            ctx.state[LISTED] = list_of(ctx)
        if text := ctx.state[LISTED]:
            stable = Stability.SESSION
            sections += (Section(name="agents", text=text, layer=Layer.USER, stability=stable, owner="agents"),)
    return RequestPatch(sections=sections, tools=tools) if sections or tools is not None else None


def list_of(ctx: Ctx) -> str:
    """Return the list; empty where nothing but what is built in is there. Tell of those that nobody consented to."""
    there: list[Definition] = []
    waiting: list[Definition] = []
    for one in roster_of(ctx).found:
        if one.origin != "builtin":
            (there if counts(one, ctx) else waiting).append(one)
    if waiting and not ctx.agent_id:
        names = ", ".join(one.name for one in waiting[:3]) + (" ..." if len(waiting) > 3 else "")
        ctx.notice(
            f"{len(waiting)} agent(s) of this project are not offered, because nobody consented to them as they are "
            f"now ({names}). `pegboard trust` shows them and asks.",
            level="warning",
        )
    lines: list[str] = []
    size = 0
    for place, one in enumerate(there):
        line = f"- {one.name}: {one_line(one.description, EACH)}"
        size += len(line) + 1
        if size > ALL_TOGETHER:
            names = ", ".join(x.name for x in there[place:])
            lines.append(one_line(f"- and {len(there) - place} more, of which the names are: {names}", 2_000))
            break
        lines.append(line)
    return "\n".join([HEAD, *lines]) if lines else ""
