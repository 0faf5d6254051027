"""Ending a process in good time, whatever plugins have left running in it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from pegboard.errors import PegboardError

Result = TypeVar("Result")
PATIENCE = 1.0
"""Seconds that tasks and threads have to end once everything is done."""


def run_to_the_end(work: Coroutine[Any, Any, Result]) -> tuple[Result, list[str]]:
    """Do what `asyncio.run` does, but wait for nobody who does not end; return what came of it, and who was left.

    Where somebody was, the interpreter would wait for it in its turn: `leave` does not.
    """
    before = set(threading.enumerate())
    runner = asyncio.Runner()
    left: list[str] = []
    try:
        return runner.run(work), left
    except asyncio.CancelledError:
        raise PegboardError(
            "the session was cancelled from within: a plugin has cancelled a task of the host"
        ) from None
    finally:
        loop = runner.get_loop()
        if not loop.is_closed():
            ends = time.monotonic() + PATIENCE
            left += runner.run(_end_tasks())
            executor = getattr(loop, "_default_executor", None)
            if executor is not None:
                executor.shutdown(wait=False, cancel_futures=True)
            left += _join(before, ends)
            if not left:
                runner.close()


async def _end_tasks() -> list[str]:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)
    return [f"a task ({_name_of(task)})" for task in tasks if not task.done()]


def _name_of(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())


def _join(before: set[threading.Thread], ends: float) -> list[str]:
    """Wait for threads that the interpreter would wait for; return those that go on."""
    left = []
    for thread in threading.enumerate():
        if not thread.daemon and thread not in before:
            thread.join(max(0.1, ends - time.monotonic()))
            if thread.is_alive():
                left.append(f"a thread ({thread.name})")
    return left


def leave(code: int, left: list[str]) -> None:
    """End the process with *code* if somebody was left; who it is is told."""
    if not left:
        return
    print(f"warning: left behind, because they do not end: {', '.join(left)}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
