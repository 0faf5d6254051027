"""One firing of one handler, and what it gave back before anybody read it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from pegboard.context import Ctx
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.handlers import Handler


@dataclass(slots=True)  # not frozen: one is made for each handler and event, and that takes three times as long
class Job:
    """What a runner is given beside its handler. It is read only.

    `line` is the event on the wire: compact JSON, a newline at its end. `facts` is the same as values, which others
    have too: who hands them on hands on a copy. `seconds` is the deadline. `env_file` is the file for `export K=V`
    lines, None on events that have none. `ctx` reaches the host's chokepoints (model, invoke, emit, spill, secret); it
    is None where hooks are fired without a session.
    """

    event: str
    line: bytes
    facts: Mapping[str, Any]
    cwd: Path
    project: Path
    seconds: float
    session_id: str = ""
    env_file: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Beside the contract's own: CLAUDE_EFFORT, the flags' snapshot and the like."""
    ctx: Ctx | None = None
    scrub: bool = False
    """Whether credentials are taken out of a hook's environment."""
    allowed_urls: tuple[str, ...] | None = None
    allowed_variables: tuple[str, ...] | None = None
    detach: Callable[[Handler, Coroutine[Any, Any, RawResult]], None] | None = None
    """Takes what is left of a program whose first line says `{"async": true}`: it goes on while nobody waits for it."""


@dataclass(slots=True)
class RawResult:
    """What came back: it ended (`exit`), or it was late (`timed_out`), or there was nothing to be had (`error`).

    `exit` is the exit code as a shell says it (128 + N for signal N); of handlers that are no process it is 0.
    `error` says in words why there is no answer at all: connection refused, HTTP 500, tool unknown. `broken` says
    that the hook itself is broken (no such script, no such interpreter, an exception in a function), and how to mend
    it; it stands beside an exit code too, where the contract gives such a code a meaning. `answer` is set by handlers
    that answer in values instead of text; else `stdout` is read. Of a prompt or an agent it is their verdict:
    `{"ok": bool, "reason": str, "impossible": bool}`. `is_text_context` is False where plain text is never context
    (HTTP). `cut` names the files in which what was cut off from an output is kept. `note` is for the trace: what
    happened on the way and changes nothing. `detached` says that the program goes on and `Job.detach` has the rest.
    """

    exit: int | None = 0
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    error: str = ""
    broken: str = ""
    answer: dict[str, Any] | None = None
    is_text_context: bool = True
    cut: tuple[Path, ...] = ()
    note: str = ""
    detached: bool = False
    milliseconds: float = 0.0


class Runner(Protocol):
    """Runs one type of handler. Raises only for cancellation; keeps the deadline; leaves nothing running."""

    def run(self, handler: Handler, job: Job) -> Coroutine[Any, Any, RawResult]: ...
