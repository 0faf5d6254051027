"""A loopback Messages API: a real HTTP server on 127.0.0.1 that answers as scripted and refuses what the API refuses.

    with MessagesServer() as server:
        server.script(Answer(text="Looking.", calls=[("Read", {"file_path": "a.py"})]), Answer(text="Done."))
        ...  # point ANTHROPIC_BASE_URL, or base_url, at server.url
        assert not server.refused

Standard library only: it must be cheap to start, and a test double should not share code with what it tests.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from pegboard.messages import Usage

# --- answers -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A message of the model.

    Its blocks come in the order redacted thinking, thinking, text, calls (name and input; ids are given).
    `stop_reason` is `tool_use` with calls and `end_turn` without, unless said. With `cut`, which `max_tokens` and
    `model_context_window_exceeded` imply, the input of the last call breaks off in the middle. `delay` is waited
    before each event, in seconds. `usage` is estimated from the length of request and answer unless given.
    """

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    thinking: str = ""
    redacted_thinking: str = ""
    stop_reason: str = ""
    stop_sequence: str | None = None
    usage: Usage | None = None
    cut: bool | None = None
    delay: float = 0.0

    @property
    def reason(self) -> str:
        """The stop reason that is sent."""
        return self.stop_reason or ("tool_use" if self.calls else "end_turn")

    @property
    def is_cut(self) -> bool:
        """Whether the last call's input breaks off."""
        implied = self.reason in ("max_tokens", "model_context_window_exceeded")
        return bool(self.calls) and (implied if self.cut is None else self.cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error: an HTTP status, or with `after` an SSE `error` event after so many events of `answer`.

    `kind` and `message` are the API's for this status unless given; `code` is the stable name of the cause that some
    errors have in their details. A request without streaming gets the status.
    """

    status: int = 500
    message: str = ""
    kind: str = ""
    code: str = ""
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: int | None = None
    answer: Answer = Answer(text="This answer does not end well, but it begins.")

    @classmethod
    def rate_limited(cls, retry_after: float | str | None = None) -> Self:
        """429, with a Retry-After header if given."""
        return cls(status=429, retry_after=retry_after)

    @classmethod
    def overloaded(cls, *, after: int | None = None) -> Self:
        """529; with *after* as an event in the middle of a stream."""
        return cls(status=529, after=after)

    @classmethod
    def overflow(cls, tokens: int = 208_310, maximum: int = 200_000) -> Self:
        """400: the request is longer than the context window."""
        return cls(status=400, message=f"prompt is too long: {tokens} tokens > {maximum} maximum")

    @property
    def body(self) -> dict[str, Any]:
        """The error as the API spells it."""
        kind, message = ERRORS.get(self.status, ERRORS[500] if self.status >= 500 else ERRORS[400])
        details = {"details": {"error_code": self.code}} if self.code else {}
        return {"type": "error", "error": {"type": self.kind or kind, "message": self.message or message, **details}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A connection that breaks after so many events of `answer`; -1 breaks it before the response has begun.

    `mid_json` adds half of the next event. `clean` ends the response in good order, so that only the missing
    `message_stop` tells. Without streaming, half of the body is sent.
    """

    after: int = 0
    mid_json: bool = False
    clean: bool = False
    answer: Answer = Answer(text="This answer breaks off.")


Reply = Answer | Failure | Broken
Scripted = Reply | Callable[["Received"], Reply]

ERRORS: dict[int, tuple[str, str]] = {
    400: ("invalid_request_error", "invalid request"),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    409: ("conflict_error", "The request conflicts with the current state of a resource."),
    413: ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out while processing."),
    529: ("overloaded_error", "Overloaded"),
}
DEFAULT_ANSWER = Answer(text="All done.")


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived. Header names are in lower case; `refused` says why it got a 400 or 401, if it did."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    refused: str = ""


# --- the server ----------------------------------------------------------------------------------------


class MessagesServer:
    """POST /v1/messages and /v1/messages/count_tokens on 127.0.0.1, for as long as the `with` lasts.

    `requests` logs everything that arrived, in order. `counts` is what count_tokens answers: a number, a Failure,
    or None for an estimate. With *api_key*, any other key is refused; without, any key will do.
    """

    def __init__(self, *, api_key: str | None = None, default: Scripted = DEFAULT_ANSWER) -> None:
        self.requests: list[Received] = []
        self.counts: int | Failure | None = None
        self.api_key = api_key
        self.default = default
        self.stopping = threading.Event()
        self._queue: deque[Scripted] = deque()
        self._lock = threading.Lock()
        self._listener: _Listener | None = None

    def __enter__(self) -> Self:
        self._listener = _Listener(self)
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self.stopping.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._listener.hang_up()

    @property
    def url(self) -> str:
        """Where it listens; what a client takes as its base URL."""
        assert self._listener is not None, "the server runs inside `with`"
        return f"http://127.0.0.1:{self._listener.server_address[1]}"

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return 0 if self._listener is None else len(self._listener.open)

    @property
    def refused(self) -> list[str]:
        """What was wrong with requests that the real API would have refused; empty if all were valid."""
        return [request.refused for request in self.requests if request.refused]

    @property
    def pending(self) -> int:
        """How many scripted answers wait."""
        return len(self._queue)

    def script(self, *answers: Scripted) -> Self:
        """Queue answers; one may be a function of the request. When none is left, the default answers."""
        with self._lock:
            self._queue.extend(answers)
        return self

    def log(self, request: Received) -> None:
        """Take down a request; the handlers call this."""
        with self._lock:
            self.requests.append(request)

    def reply_to(self, request: Received) -> Reply:
        """Return the next scripted answer, for this request."""
        with self._lock:
            scripted = self._queue.popleft() if self._queue else self.default
        return scripted(request) if callable(scripted) else scripted


class _Listener(socketserver.ThreadingTCPServer):
    # Not http.server.HTTPServer: its server_bind asks the name service for our own name, which can take seconds.
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: MessagesServer) -> None:
        self.owner = owner
        self.open: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a connection in a thread that `hang_up` knows of before it runs."""
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self.open[request] = thread
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a connection, then forget it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours; anything else is printed."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        for connection, thread in list(self.open.items()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(5.0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the log is `MessagesServer.requests`."""

    def do_GET(self) -> None:
        """Only two paths exist, and both want a POST."""
        self._send_error(Failure(status=404))

    def do_POST(self) -> None:
        """Answer one request."""
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        raw = self.rfile.read(int(headers.get("content-length", 0)))
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        failure = _wrong_with(owner, path, headers, body)
        refused = str(failure.body["error"]["message"]) if failure else ""
        request = Received("POST", path, headers, body if isinstance(body, dict) else {}, refused)
        owner.log(request)
        if failure:
            self._send_error(failure)
        elif path.endswith("/count_tokens"):
            self._send_count(request)
        else:
            self._reply(request, owner.reply_to(request))

    # the ways to answer

    def _reply(self, request: Received, reply: Reply) -> None:
        streaming = bool(request.body.get("stream"))
        if isinstance(reply, Failure) and (reply.after is None or not streaming):
            self._send_error(reply)
        elif isinstance(reply, Broken) and reply.after < 0:
            self.close_connection = True
        elif streaming:
            self._stream(request, reply)
        else:
            answer = reply if isinstance(reply, Answer) else reply.answer
            self._wait(answer.delay)
            message = json.dumps(whole(answer, request, self._number)).encode()
            self._send(200, message, breaks=isinstance(reply, Broken))

    def _stream(self, request: Received, reply: Reply) -> None:
        answer = reply if isinstance(reply, Answer) else reply.answer
        after = None if isinstance(reply, Answer) else reply.after
        self._headers(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        for index, event in enumerate(events(answer, request, self._number)):
            self._wait(answer.delay)
            if index == after:
                self._end_early(reply, event)
                return
            self._chunk(_sse(event))
        if isinstance(reply, Broken):  # it had fewer events than `after`: then it breaks at its end
            self.close_connection = True
        else:
            self._chunk(b"")

    def _end_early(self, reply: Reply, event: dict[str, Any]) -> None:
        if isinstance(reply, Failure):
            self._chunk(_sse(reply.body))
            self._chunk(b"")
            return
        assert isinstance(reply, Broken)
        if reply.mid_json:
            line = _sse(event)
            self._chunk(line[: len(line) - 8])
        if reply.clean:
            self._chunk(b"")
        self.close_connection = True

    def _send_count(self, request: Received) -> None:
        counts = self.server.owner.counts
        if isinstance(counts, Failure):
            self._send_error(counts)
        else:
            tokens = estimate(request.body) if counts is None else counts
            self._send(200, json.dumps({"input_tokens": tokens}).encode())

    def _send_error(self, failure: Failure) -> None:
        extra = dict(failure.headers)
        if failure.retry_after is not None:
            extra["retry-after"] = f"{failure.retry_after}"
        body = {**failure.body, "request_id": f"req_{self._number:06}"}
        self._send(failure.status, json.dumps(body).encode(), extra)

    # bytes

    @property
    def _number(self) -> int:
        return len(self.server.owner.requests)

    def _wait(self, seconds: float) -> None:
        if seconds and self.server.owner.stopping.wait(seconds):
            raise ConnectionAbortedError("the server stops")

    def _headers(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("request-id", f"req_{self._number:06}")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, breaks: bool = False
    ) -> None:
        self._headers(status, {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})})
        self.wfile.write(body[: len(body) // 2] if breaks else body)
        self.close_connection = self.close_connection or breaks

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


# --- what is sent --------------------------------------------------------------------------------------


def events(answer: Answer, request: Received, number: int = 1) -> Iterator[dict[str, Any]]:
    """Yield the events of a streamed answer."""
    usage = _usage(answer, request)
    start = {**_envelope(request, number), "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": start}
    yield {"type": "ping"}
    blocks = _blocks(answer, number)
    for index, (block, deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": answer.reason, "stop_sequence": answer.stop_sequence},
        "usage": usage,
    }
    yield {"type": "message_stop"}


def whole(answer: Answer, request: Received, number: int = 1) -> dict[str, Any]:
    """Return an answer as one message, without streaming."""
    content = []
    for block, deltas in _blocks(answer, number):
        done = dict(block)
        for delta in deltas:
            key = DELTA_KEYS[delta["type"]]
            if key == "partial_json":
                done.setdefault("json", []).append(delta[key])
            else:
                done[key] = done.get(key, "") + delta[key]
        if "json" in done:
            with suppress(ValueError):  # a cut call has no input yet, as with the real API
                done["input"] = json.loads("".join(done.pop("json")))
            done.pop("json", None)
        content.append(done)
    return {
        **_envelope(request, number),
        "content": content,
        "stop_reason": answer.reason,
        "stop_sequence": answer.stop_sequence,
        "usage": _usage(answer, request),
    }


DELTA_KEYS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


def _envelope(request: Received, number: int) -> dict[str, Any]:
    return {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": request.body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(answer: Answer, number: int) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Return each content block as it starts, with the deltas that fill it."""
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if answer.redacted_thinking:
        blocks.append(({"type": "redacted_thinking", "data": answer.redacted_thinking}, []))
    if answer.thinking:
        deltas = [{"type": "thinking_delta", "thinking": part} for part in _parts(answer.thinking)]
        deltas.append({"type": "signature_delta", "signature": signature_of(answer.thinking)})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if answer.text:
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in _parts(answer.text)]))
    for index, (name, given) in enumerate(answer.calls):
        text = json.dumps(given) if given else ""  # the API sends nothing for a call without arguments
        if answer.is_cut and index == len(answer.calls) - 1:
            text = text[: len(text) // 2]
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ["", *_parts(text)]]
        blocks.append(({"type": "tool_use", "id": f"toolu_{number:06}_{index}", "name": name, "input": {}}, deltas))
    return blocks


def _parts(text: str) -> list[str]:
    """Cut a text into a few pieces, in the middle of words, as streams do."""
    size = max(4, len(text) // 6)
    return [text[start : start + size] for start in range(0, len(text), size)]


def _sse(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def signature_of(thinking: str) -> str:
    """Return the signature that goes with a thinking text: a changed text no longer fits it."""
    return "sig-" + hashlib.sha256(thinking.encode()).hexdigest()[:32]


def estimate(body: Mapping[str, Any]) -> int:
    """Return a token count for a request: a quarter of the JSON of what the model reads."""
    read = {key: body[key] for key in ("system", "tools", "messages") if key in body}
    return len(json.dumps(read, sort_keys=True)) // 4


def _usage(answer: Answer, request: Received) -> dict[str, int]:
    usage = answer.usage
    if usage is None:
        written = len(answer.text) + len(answer.thinking) + sum(len(json.dumps(given)) for _, given in answer.calls)
        usage = Usage(input_tokens=estimate(request.body), output_tokens=max(1, written // 4))
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
    }


# --- what is refused -----------------------------------------------------------------------------------
# As API version 2026-10-21 does it, and near its wording.

COUNTED = {"messages", "model", "cache_control", "output_config", "speed", "system", "thinking", "tool_choice", "tools"}
SENT = COUNTED | {
    *("max_tokens", "stream", "stop_sequences", "metadata", "container", "diagnostics", "inference_geo"),
    "service_tier",
}
BLOCKS_OF = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
}
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
MAX_CACHE_POINTS = 4


class _RefusedError(Exception):
    """The API would answer 400."""


def problem(body: Any, *, counting: bool = False) -> str:
    """Return what the API would refuse about a request's body, or an empty string."""
    try:
        _check(body, counting)
    except _RefusedError as refused:
        return str(refused)
    except (AttributeError, KeyError, TypeError, ValueError) as wrong:  # a list for a string, say
        return f"The request body has a value of the wrong type: {wrong!r}"
    return ""


def _wrong_with(owner: MessagesServer, path: str, headers: Mapping[str, str], body: Any) -> Failure | None:
    if path not in ("/v1/messages", "/v1/messages/count_tokens"):
        return Failure(status=404)
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        return Failure(status=401, message="x-api-key header is required")
    if owner.api_key not in (None, key):
        return Failure(status=401)
    if "anthropic-version" not in headers:
        return Failure(status=400, message="anthropic-version: header is required")
    wrong = problem(body, counting=path.endswith("/count_tokens"))
    return Failure(status=400, message=wrong) if wrong else None


def _need(condition: Any, message: str) -> None:
    if not condition:
        raise _RefusedError(message)


def _check(body: Any, counting: bool) -> None:
    _need(isinstance(body, dict), "The request body is not valid JSON")
    for name in sorted(body.keys() - (COUNTED if counting else SENT)):
        _need(False, f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages") if counting else ("model", "messages", "max_tokens"):
        _need(name in body, f"{name}: Field required")
    if not counting:
        limit = body["max_tokens"]
        _need(isinstance(limit, int) and limit >= 0, "max_tokens: Input should be a valid integer, at least 0")
        budget = (body.get("thinking") or {}).get("budget_tokens")
        _need(budget is None or budget >= 1024, "thinking.enabled.budget_tokens: Input should be at least 1024")
        _need(budget is None or limit > budget, "`max_tokens` must be greater than `thinking.budget_tokens`")
    if "system" in body and not isinstance(body["system"], str):
        for index, block in enumerate(body["system"]):
            _check_text(block, f"system.{index}")
    _check_tools(body)
    _check_messages(body["messages"])
    _check_references(body)
    _check_cache_points(body)


def _check_tools(body: dict[str, Any]) -> None:
    names = [tool.get("name", "") for tool in body.get("tools", ())]
    _need(len(set(names)) == len(names), "tools: Tool names must be unique.")
    for index, tool in enumerate(body.get("tools", ())):
        where = f"tools.{index}.custom"
        _need(
            TOOL_NAME.fullmatch(names[index]), f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        )
        schema = tool.get("input_schema")
        _need(isinstance(schema, dict), f"{where}.input_schema: Field required")
        _need(schema.get("type") == "object", f"{where}.input_schema.type: Input should be 'object'")
        union = schema.keys() & {"oneOf", "allOf", "anyOf"}
        _need(not union, f"{where}.input_schema: does not support oneOf, allOf, or anyOf at the top level")
    choice = body.get("tool_choice")
    if choice is None:
        return
    _need(names, "tool_choice may only be specified while providing tools.")
    forces = choice.get("type") in ("any", "tool")
    thinks = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    _need(not (forces and thinks), "Thinking may not be enabled when tool_choice forces tool use.")
    if choice.get("type") == "tool":
        _need(choice.get("name") in names, f"Tool '{choice.get('name')}' not found in provided tools")


def _check_references(body: dict[str, Any]) -> None:
    """A tool that is loaded later stands in the list and is named by a reference; something must be there before."""
    tools = {tool["name"]: tool for tool in body.get("tools", ())}
    late = {name for name, tool in tools.items() if tool.get("defer_loading")}
    _need(not tools or late != set(tools), "tools: at least one tool must have defer_loading=false")
    for name in sorted(late):
        _need("cache_control" not in tools[name], f"Tool '{name}' cannot have both defer_loading and cache_control")
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            content = block.get("content")
            for part in content if block["type"] == "tool_result" and isinstance(content, list) else ():
                if part["type"] == "tool_reference":
                    name = part.get("tool_name")
                    _need(name in tools, f"Tool reference '{name}' not found in available tools")


def _check_messages(messages: Any) -> None:
    _need(isinstance(messages, list) and messages, "messages: at least one message is required")
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for index, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        _need(role in BLOCKS_OF, f"messages.{index}.role: Input should be 'user' or 'assistant'")
        _need(index or role == "user", 'messages: first message must use the "user" role')
        _need(content, f"messages.{index}: all messages must have non-empty content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for place, block in enumerate(blocks):
            _check_block(block, role, f"messages.{index}.content.{place}")
        if turns and turns[-1][0] == role:  # the API joins messages of one role
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, list(blocks)))
    _check_pairs(turns)
    role, last = turns[-1]
    text = last[-1].get("text", "") if role == "assistant" else ""
    _need(text == text.rstrip(), "messages: final assistant content cannot end with trailing whitespace")


def _check_block(block: Any, role: str, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    _need(kind in BLOCKS_OF[role], f"{where}: a {role} message cannot hold a block of type '{kind}'")
    if kind == "text":
        _check_text(block, where)
        _need(role != "user" or not block.get("citations"), f"{where}.citations: not permitted in user messages")
    elif kind == "thinking":
        _need("cache_control" not in block, f"{where}.thinking.cache_control: Extra inputs are not permitted")
        signed = block.get("signature") == signature_of(block.get("thinking", ""))
        _need(signed, f"{where}: Invalid `signature` in `thinking` block")
    elif kind == "redacted_thinking":
        _need("cache_control" not in block, f"{where}.redacted_thinking.cache_control: Extra inputs are not permitted")
        _need(block.get("data"), f"{where}.redacted_thinking.data: Field required")
    elif kind == "tool_use":
        _need(CALL_ID.fullmatch(block.get("id", "")), f"{where}.tool_use.id: String should match '^[a-zA-Z0-9_-]+$'")
        _need(TOOL_NAME.fullmatch(block.get("name", "")), f"{where}.tool_use.name: String should match the pattern")
        _need(isinstance(block.get("input"), dict), f"{where}.tool_use.input: Input should be a valid dictionary")
    elif kind == "tool_result":
        content = block.get("content") or ()
        if isinstance(content, list):
            for place, part in enumerate(content):
                allowed = BLOCKS_OF["user"] - {"tool_result"} | {"tool_reference"}
                _need(part.get("type") in allowed, f"{where}.content.{place}: wrong type")
                if part["type"] == "text":
                    _check_text(part, f"{where}.content.{place}")
        _need(
            content or not block.get("is_error"), f"{where}.tool_result: content cannot be empty if `is_error` is true"
        )
    else:
        _need(isinstance(block.get("source"), dict), f"{where}.{kind}.source: Field required")


def _check_text(block: Any, where: str) -> None:
    text = block.get("text") if isinstance(block, dict) else None
    _need(isinstance(text, str), f"{where}.text: Field required")
    _need(text, f"{where}: text content blocks must be non-empty")
    _need(str(text).strip(), f"{where}: text content blocks must contain non-whitespace text")


def _check_pairs(turns: list[tuple[str, list[dict[str, Any]]]]) -> None:
    """Every call has one result, at the start of the next message; every result has its call."""
    seen: set[str] = set()
    owed: list[str] = []
    for role, blocks in turns:
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for call in results:
            _need(call in owed, UNEXPECTED.format(call))
            _need(results.count(call) == 1, f"each tool_use must have a single result. Found multiple for id: {call}")
        leading = {block["tool_use_id"] for block in blocks[: len(results)] if block["type"] == "tool_result"}
        missing = [call for call in owed if call not in leading]
        _need(not missing, MISSING.format(", ".join(missing)))
        owed = [block["id"] for block in blocks if block["type"] == "tool_use"] if role == "assistant" else []
        _need(seen.isdisjoint(owed) and len(set(owed)) == len(owed), "messages: `tool_use` ids must be unique")
        seen.update(owed)
    _need(not owed, MISSING.format(", ".join(owed)))


UNEXPECTED = (
    "unexpected `tool_use_id` found in `tool_result` blocks: {}. "
    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
)
MISSING = (
    "`tool_use` ids were found without `tool_result` blocks immediately after: {}. "
    "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
)


def _check_cache_points(body: dict[str, Any]) -> None:
    points = list(_cache_points(body))
    _need(
        len(points) <= MAX_CACHE_POINTS,
        f"A maximum of {MAX_CACHE_POINTS} blocks with cache_control may be provided. Found {len(points)}.",
    )
    for point in points:
        _need(point.get("type") == "ephemeral", "cache_control.type: Input should be 'ephemeral'")
    lives = [point.get("ttl", "5m") for point in points]
    _need(
        lives == sorted(lives, key=("1h", "5m").index),
        "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block",
    )


def _cache_points(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every cache_control in the order in which the API reads: tools, system, messages."""
    places: list[Any] = [*body.get("tools", ())]
    if not isinstance(body.get("system", ""), str):
        places.extend(body["system"])
    for message in body["messages"]:
        if isinstance(message["content"], list):
            for block in message["content"]:
                places.append(block)
                inner = block.get("content")
                places.extend(inner if isinstance(inner, list) else ())
    places.append(body)
    for place in places:
        if place.get("cache_control"):
            yield place["cache_control"]
