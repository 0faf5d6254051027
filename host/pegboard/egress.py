"""Ways out: which surfaces there are, and what a filter of one looks like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pegboard._dataclass import dataclass
from pegboard.errors import EgressClosedError

FilterFunction = Callable[..., Any]
"""Takes a surface, a payload and, if it has a parameter `ctx`, the session's Ctx (None outside of sessions).

Returns what may leave. A payload is text, or plain data as JSON has it. Raising closes the surface; to refuse on
purpose raise what `refuse` returns. A filter that is an object may have `stream(surface)`, or `stream(surface, ctx)`,
which returns a `StreamFilter`; without one it is asked about a text once that is whole.
"""


class StreamFilter(Protocol):
    """Filters one text that comes in pieces. What it has given out it cannot take back."""

    def take(self, piece: str) -> str:
        """Add a piece and return what may leave now."""
        ...

    def end(self) -> str:
        """Return what is left."""
        ...


@dataclass(frozen=True)
class Surface:
    """A way out.

    `inside` says that nothing leaves there by itself, so that filters need not look; `reserved` that it is named for
    plugins, and that nothing goes there as long as none of them declares it.
    """

    name: str
    help: str
    inside: bool = False
    reserved: bool = False


SURFACES = (
    Surface("text", "What a person is shown: answers, notices, results, and the text that a run gives back."),
    Surface("facts", "What is shown beside it: the inputs of tools, names and numbers."),
    Surface("thinking", "The model's reasoning, as it is shown. The message keeps it as it is."),
    Surface("title", "Titles of sessions, which hooks may give, in lists and as they are shown."),
    Surface("summary", "Summaries of compactions, as hooks and people get them."),
    Surface("trace", "What `trace`, `why`, `sessions` and the verbs of plugins print for people."),
    Surface("export", "What the same verbs print as JSON, to be kept or passed on."),
    Surface("log", "Log records of plugins."),
    Surface("error", "Errors and crash reports that verbs print."),
    Surface("subagent", "What a sub-agent is told.", inside=True),
    Surface("memory", "What is kept for later sessions.", reserved=True),
    Surface("hook", "Events that declared hooks get: `hook.command`, `hook.http`, `hook.prompt` and so on."),
    Surface("model", "Requests to a model beside the turn's own, by purpose: `model.title` and so on.", inside=True),
)
"""The ways out of the host itself. What tools declare (`Tool.egress`) are names of the same kind."""


def refuse(surface: str, by: str, reason: str) -> EgressClosedError:
    """Return the error that a filter raises to refuse a payload; *reason* must not hold what was refused."""
    error = EgressClosedError(surface, by, reason)
    error.refused = True
    return error
