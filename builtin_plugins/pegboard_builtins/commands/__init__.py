"""Commands and skills: files that a person sends as `/NAME words`, and that the model may load when it needs them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pegboard.context import Ailment, Ctx, Registry, Wanted
from pegboard.decisions import Answer, PromptDecision
from pegboard.declares import Declares
from pegboard.hookspecs import hookimpl
from pegboard.records import Event, SessionStart, SkillsChanged
from pegboard.requests import Purpose, RequestDraft, RequestPatch
from pegboard_builtins.commands.bringing import IN_USE, bring_again
from pegboard_builtins.commands.places import SKILL_PLACES
from pegboard_builtins.commands.sending import counts, offered, send, settings_of, shelf_of
from pegboard_builtins.commands.settings import CommandSettings
from pegboard_builtins.commands.skills import LISTED, list_of, section_of, skill, skills_of

declares = Declares(permissions=["rewrite", "approve", "context", "invoke"])

READ_AGAIN = frozenset({"startup", "clear", "compact"})

__all__ = ["lifecycle", "prepare_request", "prompt_submit", "register", "skill"]


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[commands]`, offer prompts by name, say what wants consent."""
    registry.settings(CommandSettings)

    def wanted(project: Path) -> Iterable[Wanted]:
        from pegboard_builtins.commands.places import shelf, wanted_here

        settings = registry.all_settings().parse("commands", CommandSettings)
        return wanted_here(project, shelf(project, registry.host.config_dir, registry.all_settings(), settings))

    def files_are_well_formed() -> list[Ailment]:
        from pegboard_builtins.commands.health import ailments_of

        return ailments_of(registry)

    registry.add_prompts(offered)
    registry.add_consent(wanted)
    registry.add_health_check("commands and skills", files_are_well_formed)
    registry.add_command(
        "commands", "pegboard_builtins.commands.verbs:app", help="Which commands and skills there are, and from where."
    )


def _no_limit(prompt: str) -> float | None:
    """Wait as long as it takes: lines for the shell have limits of their own, and a person may have to be asked."""
    return None


@hookimpl(rewrites=True, before="*", matcher=r"\A\s*/[A-Za-z0-9]", timeout=_no_limit)
async def prompt_submit(prompt: str, ctx: Ctx) -> PromptDecision | None:
    """Turn `/NAME words` into the prompt that the file holds, before anybody else looks at it."""
    return await send(prompt, ctx)


@hookimpl(matcher="SessionStart|SkillsChanged", where=SKILL_PLACES)
async def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """Look for skills when a session begins, is cleared or was compacted; a resumed one keeps the list it had.

    The hooks that skills have brought hold in it, too.
    """
    if isinstance(event, SkillsChanged) and ctx.turn == 0:  # later its bytes stand in the prompt
        _look(ctx)
    if not isinstance(event, SessionStart):
        return None
    if event.source in READ_AGAIN or LISTED not in ctx.state:
        _look(ctx)
    if event.source not in READ_AGAIN and IN_USE in ctx.state:
        await bring_again(shelf_of(ctx), ctx, counts)
    return None


@hookimpl(where=SKILL_PLACES)
def prepare_request(draft: RequestDraft, ctx: Ctx) -> RequestPatch | None:
    """Tell the model which skills there are, with the same bytes for the whole session."""
    if draft.purpose not in (Purpose.TURN, Purpose.SUBAGENT):
        return None
    if draft.purpose is Purpose.SUBAGENT and skill.name not in draft.tools:
        return None
    if LISTED not in ctx.state:
        _look(ctx)
    text = ctx.state[LISTED]
    return RequestPatch(sections=(section_of(text),)) if text else None


def _look(ctx: Ctx) -> None:
    if not settings_of(ctx).skills:
        ctx.state[LISTED] = ""
        return
    there, waiting = skills_of(ctx)
    ctx.state[LISTED] = list_of(there)
    if waiting:
        names = ", ".join(one.name for one in waiting[:3]) + (" ..." if len(waiting) > 3 else "")
        ctx.notice(
            f"{len(waiting)} skill(s) of this project are not offered, because nobody consented to them as they are "
            f"now ({names}). `pegboard trust` shows them and asks.",
            level="warning",
        )
