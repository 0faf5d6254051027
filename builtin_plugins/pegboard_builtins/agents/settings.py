"""The table `[agents]`."""

from pegboard.typed import Typed, fact


class Defined(Typed):
    """An agent that stands in the settings: `[agents.define.NAME]`."""

    description: str = fact(description="When it should be used; the model reads this.")
    prompt: str = fact(description="Its system prompt.")
    tools: tuple[str, ...] | None = fact(default=None, description="What it may call; all tools unless given.")
    disallowedTools: tuple[str, ...] = fact(default=(), description="What it may not call.")
    model: str = fact(default="", description="PREFIX:NAME, or a word that `models` explains.")
    permissionMode: str = fact(default="", description="A permission mode; it can only allow less.")
    maxTurns: int | None = fact(default=None, ge=1, description="Model requests, at most.")


class AgentSettings(Typed):
    """Which definitions count, and how far sub-agents may go."""

    claude: bool = fact(default=True, description="Whether agents in .claude folders count.")
    define: dict[str, Defined] = fact(default={}, description="Agents by name, beside those in files.")
    models: dict[str, str] = fact(
        default={}, description='What a file\'s `model` means here: haiku = "anthropic:NAME".'
    )
    max_depth: int = fact(
        default=2, ge=1, le=3, description="How deep agents may start others; 1: sub-agents start none."
    )
    max_steps: int = fact(default=100, ge=1, description="Model requests of one sub-agent.")
    max_time: float = fact(default=1800.0, gt=0, description="Seconds that one sub-agent may take.")
