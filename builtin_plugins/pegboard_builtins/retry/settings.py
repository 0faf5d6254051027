"""The table `[retry]`."""

from typing import Annotated

from pegboard.typed import Typed, fact

MAX_FALLBACKS = 3

ModelName = Annotated[str, fact(pattern=r"^[^:\s]+:\S+$")]


class RetrySettings(Typed):
    """How often, and how patiently, a model is asked again."""

    attempts: int = fact(default=8, ge=1, le=100, description="How often one model is asked, the first time included.")
    base_delay: float = fact(default=1.0, ge=0, description="Seconds before the second attempt; they double each time.")
    max_delay: float = fact(default=60.0, ge=0, description="Seconds that the doubling stops at.")
    max_wait: float = fact(
        default=300.0, ge=0, description="Give up where the provider asks for more seconds than this (Retry-After)."
    )
    fallback: tuple[ModelName, ...] = fact(
        default=(),
        max_length=MAX_FALLBACKS,
        description="Models, as prefix:NAME, to ask when the first one stays out of reach.",
        json_schema_extra={"flag": "retry.fallback"},
    )
