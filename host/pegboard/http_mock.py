"""A web server on the loopback interface for tests of plugins that ask one: what it answers, and what it was asked.

with HttpMock() as web:
    web.on("GET", "/rates", {"eur": 1.1})
    web.on("POST", "/orders", status=503, times=1)
    ...                                     # the plugin asks web.url + "/rates"
    assert [one.path for one in web.asked] == ["/rates"]
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from pegboard.errors import PegboardError


@dataclass(frozen=True)
class Asked:
    """A request that came. `path` is without the query; header names are in small letters."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class _Rule:
    method: str
    path: str
    body: Any
    status: int
    headers: Mapping[str, str]
    delay: float
    times: int | None
    used: int = field(default=0)


class HttpMock:
    """Serves while it is open. What nobody said an answer for gets 404 and is in `unexpected`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.unexpected: list[Asked] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    def on(
        self,
        method: str,
        path: str,
        answer: Any | Callable[[Asked], Any] = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        times: int | None = None,
    ) -> Self:
        """Say what is answered: bytes, a text, anything else as JSON, or a function of what was asked.

        Of several rules that fit, the last one said counts, for as many *times* as it says. *delay* is in seconds.
        """
        self._rules.insert(0, _Rule(method.upper(), path, answer, status, headers or {}, delay, times))
        return self

    @property
    def url(self) -> str:
        """Where it can be asked."""
        if self._server is None:
            raise PegboardError("the server is not open: `with HttpMock() as web`")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        mock = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                mock._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: what was asked is in `asked`."""

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.02,), name="pegboard-http-mock", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._server = None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        asked = Asked(
            method=handler.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=handler.rfile.read(int(handler.headers.get("Content-Length") or 0)),
        )
        with self._lock:
            self.asked.append(asked)
            rule = next((rule for rule in self._rules if _fits(rule, asked)), None)
            if rule is None:
                self.unexpected.append(asked)
                rule = _Rule(asked.method, asked.path, "nobody said what to answer", 404, {}, 0.0, None)
            rule.used += 1
        time.sleep(rule.delay)
        said = rule.body(asked) if callable(rule.body) else rule.body
        kind = "application/octet-stream" if isinstance(said, bytes) else "text/plain; charset=utf-8"
        if not isinstance(said, bytes | str):
            said, kind = json.dumps(said), "application/json"
        content = said.encode() if isinstance(said, str) else said
        handler.send_response(rule.status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **rule.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if asked.method != "HEAD":
            handler.wfile.write(content)


def _fits(rule: _Rule, asked: Asked) -> bool:
    return (rule.method, rule.path) == (asked.method, asked.path) and (rule.times is None or rule.used < rule.times)
