"""`pegboard chat`: a conversation in the terminal."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import app as command_line
from pegboard._cli.session_options import (
    AgentOption,
    AllowOption,
    ContinueOption,
    DenyOption,
    EffortOption,
    FlagOption,
    LockedOption,
    MaxCostOption,
    ModelOption,
    ModeOption,
    PluginDirOption,
    ResumeOption,
    WorktreeOption,
    check_options,
)
from pegboard._cli.words import Wanted

if TYPE_CHECKING:
    from pegboard._cli.chat.shapes import Face
    from pegboard._cli.chat.talk import Talk
    from pegboard.host import Host

NO_TERMINAL = "chat is for a terminal; in a pipe or a script use: pegboard run PROMPT"


def chat(
    prompt: Annotated[str | None, typer.Argument(help="What to begin with.")] = None,
    model: ModelOption = "",
    resume: ResumeOption = "",
    continue_: ContinueOption = False,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Model requests of a turn at most.")] = None,
    max_time: Annotated[float | None, typer.Option(min=0.001, help="Seconds of a turn at most.")] = None,
    max_cost: MaxCostOption = None,
    mode: ModeOption = "",
    effort: EffortOption = "",
    allow: AllowOption = None,
    deny: DenyOption = None,
    flag: FlagOption = None,
    settings: Annotated[
        str,
        typer.Option("--settings", metavar="JSON|FILE", help="Settings for this chat, as for `run`."),
    ] = "",
    agent: AgentOption = "",
    worktree: WorktreeOption = "",
    plugin_dir: PluginDirOption = None,
    locked: LockedOption = False,
    trust_project_hooks: Annotated[
        bool, typer.Option("--trust-project-hooks", help="Let this project's hooks run without consent, in this chat.")
    ] = False,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Lines alone: for screen readers and bare terminals."),
    ] = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Talk with the agent in this terminal.

    What it does is shown as it happens; you are asked about what no rule allows. /help shows commands and keys.
    """
    need_terminal()
    check_options(mode, flag, effort, worktree=worktree, again=bool(resume) or continue_)
    wanted = Wanted(
        prompt=prompt,
        model=model,
        resume=resume,
        continue_=continue_,
        max_steps=max_steps,
        max_time=max_time,
        max_cost=max_cost,
        mode=mode,
        effort=effort,
        allow=tuple(allow or ()),
        deny=tuple(deny or ()),
        flag=tuple(flag or ()),
        settings=settings,
        agent=agent,
        worktree=worktree,
        plugin_dir=tuple(plugin_dir or ()),
        trust_project_hooks=trust_project_hooks,
        locked=locked,
        cwd=cwd,
    )
    asyncio.run(hold_chat(wanted, plain=plain or is_bare()))


def need_terminal() -> None:
    """Say what a pipe takes instead, and end. Raises typer.Exit."""
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        print(f"error: {NO_TERMINAL}", file=sys.stderr)
        raise typer.Exit(2)


def is_bare() -> bool:
    """Whether the terminal takes lines alone."""
    return os.environ.get("TERM", "dumb") in ("dumb", "unknown", "")


async def hold_chat(
    wanted: Wanted,
    *,
    plain: bool,
    entry_points: Iterable[Any] | None = None,
    changed: Callable[[], Sequence[str]] | None = None,
) -> None:
    """Talk until the person leaves.

    *entry_points* replaces what is installed, *changed* names the plugins that are to be reloaded.
    """
    from pegboard._cli.chat.asking import HumanAnswer
    from pegboard._cli.chat.talk import Talk
    from pegboard._cli.running import host_for, options_for

    talk, human = Talk(options_for(wanted, interactive=True, stream=True)), HumanAnswer()
    warnings: list[str] = []
    opening = host_for(
        wanted, command_line.no_plugins, warnings.append, plugins=[("chat", human)], entry_points=entry_points
    )
    async with opening as host:
        talk.host = host
        if changed is not None:
            talk.changed = changed
        talk.face = human.face = _face(talk, host, plain=plain)
        session = (
            host.resume(wanted.resume or None, talk.options, show=talk.show)
            if wanted.resume or wanted.continue_
            else host.session(talk.options, show=talk.show)
        )
        for text in warnings:
            talk.face.say(text, "warning")
        gc.freeze()
        gc.enable()
        await talk.run(session, wanted.prompt or "")
    if talk.last_words:
        print(talk.last_words)


def _face(talk: Talk, host: Host, *, plain: bool) -> Face:
    if plain:
        from pegboard._cli.chat.plain import Plain

        return Plain(talk, host.cwd)
    from pegboard._cli.chat.history import TypedHistory
    from pegboard._cli.chat.terminal import Terminal

    return Terminal(talk, TypedHistory(host.store.folder_of(host.cwd) / "typed"), host.cwd)
