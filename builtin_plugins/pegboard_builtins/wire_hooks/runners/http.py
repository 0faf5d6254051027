"""Sends the event to a web server, over a pool of connections."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import time
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from pegboard import __version__
from pegboard.output import one_line
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.job import Job, RawResult
from pegboard_builtins.wire_hooks.runners.capture import KEPT
from pegboard_builtins.wire_hooks.runners.urls import BadUrlError, header, is_allowed, parts_of

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

SHOWN = 200
"""Characters of what a server says that an error shows."""
IDLE = 60.0
"""Seconds that a connection nobody uses is kept."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
LOOPBACK = re.compile(r"(?:localhost|[\w-]+\.localhost|127(?:\.\d+){1,3}|\[::1\])(?::\d+)?")


class HttpRunner:
    """Runs HTTP handlers with one session per event loop, opened with the first request.

    A redirect is not followed: it would take the event, and the headers, to a place that nobody allowed.
    """

    def __init__(self) -> None:
        self._session: ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, handler: Handler, job: Job) -> RawResult:
        """Send the event, for `job.seconds` at most. A status code never decides: only the JSON of a 2xx does."""
        began = time.perf_counter()
        result = await self._run(handler, job)
        result.milliseconds = (time.perf_counter() - began) * 1e3
        result.is_text_context = False
        return result

    async def _run(self, handler: Handler, job: Job) -> RawResult:
        problem = _forbidden(handler, job)
        if problem:
            return RawResult(exit=None, error=problem)
        headers = _headers(handler, job)
        try:
            async with asyncio.timeout(job.seconds):
                if "aiohttp" not in sys.modules:
                    await asyncio.to_thread(__import__, "aiohttp")  # a sixth of a second, in which others go on
                return await self._post(handler.url, job.line, headers)
        except TimeoutError:
            return RawResult(exit=None, timed_out=True)
        except Exception as error:
            return RawResult(exit=None, error=_in_words(error, handler.url))

    async def _post(self, url: str, line: bytes, headers: dict[str, str]) -> RawResult:
        import aiohttp

        session = self._opened()
        opened: list[socket.socket] = []
        _opened_for.set(opened)
        try:
            return await self._once(session, url, line, headers)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError, aiohttp.ClientOSError) as error:
            if opened or isinstance(error, aiohttp.ClientConnectorError):
                raise
        # The server had closed a connection of the pool, which we could not know. Once more, over a new one.
        result = await self._once(session, url, line, {**headers, "Connection": "close"})
        result.note = "the server had closed the kept connection; sent again over a new one"
        return result

    async def _once(self, session: ClientSession, url: str, line: bytes, headers: dict[str, str]) -> RawResult:
        async with session.post(
            url, data=line, headers=headers, allow_redirects=False, proxy=proxy_for(url)
        ) as response:
            status = response.status
            if 200 <= status < 300:
                return _result(await _body(response))
            where = response.headers.get("Location", "")
            if 300 <= status < 400 and where:
                said = f"HTTP {status}, a redirect to {one_line(where, SHOWN)}, which is not followed; mend the URL"
                return RawResult(exit=None, error=said)
            return RawResult(exit=None, error=f"HTTP {status} {one_line(response.reason or '', SHOWN)}".rstrip())

    def _opened(self) -> ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop or self._session.closed:
            self._session, self._loop = _new_session(), loop
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None and self._loop is asyncio.get_running_loop():
            await session.close()


_opened_for: ContextVar[list[socket.socket]] = ContextVar("pegboard_opened_for")
"""Takes the sockets that are opened for the request of this task: none means that it goes over a kept connection.

The library's own tracing tells that too, and makes a request take a fifth longer.
"""


def _new_socket(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    _opened_for.get([]).append(made)
    return made


@cache
def _connector() -> Any:
    import aiohttp

    class Connector(aiohttp.TCPConnector):
        """Leaves a kept connection on which the server has spoken unasked: what it said answers no request of ours."""

        async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
            while True:
                connection = await super().connect(req, traces, timeout)
                if connection.protocol is None or not connection.protocol.should_close:
                    return connection
                connection.close()

    return Connector


def _new_session() -> ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=_connector()(limit=0, keepalive_timeout=IDLE, socket_factory=_new_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # each handler has its own deadline
        headers={"Content-Type": "application/json", "User-Agent": f"pegboard/{__version__}"},
    )


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for a URL; a server on this machine is asked directly.

    Not the library's own `trust_env`: that sends a password out of ~/.netrc along, which nobody allowed.
    """
    if _is_here(url) or not any(name in os.environ for name in PROXIES):
        return None
    from urllib.request import getproxies_environment

    scheme, host, _ = parts_of(url)
    proxies = getproxies_environment()
    if _is_among(host, proxies.get("no", "")):
        return None
    return proxies.get(scheme) or proxies.get("all")


@lru_cache(maxsize=256)
def _is_here(url: str) -> bool:
    return LOOPBACK.fullmatch(parts_of(url)[1]) is not None


def _is_among(host: str, names: str) -> bool:
    """Whether NO_PROXY names a host: itself, with its port, or a domain above it; `*` names all."""
    bare = re.sub(r":\d+$", "", host)
    for name in (one.strip().lower().lstrip(".") for one in names.split(",")):
        if name == "*" or (name and (name in (host, bare) or bare.endswith(f".{name}"))):
            return True
    return False


def _forbidden(handler: Handler, job: Job) -> str:
    """Return why a request may not be sent; empty if it may."""
    try:
        parts_of(handler.url)
        if job.allowed_urls is not None and not is_allowed(handler.url, job.allowed_urls):
            listed = ", ".join(job.allowed_urls) or "none at all"
            return f"not sent: {handler.url} is not among allowedHttpHookUrls ({listed})"
    except BadUrlError as bad:
        return str(bad)
    return ""


def _headers(handler: Handler, job: Job) -> dict[str, str]:
    if not handler.headers:
        return {}
    allowed = set(handler.allowed_variables)
    if job.allowed_variables is not None:
        allowed &= set(job.allowed_variables)
    variables = {name: job.environment.get(name, os.environ.get(name, "")) for name in allowed}
    return {name: header(text, allowed, variables) for name, text in handler.headers.items()}


async def _body(response: ClientResponse) -> bytes:
    """Return the body. Raises ValueError for one that is longer than anybody should send."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > KEPT:
            response.close()
            raise ValueError(f"it answered more than {KEPT >> 20} MB")
        parts.append(part)
    return b"".join(parts)


def _result(body: bytes) -> RawResult:
    """Return what a 2xx means: nothing if it is empty, a JSON object if it holds one, else a failure."""
    from pydantic_core import from_json

    if not body.strip():
        return RawResult()
    text = body.decode("utf-8-sig", errors="replace")
    try:
        found = from_json(body)
    except ValueError:
        found = _as_a_program_says_it(text)
    if not isinstance(found, dict):
        return RawResult(exit=None, stdout=text, error=f"it answered no JSON object: {text[:200]!r}")
    return RawResult(stdout=text, answer=found)


def _as_a_program_says_it(text: str) -> Any:
    """Read what the stricter reader does not: half a character, or bytes that are no UTF-8, void no refusal."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _in_words(error: Exception, url: str) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return (
            f"the certificate of {error.host} is not trusted ({error.certificate_error}); "
            f"name your own authority's file in SSL_CERT_FILE"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return f"{url} closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"{url} broke off in the middle of its answer"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http_exceptions.HttpProcessingError):
        return f"{url} does not speak HTTP: {one_line(str(error.message or error), SHOWN)}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
