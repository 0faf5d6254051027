"""One declared hook as the settings say it: what is run, on which event, and what its failure means."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pegboard.messages import canonical
from pegboard.settings import Source
from pegboard.typed import dataclass


class HandlerType(StrEnum):
    """What a handler is; the values are the contract's `type`, but for `function`, which is ours."""

    COMMAND = "command"
    HTTP = "http"
    FUNCTION = "function"
    PROMPT = "prompt"
    AGENT = "agent"
    MCP_TOOL = "mcp_tool"


class Posture(StrEnum):
    """What a handler's failure means for the call: nothing (the contract), a refusal, or a question."""

    OPEN = "open"
    CLOSED = "closed"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class PluginFolder:
    """A folder in the contract's plugin format: its name, where it lies, where it keeps data, its user's options."""

    name: str
    root: Path
    data: Path
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Handler:
    """One entry of a `hooks` list, with all that its group and its file say of it.

    `id` is unique among all handlers: the entry's own, or one made of event, layer and place. `timeout` is in seconds
    as said, None where nothing was said. `condition` is the entry's `if`. `args` is None for the shell form.
    `unknown` are keys that mean nothing here; they are tolerated, and `hooks check` names them.
    """

    id: str
    event: str
    type: HandlerType
    where: Source
    matcher: str | None = None
    condition: str = ""
    timeout: float | None = None
    status_message: str = ""
    once: bool = False

    command: str = ""
    args: tuple[str, ...] | None = None
    shell: str = ""
    asynchronous: bool = False
    rewake: bool = False
    rewake_message: str = ""
    worker: bool = False

    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    allowed_variables: tuple[str, ...] = ()

    function: str = ""
    prompt: str = ""
    model: str = ""
    continue_on_block: bool = False
    server: str = ""
    tool: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)

    on_error: Posture = Posture.OPEN
    on_timeout: Posture | None = None
    sequential: bool = False
    recheck: bool = False
    flag: str = ""
    ramp: str = ""
    enabled: bool = True

    plugin: PluginFolder | None = None
    by: str = ""
    """What brings it ("skill:careful"); empty where a settings file or a plugin folder declares it."""
    unknown: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What messages call it, as the contract does: the command as written, the URL, the prompt, the tool."""
        named = f"{self.server}:{self.tool}" if self.tool else ""
        return self.command or self.url or self.function or self.prompt or named

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two entries of settings files the same handler (hook-contract 2.8, C13).

        The event, what is run, and `if`; not the matcher, the timeout or who said it. Copies in plugin folders, skills
        and agents are handlers of their own.
        """
        return (
            self.event,
            self.type,
            self.label,
            self.args,
            self.condition,
            self.plugin.name if self.plugin is not None else "",
            self.by,
        )

    @property
    def digest(self) -> str:
        """A SHA-256 of everything that the entry says, wherever it stands; consent is given to this."""
        facts = {
            "event": self.event,
            "type": str(self.type),
            "matcher": self.matcher,
            "if": self.condition,
            "timeout": self.timeout,
            "what": self.label,
            "args": list(self.args) if self.args is not None else None,
            "shell": self.shell,
            "async": [self.asynchronous, self.rewake, self.rewake_message, self.worker, self.once],
            "headers": dict(self.headers),
            "variables": list(self.allowed_variables),
            "model": self.model,
            "input": dict(self.input),
            "continue": self.continue_on_block,
            "posture": [
                str(self.on_error),
                str(self.on_timeout or ""),
                self.sequential,
                self.recheck,
                self.flag,
                self.ramp,
            ],
        }
        return hashlib.sha256(canonical(facts)).hexdigest()
