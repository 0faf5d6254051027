"""The table `[anthropic_model]`."""

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "anthropic:"
SERVICE = "anthropic_model.clients"


class Price(BaseModel):
    """US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float = Field(ge=0)
    cache_write: float = Field(ge=0)


class AnthropicSettings(BaseModel):
    """How to reach the Anthropic API. The environment wins: ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    api_key_helper: str = Field(default="", description="A shell command that prints the API key.")
    api_key_helper_timeout: float = Field(default=30.0, gt=0, description="Seconds that the command may take.")
    base_url: str = Field(default="", description="Another address than the API's own, such as a gateway.")
    prices: dict[str, Price] = Field(
        default={},
        description="US dollars per million tokens by model name, for models without a known price or with another.",
    )
    timeout: float = Field(
        default=600.0, gt=0, description="Seconds without a byte after which a request counts as broken."
    )
    betas: tuple[str, ...] = Field(default=(), description="Beta features to ask for, as in the anthropic-beta header.")
