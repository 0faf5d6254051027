"""The page of memory: events, the head of a fact's file, what can be asked of the daemon, and the verbs."""

from __future__ import annotations

from reference_pages.classes import described, members
from reference_pages.command_line import command_sections, commands_of
from reference_pages.markdown import code, page, prose, table

from pegboard_builtins.memory.facts import HEAD
from pegboard_builtins.memory.origins import AUTOMATIC, TRUSTED_FIRST

MEANT = {
    "origins": "Where it is from; the least trusted one counts. Without a head a file is the user's.",
    "cites": "The numbers of the events that it stands on.",
    "at": "When it was written or changed.",
    "subject": "What it is about; of two with the same subject the newer one counts.",
    "approved": "Whether a person took it in although its origins alone would not do.",
    "pinned": "Whether it is kept for good and comes first.",
    "superseded_by": "The name of the fact that took its place.",
}


PROTOCOL = """\
One JSON object per line over the unix socket that the file `lock` names. A request is
`{"id": ANY, "op": NAME, ...}`, its answer `{"id": THE SAME, "ok": ...}` or
`{"id": THE SAME, "err": {"kind": ..., "text": ...}}`; an error never quotes an event. Answers may come in another order
than the requests. An event is sent as it stands in the log, with `project`."""


def memory_page() -> str:
    """Return the page."""
    from pegboard_builtins.memory import events, protocol
    from pegboard_builtins.memory.verbs import app

    asked = [(code(name), given or "-", answer) for name, (given, answer) in protocol.OPERATIONS.items()]
    origins = [(code(one), "yes" if one in AUTOMATIC else "once it is approved") for one in TRUSTED_FIRST]
    return page(
        "Memory",
        "the code of `memory`",
        "What the plugin `memory` keeps, and the verbs for it. Its settings are on the page of settings.",
        [
            "## Origins",
            table(("origin, the most trusted first", "comes into prompts by itself"), origins),
            "## The head of a fact",
            "A fact is a Markdown file; its head is TOML between two lines `+++`.",
            table(("key", "what it says"), [(code(key), MEANT[key]) for key in HEAD]),
            *described(events.Event),
            *described(events.Hit),
            *described(events.Forgotten),
            "## Memory",
            prose(events.Memory),
            table(("member", "what it is"), members(events.Memory)),
            "## The daemon's protocol",
            PROTOCOL,
            table(("`op`", "with", "answer"), asked),
            "## The verbs",
            *command_sections(list(commands_of(app, "memory "))),
        ],
    )
