"""A server over HTTP that lets in only who has logged in: `mcp_login_server.py PORT`. Tokens last 2 s."""

from __future__ import annotations

import sys
import time
from typing import Any
from urllib.parse import urlencode

from mcp.server.auth.provider import AccessToken, AuthorizationCode, RefreshToken
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthToken
from mcp_types import ToolAnnotations

PORT = int(sys.argv[1])
BASE = f"http://127.0.0.1:{PORT}"
LIFE = 2


class Provider:
    """Says yes to everybody at once."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.count = 0

    def _next(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}-{'x' * 40}"

    async def get_client(self, client_id: str) -> Any:
        return self.clients.get(client_id)

    async def register_client(self, client_info: Any) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: Any, params: Any) -> str:
        code = self._next("code")
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return f"{params.redirect_uri}?{urlencode({'code': code, 'state': params.state})}"

    async def load_authorization_code(self, client: Any, authorization_code: str) -> Any:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client: Any, authorization_code: Any) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(client, authorization_code.resource)

    async def load_refresh_token(self, client: Any, refresh_token: str) -> Any:
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(self, client: Any, refresh_token: Any, scopes: list[str]) -> OAuthToken:
        del self.refresh[refresh_token.token]
        return self._issue(client, refresh_token.resource)

    def _issue(self, client: Any, resource: str | None) -> OAuthToken:
        access, refresh = self._next("access"), self._next("refresh")
        ends = int(time.time()) + LIFE
        self.access[access] = AccessToken(
            token=access, client_id=client.client_id, scopes=[], expires_at=ends, resource=resource
        )
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client.client_id, scopes=[], resource=resource)
        return OAuthToken(access_token=access, refresh_token=refresh, expires_in=LIFE)

    async def load_access_token(self, token: str) -> Any:
        found = self.access.get(token)
        return found if found is not None and (found.expires_at or 0) > time.time() else None

    async def revoke_token(self, token: Any) -> None:
        self.access.pop(token.token, None)


server = MCPServer(
    "guarded",
    log_level="CRITICAL",
    auth_server_provider=Provider(),
    auth=AuthSettings(
        issuer_url=BASE,
        resource_server_url=f"{BASE}/mcp",
        client_registration_options=ClientRegistrationOptions(enabled=True),
        validate_token_resource=False,
    ),
)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def secret() -> str:
    """Tell what only friends may know."""
    return "the cake is in the oven"


server.run("streamable-http", host="127.0.0.1", port=PORT)
