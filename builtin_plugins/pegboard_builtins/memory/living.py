"""Memory in one session: a queue behind the hooks that remember, and what is recalled."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from pegboard.context import Ctx
from pegboard.errors import EgressClosedError, PegboardError
from pegboard.records import Record
from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.fence import Recalled, fenced
from pegboard_builtins.memory.observing import Draft, Observer, Place, cut, event_of
from pegboard_builtins.memory.opened import Opened
from pegboard_builtins.memory.origins import Heard
from pegboard_builtins.memory.settings import MemorySettings
from pegboard_builtins.memory.subject_words import informative

if TYPE_CHECKING:
    from pegboard_builtins.memory.secrets import Secrets

T = TypeVar("T")

AT_ONCE = 64
PROMPT_PATIENCE = 0.5
"""Seconds that a prompt waits for what is recalled with it; then it goes without."""
SLOW = 60.0
"""Seconds that nothing is asked for after it took too long, so that not every prompt waits."""
GATHER = 0.05
"""Seconds in which what is seen gathers before it is kept: a prompt's request leaves before threads work beside it."""
SHORT = 4_096
"""Characters up to which secrets are looked for without a thread, whose hop takes longer than the look."""
AGAIN = 0.5
"""Seconds until what could not be kept is tried again, while the session lives."""
TRIES = 3


class SessionMemory:
    """What a session remembers and recalls. Its hooks only put things into a queue; a task behind them does the rest.

    What is lost with the process before it was kept is in the journal, and is read from there the next time.
    """

    def __init__(self, ctx: Ctx, settings: MemorySettings, open_: Callable[[], Awaitable[Opened]]) -> None:
        self.ctx = ctx
        self.settings = settings
        self.observer = Observer(settings.capture.kinds, strict=settings.capture.strict)
        self.shown: set[str] = set()
        self.block: str | None = None
        self.ended = asyncio.Event()
        """Set when the record that tells of the session's end was seen: everything before it was seen, too."""
        self.swept = False
        """Whether what other sessions left was looked for."""
        self._open = open_
        self._opened: Opened | None = None
        self._queue: deque[Draft] = deque()
        self._task: asyncio.Task[None] | None = None
        self._count = 0
        self._gave_up = False
        self._slow_until = 0.0
        self._told: set[str] = set()

    @cached_property
    def _secrets(self) -> Secrets | None:
        """What looks for secrets; loaded when something is to be kept, which is after the first request."""
        if "secrets" not in self.settings.capture.redact:
            return None
        from pegboard_builtins.memory.secrets import Secrets

        return Secrets()

    @property
    def busy(self) -> bool:
        """Whether anything was seen that had to be kept."""
        return self._count > 0

    def heard(self) -> Heard:
        """Return what tools have told the session up to now."""
        return self.observer.hear_messages(self.ctx.journal.messages())

    async def opened(self) -> Opened:
        """Return the project's memory, opened when it is first needed."""
        if self._opened is None:
            self._opened = await self._open()
        return self._opened

    # --- remembering ---------------------------------------------------------------------------------------

    def observe(self, record: Record) -> None:
        """Look at a record; cheap, because every record of these types waits for it."""
        draft = self.observer.take(record)
        if draft is not None:
            self.keep([draft])

    def keep(self, drafts: Iterable[Draft]) -> None:
        """Queue drafts to be kept."""
        for draft in drafts:
            if self._count >= self.settings.capture.session_events:
                self._tell(f"this session has left {self._count:,} events; no more are remembered of it")
                return
            self._count += 1
            self._queue.append(draft)
        if self._queue and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._work(), name="pegboard-memory")

    async def _work(self) -> None:
        tries = 0
        await self._gather()
        while self._queue:
            batch = [self._queue[place] for place in range(min(AT_ONCE, len(self._queue)))]
            try:
                opened = await self.opened()
                events = [event for draft in batch if (event := await self._event(draft, opened)) is not None]
                if events:
                    await asyncio.to_thread(opened.memory.put, events)
            except PegboardError as error:
                tries += 1
                if tries >= TRIES:
                    self._queue.clear()  # the journal has them: they are taken from there the next time
                    self._gave_up = True
                    self._tell(f"nothing is remembered just now: {error}")
                    return
                await asyncio.sleep(AGAIN)
                continue
            tries = 0
            for _ in batch:
                self._queue.popleft()

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER):
                await self.ended.wait()

    async def _event(self, draft: Draft, opened: Opened, place: Place | None = None) -> Event | None:
        place, most = place or opened.place(self.ctx.session_id), self.settings.capture.max_bytes
        event = await asyncio.to_thread(lambda: event_of(draft, place, self._secrets, max_bytes=most))
        return self.leaves(event) if event is not None else None

    def leaves(self, event: Event) -> Event | None:
        """Return an event as it may be kept; None, and a notice, if it may not be."""
        text, meta = event.text, dict(event.meta)
        if "names" in self.settings.capture.redact:
            try:
                text, meta = self.ctx.emit("memory", text), self.ctx.emit("memory", meta)
            except EgressClosedError as closed:
                self._tell(f"something is not remembered: {closed}")
                return None
        text = cut(str(text), self.settings.capture.max_bytes)
        return replace(event, text=text, meta=meta) if text.strip() else None

    async def clean(self, text: str) -> str:
        """Return a text without secrets and names. Raises EgressClosedError."""
        if not text:
            return text
        if self._secrets is not None:
            look = self._secrets.masked
            text, _ = look(text) if self._secrets.ready and len(text) <= SHORT else await asyncio.to_thread(look, text)
        return str(self.ctx.emit("memory", text)) if "names" in self.settings.capture.redact else text

    async def drain(self, soon: float, at_most: float) -> bool:
        """Wait until everything that was seen is kept; whether it is. After *soon* nothing waits for a daemon."""
        try:
            async with asyncio.timeout(at_most):
                await self.ended.wait()
                if self._task is not None:
                    done, _ = await asyncio.wait([self._task], timeout=soon)
                    if not done and self._opened is not None:
                        self._opened.memory.hurry()
                    await asyncio.shield(self._task)
        except TimeoutError:
            return False
        return not self._queue and not self._gave_up

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.ctx.notice(text, level="warning")

    # --- what was left -------------------------------------------------------------------------------------

    async def take_up(self) -> None:
        """Go on with a session that was resumed: with what tools told it, and what was not kept the last time."""
        from pegboard_builtins.memory.leftovers import left_in, records_in

        path = self.ctx.journal.path
        drafts, self.observer = await asyncio.to_thread(left_in, records_in(path), self.settings)
        self.shown |= set(self.observer.shown)
        self.keep(drafts)

    async def sweep(self) -> None:
        """Remember what other sessions of this folder left behind when their processes were killed."""
        await self._gather()
        from pegboard_builtins.memory.leftovers import Swept, left_in, records_in

        try:
            opened = await self.opened()
            mine, private = self.ctx.journal.path, opened.facts.private
            swept = await asyncio.to_thread(Swept, private)
            for path in await asyncio.to_thread(swept.unswept, mine.parent, but=mine):
                size = path.stat().st_size
                drafts, _ = await asyncio.to_thread(left_in, records_in(path), self.settings)
                place = opened.place(path.stem)
                for draft in drafts[: self.settings.capture.session_events]:
                    event = await self._event(draft, opened, place)
                    if event is not None:
                        await asyncio.to_thread(opened.memory.put, [event])
                await asyncio.to_thread(swept.mark, {path.stem: size})
        except (PegboardError, OSError) as error:
            self.ctx.log.warning("what other sessions left is not remembered yet: %s", error)

    async def mark(self) -> None:
        """Note that everything up to here is kept."""
        from pegboard_builtins.memory.leftovers import Swept

        opened, path = await self.opened(), self.ctx.journal.path
        size = path.stat().st_size
        await asyncio.to_thread(lambda: Swept(opened.facts.private).mark({path.stem: size}))

    # --- recalling -----------------------------------------------------------------------------------------

    async def session_block(self) -> tuple[str, list[str]]:
        """Choose what the session is told from its beginning; the block, and what is in it."""
        items = await self._within(self._for_session, PROMPT_PATIENCE * 4) or []
        return self._block(items), [item.id for item in items]

    def _for_session(self, opened: Opened) -> list[Recalled]:
        if opened.facts.blank:
            return []  # a project's first sessions know nothing, and need not load what chooses
        from pegboard_builtins.memory.choosing import chosen_for_session

        return chosen_for_session(opened, self.settings)

    async def prompt_block(self, prompt: str) -> str:
        """Choose what one prompt is told beside; empty if nothing fits."""
        if not informative(prompt):
            return ""  # "go on", say: nothing could be chosen by it
        try:
            asked = await self.clean(prompt)  # it goes to the daemon, and what is kept was masked in the same way
        except EgressClosedError as closed:
            self._tell(f"nothing is recalled: {closed}")
            return ""
        return self._block(await self._within(lambda opened: self._for_prompt(opened, asked), PROMPT_PATIENCE) or [])

    def _block(self, items: Sequence[Recalled]) -> str:
        """Return what goes into the prompt; names that were listed since it was kept are masked now."""
        text = fenced(items, self.ctx.session_id)
        if text and "names" in self.settings.capture.redact:
            try:
                text = str(self.ctx.emit("memory", text))
            except EgressClosedError as closed:
                self._tell(f"nothing is recalled: {closed}")
                return ""
        self._remember_shown(items)
        return text

    def _for_prompt(self, opened: Opened, prompt: str) -> list[Recalled]:
        from pegboard_builtins.memory.choosing import chosen_for_prompt

        session = self.ctx.session_id
        return chosen_for_prompt(opened, self.settings, prompt, shown=self.shown, session=session)

    def _remember_shown(self, items: Iterable[Recalled]) -> None:
        for item in items:
            self.shown.add(item.id)
            self.observer.recalled.append(item.text)

    async def _within(self, work: Callable[[Opened], T], seconds: float) -> T | None:
        """Do something with memory in a thread; None if it fails or takes too long. A prompt never waits for more."""
        if time.monotonic() < self._slow_until:
            return None
        try:
            async with asyncio.timeout(seconds):
                opened = await self.opened()
                return await asyncio.to_thread(work, opened)
        except TimeoutError:
            self._slow_until = time.monotonic() + SLOW
            self.ctx.log.warning("nothing is recalled: memory took longer than %g s", seconds)
        except PegboardError as error:
            self._tell(f"nothing is recalled: {error}")
        return None
