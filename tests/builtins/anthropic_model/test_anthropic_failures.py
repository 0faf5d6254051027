"""Every way in which a request can fail becomes our error, with the facts that a retry needs."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pegboard.errors import ContextOverflowError, ModelError
from pegboard.messages_server import Answer, Broken, Failure, MessagesServer, Scripted
from pegboard.requests import Request, ToolUseCut
from pegboard_builtins.anthropic_model.errors import retry_after

RequestFor = Callable[..., Request]


@pytest.fixture
def raw_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Start a server that answers everything with the same bytes, as a proxy would; return its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, content_type: str, body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(running)
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{running.server_address[1]}"
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        return url

    yield start
    for running in servers:
        running.shutdown()
        running.server_close()


def failing(plugin: Any, request: Request) -> ModelError:
    with pytest.raises(ModelError) as caught:
        plugin.ask(request)
    return caught.value


@pytest.mark.parametrize(
    ("failure", "status", "retryable"),
    [
        pytest.param(Failure(status=400), 400, False, id="invalid request"),
        pytest.param(Failure(status=401), 401, False, id="wrong key"),
        pytest.param(Failure(status=402), 402, False, id="no credit"),
        pytest.param(Failure(status=403), 403, False, id="not allowed"),
        pytest.param(Failure(status=404), 404, False, id="no such model"),
        pytest.param(Failure(status=409), 409, True, id="conflict"),
        pytest.param(Failure(status=429), 429, True, id="rate limit"),
        pytest.param(Failure(status=500), 500, True, id="server error"),
        pytest.param(Failure(status=503), 503, True, id="unavailable"),
        pytest.param(Failure(status=529), 529, True, id="overloaded"),
        pytest.param(Failure(status=500, headers={"x-should-retry": "false"}), 500, False, id="told not to"),
        pytest.param(Failure(status=400, headers={"x-should-retry": "true"}), 400, True, id="told to"),
        pytest.param(Failure(status=529, after=4), 529, True, id="overloaded in the middle"),
        pytest.param(Failure(status=500, after=4), 500, True, id="server error in the middle"),
        pytest.param(Failure(status=429, after=4), 429, True, id="rate limit in the middle"),
        pytest.param(Failure(status=400, after=4), 400, False, id="invalid in the middle"),
        pytest.param(Broken(after=-1), 0, True, id="broken before the response"),
        pytest.param(Broken(after=0), 0, True, id="broken before the first event"),
        pytest.param(Broken(after=5), 0, True, id="broken between events"),
        pytest.param(Broken(after=5, mid_json=True), 0, True, id="broken in an event"),
        pytest.param(Broken(after=5, clean=True), 0, True, id="ended early"),
        pytest.param(Broken(after=5, mid_json=True, clean=True), 0, True, id="ended early in an event"),
    ],
)
def test_a_failure_keeps_its_facts(
    plugin: Any, server: MessagesServer, request_for: RequestFor, failure: Scripted, status: int, retryable: bool
) -> None:
    server.script(failure)
    error = failing(plugin, request_for())
    assert (error.status, error.retryable) == (status, retryable)
    assert not isinstance(error, ContextOverflowError)
    assert len(server.requests) == 1, "retrying is not this plugin's job"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Failure.overflow(), id="prompt too long"),
        pytest.param(
            Failure(
                status=400,
                message="input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000, decrease input",
            ),
            id="prompt and answer too long",
        ),
        pytest.param(Failure(status=400, message="Input is too long for requested model."), id="a gateway's words"),
        pytest.param(
            Failure(status=400, message="This model's maximum context length is 200000 tokens."), id="another's words"
        ),
        pytest.param(Failure(status=413), id="too many bytes"),
    ],
)
def test_a_request_that_is_too_long_is_a_context_overflow(
    plugin: Any, server: MessagesServer, request_for: RequestFor, failure: Failure
) -> None:
    server.script(failure)
    error = failing(plugin, request_for())
    assert isinstance(error, ContextOverflowError)
    assert not error.retryable
    assert error.status == failure.status


def test_retry_after_is_taken_over(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.script(
        Failure.rate_limited(7), Failure(status=529, headers={"retry-after-ms": "1500"}), Failure.rate_limited()
    )
    assert [failing(plugin, request_for()).retry_after for _ in range(3)] == [7.0, 1.5, None]


def test_retry_after_may_be_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after({"retry-after": soon}) == pytest.approx(100, abs=30)
    assert retry_after({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_spend_limit_is_not_retried(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.script(Failure(status=429, code="enforced_spend_limit_reached"))
    assert not failing(plugin, request_for()).retryable


def test_a_break_inside_a_call_says_which_call_was_cut(
    plugin: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    server.script(Broken(after=5, answer=Answer(calls=[("Bash", {"command": "rm -r build"})])))

    async def run() -> list[Any]:
        events = []
        async with plugin.open():
            with pytest.raises(ModelError):
                async for event in plugin.stream(request_for(tools=("Bash",))):
                    events.append(event)
        return events

    (cut,) = [event for event in asyncio.run(run()) if isinstance(event, ToolUseCut)]
    assert cut.name == "Bash"


def test_an_address_where_nobody_listens_is_retryable(
    plugin: Any, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        error = failing(plugin, request_for())
    assert (error.status, error.retryable) == (0, True)
    assert "127.0.0.1" in str(error)


def test_a_server_that_says_nothing_is_given_up(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    plugin.services.settings = plugin.services.settings.model_copy(update={"timeout": 0.3})
    server.script(Answer(text="late", delay=30.0))
    error = failing(plugin, request_for())
    assert error.retryable
    assert "anthropic_model.timeout" in str(error)


def test_a_refused_key_is_named_by_its_source_and_never_shown(
    plugin: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    server.api_key = "another"
    error = failing(plugin, request_for())
    assert "ANTHROPIC_API_KEY" in str(error)
    assert "key-of-the-environment" not in str(error)


def test_a_count_that_fails_is_our_error_too(plugin: Any, server: MessagesServer, request_for: RequestFor) -> None:
    server.counts = Failure.overloaded()
    assert failing(plugin, request_for(params={"count_tokens": True})).status == 529


def test_what_cannot_be_sent_at_all_is_our_error_too(plugin: Any, request_for: RequestFor) -> None:
    error = failing(plugin, request_for(params={"metadata": {"user_id": object()}}))
    assert (error.status, error.retryable) == (0, False)
    assert "cannot be put into JSON" in str(error)


def test_a_page_of_a_proxy_becomes_a_line(plugin: Any, raw_server: Callable[..., str], request_for: RequestFor) -> None:
    page = "<html><head><title>502 Bad\nGateway</title></head>" + "<p>cloud\x1b[2J\n" * 5000
    url = raw_server(502, "text/html", page)
    error = failing(plugin, request_for())
    assert (error.status, error.retryable) == (502, True)
    assert "a page, '502 Bad Gateway'" in str(error)
    assert f"{url} (ANTHROPIC_BASE_URL)" in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        pytest.param("text/html; charset=utf-8", "<html><title>Log in</title></html>", "a page", id="a login page"),
        pytest.param("application/json", '{"type": "message"}', "application/json", id="no stream"),
    ],
)
def test_an_answer_without_events_is_not_taken_for_a_stream_that_broke(
    plugin: Any, raw_server: Callable[..., str], request_for: RequestFor, content_type: str, body: str, said: str
) -> None:
    raw_server(200, content_type, body)
    error = failing(plugin, request_for())
    assert f"answered 200 with {said}" in str(error)
    assert "Check ANTHROPIC_BASE_URL" in str(error)
    assert not error.retryable


def test_a_long_word_of_the_api_is_cut_and_shown_in_one_line(
    plugin: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    server.script(Failure(status=400, message="messages.3: \x1b]0;title\x07\n" + "x" * 9000))
    said = str(failing(plugin, request_for()))
    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) < 700


@pytest.mark.parametrize(
    ("model", "nearest"),
    [
        pytest.param("claude-opsu-5", "Did you mean 'claude-opus-5'?", id="a slip"),
        pytest.param("gpt-9", "", id="nothing near"),
    ],
)
def test_an_unknown_model_is_named_with_the_nearest(
    plugin: Any, server: MessagesServer, request_for: RequestFor, model: str, nearest: str
) -> None:
    server.script(Failure(status=404, message=f"model: {model}"))
    said = str(failing(plugin, request_for(model=f"anthropic:{model}")))
    assert f"Check the model's name: {model}." in said
    assert nearest in said
    assert ("Did you mean" in said) == bool(nearest)


def test_a_key_without_credit_is_named_by_its_source(
    plugin: Any, server: MessagesServer, request_for: RequestFor
) -> None:
    server.script(Failure(status=400, message="Your credit balance is too low to access the Anthropic API."))
    assert "use a key of another account: this one is the API key (from ANTHROPIC_API_KEY)" in str(
        failing(plugin, request_for())
    )


def test_a_password_in_an_address_is_not_shown(
    plugin: Any, raw_server: Callable[..., str], request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = raw_server(404, "text/html", "<title>Not here</title>").replace("//", "//me:secret-word@")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
    said = str(failing(plugin, request_for()))
    assert "Not here" in said
    assert "secret-word" not in said


@pytest.mark.parametrize("address", ["localhost:9999", "http://[::1", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_told_at_once(
    plugin: Any, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
    error = failing(plugin, request_for())
    assert f"{address!r} is no address (ANTHROPIC_BASE_URL)" in str(error)
    assert not error.retryable


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_that_nobody_vouches_for_is_not_asked_again(
    plugin: Any, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1")
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", *curve, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with MessagesServer() as running:
        listener = running._listener
        assert listener is not None
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url.replace("http:", "https:"))
        error = failing(plugin, request_for())
    assert "SSL_CERT_FILE" in str(error)
    assert not error.retryable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_neither_the_key_nor_the_conversation_to_another_address(
    status: int, plugin: Any, server: MessagesServer, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("location", f"{server.url}/v1/messages")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    redirects = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=redirects.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{redirects.server_address[1]}")
    server.script(Answer(text="It was sent on."))
    try:
        error = failing(plugin, request_for())
    finally:
        redirects.shutdown()
        redirects.server_close()
    assert not server.requests
    assert (error.status, error.retryable) == (status, False)
    assert f"sends on to {server.url}/v1/messages. The key goes to the address that was named" in str(error)
