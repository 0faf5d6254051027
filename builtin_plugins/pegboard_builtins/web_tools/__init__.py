"""The web tool: WebFetch, which reads one page."""

from __future__ import annotations

from pegboard.context import Registry
from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard_builtins.web_tools.fetch import web_fetch
from pegboard_builtins.web_tools.settings import WebSettings

FETCH = flag("web.fetch", True, live=True, safe=False, kind="ops", help="Pages may be read from the network.")


@hookimpl
def register(registry: Registry) -> None:
    """Declare `[web_tools]` and add the tool."""
    registry.settings(WebSettings)
    registry.add_tool(web_fetch)
