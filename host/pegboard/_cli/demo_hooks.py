"""The three hooks of the demo, as small plugins of its own.

Declared hooks (a command, a URL or a function in the settings) are the business of the plugin `wire_hooks`. Until it
is there, the demo brings a command and an HTTP hook that speak the same JSON over the same pipes and sockets.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pegboard.context import Ctx
from pegboard.decisions import Decision, Verdict
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolCall

SHELL_HOOK = """#!/bin/sh
# Reads the event on standard input; exit code 2 refuses the call, standard error says why.
if grep -q '"command":"rm -rf'; then
    echo "rm -rf cannot be undone: name the files, or leave them." >&2
    exit 2
fi
"""


def payload(call: ToolCall, ctx: Ctx) -> bytes:
    """Return the event as hooks get it: one compact line of JSON."""
    facts = {
        "session_id": ctx.session_id,
        "transcript_path": str(ctx.journal.path),
        "cwd": str(ctx.cwd),
        "permission_mode": ctx.mode,
        "hook_event_name": "PreToolUse",
        "tool_name": call.name,
        "tool_input": call.input,
        "tool_use_id": call.id,
    }
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


class guard_secrets:
    """A Python function as a hook."""

    @hookimpl(guard=True, matcher="Read|Edit|Write")
    def pre_tool(self, call: ToolCall) -> Decision | None:
        """Refuse to touch .env."""
        if Path(str(call.input.get("file_path"))).name == ".env":
            return Decision.deny(".env holds secrets; ask for the value that you need.")
        return None


class no_rm_rf:
    """A shell command as a hook."""

    def __init__(self, script: Path) -> None:
        script.write_text(SHELL_HOOK, encoding="utf-8")
        self._script = script

    @hookimpl(guard=True, matcher="Bash")
    async def pre_tool(self, call: ToolCall, ctx: Ctx) -> Decision | None:
        """Run the script with the event on its standard input."""
        process = await asyncio.create_subprocess_exec(
            "sh",
            str(self._script),
            cwd=ctx.cwd,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate(payload(call, ctx))
        return Decision.deny(said.decode().strip()) if process.returncode == 2 else None


class ApproveOverHttp:
    """An HTTP call as a hook."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    @hookimpl(matcher="Bash")
    async def pre_tool(self, call: ToolCall, ctx: Ctx) -> Decision | None:
        """Post the event and take the decision out of the answer."""
        body = payload(call, ctx)
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(
                b"POST /pre-tool HTTP/1.0\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
        said = json.loads(answer.partition(b"\r\n\r\n")[2] or b"{}").get("hookSpecificOutput", {})
        verdict = said.get("permissionDecision")
        if verdict is None:
            return None
        return Decision(verdict=Verdict(verdict), reason=said.get("permissionDecisionReason", ""))


class _Receiver(BaseHTTPRequestHandler):
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


@contextmanager
def receiver() -> Iterator[tuple[str, int]]:
    """Serve the HTTP hook on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield ("127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
