"""One agent as it is defined: who it is, what it may call, and what of its file does nothing here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, get_args

from pegboard.context import Ailment
from pegboard.errors import did_you_mean
from pegboard.frontmatter import Head, Markdown, NestedError
from pegboard.output import one_line, visible
from pegboard.plugin_folders import PluginFolder
from pegboard.settings import Effort
from pegboard.typed import dataclass
from pegboard_builtins.agents.settings import Defined

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
READ = {
    "name": "How it is called; the file's name unless given. In a plugin folder the folder's name stands before it.",
    "description": "When to use it. The model reads this, and nothing else before it starts one.",
    "tools": "What it may call: names, patterns (`mcp__a__*`), or `mcp__a` for all of a server; all unless given.",
    "disallowedTools": "What it may not call.",
    "model": "PREFIX:NAME, or a word that `[agents.models]` explains; the session's unless given.",
    "permissionMode": "A permission mode, which counts where it allows less than that of who starts it. Not in packs.",
    "maxTurns": "Model requests, at most; `[agents] max_steps` is the ceiling.",
    "hooks": "Declared hooks that hold while it runs, as in settings; its `Stop` is SubagentStop. Not in packs.",
    "isolation": "`worktree`: it works in a checkout of its own, which is kept where it has changed something.",
    "effort": "How much work the model puts into an answer; the session's unless given.",
    "color": "Nothing is done with it here.",
}
"""The keys of a file that are read, each with what it means."""
UNREAD = ("background", "initialPrompt", "mcpServers", "memory", "skills")
"""Keys of the contract that do nothing here."""
NOT_FOR_PACKS = ("permissionMode", "hooks")
"""Keys that do not count in a plugin folder (hook-contract 3.1)."""
MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")
ISOLATIONS = ("worktree",)
EFFORTS = get_args(Effort)
OLD_NAMES = {"Task": "Agent", "LS": "Glob", "MultiEdit": "Edit"}
"""Tools by the names that they had."""
SHORT = 300


@dataclass(frozen=True)
class Definition:
    """An agent. `origin` is built in, settings, user, pack or project; `tools` is None where it may call all.

    `ailments` are what of its file is wrong, or does nothing.
    """

    name: str
    description: str
    system: str
    origin: str
    path: Path | None = None
    source: str = ""
    folder: PluginFolder | None = None
    tools: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    model: str = ""
    mode: str = ""
    max_steps: int | None = None
    isolation: Literal["", "worktree"] = ""
    effort: str = ""
    hooks: Mapping[str, Any] = field(default_factory=dict, compare=False)
    ailments: tuple[Ailment, ...] = field(default=(), compare=False)

    @property
    def where(self) -> str:
        """Where it is written."""
        return visible(str(self.path)) if self.path is not None else self.source

    @property
    def summary(self) -> str:
        """What it is for, in a line that is safe to show."""
        return one_line(self.description, SHORT)


def of_settings(name: str, said: Defined, source: str) -> Definition:
    """Return an agent that stands in the settings."""
    return Definition(
        name=name,
        description=said.description,
        system=said.prompt,
        origin="settings",
        source=source,
        tools=None if said.tools is None else tuple(map(_named, said.tools)),
        without=tuple(map(_named, said.disallowedTools)),
        model=said.model,
        mode=said.permissionMode,
        max_steps=said.maxTurns,
    )


def of_markdown(name: str, path: Path, content: Markdown, origin: str, folder: PluginFolder | None) -> Definition:
    """Return the agent that a file describes; what is wrong with it does not make it go away."""
    head, where = content.head, visible(str(path))
    found = list(_ailments(head, where, in_pack=origin == "pack"))
    first = next((line for line in content.body.splitlines() if line.strip()), "")
    tools = head.words("tools")
    if any("(" in one for one in tools):
        text = "`tools` has brackets, which are not held to: rules for a tool's input belong to [permissions]"
        found.append(Ailment(text, f"{where}:{head.lines['tools']}", "write the names alone"))
    steps = head.text("maxTurns").strip()
    hooks: dict[str, Any] = {}
    if origin != "pack":
        try:
            hooks = head.hooks()
        except NestedError as error:
            found.append(Ailment(f"its `hooks` do not count: {error.problem}", f"{where}:{error.line}", "mend it"))
    return Definition(
        name=name,
        description=head.text("description") or first.lstrip("# "),
        system=content.body,
        origin=origin,
        path=path,
        folder=folder,
        tools=tuple(map(_named, tools)) if tools and "*" not in tools else None,
        without=tuple(map(_named, head.words("disallowedTools"))),
        model=head.text("model").strip(),
        mode="" if origin == "pack" else head.text("permissionMode").strip(),
        max_steps=int(steps) if steps.isdigit() and int(steps) else None,
        isolation="worktree" if head.text("isolation").strip() == "worktree" else "",
        effort=effort if (effort := head.text("effort").strip()) in EFFORTS else "",
        hooks=hooks,
        ailments=tuple(found),
    )


def _named(tool: str) -> str:
    name = tool.partition("(")[0].strip()
    return OLD_NAMES.get(name, name)


def _ailments(head: Head, where: str, *, in_pack: bool) -> list[Ailment]:
    found = []
    for key, line in head.lines.items():
        place = f"{where}:{line}"
        if key in UNREAD or (in_pack and key in NOT_FOR_PACKS):
            found.append(Ailment(f"its `{key}` does nothing here", place, "nothing need be done", wrong=False))
        elif key not in READ:
            hint = did_you_mean(key, (*READ, *UNREAD))
            found.append(Ailment(f"nobody knows the key `{visible(key)}`.{hint}", place, "mend it, or leave it out"))
    for key, known in (("permissionMode", MODES), ("isolation", ISOLATIONS), ("effort", EFFORTS)):
        said = head.text(key).strip()
        if said and said not in known:
            hint = did_you_mean(said, known)
            text = f"`{key}` is {visible(said)!r}, which is none of {', '.join(known)}.{hint}"
            found.append(Ailment(text, f"{where}:{head.lines[key]}", "it does not count"))
    steps = head.text("maxTurns").strip()
    if steps and not (steps.isdigit() and int(steps)):
        text = f"`maxTurns` is {visible(steps[:40])!r}; it is a whole number from 1"
        found.append(Ailment(text, f"{where}:{head.lines['maxTurns']}", "it does not count"))
    if not head.text("description"):
        found.append(Ailment("no `description` says when to use it", f"{where}:1", "write one", wrong=False))
    return found
