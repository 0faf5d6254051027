#!/usr/bin/env python3
# /// hook
# name = "audit-to-webhook"
# summary = "Sends what the agent is asked and what it does to a receiver that writes it down"
# needs = ["python3"]
#
# [[hooks.UserPromptSubmit]]
# [[hooks.UserPromptSubmit.hooks]]
# type = "http"
# url = "http://127.0.0.1:8787/audit"
# timeout = 5
# headers = { Authorization = "Bearer $AUDIT_TOKEN" }
# allowedEnvVars = ["AUDIT_TOKEN"]
#
# [[hooks.PostToolUse]]
# [[hooks.PostToolUse.hooks]]
# type = "http"
# url = "http://127.0.0.1:8787/audit"
# timeout = 5
# headers = { Authorization = "Bearer $AUDIT_TOKEN" }
# allowedEnvVars = ["AUDIT_TOKEN"]
#
# [[hooks.PostToolUseFailure]]
# [[hooks.PostToolUseFailure.hooks]]
# type = "http"
# url = "http://127.0.0.1:8787/audit"
# timeout = 5
# headers = { Authorization = "Bearer $AUDIT_TOKEN" }
# allowedEnvVars = ["AUDIT_TOKEN"]
#
# [[hooks.SessionEnd]]
# [[hooks.SessionEnd.hooks]]
# type = "http"
# url = "http://127.0.0.1:8787/audit"
# timeout = 1
# headers = { Authorization = "Bearer $AUDIT_TOKEN" }
# allowedEnvVars = ["AUDIT_TOKEN"]
# ///
"""The receiver of an audit: takes each event as it is posted, and writes it down, one line of JSON each.

    AUDIT_TOKEN=... python3 audit-to-webhook.py --file audit.jsonl [--port 8787]

It listens on this machine alone, answers 204 (which decides nothing), and refuses whoever does not bring the token,
where $AUDIT_TOKEN is set. Give the agent the same $AUDIT_TOKEN. Any other server that answers a POST with an empty 2xx
will do: change the URL in the settings.

Install: `pegboard hooks add audit-to-webhook`, then start the receiver. In another host of the contract, put the entry
above into the settings.

What it does not do: by the contract, a receiver that is down or answers an error stops nothing, so an audit can have
gaps; where it must not, use a command hook with `on_error = "closed"`, or Pegboard's own journal, which has no gaps.
Calls that were refused are no tool uses: they are not in it. The file holds what the agent read and wrote, secrets
included: it is readable by you alone, keep it so.
"""

import argparse
import hmac
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGEST = 64 * 1024 * 1024
"""Bytes of one event."""


class Receiver(BaseHTTPRequestHandler):
    """Writes down what is posted."""

    protocol_version = "HTTP/1.1"  # the connection stays open: a host asks often
    timeout = 60
    path_to_file = ""
    token = ""
    lock = threading.Lock()

    def do_POST(self):
        """Check, write, answer: an event is on the disk before its sender is told so."""
        given = self.headers.get("Authorization", "")
        length = self.headers.get("Content-Length", "")
        if self.token and not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            return self.refuse(401, "a wrong token, or none")
        if not length.isdigit() or int(length) > LARGEST:
            return self.refuse(413, "no length, or too much")
        body = self.rfile.read(int(length))
        try:
            event = json.loads(body)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            return self.refuse(400, "no JSON object")
        line = json.dumps({"received": round(time.time(), 3), **event}, separators=(",", ":")) + "\n"
        try:
            self.write(line.encode())
        except OSError as wrong:
            return self.refuse(500, f"cannot write: {wrong.strerror}")
        self.send_response(204)
        self.end_headers()
        return None

    def write(self, line):
        """Append a line, whole."""
        with self.lock:
            descriptor = os.open(self.path_to_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with open(descriptor, "ab") as file:
                file.write(line)

    def refuse(self, code, why):
        """Answer an error, and close: what is left of the body is not read."""
        self.close_connection = True
        self.send_response(code)
        self.send_header("Content-Length", str(len(why.encode())))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(why.encode())

    def log_message(self, form, *values):
        """Say nothing of what went well."""
        if "204" not in values:
            sys.stderr.write(f"audit: {form % values}\n")


def main():
    """Listen until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", default="audit.jsonl", help="where the events are written (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8787, help="default: %(default)s; 0 for any that is free")
    given = parser.parse_args()
    Receiver.path_to_file, Receiver.token = os.path.abspath(given.file), os.environ.get("AUDIT_TOKEN", "")
    with ThreadingHTTPServer(("127.0.0.1", given.port), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}/audit, writing to {given.file}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
