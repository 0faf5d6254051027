"""The table `[worktrees]`."""

from pegboard.typed import Typed, fact


class WorktreeSettings(Typed):
    """How checkouts of a session's own are made."""

    filters: bool = fact(
        default=False, description="Run filters that a repository's own settings name (git-crypt, say) on its files."
    )
