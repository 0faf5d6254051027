"""HTTP handlers: what is sent, what an answer means, and servers that misbehave (hook-contract 2.7, C73 to C75)."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_run_desk import RunDesk, handler, in_a_host_of_its_own
from wire_run_server import CERTIFICATE, WireServer, response

from pegboard.decisions import Verdict
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.parse import read
from pegboard_builtins.wire_hooks.runners.http import proxy_for
from pegboard_builtins.wire_hooks.runners.urls import BadUrlError, header, is_allowed

DENY = b'{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny"}}'
SLACK = 5.0

anyio = pytest.mark.anyio


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with WireServer() as server:
        yield server


def http(url: str, **facts: Any) -> Handler:
    return handler(HandlerType.HTTP, url=url, **facts)


# --- what is sent ----------------------------------------------------------------------------------------


@anyio
async def test_the_event_is_posted_as_json_over_one_connection(desk: RunDesk, server: WireServer):
    for number in range(4):
        job = desk.job({"n": number})
        assert (await desk.run(http(server.url()), job)).error == ""
        assert server.received[-1].body == job.line
    assert server.received[0].headers["content-type"] == "application/json"
    assert server.received[0].headers["user-agent"].startswith("pegboard/")
    assert {request.connection for request in server.received} == {1}


@anyio
async def test_c74_a_header_holds_only_variables_that_both_lists_allow(
    desk: RunDesk, server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TOK", "secret\n")
    headers = {"Authorization": "Bearer $TOK", "X-Braces": "${TOK}!", "X-Other": "$HOME $5 $"}
    allowed = http(server.url(), headers=headers, allowed_variables=("TOK",))
    seen = [
        (await desk.run(entry, desk.job(allowed_variables=bound)), server.received[-1].headers)[1]
        for entry, bound in [
            (allowed, None),
            (allowed, ("TOK", "X")),
            (allowed, ("X",)),
            (http(server.url(), headers=headers), None),
        ]
    ]
    assert [one["authorization"] for one in seen] == ["Bearer secret", "Bearer secret", "Bearer ", "Bearer "]
    assert [one["x-braces"] for one in seen] == ["secret!", "secret!", "!", "!"]
    assert {one["x-other"] for one in seen} == {" $5 $"}


@anyio
async def test_a_variable_cannot_smuggle_in_a_header(
    desk: RunDesk, server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TOK", "a\r\nX-Evil: 1")
    entry = http(server.url(), headers={"X-A": "$TOK"}, allowed_variables=("TOK",))
    result = await desk.run(entry)
    assert result.exit is None
    assert server.received == []


@anyio
async def test_the_url_is_taken_as_it_stands(desk: RunDesk, server: WireServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOK", "secret")
    await desk.run(http(server.url("/hook/$TOK?a=b"), allowed_variables=("TOK",)))
    assert server.received[0].path == "/hook/$TOK?a=b"


@anyio
@pytest.mark.parametrize(("patterns", "sent"), [((), 0), (("https://*",), 0), (("http://127.0.0.1:*/*",), 1)])
async def test_c75_only_urls_of_the_list_are_asked(
    desk: RunDesk, server: WireServer, patterns: tuple[str, ...], sent: int
):
    result = await desk.run(http(server.url()), desk.job(allowed_urls=patterns))
    assert len(server.received) == sent
    assert ("allowedHttpHookUrls" in result.error) == (not sent)


@anyio
async def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(
    desk: RunDesk, server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "internal.example")
    (desk.folder / ".netrc").write_text("machine hooks.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(desk.folder / ".netrc"))
    async with WireServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url(""))
        assert (await desk.run(http("http://hooks.example/x"))).error == ""
        assert (await desk.run(http(server.url()))).error == ""
        assert [one.path for one in proxy.received] == ["http://hooks.example/x"]
        assert "authorization" not in proxy.received[0].headers
        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://hooks.example/", "http://p:1"),
        ("https://hooks.example/", "http://p:2"),
        ("http://localhost:99/", None),
        ("http://127.0.0.1/", None),
        ("http://[::1]:8/", None),
        ("http://127.0.0.1.evil.example/", "http://p:1"),
        ("https://a.internal.example:8443/", None),
        ("https://internal.example/", None),
        ("https://notinternal.example/", "http://p:2"),
        ("http://ported.example:81/", None),
        ("http://ported.example:82/", "http://p:1"),
    ],
)
def test_a_proxy_is_chosen_by_scheme_and_host(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://p:1")
    monkeypatch.setenv("ALL_PROXY", "http://p:2")
    monkeypatch.setenv("NO_PROXY", ".internal.example, ported.example:81,")
    assert proxy_for(url) == proxy


@anyio
async def test_no_cookie_is_kept(desk: RunDesk, server: WireServer):
    server.answer = response(more="Set-Cookie: a=b\r\n")
    for _ in range(2):
        await desk.run(http(server.url()))
    assert "cookie" not in server.received[1].headers


# --- what an answer means --------------------------------------------------------------------------------


@anyio
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/html"])
async def test_c73_a_json_object_of_a_2xx_is_the_answer_whatever_its_type(desk: RunDesk, server: WireServer, kind: str):
    server.answer = response("201 Created", DENY, kind=kind)
    result = await desk.run(http(server.url()))
    assert result.answer == {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}}
    assert (result.error, result.is_text_context) == ("", False)


@anyio
@pytest.mark.parametrize("answer", [response("204 No Content"), response(body=b""), response(body=b" \n")])
async def test_c73_an_empty_2xx_is_a_success_without_a_word(desk: RunDesk, server: WireServer, answer: bytes):
    server.answer = answer
    result = await desk.run(http(server.url()))
    assert (result.exit, result.error, result.answer) == (0, "", None)


@anyio
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(response(body=b"allowed"), "no JSON object", id="text"),
        pytest.param(response(body=b"[1]"), "no JSON object", id="array"),
        pytest.param(response(body=b'{"a":'), "no JSON object", id="half a JSON"),
        pytest.param(response(body=b"<html>", kind="text/html"), "no JSON object", id="HTML"),
        pytest.param(response("403 Forbidden", DENY), "HTTP 403 Forbidden", id="403 with a deny"),
        pytest.param(response("500 Oops", DENY), "HTTP 500 Oops", id="500 with a deny"),
        pytest.param(response("429 Slow down"), "HTTP 429", id="429"),
        pytest.param(response("304 Not Modified"), "HTTP 304 Not Modified", id="304"),
    ],
)
async def test_c73_anything_else_decides_nothing_and_is_told(
    desk: RunDesk, server: WireServer, answer: bytes, why: str
):
    server.answer = answer
    result = await desk.run(http(server.url()))
    assert result.exit is None
    assert result.answer is None
    assert why in result.error


# --- servers that misbehave ------------------------------------------------------------------------------


@anyio
async def test_a_redirect_is_not_followed(desk: RunDesk, server: WireServer):
    async with WireServer(answer=response(body=DENY)) as elsewhere:
        server.answer = response("307 Temporary Redirect", more=f"Location: {elsewhere.url()}\r\n")
        result = await desk.run(http(server.url()))
        assert elsewhere.received == []
    assert result.answer is None
    assert f"a redirect to {elsewhere.url()}, which is not followed" in result.error


@anyio
async def test_a_server_that_is_down_is_told(desk: RunDesk):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        result = await desk.run(http(f"http://127.0.0.1:{port}/"))
    assert result.exit is None
    assert f"no connection to 127.0.0.1:{port}" in result.error


@anyio
@pytest.mark.parametrize("slow", ["no answer", "half a head", "half a body", "no accept"])
async def test_a_slow_server_ends_at_the_deadline(desk: RunDesk, slow: str):
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            {"half a head": b"HTTP/1.1 200 OK\r\nConte", "half a body": response(body=DENY)[:-9]}.get(slow, b"")
        )
        await asyncio.sleep(30)

    began = time.monotonic()
    async with WireServer(behave=behave) as server:
        if slow == "no accept":
            with socket.socket() as full:
                full.bind(("127.0.0.1", 0))
                full.listen(0)
                url = f"http://127.0.0.1:{full.getsockname()[1]}/"
                result = await desk.run(http(url), desk.job(seconds=0.4))
        else:
            result = await desk.run(http(server.url()), desk.job(seconds=0.4))
    assert (result.exit, result.timed_out) == (None, True)
    assert time.monotonic() - began < 0.4 + SLACK


@anyio
@pytest.mark.parametrize("when", ["at once", "in the head", "in the body", "reset"])
async def test_a_connection_that_breaks_is_told(desk: RunDesk, when: str):
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if when == "in the head":
            writer.write(b"HTTP/1.1 200 OK\r\nConte")
        elif when == "in the body":
            writer.write(response(body=DENY)[:-9])
        elif when == "reset":
            import struct

            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with WireServer(behave=behave) as server:
        result = await desk.run(http(server.url()))
        assert len(server.received) == 1  # who may have acted on an event does not get it again
    assert result.exit is None
    assert result.answer is None
    assert result.error


@anyio
async def test_a_server_that_speaks_something_else_is_told(desk: RunDesk):
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    async with WireServer(behave=behave) as server:
        result = await desk.run(http(server.url()))
    assert "does not speak HTTP" in result.error


@anyio
async def test_ten_megabytes_are_read(desk: RunDesk, server: WireServer):
    server.answer = response(body=b'{"systemMessage":"' + b"x" * 10_000_000 + b'"}')
    result = await desk.run(http(server.url()))
    assert result.answer is not None
    assert len(result.answer["systemMessage"]) == 10_000_000


@anyio
async def test_more_than_anybody_should_send_is_refused(desk: RunDesk, server: WireServer):
    server.answer = response(body=b" " * 20_000_000 + DENY)
    result = await desk.run(http(server.url()))
    assert result.answer is None
    assert "more than 16 MB" in result.error


@anyio
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_that_nobody_trusts_is_told_with_the_mend(desk: RunDesk, host: str):
    async with WireServer(answer=response(body=DENY), tls=True) as server:
        result = await desk.run(http(server.url(host=host)))
        assert server.received == []
    assert result.exit is None
    assert "certificate" in result.error
    assert "SSL_CERT_FILE" in result.error


@anyio
async def test_the_authority_that_ssl_cert_file_names_is_trusted(tmp_path: Any):
    """In a process of its own: the library makes its TLS context once."""
    script = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from wire_run_desk import *
from wire_run_server import *
from pegboard_builtins.wire_hooks.runners import open_runners
async def main():
    async with WireServer(answer=response(body=b'{{"a":1}}'), tls=True) as server, open_runners() as runners:
        result = await RunDesk(Path({str(tmp_path / "p")!r}), runners).run(
            handler(HandlerType.HTTP, url=server.url(host="localhost")))
        assert result.answer == {{"a": 1}}, result
asyncio.run(main())
"""
    status, said = await in_a_host_of_its_own(script, SSL_CERT_FILE=str(CERTIFICATE))
    assert status == 0, said


@anyio
async def test_a_kept_connection_that_the_server_closed_is_no_failure(desk: RunDesk, server: WireServer):
    """The server closes while we write: the loop has not seen the end of the connection yet."""
    server.answer = response(body=b'{"a":1}')
    assert (await desk.run(http(server.url()))).answer == {"a": 1}

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        server.behave = None

    server.behave = close
    result = await desk.run(http(server.url()))
    assert result.answer == {"a": 1}
    assert "new one" in result.note
    assert server.connections == 2


@anyio
async def test_what_a_server_says_unasked_answers_no_later_event(desk: RunDesk, server: WireServer):
    """A kept connection on which a second answer came is left: it would be taken for that of the next event."""
    server.answer = response(body=b'{"n":1}')
    assert (await desk.run(http(server.url()))).answer == {"n": 1}
    server._writers[0].write(response(body=b'{"n":99}'))
    await asyncio.sleep(0.2)
    server.answer = response(body=b'{"n":2}')
    assert (await desk.run(http(server.url()))).answer == {"n": 2}
    assert server.connections == 2


@anyio
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xef\xbb\xbf" + DENY, id="a BOM"),
        pytest.param(b'{"decision":"block","reason":"\xff"}', id="bytes that are no UTF-8"),
        pytest.param(b'{"decision":"block","reason":"\\ud800"}', id="half a character"),
    ],
)
async def test_a_refusal_in_odd_bytes_is_a_refusal(desk: RunDesk, server: WireServer, body: bytes):
    server.answer = response(body=body)
    result = await desk.run(http(server.url()))
    said = read(EVENTS["PreToolUse"], http(server.url()), result)
    assert (said.verdict, said.problem) == (Verdict.DENY, "")
    assert "\ud800" not in said.reason


@anyio
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 500 \x1b[31mred\x1b]0;t\x07\r\nContent-Length: 0\r\n\r\n", id="a reason"),
        pytest.param(b"HTTP/1.1 302 x\r\nLocation: \x1b[31mred\r\nContent-Length: 0\r\n\r\n", id="a redirect"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}", id="chunks that are none"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, id="a header without end"),
    ],
)
async def test_what_a_server_says_of_itself_is_one_short_line_without_control(
    desk: RunDesk, server: WireServer, answer: bytes
):
    server.answer = answer
    error = (await desk.run(http(server.url()))).error
    assert error
    assert error.isprintable()
    assert len(error) < 400


@anyio
async def test_ten_at_once_have_ten_connections_and_keep_them(desk: RunDesk, server: WireServer):
    for _ in range(2):
        results = await asyncio.gather(*(desk.run(http(server.url())) for _ in range(10)))
        assert [result.error for result in results] == [""] * 10
    assert server.connections <= 10


@anyio
async def test_a_cancelled_request_is_over(desk: RunDesk):
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone.set_result(await reader.read())

    gone: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with WireServer(behave=behave) as server:
        task = asyncio.create_task(desk.run(http(server.url())))
        while not server.received:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(gone, 10) == b""  # our end is closed


@anyio
@pytest.mark.parametrize("url", ["not a url", "", "ftp://h/x", "http://", "http://[::1", "/path", "http://h:99999/"])
async def test_what_is_no_url_is_an_error_in_words(desk: RunDesk, url: str):
    result = await desk.run(http(url))
    assert result.exit is None
    assert "URL" in result.error


# --- which URLs are allowed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "pattern", "fits"),
    [
        ("https://h.example/x", "https://h.example/*", True),
        ("https://H.Example./x", "https://h.example/*", True),
        ("https://h.example/x", "https://H.EXAMPLE./*", True),
        ("https://h.example:443/x", "https://h.example/*", True),
        ("https://h.example/x", "https://h.example:443/*", True),
        ("https://h.example:8443/x", "https://h.example/*", False),
        ("https://h.example:8443/x", "https://h.example:*/*", True),
        ("http://h.example/x", "https://h.example/*", False),
        ("http://h.example/x", "h.example/*", True),
        ("https://h.example/X", "https://h.example/x", False),
        ("https://h.example", "https://h.example", True),
        ("https://h.example/", "https://h.example", True),
        ("https://h.example/x", "https://h.example", False),
        ("https://a.h.example/x", "https://*.h.example/*", True),
        ("https://h.example/x", "*", True),
        ("https://evil.example/.h.example/x", "https://*.h.example/*", False),
        ("https://h.example@evil.example/x", "https://h.example*/*", False),
        ("https://a.h.example:x@evil.example/", "https://*.h.example/*", False),
        ("https://h.example.evil.example/x", "https://h.example/*", False),
        ("https://evil.example/?https://h.example/x", "https://h.example/*", False),
        ("http://[::1]:8080/x", "http://[::1]:8080/*", True),
        ("https://hXexample/x", "https://h.example/*", False),
    ],
)
def test_a_pattern_allows_what_it_says_and_no_other_host(url: str, pattern: str, fits: bool):
    assert is_allowed(url, [pattern]) is fits


@given(st.text(max_size=30), st.text(alphabet="a.*/:[]@hts", max_size=20))
def test_no_url_and_no_pattern_is_too_odd(url: str, pattern: str):
    assert is_allowed(url, []) is False
    with suppress(BadUrlError):
        assert is_allowed(url, [pattern]) in (True, False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"),
        ("${A}x", "1x"),
        ("$AB", ""),
        ("$B", ""),
        ("$5 $ $$A", "$5 $ $1"),
        ("plain", "plain"),
        ("${A", "${A"),
    ],
)
def test_a_header_is_filled_with_allowed_variables_only(text: str, value: str):
    assert header(text, {"A"}, {"A": "1", "B": "2"}) == value
