"""A terminal that can only take lines: nothing is drawn twice. For TERM=dumb, screen readers, and whoever likes it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pegboard._cli.chat.paint import Paint
from pegboard._cli.chat.shapes import Typing
from pegboard._cli.chat.transcript import Transcript
from pegboard.host import Shown
from pegboard.output import visible

PROMPT = "> "


class Plain:
    """The person's side of a chat, line by line."""

    echoes = True

    def __init__(self, owner: Typing, cwd: Path) -> None:
        self._owner = owner
        self.transcript = Transcript(self._print, lambda: shutil.get_terminal_size().columns, cwd, Paint(plain=True))
        self._closed = asyncio.Event()
        self._wanted: asyncio.Future[str] | None = None
        self._prompted = False
        self._interrupted = False

    async def run(self, ready: Callable[[], None]) -> None:
        """Take lines until `close`, or until there are no more."""
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGINT: self._ctrl_c, signal.SIGTERM: self._owner.leave, signal.SIGHUP: self._owner.leave}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        threading.Thread(target=self._read, args=(loop,), name="pegboard-chat-lines", daemon=True).start()
        ready()
        self._ask_for_more()
        try:
            await self._closed.wait()
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def close(self) -> None:
        """End `run`."""
        self._closed.set()

    def show(self, shown: Shown) -> None:
        """Take what a session shows."""
        if shown.kind == "output":
            return  # the result has it, and a line cannot be drawn again
        self.transcript.show(shown)

    def draw(self, renderable: Any) -> None:
        """Print something."""
        self.transcript.draw(renderable)

    def say(self, text: str, level: str = "info") -> None:
        """Print a line of the host."""
        self.transcript.say(text, level)

    def begin(self) -> None:
        """Something is being worked on."""
        self._prompted = self._interrupted = False

    def end(self) -> None:
        """Nothing is being worked on any more."""
        self.transcript.finish()
        self._interrupted = False
        self._ask_for_more()

    def queue(self, text: str) -> None:
        """Say that words wait."""
        self.say("it gets that after the call that runs")

    def unqueue(self) -> None:
        """Nothing: it was said, and is done."""

    def restore(self, text: str) -> None:
        """Show words that were not taken, for they cannot be put back."""
        self.say(f"not sent: {visible(text)}", "warning")

    def clear(self) -> None:
        """Nothing: what is printed stays."""

    async def choose(self, choices: Sequence[str]) -> int:
        """Let the person choose by a number."""
        for place, text in enumerate(choices, 1):
            self._print(f"  {place}. {visible(text)}\n")
        while True:
            said = (await self.line(f"1 to {len(choices)}")).strip()
            if said.isdigit() and 0 < int(said) <= len(choices):
                return int(said) - 1
            self._print(f"{visible(said)!r} is none of these\n")

    async def line(self, hint: str) -> str:
        """Return the next line."""
        self._print(f"{hint}: ")
        self._wanted = asyncio.get_running_loop().create_future()
        try:
            return await self._wanted
        finally:
            self._wanted = None

    # --- lines -----------------------------------------------------------------------------------------

    def _print(self, text: str) -> None:
        if self._prompted:
            self._prompted = False
            text = "\n" + text.lstrip("\n")
        sys.stdout.write(text)
        sys.stdout.flush()

    def _ask_for_more(self) -> None:
        if not self._owner.busy and not self._prompted and not self._closed.is_set():
            self._print(f"\n{PROMPT}")
            self._prompted = True

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread that is left behind at the end: nothing else can wait for a line."""
        while True:
            try:
                line = sys.stdin.readline()
            except (OSError, ValueError):
                line = ""
            try:
                loop.call_soon_threadsafe(self._take, line)
            except RuntimeError:
                return
            if not line:
                return

    def _take(self, line: str) -> None:
        self._prompted = False
        if not line:
            self._owner.leave()
        elif self._wanted is not None:
            if not self._wanted.done():
                self._wanted.set_result(line.rstrip("\n"))
        elif line.strip():
            self._owner.submit(line.rstrip("\n"))
        self._ask_for_more()

    def _ctrl_c(self) -> None:
        if self._interrupted or not self._owner.busy:
            if not self._owner.busy:
                self._owner.leave()
                return
            os._exit(130)  # the second time, and it still works
        self._interrupted = True
        self._owner.interrupt()
