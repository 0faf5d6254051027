"""What the model has seen of each file: content stamps, kept per agent in the session's state."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from pegboard.context import Ctx
from pegboard.errors import ToolError

# The state is the one memory of it: it is folded from the journal, so a resumed, forked or rewound session knows
# exactly what its own conversation has read. A dict of ours beside it could only disagree.


def _key(path: Path | str, ctx: Ctx) -> str:
    return f"seen:{ctx.agent_id}:{path}"


def seen(path: Path, ctx: Ctx) -> str | None:
    """Return the stamp of the content that this agent last read or wrote; None if it never did."""
    stamp = ctx.state.get(_key(path, ctx))
    return stamp if isinstance(stamp, str) else None


def remember(path: Path | str, stamp: str, ctx: Ctx) -> None:
    """Note that this agent knows the content of *path* with this stamp."""
    key, state = _key(path, ctx), ctx.state
    if state.get(key) != stamp:
        state[key] = stamp


def must_have_read(path: Path, stamp: str | None) -> None:
    """Raise ToolError if there is no stamp: a file is changed only by who knows what is in it."""
    if stamp is None:
        raise ToolError(f"File has not been read yet. Read {path} first, then change it.")


WRITERS: OrderedDict[Path, tuple[str, str, str]] = OrderedDict()
"""Which agent of this process last wrote a file, and the stamp: session, agent, stamp."""
MOST_WRITERS = 10_000


def wrote(path: Path, stamp: str, ctx: Ctx) -> None:
    """Note for all agents of this process that this one wrote the content with this stamp."""
    WRITERS[path] = (ctx.session_id, ctx.agent_id, stamp)
    WRITERS.move_to_end(path)
    while len(WRITERS) > MOST_WRITERS:
        WRITERS.popitem(last=False)


def must_not_be_a_siblings(path: Path, real: Path, stamp: str, ctx: Ctx) -> None:
    """Raise ToolError if the content with this stamp, which the caller does not know, is another agent's work.

    A person or a formatter changes a file and goes; a sibling is at work on the same thing, and may not be done.
    """
    session, agent, written = WRITERS.get(real, ("", "", ""))
    if written == stamp and (session, agent) != (ctx.session_id, ctx.agent_id):
        who = f"agent {agent}" if agent else f"the session {session[:8]}"
        raise ToolError(
            f"{path} was changed by another agent ({who}) since you read it; nothing was written. Read it again: "
            f"your change may not fit any more."
        )
