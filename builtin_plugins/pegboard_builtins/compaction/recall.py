"""The tool with which the model reads again what a compaction cleared."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError, did_you_mean
from pegboard.records import CompactionDone
from pegboard.tools import Claims, tool

MOST_CHARACTERS = 20_000
"""Below the length at which the host would spill an output."""


@tool(name="Recall", read_only=True, claims=lambda given, cwd: Claims(), egress=())
def recall(
    handle: Annotated[str, Field(description="The handle, like r-1a2b3c4d, from a note about cleared output.")],
    ctx: Ctx,
    offset: Annotated[int, Field(ge=0, description="The first character to read.")] = 0,
    limit: Annotated[
        int, Field(ge=1, le=MOST_CHARACTERS, description="How many characters to read.")
    ] = MOST_CHARACTERS,
) -> str:
    """Read again the output of an earlier tool call that was cleared from the conversation to save space.

    Use it when a note says that an output was cleared and you need the text itself; it shows the output as it was
    then, so read a file again with the file tools if it may have changed.
    """
    known: dict[str, str] = {}
    for record in ctx.journal:
        if isinstance(record, CompactionDone):
            known.update(record.handles)
    name = handle.strip()
    if name not in known:
        some = "; there are none in this session" if not known else did_you_mean(name, known)
        raise ToolError(f"there is no cleared output {name!r}{some}")
    text = known[name]
    if offset and offset >= len(text):
        raise ToolError(f"{name} has {len(text):,} characters; offset {offset:,} is behind its end")
    end = min(len(text), offset + limit)
    if end == len(text):
        return text[offset:]
    return f"{text[offset:end]}\n[characters {offset:,} to {end:,} of {len(text):,}; go on with offset={end}]"
