"""The table `[compaction]`."""

from pydantic import BaseModel, ConfigDict, Field


class CompactionSettings(BaseModel):
    """`[compaction]`: how a conversation becomes shorter."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    keep_results: int = Field(default=6, ge=0, description="The newest tool results, which are never cleared.")
    min_characters: int = Field(default=1_000, ge=200, description="Shorter tool results are not worth a handle.")
    min_saving: float = Field(
        default=0.25, ge=0, le=1, description="Share that clearing must save, else the model is asked for a summary."
    )
    keep_tokens: int = Field(default=20_000, ge=0, description="Tokens of the newest messages that a summary keeps.")
    max_summary_tokens: int = Field(default=4_000, ge=100, description="Tokens that a summary may have.")
    model: str = Field(default="", description="Who writes summaries, as prefix:NAME; the session's model if empty.")
