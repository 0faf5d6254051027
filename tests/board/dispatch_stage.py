"""A dispatcher on a stage of its own: a real board, plan and watchdog, and a session that only takes notes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from pegboard._board.discovery import PluginRecord, Status
from pegboard._board.dispatch import Dispatcher
from pegboard._board.order import Tier
from pegboard._board.outcomes import CallOutcome
from pegboard._board.planning import SessionGates, compile_plan
from pegboard._board.registry import Board
from pegboard._board.watchdog import Watchdog
from pegboard.context import Ctx
from pegboard.flags import Flag, FlagView
from pegboard.hookspecs import hookimpl
from pegboard.messages import Batch, ToolCall, input_hash
from pegboard.records import HookRecord, HookRow, Record
from pegboard.settings import SettingsView

_numbers = itertools.count(1)


class Notes:
    """As much of a session as a dispatcher sees."""

    def __init__(self, problems: Callable[[ToolCall], str] = lambda call: "") -> None:
        self.records: list[Record] = []
        self.notices: list[tuple[str, str, str]] = []
        self._problems = problems
        self.session_id = "stage"
        self.cwd = self.project = Path("/")

    def write(self, record: Record) -> None:
        self.records.append(record)

    def put(self, kind: type[Record], facts: dict[str, Any]) -> None:
        self.write(kind.model_validate(facts))

    def notice(self, plugin: str, text: str, level: str) -> None:
        self.notices.append((plugin, text, level))

    def ctx(self, plugin: str) -> Ctx:
        return Ctx(self, plugin)  # type: ignore[arg-type]  # notes are all that is needed here

    def problems(self, call: ToolCall) -> str:
        return self._problems(call)

    def prepare(self, call: ToolCall) -> ToolCall:
        return call

    def known_models(self) -> Iterable[str]:
        return ("fake",)


class Stage:
    """A dispatcher with the plugins that are on it. Close it, or use it as a context."""

    def __init__(
        self,
        plugins: Sequence[tuple[str, Any]],
        *,
        problems: Callable[[ToolCall], str] = lambda call: "",
        flags: Sequence[Flag] = (),
    ) -> None:
        self.board = Board(SettingsView())
        declares = [("flags", SimpleNamespace(register=hookimpl(lambda registry: registry.add_flag(*flags))))]
        everybody = [*(declares if flags else []), *plugins]
        self.board.load(
            [PluginRecord(name, name, tier=Tier.SESSION, plugin=plugin, unbounded=True) for name, plugin in everybody]
        )
        broken = [record for record in self.board.records if record.status is not Status.ACTIVE]
        assert not broken, broken
        self.notes = Notes(problems)
        self.watchdog = Watchdog()
        self.watchdog.enter()
        gates = SessionGates(FlagView({flag.name: flag.default for flag in flags}))
        self.dispatcher = Dispatcher(compile_plan(self.board, gates), self.notes, self.watchdog)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.watchdog.leave()
        self.watchdog.close()

    async def pre_tool(
        self, given: dict[str, Any] | None = None, *, name: str = "Bash", can_defer: bool = True
    ) -> CallOutcome:
        call = a_call(given, name)
        return await self.dispatcher.pre_tool(call, Batch(calls=(call,)), can_defer=can_defer)

    @property
    def hooks(self) -> list[HookRecord]:
        """The records of all dispatches."""
        return [record for record in self.notes.records if isinstance(record, HookRecord)]

    def rows(self) -> dict[str, HookRow]:
        """The rows of the last dispatch by plugin."""
        return {row.plugin: row for row in self.hooks[-1].rows}

    def told(self, plugin: str) -> list[str]:
        """What a person was told of a plugin."""
        return [text for who, text, _ in self.notes.notices if who == plugin]


def a_call(given: dict[str, Any] | None = None, name: str = "Bash") -> ToolCall:
    made = {"command": "ls"} if given is None else given
    return ToolCall(id=f"call_{next(_numbers)}", name=name, input=made, input_hash=input_hash(made))


def plugin(hook: str, function: Callable[..., Any], **options: Any) -> Any:
    """Return a plugin with one implementation."""

    made = ModuleType(function.__name__)
    vars(made)["implementation"] = hookimpl(specname=hook, **options)(function)
    return made


def says(answer: Any, hook: str = "pre_tool", **options: Any) -> Any:
    """Return a plugin that always gives this answer."""

    def implementation() -> Any:
        return answer

    return plugin(hook, implementation, **options)
