"""Compaction: clear old tool results if that saves enough, else have the model summarise what is not new."""

from __future__ import annotations

from pegboard.context import Ctx, Registry
from pegboard.declares import Declares
from pegboard.errors import PegboardError
from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard.requests import CompactionJob, CompactionResult, estimate_tokens
from pegboard_builtins.compaction.settings import CompactionSettings

declares = Declares(permissions=["rewrite", "model"])

SUMMARIES = flag(
    "compaction.summarise",
    True,
    live=True,
    safe=False,
    kind="ops",
    help="A model is asked for a summary where clearing is not enough; it costs a request.",
)
CLEAR = "clear_results"
SUMMARISE = "summarise"


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[compaction]` and add the tool `Recall`."""
    from pegboard_builtins.compaction.recall import recall

    registry.settings(CompactionSettings)
    registry.add_tool(recall)


@hookimpl
async def compact(job: CompactionJob, ctx: Ctx) -> CompactionResult | None:
    """Clear if that is enough, else summarise; answer nothing if neither helps, so that the next may try.

    Whoever gives instructions wants a summary that follows them: then nothing is merely cleared.
    """
    settings: CompactionSettings = ctx.settings
    if not job.messages:
        return None
    if not job.instructions.strip():
        cleared = cleared_result(job, settings)
        if cleared is not None:
            return cleared
    if not ctx.flags["compaction.summarise"]:
        return None
    return await summarised_result(job, settings, ctx)


def cleared_result(job: CompactionJob, settings: CompactionSettings) -> CompactionResult | None:
    """Return the conversation with old tool results cleared; None if that does not save enough."""
    from pegboard_builtins.compaction.clear import clear_results
    from pegboard_builtins.compaction.rebuild import with_pins

    cleared = clear_results(job.messages, keep=settings.keep_results, min_characters=settings.min_characters)
    if not cleared.handles:
        return None
    messages = with_pins(cleared.messages, job.pins)
    before, after = estimate_tokens(job.messages), estimate_tokens(messages)
    if after >= before:
        return None
    # a share, because the host may have counted tokens better than the estimate does
    share = after / before
    if share * job.tokens > job.target_tokens and 1 - share < settings.min_saving:
        return None
    count = len(cleared.handles)
    summary = f"{count} old tool {'result' if count == 1 else 'results'} cleared"
    return CompactionResult(messages=messages, strategy=CLEAR, summary=summary, handles=cleared.handles)


async def summarised_result(job: CompactionJob, settings: CompactionSettings, ctx: Ctx) -> CompactionResult | None:
    """Return a summary and the tail; None if there is nothing to summarise, or the model did not do it well."""
    from pegboard_builtins.compaction.rebuild import rebuild
    from pegboard_builtins.compaction.summarise import summary_of
    from pegboard_builtins.compaction.tail import tail_start

    # in a small window the tail alone must not fill what we aim for
    start = tail_start(job.messages, min(settings.keep_tokens, job.target_tokens // 2))
    before = estimate_tokens(job.messages)
    if estimate_tokens(rebuild(job.messages, start, "", pins=job.pins)) >= before:
        return None  # what must stay is all there is; no summary could make that shorter, so none is paid for
    try:
        summary = await summary_of(job.messages[:start], job, settings, ctx)
    except PegboardError as wrong:
        ctx.notice(f"The conversation could not be summarised: {wrong}", level="warning")
        return None
    if summary is None:
        ctx.notice("The model gave no summary of the conversation.", level="warning")
        return None
    messages = rebuild(job.messages, start, summary, pins=job.pins)
    if estimate_tokens(messages) >= before:
        ctx.notice("The model's summary is not shorter than the conversation, so it is not used.", level="warning")
        return None
    return CompactionResult(messages=messages, strategy=SUMMARISE, summary=summary)
