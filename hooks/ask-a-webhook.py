#!/usr/bin/env python3
# /// hook
# name = "ask-a-webhook"
# summary = "Asks a server over HTTP whether a tool call may run; the server is a small program with your rules"
# needs = ["python3"]
# kit = true
#
# [[hooks.PreToolUse]]
# matcher = "Bash|WebFetch"
# [[hooks.PreToolUse.hooks]]
# type = "http"
# url = "http://127.0.0.1:8788/decide"
# timeout = 5
# on_error = "ask"
# ///
"""The server that an HTTP hook asks: functions of the kit, answered over a connection that stays open.

    python3 ask-a-webhook.py [--port 8788]

A rule is a function as in any hook program; the one below is an example to replace. One server can answer for many
sessions and keep what it knows in memory, and a call costs a fifth of a millisecond in place of a process. For several
machines put it behind a server with TLS and a token (see the hook `audit-to-webhook`).

Install: `pegboard hooks add ask-a-webhook`, then start the server. In another host of the contract, put this file and
the kit (`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not do: by the contract, a server that is down, slow or broken decides nothing, so the call goes on; only
Pegboard reads the `on_error = "ask"` of the entry above. A status such as 403 never refuses: only the answer does.
"""

import argparse
import json
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

DOMAINS = ("docs.python.org", "pypi.org", "github.com")
LARGEST = 64 * 1024 * 1024


@hook.on("PreToolUse", matcher="WebFetch")
def only_known_domains(event: hook.PreToolUse):
    """Let pages of known domains be fetched; ask about the others."""
    host = urlsplit(str(event.tool_input.get("url", ""))).hostname or ""
    if any(host == domain or host.endswith("." + domain) for domain in DOMAINS):
        return hook.allow(f"{host} is a known domain")
    return hook.ask(f"{host or 'this address'} is no domain that this server knows")


@hook.on("PreToolUse", matcher="Bash")
def no_network_tools(event: hook.PreToolUse):
    """Refuse what would go round the rule above."""
    names = [command.name for command in hook.shell_commands(event.command)]
    if set(names) & {"curl", "wget", "nc", "ncat"}:
        return hook.deny("Use WebFetch: this server decides about addresses, not about commands.")
    return None


class Server(BaseHTTPRequestHandler):
    """Answers each event with what the functions say: 200 with an object, 204 for nothing, 500 for a crash."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True  # an answer waits for nothing

    def do_POST(self):
        """Answer one event."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            self.close_connection = True
            return self.answer(413, {"error": "no length, or too much"})
        try:
            output = hook.answer_to(json.loads(self.rfile.read(int(length))))
        except Exception:
            traceback.print_exc()
            return self.answer(500, {"error": "see the server's own log"})
        return self.answer(200 if output else 204, output)

    def answer(self, code, output):
        """Send an object, or nothing at all."""
        body = json.dumps(output).encode() if output else b""
        self.send_response(code)
        if body:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        """Say nothing: the host has a trace of its own."""


def main():
    """Listen until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8788, help="default: %(default)s; 0 for any that is free")
    given = parser.parse_args()
    with ThreadingHTTPServer(("127.0.0.1", given.port), Server) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/decide", file=sys.__stdout__, flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
