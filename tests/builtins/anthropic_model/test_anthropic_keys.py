"""Where the key comes from, in which order, and what a person is told when there is none."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import pytest

from pegboard.errors import MissingKeyError, ModelError
from pegboard.messages_server import MessagesServer
from pegboard.requests import Request
from pegboard_builtins.anthropic_model.keys import Key, ask_helper, check_key, find_key
from pegboard_builtins.anthropic_model.settings import AnthropicSettings

RequestFor = Callable[..., Request]


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring that forgets when the test ends."""

    priority = 1

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.failure = failure

    def get_password(self, service: str, username: str) -> str | None:
        if self.failure is not None:
            raise self.failure
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture(autouse=True)
def ring() -> Iterator[MemoryKeyring]:
    before, now = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(now)
    yield now
    keyring.set_keyring(before)


def find(environment: dict[str, str] | None = None, **settings: Any) -> Key:
    return asyncio.run(find_key(AnthropicSettings(**settings), environment or {}))


def test_environment_then_helper_then_keyring(ring: MemoryKeyring) -> None:
    ring.set_password("pegboard", "anthropic", "from-keyring")
    both = {"api_key_helper": "echo from-helper"}
    assert find({"ANTHROPIC_API_KEY": " from-env\n"}, **both) == Key("from-env", "ANTHROPIC_API_KEY")
    assert find({"ANTHROPIC_API_KEY": " "}, **both) == Key("from-helper", "api_key_helper")
    assert find() == Key("from-keyring", "keyring")


def test_a_missing_key_names_the_three_ways() -> None:
    with pytest.raises(MissingKeyError) as caught:
        find()
    for way in ("ANTHROPIC_API_KEY", "api_key_helper", "keyring set pegboard anthropic"):
        assert way in str(caught.value)
    assert not caught.value.retryable


def test_a_missing_key_sends_nothing(
    plugin: Any, server: MessagesServer, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(MissingKeyError):
        plugin.ask(request_for())
    assert server.requests == []


def test_an_absent_keyring_package_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingKeyError) as caught:
        find()
    assert "cannot be read" not in str(caught.value)


def test_a_keyring_that_breaks_is_told_of() -> None:
    keyring.set_keyring(MemoryKeyring(RuntimeError("no bus")))
    with pytest.raises(MissingKeyError, match="RuntimeError: no bus"):
        find()


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        pytest.param("echo locked >&2; exit 3", "ended with status 3: locked", id="it fails"),
        pytest.param("true", "printed nothing", id="it prints nothing"),
        pytest.param("echo your key is k", "more than one word", id="it prints a sentence"),
        pytest.param("/no/such/program", "ended with status 127", id="it is not there"),
        pytest.param("printf 'key\\001\\377'", "only visible ASCII can be sent", id="it prints bytes"),
    ],
)
def test_a_helper_that_gives_no_key_is_told_of_and_the_keyring_is_next(
    command: str, problem: str, ring: MemoryKeyring
) -> None:
    with pytest.raises(MissingKeyError) as caught:
        find(api_key_helper=command)
    assert problem in str(caught.value)
    ring.set_password("pegboard", "anthropic", "from-keyring")
    assert find(api_key_helper=command).source == "keyring"


def test_a_helper_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    command = f"(sleep 2; touch {shlex.quote(str(alive))}) & sleep 60"
    begun = time.monotonic()
    with pytest.raises(ModelError, match="did not answer within"):
        asyncio.run(ask_helper(command, 0.3))
    assert time.monotonic() - begun < 30
    time.sleep(2.2)
    assert not alive.exists()


def test_a_helper_may_leave_an_agent_behind() -> None:
    begun = time.monotonic()
    assert asyncio.run(ask_helper("sleep 20 & echo the-key", 10)) == "the-key"
    assert time.monotonic() - begun < 10


def test_a_key_is_not_shown_by_its_repr() -> None:
    assert "secret" not in repr(Key("secret", "keyring"))


def test_a_helper_is_asked_once_for_many_requests_and_again_when_its_key_is_refused(
    plugin: Any, server: MessagesServer, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    asked, key = tmp_path / "asked", tmp_path / "key"
    key.write_text("first")
    helper = f"echo x >> {shlex.quote(str(asked))}; cat {shlex.quote(str(key))}"
    plugin.services.settings = AnthropicSettings(api_key_helper=helper)

    async def run() -> None:
        async with plugin.open():
            await asyncio.gather(*(plugin.collect(request_for()) for _ in range(4)))
            assert len(asked.read_text().split()) == 1
            server.api_key = "second"
            key.write_text("second")
            await plugin.collect(request_for())
            assert len(asked.read_text().split()) == 2
            server.api_key = "third"
            with pytest.raises(ModelError, match="api_key_helper"):
                await plugin.collect(request_for())
            assert len(asked.read_text().split()) == 3

    asyncio.run(run())
    used = [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests]
    assert used == ["first"] * 5 + ["second"] * 3


def test_the_settings_address_is_used_unless_the_environment_has_one(
    plugin: Any, server: MessagesServer, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MessagesServer() as other:
        plugin.services.settings = AnthropicSettings(base_url=other.url)
        plugin.ask(request_for())
        monkeypatch.delenv("ANTHROPIC_BASE_URL")
        plugin.ask(request_for())
        assert (len(server.requests), len(other.requests)) == (1, 1)


def test_doctor_is_told_whether_there_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ANTHROPIC_API_KEY" in (check_key(AnthropicSettings()) or "")
    assert check_key(AnthropicSettings(api_key_helper="echo k")) is None

    async def inside_a_loop() -> str | None:
        return check_key(AnthropicSettings(api_key_helper="echo k"))

    assert asyncio.run(inside_a_loop()) is None
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    assert check_key(AnthropicSettings()) is None


@pytest.mark.parametrize("value", ["first\nsecond", "schlüssel", "key\x00", "two words"])
def test_a_key_that_no_header_can_hold_is_neither_sent_nor_shown(
    plugin: Any, server: MessagesServer, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY") as caught:
        find({"ANTHROPIC_API_KEY": value})
    if "\x00" not in value:
        monkeypatch.setenv("ANTHROPIC_API_KEY", value)
        with pytest.raises(MissingKeyError) as caught:
            plugin.ask(request_for())
    assert value not in str(caught.value)
    assert server.requests == []


def test_a_machine_without_a_keyring_is_no_problem_to_tell_of() -> None:
    class NoKeyringError(RuntimeError):
        pass

    keyring.set_keyring(MemoryKeyring(NoKeyringError("install some backend or other")))
    with pytest.raises(MissingKeyError) as caught:
        find()
    assert "backend" not in str(caught.value)


def test_what_is_wrong_with_a_helper_is_told_first() -> None:
    with pytest.raises(MissingKeyError, match=r"^the api_key_helper `echo locked >&2; exit 3` ended with status 3"):
        find(api_key_helper="echo locked >&2; exit 3")
