"""The pages of the journal: its records, and the lifecycle events."""

from __future__ import annotations

from typing import get_args

from reference_pages.classes import attribute_table, described
from reference_pages.markdown import page, prose, summary, table


def events_page() -> str:
    """Return the page of the lifecycle events."""
    from pegboard import records

    intro = (
        "The events that `lifecycle(event, ctx)` is told of. `event.name` is the wire contract's spelling. An\n"
        "[`Answer`](decisions.md#answer) may hold context for the model, a notice, and more; what an event offers\n"
        "stands beside it."
    )
    parts = []
    for kind in records.Event.__subclasses__():
        parts += [f"## {kind.__name__}", prose(kind), attribute_table(kind, without=("name",))]
    return page("Lifecycle events", "`pegboard.records`", intro, parts)


def records_page() -> str:
    """Return the page of the journal's records."""
    from pegboard import messages, records

    kinds = get_args(get_args(records.AnyRecord)[0])
    intro = (
        "A journal is a file of lines, each one JSON object, one per record. Every line has `seq` (its place, from\n"
        "1), `timestamp` (UTC, ISO 8601, milliseconds) and `type`; what is listed here comes on top. In Python,\n"
        "`for record in ctx.journal` gives them as the classes of `pegboard.records`; `pegboard sessions show ID`\n"
        "prints them. [The journal](../explanation/journal.md) says what is promised."
    )
    names = {kind: kind.model_fields["type"].default for kind in kinds}
    parts = [
        table(("type", "what it says"), [(f"[{name}](#{name})", summary(kind)) for kind, name in names.items()]),
    ]
    hidden = ("type", "seq", "timestamp")
    for kind, name in names.items():
        parts += [
            f"## {name}",
            f"`pegboard.records.{kind.__name__}`",
            prose(kind),
            attribute_table(kind, without=hidden),
        ]
    parts.append("## Parts of records")
    for kind in (records.PluginStamp, records.ToolFacts, records.HookRow, messages.Usage):
        parts += described(kind, level=3)
    return page("Journal records", "`pegboard.records`", intro, parts)
