"""Logging in to a server: the package's client of OAuth, a browser, and a token that only the user can read."""

from __future__ import annotations

import asyncio
import json
import stat
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mcp_room import HERE, fixture, over_http, texts

from pegboard.settings import SettingsLayer, Source
from pegboard.testing import call

pytest.importorskip("mcp")

from pegboard_builtins.mcp import tokens
from pegboard_builtins.mcp.declared import checked
from pegboard_builtins.mcp.login import log_in
from pegboard_builtins.mcp.tokens import TokenFile


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tokens in files: the keyring of whoever runs the tests is none of their business."""
    monkeypatch.setattr(tokens, "_keyring", lambda: None)


def fetch(url: str) -> bool:
    """Do what a browser does, for a person who says yes."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return b"You are logged in" in answer.read()


@pytest.mark.anyio
async def test_who_has_logged_in_may_call_and_the_token_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webbrowser.open", fetch)
    with over_http(str(HERE / "mcp_login_server.py"), "PORT") as url:
        async with fixture(tmp_path, {"guarded": {"url": url}}) as host:
            host.model.script("Hello.", [call("mcp__guarded__secret")], [call("mcp__guarded__secret")], "done")
            await host.prompt("Go.")
            assert any("pegboard mcp login guarded" in note for note in host.notices)
            server = checked("guarded", {"url": url}, Source(SettingsLayer.USER))
            face: Any = SimpleNamespace(state_dir=host.state_dir, secret=lambda name: None)
            assert await log_in(server, face, browser=True)
            assert "/authorize?" in capsys.readouterr().out
            file = TokenFile(host.state_dir, "guarded", url).path
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            first = json.loads(file.read_text())["tokens"]["access_token"]
            host.load(object(), "again")  # a session of its own, as the next start has
            await asyncio.sleep(2.1)  # the token has ended: it is renewed without a person
            await host.prompt("Go on.")
            assert texts(host) == ["the cake is in the oven"] * 2
            assert json.loads(file.read_text())["tokens"]["access_token"] != first
            assert not TokenFile(host.state_dir, "guarded", "http://127.0.0.1:1/mcp").exists, "another address has it"
            assert TokenFile(host.state_dir, "guarded", url).forget()
            assert not file.exists()


@pytest.mark.anyio
async def test_only_the_browsers_answer_ends_the_wait_and_a_refusal_is_told() -> None:
    from pegboard_builtins.mcp.login import OAuthFlowError, listening

    async with listening() as answer:
        base = answer.redirect_uri.removesuffix("/callback")
        for wrong in ("/favicon.ico", "/"):
            with pytest.raises(urllib.request.HTTPError):
                await asyncio.to_thread(urllib.request.urlopen, base + wrong)
        await asyncio.to_thread(urllib.request.urlopen, f"{base}/callback?error=access_denied&error_description=No")
        with pytest.raises(OAuthFlowError, match="refused: No"):
            await answer.wait()
