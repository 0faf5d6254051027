"""What the model has seen of each file: content stamps, kept per agent in the session's state."""

from __future__ import annotations

from pathlib import Path

from pegboard.context import Ctx
from pegboard.errors import ToolError

# The state is the one memory of it: it is folded from the journal, so a resumed, forked or rewound session knows
# exactly what its own conversation has read. A dict of ours beside it could only disagree.


def _key(path: Path, ctx: Ctx) -> str:
    return f"seen:{ctx.agent_id}:{path}"


def seen(path: Path, ctx: Ctx) -> str | None:
    """Return the stamp of the content that this agent last read or wrote; None if it never did."""
    stamp = ctx.state.get(_key(path, ctx))
    return stamp if isinstance(stamp, str) else None


def remember(path: Path, stamp: str, ctx: Ctx) -> None:
    """Note that this agent knows the content of *path* with this stamp."""
    if seen(path, ctx) != stamp:
        ctx.state[_key(path, ctx)] = stamp


def must_have_read(path: Path, stamp: str | None) -> None:
    """Raise ToolError if there is no stamp: a file is changed only by who knows what is in it."""
    if stamp is None:
        raise ToolError(f"File has not been read yet. Read {path} first, then change it.")
