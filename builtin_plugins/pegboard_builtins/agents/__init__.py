"""Sub-agents: the tool Agent, and the files that say what agents there are.

Nothing of this is imported where no agent is defined, until the tool is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pegboard.context import Ailment, Ctx, Registry, Wanted
from pegboard.decisions import PromptDecision
from pegboard.declares import Declares
from pegboard.hookspecs import hookimpl
from pegboard.requests import RequestDraft, RequestPatch
from pegboard_builtins.agents.places import AGENT_PLACES
from pegboard_builtins.agents.running import agent
from pegboard_builtins.agents.settings import AgentSettings

declares = Declares(permissions=["rewrite", "context", "model", "invoke"])

__all__ = ["agent", "prepare_request", "prompt_submit", "register"]


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[agents]`, add the verbs, say what wants consent."""
    registry.settings(AgentSettings)

    def wanted(project: Path) -> Iterable[Wanted]:
        from pegboard_builtins.agents.places import roster, wanted_here

        settings = registry.all_settings().parse("agents", AgentSettings)
        return wanted_here(project, roster(project, registry.host.config_dir, registry.all_settings(), settings))

    def definitions_are_well_formed() -> list[Ailment]:
        from pegboard_builtins.agents.health import ailments_of

        return ailments_of(registry)

    registry.add_consent(wanted)
    registry.add_health_check("agents", definitions_are_well_formed)
    registry.add_command("agents", "pegboard_builtins.agents.verbs:app", help="Which agents there are, and from where.")


@hookimpl(guard=True, where="session:agent")
def prompt_submit(prompt: str, ctx: Ctx) -> PromptDecision | None:
    """Refuse to begin as an agent that there is not: without its words and limits the session would be another one."""
    from pegboard_builtins.agents.places import unknown
    from pegboard_builtins.agents.running import counts, roster_of

    found = roster_of(ctx)
    one = found.named(ctx.agent_type)
    if one is None:
        return PromptDecision.refuse(unknown(ctx.agent_type, (each.name for each in found.found if counts(each, ctx))))
    if not counts(one, ctx):
        text = f"nobody consented to {one.where} as it is now; `pegboard trust` shows it and asks"
        return PromptDecision.refuse(f"the agent {one.name} does not count: {text}")
    return None


@hookimpl(where=AGENT_PLACES)
def prepare_request(draft: RequestDraft, ctx: Ctx) -> RequestPatch | None:
    """Tell the model which agents there are, with the same bytes for the whole session."""
    from pegboard_builtins.agents.listing import patch_of

    return patch_of(draft, ctx)
