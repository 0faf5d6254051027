"""The host as it is measured: a model that answers at once, a tool that does nothing, hooks without an opinion."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.measure import BenchError
from pegboard.hookspecs import hookimpl
from pegboard.host import Host, Options, Session
from pegboard.messages import EndReason, TextBlock, ToolUseBlock
from pegboard.requests import BlockDone, CallNext, ModelDone, ModelInfo, ModelStarted, Request, StreamEvent
from pegboard.tools import Tool, tool

PLENTY = 10_000_000
SETTINGS = {"session": {"max_steps": PLENTY}, "model": {"context_window": 1_000_000_000}}
"""Ceilings out of the way; everything else, the journal and its fsync policy too, as it is by default."""


def looking_tool(stamp: Callable[[], None] | None = None, *, in_thread: bool = False) -> Tool:
    """Make the tool `look`, which calls *stamp* and does nothing else; the host runs a plain `def` in a thread."""

    async def look(path: str, lines: int = 1) -> str:
        """Look at a file."""
        return path

    async def stamped(path: str, lines: int = 1) -> str:
        """Look at a file."""
        if stamp is not None:
            stamp()
        return path

    def plain(path: str, lines: int = 1) -> str:
        """Look at a file."""
        return path

    chosen: Callable[..., Any] = plain if in_thread else look if stamp is None else stamped
    return tool(name="look", read_only=True)(chosen)


class LookingPlugin:
    """Registers the tool."""

    def __init__(self, look: Tool) -> None:
        self.look = look

    @hookimpl
    def register(self, registry: Any) -> None:
        """Add the tool."""
        registry.add_tool(self.look)


class BareModel:
    """The model `bare:TURNS`: an async generator that makes up its answer from the number of messages."""

    @hookimpl
    def register(self, registry: Any) -> None:
        """Say for which models we answer."""
        registry.add_model(ModelInfo(prefix="bare"))

    @hookimpl(after="*")
    def model_call(self, request: Request, call_next: CallNext) -> AsyncIterator[StreamEvent]:
        """Answer at once."""
        return _answer(request) if request.model.startswith("bare:") else call_next(request)


async def _answer(request: Request) -> AsyncIterator[StreamEvent]:
    turn = len(request.messages) // 2
    yield ModelStarted(model=request.model)
    if turn < int(request.model.removeprefix("bare:")):
        call = ToolUseBlock(id=f"call_{turn}", name="look", input={"path": f"file_{turn}.py", "lines": 2})
        yield BlockDone(block=call)
        yield ModelDone(stop_reason="tool_use")
    else:
        yield BlockDone(block=TextBlock(text="done"))
        yield ModelDone(stop_reason="end_turn")


def scripted(calls: int, *, prompts: int = 1) -> str:
    """Return the name of a scripted model (the one that is shipped) that makes *calls*, then ends, *prompts* times."""
    from pegboard_builtins.scripted_model import play

    one: list[dict[str, Any]] = [{"call": [_scripted_call(turn)]} for turn in range(calls)]
    return play(f"bench-{calls}-{prompts}", [*one, {"text": "done"}] * prompts)


def _scripted_call(turn: int) -> dict[str, Any]:
    return {"name": "look", "input": {"path": f"file_{turn}.py", "lines": 2}}


class PlainHooks:
    """A plugin without an opinion, with `def`."""

    @hookimpl
    def pre_tool(self, call: Any) -> None:
        """Have no opinion."""

    @hookimpl
    def post_tool(self, call: Any) -> None:
        """Have no opinion."""


class AsyncHooks:
    """A plugin without an opinion, with `async def` that never waits."""

    @hookimpl
    async def pre_tool(self, call: Any) -> None:
        """Have no opinion."""

    @hookimpl
    async def post_tool(self, call: Any) -> None:
        """Have no opinion."""


class Bench:
    """One event loop, one temporary folder and any number of hosts in it, for as long as a subject is measured."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._folder = tempfile.TemporaryDirectory(prefix="pegboard-bench-")
        self.folder = Path(self._folder.name)
        self._hosts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._stack.aclose())
            self._runner.close()
        finally:
            self._folder.cleanup()

    def run(self, work: Any) -> Any:
        """Run a coroutine in the loop."""
        return self._runner.run(work)

    def host(
        self, *plugins: Any, look: Tool | None = None, model: Any = None, entry_points: Sequence[Any] = ()
    ) -> Host:
        """Open a host with a model (the scripted one), the tool and *plugins*; without anything that is installed."""
        self._hosts += 1
        place = self.folder / f"host-{self._hosts}"
        place.mkdir()
        named = [(f"noop_{number:03d}", plugin) for number, plugin in enumerate(plugins)]
        return self.enter(bare_host(place, named, look=look, model=model, entry_points=entry_points))

    def enter(self, host: Host) -> Host:
        """Enter a host; it is left with the bench."""
        self.run(self._stack.enter_async_context(host))
        return host


def bare_host(
    place: Path,
    plugins: Sequence[tuple[str, Any]] = (),
    *,
    look: Tool | None = None,
    model: Any = None,
    entry_points: Sequence[Any] = (),
) -> Host:
    """Return a host in *place* that finds nothing on this machine: no settings, no packs, no variables.

    It has one model, so that no other one stands before it in the onion: *model*, or the scripted one, which is
    among *entry_points* where there are some.
    """
    from pegboard_builtins import scripted_model

    given: list[tuple[str, Any]] = [("looking", LookingPlugin(look or looking_tool()))]
    if model is not None or not entry_points:
        given.append(("model", model or scripted_model))
    host = Host(
        place,
        state_dir=place / "state",
        config_dir=place / "config",
        environment={},
        entry_points=list(entry_points),
        plugins=[*given, *plugins],
        command_line=SETTINGS,
    )
    host.open()
    broken = [f"{record.name} ({record.reason})" for record in host.board.records if record.status != "active"]
    if broken and not entry_points:
        raise BenchError(f"plugins of the bench did not load: {'; '.join(broken)}")
    return host


async def converse(session: Session, prompt: str = "go", *, calls: int) -> None:
    """Run one turn. Raises BenchError if it did not do its *calls* and end well."""
    result = await session.run(prompt)
    if result.reason is not EndReason.COMPLETED or result.steps != calls + 1:
        raise BenchError(f"a session ended with {result.reason} after {result.steps} requests: {result.detail}")


@contextlib.asynccontextmanager
async def fresh_session(host: Host, model: str) -> AsyncIterator[Session]:
    """Open a session, and take its journal away afterwards."""
    async with host.session(Options(model=model)) as session:
        yield session
    session.path.unlink()


def builtin_entry_points() -> Iterator[Any]:
    """Yield the entry points of our own distribution that can be imported here, as an installed host finds them."""
    import importlib.util

    import tomli
    from importlib_metadata import EntryPoint

    project = Path(__file__).parents[1] / "pyproject.toml"
    for name, value in tomli.loads(project.read_text())["project"]["entry-points"]["pegboard"].items():
        if importlib.util.find_spec(value.partition(":")[0]) is not None:
            yield EntryPoint(name=name, value=value, group="pegboard")
