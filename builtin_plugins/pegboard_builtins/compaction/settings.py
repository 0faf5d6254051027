"""The table `[compaction]`."""

from pegboard.typed import Typed, fact


class CompactionSettings(Typed):
    """`[compaction]`: how a conversation becomes shorter."""

    keep_results: int = fact(default=6, ge=0, description="The newest tool results, which are never cleared.")
    min_characters: int = fact(default=1_000, ge=200, description="Shorter tool results are not worth a handle.")
    min_saving: float = fact(
        default=0.25, ge=0, le=1, description="Share that clearing must save, else the model is asked for a summary."
    )
    keep_tokens: int = fact(default=20_000, ge=0, description="Tokens of the newest messages that a summary keeps.")
    max_summary_tokens: int = fact(default=4_000, ge=100, description="Tokens that a summary may have.")
    model: str = fact(default="", description="Who writes summaries, as prefix:NAME; the session's model if empty.")
