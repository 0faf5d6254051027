"""What is caught where plugins are called: whether it is theirs at all, and what is said of it."""

from __future__ import annotations

import asyncio
import signal
import threading

from pegboard._board.discovery import LONGEST_REASON
from pegboard.output import clipped

WORDLESS = "(its words cannot be had)"


def pass_on(error: BaseException) -> None:
    """Raise again what only went through a plugin: a person's Ctrl-C, and what ends the very task that runs here.

    What a plugin raises is its failure, whatever it is: SystemExit, a KeyboardInterrupt or CancelledError of its own.
    """
    if isinstance(error, KeyboardInterrupt) and is_a_persons(error):
        raise error
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        task = _current_task()
        if isinstance(error, GeneratorExit) if task is None else task.cancelling():
            raise error


def is_a_persons(error: KeyboardInterrupt) -> bool:
    """Whether somebody pressed Ctrl-C, as far as that can be told.

    The interpreter's own handler leaves no trace, so where that is in charge the answer is yes. asyncio and our command
    line have handlers of their own, and what those raise comes from their code.
    """
    if threading.current_thread() is not threading.main_thread():
        return False  # signals arrive in the main thread alone
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        return True
    code = getattr(getattr(handler, "func", handler), "__code__", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is code:
            return True
        trace = trace.tb_next
    return False


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return None


def words_of(error: BaseException) -> str:
    """Return what an error says. Never raises: an error's own words are a plugin's code, too."""
    try:
        return str(error)
    except BaseException as another:
        pass_on(another)
        return WORDLESS


def describe(error: BaseException) -> str:
    """Return an error in one line, with the place of a plugin's code that raised it."""
    import traceback

    said = words_of(error)
    text = clipped(f"{type(error).__name__}: {said}", LONGEST_REASON) if said else type(error).__name__
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and "/pegboard/_" not in frame.filename
    ]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
