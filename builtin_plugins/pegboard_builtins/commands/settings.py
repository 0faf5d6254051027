"""The table `[commands]`."""

from pydantic import BaseModel, ConfigDict, Field


class CommandSettings(BaseModel):
    """Which files count, and what their words for models mean here."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    claude: bool = Field(default=True, description="Whether commands and skills in .claude folders count.")
    models: dict[str, str] = Field(
        default={}, description='What a file\'s `model` means here: haiku = "anthropic:NAME".'
    )
    skills: bool = Field(default=True, description="Whether the model is told of skills and may load them.")
