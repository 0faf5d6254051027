"""Remote sources against servers on this machine: fresh, unchanged, slow, torn, wrong, gone; and a clock that jumps."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from test_flag_places import host_of, resolved

from pegboard.flags import FlagLayer


class Source:
    """An HTTP server that plays a flag source. `how` says what it does with the next request."""

    def __init__(self) -> None:
        self.how = "ok"
        self.answer: dict[str, object] = {"flags": [{"key": "shop.limit", "value": 4, "variant": "four"}]}
        self.etag = '"one"'
        self.seen: list[dict] = []
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                source.seen.append({"path": self.path, "headers": dict(self.headers), "body": body})
                source.play(self)

            do_GET = do_POST

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def play(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps(self.answer).encode()
        if self.how == "ok" and handler.headers.get("If-None-Match") == self.etag:
            handler.send_response(304)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if self.how == "slow":
            time.sleep(0.6)
        if self.how == "wrong":
            body = b"<html>Log in</html>"
        handler.send_response({"error": 500, "denied": 401}.get(self.how, 200))
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", self.etag)
        handler.end_headers()
        if self.how == "torn":
            handler.wfile.write(body[: len(body) // 2])
            handler.close_connection = True
            return
        handler.wfile.write(body)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source()
    yield made
    made.close()


def ask(place, source, kind="ofrep", budget=5_000, more="", **variables):
    where = f'url = "{source.url}"' if kind != "flagd-file" else 'path = "served.json"'
    place.user(f'[flags.remote]\nkind = "{kind}"\n{where}\nstart_budget_ms = {budget}\n{more}')
    return resolved(host_of(place, **variables)).snapshot.details


def test_what_a_server_says_counts_for_flags_that_allow_it(place, source):
    source.answer = {
        "flags": [
            {"key": "shop.limit", "value": 4, "variant": "four", "reason": "SPLIT"},
            {"key": "shop.locked", "value": True},
            {"key": "shop.ratio", "value": 0.9},
            {"key": "theirs", "value": 1},
            {"key": "broken", "errorCode": "PARSE_ERROR"},
        ]
    }
    found = ask(place, source, more='header_secret = "FLAG_TOKEN"\n', FLAG_TOKEN="Bearer x")
    one = found["shop.limit"]
    assert (one.value, one.layer, one.variant, one.reason) == (4, FlagLayer.REMOTE, "four", "SPLIT")
    assert found["shop.ratio"].value == 0.5  # it is not declared remote = true
    assert found["shop.locked"].value is False
    (seen,) = source.seen
    assert seen["path"] == "/ofrep/v1/evaluate/flags"
    assert seen["headers"]["Authorization"] == "Bearer x"
    assert set(seen["body"]["context"]) == {"targetingKey", "os", "version", "ci"}


def test_a_key_is_sent_only_hashed(place, source):
    place.user("")
    ask(place, source)
    path = place.config / "settings.toml"
    path.write_text('[flags]\nkey = "ada@example.org"\n' + path.read_text())
    resolved(host_of(place))
    keys = [seen["body"]["context"]["targetingKey"] for seen in source.seen]
    assert len(set(keys)) == 2
    assert all("ada" not in json.dumps(seen) for seen in source.seen)


def test_an_unchanged_answer_is_not_sent_again(place, source):
    first = ask(place, source)
    again = ask(place, source)
    assert [seen["headers"].get("If-None-Match") for seen in source.seen] == [None, '"one"']
    assert again["shop.limit"].value == first["shop.limit"].value == 4
    assert not again["shop.limit"].stale
    source.etag, source.answer = '"two"', {"flags": [{"key": "shop.limit", "value": 5}]}
    assert ask(place, source)["shop.limit"].value == 5


@pytest.mark.parametrize("how", ["error", "denied", "wrong", "torn", "slow", "gone"])
def test_a_source_that_does_not_answer_leaves_what_it_said_before(place, source, how, flags):
    ask(place, source)
    source.how = how
    if how == "gone":
        source.server.shutdown()
        source.server.server_close()
        source.server = _Closed()
    started = time.monotonic()
    found = ask(place, source, budget=200)["shop.limit"]
    assert time.monotonic() - started < 5
    assert (found.value, found.stale, found.reason) == (4, True, "STALE")
    assert 0 <= found.age < 60
    code, said = flags("explain", "shop.limit")
    assert code == 0
    assert "stale" in said
    assert "cached:" in said


class _Closed:
    """In the place of a server that is closed already."""

    def shutdown(self) -> None:
        pass

    def server_close(self) -> None:
        pass


def test_a_source_that_was_never_reached_says_why_and_changes_nothing(place, source, flags):
    source.how = "error"
    assert ask(place, source)["shop.limit"].value == 8
    code, said = flags("explain", "shop.limit")
    assert code == 0
    assert "answered 500" in said
    assert "never reached before" in said
    code, said = flags("doctor")
    assert "answered 500" in said


def test_a_late_answer_serves_the_next_session(place, source):
    source.how = "slow"
    assert ask(place, source, budget=50)["shop.limit"].value == 8
    deadline = time.monotonic() + 20
    while not list(place.state.glob("flags/cache/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    source.how = "error"
    assert ask(place, source)["shop.limit"].value == 4


def test_a_value_that_does_not_fit_costs_only_itself(place, source, flags):
    source.answer = {"flags": [{"key": "shop.limit", "value": "many"}, {"key": "shop.colour", "value": "blue"}]}
    place.user("")
    ask(place, source)
    found = resolved(host_of(place))
    assert found.problems == []
    assert found.snapshot.details["shop.colour"].value == "blue"
    assert found.snapshot.details["shop.limit"].value == 8
    assert "is integer" in flags("explain", "shop.limit")[1]


def test_a_clock_that_was_set_back_makes_the_age_unknown(place, source, monkeypatch, flags):
    ask(place, source)
    (cached,) = place.state.glob("flags/cache/*.json")
    raw = json.loads(cached.read_text())
    cached.write_text(json.dumps({**raw, "fetched_at": time.time() + 1e6}))
    source.how = "error"
    found = ask(place, source)["shop.limit"]
    assert (found.value, found.age, found.stale) == (4, None, True)
    assert "of unknown age" in flags("list")[1]


def test_a_damaged_cache_is_as_none(place, source):
    ask(place, source)
    (cached,) = place.state.glob("flags/cache/*.json")
    cached.write_text(cached.read_text()[:30])
    source.how = "error"
    assert ask(place, source)["shop.limit"].value == 8


def test_a_flagd_file_is_evaluated_here_and_survives_being_torn(place, source):
    file = place.project / "served.json"
    definition = {
        "flags": {
            "shop.limit": {
                "state": "ENABLED",
                "variants": {"few": 2, "many": 20},
                "defaultVariant": "many",
                "targeting": {"if": [{"var": "ci"}, "few", None]},
            },
            "shop.colour": {"state": "DISABLED", "variants": {"b": "blue"}, "defaultVariant": "b"},
        }
    }
    file.write_text(json.dumps(definition))
    assert ask(place, source, "flagd-file", CI="true")["shop.limit"].value == 2
    found = ask(place, source, "flagd-file", CI="")
    assert (found["shop.limit"].value, found["shop.limit"].variant) == (20, "many")
    assert found["shop.colour"].layer is FlagLayer.DEFAULT
    file.write_text(json.dumps(definition)[:60])
    found = ask(place, source, "flagd-file", CI="")["shop.limit"]
    assert (found.value, found.stale) == (20, True)
    assert source.seen == []


def test_unleash_toggles_and_variants_are_evaluated_here(place, source):
    def toggle(name, enabled, variants=()):
        return {
            "name": name,
            "enabled": enabled,
            "strategies": [{"name": "default"}],
            "variants": [
                {"name": n, "weight": 1000, "weightType": "variable", "payload": {"type": "string", "value": value}}
                for n, value in variants
            ],
        }

    source.answer = {
        "version": 2,
        "features": [toggle("shop.colour", True, [("b", "blue")]), toggle("shop.limit", True, [("l", "5")])],
    }
    found = ask(place, source, "unleash")
    assert (found["shop.colour"].value, found["shop.colour"].variant) == ("blue", "b")
    assert found["shop.limit"].value == 5
    assert source.seen[0]["path"] == "/client/features"
    source.how = "error"
    assert ask(place, source, "unleash")["shop.limit"].stale


def test_turning_telemetry_off_changes_no_flag(place, source):
    """There is none; whoever says that he wants none gets the same flags, from the same source."""
    ask(place, source)
    ids = {
        resolved(host_of(place, **variables)).snapshot.id
        for variables in (
            {},
            {"DO_NOT_TRACK": "1"},
            {"OTEL_SDK_DISABLED": "true"},
            {"CLAUDE_CODE_ENABLE_TELEMETRY": "0", "DISABLE_TELEMETRY": "1"},
            {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        )
    }
    assert len(ids) == 1
    assert len(source.seen) == 6


def test_a_table_that_is_wrong_is_told_with_its_line(place):
    from pegboard.errors import SettingsError

    place.user('[flags.remote]\nkind = "ofreb"\n')
    with pytest.raises(SettingsError, match=r"settings.toml:\d: flags.remote.kind"):
        host_of(place)
