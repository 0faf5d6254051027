"""The three hooks of the demo, declared in its project's settings: a Python function, a shell command, an HTTP call."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FUNCTION_HOOK = '''"""Keeps secrets from the model."""

from pegboard import hook


def no_secrets(event):
    if event.tool_input.get("file_path", "").endswith("/.env"):
        return hook.deny(".env holds secrets; ask for the value that you need.")
'''

SHELL_HOOK = """#!/bin/sh
# Reads the event on standard input; exit code 2 refuses the call, standard error says why.
if grep -q '"command":"rm -rf'; then
    echo "rm -rf cannot be undone: name the files, or leave them." >&2
    exit 2
fi
"""

SETTINGS = """\
[[hooks.PreToolUse]]
matcher = "Read|Edit|Write"
hooks = [{{ id = "no-secrets", function = "hooks.py:no_secrets", on_error = "closed" }}]

[[hooks.PreToolUse]]
matcher = "Bash"
hooks = [
  {{ id = "no-rm-rf", type = "command", command = 'sh "$PEGBOARD_PROJECT_DIR"/.pegboard/no-rm-rf.sh' }},
  {{ id = "approve-tests", type = "http", url = "http://{host}:{port}/pre-tool" }},
]
"""


def hook_files(address: tuple[str, int]) -> dict[str, str]:
    """Return the files that declare the hooks, by their path in a project."""
    host, port = address
    return {
        ".pegboard/settings.toml": SETTINGS.format(host=host, port=port),
        ".pegboard/hooks.py": FUNCTION_HOOK,
        ".pegboard/no-rm-rf.sh": SHELL_HOOK,
    }


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection for the next event

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(_decide(event))

    def _answer(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the demo prints what matters."""


def _decide(event: dict[str, Any]) -> dict[str, Any]:
    if " -m unittest " not in event["tool_input"].get("command", ""):
        return {}
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "allow",
            "permissionDecisionReason": "test runs are approved",
        }
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a kept connection waits for an event that never comes


@contextmanager
def receiver() -> Iterator[tuple[str, int]]:
    """Serve the HTTP hook on a free port of this machine."""
    server = _Server(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield ("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
