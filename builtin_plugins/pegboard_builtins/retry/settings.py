"""The table `[retry]`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_FALLBACKS = 3

ModelName = Annotated[str, Field(pattern=r"^[^:\s]+:\S+$")]


class RetrySettings(BaseModel):
    """How often, and how patiently, a model is asked again."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    attempts: int = Field(default=8, ge=1, le=100, description="How often one model is asked, the first time included.")
    base_delay: float = Field(
        default=1.0, ge=0, description="Seconds before the second attempt; they double each time."
    )
    max_delay: float = Field(default=60.0, ge=0, description="Seconds that the doubling stops at.")
    max_wait: float = Field(
        default=300.0, ge=0, description="Give up where the provider asks for more seconds than this (Retry-After)."
    )
    fallback: tuple[ModelName, ...] = Field(
        default=(),
        max_length=MAX_FALLBACKS,
        description="Models, as prefix:NAME, to ask when the first one stays out of reach.",
        json_schema_extra={"flag": "retry.fallback"},
    )
