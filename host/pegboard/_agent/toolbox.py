"""The tools of one session: those of its plugins, those that sources bring between turns, and which of them a request
shows whole.

Of a deferred tool a request has only the name, in a section of the system prompt, until the model asks for it. Tools
that were asked for stand behind all others in the order of asking, so that what was sent before stays as it was; at
the next compaction, which throws the cache away anyhow, they become tools like all others.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Protocol

from pegboard._board.caught import describe, pass_on
from pegboard._board.waiting import being_cancelled
from pegboard.context import Ctx, ToolSource
from pegboard.requests import Layer, Section, Stability, ToolSpec
from pegboard.settings import SessionTable
from pegboard.tools import TOOL_SEARCH, Tool

STATE = "tools"
"""The key of the host's own state (StateRecord with plugin "") that keeps what was asked for: also in a fork."""
SOURCE_SECONDS = 120.0
"""How long a source may take at the start of a turn. It should have a shorter deadline of its own."""
MOST_NAMES = 500
"""How many names the prompt lists; the others can be searched for."""
HEAD = (
    "There are more tools than you are shown. Ask ToolSearch before you call one of these: `select:NAME,NAME` for "
    "those by name, or words to look for. From its answer on you can call what it found. Their names:"
)


class Around(Protocol):
    """What a toolbox needs of its session."""

    def ctx(self, plugin: str) -> Ctx: ...
    def notice(self, plugin: str, text: str, level: str) -> None: ...
    def set_state(self, plugin: str, key: str, value: Any) -> None: ...


class Toolbox:
    """Holds the tools of one session. `tools` is one mapping for good: between turns its members may change."""

    def __init__(
        self,
        around: Around,
        own: Mapping[str, Tool],
        sources: Sequence[tuple[str, ToolSource]],
        settings: SessionTable,
        kept: Mapping[str, Any],
    ) -> None:
        self._around = around
        self._own = own
        self.sources = sources
        self._brought: dict[int, tuple[Tool, ...]] = {}
        self.tools: Mapping[str, Tool] = dict(own) if sources else own
        self._foreign: frozenset[str] = frozenset()
        self._settings = settings
        self._base: set[str] = set(kept.get("base", ()))
        self._asked: list[str] = list(kept.get("asked", ()))
        self._told: set[str] = set(kept.get("told", ()))
        self._much = bool(kept.get("much", False))
        self._warned: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self._gathering: asyncio.Future[list[tuple[Tool, ...] | None]] | None = None

    def part(self, around: Around, names: Iterable[str] | None) -> Toolbox:
        """Return a toolbox of some of these tools (None: of all) as they are now, for a sub-agent.

        It shows all that it is named: whoever names tools wants to have them.
        """
        own = {name: tool for name, tool in self.tools.items() if names is None or name in set(names)}
        made = Toolbox(around, own, (), self._settings, {})
        made._foreign = self._foreign.intersection(own)
        if names is not None:
            made._base.update(own)
        return made

    # --- what sources bring ----------------------------------------------------------------------------

    async def gather(self) -> bool:
        """Ask all sources at once; True if there are other tools now. Never raises for what a source does."""
        async with self._one_at_a_time:
            return await self._gather()

    async def _gather(self) -> bool:
        asked = [self._ask(plugin, source) for plugin, source in self.sources]
        gathering = self._gathering = asyncio.gather(*asked)
        try:
            found = await gathering
        except asyncio.CancelledError:
            if being_cancelled():
                raise
            return False  # interrupted: go on with what is there
        finally:
            self._gathering = None
        for number, tools in enumerate(found):
            if tools is not None:
                self._brought[number] = tools
        return self._merge()

    def interrupt(self) -> None:
        """Do not wait for sources any longer."""
        if self._gathering is not None:
            self._gathering.cancel()

    async def _ask(self, plugin: str, source: ToolSource) -> tuple[Tool, ...] | None:
        """Return what a source brings; None if it fails, and then what it brought before stays."""
        try:
            async with asyncio.timeout(SOURCE_SECONDS):
                answer = source.ask(self._around.ctx(plugin))
                tools = await answer if inspect.isawaitable(answer) else answer
            return tuple(tool if tool.owner == plugin else replace(tool, owner=plugin) for tool in tools)
        except TimeoutError:
            self._warn(plugin, f"its tools took longer than {SOURCE_SECONDS:g} s; this turn goes on without new ones")
        except BaseException as error:
            pass_on(error)
            self._warn(plugin, f"it could not bring its tools: {describe(error)}")
        return None

    def _merge(self) -> bool:
        tools = dict(self._own)
        foreign = set()
        for number, (plugin, _) in enumerate(self.sources):
            for tool in self._brought.get(number, ()):
                if tool.name in tools:
                    owner = tools[tool.name].owner
                    self._warn(plugin, f"its tool {tool.name!r} is left out: {owner!r} has one of that name")
                else:
                    tools[tool.name] = tool
                    foreign.add(tool.name)
        self._foreign = frozenset(foreign)
        merged = dict(sorted(tools.items()))
        if merged == self.tools and all(merged[name] is self.tools[name] for name in merged):
            return False
        assert isinstance(self.tools, dict)
        self.tools.clear()
        self.tools.update(merged)
        return True

    def _warn(self, plugin: str, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._around.notice(plugin, text, "warning")

    # --- what requests show ----------------------------------------------------------------------------

    def settle(self, window: int) -> None:
        """Decide what is deferred: before the first request, and anew after a compaction."""
        self._base.update(self._asked)
        self._asked.clear()
        size = sum(_size(self.tools[name]) for name in self._foreign)
        self._much = size // 4 > self._settings.defer_share * window
        self._told = set(self.deferred)
        if self._told or self._base:
            self._keep()

    @property
    def deferred(self) -> dict[str, Tool]:
        """The tools of which requests have only the name now."""
        if not self._may_defer():
            return {}
        shown = self._base.union(self._asked)
        return {name: tool for name, tool in self.tools.items() if self._defers(tool) and name not in shown}

    def _may_defer(self) -> bool:
        """Whether anything can be deferred: nobody could ask for it where there is nothing to ask."""
        return TOOL_SEARCH in self.tools

    def _defers(self, tool: Tool) -> bool:
        if tool.name == TOOL_SEARCH:
            return False
        if tool.deferred or any(fnmatchcase(tool.name, pattern) for pattern in self._settings.defer):
            return True
        return self._much and tool.name in self._foreign

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that a request has now."""
        if TOOL_SEARCH not in self.tools:
            return tuple(self.tools[name].spec for name in sorted(self.tools))
        hidden = self.deferred
        late = [name for name in self._asked if name in self.tools and self._defers(self.tools[name])]
        out = {*hidden, *late}
        if not (hidden or late or self.sources or self._base):
            out.add(TOOL_SEARCH)
        plain = [self.tools[name].spec for name in sorted(self.tools) if name not in out]
        return (*plain, *[self.tools[name].spec.model_copy(update={"deferred": True}) for name in late])

    @property
    def sections(self) -> tuple[Section, ...]:
        """The names of the deferred tools, for the system prompt."""
        if not self._told:
            return ()
        text = f"{HEAD}\n{_listed(self._told)}"
        return (
            Section(name="deferred-tools", text=text, layer=Layer.SYSTEM, stability=Stability.SESSION, owner="host"),
        )

    def news(self) -> str:
        """Return what the model must be told because other tools are deferred than it knows of; then it knows."""
        now = set(self.deferred)
        shown = self._base.union(self._asked)
        come = now - self._told
        gone = {name for name in self._told if name not in now and name not in shown}
        if not come and not gone:
            return ""
        self._told = now | (self._told & shown)
        self._keep()
        parts = []
        if come:
            parts.append(f"More tools can be asked for with ToolSearch now:\n{_listed(come)}")
        if gone:
            parts.append(f"These tools are not there any more:\n{_listed(gone)}")
        return "\n".join(parts)

    def ask_for(self, names: Iterable[str]) -> list[str]:
        """Put deferred tools into the requests from the next one on; return those that this changed."""
        hidden = self.deferred
        fresh = [name for name in dict.fromkeys(names) if name in hidden]
        if fresh:
            self._asked += fresh
            self._keep()
        return fresh

    def hint(self, name: str) -> str:
        """Return what to say beside a wrong call of a tool whose parameters the model was not shown; else nothing."""
        if name not in self.deferred:
            return ""
        return f". You have not been shown its parameters: ask {TOOL_SEARCH} for `select:{name}` first."

    def _keep(self) -> None:
        value = {
            "asked": list(self._asked),
            "base": sorted(self._base),
            "told": sorted(self._told),
            "much": self._much,
        }
        self._around.set_state("", STATE, value)


def _size(tool: Tool) -> int:
    """Return how many characters a tool takes in a request."""
    return len(tool.name) + len(tool.description) + len(str(tool.input_schema))


def _listed(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = len(listed) - MOST_NAMES
    return "\n".join(listed[:MOST_NAMES]) + (f"\n(and {more} more: search by words)" if more > 0 else "")
