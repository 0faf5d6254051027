"""What happens when a person sends `/NAME words`: hooks are asked, rules are granted, the text becomes the prompt."""

from __future__ import annotations

import re
from pathlib import Path

from pegboard.context import Ctx, Prompt
from pegboard.decisions import PromptDecision
from pegboard.errors import PegboardError, did_you_mean, nearest
from pegboard.messages import Origin
from pegboard.output import visible
from pegboard.records import RulesGranted, UserPromptExpansion
from pegboard_builtins.commands.bringing import bring
from pegboard_builtins.commands.expanding import expand, named, reader_of, shell_of
from pegboard_builtins.commands.forking import done_apart, forks
from pegboard_builtins.commands.places import Found, Shelf, shelf, wanted_of
from pegboard_builtins.commands.settings import CommandSettings

TYPED = re.compile(r"\s*/([A-Za-z0-9][\w:.-]*)(?:\s+(.*?))?\s*\Z", re.DOTALL)


def settings_of(ctx: Ctx) -> CommandSettings:
    """Return the plugin's settings."""
    return ctx.settings if isinstance(ctx.settings, CommandSettings) else CommandSettings()


def shelf_of(ctx: Ctx) -> Shelf:
    """Return the commands and skills of a session's project, as they are now."""
    return shelf(ctx.project, ctx.config_dir, ctx.all_settings, settings_of(ctx))


def counts(one: Found, ctx: Ctx) -> bool:
    """Whether a file may be used: the project's own need the user's consent, as they are now."""
    return one.place.origin != "project" or ctx.consented(wanted_of(one, ctx.project))


def offered(ctx: Ctx) -> list[Prompt]:
    """Return what a person can type."""
    found = []
    for one in shelf_of(ctx).found:
        if one.shadowed is not None:
            continue
        try:
            head = one.content.head
            if head.flag("user-invocable", default=True):
                found.append(Prompt(one.name, f"{one.description} ({one.place.origin})", one.hint))
        except PegboardError:
            continue  # whoever types it is told
    return found


async def send(prompt: str, ctx: Ctx) -> PromptDecision | None:
    """Return the prompt that a command stands for; None where nobody has sent one."""
    typed = TYPED.match(prompt)
    if typed is None:
        return None
    name, words = typed[1], typed[2] or ""
    shelved = shelf_of(ctx)
    one = shelved.named(name)
    if one is None:
        return _unknown(name, shelved)
    try:
        return await _sent(one, name, words, prompt, ctx)
    except PegboardError as error:
        return PromptDecision.refuse(f"/{name} ({visible(str(one.path))}): {error}")


def _unknown(name: str, shelved: Shelf) -> PromptDecision | None:
    """Refuse what must be a slip; any other word with a slash before it is for the model."""
    if nearest(name, shelved.names) is None or Path("/", name).exists():
        return None
    return PromptDecision.refuse(f"there is no command /{name}.{did_you_mean(name, shelved.names)}")


async def _sent(one: Found, name: str, words: str, prompt: str, ctx: Ctx) -> PromptDecision:
    content = one.content
    if not content.head.flag("user-invocable", default=True):
        return PromptDecision.refuse(f"/{name} is for the model alone: {visible(str(one.path))} says so")
    if not counts(one, ctx):
        text = f"nobody consented to {visible(str(one.path))} as it is now; `pegboard trust` shows it and asks"
        return PromptDecision.refuse(f"/{name} does not count: {text}")
    event = UserPromptExpansion(command_name=name, command_args=words, command_source=one.source, prompt=prompt)
    for plugin, answer in await ctx.fire(event) or ():
        if answer.block:
            return PromptDecision.refuse(f"{plugin}: {answer.reason}")
    known = variables(one, ctx)
    rules = tuple(named(rule, known) for rule in content.head.words("allowed-tools"))
    if rules:
        await ctx.fire(RulesGranted(rules=rules, by=f"/{name} ({one.path})"))
    made = await expand(content.body, words, known, shell_of(ctx), reader_of(ctx), ctx.cwd)
    if not made.text.strip():
        return PromptDecision.refuse(f"/{name} ({visible(str(one.path))}) says nothing")
    labels = [{"project": Origin.PROJECT, "pack": Origin.HOOK}.get(one.place.origin, Origin.USER)]
    labels += [Origin.TOOL] if made.ran or made.files else []
    model = model_of(one, ctx)
    await bring(one, ctx)
    if forks(one):
        report = await done_apart(one, made.text, model, ctx)
        if report.is_error:
            return PromptDecision.refuse(f"/{name} ({visible(str(one.path))}): {report.text}")
        text = f"A sub-agent has done what `/{name}{' ' if words else ''}{words}` says. Its report:"
        origins = (*labels, Origin.TOOL, Origin.SUBAGENT, *report.origins)
        return PromptDecision(updated_prompt=f"{text}\n\n{report.text}", origins=tuple(dict.fromkeys(origins)))
    return PromptDecision(updated_prompt=made.text, origins=tuple(labels), model=model)


def variables(one: Found, ctx: Ctx) -> dict[str, str]:
    """Return what stands for `${NAME}` in a file."""
    found = {"CLAUDE_PROJECT_DIR": str(ctx.project), "CLAUDE_SESSION_ID": ctx.session_id}
    if one.place.folder is not None:
        found["CLAUDE_PLUGIN_ROOT"] = found["PEGBOARD_PLUGIN_ROOT"] = str(one.place.folder.root)
    if one.is_skill:
        found["CLAUDE_SKILL_DIR"] = str(one.path.parent)
    return found


def model_of(one: Found, ctx: Ctx) -> str:
    """Return the model that a file wants, as this session would name it; empty for the session's own."""
    wanted = one.content.head.text("model").strip()
    found = ctx.model_for(wanted, settings_of(ctx).models)
    if found is not None:
        return found
    ctx.notice(
        f"/{one.name} wants the model {visible(wanted[:80])}; {ctx.model_name or 'none'} is asked, "
        "because [commands] models does not say which that is"
    )
    return ""
