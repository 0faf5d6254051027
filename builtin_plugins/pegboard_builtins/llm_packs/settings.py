"""The table `[llm_packs]`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class LlmPackSettings(BaseModel):
    """Which packs of the `llm` command take part. None does unless it is named."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    packs: tuple[str, ...] = Field(
        default=(), description="Distributions that were written for the `llm` command, `*` for any: `llm-tools-*`."
    )
    toolboxes: dict[str, dict[str, Any]] = Field(
        default={}, description="What a toolbox is made with, by the name of its class: SQLite = {path = ...}."
    )
    models: bool = Field(default=False, description="Whether their models can be asked, as `llm:MODEL`.")
