"""The table `[commands]`."""

from pegboard.typed import Typed, fact


class CommandSettings(Typed):
    """Which files count, and what their words for models mean here."""

    claude: bool = fact(default=True, description="Whether commands and skills in .claude folders count.")
    models: dict[str, str] = fact(
        default={}, description='What a file\'s `model` means here: haiku = "anthropic:NAME".'
    )
    skills: bool = fact(default=True, description="Whether the model is told of skills and may load them.")
