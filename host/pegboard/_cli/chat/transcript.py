"""What a session shows, in order: what is finished is printed, what goes on is kept for the place above the input."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from rich.text import Text

from pegboard._cli.chat import drawing
from pegboard._cli.chat.paint import Paint, glyph
from pegboard._cli.chat.streaming import MarkdownStream, Readable, clean
from pegboard._dataclass import dataclass
from pegboard.host import Shown
from pegboard.output import is_signal

OUTPUT_KEPT = 8_192
"""Characters of a running call's output that are kept; its result has all of it."""
OUTPUT_LINES = 5
THOUGHT_LINES = 2


@dataclass
class Running:
    """A call that is not over."""

    name: str
    input: Mapping[str, Any]
    started: float
    output: str = ""


@dataclass
class Transcript:
    """Takes what a session shows; *out* prints finished text, *width* says how many columns there are now."""

    out: Callable[[str], None]
    width: Callable[[], int]
    cwd: Path
    paint: Paint = field(default_factory=Paint)
    running: dict[str, Running] = field(default_factory=dict)
    queued: list[str] = field(default_factory=list)
    thoughts: str = ""
    _stream: MarkdownStream = field(default_factory=MarkdownStream)
    _streamed: bool = False
    _begun: bool = False
    _told: bool = False

    def show(self, shown: Shown) -> None:
        """Take something; unknown kinds are for others."""
        take = getattr(self, f"_take_{shown.kind}", None)
        if take is not None:
            take(shown)

    def draw(self, renderable: Any, *, close: bool = False) -> None:
        """Print something; *close* leaves out the blank line before it."""
        gap = "\n" if self._begun and not close else ""
        self._begun, self._told = True, False
        self.out(f"{gap}{self.paint.ansi(renderable, self.width())}\n")

    def say(self, text: str, level: str = "info", who: str = "") -> None:
        """Print a line of the host or a plugin; several stand together."""
        self.draw(drawing.notice(text, level, who), close=self._told)
        self._told = True

    def finish(self) -> None:
        """Print what was not finished when a turn broke off, and forget what ran."""
        self._end_text()
        self.thoughts = ""
        self.running.clear()

    # --- the kinds -------------------------------------------------------------------------------------

    def _take_delta(self, shown: Shown) -> None:
        self._streamed = True
        self._draw_text(lambda: self._stream.take(shown.text))

    def _take_text(self, shown: Shown) -> None:
        if self._streamed:
            self._end_text()
        elif shown.text.strip():
            self.draw(Readable(clean(shown.text)))

    def _draw_text(self, take: Callable[[], str]) -> None:
        goes_on = self._stream.inside
        complete = take()
        if complete.strip():
            self.draw(Readable(clean(complete)), close=goes_on)

    def _end_text(self) -> None:
        self._draw_text(self._stream.end)
        self._streamed = False

    def _take_restart(self, shown: Shown) -> None:
        self._stream, self._streamed, self.thoughts = MarkdownStream(), False, ""

    def _take_thinking_delta(self, shown: Shown) -> None:
        self.thoughts += shown.text

    def _take_thinking(self, shown: Shown) -> None:
        self.thoughts = ""
        if shown.text.strip():
            self.draw(drawing.thought(shown.text))

    def _take_tool(self, shown: Shown) -> None:
        self._end_text()
        self.running[shown.data["id"]] = Running(shown.text, _mapping(shown.data.get("input")), time.monotonic())

    def _take_output(self, shown: Shown) -> None:
        call = self.running.get(shown.data["id"])
        if call is not None:
            call.output = (call.output + shown.text)[-OUTPUT_KEPT:]

    def _take_result(self, shown: Shown) -> None:
        self._end_text()
        facts = shown.data
        name = str(facts.get("name", ""))
        call = self.running.pop(str(facts.get("id")), None)
        given = call.input if call is not None else {}
        outcome = str(facts.get("outcome", ""))
        self.draw(drawing.call(name, given, self.cwd, drawing.OUTCOME_STYLES.get(outcome, "red")))
        self.draw(drawing.result(name, shown.text, facts, given), close=True)

    def _take_notice(self, shown: Shown) -> None:
        who = clean(str(shown.data.get("plugin") or ""))
        self.say(clean(shown.text), str(shown.data.get("level")), who)

    def _take_signal(self, shown: Shown) -> None:
        # A filter may have had its way with it since it was looked at.
        if is_signal(shown.text) and os.environ.get("TERM") != "dumb":
            self.out(shown.text)

    def _take_steer(self, shown: Shown) -> None:
        self._end_text()
        if shown.text in self.queued:
            self.queued.remove(shown.text)
        else:
            del self.queued[:1]  # a hook has rewritten it
        self.draw(drawing.prompt(shown.text))

    # --- what goes on ----------------------------------------------------------------------------------

    def live(self, most: int) -> str:
        """Return what is not finished in at most so many lines, with ANSI colours; empty if nothing goes on."""
        parts: list[str] = []
        if self.thoughts.strip():
            parts.append(self._tail(drawing.thought(self.thoughts[-600:]), THOUGHT_LINES))
        rest = self._stream.rest
        if rest.strip():
            parts.append(self._tail(Readable(clean(rest)), most))
        for call in list(self.running.values())[:4]:
            parts.append(self._running(call))
        for words in self.queued[-3:]:
            line = f"{glyph('queued')} {drawing.bounded(clean(words), 1)}"
            parts.append(self._tail(Text(line, style="dim", no_wrap=True, overflow="ellipsis"), 1))
        lines = "\n".join(parts).split("\n") if parts else []
        return "\n".join(lines[-most:])

    def _running(self, call: Running) -> str:
        width = self.width()
        head = Text(f"{glyph('call')} ", style="yellow")
        head.append(clean(call.name), style="bold")
        head.append(f"  {drawing.brief(call.input, self.cwd, 1)}", style="not bold default")
        seconds = time.monotonic() - call.started
        if seconds >= 1:
            head.append(f"  {seconds:.0f} s", style="dim")
        head.no_wrap, head.overflow = True, "ellipsis"
        shown = [self.paint.ansi(head, width)]
        lines = clean(call.output).rstrip("\n").split("\n")[-OUTPUT_LINES:] if call.output.strip() else []
        for line in lines:
            text = Text(f"  {glyph('tree')} {line[-width * 2 :]}", style="dim", no_wrap=True, overflow="ellipsis")
            shown.append(self.paint.ansi(text, width))
        return "\n".join(shown)

    def _tail(self, renderable: Any, most: int) -> str:
        return "\n".join(self.paint.ansi(renderable, self.width()).split("\n")[-most:])


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {"input": value}
