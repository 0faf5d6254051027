"""The table `[anthropic_model]`."""

from pegboard.typed import Typed, fact

PREFIX = "anthropic:"
SERVICE = "anthropic_model.clients"


class Price(Typed):
    """US dollars per million tokens."""

    input: float = fact(ge=0)
    output: float = fact(ge=0)
    cache_read: float = fact(ge=0)
    cache_write: float = fact(ge=0)


class AnthropicSettings(Typed):
    """How to reach the Anthropic API. The environment wins: ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL."""

    api_key_helper: str = fact(default="", description="A shell command that prints the API key.")
    api_key_helper_timeout: float = fact(default=30.0, gt=0, description="Seconds that the command may take.")
    base_url: str = fact(default="", description="Another address than the API's own, such as a gateway.")
    prices: dict[str, Price] = fact(
        default={},
        description="US dollars per million tokens by model name, for models without a known price or with another.",
    )
    timeout: float = fact(
        default=600.0, gt=0, description="Seconds without a byte after which a request counts as broken."
    )
    betas: tuple[str, ...] = fact(default=(), description="Beta features to ask for, as in the anthropic-beta header.")
