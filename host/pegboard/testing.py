"""The author kit: an isolated host for tests, a scripted model, hooks fired by hand, and a record of who was asked.

    async def test_secrets_stay_unread():
        async with HostFixture() as host:
            host.load(my_pack)
            assert_denied(await host.fire("pre_tool", tool="Read", input={"file_path": ".env"}), match="secret")

            host.model.script(call("word_count", path="a.txt"), "Four words.")
            result = await host.prompt("How many words are in a.txt?")
            assert result.text == "Four words."
            assert [made.plugin for made in host.calls_of("pre_tool")] == ["my_pack"]

A test that is not `async` says `host.run(host.prompt("..."))`. The pytest plugin's fixture `pegboard_host` does both.
`MessagesServer`, the loopback Messages API, and the words of its scripts are here too, and so are `HookFixture`,
`WarmWorker` and `payload` for tests of hook programs; `HookFuzz`, `assert_golden`, `Clock` and `HttpMock` complete it.
All of these are imported when first used.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import itertools
import os
import re
import shutil
import tempfile
import types
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from pegboard._agent.compacting import objection
from pegboard._board.discovery import GROUP, OWN_DISTRIBUTION, EntryPointLike, PluginRecord, Status
from pegboard._board.trust import TrustStore
from pegboard.decisions import Decision, PromptDecision, Resolution, Verdict
from pegboard.errors import PegboardError, PluginError, did_you_mean
from pegboard.hookspecs import POLICIES, Ask, State
from pegboard.host import Host, Options, RunResult, Session, Shown
from pegboard.messages import Batch, Message, Outcome, OutcomeKind, TextBlock, ToolCall, ToolResult
from pegboard.records import Event, HookRecord, Notice, PlanRecord, Record
from pegboard.requests import (
    CompactionJob,
    CompactionResult,
    CompactionTrigger,
    Purpose,
    Request,
    RequestDraft,
    Section,
    StreamEvent,
    estimate_tokens,
)
from pegboard.settings import load_settings
from pegboard.tools import Tool

if TYPE_CHECKING:
    from pegboard.clock import Clock
    from pegboard.golden_sessions import assert_golden, golden_lines
    from pegboard.hook_fuzz import BrokenPromiseError, HookFuzz
    from pegboard.hook_programs import Fired, HookFixture, WarmWorker, payload
    from pegboard.http_mock import HttpMock
    from pegboard.messages_server import Answer, Broken, Failure, MessagesServer, Received

__all__ = [
    "Answer",
    "Broken",
    "BrokenPromiseError",
    "Clock",
    "Failure",
    "Fired",
    "HookCall",
    "HookFixture",
    "HookFuzz",
    "HostFixture",
    "HttpMock",
    "MessagesServer",
    "Options",
    "Received",
    "RunResult",
    "ScriptedCall",
    "ScriptedModel",
    "WarmWorker",
    "assert_allowed",
    "assert_asked",
    "assert_deferred",
    "assert_denied",
    "assert_golden",
    "assert_no_opinion",
    "call",
    "golden_lines",
    "payload",
]

_FROM_THE_SERVER = frozenset({"Answer", "Broken", "Failure", "MessagesServer", "Received"})
_FROM_HOOK_PROGRAMS = frozenset({"Fired", "HookFixture", "WarmWorker", "payload"})
_FROM_OTHERS = {
    "BrokenPromiseError": "hook_fuzz",
    "HookFuzz": "hook_fuzz",
    "Clock": "clock",
    "HttpMock": "http_mock",
    "assert_golden": "golden_sessions",
    "golden_lines": "golden_sessions",
}
"""The rest of the kit, each with its module."""

SCRIPTED = "scripted_model"
FOREIGN_VARIABLES = ("PEGBOARD_", "XDG_", "CLAUDE_", "ANTHROPIC_")
"""Beginnings of variables that could lead a plugin out of the fixture's folders; hidden while it is open."""

Result = TypeVar("Result")
_numbers = itertools.count(1)


def __getattr__(name: str) -> Any:
    """Import the words of the loopback server and of hook programs when they are first used."""
    if name in _FROM_THE_SERVER:
        from pegboard import messages_server

        return getattr(messages_server, name)
    if name in _FROM_HOOK_PROGRAMS:
        from pegboard import hook_programs

        return getattr(hook_programs, name)
    if name in _FROM_OTHERS:
        return getattr(importlib.import_module(f"pegboard.{_FROM_OTHERS[name]}"), name)
    raise AttributeError(f"module 'pegboard.testing' has no attribute {name!r}")


# --- the scripted model --------------------------------------------------------------------------------


class ScriptedCall(NamedTuple):
    """A tool call that the scripted model makes; made by `call`."""

    name: str
    input: dict[str, Any]


def call(name: str, /, **given: Any) -> ScriptedCall:
    """Script a tool call: `call("word_count", path="x")`."""
    return ScriptedCall(name, given)


ScriptedTurn = str | ScriptedCall | Sequence[str | ScriptedCall] | Mapping[str, Any]
"""What the model answers to one request: text, a call, several of them in a list, or the table of a script file."""


def turn_table(turn: ScriptedTurn) -> dict[str, Any]:
    """Return a turn as the table that a script file would have."""
    if isinstance(turn, Mapping):
        return dict(turn)
    parts = [turn] if isinstance(turn, str | ScriptedCall) else turn
    calls = [{"name": part.name, "input": part.input} for part in parts if isinstance(part, ScriptedCall)]
    text = "".join(part for part in parts if isinstance(part, str))
    return {**({"text": text} if text else {}), **({"call": calls} if calls else {})}


class ScriptedModel:
    """The model of a `HostFixture`: it plays what `script` was given, one turn for each request."""

    def __init__(self, fixture: HostFixture) -> None:
        self._fixture = fixture
        self._turns: list[dict[str, Any]] = []
        self._plugin: Any = None
        self._asked_before = 0
        self.context_window: int | None = None
        self.script_name = f"kit-{os.getpid()}-{next(_numbers)}"
        self.name = ""
        """The model's name for `Options(model=...)`; empty as long as nothing was scripted."""

    def script(self, *turns: ScriptedTurn, context_window: int | None = None) -> str:
        """Append *turns* to what the model will say, and return its name.

        A str is a turn with that text, `call(...)` one with a tool call, a list of them one turn with all of it, a
        dict the table of a script file (`text`, `thinking`, `usage`, `delay`, `error`, `expect`, `call`).
        """
        if self._plugin is None:
            self._fixture.builtin(SCRIPTED)
            self._plugin = installed(SCRIPTED).load()
        self._asked_before = len(self._turns) - self.turns_left  # a script that is played anew counts anew
        self._turns += [turn_table(turn) for turn in turns]
        self.context_window = context_window or self.context_window
        self.name = self._plugin.play(self.script_name, self._turns, context_window=self.context_window)
        return self.name

    @property
    def turns_left(self) -> int:
        """How many turns nobody has asked for yet."""
        if not self.name:
            return 0
        left: int = self._plugin.turns_left(self.script_name)
        return left - self._asked_before


def installed(name: str) -> Any:
    """Return the entry point of a plugin in this environment; our own distribution's among several of a name."""
    from importlib_metadata import entry_points

    found = {point.name: point for point in entry_points(group=GROUP) if point.name != name}
    named = list(entry_points(group=GROUP, name=name))
    if not named:
        hint = did_you_mean(name, found) or (
            "" if found else f" Nothing is: install the distribution itself, `pip install -e .` ({OWN_DISTRIBUTION})."
        )
        raise PegboardError(f"no plugin {name!r} is installed in this environment.{hint}")
    return min(named, key=lambda point: getattr(point.dist, "name", "") != OWN_DISTRIBUTION)


# --- who was asked -------------------------------------------------------------------------------------


class HookCall(NamedTuple):
    """One implementation was called once.

    `facts` has what the journal says of it: `subject` (the call's id, the event's name), `outcome` and `winner` of
    the dispatch, `ns`, and, where the implementation answered or failed, `verdict`, `reason`, `effect`, `error`,
    `before` and `after`.
    """

    hook: str
    plugin: str
    facts: dict[str, Any]


def calls_in(records: Sequence[Record]) -> list[HookCall]:
    """Return who was called, in order.

    Hooks that are asked at every step (`prepare_request`, `next_step`, `lifecycle`, frames of `model_call`) leave a
    record only when somebody answered or failed.
    """
    plans: dict[str, Mapping[str, tuple[str, ...]]] = {}
    calls: list[HookCall] = []
    for record in records:
        if isinstance(record, PlanRecord):
            plans[record.plan] = record.hooks
        elif isinstance(record, HookRecord):
            calls += _calls_of_dispatch(record, plans.get(record.plan, {}).get(record.point, ()))
    return calls


def _calls_of_dispatch(record: HookRecord, plugins: tuple[str, ...]) -> list[HookCall]:
    rows = {row.i: row for row in record.rows}
    called = [place for place in range(len(plugins)) if place not in record.skipped][: len(record.ns)]
    durations = dict(zip(called, record.ns, strict=False))
    calls = []
    for place in sorted({*called, *rows}):
        row = rows.get(place)
        facts: dict[str, Any] = {"subject": record.subject, "outcome": record.outcome, "winner": record.winner}
        facts["ns"] = durations.get(place, 0)
        if row is not None:
            facts |= row.model_dump(exclude={"i", "plugin"}, exclude_defaults=True)
        calls.append(HookCall(record.point, row.plugin if row is not None else plugins[place], facts))
    return calls


# --- the host ------------------------------------------------------------------------------------------


class HostFixture:
    """An isolated host without discovery: only what is loaded here takes part.

    Its folders (`project`, `home`, the state and the settings of a user) lie in *folder*, or in a temporary one that
    goes away with it. *settings* has tables by name. Nothing is read from the environment, and the home folder is
    the fixture's own while it is open. A session is opened when it is first needed; a plugin that is loaded later
    joins at once: host and session are then opened again, and the conversation goes on.

    A plugin that cannot be loaded is an error, unless *allow_broken*: then its status is in `plugins`.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        options: Options | None = None,
        folder: Path | None = None,
        trusted: bool = True,
        no_plugins: str | None = None,
        allow_broken: bool = False,
    ) -> None:
        self.settings: dict[str, dict[str, Any]] = {table: dict(values) for table, values in (settings or {}).items()}
        self.options = options or Options()
        self.model = ScriptedModel(self)
        self.shown: list[Shown] = []
        self._given_folder = folder
        self._trusted = trusted
        self._no_plugins = no_plugins
        self._allow_broken = allow_broken
        self._plugins: list[tuple[str, Any]] = []
        self._points: list[EntryPointLike] = []
        self._folder: Path | None = None
        self._hidden: dict[str, str | None] = {}
        self._runner: asyncio.Runner | None = None
        self._stack = AsyncExitStack()
        self._entered = 0
        self._stale = False
        self._host: Host | None = None
        self._session: Session | None = None
        self._session_id = ""

    # --- life ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._entered += 1
        if self._entered == 1:
            self._folder = (self._given_folder or Path(tempfile.mkdtemp(prefix="pegboard-test-"))).resolve()
            self.project.mkdir(parents=True, exist_ok=True)
            self.home.mkdir(parents=True, exist_ok=True)
            self._hide_environment()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._entered == 1:
            try:
                if self._runner is not None:
                    self._runner.run(self._close())
                    self._runner.close()
                    self._runner = None
            finally:
                self._leave()
        else:
            self._entered -= 1

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._close()
        finally:
            if self._entered == 1:
                self._leave()
            else:
                self._entered -= 1

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run something of this host to its end, in a test that is not `async`; always on the same event loop."""
        if not self._entered:
            work.close()
            raise PegboardError("the host is not open: `with HostFixture() as host`")
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(work)

    def _leave(self) -> None:
        self._entered = 0
        self._show_environment()
        if self._given_folder is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _hide_environment(self) -> None:
        for name in [name for name in os.environ if name.startswith(FOREIGN_VARIABLES)]:
            self._hidden[name] = os.environ.pop(name)
        self._hidden["HOME"] = os.environ.get("HOME")
        os.environ["HOME"] = str(self.home)

    def _show_environment(self) -> None:
        for name, value in self._hidden.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._hidden.clear()

    # --- folders ---------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where all folders of this host lie."""
        if self._folder is None:
            raise PegboardError("the host is not open: `async with HostFixture() as host`")
        return self._folder

    @property
    def project(self) -> Path:
        """The project folder: put the files of a test here."""
        return self.folder / "project"

    @property
    def home(self) -> Path:
        """The home folder of this host's user."""
        return self.folder / "home"

    @property
    def state_dir(self) -> Path:
        """Where sessions are kept."""
        return self.folder / "state"

    @property
    def config_dir(self) -> Path:
        """Where the user's `settings.toml` is read from."""
        return self.folder / "config"

    def file(self, name: str, text: str = "") -> Path:
        """Write a file into the project folder and return its path."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    # --- plugins ---------------------------------------------------------------------------------------

    def load(self, plugin: Any, name: str | None = None) -> str:
        """Add a plugin and return its name.

        *plugin* is a module, an object or class with implementations, one function marked with `@hookimpl`, one
        tool, or a str such as "acme_words", which is imported like an entry point's value.
        """
        if isinstance(plugin, str):
            from importlib_metadata import EntryPoint

            name = self._free(name or plugin.partition(":")[0].rpartition(".")[2])
            self._points.append(EntryPoint(name=name, value=plugin, group=GROUP))
        else:
            name = name or self._free(_name_of(plugin))
            self._plugins.append((name, _as_plugin(plugin)))
        self._stale = True
        return name

    def builtin(self, *names: str) -> None:
        """Add installed plugins, built in or not, by the names of their entry points."""
        for name in names:
            if name not in {point.name for point in self._points}:
                self._points.append(installed(name))
                self._stale = True

    def _free(self, name: str) -> str:
        taken = {name for name, _ in self._plugins} | {point.name for point in self._points}
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        return name if name not in taken else next(free for free in numbered if free not in taken)

    @property
    def plugins(self) -> dict[str, PluginRecord]:
        """The plugins by name, with status and reason. Loads them, if no session has yet."""
        board = (self._host if self._host is not None and not self._stale else self._make_host().open()).board
        return {record.name: record for record in board.records}

    # --- the session -----------------------------------------------------------------------------------

    async def open(self) -> Session:
        """Return the session, opened if need be; opened again if plugins were loaded since."""
        if not self._entered:
            raise PegboardError("the host is not open: `async with HostFixture() as host`")
        if self._session is not None and not self._stale:
            return self._session
        await self._close()
        host = self._make_host()
        host.open()
        broken = [record for record in host.board.records if record.status is not Status.ACTIVE]
        if broken and not self._allow_broken:
            raise PluginError(broken[0].name, f"{broken[0].status}: {broken[0].reason}")
        self._host = await self._stack.enter_async_context(host)
        self._stale = False
        options = replace(self.options, model=self.options.model or self.model.name)
        if self._session_id:
            session = host.resume(self._session_id, options, show=self.shown.append)
        else:
            session = host.session(options, show=self.shown.append)
        self._session = await self._stack.enter_async_context(session)
        self._session_id = session.session_id
        return session

    def _make_host(self) -> Host:
        own = {**self.settings, "session": {"fsync": "off", **self.settings.get("session", {})}}
        view = load_settings(
            self.project,
            config_dir=self.config_dir,
            trusted=self._trusted or TrustStore(self.state_dir).trusts(self.project),
            environment={},
            command_line=own,
            managed=None,
        )
        return Host(
            self.project,
            settings=view,
            no_plugins=self._no_plugins,
            state_dir=self.state_dir,
            config_dir=self.config_dir,
            environment={},
            entry_points=self._points,
            plugins=self._plugins,
            strict=not self._allow_broken,
        )

    async def _close(self) -> None:
        self._session, self._host = None, None
        await self._stack.aclose()

    @property
    def host(self) -> Host:
        """The host of the open session."""
        self._need_session()
        assert self._host is not None
        return self._host

    @property
    def session(self) -> Session:
        """The open session; `await open()` opens it where nothing has yet."""
        return self._need_session()

    def _need_session(self) -> Session:
        if self._session is None:
            raise PegboardError("no session is open yet: `await host.open()`, `prompt(...)` or `fire(...)` open it")
        return self._session

    async def prompt(self, text: str | None = None) -> RunResult:
        """Send a prompt and run the turn to its end; None goes on with a turn that was broken off."""
        session = await self.open()
        if not session.model_name:
            if not self.model.name:
                raise PegboardError('no model: say what it answers, `host.model.script("Done.")`')
            self._stale = True  # the session was opened before there was a script
            session = await self.open()
        return await session.run(text)

    async def invoke(self, tool: str, /, **given: Any) -> Outcome:
        """Run a tool as the user himself would: all hooks see it, no permission is needed."""
        session = await self.open()
        done = await session.call_user_tool(tool, given)
        assert done.outcome is not None
        return done.outcome

    # --- what is known afterwards ----------------------------------------------------------------------

    @property
    def messages(self) -> list[Message]:
        """The conversation as the model sees it."""
        return list(self._need_session().messages())

    def records(self, kind: str = "") -> list[Record]:
        """Return the journal's records, or those of one type ("hook", "tool_start", "notice")."""
        found = list(self._need_session().journal)
        return [record for record in found if not kind or getattr(record, "type", "") == kind]

    @property
    def notices(self) -> list[str]:
        """What a person was told, in order."""
        return [record.text for record in self.records("notice") if isinstance(record, Notice)]

    @property
    def calls(self) -> list[HookCall]:
        """Who was called, for which hook, and what came of it (see `calls_in`)."""
        return calls_in(self.records())

    def calls_of(self, hook: str) -> list[HookCall]:
        """Return the calls of one hook."""
        _check_hook(hook)
        return [made for made in self.calls if made.hook == hook]

    # --- firing ----------------------------------------------------------------------------------------

    async def fire(self, hook: str, **facts: Any) -> Any:
        """Fire one hook through the host's own dispatcher, and return what it came to.

        pre_tool: tool, input; or call, batch; can_defer            -> CallOutcome (verdict, by, reason, call)
        post_tool: tool, input, output, kind; or call, outcome      -> ResultOutcome (outcome, retry, hidden)
        prompt_submit: prompt                                       -> PromptOutcome (prompt, blocked, contexts)
        prepare_request: draft; or its fields                       -> RequestDraft
        model_call: prompt, model; or request                       -> list of StreamEvent
        resolve_ask: tool, input, reason; or ask                    -> (Resolution or None, who)
        next_step: state; or its fields                             -> StepOutcome (verb, by, injects)
        compact: messages, trigger, target_tokens; or job           -> (CompactionResult, Skip or None, who)
        lifecycle: event                                            -> list of (plugin, Answer)
        event: record                                               -> None
        register: nothing; loading the plugins is what fires it     -> plugins by name, with status and reason
        """
        _check_hook(hook)
        session = await self.open()
        return await getattr(_Firing(session), hook)(**facts)


def _check_hook(hook: str) -> None:
    if hook not in POLICIES:
        raise PegboardError(f"there is no hook {hook!r}.{did_you_mean(hook, POLICIES)} Hooks: {', '.join(POLICIES)}.")


def _name_of(plugin: Any) -> str:
    named = plugin.name if isinstance(plugin, Tool) else getattr(plugin, "__name__", type(plugin).__name__)
    return str(named).rpartition(".")[2]


def _as_plugin(plugin: Any) -> Any:
    if inspect.isclass(plugin):
        return plugin()
    if isinstance(plugin, Tool) or inspect.isfunction(plugin):
        module = types.ModuleType(_name_of(plugin))  # a tool at a module's top is registered
        vars(module)[_name_of(plugin)] = plugin
        return module
    return plugin


class _Firing:
    """One method for each hook: makes its arguments of what is given, and calls the dispatcher."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dispatcher = session.dispatcher

    def _call(self, tool: str, given: Mapping[str, Any] | None, call: ToolCall | None) -> ToolCall:
        made = call or ToolCall(id=f"fired_{next(_numbers)}", name=tool, input=dict(given or {}))
        return self._session.invoker.prepare(made)

    async def register(self) -> Any:
        host: Any = self._session._host
        return {record.name: record for record in host.board.records}

    async def prompt_submit(self, prompt: str = "") -> Any:
        return await self._dispatcher.prompt_submit(prompt)

    async def prepare_request(
        self,
        draft: RequestDraft | None = None,
        *,
        purpose: Purpose | str = Purpose.TURN,
        model: str = "",
        sections: Sequence[Section] = (),
        tools: Sequence[str] | None = None,
        params: Mapping[str, Any] | None = None,
        step: int = 1,
    ) -> Any:
        names = sorted(self._session.tools()) if tools is None else tools
        made = draft or RequestDraft(
            purpose=Purpose(purpose),
            model=model or self._session.model_name,
            sections=tuple(sections),
            tools=tuple(names),
            params=dict(params or {}),
            step=step,
        )
        return await self._dispatcher.prepare_request(made)

    async def model_call(
        self,
        request: Request | None = None,
        *,
        prompt: str = "Hello.",
        model: str = "",
        purpose: Purpose | str = Purpose.TURN,
    ) -> list[StreamEvent]:
        made = request or Request(
            purpose=Purpose(purpose),
            model=model or self._session.model_name,
            system=(),
            tools=(),
            messages=[Message(role="user", content=(TextBlock(text=prompt),))],
            max_tokens=1_000,
            session_id=self._session.session_id,
            request_id=f"fired_{next(_numbers)}",
        )
        return [event async for event in self._dispatcher.model_call(made)]

    async def pre_tool(
        self,
        *,
        tool: str = "",
        input: Mapping[str, Any] | None = None,
        call: ToolCall | None = None,
        batch: Batch | None = None,
        can_defer: bool = True,
    ) -> Any:
        made = self._call(tool, input, call)
        return await self._dispatcher.pre_tool(made, batch or Batch(calls=(made,)), can_defer=can_defer)

    async def post_tool(
        self,
        *,
        tool: str = "",
        input: Mapping[str, Any] | None = None,
        call: ToolCall | None = None,
        output: str = "",
        kind: OutcomeKind | str = OutcomeKind.OK,
        outcome: Outcome | None = None,
    ) -> Any:
        failed = OutcomeKind(kind) not in (OutcomeKind.OK, OutcomeKind.SUBSTITUTED)
        made = outcome or Outcome(kind=OutcomeKind(kind), result=ToolResult(content=output, is_error=failed))
        return await self._dispatcher.post_tool(self._call(tool, input, call), made)

    async def resolve_ask(
        self,
        *,
        tool: str = "",
        input: Mapping[str, Any] | None = None,
        call: ToolCall | None = None,
        reason: str = "no rule allows it",
        ask: Ask | None = None,
    ) -> Any:
        return await self._dispatcher.resolve_ask(ask or Ask(self._call(tool, input, call), reason))

    async def next_step(self, state: State | None = None, **facts: Any) -> Any:
        fields = {"step": 1, "ending": True, "stop_reason": "end_turn", "text": "", "turn": 1, **facts}
        return await self._dispatcher.next_step(state or State(**fields))

    async def compact(
        self,
        job: CompactionJob | None = None,
        *,
        messages: Sequence[Message] | None = None,
        trigger: CompactionTrigger | str = CompactionTrigger.MANUAL,
        target_tokens: int = 1_000,
        window: int = 200_000,
        instructions: str = "",
        pins: Sequence[str] = (),
    ) -> Any:
        given = tuple(self._session.messages() if messages is None else messages)
        made = job or CompactionJob(
            trigger=CompactionTrigger(trigger),
            messages=given,
            tokens=estimate_tokens(given),
            target_tokens=target_tokens,
            window=window,
            instructions=instructions,
            pins=tuple(pins),
        )

        def accept(result: CompactionResult) -> str:
            return objection(result, made.messages, made.pins)

        return await self._dispatcher.compact(made, accept)

    async def lifecycle(self, event: Event) -> Any:
        return await self._dispatcher.lifecycle(event)

    async def event(self, record: Record) -> None:
        await self._dispatcher.event(record)


# --- assertions ----------------------------------------------------------------------------------------


def assert_allowed(outcome: Any, match: str = "") -> None:
    """Fail unless the call was allowed, for a reason in which the regular expression *match* is found."""
    __tracebackhide__ = True
    _assert_verdict(outcome, Verdict.ALLOW, match)


def assert_denied(outcome: Any, match: str = "") -> None:
    """Fail unless the call, the prompt or the question was refused."""
    __tracebackhide__ = True
    _assert_verdict(outcome, Verdict.DENY, match)


def assert_asked(outcome: Any, match: str = "") -> None:
    """Fail unless the person shall be asked."""
    __tracebackhide__ = True
    _assert_verdict(outcome, Verdict.ASK, match)


def assert_deferred(outcome: Any, match: str = "") -> None:
    """Fail unless the run shall end here until somebody has decided."""
    __tracebackhide__ = True
    _assert_verdict(outcome, Verdict.DEFER, match)


def assert_no_opinion(outcome: Any) -> None:
    """Fail if anybody had a verdict; context and rewritten input are no opinions."""
    __tracebackhide__ = True
    _assert_verdict(outcome, None, "")


def _assert_verdict(outcome: Any, wanted: Verdict | None, match: str) -> None:
    __tracebackhide__ = True
    got, by, reason = _verdict_of(outcome)
    who = f" by {by!r}" if by else ""
    why = f", because {reason!r}" if reason else ""
    if got is not wanted:
        raise AssertionError(f"wanted {wanted or 'no opinion'}, got {got or 'no opinion'}{who}{why}")
    if match and re.search(match, reason) is None:
        raise AssertionError(f"{got}{who} as wanted, but its reason {reason!r} does not match {match!r}")


def _verdict_of(outcome: Any) -> tuple[Verdict | None, str, str]:
    """Return verdict, who gave it and why, of whatever a hook or a dispatch answered."""
    by = ""
    if isinstance(outcome, tuple):  # (answer, who), as resolve_ask has it
        outcome, by = outcome
    if outcome is None:
        return None, by, ""
    if isinstance(outcome, Decision):
        return outcome.verdict, by, outcome.reason
    if isinstance(outcome, Resolution):
        return Verdict.ALLOW if outcome.allow else Verdict.DENY, by, outcome.reason
    if isinstance(outcome, PromptDecision):
        return Verdict.DENY if outcome.block else None, by, outcome.reason
    if isinstance(outcome, Outcome):
        denied = outcome.kind is OutcomeKind.DENIED
        return Verdict.DENY if denied else Verdict.ALLOW, by, str(outcome.result.content) if denied else ""
    if hasattr(outcome, "blocked"):
        return Verdict.DENY if outcome.blocked else None, outcome.by, outcome.reason
    if hasattr(outcome, "verdict"):
        return outcome.verdict, outcome.by, outcome.reason
    raise TypeError(f"a {type(outcome).__name__} holds no verdict; hand over what `fire` or a hook returned")
