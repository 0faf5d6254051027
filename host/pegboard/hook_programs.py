"""Fires a hook program on an event as a host does: cold, warm or in process; for tests of hooks.

    def test_force_is_refused(pegboard_hook):
        fired = pegboard_hook.fire("guard.py", "PreToolUse", tool="Bash", input={"command": "git push --force"})
        assert fired.verdict == "deny" and "--force" in fired.reason

`fire_all_ways` fires it in all three ways and checks that they come to the same answer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pegboard import hook

WAYS = ("cold", "warm", "in process")
TEXT_IS_CONTEXT = ("SessionStart", "UserPromptSubmit", "UserPromptExpansion")
"""Events on which plain text on stdout goes to the model."""

_EXAMPLES: dict[str, dict[str, Any]] = {
    "SessionStart": {"source": "startup"},
    "Setup": {"trigger": "init"},
    "InstructionsLoaded": {"file_path": "CLAUDE.md", "memory_type": "Project", "load_reason": "session_start"},
    "UserPromptSubmit": {"permission_mode": "default", "prompt": "go"},
    "UserPromptExpansion": {
        "permission_mode": "default",
        "expansion_type": "slash_command",
        "command_name": "go",
        "command_args": "",
        "prompt": "/go",
    },
    "PreToolUse": {"permission_mode": "default"},
    "PermissionRequest": {"permission_mode": "default"},
    "PermissionDenied": {"permission_mode": "auto", "reason": "refused"},
    "PostToolUse": {"permission_mode": "default", "tool_response": "", "duration_ms": 1},
    "PostToolUseFailure": {"permission_mode": "default", "error": "failed", "is_interrupt": False, "duration_ms": 1},
    "PostToolBatch": {"permission_mode": "default", "tool_calls": []},
    "MessageDisplay": {"turn_id": "t", "message_id": "m", "index": 0, "final": True, "delta": "text"},
    "SubagentStart": {"agent_id": "a1", "agent_type": "general-purpose"},
    "SubagentStop": {"agent_id": "a1", "agent_type": "general-purpose", "stop_hook_active": False},
    "Stop": {"permission_mode": "default", "stop_hook_active": False, "last_assistant_message": "done"},
    "StopFailure": {"error": "server_error", "last_assistant_message": "API Error: 500"},
    "PreCompact": {"trigger": "auto", "custom_instructions": None},
    "PostCompact": {"trigger": "auto", "compact_summary": "summary"},
    "Notification": {"message": "Waiting for you", "notification_type": "idle_prompt"},
    "ConfigChange": {"source": "project_settings", "file_path": "settings.json"},
    "CwdChanged": {"old_cwd": "/", "new_cwd": "/"},
    "FileChanged": {"file_path": "watched.txt", "event": "change"},
    "SessionEnd": {"reason": "other"},
}


def payload(event: str, *, tool: str = "", input: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return a whole payload of *event*, made of examples, with *fields* in their place.

    *tool* and *input* are the tool call of a tool event; it is `Bash` with `true` where nothing is said.
    """
    kind = type(hook.event_of({"hook_event_name": event}))
    made: dict[str, Any] = {
        "session_id": "00000000-0000-4000-8000-000000000000",
        "transcript_path": "",
        "cwd": str(Path.cwd()),
        "hook_event_name": event,
        **_EXAMPLES.get(event, {}),
    }
    if issubclass(kind, hook.ToolEvent):
        made |= {"tool_name": tool or "Bash", "tool_input": {"command": "true"} if input is None else dict(input)}
        made |= {} if event == "PermissionRequest" else {"tool_use_id": "toolu_1"}
    elif tool or input is not None:
        raise ValueError(f"{event} is about no tool call")
    return {**made, **fields}


@dataclass(frozen=True)
class Fired:
    """What a program answered: what it printed, and what that means by the contract."""

    event: str
    exit: int
    stdout: str = ""
    stderr: str = ""
    output: dict[str, Any] = field(default_factory=dict)
    """The JSON object on stdout; empty where there was none."""

    @property
    def _specific(self) -> dict[str, Any]:
        found = self.output.get("hookSpecificOutput")
        return found if isinstance(found, dict) else {}

    @property
    def verdict(self) -> str:
        """allow, ask, defer, deny (block is deny, too, and so is exit code 2), or "" for nothing."""
        return "deny" if self.exit == 2 else hook._verdict_in(self.output)

    @property
    def reason(self) -> str:
        """Why, for whoever is refused or asked."""
        decision = self._specific.get("decision")
        message = decision.get("message") if isinstance(decision, dict) else None
        said = self._specific.get("permissionDecisionReason") or message or self.output.get("reason")
        return str(said or (self.stderr if self.exit == 2 else ""))

    @property
    def context(self) -> str:
        """What the model is told."""
        plain = self.stdout if self.event in TEXT_IS_CONTEXT and not self.output and self.exit == 0 else ""
        return str(self._specific.get("additionalContext", plain))

    @property
    def new_input(self) -> dict[str, Any] | None:
        """The tool's whole new input; None where it stays as it is."""
        decision = self._specific.get("decision")
        inner = decision if isinstance(decision, dict) else self._specific
        return inner.get("updatedInput")

    @property
    def notice(self) -> str:
        """What the user is told."""
        return str(self.output.get("systemMessage", ""))


def words_of(program: str | Path | Sequence[str]) -> list[str]:
    """Return how a program is started: a file by what it is, other text by `sh -c`, as the settings' `command` is."""
    if not isinstance(program, str | Path):
        return list(program)
    path = Path(program)
    if path.suffix == ".py":
        return [sys.executable, str(path)]
    if path.is_file():
        return [str(path.resolve())] if os.access(path, os.X_OK) else ["sh", str(path)]
    return ["sh", "-c", str(program)]


class WarmWorker:
    """A hook program that stays up, spoken to as a host speaks to a handler with `worker = true`: a line, a line back.

    `with WarmWorker(["node", "guard.js"]) as worker: worker.ask(payload("Stop"))`. When the block ends, its stdin is
    closed, which is the sign to leave; whoever does not within *patience* seconds is killed with its children.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        patience: float = 10.0,
    ) -> None:
        self._words = list(words)
        self._cwd = cwd
        self._environment = {**(os.environ if environment is None else environment), hook.WORKER: "1"}
        self._patience = patience
        self.log = ""
        """What it wrote to stderr; whole when the block has ended."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._words,
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)  # or a full pipe would stop the program
        self._reader.start()
        return self

    def ask(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Send one event and return the object that comes back. Raises RuntimeError if none does in time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        late = threading.Timer(self._patience, self._kill)
        late.start()
        try:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            late.cancel()
        if not answer.endswith(b"\n"):
            raise RuntimeError(f"the worker ended or was late instead of answering; it had said {answer!r}")
        found = json.loads(answer)
        if not isinstance(found, dict):
            raise RuntimeError(f"the worker answered no JSON object: {answer!r}")
        return found

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._kill()  # also what it left behind
            self._process.wait()
            self._process.stdout.close()
            self._reader.join(self._patience)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            self.log = stream.read().decode(errors="replace")

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)


class HookFixture:
    """A project folder, a home and a state folder of their own, in which hook programs are fired.

    `project` is the working folder and `CLAUDE_PROJECT_DIR`; `environment` has what a program finds beside.
    """

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.home = folder / "home"
        for made in (self.project, self.home):
            made.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "HOME": str(self.home),
            "CLAUDE_PROJECT_DIR": str(self.project),
            "CLAUDECODE": "1",
            "PEGBOARD_STATE_DIR": str(folder / "state"),
        }
        self._at_home = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "SYSTEMROOT", "TMPDIR")

    def file(self, name: str, text: str = "") -> Path:
        """Write a file of the project."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def fire(
        self,
        program: str | Path | Sequence[str],
        event: str | Mapping[str, Any],
        *,
        how: str = "cold",
        tool: str = "",
        input: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
        **fields: Any,
    ) -> Fired:
        """Fire *program* once, `cold`, `warm` or `in process`, on an event by name or on a whole payload.

        *program* is a file, the words of a command, or the text of a shell command.
        """
        if isinstance(event, str):
            event = payload(event, tool=tool, input=input, **{"cwd": str(self.project), **fields})
        if how not in WAYS:
            raise ValueError(f"a program is fired {', '.join(WAYS)}; not {how!r}")
        if isinstance(program, str | Path):
            program = self._found(program)
        if how == "cold":
            return self._cold(words_of(program), event, timeout)
        if how == "warm":
            with WarmWorker(
                words_of(program), cwd=self.project, environment=self._whole_environment(), patience=timeout
            ) as worker:
                return _fired(event, worker.ask(event))
        return self._in_process(Path(str(program)), event)

    def _found(self, program: str | Path) -> str | Path:
        """Return a file's whole path, seen from here or from the project; text that names none is a shell command."""
        for base in (Path.cwd(), self.project):
            if (base / program).is_file():
                return base / program
        if isinstance(program, Path) or (program.endswith((".py", ".sh")) and " " not in program):
            raise FileNotFoundError(f"there is no hook program {str(program)!r}, neither here nor in {self.project}")
        return program

    def fire_all_ways(
        self,
        program: str | Path,
        event: str | Mapping[str, Any],
        *,
        tool: str = "",
        input: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Fired:
        """Fire a Python program in all three ways; an AssertionError where they do not come to the same answer."""
        answers = {how: self.fire(program, event, how=how, tool=tool, input=input, **fields) for how in WAYS}
        first = answers["cold"]
        for how, fired in answers.items():
            same = (fired.exit, fired.output) == (first.exit, first.output)
            assert same, f"{how} it answers {fired}, but cold {first}"
        return first

    def _whole_environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in self._at_home}
        return {**kept, **self.environment}

    def _cold(self, words: list[str], event: Mapping[str, Any], timeout: float) -> Fired:
        line = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        done = subprocess.run(
            words,
            input=line + b"\n",
            capture_output=True,
            cwd=event.get("cwd") or self.project,
            env=self._whole_environment(),
            timeout=timeout,
            check=False,
            start_new_session=True,
        )
        stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return Fired(_name(event), done.returncode, stdout, stderr, _object_in(stdout))

    def _in_process(self, path: Path, event: Mapping[str, Any]) -> Fired:
        said = io.StringIO()
        try:
            with self._as_environment(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                typed = hook.event_of(event)
                output = hook.answer_to(
                    event, [called for name, fits, called in _functions_of(path) if hook._is_for(typed, name, fits)]
                )
        except Exception:
            return Fired(_name(event), 1, stderr=said.getvalue() + traceback.format_exc())
        return Fired(_name(event), 0, stderr=said.getvalue(), output=output)

    @contextlib.contextmanager
    def _as_environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _name(event: Mapping[str, Any]) -> str:
    return str(event.get("hook_event_name", ""))


def _fired(event: Mapping[str, Any], answer: dict[str, Any]) -> Fired:
    """Read a warm answer, whose `exit` and `stderr` stand for a cold program's."""
    code, stderr = answer.pop("exit", 0), answer.pop("stderr", "")
    return Fired(_name(event), code, stderr=stderr, output=answer)


def _object_in(stdout: str) -> dict[str, Any]:
    try:
        found = json.loads(stdout)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _functions_of(path: Path) -> list[tuple[str, str, Any]]:
    """Import a file and return what it registers, apart from the functions of all other files."""
    spec = importlib.util.spec_from_file_location(f"pegboard_hook_program_{path.stem.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file, so it cannot be fired in process")
    module = importlib.util.module_from_spec(spec)
    before, hook._registered = hook._registered, []
    try:
        spec.loader.exec_module(module)
        found = hook._registered
    finally:
        hook._registered = before
    if not found:
        raise ValueError(f"{path} registers no function with pegboard.hook.on")
    return found
