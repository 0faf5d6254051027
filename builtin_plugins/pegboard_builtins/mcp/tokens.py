"""Where the tokens of a login are kept: in the user's state folder, readable by nobody else, or in the keyring."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.shared.auth import (
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)

from pegboard_builtins.mcp.settings import ServerSettings

SERVICE = "pegboard-mcp"


class NeedsLogin(OAuthFlowError):
    """The server wants a person to log in."""


class TokenFile:
    """The tokens of one server at one address: another address gets none of them."""

    def __init__(self, state_dir: Path, name: str, url: str) -> None:
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.key = f"{name}-{digest}"
        self.path = state_dir / "mcp" / f"{self.key}.json"

    @property
    def exists(self) -> bool:
        """Whether somebody has logged in."""
        return "tokens" in self._load()

    def forget(self) -> bool:
        """Take all of it away; False if there was nothing."""
        had = bool(self._load())
        self.path.unlink(missing_ok=True)
        ring = _keyring()
        if ring is not None:
            try:
                ring.delete_password(SERVICE, self.key)
            except Exception:  # it was not there, or is locked
                pass
        return had

    async def get_tokens(self) -> OAuthToken | None:
        """See mcp.client.auth.TokenStorage."""
        kept = self._load().get("tokens")
        return OAuthToken.model_validate(kept) if kept else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """See mcp.client.auth.TokenStorage."""
        ends = None if tokens.expires_in is None else time.time() + int(tokens.expires_in)
        self._save({**self._load(), "tokens": tokens.model_dump(mode="json", exclude_none=True), "ends": ends})

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """See mcp.client.auth.TokenStorage."""
        kept = self._load().get("client")
        return OAuthClientInformationFull.model_validate(kept) if kept else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """See mcp.client.auth.TokenStorage."""
        self._save({**self._load(), "client": client_info.model_dump(mode="json", exclude_none=True)})

    def keep_discovered(self, made: OAuthClientProvider) -> None:
        """Keep where tokens are renewed, which the package finds out at a login and forgets with the process."""
        found = made.context
        discovered: dict[str, Any] = {"issuer": found.auth_server_url}
        for name, model in (("server", found.oauth_metadata), ("resource", found.protected_resource_metadata)):
            if model is not None:
                discovered[name] = model.model_dump(mode="json", exclude_none=True)
        self._save({**self._load(), "discovered": discovered})

    def tell_discovered(self, made: OAuthClientProvider) -> None:
        """Tell a client what an earlier one has found out, and when its token ends: else it would not renew it."""
        kept = self._load()
        discovered = kept.get("discovered") or {}
        told = made.context
        told.token_expiry_time = kept.get("ends")
        told.auth_server_url = discovered.get("issuer")
        if "server" in discovered:
            told.oauth_metadata = OAuthMetadata.model_validate(discovered["server"])
        if "resource" in discovered:
            told.protected_resource_metadata = ProtectedResourceMetadata.model_validate(discovered["resource"])

    def _load(self) -> dict[str, Any]:
        ring = _keyring()
        text: str | None = None
        if ring is not None:
            try:
                text = ring.get_password(SERVICE, self.key)
            except Exception:  # locked, or without a backend
                text = None
        try:
            found = json.loads(text if text is not None else self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _save(self, kept: dict[str, Any]) -> None:
        text = json.dumps(kept)
        ring = _keyring()
        if ring is not None:
            try:
                ring.set_password(SERVICE, self.key, text)
                self.path.unlink(missing_ok=True)
                return
            except Exception:  # then in a file
                pass
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


def _keyring() -> Any:
    """Return the keyring, where that extra is installed and has a place to keep things; else None."""
    try:
        import keyring
    except ImportError:
        return None
    try:
        return keyring if keyring.get_keyring().priority > 0 else None
    except Exception:
        return None


async def _no_person(url: str) -> None:
    raise NeedsLogin("it wants a login")


def provider(
    settings: ServerSettings,
    tokens: TokenFile,
    *,
    redirect_uri: str = "http://127.0.0.1:1/callback",
    show: Callable[[str], Awaitable[None]] = _no_person,
    answer: Callable[[], Awaitable[Any]] | None = None,
) -> OAuthClientProvider:
    """Return the package's client of OAuth; without *answer* it refreshes tokens, and asks nobody for new ones."""
    metadata = OAuthClientMetadata(
        client_name="pegboard",
        redirect_uris=[redirect_uri],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
        scope=settings.scopes or None,
    )
    made = OAuthClientProvider(settings.url, metadata, tokens, redirect_handler=show, callback_handler=answer)
    tokens.tell_discovered(made)
    return made
