"""The table `[llm_packs]`."""

from typing import Any

from pegboard.typed import Typed, fact


class LlmPackSettings(Typed):
    """Which packs of the `llm` command take part. None does unless it is named."""

    packs: tuple[str, ...] = fact(
        default=(), description="Distributions that were written for the `llm` command, `*` for any: `llm-tools-*`."
    )
    toolboxes: dict[str, dict[str, Any]] = fact(
        default={}, description="What a toolbox is made with, by the name of its class: SQLite = {path = ...}."
    )
    models: bool = fact(default=False, description="Whether their models can be asked, as `llm:MODEL`.")
