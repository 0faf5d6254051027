"""The first token of an answer: in a chat, from Enter to the terminal, beside the bare stream of the same server."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import BenchError, Effort, Reach, Sample, Table, interleaved, row, wall

LATER = Reach(10.0)
PATIENCE = 60.0
MODEL = "claude-sonnet-4-5"
SERVER = """\
import sys
from itertools import count
from pegboard.messages_server import Answer, MessagesServer
numbers = count(1)
with MessagesServer() as server:
    server.default = lambda received: Answer(text=f"token{next(numbers)}z and some more words after it")
    print(server.url, flush=True)
    sys.stdin.read()
"""
"""In a process of its own: it must not share an interpreter with what is measured."""
TOKEN = re.compile(rb"token\d")
SHORT, WORDS = b"go", b"why does the parser drop a line"
"""Memory is asked about a prompt whose words say what it is about, and not about the other."""


def measure(effort: Effort) -> list[Table]:
    """Measure the SDK's stream, a session without a terminal, and the chat, in turns."""
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as name, _server() as url, asyncio.Runner() as runner:
        folder = Path(name)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PEGBOARD", "ANTHROPIC"))},
            "PEGBOARD_STATE_DIR": str(folder / "state"),
            "PEGBOARD_CONFIG_DIR": str(folder / "config"),
            "HOME": name,
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": url,
            "TERM": "xterm-256color",
        }
        (folder / "project").mkdir()
        bare, session = _Bare(url, runner), _InASession(folder, environment, runner)
        with _Chat(folder / "project", environment) as chat:
            found = interleaved(
                {
                    "bare": bare.first_token,
                    "session": session.first_token,
                    "chat": partial(chat.first_token, SHORT),
                    "asked": partial(chat.first_token, WORDS),
                },
                effort.pick(31, 3),
                warm_up=3,
            )
        bare.close()
        session.close()
    times = {name: one.times(1e3) for name, one in found.items()}
    return [
        Table(
            "the first token (wall time, one loopback server)",
            _rows(times),
            [
                "bare stream: the SDK's, from the call to the first text; chat: from Enter to the text on the terminal",
                "a session: all built-in plugins, no terminal; what the chat itself adds is the last row",
            ],
        )
    ]


def _rows(times: dict[str, Sample]) -> list[Any]:
    bare, session, chat, asked = times["bare"], times["session"], times["chat"], times["asked"]
    return [
        row("bare stream", bare, "ms"),
        row("a session", session, "ms", beside="bare stream", floor=bare),
        row("chat", chat, "ms", beside="bare stream", floor=bare),
        row("chat, later than the bare stream", chat.minus(bare), "ms", reach=LATER),
        row("the same, where memory is asked", asked.minus(bare), "ms", reach=LATER),
        row("chat, later than a session", chat.minus(session), "ms"),
    ]


@contextmanager
def _server() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


class _Bare:
    """The SDK alone, with a client that is warm."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        from anthropic import AsyncAnthropic

        self._runner = runner
        self._client = AsyncAnthropic(base_url=url, api_key="none", max_retries=0)

    def first_token(self) -> float:
        return self._runner.run(self._ask())

    async def _ask(self) -> float:
        started = wall()
        took = 0.0
        messages: list[Any] = [{"role": "user", "content": "go"}]
        async with self._client.messages.stream(model=MODEL, max_tokens=1000, messages=messages) as stream:
            async for _ in stream.text_stream:
                took = took or wall() - started
        return took

    def close(self) -> None:
        self._runner.run(self._client.close())


class _InASession:
    """A session of this process that shows its text to a function."""

    def __init__(self, folder: Path, environment: dict[str, str], runner: asyncio.Runner) -> None:
        from pegboard.host import Host, Options

        self._runner = runner
        self._first = 0.0
        project = folder / "session"
        project.mkdir()
        os.environ.update({key: environment[key] for key in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")})
        self._host = Host(project, state_dir=folder / "state", config_dir=folder / "config", environment=environment)
        self._options = Options(model=f"anthropic:{MODEL}", stream=True)
        self._session = runner.run(self._open())

    async def _open(self) -> Any:
        host = await self._host.__aenter__()
        return await host.session(self._options, show=self._take).__aenter__()

    def _take(self, shown: Any) -> None:
        if shown.kind == "delta" and not self._first:
            self._first = wall()

    def first_token(self) -> float:
        self._first = 0.0
        started = wall()
        self._runner.run(self._session.run("go"))
        if not self._first:
            raise BenchError("the session showed no text as it came")
        return self._first - started

    def close(self) -> None:
        self._runner.run(self._session.close())
        self._runner.run(self._host.__aexit__())


class _Chat:
    """`pegboard chat` in a pseudo terminal."""

    def __init__(self, project: Path, environment: dict[str, str]) -> None:
        self._terminal, theirs = pty.openpty()
        words = [sys.executable, "-m", "pegboard", "chat", "--model", f"anthropic:{MODEL}"]
        self._process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=project, env=environment, start_new_session=True
        )
        os.close(theirs)

    def __enter__(self) -> _Chat:
        self._wait(re.compile(rb"/help"))
        self._quiet()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._terminal)

    def first_token(self, prompt: bytes) -> float:
        os.write(self._terminal, prompt)
        self._quiet()
        started = wall()
        os.write(self._terminal, b"\r")
        took = self._wait(TOKEN) - started
        self._quiet()
        return took

    def _wait(self, wanted: re.Pattern[bytes]) -> float:
        """Return when *wanted* has come. Raises BenchError."""
        seen = b""
        while not wanted.search(seen):
            if not select.select([self._terminal], [], [], PATIENCE)[0]:
                raise BenchError(f"the chat did not show {wanted.pattern!r}; it showed {seen[-300:]!r}")
            try:
                seen += os.read(self._terminal, 65536)
            except OSError as error:
                raise BenchError(f"the chat has ended: {seen[-500:]!r}") from error
        return wall()

    def _quiet(self) -> None:
        """Read until nothing has come for a while: the answer is over, and all of it is drawn."""
        while select.select([self._terminal], [], [], 0.3)[0]:
            os.read(self._terminal, 65536)
