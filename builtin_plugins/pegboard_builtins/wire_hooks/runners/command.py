"""Runs a program: in a shell or directly, with the event on its stdin."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic_core import from_json

from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.runners.capture import MOST, NewFile, new_file
from pegboard_builtins.wire_hooks.runners.environment import (
    UnknownPlaceholderError,
    environment,
    filled,
    folder_of,
)
from pegboard_builtins.wire_hooks.runners.process import GRACE, HookProcess, start
from pegboard_builtins.wire_hooks.runners.resolve import Resolution, find_program, resolve, shebang_problem

NOT_FOUND, NOT_EXECUTABLE = 127, 126
SHELL_PREFIX = "CLAUDE_CODE_SHELL_PREFIX"


class CannotRunError(Exception):
    """The hook cannot be started at all; `result` says why."""

    def __init__(self, result: RawResult) -> None:
        self.result = result
        super().__init__(result.broken or result.error)


class CommandRunner:
    """Runs command handlers, one process per event."""

    def __init__(self) -> None:
        self._running: set[HookProcess] = set()

    async def run(self, handler: Handler, job: Job) -> RawResult:
        """Run it once, for `job.seconds` at most."""
        began = time.perf_counter()
        try:
            launch = Launch(handler, job)
            process = launch.start()
        except CannotRunError as cannot:
            return _timed(cannot.result, began)
        self._running.add(process)
        process.wakes = (lambda: process.status is None and goes_on(process)) if job.detach is not None else None
        handed_on = False
        try:
            in_time = await process.wait(job.seconds)
            if in_time:
                await process.drain()
            if job.detach is not None and goes_on(process):
                handed_on = True
                job.detach(handler, self._rest(launch, process, began))
                return _timed(RawResult(detached=True, note="its first line says that it goes on by itself"), began)
        finally:
            if not handed_on:
                self._running.discard(process)
                await process.end()
        return _timed(launch.result(process, in_time=in_time), began)

    async def _rest(self, launch: Launch, process: HookProcess, began: float) -> RawResult:
        """Wait for a program that goes on by itself, and return what it said after its first line."""
        process.wakes = None
        try:
            in_time = await process.wait(launch.job.seconds)
            if in_time:
                await process.drain()
        finally:
            self._running.discard(process)
            await process.end()
        result = launch.result(process, in_time=in_time)
        result.stdout = result.stdout.partition("\n")[2]
        return _timed(result, began)

    async def close(self) -> None:
        """End what still runs: whoever waits for it gets the exit code of a program that was ended."""
        await asyncio.gather(*(process.tree.end(GRACE) for process in self._running))


def goes_on(process: HookProcess) -> bool:
    """Whether a program's first line is `{"async": true}`: nobody should wait for it (hook-contract 1.6)."""
    line = process.stdout.first_line()
    if line is None or b'"async"' not in line:
        return False
    try:
        said = from_json(line)
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("async") is True


class Launch:
    """All that is settled before a program starts: where, with which variables and words, and what it consists of.

    Raises CannotRunError.
    """

    def __init__(self, handler: Handler, job: Job, more: Mapping[str, str] | None = None) -> None:
        self.handler = handler
        self.job = job
        self.folder = folder_of(job)
        self.variables = environment(handler, job, self.folder)
        if more:
            self.variables.update(more)
        self.argv = argv(handler, self.variables, self.folder)
        self.resolution = resolve(handler, folder=self.folder, environment=self.variables, argv=self.argv)

    def start(self, given: bytes | None = None) -> HookProcess:
        """Start it. Raises CannotRunError."""
        try:
            return self._start(self.argv, self.job.line if given is None else given)
        except OSError as error:
            if error.errno == errno.ENOEXEC and self.handler.args is not None:
                return self._start_without_shebang(given)
            raise CannotRunError(self._not_started(error)) from None
        except ValueError as wrong:  # a NUL, or half a character
            problem = f"the command cannot be run: {wrong}"
            raise CannotRunError(RawResult(exit=NOT_FOUND, stderr=problem, broken=problem)) from None

    def _start(self, words: Sequence[str], given: bytes) -> HookProcess:
        return start(words, given=given, folder=self.folder, environment=self.variables, new_file=self.new_file)

    def _start_without_shebang(self, given: bytes | None) -> HookProcess:
        """Run a script that has no first line for it in a shell, as execvp does."""
        try:
            return self._start(["/bin/sh", *self.argv], self.job.line if given is None else given)
        except OSError as error:
            raise CannotRunError(self._not_started(error)) from None

    def new_file(self, what: str) -> NewFile:
        """Return a maker of the file for a long output."""
        return new_file(self.handler, self.job, what)

    def _not_started(self, error: OSError) -> RawResult:
        if error.errno == errno.E2BIG:
            problem = "its command and variables are too long for the system"
            return RawResult(exit=NOT_EXECUTABLE, stderr=problem, error=problem)
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC):
            return RawResult(exit=None, error=f"it could not be started: {error.strerror or error}")
        problem = self.resolution.problem or shebang_problem(Path(self.argv[0])) or self._in_words(error)
        status = NOT_FOUND if error.errno in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE
        return RawResult(exit=status, stderr=problem, broken=problem)

    def _in_words(self, error: OSError) -> str:
        return f"{self.argv[0]} cannot be started: {error.strerror}"

    def result(self, process: HookProcess, *, in_time: bool) -> RawResult:
        """Return what a process that has been ended gave back."""
        out, err = process.stdout, process.stderr
        result = RawResult(
            exit=process.status if in_time else None,
            stdout=out.text(),
            stderr=err.text(),
            cut=tuple(capture.file for capture in (out, err) if capture.file is not None),
        )
        if not in_time:
            endless = out.endless or err.endless
            result.timed_out = not endless
            if endless:
                result.error = f"it printed more than {MOST >> 20} MB and was ended"
        elif process.status:
            result.broken = self._broken(process.status)
        problem = out.problem or err.problem
        if problem:
            result.note = f"its output was too long to be kept whole, and {problem}"
        return result

    def _broken(self, status: int) -> str:
        """Return why a hook that ended with *status* could not do its work; empty if it may well have done it."""
        found: Resolution = self.resolution
        if found.problem and (found.status is None or found.status == status):
            return found.problem
        if status in (NOT_FOUND, NOT_EXECUTABLE) and found.script is not None:
            return shebang_problem(found.script)
        return ""


def argv(handler: Handler, variables: Mapping[str, str], folder: Path) -> list[str]:
    """Return the words to start. Raises CannotRunError."""
    if handler.args is not None:
        return _exec_form(handler, variables, folder)
    if "${user_config." in handler.command:
        problem = (
            "${user_config.KEY} works in the exec form only (with `args`); in a shell command write "
            "$CLAUDE_PLUGIN_OPTION_KEY"
        )
        raise CannotRunError(RawResult(exit=None, error=problem, broken=problem))
    command = handler.command
    prefix = variables.get(SHELL_PREFIX)
    if prefix:
        command = f"{prefix} {shlex.quote(command)}"
    return [*_shell(handler.shell, variables, folder), command]


def _shell(wanted: str, variables: Mapping[str, str], folder: Path) -> list[str]:
    path = variables.get("PATH", os.defpath)
    if wanted == "powershell":
        found = find_program("pwsh", folder, path)
        if found is None:
            problem = "it asks for PowerShell, and there is no `pwsh` on PATH; install it, or write it for sh"
            raise CannotRunError(RawResult(exit=NOT_FOUND, stderr=problem, broken=problem))
        return [str(found), "-NoProfile", "-NonInteractive", "-Command"]
    bash = find_program("bash", folder, path) if wanted == "bash" else None
    return [str(bash) if bash is not None else "/bin/sh", "-c"]


def _exec_form(handler: Handler, variables: Mapping[str, str], folder: Path) -> list[str]:
    try:
        program, *rest = (filled(word, handler, variables) for word in (handler.command, *(handler.args or ())))
    except UnknownPlaceholderError as unknown:
        raise CannotRunError(RawResult(exit=None, error=str(unknown), broken=str(unknown))) from None
    found = find_program(program, folder, variables.get("PATH", os.defpath))
    return [str(found) if found is not None else program, *rest]


def _timed(result: RawResult, began: float) -> RawResult:
    result.milliseconds = (time.perf_counter() - began) * 1e3
    return result
