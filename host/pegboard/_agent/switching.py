"""Another model for a running session: hooks may refuse the change, and are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pegboard.decisions import Answer
from pegboard.errors import ModelError
from pegboard.records import Event, PostModelSwitch, PreModelSwitch


class Session(Protocol):
    """What is known here of a session."""

    model_name: str

    def fill(self) -> tuple[int, int]: ...
    async def fire(self, event: Event) -> Sequence[tuple[str, Answer]]: ...
    def set_model(self, name: str) -> None: ...


async def switch(session: Session, wanted: str, source: str) -> None:
    """Change the model, unless a hook objects. Raises ModelError."""
    last, tokens = session.model_name, session.fill()[0]
    if wanted == last:
        return
    asked = PreModelSwitch(from_model=last, to_model=wanted, source=source, context_tokens=tokens)
    for plugin, answer in await session.fire(asked):
        if answer.block:
            reason = answer.reason or "it gives no reason"
            raise ModelError(f"the model stays {last or 'as it is'}: {plugin} refuses {wanted}: {reason}")
    session.set_model(wanted)
    await told(session, last, source, tokens)


async def told(session: Session, last: str, source: str, tokens: int) -> None:
    """Tell hooks that the model is another now."""
    model = session.model_name
    await session.fire(PostModelSwitch(from_model=last, to_model=model, source=source, context_tokens=tokens))
