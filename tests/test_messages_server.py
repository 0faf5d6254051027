"""The loopback Messages API speaks as the real one does, and refuses what the real one refuses."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from typing import Any

import pytest

from pegboard.messages import Usage
from pegboard.messages_server import Answer, Broken, Failure, MessagesServer, Received, events, problem, signature_of

HEADERS = {"authorization": "Bearer k", "anthropic-version": "2026-10-21", "content-type": "application/json"}


def body(*messages: Any, **facts: Any) -> dict[str, Any]:
    given = [{"role": "user", "content": "Hello."}] if not messages else list(messages)
    return {"model": "claude-x", "max_tokens": 100, "messages": given, **facts}


def user(*blocks: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "content": [_block(block) for block in blocks]}


def model(*blocks: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "assistant", "content": [_block(block) for block in blocks]}


def _block(block: dict[str, Any] | str) -> dict[str, Any]:
    return {"type": "text", "text": block} if isinstance(block, str) else block


def call(id: str = "a", **facts: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "Bash", "input": {}, **facts}


def result(id: str = "a", **facts: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": "done", **facts}


def tool(name: str = "Bash", **facts: Any) -> dict[str, Any]:
    return {"name": name, "description": "Runs.", "input_schema": {"type": "object"}, **facts}


CACHE = {"cache_control": {"type": "ephemeral"}}
CACHE_LONG = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def post(
    server: MessagesServer, sent: Any, *, path: str = "/v1/messages", headers: dict[str, str] = HEADERS
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", path, sent if isinstance(sent, str) else json.dumps(sent), headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def parse(raw: bytes) -> list[dict[str, Any]]:
    found = []
    for part in raw.decode().split("\n\n"):
        if part:
            name, data = part.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            found.append(event)
    return found


def test_a_streamed_answer_has_every_event_in_the_apis_order() -> None:
    with MessagesServer() as server:
        server.script(Answer(thinking="So.", text="Yes.", calls=[("Bash", {"command": "ls"})]))
        response, raw = post(server, body(stream=True))
    assert response.status == 200
    assert response.getheader("content-type", "").startswith("text/event-stream")
    kinds = [event["type"] for event in parse(raw)]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 3


def test_the_same_answer_without_streaming_is_one_message() -> None:
    usage = Usage(input_tokens=7, output_tokens=5, cache_read_input_tokens=3, cache_creation_input_tokens=2)
    with MessagesServer() as server:
        server.script(
            Answer(thinking="So.", text="Yes.", calls=[("Bash", {"command": "ls"}), ("Now", {})], usage=usage)
        )
        _, raw = post(server, body())
    message = json.loads(raw)
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert message["content"][0]["signature"] == signature_of("So.")
    assert [block["input"] for block in message["content"][2:]] == [{"command": "ls"}, {}]
    assert message["stop_reason"] == "tool_use"
    assert message["usage"] == {
        "input_tokens": 7,
        "output_tokens": 5,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
    }


def test_answers_come_in_order_then_the_default_answers() -> None:
    def echo(request: Received) -> Answer:
        return Answer(text=request.body["messages"][0]["content"])

    with MessagesServer() as server:
        server.script(Answer(text="one"), echo)
        assert server.pending == 2
        texts = [json.loads(post(server, body())[1])["content"][0]["text"] for _ in range(3)]
        assert texts == ["one", "Hello.", "All done."]
        assert [request.path for request in server.requests] == ["/v1/messages"] * 3
        assert server.requests[0].headers["authorization"] == "Bearer k"
        assert server.requests[0].method == "POST"


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        pytest.param(Failure.rate_limited(2), 429, "rate_limit_error", id="rate limit"),
        pytest.param(Failure(), 500, "api_error", id="server error"),
        pytest.param(Failure.overloaded(), 529, "overloaded_error", id="overloaded"),
        pytest.param(Failure.overflow(), 400, "invalid_request_error", id="context overflow"),
        pytest.param(Failure(status=401), 401, "authentication_error", id="wrong key"),
        pytest.param(Failure(status=503), 503, "api_error", id="any other status"),
    ],
)
def test_a_failure_has_the_apis_status_and_shape(failure: Failure, status: int, kind: str) -> None:
    with MessagesServer() as server:
        server.script(failure)
        response, raw = post(server, body(stream=True))
    assert response.status == status
    assert json.loads(raw)["error"]["type"] == kind
    assert response.getheader("retry-after") == (None if failure.retry_after is None else "2")


def test_an_error_in_the_middle_of_a_stream_is_an_event() -> None:
    with MessagesServer() as server:
        server.script(Failure.overloaded(after=4))
        response, raw = post(server, body(stream=True))
    assert response.status == 200
    found = parse(raw)
    assert len(found) == 5
    assert found[-1]["error"]["type"] == "overloaded_error"


def test_a_broken_connection_sends_so_many_events_and_no_end() -> None:
    with MessagesServer() as server:
        server.script(Broken(after=3), Broken(after=3, mid_json=True), Broken(after=-1), Broken(after=3, clean=True))
        with pytest.raises(http.client.IncompleteRead) as plain:
            post(server, body(stream=True))
        with pytest.raises(http.client.IncompleteRead) as half:
            post(server, body(stream=True))
        with pytest.raises(http.client.RemoteDisconnected):
            post(server, body(stream=True))
        _, clean = post(server, body(stream=True))
    assert len(parse(plain.value.partial)) == 3
    assert half.value.partial.startswith(plain.value.partial.replace(b"msg_000001", b"msg_000002"))
    assert not half.value.partial.endswith(b"\n\n")
    assert len(parse(clean)) == 3


def test_a_broken_answer_breaks_without_streaming_too() -> None:
    with MessagesServer() as server:
        server.script(Broken())
        with pytest.raises(http.client.IncompleteRead):
            post(server, body())


def _post_in_vain(server: MessagesServer) -> None:
    with pytest.raises((http.client.HTTPException, OSError)):
        post(server, body(stream=True))


def test_a_slow_stream_is_ended_with_the_server() -> None:
    with MessagesServer() as server:
        server.script(Answer(text="slow", delay=60.0))
        slow = threading.Thread(target=_post_in_vain, args=(server,))
        slow.start()
        while not server.requests:
            time.sleep(0.005)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    slow.join(10)
    assert not slow.is_alive()


def test_nothing_is_left_when_the_server_has_stopped() -> None:
    before = threading.active_count()
    with MessagesServer() as server:
        kept = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        kept.request("POST", "/v1/messages", json.dumps(body()), HEADERS)
        kept.getresponse().read()
        assert server.connections == 1
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    assert server.connections == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=5).close()
    kept.close()
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_tokens_are_counted_by_estimate_by_number_or_not_at_all() -> None:
    sent = {key: value for key, value in body().items() if key != "max_tokens"}
    with MessagesServer() as server:
        estimated = json.loads(post(server, sent, path="/v1/messages/count_tokens")[1])["input_tokens"]
        server.counts = 1234
        fixed = json.loads(post(server, sent, path="/v1/messages/count_tokens")[1])["input_tokens"]
        server.counts = Failure()
        failed = post(server, sent, path="/v1/messages/count_tokens")[0].status
        with_limit = post(server, body(), path="/v1/messages/count_tokens")[0].status
    assert estimated > 0
    assert (fixed, failed, with_limit) == (1234, 500, 400)


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        pytest.param({"anthropic-version": "x"}, "/v1/messages", 401, id="no key"),
        pytest.param({**HEADERS, "authorization": "Bearer other"}, "/v1/messages", 401, id="another key"),
        pytest.param({"x-api-key": "k", "anthropic-version": "x"}, "/v1/messages", 200, id="the older header"),
        pytest.param({"x-api-key": "k"}, "/v1/messages", 400, id="no version"),
        pytest.param(HEADERS, "/v1/completions", 404, id="another path"),
    ],
)
def test_key_version_and_path_are_checked(headers: dict[str, str], path: str, status: int) -> None:
    with MessagesServer(api_key="k") as server:
        assert post(server, body(), headers=headers, path=path)[0].status == status


def test_a_refused_request_is_in_the_log_and_takes_no_answer() -> None:
    with MessagesServer() as server:
        server.script(Answer(text="still there"))
        assert post(server, body(model("no user first")))[0].status == 400
        assert post(server, "{")[0].status == 400
        assert server.pending == 1
        assert server.refused == [
            'messages: first message must use the "user" role',
            "The request body is not valid JSON",
        ]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(body(), id="the shortest"),
        pytest.param(body(user("a"), model("b", call()), user(result(), "and more")), id="result first, text after"),
        pytest.param(body(user("a"), model(call("a"), call("b")), user(result("b"), result("a"))), id="any order"),
        pytest.param(body(user("a"), model(call("a"), call("b")), user(result("b")), user(result("a"))), id="joined"),
        pytest.param(body(user("a"), model(call()), user(result(content=[]))), id="a result may be empty"),
        pytest.param(
            body(user({"type": "text", "text": "a", **CACHE}), tools=[{**tool(), **CACHE}]), id="cache points"
        ),
        pytest.param(
            body(user("a"), model({"type": "thinking", "thinking": "t", "signature": signature_of("t")}, "b")),
            id="signed thinking",
        ),
    ],
)
def test_what_the_api_takes_is_not_refused(sent: dict[str, Any]) -> None:
    assert problem(sent) == ""


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        pytest.param([], "not valid JSON", id="no object"),
        pytest.param({"model": "m", "messages": [user("a")]}, "max_tokens: Field required", id="no max_tokens"),
        pytest.param(body(max_tokens=-1), "max_tokens", id="negative max_tokens"),
        pytest.param(body(temperature=1), "temperature: Extra inputs", id="a parameter that was removed"),
        pytest.param({**body(), "messages": []}, "at least one message", id="no messages"),
        pytest.param({**body(), "messages": 5}, "at least one message", id="messages of a wrong type"),
        pytest.param({**body(), "messages": ["a"]}, "wrong type", id="a message of a wrong type"),
        pytest.param(body({"role": "system", "content": "a"}), "role", id="unknown role"),
        pytest.param(body(user()), "non-empty content", id="no content"),
        pytest.param(body(user("")), "non-empty", id="empty text"),
        pytest.param(body(user(" \n")), "non-whitespace", id="blank text"),
        pytest.param(body(system=[{"type": "text", "text": ""}]), "system.0", id="empty system text"),
        pytest.param(body(user("a"), model("b ")), "trailing whitespace", id="prefill that ends in a blank"),
        pytest.param(body(user("a"), model(call())), "without `tool_result`", id="a call at the end"),
        pytest.param(body(user("a"), model(call()), user("b")), "without `tool_result`", id="a call without result"),
        pytest.param(
            body(user("a"), model(call()), user("b", result())), "without `tool_result`", id="text before the result"
        ),
        pytest.param(
            body(user("a"), model(call("a"), call("b")), user(result("a"))), "immediately after: b", id="one missing"
        ),
        pytest.param(body(user("a"), model("b"), user(result())), "unexpected `tool_use_id`", id="an orphan result"),
        pytest.param(
            body(user("a"), model(call()), user(result(), result())), "single result", id="two results for a call"
        ),
        pytest.param(
            body(user("a"), model(call()), user(result()), model(call()), user(result())), "unique", id="an id again"
        ),
        pytest.param(body(user("a"), model(call(input="x")), user(result())), "input", id="input is no object"),
        pytest.param(body(user("a"), model(call("a b")), user(result("a b"))), "tool_use.id", id="an id with a blank"),
        pytest.param(
            body(user("a"), model(call()), user(result(content="", is_error=True))), "is_error", id="an empty error"
        ),
        pytest.param(body(user("a"), model(result())), "assistant message cannot hold", id="a result by the model"),
        pytest.param(
            body(user("a"), model({"type": "document", "source": {}})), "cannot hold", id="a document by the model"
        ),
        pytest.param(
            body(user("a"), model({"type": "thinking", "thinking": "other", "signature": signature_of("t")})),
            "Invalid `signature`",
            id="changed thinking",
        ),
        pytest.param(
            body(user("a"), model({"type": "thinking", "thinking": "t", "signature": signature_of("t"), **CACHE}, "b")),
            "cache_control",
            id="a cache point on thinking",
        ),
        pytest.param(body(tools=[tool(), tool()]), "unique", id="one tool name twice"),
        pytest.param(body(tools=[tool("a b")]), "pattern", id="a tool name with a blank"),
        pytest.param(body(tools=[tool(input_schema={})]), "input_schema.type", id="a schema without type"),
        pytest.param(body(tool_choice={"type": "auto"}), "while providing tools", id="choice without tools"),
        pytest.param(
            body(tools=[tool()], tool_choice={"type": "tool", "name": "Other"}), "not found", id="choice of no tool"
        ),
        pytest.param(
            body(tools=[tool()], tool_choice={"type": "any"}, thinking={"type": "adaptive"}),
            "forces tool use",
            id="forced while thinking",
        ),
        pytest.param(
            body(thinking={"type": "enabled", "budget_tokens": 2000}), "must be greater", id="a budget over the limit"
        ),
        pytest.param(
            body(user(*({"type": "text", "text": "a", **CACHE} for _ in range(5)))), "Found 5", id="five cache points"
        ),
        pytest.param(
            body(user({"type": "text", "text": "a", **CACHE}, {"type": "text", "text": "a", **CACHE_LONG})),
            "ttl='1h'",
            id="a long-lived point after a short-lived",
        ),
    ],
)
def test_what_the_api_refuses_is_refused(sent: Any, why: str) -> None:
    assert why in problem(sent)


def test_a_cut_call_has_no_whole_json() -> None:
    cut = Answer(calls=[("Read", {"path": "a"}), ("Bash", {"command": "ls"})], stop_reason="max_tokens")
    parts: dict[int, str] = {}
    for event in events(cut, Received("POST", "/v1/messages", {}, body())):
        if event["type"] == "content_block_delta":
            parts[event["index"]] = parts.get(event["index"], "") + event["delta"]["partial_json"]
    assert json.loads(parts[0]) == {"path": "a"}
    with pytest.raises(ValueError):
        json.loads(parts[1])
