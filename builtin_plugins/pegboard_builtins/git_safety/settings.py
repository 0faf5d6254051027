"""The table `[git_safety]`."""

from pegboard.typed import Typed, fact


class GitSafetySettings(Typed):
    """What is kept before a turn changes files, and whether destructive git commands are refused."""

    refuse: bool = fact(default=True, description="Refuse destructive git commands that the user did not ask for.")
    checkpoints: bool = fact(default=True, description="Take a checkpoint before the first change of a turn.")
    max_megabytes: int = fact(
        default=500, ge=1, description="Take none where so much would have to be kept that is new since the last."
    )
    max_files: int = fact(default=100_000, ge=1, description="Take none where so many files are new since the last.")
    keep: int = fact(default=200, ge=2, description="How many checkpoints of a folder are kept.")
    seconds: float = fact(default=60.0, gt=0, description="How long a checkpoint may take; then the turn goes on.")
