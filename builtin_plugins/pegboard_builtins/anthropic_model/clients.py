"""The SDK, imported in the background, and one client per event loop, closed with the host."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pegboard.typed import dataclass
from pegboard_builtins.anthropic_model.keys import HELPER, VARIABLE, Key, find_key
from pegboard_builtins.anthropic_model.outgoing import Wires
from pegboard_builtins.anthropic_model.settings import AnthropicSettings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"
CONNECT_TIMEOUT = 10.0

_sdk: Future[ModuleType] | None = None  # of the process, as imports are
_begin = threading.Lock()


def begin_import() -> Future[ModuleType]:
    """Import the SDK in a thread, once; returns at once. The thread keeps nobody from exiting."""
    global _sdk
    with _begin:
        if _sdk is None or (_sdk.done() and _sdk.exception() is not None):
            _sdk = Future()
            threading.Thread(target=_import, args=(_sdk,), name="import anthropic", daemon=True).start()
        return _sdk


def _import(done: Future[ModuleType]) -> None:
    try:
        import anthropic
        import anthropic.resources.messages  # the client imports it at the first request, on the loop
    except BaseException as wrong:
        done.set_exception(wrong)
    else:
        done.set_result(anthropic)


async def sdk() -> ModuleType:
    """Return the SDK's module, waiting for its import without holding up the loop."""
    # shield: a request that is cancelled must not cancel the import for all others.
    return await asyncio.shield(asyncio.wrap_future(begin_import()))


@dataclass
class _OfLoop:
    clients: dict[tuple[str, float], AsyncAnthropic] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Clients:
    """The service: clients and keys, kept per event loop because connections belong to one; and `wires`."""

    def __init__(self) -> None:
        self.wires = Wires()
        self._loops: dict[asyncio.AbstractEventLoop, _OfLoop] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Clients]:
        """Open the service; nothing is imported or connected until the first request."""
        clients = cls()
        try:
            yield clients
        finally:
            await clients.aclose()

    async def client(self, key: Key, settings: AnthropicSettings) -> AsyncAnthropic:
        """Return this loop's client for the settings' address, with *key* in it."""
        anthropic = await sdk()
        here = self._here()
        address, _ = address_of(settings)
        known = (address, settings.timeout)
        client = here.clients.get(known)
        if client is None:
            client = here.clients[known] = _new_client(anthropic, key, address, settings.timeout)
        client.api_key = key.value  # a helper's key may have changed
        return client

    async def key(self, settings: AnthropicSettings) -> Key:
        """Return the key; a helper's is asked for once and kept until `forget`. Raises MissingKeyError."""
        here = self._here()
        async with here.asking:  # five sub-agents that start together ask once
            if settings.api_key_helper in here.keys and not os.environ.get(VARIABLE, "").strip():
                return replace(here.keys[settings.api_key_helper], cached=True)
            key = await find_key(settings)
            if key.source == HELPER:
                here.keys[settings.api_key_helper] = key
            return key

    def forget(self, key: Key) -> bool:
        """Drop a helper's key that was refused; return whether asking again may give another."""
        keys = self._here().keys
        for command, known in list(keys.items()):
            if known.value == key.value:
                del keys[command]
        return key.cached

    async def aclose(self) -> None:
        """Close every client: ours here, those of other living loops there."""
        mine = asyncio.get_running_loop()
        for loop, kept in list(self._loops.items()):
            del self._loops[loop]
            for client in kept.clients.values():
                if loop is mine:
                    await client.close()
                elif loop.is_running():
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(client.close(), loop))

    def _here(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            for other in [other for other in self._loops if other.is_closed()]:
                del self._loops[other]
            self._loops[loop] = _OfLoop()
        return self._loops[loop]


def address_of(settings: AnthropicSettings) -> tuple[str, str]:
    """Return where requests go and who said so; empty texts for the API's own address."""
    said = os.environ.get(BASE_URL_VARIABLE, "").strip()
    if said:
        return said, BASE_URL_VARIABLE
    return settings.base_url, "[anthropic_model] base_url" if settings.base_url else ""


def _new_client(anthropic: Any, key: Key, address: str, timeout: float) -> AsyncAnthropic:
    client: AsyncAnthropic = anthropic.AsyncAnthropic(
        api_key=key.value,
        base_url=address or None,
        timeout=anthropic.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        max_retries=0,  # retrying is another plugin's job; retries inside retries multiply
        open_telemetry=False,  # what leaves the machine goes through the host's own ways out
        # Else key and conversation would go wherever an answer points: of a redirect's headers only `Authorization`
        # is left out for another host, and the key has one of its own.
        http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
    )
    return client
