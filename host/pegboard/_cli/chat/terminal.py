"""The terminal by prompt_toolkit: what is finished scrolls away above, what goes on and the input stay below."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    Layout,
    Window,
)
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth
from prompt_toolkit.widgets import SearchToolbar

from pegboard._cli.chat.lines import Lines
from pegboard._cli.chat.paint import Paint, fancy, glyph
from pegboard._cli.chat.shapes import Typing
from pegboard._cli.chat.stack import Stack
from pegboard._cli.chat.transcript import Transcript
from pegboard.host import Shown
from pegboard.output import visible

REDRAW = 0.04
"""Seconds between two redraws while text comes; the first piece is drawn at once."""
AWAIT = 0.03
"""Seconds that a redraw waits for the first thing that work shows: nobody sees them, and it is mostly a frame less."""
SETTLE = 0.35
"""Seconds without a key before a question takes keys: what was typed for the input must not answer it."""
SPIN = 0.12
TWICE = 2.0
"""Seconds in which a second Ctrl-C leaves."""
MOST_COMPLETIONS = 6
INPUT_ROWS = 8
SPINNER = ("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\")
SYNC_BEGIN, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
"""Terminals that know this draw all of it at once; others leave it alone."""
STYLE = Style.from_dict(
    {
        "rule": "ansibrightblack",
        "sign": "bold ansicyan",
        "status": "ansibrightblack",
        "work": "ansiyellow",
        "hint": "ansibrightblack",
        "chosen": "bold ansicyan",
        "completion": "",
        "completion.meta": "ansibrightblack",
    }
)


class _Slashes(Completer):
    def __init__(self, find: Callable[[str], Iterable[tuple[str, str]]]) -> None:
        self._find = find

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text
        if not text.startswith("/") or document.cursor_position != len(text):
            return
        for word, meta in self._find(text):
            start = -len(text) if word.startswith("/") else -len(text.rpartition(" ")[2])
            yield Completion(word, start_position=start, display_meta=meta)


class _Output(Vt100_Output):
    """Holds back what is written until all of a frame is there."""

    held = False

    def flush(self) -> None:
        if not self.held:
            super().flush()


class _App(Application[None]):
    """Draws not at once when work has begun: what it shows first is drawn with it."""

    awaits = False

    def _redraw(self, render_as_done: bool = False) -> None:
        if render_as_done or not self.awaits:
            super()._redraw(render_as_done)


class Terminal:
    """The person's side of a chat in a terminal."""

    echoes = False

    def __init__(self, owner: Typing, history: History, cwd: Path) -> None:
        self._owner = owner
        paint = Paint()
        # Without asking the terminal where the cursor stands: what is drawn is as high as it must be, wherever it is.
        self._output = _Output(sys.stdout, _size, term=os.environ.get("TERM"), enable_cpr=False)
        self.transcript = Transcript(self._print, self._columns, cwd, paint)
        self._search = SearchToolbar(ignore_case=True)
        self._input = Buffer(
            multiline=True,
            history=history,
            completer=_Slashes(owner.completions),
            complete_while_typing=True,
            enable_history_search=False,
            on_text_changed=self._typed,
        )
        self._choices: Sequence[str] = ()
        self._chosen = 0
        self._answer: asyncio.Future[int] | None = None
        self._line: asyncio.Future[str] | None = None
        self._hint = ""
        self._kept_input = ""
        self._last_key = 0.0
        self._settled = False
        self._said: str | None = None
        self._interrupted_at = 0.0
        self._working_since = 0.0
        self._drawn_at = 0.0
        self._fresh = False
        self._redraw_timer: asyncio.TimerHandle | None = None
        self._above: StyleAndTextTuples = []
        self._below: StyleAndTextTuples = []
        self._rows = 0
        self._printing = False
        self._app = self._make_app(paint)

    # --- what the conversation asks for ----------------------------------------------------------------

    async def run(self, ready: Callable[[], None]) -> None:
        """Take keys until `close`; *ready* is called once they are."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._owner.leave)
        spinning = asyncio.create_task(self._spin())
        try:
            await self._app.run_async(set_exception_handler=False, pre_run=lambda: self._call_soon(ready))
        finally:
            spinning.cancel()
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    @staticmethod
    def _call_soon(ready: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(ready)  # the terminal takes keys one by one by then

    def close(self) -> None:
        """End `run`; the input goes, what was printed stays."""
        if self._app.is_running:
            self._app.exit()

    def show(self, shown: Shown) -> None:
        """Take what a session shows."""
        self.transcript.show(shown)
        self._draw_soon()

    def draw(self, renderable: Any) -> None:
        """Print something."""
        self.transcript.draw(renderable)

    def say(self, text: str, level: str = "info") -> None:
        """Print a line of the host."""
        self.transcript.say(text, level)

    def begin(self) -> None:
        """Something is being worked on."""
        self._working_since = time.monotonic()
        if self._app.is_running:
            self._app.awaits = self._fresh = True
            asyncio.get_running_loop().call_later(AWAIT, self._draw_awaited)

    def end(self) -> None:
        """Nothing is being worked on any more."""
        self._app.awaits = self._fresh = False
        self.transcript.finish()
        self._app.invalidate()

    def queue(self, text: str) -> None:
        """Show words that wait for the call that runs."""
        self.transcript.queued.append(text)
        self._app.invalidate()

    def unqueue(self) -> None:
        """Show no such words any more."""
        self.transcript.queued.clear()
        self._app.invalidate()

    def restore(self, text: str) -> None:
        """Put words back into the input, before what stands there."""
        old = self._input.text
        self._input.text = f"{text}\n{old}" if old.strip() else text
        self._input.cursor_position = len(self._input.text)
        self._app.invalidate()

    async def choose(self, choices: Sequence[str]) -> int:
        """Let the person choose; keys count once none has come for a moment. Words mean the last choice."""
        self._choices, self._chosen, self._said = choices, 0, None
        self._answer = asyncio.get_running_loop().create_future()
        self._settled = False
        self._last_key = time.monotonic()
        self._settle()
        try:
            return await self._answer
        finally:
            self._answer, self._choices = None, ()
            self._app.invalidate()

    async def line(self, hint: str) -> str:
        """Let the person type a line; what stood in the input comes back afterwards."""
        if self._said is not None:  # typed in the face of the question
            said, self._said = self._said, None
            return said
        self._hint, self._kept_input = hint, self._input.text
        self._input.reset(Document(""))
        self._line = asyncio.get_running_loop().create_future()
        self._app.invalidate()
        try:
            return await self._line
        finally:
            self._line, self._hint = None, ""
            self._input.reset(Document(self._kept_input))
            self._app.invalidate()

    def clear(self) -> None:
        """Empty the screen."""
        self._app.renderer.clear()

    # --- printing --------------------------------------------------------------------------------------

    def _columns(self) -> int:
        return self._output.get_size().columns

    def _print(self, text: str) -> None:
        """Print above the input. What is printed in one go, and the input below it, reach the terminal in one piece."""
        output, app = self._output, self._app
        if not app.is_running:
            output.held = False
            output.write_raw(text.replace("\n", "\r\n"))
            output.flush()
            return
        if not self._printing:
            self._printing = output.held = True
            output.write_raw(SYNC_BEGIN)
            app.renderer.erase(leave_alternate_screen=False)
            asyncio.get_running_loop().call_soon(self._draw_printed)
        output.write_raw(text.replace("\n", "\r\n"))

    def _draw_printed(self) -> None:
        if self._printing:
            self._draw()

    def _after_render(self, app: Application[None]) -> None:
        if self._printing:
            self._printing = self._output.held = False
            self._output.write_raw(SYNC_END)
            self._output.flush()

    def _draw_soon(self) -> None:
        """Draw now if nothing was drawn for a moment, else a little later.

        Now means before anything else is done: the rest of an answer may be here already, and would go first.
        """
        if self._redraw_timer is not None or not self._app.is_running:
            return
        wait = self._drawn_at + REDRAW - time.monotonic()
        if wait <= 0 or self._fresh:
            self._fresh = False
            self._draw()
        elif not self._printing:
            self._redraw_timer = asyncio.get_running_loop().call_later(wait, self._draw)

    def _draw_awaited(self) -> None:
        if self._app.awaits:
            self._draw()

    def _draw(self) -> None:
        self._redraw_timer = None
        self._app.awaits = False
        if self._app.is_running:
            self._drawn_at = time.monotonic()
            self._app._redraw()

    def _before_render(self, app: Application[None]) -> None:
        """Make what stands above and below the input, once; give rows back that are not needed any more.

        The renderer itself only grows.
        """
        self._above, self._below = self._make_above(), self._make_below()
        text = self._input.text
        rows = text.count("\n") + len(text) // self._columns()
        rows += sum(fragment[1].count("\n") for fragment in (*self._above, *self._below))
        if rows < self._rows and app.renderer.last_rendered_screen is not None and not app.is_done:
            held, self._output.held = self._output.held, True
            app.renderer.erase(leave_alternate_screen=False)
            self._output.held = held
        self._rows = rows

    async def _spin(self) -> None:
        while True:
            await asyncio.sleep(SPIN)
            if self._owner.busy and self._answer is None and not self._app.awaits:
                self._draw()

    # --- layout ----------------------------------------------------------------------------------------

    def _make_app(self, paint: Paint) -> _App:
        asks = Condition(lambda: self._answer is not None)
        works = Condition(lambda: self._owner.busy)
        control = BufferControl(self._input, search_buffer_control=self._search.control, focus_on_click=False)
        typing = Window(
            control,
            wrap_lines=True,
            height=Dimension(min=1, max=INPUT_ROWS),
            dont_extend_height=True,
            get_line_prefix=_sign,
        )
        body = Stack([Lines(lambda: self._above, wraps=asks), typing, self._search, Lines(lambda: self._below)])
        app = _App(
            layout=Layout(body, focused_element=control),
            key_bindings=self._keys(asks, works),
            style=STYLE,
            output=self._output,
            color_depth=None if paint.colours else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            before_render=self._before_render,
            after_render=self._after_render,
            max_render_postpone_time=0.03,
        )
        app.ttimeoutlen = 0.05
        app.timeoutlen = 0.3
        return app

    def _make_above(self) -> StyleAndTextTuples:
        parts: StyleAndTextTuples = [("", "\n")]
        if self._answer is None or not self._settled:
            rows = self._output.get_size().rows
            text = self.transcript.live(max(3, rows - 6 - min(INPUT_ROWS, self._input.document.line_count)))
            parts += [*to_formatted_text(ANSI(text)), ("", "\n")] if text else []
        if self._answer is not None:
            parts += self._choices_text()
        elif self._owner.busy:
            parts += self._work_text()
        return [*parts, ("class:rule", glyph("line") * self._columns())]

    def _make_below(self) -> StyleAndTextTuples:
        completing = self._answer is None and self._input.complete_state is not None
        return [*(self._completions_text() if completing else []), *self._status_text()]

    def _work_text(self) -> StyleAndTextTuples:
        spinner = SPINNER[0 if fancy() else 1]
        seconds = time.monotonic() - self._working_since
        sign = spinner[int(seconds / SPIN) % len(spinner)]
        text = f"{sign} working {seconds:.0f} s {glyph('dot')} Esc interrupts"
        more = f" {glyph('dot')} type to steer" if self._columns() >= 60 else ""
        return [("class:work", _fit(text + more, self._columns())), ("", "\n")]

    def _choices_text(self) -> StyleAndTextTuples:
        parts: StyleAndTextTuples = []
        for place, text in enumerate(self._choices):
            here = place == self._chosen and self._takes_keys()
            sign = glyph("pointer") if here else " "
            parts.append(("class:chosen" if here else "", f"{sign} {place + 1}. {visible(text)}\n"))
        hint = "arrows or a number, Enter; Esc interrupts"
        if self._input.text:
            hint = f"Enter answers {len(self._choices)} with your words; empty the line to choose"
        return [*parts, ("class:hint", f"  {hint}\n")]

    def _completions_text(self) -> StyleAndTextTuples:
        state = self._input.complete_state
        if state is None or not state.completions:
            return []
        index = state.complete_index
        first = max(0, min((index or 0) - MOST_COMPLETIONS // 2, len(state.completions) - MOST_COMPLETIONS))
        shown = state.completions[first : first + MOST_COMPLETIONS]
        wide = max(get_cwidth(one.text) for one in shown) + 2
        parts: StyleAndTextTuples = []
        for place, one in enumerate(shown, first):
            style = "class:chosen" if place == index else "class:completion"
            line = _fit(f"  {one.text.ljust(wide)}{one.display_meta_text}", self._columns())
            parts += [(style, line[: wide + 2]), ("class:completion.meta", line[wide + 2 :]), ("", "\n")]
        return parts

    def _status_text(self) -> StyleAndTextTuples:
        if self._hint:
            return [("class:hint", _fit(self._hint, self._columns()))]
        if time.monotonic() - self._interrupted_at < TWICE:
            return [("class:hint", _fit("Ctrl-C again, or Ctrl-D, leaves", self._columns()))]
        between = f" {glyph('dot')} "
        parts = list(self._owner.status())
        while len(parts) > 1 and get_cwidth(between.join(parts)) > self._columns():
            parts.pop()
        return [("class:status", _fit(between.join(parts), self._columns()))]

    # --- keys ------------------------------------------------------------------------------------------

    def _keys(self, asks: Condition, works: Condition) -> KeyBindings:
        keys = KeyBindings()
        armed = Condition(self._takes_keys)
        says = Condition(lambda: self._line is not None)

        @keys.add("enter", filter=~armed)
        def _(event: KeyPressEvent) -> None:
            self._enter()

        @keys.add("escape", "enter", filter=~asks)
        @keys.add("c-j", filter=~armed)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("escape", filter=(works | asks) & ~says, eager=True)
        def _(event: KeyPressEvent) -> None:
            self._owner.interrupt()

        @keys.add("escape", filter=says, eager=True)
        def _(event: KeyPressEvent) -> None:
            self._owner.interrupt()

        @keys.add("c-c")
        @keys.add("<sigint>")
        def _(event: KeyPressEvent) -> None:
            self._ctrl_c()

        @keys.add("c-d")
        def _(event: KeyPressEvent) -> None:
            if self._input.text and not asks():
                self._input.delete()
            else:
                self._owner.leave()

        @keys.add("s-tab", filter=~asks)
        def _(event: KeyPressEvent) -> None:
            if self._input.complete_state is not None:
                self._input.complete_previous()
            else:
                self._owner.next_mode()

        @keys.add("tab", filter=~asks)
        def _(event: KeyPressEvent) -> None:
            if self._input.complete_state is not None:
                self._input.complete_next()
            elif self._input.text.startswith("/"):
                self._input.start_completion(select_first=True)
            else:
                self._input.insert_text("    ")

        @keys.add("c-l")
        def _(event: KeyPressEvent) -> None:
            event.app.renderer.clear()

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        @keys.add("up", filter=armed, eager=True)
        @keys.add("c-p", filter=armed, eager=True)
        def _(event: KeyPressEvent) -> None:
            self._chosen = (self._chosen - 1) % len(self._choices)

        @keys.add("down", filter=armed, eager=True)
        @keys.add("c-n", filter=armed, eager=True)
        @keys.add("tab", filter=armed, eager=True)
        def _(event: KeyPressEvent) -> None:
            self._chosen = (self._chosen + 1) % len(self._choices)

        @keys.add("enter", filter=armed, eager=True)
        def _(event: KeyPressEvent) -> None:
            self._choose(self._chosen)

        for number in range(1, 10):

            @keys.add(str(number), filter=armed & Condition(partial(self._offers, number)))
            def _(event: KeyPressEvent, number: int = number) -> None:
                self._choose(number - 1)

        return keys

    def _enter(self) -> None:
        buffer = self._input
        state = buffer.complete_state
        if state is not None and state.current_completion is not None and state.current_completion.text != buffer.text:
            buffer.apply_completion(state.current_completion)
            return
        if buffer.document.char_before_cursor == "\\" and self._line is None:
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
            return
        text = buffer.text
        if self._answer is not None and self._settled and not text.startswith("/"):
            if text.strip():  # words in the face of a question are a no with a reason, never a yes
                self._said = text
                buffer.reset()
                self._choose(len(self._choices) - 1)
            return
        if self._line is not None:
            if not self._line.done():
                self._line.set_result(text)
            return
        buffer.cancel_completion()
        if text.strip():
            buffer.append_to_history()
        buffer.reset()
        if text.strip():
            self._owner.submit(text)

    def _ctrl_c(self) -> None:
        now = time.monotonic()
        if now - self._interrupted_at < TWICE:
            self._owner.leave()
            return
        if self._owner.busy or self._answer is not None or self._line is not None:
            self._interrupted_at = now
            self._owner.interrupt()
        elif self._input.text:
            self._input.reset()
        else:
            self._interrupted_at = now
        self._app.invalidate()

    def _choose(self, place: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(place)

    def _takes_keys(self) -> bool:
        """Whether keys choose: somebody asks, has asked for a moment, and nothing stands in the input."""
        return self._answer is not None and self._settled and not self._input.text

    def _offers(self, number: int) -> bool:
        return number <= len(self._choices)

    def _typed(self, buffer: Buffer) -> None:
        self._last_key = time.monotonic()

    def _settle(self) -> None:
        if self._answer is None:
            return
        wait = self._last_key + SETTLE - time.monotonic()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._settle)
            return
        self._settled = True
        self._app.invalidate()


def _size() -> Size:
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        columns, rows = 0, 0
    return Size(rows=rows or 24, columns=columns or 80)


def _sign(line: int, wrapped: int) -> StyleAndTextTuples:
    return [("class:sign", f"{glyph('pointer')} ")] if line == wrapped == 0 else [("", "  ")]


def _fit(text: str, columns: int) -> str:
    """Cut a line to so many columns."""
    if get_cwidth(text) <= columns:
        return text
    while text and get_cwidth(text) > columns - len(glyph("more")):
        text = text[:-1]
    return text + glyph("more")
