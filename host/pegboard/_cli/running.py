"""A turn from the command line, without a person to ask: what `pegboard run` does once it knows what is wanted."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TextIO

from pegboard._cli.ending import leave, run_to_the_end
from pegboard._cli.own_output import own_output
from pegboard._cli.words import Output, Wanted
from pegboard.messages import EndReason

if TYPE_CHECKING:
    from pegboard._cli.waiting_line import WaitingLine
    from pegboard.host import Host, Options
    from pegboard.settings import LayerFile

EXIT_CODES = {
    EndReason.COMPLETED: 0,
    EndReason.ERROR: 1,
    EndReason.STEP_LIMIT: 4,
    EndReason.WALL_TIME: 4,
    EndReason.COST: 4,
    EndReason.NO_PROGRESS: 4,
    EndReason.REFUSED: 5,
    EndReason.STOPPED: 5,
    EndReason.DEFERRED: 5,
    EndReason.INTERRUPTED: 130,
}

GO_ON = (
    EndReason.INTERRUPTED,
    EndReason.ERROR,
    EndReason.STEP_LIMIT,
    EndReason.WALL_TIME,
    EndReason.COST,
    EndReason.DEFERRED,
)
"""Ends after which the turn can be gone on with, without a new prompt."""


def run(wanted: Wanted, no_plugins: str | None) -> int | None:
    """Do it and return the exit code; None if there is nothing to do, because nobody gave a prompt."""
    prompt = wanted.prompt
    something = wanted.resume or wanted.continue_ or wanted.setup
    if prompt == "-" or (prompt is None and not something and not sys.stdin.isatty()):
        prompt = sys.stdin.read()
    if prompt is not None and not prompt.strip():
        prompt = None
    with own_output() as out:
        printer = Printer(wanted.output, out, quiet=wanted.quiet)
        code, left = run_to_the_end(_run(wanted, prompt, no_plugins, printer))
    leave(code or 0, left)
    return code


async def _run(wanted: Wanted, prompt: str | None, no_plugins: str | None, printer: Printer) -> int | None:
    options = options_for(wanted, stream=printer.streams)
    async with host_for(wanted, no_plugins, printer.warn) as host:
        again = bool(wanted.resume) or wanted.continue_
        session = (
            host.resume(wanted.resume or None, options, show=printer.show)
            if again
            else host.session(options, show=printer.show)
        )
        gc.freeze()
        gc.enable()
        async with session:
            with _interrupts(session):
                code = await _turns(host, session, prompt, again=again, printer=printer)
    if code is None and wanted.setup:
        return 0
    if code is None:
        session.path.unlink(missing_ok=True)  # nobody said anything, so there is nothing to go on with
    return code


@asynccontextmanager
async def host_for(
    wanted: Wanted,
    no_plugins: str | None,
    warn: Callable[[str], None],
    *,
    plugins: Sequence[tuple[str, Any]] = (),
    entry_points: Iterable[Any] | None = None,
) -> AsyncIterator[Host]:
    """Open the host that the words of the command line ask for; *warn* is told of plugins that take no part."""
    from pegboard.host import Host

    given = _given(wanted.settings, warn) if wanted.settings else []
    host = Host(
        wanted.cwd,
        command_line=_tables(wanted),
        entry_points=entry_points,
        given=given,
        no_plugins=no_plugins,
        plugins=plugins,
        locked=wanted.locked,
    )
    async with host:
        for record in host.board.records:
            if record.status in ("load_error", "incompatible"):
                warn(f"the plugin {record.name!r} takes no part: {record.reason}. {record.mend}")
        for said in filter(None, (host.gone(), host.untrusted())):
            warn(said)
        yield host


def options_for(wanted: Wanted, *, stream: bool, interactive: bool = False) -> Options:
    """Return how the session shall be."""
    from pegboard.host import Options

    return Options(
        model=wanted.model,
        mode=wanted.mode,
        interactive=interactive,
        max_steps=wanted.max_steps,
        max_time=wanted.max_time,
        max_cost=wanted.max_cost,
        stream=stream,
        setup=tuple(wanted.setup),
        agent=wanted.agent,
        worktree=wanted.worktree,
    )


def _tables(wanted: Wanted) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    if wanted.allow or wanted.deny:
        tables["permissions"] = {"allow": list(wanted.allow), "deny": list(wanted.deny)}
    if wanted.effort:
        tables["model"] = {"effort": wanted.effort}
    if wanted.flag:
        tables["flags"] = {"values": dict(map(_flag_value, wanted.flag))}
    if wanted.plugin_dir:
        tables["plugins"] = {"folders": [str(folder.resolve()) for folder in wanted.plugin_dir]}
    if wanted.trust_project_hooks:
        tables.setdefault("hooks", {})["trust_project"] = True
    return tables


async def _turns(host: Any, session: Any, prompt: str | None, *, again: bool, printer: Printer) -> int | None:
    """Run what a hook of the session's start said, then the prompt; return the exit code, None if nobody said any."""
    prompts: list[str | None] = [text for text in (session.first_prompt, prompt) if text]
    if not prompts and again:
        prompts = [None]
    code = None
    for text in prompts:
        if text is not None and text.split(None, 1)[0] == "/compact":
            done = await session.compact(text.partition("/compact")[2].strip())
            code = 0 if done else 1
            continue
        answer = await chat_answer(host, session, text)
        if answer is not None:
            printer.say(session.emit("text", answer))
            code = 0
            continue
        printer.begin(session.model_name)
        try:
            result = await session.run(text)
        finally:
            printer.end()
        code = EXIT_CODES[result.reason]
        printer.finish(result, code, refused=session.refused)
    return code


async def chat_answer(host: Any, session: Any, prompt: str | None) -> str | None:
    """Return what a plugin's verb answers to `/NAME words`; None for a prompt that is for the model."""
    word, _, words = (prompt or "").strip().partition(" ")
    if not word.startswith("/") or host.board.chat_command(word[1:]) is None:
        return None
    from pegboard._cli.plugin_answers import answer_of

    return await answer_of(host, session, word[1:], words.strip())


def _given(settings: str, warn: Callable[[str], None]) -> list[LayerFile]:
    from pegboard._cli.given_settings import given_settings

    said = given_settings(settings)
    if said.unread:
        warn(f"{said.file.file}: nobody reads {', '.join(said.unread)} here")
    return [said.file]


def _flag_value(said: str) -> tuple[str, str]:
    """Return name and value of `--flag`; a name alone switches it on."""
    name, equals, value = said.partition("=")
    return name.strip(), value if equals else "true"


class _interrupts:
    """The first Ctrl-C ends the turn in good order, the second ends the process.

    Handlers of the loop's own would wait for the loop, and what hangs in a hook holds that.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._pressed = False

    def __enter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._press)

    def _press(self, number: int, frame: Any) -> None:
        if self._pressed:
            os._exit(130)
        self._pressed = True
        self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        self._task = self._loop.create_task(self._session.interrupt())

    def __exit__(self, *exc: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


class Printer:
    """Prints what a session shows: for a person on a terminal, for a pipe, or as JSON."""

    def __init__(self, output: Output, out: TextIO, *, quiet: bool) -> None:
        self._out, self._err = out, sys.stderr  # as it is now: a plugin may put something in its place
        self._output = output
        self._quiet = quiet
        self.streams = output is Output.TEXT and out.isatty()
        self._live = self.streams and not quiet
        self._colour = self._err.isatty() and "NO_COLOR" not in os.environ
        self._in_text = False
        self._streamed = False
        self._warned: set[str] = set()
        self._model = ""
        self._denied: list[dict[str, Any]] = []
        self._waiting: WaitingLine | None = None

    def begin(self, model: str) -> None:
        """A turn begins: on a terminal a person sees from now on that something is waited for."""
        if self._output is Output.TEXT and not self._quiet and self._err.isatty():
            from pegboard._cli.waiting_line import WaitingLine

            self._model = model
            self._waiting = WaitingLine(self._err, lambda: self._in_text)
            self._waiting.wait_for(model)

    def end(self) -> None:
        """The turn is over."""
        if self._waiting is not None:
            self._waiting.end()
            self._waiting = None

    def show(self, shown: Any) -> None:
        """Take something that a person should see."""
        if self._waiting is not None:
            self._waiting.wait_for(shown.text if shown.kind == "tool" else self._model)
        if shown.kind == "result" and shown.data["outcome"] == "denied":
            self._denied.append({"id": shown.data["id"], "name": shown.data["name"], "reason": shown.text})
        if self._output is Output.STREAM_JSON:
            if shown.kind != "delta":
                line = {"type": shown.kind, "text": shown.text, **shown.data}
                print(json.dumps(line, default=str), file=self._out, flush=True)
            return
        if self._output is Output.JSON:
            return
        if shown.kind in ("text", "delta"):
            self._text(shown)
        elif shown.kind == "tool":
            self._aside(f"> {shown.text} {_brief(shown.data['input'])}", "36")
        elif shown.kind == "result" and (shown.data["is_error"] or shown.data["outcome"] != "ok"):
            self._aside(f"  {shown.data['outcome']}: {_first_line(shown.text)}", "33")
        elif shown.kind == "notice" and shown.data.get("level") != "info":
            who = f"{shown.data['plugin']}: " if shown.data.get("plugin") else ""
            self.warn(f"{who}{shown.text}")

    def _text(self, shown: Any) -> None:
        if not self._live:
            return
        if shown.kind == "delta":
            self._out.write(shown.text)
            self._out.flush()
            self._in_text = self._streamed = True
        elif self._streamed:
            print(file=self._out, flush=True)
            self._in_text = self._streamed = False
        else:
            print(shown.text, file=self._out, flush=True)

    def _aside(self, line: str, colour: str) -> None:
        if self._quiet:
            return
        if self._in_text:
            print(file=self._out, flush=True)
            self._in_text = False
        print(f"\033[{colour}m{line}\033[0m" if self._colour else line, file=self._err, flush=True)

    def warn(self, text: str) -> None:
        """Say something that is wrong; the same thing only once."""
        if text not in self._warned and self._output is not Output.STREAM_JSON:
            self._warned.add(text)
            self._aside(f"! {text}", "33")

    def say(self, text: str) -> None:
        """Print what a plugin's verb answered, without a turn."""
        print(text, file=self._out, flush=True)

    def finish(self, result: Any, code: int, *, refused: bool = False) -> None:
        """Print how it ended; with a refusal nobody can go on."""
        usage = result.usage.model_dump(exclude_none=True)
        summary = {
            "session_id": result.session_id,
            "reason": str(result.reason),
            "detail": result.detail,
            "text": result.text,
            "steps": result.steps,
            "usage": usage,
            "denied": self._denied,
            "exit_code": code,
        }
        if self._output is Output.STREAM_JSON:
            print(json.dumps({"type": "end", **summary}, sort_keys=True), file=self._out, flush=True)
        elif self._output is Output.JSON:
            print(json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False), file=self._out)
        else:
            if not self._live and result.text:
                print(result.text, file=self._out, flush=True)
            quiet = self._quiet and result.reason is not EndReason.INTERRUPTED
            if result.reason is not EndReason.COMPLETED or result.detail:
                self._quiet = False
                self._aside(f"! ended: {result.reason}{': ' + result.detail if result.detail else ''}", "33")
            if result.reason in GO_ON and not quiet and not refused:
                self._aside(f"  go on with: pegboard run --resume {result.session_id}", "2")


def _brief(given: dict[str, Any]) -> str:
    for name in ("command", "file_path", "pattern", "path", "url", "query"):
        if name in given:
            return _first_line(str(given[name]))
    return _first_line(json.dumps(given, ensure_ascii=False, default=str)) if given else ""


def _first_line(text: str) -> str:
    from pegboard.output import clipped

    return clipped(text.strip().partition("\n")[0], 160)
