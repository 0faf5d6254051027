"""Which turn a request gets: derived from the conversation and the journal, so that no crash repeats or skips one.

The rules, and why:

* A conversation's position is the number of answers that it has had. Roles alternate and the user begins, so that
  is half the length of the message list: no counter that a kill could leave behind, a retry sees the same
  position, a resume and a fork see theirs, and it costs nothing at 2,000 turns.
* Only a compaction (and an answer without content, which never becomes a message) makes the two differ. The
  difference, `offset`, is not kept anywhere: between a compaction and a write of our own a kill could fall. It is
  counted from the journal, whose response records are exactly what made answers count, when a process first meets
  the conversation and whenever its length is not what the last request leads to expect. So it is right by
  construction after every kill, and in an undisturbed session the journal is read once, near its beginning.
* A conversation that is longer than its journal says (a fork that keeps only messages) is believed.
* Failures (`error`) are no positions: they come before an answer, and are counted in this process alone. After a
  resume they happen again, and leave no trace in the conversation either way.
* Requests of other purposes (a summary, a title) are no conversations: they take their turns in order. How many
  were answered is in the journal as well; a retry is known by its request id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Protocol

from pegboard.messages import StopReason
from pegboard.records import AssistantLine, Discarded, Record, RequestRecord, ResponseRecord
from pegboard.requests import Purpose, Request
from pegboard.typed import dataclass

CONVERSATIONS = frozenset({Purpose.TURN, Purpose.SUBAGENT})
WITHOUT_ANSWER = frozenset({StopReason.INTERRUPTED, StopReason.ERROR})


class Journaled(Protocol):
    """A Ctx, as far as it matters here: most requests do not ask for the journal."""

    @property
    def journal(self) -> Iterable[Record]: ...


def answers_in(journal: Iterable[Record], purpose: Purpose) -> int:
    """Count the requests of *purpose* that were answered: they ended well, or what they said was kept."""
    spoke: dict[str, bool] = {}
    answers = 0
    for record in journal:
        if isinstance(record, RequestRecord):
            if record.purpose == purpose:
                spoke[record.request] = False
        elif isinstance(record, AssistantLine):
            if record.request in spoke:
                spoke[record.request] = True
        elif isinstance(record, Discarded):
            if record.request in spoke:
                spoke[record.request] = False
        elif isinstance(record, ResponseRecord) and record.request in spoke:
            kept = spoke.pop(record.request)
            answers += kept or (not record.error and record.stop_reason not in WITHOUT_ANSWER)
    return answers


@dataclass(slots=True)
class Conversation:
    """Where a session stands in a script. `seen` is the position by length at the last request, -1 before the first;
    `done` says whether that request was answered to the end; `failed` counts attempts at a position."""

    offset: int = 0
    seen: int = -1
    done: bool = False
    failed: dict[int, int] = field(default_factory=dict)

    def take(self, request: Request, ctx: Journaled) -> int:
        """Return the position of *request*."""
        length = len(request.messages) // 2
        went_on = length == self.seen + 1 and self.seen >= 0
        again = length == self.seen and not self.done
        if not went_on and not again:
            self.offset = max(0, answers_in(ctx.journal, request.purpose) - length)
        self.seen = length
        self.done = False
        return length + self.offset

    def finish(self, request: Request) -> None:
        """The answer is about to be complete."""
        self.done = True


@dataclass(slots=True)
class Queue:
    """Where the requests of another purpose stand. `open` has the positions of requests that are under way."""

    next: int = -1
    open: dict[str, int] = field(default_factory=dict)
    failed: dict[int, int] = field(default_factory=dict)

    def take(self, request: Request, ctx: Journaled) -> int:
        """Return the position of *request*; the same for a retry."""
        if self.next < 0:
            self.next = answers_in(ctx.journal, request.purpose)
        position = self.open.get(request.request_id)
        if position is None:
            position = self.open[request.request_id] = self.next
            self.next += 1
        return position

    def finish(self, request: Request) -> None:
        """The answer is about to be complete."""
        self.open.pop(request.request_id, None)
