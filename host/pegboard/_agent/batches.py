"""The calls of one message as hooks are shown them: copies, made when somebody looks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import from_json, to_json

from pegboard.messages import Batch, ToolCall, trusted

NO_BATCH = Batch()


class Batched:
    """The batch of a call. What a hook does to what it sees here must not reach what runs, nor the other way round.

    So the inputs are written down at once; most hooks look at their own call alone, and then no copy is made.
    """

    __slots__ = ("_calls", "_inputs", "_made")

    def __init__(self, calls: Sequence[ToolCall]) -> None:
        self._calls = calls
        self._inputs = [to_json(call.input) for call in calls]
        self._made: Batch | None = None

    def __call__(self) -> Batch:
        """Return the batch, always the same."""
        if self._made is None:
            copies = [
                trusted(ToolCall, {**call.__dict__, "input": from_json(given)})
                for call, given in zip(self._calls, self._inputs, strict=True)
            ]
            self._made = trusted(Batch, {"calls": tuple(copies)})
        return self._made


EMPTY = Batched(())
