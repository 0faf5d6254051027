"""Runs a program: in a shell or directly, with the event on its stdin."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.runners.capture import MOST, new_file
from pegboard_builtins.wire_hooks.runners.environment import (
    UnknownPlaceholderError,
    environment,
    filled,
    folder_of,
)
from pegboard_builtins.wire_hooks.runners.lookout import Lookout
from pegboard_builtins.wire_hooks.runners.process import GRACE, HookProcess, stands_in, start
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
        self._launches: dict[str, Launch] = {}
        """The last of each handler, by its id: the next event of a turn most often finds everything as it was."""
        self._lookout: Lookout | None = None

    async def run(self, handler: Handler, job: Job) -> RawResult:
        """Run it once, for `job.seconds` at most."""
        began = time.perf_counter()
        try:
            launch = self._launch(handler, job)
            process = launch.start(job, self._looks_out())
        except CannotRunError as cannot:
            return _timed(cannot.result, began)
        self._running.add(process)
        process.listens = job.detach is not None
        handed_on = False
        try:
            in_time = await process.wait(job.seconds)
            if in_time and not process.has_all():
                await process.drain()
            if job.detach is not None and process.goes_on():
                handed_on = True
                job.detach(handler, self._rest(launch, job, process, began))
                return _timed(RawResult(detached=True, note="its first line says that it goes on by itself"), began)
        finally:
            if not handed_on:
                await self._end(process)
        return _timed(launch.result(process, in_time=in_time), began)

    async def _rest(self, launch: Launch, job: Job, process: HookProcess, began: float) -> RawResult:
        """Wait for a program that goes on by itself, and return what it said after its first line."""
        process.listens = False
        try:
            in_time = await process.wait(job.seconds)
            if in_time:
                await process.drain()
        finally:
            await self._end(process)
        result = launch.result(process, in_time=in_time)
        result.stdout = result.stdout.partition("\n")[2]
        return _timed(result, began)

    async def _end(self, process: HookProcess) -> None:
        self._running.discard(process)
        if process.status is None:
            await process.end()
        else:
            process.let_go()

    def _launch(self, handler: Handler, job: Job) -> Launch:
        launch = self._launches.get(handler.id)
        if launch is not None and launch.handler is handler and launch.holds_for(job):
            launch.is_first = False
            return launch
        launch = self._launches[handler.id] = Launch(handler, job)
        return launch

    def _looks_out(self) -> Lookout:
        lookout = self._lookout
        if lookout is None or lookout.loop is not asyncio.get_running_loop():
            lookout = self._lookout = Lookout()
        return lookout

    async def close(self) -> None:
        """End what still runs: whoever waits for it gets the exit code of a program that was ended."""
        await asyncio.gather(*(process.tree.end(GRACE) for process in self._running))
        if self._lookout is not None:
            self._lookout.close()
            self._lookout = None


class Launch:
    """All that is settled before a program starts: where, with which variables and words, and what it consists of.

    Raises CannotRunError.
    """

    def __init__(self, handler: Handler, job: Job, more: Mapping[str, str] | None = None) -> None:
        self.handler = handler
        self.folder = folder_of(job)
        self.variables = environment(handler, job, self.folder)
        if more:
            self.variables.update(more)
        self.argv = argv(handler, self.variables, self.folder)
        self.resolution = self._resolve()
        self.is_first = True
        """Whether nothing was started with it before: else the resolution was made for an earlier event."""
        self._encoded: dict[bytes, bytes] | None = None
        self._folder_name = str(self.folder)
        self._cwd, self._project, self._environment = job.cwd, job.project, job.environment
        self._others = _others(job)

    def holds_for(self, job: Job) -> bool:
        """Whether a later event finds what this one found: it belongs to the same turn, and nothing was moved."""
        return (
            self._cwd is job.cwd is self.folder
            and self._project is job.project
            and self._environment is job.environment
            and self._others == _others(job)
            and self._others[1] is not None
            and (stands_in(self._folder_name) or os.path.isdir(self._folder_name))
        )

    def _resolve(self) -> Resolution:
        return resolve(self.handler, folder=self.folder, environment=self.variables, argv=self.argv)

    def start(self, job: Job, lookout: Lookout) -> HookProcess:
        """Start it for an event. Raises CannotRunError."""
        try:
            return self._start(self.argv, job, lookout)
        except OSError as error:
            if error.errno == errno.ENOEXEC and self.handler.args is not None:
                return self._start_without_shebang(job, lookout)
            raise CannotRunError(self._not_started(error)) from None
        except ValueError as wrong:  # a NUL, or half a character
            problem = f"the command cannot be run: {wrong}"
            raise CannotRunError(RawResult(exit=NOT_FOUND, stderr=problem, broken=problem)) from None

    def _start(self, words: Sequence[str], job: Job, lookout: Lookout) -> HookProcess:
        if self._encoded is None:
            self._encoded = {os.fsencode(name): os.fsencode(value) for name, value in self.variables.items()}
        return start(
            words,
            given=job.line,
            folder=self._folder_name,
            environment=self._encoded,
            new_file=partial(new_file, self.handler, job),
            lookout=lookout,
        )

    def _start_without_shebang(self, job: Job, lookout: Lookout) -> HookProcess:
        """Run a script that has no first line for it in a shell, as execvp does."""
        try:
            return self._start(["/bin/sh", *self.argv], job, lookout)
        except OSError as error:
            raise CannotRunError(self._not_started(error)) from None

    def _not_started(self, error: OSError) -> RawResult:
        if error.errno == errno.E2BIG:
            problem = "its command and variables are too long for the system"
            return RawResult(exit=NOT_EXECUTABLE, stderr=problem, error=problem)
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENOEXEC):
            return RawResult(exit=None, error=f"it could not be started: {error.strerror or error}")
        problem = self._found().problem or shebang_problem(Path(self.argv[0])) or self._in_words(error)
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
        )
        if out.file is not None or err.file is not None:
            result.cut = tuple(capture.file for capture in (out, err) if capture.file is not None)
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

    def _found(self) -> Resolution:
        """Return what the command starts: of one that has run before as it is now, since something went wrong."""
        return self.resolution if self.is_first else self._resolve()

    def _broken(self, status: int) -> str:
        """Return why a hook that ended with *status* could not do its work; empty if it may well have done it."""
        found = self._found()
        if found.problem and (found.status is None or found.status == status):
            return found.problem
        if found.script is not None and (status in (NOT_FOUND, NOT_EXECUTABLE) or found.script == found.program):
            return shebang_problem(found.script, self.variables.get("PATH", os.defpath))
        return ""


def _others(job: Job) -> tuple[str, object, bool, Path | None]:
    """Return what of a job the variables depend on beside its folders and those that it brings."""
    return job.session_id, job.facts.get("prompt_id"), job.scrub, job.env_file


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
