"""The table `[auto_mode]`."""

from pegboard.typed import Typed, fact


class AutoModeSettings(Typed):
    """`[auto_mode]`: who judges calls in the permission mode auto, and when a person has to."""

    model: str = fact(default="", description="The model that judges; the session's own by default.")
    timeout: float = fact(default=30.0, gt=0, description="Seconds for one judgement; none in time is a refusal.")
    max_tokens: int = fact(default=2048, gt=0, description="How long a judgement may be.")
    denials: int = fact(default=3, ge=1, description="After so many refusals in a row a person is asked.")
    outages: int = fact(default=2, ge=1, description="After so many judgements in a row that failed, too.")
    writes: tuple[str, ...] = fact(
        default=(
            *(".c", ".cc", ".cpp", ".css", ".csv", ".go", ".h", ".hpp", ".html", ".java", ".js", ".jsx", ".kt", ".md"),
            *(".php", ".py", ".pyi", ".rb", ".rs", ".rst", ".scss", ".sql", ".svg", ".swift", ".ts", ".tsx", ".txt"),
        ),
        description="Endings of files in the folder that may be written without a judgement.",
    )
