"""The connection to one server: it starts when it is wanted, and what goes wrong with it stays with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from pegboard import __version__
from pegboard.context import HostView
from pegboard.errors import PegboardError
from pegboard_builtins.mcp.breaker import Breaker
from pegboard_builtins.mcp.declared import Server, UnsetError, expanded
from pegboard_builtins.mcp.settings import ServerSettings
from pegboard_builtins.mcp.words import clean

if TYPE_CHECKING:
    import httpx2
    import mcp_types as types
    from mcp import Client

    from pegboard_builtins.mcp.pipes import Said

PAGES = 100
"""How many pages a list of tools may have."""
REASON = 600
CLOSE_SECONDS = 5.0
NEEDED = "needs the extra `mcp`: pip install 'pegboard[mcp]'"

Elicit = Callable[[str, Any], Awaitable[Any]]
"""Takes a server's name and what it asks (ElicitRequestParams); returns an ElicitResult."""


class McpFailure(PegboardError):
    """A server could not do what was asked of it; the text names it and says why."""

    def __init__(self, server: str, why: str) -> None:
        self.server = server
        self.why = why
        super().__init__(f"the MCP server {server!r} {why}")


class NoMcpError(PegboardError):
    """The package is missing."""

    def __init__(self) -> None:
        super().__init__(f"`pegboard mcp` {NEEDED}")


class Connection:
    """One server. It is used from one event loop; a task of its own holds everything that is open."""

    def __init__(self, server: Server, host: HostView, *, elicit: Elicit | None = None) -> None:
        self.server = server
        self.name = server.name
        self.breaker = Breaker()
        self.tools: tuple[types.Tool, ...] = ()
        """What it listed last; kept while it is away."""
        self.listed = False
        self.changed = False
        """Whether it said that its list is another now."""
        self.reason = ""
        """Why it is not there; empty while it is, or was not wanted yet."""
        self.needs_login = False
        self._host = host
        self._elicit = elicit
        self._client: Client | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._closing = asyncio.Event()
        self._said: Said | None = None
        """What a program says beside its messages; None for a server over HTTP."""
        self._ended: Callable[[], str] = lambda: ""
        self._status: Callable[[], int] = lambda: 0
        self._calls: set[asyncio.Timeout] = set()
        self._left: dict[asyncio.Timeout, float] = {}
        """Seconds that each call had left when the server began to ask."""
        self._questions: set[asyncio.Future[Any]] = set()

    @property
    def state(self) -> str:
        """`ready`, `starting`, `failed` or `idle`."""
        if self._client is not None:
            return "ready"
        if self._keeper is not None and not self._keeper.done():
            return "starting"
        return "failed" if self.reason else "idle"

    @property
    def client(self) -> Client:
        """The package's client of a server that is ready."""
        assert self._client is not None
        return self._client

    # --- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it unless it is there, and wait until it has listed its tools. Raises McpFailure."""
        if self._client is not None:
            return
        if self._keeper is None or self._keeper.done():
            if self.breaker.state == "open":
                left = max(1, round(self.breaker.left))
                raise McpFailure(
                    self.name,
                    f"has failed {self.breaker.failures} times in a row and is left alone for {left} s more: "
                    f"{self.reason}",
                )
            self._closing = asyncio.Event()
            self._ready = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep(self._ready), name=f"pegboard-mcp-{self.name}")
        assert self._ready is not None
        await asyncio.shield(self._ready)

    async def close(self) -> None:
        """End it; nothing of it is left running."""
        keeper = self._keeper
        if keeper is None or keeper.done():
            return
        self._closing.set()
        if self._client is None:
            keeper.cancel()  # it is still starting
        done, _ = await asyncio.wait([keeper], timeout=CLOSE_SECONDS)
        if not done:
            keeper.cancel()
            await asyncio.wait([keeper], timeout=CLOSE_SECONDS)

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        """Hold the connection open until it shall end, or does."""
        why = ""
        try:
            settings = expanded(self.server.settings, self._host.secret)
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(settings.start_seconds + settings.list_seconds):
                    async with asyncio.timeout(settings.start_seconds):
                        client = await self._connected(stack, settings)
                    self.tools = await self._list(client, settings)
                self._client, self.reason, self.listed, self.changed = client, "", True, False
                ready.set_result(None)  # the breaker waits for a call that succeeds: many start, and end in each call
                await self._until_end(client)
                why = "" if self._closing.is_set() else self._ended() or "closed the connection"
        except asyncio.CancelledError:
            why = why or "was ended while it started"
        except UnsetError as unset:
            why = f"needs the variable {unset}, which is not set"
        except TimeoutError:
            why = self._with_words(f"did not start within {self.server.settings.start_seconds:g} s")
        except ImportError:
            why = NEEDED
        except (Exception, BaseExceptionGroup) as error:  # whatever it is, it is this server's
            why = self._with_words(f"could not be started: {first_of(error)}")
        finally:
            self._client, self.changed = None, False
            if why:
                self.reason = clean(why, REASON)
                self.breaker.failed()
            if not ready.done():
                ready.set_exception(McpFailure(self.name, self.reason or "was ended"))
                ready.exception()  # whoever waits gets it; where nobody does, nothing is to be said

    def _with_words(self, why: str) -> str:
        if self._status() in (401, 403) and not self.server.settings.headers:
            self.needs_login = True
            return f"wants a login (HTTP {self._status()}): pegboard mcp login {self.name}"
        ended = self._ended()
        return f"{why}; {ended}" if ended and ended not in why else why

    async def _connected(self, stack: AsyncExitStack, settings: ServerSettings) -> Client:
        from mcp import Client

        quiet()
        import mcp_types as types

        roots = types.ListRootsResult(roots=[types.Root(uri=self._host.project.as_uri(), name="project")])

        async def list_roots(context: Any) -> types.ListRootsResult:
            return roots

        made = Client(
            self._transport(settings),
            client_info=types.Implementation(name="pegboard", version=__version__),
            message_handler=self._heed,
            list_roots_callback=list_roots,
            elicitation_callback=self._asked if self._elicit is not None else None,
            cache=None,
        )
        return await stack.enter_async_context(made)

    @asynccontextmanager
    async def _transport(self, settings: ServerSettings) -> AsyncIterator[Any]:
        if settings.url:
            from pegboard_builtins.mcp.http import Heard, endpoint

            heard = Heard()
            self._status, self._ended = lambda: heard.status, lambda: ""
            async with endpoint(settings, auth=self._auth(settings), heard=heard) as streams:
                yield streams
            return
        from mcp.client.stdio import get_default_environment

        from pegboard_builtins.mcp.pipes import Said, pipes

        said = Said()
        self._said = said
        self._ended = lambda: f"{said.ended}{f' ({said.last})' if said.last else ''}" if said.ended else said.last
        folder = self._host.project / settings.cwd if settings.cwd else self._host.project
        command = str(self._host.project / settings.command) if "/" in settings.command else settings.command
        environment = {**get_default_environment(), **settings.env}
        async with pipes(
            (command, *settings.args), env=environment, cwd=folder, max_message=settings.max_message, said=said
        ) as streams:
            yield streams

    def _auth(self, settings: ServerSettings) -> httpx2.Auth | None:
        if not settings.oauth or any(name.lower() == "authorization" for name in settings.headers):
            return None
        from pegboard_builtins.mcp.tokens import TokenFile, provider

        tokens = TokenFile(self._host.state_dir, self.name, settings.url)
        return provider(settings, tokens) if tokens.exists else None

    async def _until_end(self, client: Client) -> None:
        """Wait until the connection shall end or the server is gone; meanwhile hear of other tools."""
        waits = [asyncio.create_task(self._closing.wait())]
        if self._said is not None:
            waits.append(asyncio.create_task(self._said.over.wait()))
        listening = asyncio.create_task(self._hear_of_changes(client))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*waits, listening):
                task.cancel()
            await asyncio.gather(*waits, listening, return_exceptions=True)

    async def _hear_of_changes(self, client: Client) -> None:
        """Subscribe to changes of the list, as servers since 2026-07-28 want it; older ones just tell."""
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        offered = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or offered is None or not offered.list_changed:
            return
        try:
            async with client.listen(tools_list_changed=True) as events:
                async for _ in events:
                    self.changed = True
        except Exception as error:  # its list is then looked at again only after a new start
            logging.getLogger("pegboard.plugin.mcp").debug("%s tells of no changes: %r", self.name, error)

    async def _heed(self, message: Any) -> None:
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self.changed = True

    async def _asked(self, context: Any, params: Any) -> Any:
        """Pass on what the server asks. No call's time runs while somebody thinks about it."""
        assert self._elicit is not None
        loop = asyncio.get_running_loop()
        if not self._questions:
            self._left = {call: (call.when() or loop.time()) - loop.time() for call in self._calls}
            for call in self._left:
                call.reschedule(None)
        question = asyncio.ensure_future(self._elicit(self.name, params))
        self._questions.add(question)
        try:
            await asyncio.wait([question])
        finally:
            question.cancel()
            self._questions.discard(question)
            if not self._questions:
                for call, seconds in self._left.items():
                    if call in self._calls:
                        call.reschedule(loop.time() + seconds)
        if question.cancelled():
            from mcp_types import ElicitResult

            return ElicitResult(action="cancel")
        return question.result()

    @asynccontextmanager
    async def _in_time(self, seconds: float) -> AsyncIterator[None]:
        """Let a call take so long; what was asked for it is asked no longer when it ends. Raises TimeoutError."""
        async with asyncio.timeout(seconds) as limit:
            self._calls.add(limit)
            try:
                yield
            finally:
                self._calls.discard(limit)
                if not self._calls:
                    for question in self._questions:
                        question.cancel()

    # --- what it does ----------------------------------------------------------------------------------

    async def _list(self, client: Client, settings: ServerSettings) -> tuple[types.Tool, ...]:
        found: list[types.Tool] = []
        cursor: str | None = None
        if client.server_capabilities.tools is None:
            return ()
        async with asyncio.timeout(settings.list_seconds):
            for _ in range(PAGES):
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if cursor is None or len(found) >= settings.max_tools:
                    break
        return tuple(found[: settings.max_tools])

    async def refresh(self) -> None:
        """List the tools again. Raises McpFailure; what was listed before stays then."""
        if self._client is None:
            return
        self.changed = False
        try:
            self.tools = await self._list(self._client, self.server.settings)
        except TimeoutError:
            self._note_failure(f"did not list its tools within {self.server.settings.list_seconds:g} s")
        except Exception as error:
            self._note_failure(f"could not list its tools: {first_of(error)}")

    async def call(self, tool: str, given: dict[str, Any], progress: Any = None) -> types.CallToolResult:
        """Call a tool, starting the server if need be. Raises McpFailure."""
        await self.start()
        from mcp.shared.exceptions import MCPError
        from mcp_types import REQUEST_TIMEOUT

        seconds = self.server.settings.call_seconds
        client = self.client
        try:
            async with self._in_time(seconds):
                answer = await client.call_tool(tool, given, progress_callback=progress)
        except TimeoutError:
            self._note_failure(f"did not answer the call within {seconds:g} s")
        except MCPError as error:
            if error.code == REQUEST_TIMEOUT:
                self._note_failure(f"did not answer the call within {seconds:g} s")
            if await self._is_gone():
                raise McpFailure(self.name, f"went away during the call: {self.reason}") from None
            if self._status() in (401, 403):
                self._note_failure(self._with_words("refused the call"))
            # It has answered: the call was wrong, not the server.
            raise McpFailure(self.name, f"answered with an error: {clean(error.message, REASON)}") from None
        except Exception as error:
            if await self._is_gone():
                raise McpFailure(self.name, f"went away during the call: {self.reason}") from None
            self._note_failure(f"gave no proper answer: {first_of(error)}")
        self.breaker.succeeded()
        return answer

    async def _is_gone(self) -> bool:
        """Whether the connection has ended; its end is noticed a moment later than its last call's."""
        keeper, said = self._keeper, self._said
        if keeper is not None and said is not None and said.over.is_set():
            await asyncio.wait([keeper], timeout=CLOSE_SECONDS)
        return keeper is None or keeper.done()

    def _note_failure(self, why: str) -> Any:
        """Count a failure; a server that has failed too often is ended. Raises McpFailure."""
        self.reason = clean(why, REASON)
        self.breaker.failed()
        if self.breaker.state == "open":
            self._closing.set()
        raise McpFailure(self.name, self.reason) from None


def first_of(error: BaseException) -> str:
    """Return what went wrong first, out of the groups that task groups make of it."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no {error.filename}"
    return str(error).strip() or type(error).__name__


def quiet() -> None:
    """Keep what the package logs of a server's mistakes off the terminal: we tell of them ourselves."""
    for name in ("mcp", "client", "httpx2"):
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
            logger.propagate = False
