"""`pegboard run`: its options for typer."""

from __future__ import annotations

from typing import Annotated

import typer

from pegboard._cli import app as command_line
from pegboard._cli import running
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
from pegboard._cli.words import Output, Wanted


def run(
    prompt: Annotated[str | None, typer.Argument(help="What to do; read from standard input if absent or '-'.")] = None,
    model: ModelOption = "",
    resume: ResumeOption = "",
    continue_: ContinueOption = False,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Model requests at most.")] = None,
    max_time: Annotated[float | None, typer.Option(min=0.001, help="Seconds at most.")] = None,
    max_cost: MaxCostOption = None,
    mode: ModeOption = "",
    effort: EffortOption = "",
    allow: AllowOption = None,
    deny: DenyOption = None,
    flag: FlagOption = None,
    settings: Annotated[
        str, typer.Option("--settings", metavar="JSON|FILE", help="Settings for this run, TOML or the contract's JSON.")
    ] = "",
    agent: AgentOption = "",
    worktree: WorktreeOption = "",
    plugin_dir: PluginDirOption = None,
    locked: LockedOption = False,
    trust_project_hooks: Annotated[
        bool, typer.Option("--trust-project-hooks", help="Let this project's hooks run without consent, in this run.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="What to print.")] = Output.TEXT,
    init: Annotated[bool, typer.Option("--init", help="Fire Setup (init) first; alone, do only that.")] = False,
    maintenance: Annotated[bool, typer.Option("--maintenance", help="Fire Setup (maintenance) first.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the answer.")] = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Run the agent on a prompt until it is done.

    On a terminal everything is shown as it happens; in a pipe standard output gets the last answer alone.
    Exit codes: 0 done, 1 error, 2 wrong usage, 3 internal error, 4 a limit, 5 blocked, 130 interrupted.
    """
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
        output=output,
        init=init,
        maintenance=maintenance,
        quiet=quiet,
        settings=settings,
        agent=agent,
        worktree=worktree,
        plugin_dir=tuple(plugin_dir or ()),
        trust_project_hooks=trust_project_hooks,
        locked=locked,
        cwd=cwd,
    )
    code = running.run(wanted, command_line.no_plugins)
    if code is None:
        raise typer.BadParameter("there is no prompt: give one, or pipe it in", param_hint="PROMPT")
    raise typer.Exit(code)
