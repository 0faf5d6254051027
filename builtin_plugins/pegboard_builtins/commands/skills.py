"""Skills: the model is told their names and what they are for, and loads one when it needs it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import PegboardError, did_you_mean
from pegboard.messages import Origin, ToolResult
from pegboard.output import one_line
from pegboard.requests import Layer, Section, Stability
from pegboard.tools import tool
from pegboard_builtins.commands.bringing import bring
from pegboard_builtins.commands.expanding import expand, reader_of, shell_of
from pegboard_builtins.commands.forking import done_apart, forks
from pegboard_builtins.commands.places import SKILL_PLACES, Found
from pegboard_builtins.commands.sending import counts, model_of, shelf_of, variables

LISTED = "skills"
"""The key of our state: what the prompt was given, byte for byte."""
ALL_TOGETHER = 16_000
"""Characters of the list."""
EACH = 1_024
LAST_RESORT = 24 * 3600.0
"""Seconds: shell lines and sub-agents have limits of their own."""
HEAD = (
    "Skills are instructions for particular kinds of work, kept in files. When one fits what you are asked to do, load "
    "it with the tool Skill before you begin, and follow it. There are:"
)


def skills_of(ctx: Ctx) -> tuple[list[Found], list[Found]]:
    """Return the skills that the model may load, and those that wait for consent."""
    there: list[Found] = []
    waiting: list[Found] = []
    for one in shelf_of(ctx).found:
        if not one.is_skill or one.shadowed is not None or one.second:
            continue
        try:
            if one.content.head.flag("disable-model-invocation", default=False):
                continue
        except PegboardError as error:
            ctx.notice(f"a skill is left out: {error}", level="warning")
            continue
        (there if counts(one, ctx) else waiting).append(one)
    return there, waiting


def list_of(skills: list[Found]) -> str:
    """Return what the model is told; empty where there is no skill."""
    lines: list[str] = []
    size = 0
    for one in skills:
        line = f"- {one.name}: {one_line(one.content.head.text('description') or one.description, EACH)}"
        size += len(line) + 1
        if size > ALL_TOGETHER:
            lines.append(f"- and {len(skills) - len(lines)} more, of which the names are: ")
            lines[-1] = one_line(lines[-1] + ", ".join(x.name for x in skills[len(lines) - 1 :]), 2_000)
            break
        lines.append(line)
    return "\n".join([HEAD, *lines]) if lines else ""


def section_of(text: str) -> Section:
    """Return the prompt's section."""
    return Section(name="skills", text=text, layer=Layer.USER, stability=Stability.SESSION, owner="commands")


@tool(name="Skill", read_only=True, repeatable=False, timeout=LAST_RESORT, egress=(), where=SKILL_PLACES)
async def skill(
    skill: Annotated[str, Field(min_length=1, max_length=200, description="The skill's name, from the list.")],
    ctx: Ctx,
    args: Annotated[str, Field(description="Words for it, if it takes any.")] = "",
) -> ToolResult:
    """Load a skill: instructions for a particular kind of work. They are what this returns; follow them."""
    there, waiting = skills_of(ctx)
    wanted = skill.lstrip("/")
    one = next((x for x in there if wanted in (x.name, x.name.rpartition(":")[2])), None)
    if one is None:
        held = any(x.name == wanted for x in waiting)
        why = " The user has not consented to it." if held else did_you_mean(wanted, [x.name for x in there])
        return ToolResult(f"There is no skill {one_line(wanted, 80)!r}.{why}", is_error=True)
    try:
        made = await expand(one.content.body, args, variables(one, ctx), shell_of(ctx), reader_of(ctx), ctx.cwd)
    except PegboardError as error:
        return ToolResult(f"The skill {one.name} could not be loaded: {error}", is_error=True)
    text = f"The folder of this skill is {one.path.parent}; files that it names lie there.\n\n{made.text}"
    facts = {"success": True, "commandName": one.name}
    origins = (Origin.PROJECT,) if one.place.origin == "project" else ()
    await bring(one, ctx)
    if forks(one):
        try:
            report = await done_apart(one, text, model_of(one, ctx), ctx)
        except PegboardError as error:
            return ToolResult(f"The skill {one.name} could not be done: {error}", is_error=True)
        facts["success"] = not report.is_error
        return ToolResult(report.text, facts, is_error=report.is_error, origins=(*origins, *report.origins))
    return ToolResult(text, data=facts, origins=origins)
