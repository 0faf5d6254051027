"""`pegboard mcp login`: a person logs in with a browser, and the answer comes back to this machine."""

from __future__ import annotations

import asyncio
import html
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthFlowError

from pegboard.context import HostView
from pegboard.output import say
from pegboard_builtins.mcp.connection import McpFailure, first_of, quiet
from pegboard_builtins.mcp.declared import Server, expanded
from pegboard_builtins.mcp.http import Heard, endpoint
from pegboard_builtins.mcp.tokens import TokenFile, provider

PATIENCE = 300.0
"""Seconds that a person has."""


class Answer:
    """What the browser brings back, once it does."""

    def __init__(self, port: int, got: asyncio.Future[AuthorizationCodeResult]) -> None:
        self.redirect_uri = f"http://127.0.0.1:{port}/callback"
        self._got = got

    async def wait(self) -> AuthorizationCodeResult:
        """Wait for it. Raises OAuthFlowError."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._got
        except TimeoutError:
            raise OAuthFlowError(f"nobody logged in within {PATIENCE:g} s") from None


@asynccontextmanager
async def listening() -> AsyncIterator[Answer]:
    """Listen on this machine for the one request by which the browser brings the answer."""
    got: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                line = (await reader.readline()).decode(errors="replace").split(" ")
                while (await reader.readline()).strip():
                    pass
            target = urlsplit(line[1] if len(line) > 1 else "")
            said = {name: values[0] for name, values in parse_qs(target.query).items()}
            words, status = _taken(target.path, said, got)
            body = f"<!doctype html><meta charset=utf-8><title>pegboard</title><p>{html.escape(words)}".encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(heard, "127.0.0.1", 0, limit=65_536)
    try:
        yield Answer(server.sockets[0].getsockname()[1], got)
    finally:
        server.close()
        got.cancel()


def _taken(path: str, said: dict[str, str], got: asyncio.Future[AuthorizationCodeResult]) -> tuple[str, str]:
    if path != "/callback" or got.done():
        return "There is nothing here.", "404 Not Found"
    if "code" not in said:
        why = said.get("error_description") or said.get("error") or "no code came back"
        got.set_exception(OAuthFlowError(f"the login was refused: {why[:300]}"))
        return "The login was refused. You can close this page.", "200 OK"
    got.set_result(AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss")))
    return "You are logged in. You can close this page.", "200 OK"


async def log_in(server: Server, host: HostView, *, browser: bool) -> bool:
    """Log in to a server; False if it asks for no login. Raises McpFailure."""
    from mcp import Client

    quiet()
    settings = expanded(server.settings, host.secret)
    tokens = TokenFile(host.state_dir, server.name, settings.url)
    tokens.forget()

    async def show(url: str) -> None:
        say("Log in with your browser:")
        say(f"  {url}")
        if browser:
            await asyncio.to_thread(webbrowser.open, url)

    async with listening() as answer:
        if settings.client_id:
            await tokens.set_client_info(_known_client(settings.client_id, answer.redirect_uri))
        auth = provider(settings, tokens, redirect_uri=answer.redirect_uri, show=show, answer=answer.wait)
        try:
            async with asyncio.timeout(PATIENCE + 60):
                async with Client(endpoint(settings, auth=auth, heard=Heard()), cache=None):
                    pass
        except TimeoutError:
            raise McpFailure(server.name, "did not answer in time") from None
        except httpx2.HTTPError as error:
            raise McpFailure(server.name, f"could not be asked: {first_of(error)}") from None
        except Exception as error:
            if not tokens.exists:
                raise McpFailure(server.name, f"let nobody in: {first_of(error)}") from None
    if tokens.exists:
        tokens.keep_discovered(auth)
    return tokens.exists


def _known_client(client_id: str, redirect_uri: str) -> Any:
    from mcp.shared.auth import OAuthClientInformationFull

    return OAuthClientInformationFull.model_validate(
        {"client_id": client_id, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none"}
    )
