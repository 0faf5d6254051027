"""The table `[agents]`."""

from pydantic import BaseModel, ConfigDict, Field


class Defined(BaseModel):
    """An agent that stands in the settings: `[agents.define.NAME]`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    description: str = Field(description="When it should be used; the model reads this.")
    prompt: str = Field(description="Its system prompt.")
    tools: tuple[str, ...] | None = Field(default=None, description="What it may call; all tools unless given.")
    disallowedTools: tuple[str, ...] = Field(default=(), description="What it may not call.")
    model: str = Field(default="", description="PREFIX:NAME, or a word that `models` explains.")
    permissionMode: str = Field(default="", description="A permission mode; it can only allow less.")
    maxTurns: int | None = Field(default=None, ge=1, description="Model requests, at most.")


class AgentSettings(BaseModel):
    """Which definitions count, and how far sub-agents may go."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    claude: bool = Field(default=True, description="Whether agents in .claude folders count.")
    define: dict[str, Defined] = Field(default={}, description="Agents by name, beside those in files.")
    models: dict[str, str] = Field(
        default={}, description='What a file\'s `model` means here: haiku = "anthropic:NAME".'
    )
    max_depth: int = Field(
        default=2, ge=1, le=3, description="How deep agents may start others; 1: sub-agents start none."
    )
    max_steps: int = Field(default=100, ge=1, description="Model requests of one sub-agent.")
    max_time: float = Field(default=1800.0, gt=0, description="Seconds that one sub-agent may take.")
