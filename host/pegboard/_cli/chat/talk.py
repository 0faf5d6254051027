"""A conversation between a person and a session: what is typed becomes prompts, steering and commands."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

from pegboard._cli.chat import attention, drawing, slash
from pegboard._cli.chat.attention import told_later
from pegboard._cli.chat.shapes import Face, Slash
from pegboard._cli.words import MODES
from pegboard.errors import EgressClosedError, PegboardError, nearest
from pegboard.host import Host, Options, RunResult, Session, Shown
from pegboard.messages import EndReason
from pegboard.output import readable
from pegboard.records import Notification

COMMAND = re.compile(r"/([A-Za-z][\w:.-]*)(?:\s+(.*))?$", re.DOTALL)
"""A command; a path has a second slash, and is a prompt."""
CYCLE = ("default", "acceptEdits", "plan")
"""The modes that one key goes through; others must be named."""
SAME_MOMENT = 1.0
"""Seconds for which commands stay known: they are asked for with each letter that is typed."""
SENT = 0.025
"""Seconds after which a prompt is drawn: its request is on the way by then, and nobody sees the difference."""
PATIENCE = 1.0
"""Seconds that an interrupted turn has to end in good order."""
GO_ON = "/continue goes on"


class Talk:
    """Holds the session that is talked to, and does one thing at a time with it."""

    host: Host
    session: Session
    face: Face

    def __init__(self, options: Options) -> None:
        self.options = options
        self.busy = False
        self.leaving = False
        self._work: asyncio.Task[None] | None = None
        self._beside: set[asyncio.Task[None]] = set()
        self._in_turn = False
        self._undrawn = ""
        self._said = False
        self.changed: Callable[[], Sequence[str]] = tuple
        """Names the plugins whose source has changed since it was last asked; they are reloaded before a turn."""
        self._idle: asyncio.TimerHandle | None = None
        self._known: tuple[Session, float, dict[str, Slash]] | None = None

    # --- life ------------------------------------------------------------------------------------------

    async def run(self, session: Session, prompt: str = "") -> None:
        """Talk until the person leaves; the session is closed on every way out."""
        self.session = session
        try:
            await session.__aenter__()
            await self.face.run(lambda: self._begin(prompt))
        finally:
            self.leaving = True
            self._forget_idleness()
            await self._end_work()
            await self._close("prompt_input_exit")

    async def _end_work(self) -> None:
        for task in (*self._beside, self._work):
            if task is not None and not task.done():
                if task is self._work:
                    await self.session.interrupt()
                task.cancel()
                await asyncio.wait([task], timeout=5)

    async def _close(self, reason: str) -> None:
        session = self.session
        await session.close(reason)
        if not self.has_words:
            session.path.unlink(missing_ok=True)  # nobody said anything, so there is nothing to go on with

    @property
    def has_words(self) -> bool:
        """Whether anything was said, be it refused."""
        return self._said or self.session.turn > 0

    async def switch(self, make: Callable[[], Session], reason: str) -> None:
        """Talk to another session from here on. Raises PegboardError, and then all stays as it was."""
        new = make()
        await self._close(reason)
        self.session, self._said = new, False
        await new.__aenter__()
        if new.first_prompt:
            self._beside_it(self._later(new.first_prompt))

    async def _later(self, text: str) -> None:
        while self.busy:
            await asyncio.sleep(0.01)
        self.submit(text)

    def _begin(self, prompt: str) -> None:
        session = self.session
        model = session.model_name or "no model: /model PREFIX:NAME chooses one"
        self.face.say(f"pegboard chat, {self.shown(model)}; /help tells more")
        self._beside_it(session.gather_tools())  # servers start while the person types
        self.show_past()
        first = "\n".join(text for text in (session.first_prompt, prompt) if text)
        if first:
            self.submit(first)

    def show_past(self) -> None:
        """Show the end of a conversation that is gone on with."""
        for renderable in drawing.past(self.session.messages(), self.shown):
            self.face.draw(renderable)
        if self.session.broken_off:
            self.face.say(f"the last turn was broken off; {GO_ON} with it", "warning")

    def shown(self, text: str) -> str:
        """Return what may be shown of a text."""
        try:
            return readable(str(self.session.emit("text", text)))
        except EgressClosedError as closed:
            return f"[{closed}]"

    @property
    def last_words(self) -> str:
        """What is printed when the chat is over."""
        if not self.has_words:
            return ""
        return f"go on with: pegboard chat --resume {self.session.session_id}"

    # --- what the person does --------------------------------------------------------------------------

    def submit(self, text: str) -> None:
        """Take what was typed: a command, words for the turn that runs, or a prompt."""
        found = COMMAND.match(text.strip())
        if found is not None:
            if not self.face.echoes:
                self.face.draw(drawing.command(self.shown(text.strip())))
            self._command(found[1], (found[2] or "").strip())
        elif self.busy:
            self.face.queue(text)
            self._beside_it(self._steer(text))
        else:
            self._start(self.send(text) if self.face.echoes else self._turn(text))

    def show(self, shown: Shown) -> None:
        """Take what a session shows."""
        self._draw_prompt()
        self.face.show(shown)

    def interrupt(self) -> None:
        """End what is being done, in good order."""
        if self._work is not None and not self._work.done():
            self._beside_it(self._interrupt(self._work))

    async def _interrupt(self, work: asyncio.Task[None]) -> None:
        if self._in_turn:
            await self.session.interrupt()
            await asyncio.wait([work], timeout=PATIENCE)
        if not work.done():
            work.cancel()  # a command that waits, or hooks of the prompt that take their time

    def leave(self) -> None:
        """End the chat."""
        self.leaving = True
        self.face.close()

    def next_mode(self) -> None:
        """Go to the next permission mode."""
        now = self.session.mode
        new = CYCLE[(CYCLE.index(now) + 1) % len(CYCLE)] if now in CYCLE else CYCLE[0]
        self.session.use_mode(new)
        self.face.say(f"permission mode: {new}")

    def completions(self, text: str) -> Iterable[tuple[str, str]]:
        """Return what a beginning of a command may become, each with a word about it."""
        word, space, rest = text.partition(" ")
        if not space:
            return [(f"/{one.name}", one.help) for one in self.commands().values() if one.name.startswith(word[1:])]
        known = {"model": [f"{prefix}:" for prefix in self.session.known_models()], "mode": list(MODES)}
        return [(value, "") for value in known.get(word[1:], ()) if value.startswith(rest) and value != rest]

    def status(self) -> Sequence[str]:
        """Return what the status line says, the most important first."""
        session = self.session
        tokens, window = session.fill()
        cost = session.usage.cost_usd
        parts = [session.model_name.partition(":")[2] or "no model"]
        parts.append(f"{_thousands(tokens)}/{_thousands(window)}" if window else _thousands(tokens))
        if cost:
            parts.append(f"${cost:.2f}" if cost >= 0.1 else f"${cost:.4f}")
        if session.mode != "default":
            parts.insert(1, session.mode)
        parts.append(self._plugins())
        return [self.shown(part) for part in parts]

    def _plugins(self) -> str:
        records = self.host.board.records
        active = [record for record in records if record.status == "active"]
        packs = sorted(r.name for r in active if r.distribution not in ("pegboard", "") and r.name != "chat")
        wrong = sum(record.status in ("load_error", "config_error", "quarantined") for record in records)
        words = f"{len(active)} plugins" + (f" with {', '.join(packs)}" if packs else "")
        return words + (f", {wrong} broken" if wrong else "")

    # --- work ------------------------------------------------------------------------------------------

    def _start(self, work: Awaitable[None]) -> None:
        self.busy = True
        self._forget_idleness()
        self.face.begin()
        self._work = asyncio.create_task(self._whole(work), name="pegboard-chat-work")

    async def _whole(self, work: Awaitable[None]) -> None:
        try:
            await work
        except PegboardError as error:
            self.face.end()
            self.face.say(self.shown(str(error)), "error")
        except asyncio.CancelledError:
            if not self.leaving:
                self.face.say("interrupted", "warning")
        finally:
            self.busy = False
            self.face.end()
            self._forget_idleness()
            if self.has_words and not self.leaving:
                waits = Notification(message="Pegboard is waiting for your input", notification_type="idle_prompt")
                self._idle = told_later(attention.IDLE, self.session.fire, waits)

    def _forget_idleness(self) -> None:
        if self._idle is not None:
            self._idle.cancel()

    def _beside_it(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _steer(self, text: str) -> None:
        if not await self.session.steer(text):
            self.face.unqueue()
            self.face.restore(text)
        elif not self.busy:
            self._take_late_words()

    async def _turn(self, text: str | None, *, drawn: bool = False) -> None:
        changed = self.changed()
        if changed:
            await self.reload(*changed)
        while True:
            if text is not None and not drawn:
                self._undrawn, self._said = text, True
                asyncio.get_running_loop().call_later(SENT, self._draw_prompt)
            self._in_turn = True
            try:
                result = await self.session.run(text)
            finally:
                self._in_turn = False
                self._draw_prompt()
            self.face.end()
            self._tell_end(result, text)
            words = "\n".join(self.session.take_back())
            self.face.unqueue()
            if not words:
                return
            if result.reason is not EndReason.COMPLETED:
                self.face.restore(words)
                return
            text, drawn = words, False

    def _draw_prompt(self) -> None:
        """Draw the prompt once, before anything that follows from it; the request goes out first."""
        text, self._undrawn = self._undrawn, ""
        if text:
            self.face.draw(drawing.prompt(self.shown(text)))

    def _take_late_words(self) -> None:
        """The turn ended while hooks looked at words for it: they become a prompt."""
        words = "\n".join(self.session.take_back())
        self.face.unqueue()
        if words:
            self._start(self._turn(words))

    async def reload(self, *names: str) -> None:
        """Import plugins anew, and go on with the conversation under what they bring now."""
        from pegboard._board.reloading import reload_plugin
        from pegboard._cli.plugins import tell_reload

        for name in names:
            tell_reload(reload_plugin(self.host.board, name), lambda text: self.face.say(self.shown(text)))
        session, go_on = self.session, self.has_words
        await self._close("other")
        self.session = (
            self.host.resume(session.session_id, self.options, show=self.show)
            if go_on
            else self.host.session(self.options, show=self.show)
        )
        await self.session.__aenter__()

    async def send(self, text: str) -> None:
        """Send a prompt that stands there already: as it was typed, or as a command."""
        self._said = True
        await self._turn(text, drawn=True)

    async def go_on(self) -> None:
        """Go on with a turn that was broken off."""
        await self._turn(None)

    def _tell_end(self, result: RunResult, prompt: str | None) -> None:
        reason, detail = result.reason, readable(result.detail)
        if reason is EndReason.COMPLETED:
            if detail:
                self.face.say(f"ended: {detail}", "warning")
        elif reason is EndReason.REFUSED:
            if prompt:
                self.face.restore(prompt)  # to be mended; the notice has said why
        elif reason is EndReason.INTERRUPTED:
            self.face.say(f"interrupted; type what to do instead, or {GO_ON}", "warning")
        elif reason is EndReason.ERROR:
            self.face.say(detail if self.session.refused else f"{detail}\n{GO_ON} from here", "error")
        elif reason in LIMITS:
            self.face.say(f"a limit was reached: {detail}; {GO_ON}", "warning")
        else:
            self.face.say(f"ended: {reason}{': ' + detail if detail else ''}", "warning")

    # --- commands --------------------------------------------------------------------------------------

    def commands(self) -> dict[str, Slash]:
        """Return every command by name: ours first, then those of plugins. They are looked for once a second."""
        now = time.monotonic()
        if self._known is None or self._known[0] is not self.session or now - self._known[1] > SAME_MOMENT:
            self._known = (self.session, now, slash.commands(self.host, self.host.prompts(self.session).values()))
        return self._known[2]

    def _command(self, name: str, words: str) -> None:
        known = self.commands()
        close = [one for one in known if one.startswith(name)]
        found = known.get(name) or (known[close[0]] if len(close) == 1 else None)
        if found is None:
            near = nearest(name, known)
            may_be = [f"/{one}" for one in close or ([near] if near else [])]
            hint = f" Did you mean {' or '.join(may_be)}?" if may_be else ""
            self.face.say(self.shown(f"there is no command /{name}.{hint} /help shows all."), "error")
        elif found.anytime and self.busy:
            self._beside_it(self._beside_command(found, words))
        elif self.busy:
            self.face.say(f"/{found.name} waits until the turn is over; Esc interrupts it", "warning")
        else:
            self._start(found.run(self, words))

    async def _beside_command(self, command: Slash, words: str) -> None:
        try:
            await command.run(self, words)
        except PegboardError as error:
            self.face.say(self.shown(str(error)), "error")


LIMITS = (EndReason.STEP_LIMIT, EndReason.WALL_TIME, EndReason.COST, EndReason.NO_PROGRESS)


def _thousands(number: int) -> str:
    return f"{number / 1000:.1f}k" if number >= 1000 else str(number)
