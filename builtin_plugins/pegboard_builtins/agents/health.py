"""What `pegboard doctor` says of agents: taken names, files that do not count, keys that nobody knows."""

from __future__ import annotations

from pegboard.context import Ailment, Registry, model_meant
from pegboard_builtins.agents.definition import Definition
from pegboard_builtins.agents.places import roster, wanted_of
from pegboard_builtins.agents.running import tools_of
from pegboard_builtins.agents.settings import AgentSettings


def ailments_of(registry: Registry) -> list[Ailment]:
    """Return what is wrong, or waits, a line each."""
    host, view = registry.host, registry.all_settings()
    settings = view.parse("agents", AgentSettings)
    found = roster(host.project, host.config_dir, view, settings)
    told = [Ailment(text, where, "mend that file") for where, text in found.problems]
    for one, first in found.shadowed:
        if one.origin != "builtin":
            text = f"{one.name} is defined in {first.where}, which comes first"
            told.append(Ailment(text, one.where, "rename one of them", wrong=False))
    for one in found.found:
        told += one.ailments
        told += _of_tools(one, registry)
        if not _is_model(one.model, settings):
            text = f"its model {one.model!r} means nothing here, so the session's is asked"
            told.append(Ailment(text, one.where, f"set [agents.models] {one.model} to PREFIX:NAME", wrong=False))
        if one.origin == "project" and not registry.consented(host.project, wanted_of(one, host.project)):
            text = "does not count: nobody consented to it as it is now"
            told.append(Ailment(text, one.where, "look at it and consent with `pegboard trust`", wrong=False))
    return told


def _is_model(said: str, settings: AgentSettings) -> bool:
    """Whether it means one in some session: names with a dash are those of the Messages API."""
    return model_meant(said, settings.models, "anthropic:") is not None


def _of_tools(one: Definition, registry: Registry) -> list[Ailment]:
    if one.tools is None or one.origin == "builtin":
        return []
    known = registry.host.tools()
    lost = [name for name in one.tools if not name.startswith("mcp__") and name not in known]
    if not lost:
        return []
    some = ", ".join(lost[:5])
    text = f"its `tools` names what is not here ({some})" + ("" if tools_of(one, known) else ", so it can call nothing")
    return [Ailment(text, one.where, "`pegboard tools list` shows what there is", wrong=False)]
