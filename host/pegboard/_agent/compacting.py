"""Making a conversation shorter: the hook is asked, its answer checked; what remains is cut by rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic_core import to_json

from pegboard._agent.egress import Egress
from pegboard._agent.fold import Conversation
from pegboard._agent.prompting import Prompting
from pegboard._agent.validate import check_messages
from pegboard._board.dispatch import Dispatcher
from pegboard.decisions import Skip
from pegboard.errors import InvalidRequestError
from pegboard.messages import Message, Origin, TextBlock, ToolResultBlock
from pegboard.records import CompactionDone, CompactionSkipped, Event, PostCompact, Record, SessionStart
from pegboard.requests import CompactionJob, CompactionResult, CompactionTrigger, estimate_tokens
from pegboard.settings import SessionTable

KEPT_OF_A_RESULT = 2_000
"""Characters of an old tool result that the cut by rule leaves: half of it head, half of it tail."""


class Compacted(Protocol):
    """What making a conversation shorter needs of its session."""

    dispatcher: Dispatcher
    model_name: str

    def fill(self) -> tuple[int, int]: ...
    def counts(self, tokens: int) -> None: ...
    def write(self, record: Record) -> None: ...
    def notice(self, plugin: str, text: str, level: str) -> None: ...
    async def fire(self, event: Event) -> Any: ...


class Compacting:
    """Makes one session's conversation shorter, when it is full or somebody asks."""

    def __init__(
        self,
        session: Compacted,
        conversation: Conversation,
        prompting: Prompting,
        egress: Egress,
        settings: SessionTable,
    ) -> None:
        self._session = session
        self._conversation = conversation
        self._prompting = prompting
        self._egress = egress
        self._settings = settings
        self.ineffective = 0
        """How often in this turn the conversation was as good as full afterwards."""

    async def in_turn(self, trigger: CompactionTrigger) -> bool:
        """Compact where the loop wants it; not for a third time in vain."""
        if self.ineffective >= 2 and trigger is CompactionTrigger.AUTO:
            return False
        done = await self.compact(trigger, "")
        tokens, window = self._session.fill()
        if not done or tokens >= window * self._settings.compact_at:
            self.ineffective += 1
        return done

    async def compact(self, trigger: CompactionTrigger, instructions: str) -> bool:
        """Ask the hook, and take what it answers; False if nobody could make it shorter."""
        session = self._session
        before = tuple(self._conversation.view())
        if not before:
            return False
        tokens, window = session.fill()
        target = int(window * self._settings.compact_to)
        # Who asks wants less than there is, whatever the window: a person, a hook, or a provider who counts otherwise.
        target = min(target, tokens // 2, estimate_tokens(before) // 2)
        pins = self._prompting.pins
        job = CompactionJob(
            trigger=trigger,
            messages=before,
            tokens=tokens,
            target_tokens=target,
            window=window,
            instructions=instructions,
            pins=pins,
        )
        result, by = await session.dispatcher.compact(
            job, lambda given: objection(given, before, pins), lambda: cut_by_rule(before, target, pins)
        )
        if isinstance(result, Skip):
            session.write(CompactionSkipped(trigger=trigger, by=by, reason=result.reason))
            session.notice(by, f"no compaction: {result.reason}", "info")
            return False
        if result is None:
            session.write(CompactionSkipped(trigger=trigger, by="host", reason="nothing can be taken away"))
            return False
        await self._take(result, by, trigger, tokens)
        return True

    async def _take(self, result: CompactionResult, by: str, trigger: CompactionTrigger, tokens: int) -> None:
        session = self._session
        self._conversation.replace(result.messages)
        now = self._conversation.characters // 4
        session.counts(now)
        session.write(
            CompactionDone(
                trigger=trigger,
                strategy=result.strategy,
                by=by,
                messages_json=as_json(result.messages),
                summary=result.summary,
                tokens_before=tokens,
                tokens_after=now,
                handles=result.handles,
            )
        )
        self._prompting.thaw()
        session.notice(by, f"compacted by {result.strategy}: {tokens:,} to {now:,} tokens", "info")
        await session.fire(SessionStart(source="compact", model=session.model_name))
        await session.fire(PostCompact(trigger=trigger, compact_summary=self._egress.text("summary", result.summary)))


def objection(result: CompactionResult, before: Sequence[Message], pins: Sequence[str]) -> str:
    """Return what speaks against a result; empty if it may take the place of *before*."""
    if not result.messages:
        return "it has no messages"
    try:
        check_messages(result.messages, ending=False)
    except InvalidRequestError as error:
        return f"it is no valid conversation: {error}"
    if before and before[-1].role == "user" and result.messages[-1].role != "user":
        return "it ends with the model's words; the next request must end with the user's"
    was, now = estimate_tokens(before), estimate_tokens(result.messages)
    if now >= was:
        return f"it is not shorter ({now:,} tokens instead of {was:,})"
    if pins:
        text = "\n".join(_texts(result.messages))
        for pin in pins:
            if pin not in text:
                return f"it lost a pinned text: {pin[:60]!r}"
    return ""


def _texts(messages: Sequence[Message]) -> list[str]:
    return [block.text for message in messages for block in message.content if isinstance(block, TextBlock)]


def cut_by_rule(messages: Sequence[Message], target: int, pins: Sequence[str]) -> CompactionResult | None:
    """Shorten without asking anybody: old tool results first, then the oldest messages.

    The newest exchange and the pins stay. Returns None if nothing can be taken away.
    """
    shortened = list(messages)
    last_user = max((place for place, message in enumerate(messages) if message.role == "user"), default=0)
    for place, message in enumerate(messages):
        if estimate_tokens(shortened) <= target:
            break
        if message.role == "user" and place != last_user:
            shortened[place] = _with_short_results(message)
    start = 0
    for place in _clean_starts(shortened):
        if estimate_tokens(shortened[start:]) <= target:
            break
        start = place
    kept = shortened[start:]
    if estimate_tokens(kept) > target and kept:
        kept = [_with_short_results(message) if message.role == "user" else message for message in kept]
    lost = [pin for pin in pins if pin not in "\n".join(_texts(kept))]
    if start or lost:
        note = f"[The {start} oldest messages were cut away because the conversation had grown too long.]"
        first = _short("\n".join(_texts(messages[:1])))
        head = (note, f"[It began with:]\n{first}", *lost) if start and first.strip() else (note, *lost)
        blocks = tuple(TextBlock(text=text, origins=(Origin.HOST,)) for text in head)
        if kept[0].role == "user":
            kept[0] = Message(role="user", content=(*blocks, *kept[0].content))
        else:
            kept.insert(0, Message(role="user", content=blocks))
    result = CompactionResult(messages=tuple(kept), strategy="cut by rule", summary="")
    return None if objection(result, messages, pins) else result


def _clean_starts(messages: Sequence[Message]) -> list[int]:
    """Return the places where a conversation may begin: where no tool call is parted from its result."""
    return [
        place
        for place, message in enumerate(messages)
        if place > 0
        and (message.role == "assistant" or not any(isinstance(b, ToolResultBlock) for b in message.content))
    ]


def _with_short_results(message: Message) -> Message:
    content = tuple(
        block.model_copy(update={"content": _short(block.content)})
        if isinstance(block, ToolResultBlock) and isinstance(block.content, str)
        else block
        for block in message.content
    )
    return Message(role=message.role, content=content)


def _short(text: str) -> str:
    if len(text) <= KEPT_OF_A_RESULT + 100:
        return text
    half = KEPT_OF_A_RESULT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters cut away ...]\n{text[-half:]}"


def as_json(messages: Sequence[Message]) -> str:
    """Return messages as the journal keeps them: with the origins of each block beside it."""
    return to_json(
        [{"message": message, "origins": [block.origins for block in message.content]} for message in messages]
    ).decode()
