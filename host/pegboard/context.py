"""What plugins are handed: a Ctx beside each event, a Registry when they register."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pegboard._dataclass import dataclass
from pegboard.egress import FilterFunction, Surface
from pegboard.errors import PegboardError
from pegboard.flags import Flag, FlagSnapshot, FlagSource, FlagView, LiveCheck, Ramp, Resolution
from pegboard.messages import EndReason, Message, Origin, ToolResult, Usage
from pegboard.records import DeclaredHooks, Event, Record, ShadowRecord
from pegboard.requests import ModelAnswer, ModelInfo, Purpose, Section, ToolSpec
from pegboard.settings import Model, SettingsView
from pegboard.tools import Tool

Result = TypeVar("Result")


class JournalView(Protocol):
    """The session's journal, read only."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    def __iter__(self) -> Iterator[Record]:
        """Go through all records from the first."""
        ...

    def messages(self) -> Sequence[Message]:
        """Return the conversation as it stands: the fold of all records."""
        ...


@dataclass(frozen=True)
class AgentBrief:
    """What a sub-agent is to do, and as whom. It can have less than the session that starts it, and never more.

    `kind` is its type, as hooks are told it (`agent_type`); `title` says in a few words what it does. `system` takes
    the place of the host's first section. `tools` names what it may call, out of the tools of the session above (None:
    all of them). `model` is the session's unless given. `mode` is a permission mode, which counts where it allows less
    than that of the session above. `max_steps` and `max_time` (seconds) can only lower the limits of that one. `hooks`
    are declared hooks that hold while it runs, in the contract's form; `source` names the file that says so.
    `isolation` is "worktree" where it shall work in a checkout of its own. `effort` is the session's unless given.
    """

    kind: str
    prompt: str
    title: str = ""
    system: str = ""
    tools: tuple[str, ...] | None = None
    model: str = ""
    mode: str = ""
    max_steps: int | None = None
    max_time: float | None = None
    hooks: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    isolation: Literal["", "worktree"] = ""
    effort: str = ""


@dataclass(frozen=True)
class AgentReport:
    """What became of a sub-agent. `text` is its last word; `reason` and `detail` say why it ended.

    `calls` are the names of the tools that it called, in order; `origins` are the labels of everything that it has
    read, which whoever passes its words on must keep. `journal` is where all of it can be read. `kept` says where its
    worktree is, if it had one and something in it was kept.
    """

    agent_id: str
    session_id: str
    journal: Path
    reason: EndReason
    text: str = ""
    detail: str = ""
    steps: int = 0
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    duration_ms: float = 0.0
    calls: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    kept: str = ""


class Services(Protocol):
    """What a session does for the plugins in it; a Ctx passes its wishes on to this."""

    session_id: str
    agent_id: str
    agent_type: str
    parents: tuple[str, ...]
    cwd: Path
    project: Path
    workspace: Path
    flags: FlagView
    cancelled: bool
    interactive: bool
    model_name: str
    mode: str
    prompt_id: str

    path: Path
    brief: AgentBrief | None

    @property
    def top(self) -> Services: ...
    @property
    def journal(self) -> JournalView: ...
    @property
    def turn(self) -> int: ...
    @property
    def folder(self) -> Path: ...
    @property
    def config_dir(self) -> Path: ...
    def write(self, record: Record) -> None: ...
    def consented(self, wanted: Wanted) -> bool: ...
    async def ask_model(
        self,
        plugin: str,
        messages: Sequence[Message] | str,
        *,
        purpose: Purpose,
        model: str | None,
        system: str,
        max_tokens: int,
        tools: Sequence[ToolSpec] = (),
    ) -> ModelAnswer: ...
    async def call_tool(self, plugin: str, name: str, given: dict[str, Any]) -> ToolResult: ...
    async def run_agent(self, plugin: str, brief: AgentBrief) -> AgentReport: ...
    async def fire_as(self, plugin: str, event: Event) -> Any: ...
    def emit(self, surface: str, payload: Any) -> Any: ...
    def notice(self, plugin: str, text: str, level: str) -> None: ...
    def signal(self, sequence: str) -> bool: ...
    def set_state(self, plugin: str, key: str, value: Any) -> None: ...
    def state_of(self, plugin: str) -> dict[str, Any]: ...
    def settings_of(self, plugin: str) -> Any: ...
    def settings_view(self) -> SettingsView: ...
    def secret(self, plugin: str, name: str) -> str | None: ...
    def time_left(self) -> float | None: ...
    def change_folder(self, new: Path) -> None: ...
    def spill(self, call_id: str, text: str) -> Path: ...
    @property
    def watched(self) -> bool: ...
    def progress(self, text: str) -> None: ...
    def tools(self) -> Mapping[str, Tool]: ...
    def deferred_tools(self) -> Mapping[str, Tool]: ...
    def offer_tools(self, names: Iterable[str]) -> list[str]: ...
    async def service(self, name: str) -> Any: ...
    def child_environment(self) -> dict[str, str]: ...
    def put(self, kind: type[Record], facts: dict[str, Any]) -> None: ...


class State(MutableMapping[str, Any]):
    """A plugin's own memory in one session: JSON values, written to the journal, there again on resume."""

    __slots__ = ("_plugin", "_services")

    def __init__(self, services: Services, plugin: str) -> None:
        self._services = services
        self._plugin = plugin

    def __getitem__(self, key: str) -> Any:
        return self._services.state_of(self._plugin)[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, *default* where there is none; without the exception that the library would raise."""
        return self._services.state_of(self._plugin).get(key, default)

    def __setitem__(self, key: str, value: Any) -> None:
        self._services.set_state(self._plugin, key, value)

    def __delitem__(self, key: str) -> None:
        del self._services.state_of(self._plugin)[key]
        self._services.set_state(self._plugin, key, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._services.state_of(self._plugin))

    def __len__(self) -> int:
        return len(self._services.state_of(self._plugin))


class Ctx:
    """What a hook or a tool is handed beside its event: who it is for, and what it may ask of the host.

    One per plugin and session, and a sub-agent has a session of its own. `session_id`, `agent_id` ("" on the main
    thread) and `parents` say whose call this is; `cwd` follows the session; `project` is where the session started.
    """

    __slots__ = ("__weakref__", "_services", "begins_turn", "log", "plugin", "state")

    def __init__(self, services: Services, plugin: str) -> None:
        self._services = services
        self.plugin = plugin
        self.state = State(services, plugin)
        self.begins_turn = False
        """Whether a `when` is asked because a turn begins: then what holds for a whole turn may be read anew."""
        self.log = logging.getLogger(f"pegboard.plugin.{plugin}")

    @property
    def session_id(self) -> str:
        """The session's id: a UUID, and `agent-ID` for that of a sub-agent."""
        return self._services.session_id

    @property
    def agent_id(self) -> str:
        """The sub-agent's id; empty on the main thread."""
        return self._services.agent_id

    @property
    def agent_type(self) -> str:
        """The kind of the sub-agent; on the main thread what it was told to be (`--agent`), else empty."""
        return self._services.agent_type

    @property
    def parents(self) -> tuple[str, ...]:
        """The session ids above a sub-agent, outermost first."""
        return self._services.parents

    @property
    def brief(self) -> AgentBrief | None:
        """What this sub-agent is to do, and as whom; None on the main thread."""
        return self._services.brief

    @property
    def transcript(self) -> Path:
        """The journal of the session that a person runs: on the main thread the session's own."""
        return self._services.top.path

    @property
    def shared(self) -> State:
        """This plugin's memory for a session and all its sub-agents together; on the main thread the same as `state`.

        What a person has said once counts for whoever works on it.
        """
        top = self._services.top
        return self.state if top is self._services else State(top, self.plugin)

    @property
    def cwd(self) -> Path:
        """The session's working folder now."""
        return self._services.cwd

    @property
    def project(self) -> Path:
        """The folder in which the session started: its settings, hooks and consents count."""
        return self._services.project

    @property
    def workspace(self) -> Path:
        """The folder whose files the session works on: `project`, or the worktree that it was given."""
        return self._services.workspace

    @property
    def flags(self) -> FlagView:
        """The session's feature flags, frozen; each read is journaled."""
        return self._services.flags

    @property
    def journal(self) -> JournalView:
        """The session's journal, read only."""
        return self._services.journal

    @property
    def folder(self) -> Path:
        """Where the session's own files lie, beside its journal. It may not exist yet; make it with mode 0700."""
        return self._services.folder

    @property
    def config_dir(self) -> Path:
        """The folder of the user's settings."""
        return self._services.config_dir

    @property
    def prompt_id(self) -> str:
        """The id of the prompt that is worked on, a UUID; empty before the first."""
        return self._services.prompt_id

    @property
    def turn(self) -> int:
        """The number of the turn, from 1; 0 before the first."""
        return self._services.turn

    @property
    def settings(self) -> Any:
        """This plugin's own settings: the model that it registered, or its table as a dict."""
        return self._services.settings_of(self.plugin)

    @property
    def all_settings(self) -> SettingsView:
        """Every setting with its origin, for plugins that read lists layer by layer."""
        return self._services.settings_view()

    @property
    def deadline(self) -> float | None:
        """Seconds left for this turn, None without a limit."""
        return self._services.time_left()

    @property
    def cancelled(self) -> bool:
        """Whether the turn is being interrupted."""
        return self._services.cancelled

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return self._services.interactive

    @property
    def model_name(self) -> str:
        """The session's model, as `prefix:NAME`."""
        return self._services.model_name

    def model_for(self, wanted: str, names: Mapping[str, str]) -> str | None:
        """Return the model that a file written for any host wants, as this session would name it.

        *names* are the names that the person's settings translate (`fast = "anthropic:NAME"`). Empty stands for the
        session's own, and None for a name of which nobody here knows whose it is.
        """
        return model_meant(wanted, names, self.model_name)

    @property
    def mode(self) -> str:
        """The permission mode: default, acceptEdits, plan, dontAsk, auto or bypassPermissions."""
        return self._services.mode

    @property
    def tools(self) -> Mapping[str, Tool]:
        """All tools of the session by name."""
        return self._services.tools()

    @property
    def deferred_tools(self) -> Mapping[str, Tool]:
        """The tools of which requests have only the name: they can be called, but the model knows no parameters."""
        return self._services.deferred_tools()

    def offer_tools(self, *names: str) -> list[str]:
        """Put deferred tools into the requests from the next one on; return those that this changed.

        It lasts through compaction, resume and fork. The result of the tool that does this should name them in
        `ToolReferenceBlock`s, so that a provider can put their definitions there and leave all before as it was.
        """
        return self._services.offer_tools(names)

    async def model(
        self,
        messages: Sequence[Message] | str,
        *,
        purpose: Purpose = Purpose.PLUGIN,
        model: str | None = None,
        system: str = "",
        max_tokens: int = 4096,
        tools: Sequence[ToolSpec] = (),
    ) -> ModelAnswer:
        """Ask a model through the host's chokepoint, so that all hooks and filters see it. Raises ModelError.

        For this the plugin declares the permission `model`; for `invoke` and `secret` those of these names.

        What the model may call is in *tools*; its calls come back as blocks of the answer, and it is the plugin that
        runs them, with `invoke`, and asks again.
        """
        return await self._services.ask_model(
            self.plugin, messages, purpose=purpose, model=model, system=system, max_tokens=max_tokens, tools=tools
        )

    async def invoke(self, name: str, given: dict[str, Any]) -> ToolResult:
        """Call a tool through the host's chokepoint: pre_tool, permissions and post_tool as for the model."""
        return await self._services.call_tool(self.plugin, name, given)

    async def run_agent(self, brief: AgentBrief) -> AgentReport:
        """Run a sub-agent to its end: a session of its own, with a journal of its own and all hooks in force.

        It has the flags, the rules and the mode of this session, whose limits hold for both together; it ends where
        this one is interrupted. Its usage counts to this session. Several may run at the same time. The permissions
        `model` and `invoke` are needed. Raises AgentError for one that cannot be started.
        """
        return await self._services.run_agent(self.plugin, brief)

    async def fire(self, event: Event) -> Any:
        """Fire a lifecycle event and return the collected answers in order.

        Raises UndeclaredError where the event allows something, and the plugin does not declare that it approves.
        """
        return await self._services.fire_as(self.plugin, event)

    def emit(self, surface: str, payload: Any) -> Any:
        """Pass *payload* through the filters of a way out and return what may leave. Raises EgressClosedError."""
        return self._services.emit(surface, payload)

    def notice(self, text: str, *, level: str = "info") -> None:
        """Tell the person something; it is journaled."""
        self._services.notice(self.plugin, text, level)

    def signal(self, sequence: str) -> bool:
        """Give the person's terminal a title, a notification or a bell, where a conversation runs in one.

        *sequence* is OSC 0, 1, 2, 9, 99 or 777, BEL, or several of them; False for anything else, which nobody gets.
        """
        return self._services.top.signal(sequence)

    def record(self, facts: Mapping[str, Any]) -> None:
        """Write to the journal what declared hooks did: the fields of a DeclaredHooks, whose `plugin` is this one."""
        self._services.put(DeclaredHooks, {**facts, "plugin": self.plugin})

    def consented(self, wanted: Wanted) -> bool:
        """Whether the user has consented to this part of the project's folder, just as it is now."""
        return self._services.consented(wanted)

    def shadow(
        self, point: str, subject: str, verdict: str, reason: str = "", *, flag: str, by: str = "", warn: bool = False
    ) -> None:
        """Journal what something in shadow would have answered: see `pegboard.flags.ramp_of`.

        *point* is the hook (`pre_tool`), *subject* the call's id or the event's name, *by* a handler or rule of this
        plugin. `pegboard flags report` counts how often it disagreed with what happened. *warn* tells the person too.
        """
        who = f"{self.plugin}: {by}" if by else self.plugin
        mode = str(Ramp.WARN if warn else Ramp.SHADOW)
        facts = {"point": point, "subject": subject, "by": who, "flag": flag, "mode": mode, "verdict": verdict}
        self._services.put(ShadowRecord, {**facts, "reason": reason})
        if warn:
            said = f": {reason}" if reason else ""
            self._services.notice(self.plugin, f"{by or point} would have said {verdict} to {subject}{said}", "warning")

    def child_environment(self) -> dict[str, str]:
        """Return the variables by which a process that this plugin starts gets the session's flags.

        PEGBOARD_FLAGS_SNAPSHOT names the snapshot, which `pegboard` in that process then uses;
        PEGBOARD_FLAGS_FILE is a JSON file with all values. Empty where no flag is declared.
        """
        return self._services.child_environment()

    def secret(self, name: str) -> str | None:
        """Return a secret by name: from the environment, a helper command or the keyring; None if nobody has it."""
        return self._services.secret(self.plugin, name)

    def chdir(self, new: Path) -> None:
        """Move the session's working folder; CwdChanged is fired after the call."""
        self._services.change_folder(new)

    def spill(self, call_id: str, text: str) -> Path:
        """Save a long text beside the journal and return where."""
        return self._services.spill(call_id, text)

    @property
    def watched(self) -> bool:
        """Whether a person sees what `progress` tells."""
        return self._services.watched

    def progress(self, text: str) -> None:
        """Tell the person some more of what the running call prints; for the tool of that call, in any thread.

        Only for the eye: the model and the journal have the result. Nothing happens where nobody looks on.
        """
        self._services.progress(text)

    async def service(self, name: str) -> Any:
        """Return a service that a plugin registered; the first who asks opens it. Raises NoServiceError."""
        return await self._services.service(name)


# --- registration --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """Something of a folder that runs only with the user's consent.

    `key` says what it is and stays the same when it changes; `text` is everything that consent is given to, as it is
    shown and compared.
    """

    key: str
    text: str


def model_meant(wanted: str, names: Mapping[str, str], session: str) -> str | None:
    """Return what `Ctx.model_for` does, for a session with the model *session*."""
    if wanted.lower() in ("", "inherit", "default"):
        return ""
    said = names.get(wanted)
    if said or ":" in wanted:
        return said or wanted
    return f"anthropic:{wanted}" if session.startswith("anthropic:") and "-" in wanted else None


def shown_of(path: Path, most: int) -> str:
    """Return a file as consent is asked for it: its text, or its hash where it is no text or has over *most* bytes."""
    try:
        content = path.read_bytes()
    except OSError as wrong:
        return f"(cannot be read: {wrong.strerror})"
    if len(content) <= most and b"\0" not in content:
        return content.decode(errors="backslashreplace")
    import hashlib

    return f"({len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()})"


@dataclass(frozen=True)
class Prompt:
    """A prompt that a person can send by its name: `/NAME args`. Who offers it expands it in `prompt_submit`."""

    name: str
    help: str = ""
    args: str = ""


PromptSource = Callable[[Ctx], Iterable[Prompt]]
"""Takes a session's Ctx, returns the prompts that can be typed in it."""

ConsentSource = Callable[[Path], Iterable[Wanted]]
"""Takes a folder, returns what of it wants consent, in a stable order."""


@dataclass(frozen=True)
class Ailment:
    """One thing that a health check found. `where` is a file with its line, or a name; `mend` says what to do.

    Where `wrong` is False nothing is broken, but a person would want to know. `fix` is what `pegboard doctor --fix` may
    do by itself, because nobody could miss what it takes away; it returns what it did, in words.
    """

    text: str
    where: str = ""
    mend: str = ""
    wrong: bool = True
    fix: Callable[[], str] | None = field(default=None, compare=False, repr=False)


Health = str | None | Sequence[Ailment]
"""What a health check answers: None or nothing when all is well, else what is not."""


@dataclass(frozen=True)
class HealthCheck:
    """A question of `pegboard doctor`."""

    name: str
    ask: Callable[[], Health]


@dataclass(frozen=True)
class Command:
    """A verb of the command line: *target* is `module:attribute`, a typer.Typer or a function, imported when used.

    `chat` is `module:function` for `/NAME words` in a conversation: it takes the words and a Ctx and returns a text;
    it may be `async def`. Without a target it is there alone.
    """

    name: str
    target: str
    help: str = ""
    chat: str = ""


@dataclass(frozen=True)
class View:
    """A view of a journal that is asked for by name (`pegboard trace --view NAME`): *build* takes its records.

    It returns a text for a person, or plain data.
    """

    name: str
    build: Callable[[Iterator[Record]], Any]


@dataclass(frozen=True)
class ToolSource:
    """Something that brings tools which are not known before it is asked: those of a server, say.

    *ask* takes a Ctx and returns tools; it may be `async def`. It is asked at the start of each turn, so it should
    answer at once with what it has, and have a deadline of its own where it waits. What it fails to bring stays as it
    was. *where* names paths, as for `@hookimpl`: it is asked only in sessions in which one of them exists, or somebody
    has written in the plugin's own settings. In all others the plugin need not even be imported.
    """

    ask: Callable[[Ctx], Sequence[Tool] | Awaitable[Sequence[Tool]]]
    where: tuple[str, ...] = ()


ServiceFactory = Callable[[], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Gate:
    """What a flag gates: `kind` is hook, tool, section, setting or plugin, `how` flag or ramp."""

    flag: str
    kind: str
    name: str
    plugin: str
    how: str = "flag"


class HostView(Protocol):
    """The host as plugins see it, read only: `Registry.host`, and `typer.Context.obj` in a plugin's verbs.

    Inside `register` the other plugins are not all there yet; later they are.
    """

    @property
    def project(self) -> Path:
        """The folder that the host was opened for."""
        ...

    @property
    def state_dir(self) -> Path:
        """The folder where sessions and other state are kept; a plugin may have a folder of its name in it."""
        ...

    @property
    def config_dir(self) -> Path:
        """The folder of the user's settings."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment that the host was opened in."""
        ...

    @property
    def settings(self) -> SettingsView:
        """Every setting with its origin."""
        ...

    def secret(self, name: str) -> str | None:
        """Return a secret by name: from the environment, or the keyring; None if nobody has it."""
        ...

    def flags(self) -> Mapping[str, Flag]:
        """Return every declared flag by name."""
        ...

    def resolve_flags(self) -> Resolution:
        """Ask every flag source, as for a session that began now. Raises SettingsError of a source."""
        ...

    def snapshot(self, wanted: str) -> FlagSnapshot:
        """Return a snapshot that a session gave to its processes, by its id. Raises PegboardError."""
        ...

    def gates(self) -> Sequence[Gate]:
        """Return what each flag gates, sorted."""
        ...

    def plugins(self) -> Mapping[str, tuple[str, Any]]:
        """Return every plugin by name: its status, and the module or object where it takes part."""
        ...

    def surfaces(self) -> Mapping[str, tuple[str, Surface]]:
        """Return every declared way out by name: who declares it ("host", or a plugin), and what it is."""
        ...

    def tools(self) -> Mapping[str, Tool]:
        """Return every tool by name, those behind a flag included."""
        ...

    def consented(self, wanted: Wanted) -> bool:
        """Whether the user has consented to this part of the project's folder, just as it is now."""
        ...

    def wanted(self) -> Sequence[Wanted]:
        """Return what of the project's folder runs only with consent, as all plugins say it."""
        ...

    def sessions(self, *, everywhere: bool = False) -> Sequence[Path]:
        """Return the journals of this folder's sessions, or of all; newest first."""
        ...

    def find_session(self, wanted: str | None = None) -> Path:
        """Return a session's journal, by the beginning of its id or the newest of this folder."""
        ...

    def records(self, path: Path) -> Iterator[Record]:
        """Go through the records of a journal."""
        ...

    def recorded_verdict(self, path: Path, call: str) -> str:
        """Return what the `pre_tool` hooks said of a call. Raises PegboardError."""
        ...

    def replay(
        self, path: Path, call: str, *, flags: Mapping[str, Any] | None = None, without: Sequence[str] = ()
    ) -> str:
        """Ask the `pre_tool` hooks of a recorded call once more, and return their verdict.

        *flags* have other values than the session had, the plugins in *without* take no part. Neither models nor tools
        are asked, and nothing is kept; declared hooks run again. Not for inside an event loop. Raises PegboardError.
        """
        ...

    def emit(self, surface: str, payload: Any) -> Any:
        """Pass *payload* through the filters of a way out, outside of any session. Raises EgressClosedError."""
        ...

    def in_session(self, plugin: str, work: Callable[[Ctx], Awaitable[Result]], *, model: str = "") -> Result:
        """Do *work* with this plugin's Ctx in a session of its own, which has a journal like every other.

        So a verb asks a model, calls a tool or opens a service on the same ways as everybody else. *model* is the
        session's; that of the settings unless given. Once per verb, and not for inside an event loop.
        """
        ...


class Registry(Protocol):
    """What `register` is handed. Every method raises PegboardError for what cannot be: a name that is taken, say."""

    plugin: str

    @property
    def host(self) -> HostView:
        """The host, read only."""
        ...

    def each_time(self, why: str) -> None:
        """Say that what you register may be otherwise at the next start: it follows from the machine, say, or a file.

        The host keeps what a plugin registers and imports it only when something of it is used. It does so as long as
        nobody has written in the plugin's own settings, and it notices by itself when `register` asks the host, reads
        other settings or the environment, adds a filter or votes on flags. *why* is what `pegboard doctor` tells.
        """
        ...

    def add_tool(self, *tools: Tool) -> None:
        """Add tools; their names must be free."""
        ...

    def add_tool_source(self, source: ToolSource) -> None:
        """Add something that brings tools at the start of each turn."""
        ...

    def add_model(self, model: ModelInfo) -> None:
        """Say for which models this plugin answers `model_call`."""
        ...

    def add_command(self, name: str, target: str = "", *, help: str = "", chat: str = "") -> None:
        """Add a verb to the command line; *target* is `module:attribute`. Without one it is for conversations alone.

        *chat* (`module:function`) answers `/NAME words` in a conversation: it takes the words and a Ctx and returns a
        text for the person (it may be `async def`). The model sees neither. What it says to `/hooks` stands below
        what the chat itself says.
        """
        ...

    def add_flag(self, *flags: Flag) -> None:
        """Declare feature flags."""
        ...

    def add_flag_source(self, source: FlagSource, *, live: LiveCheck | None = None) -> None:
        """Add a source of votes on flags, asked once per session with a `FlagRequest`; it returns `FlagVote`s.

        *live* returns the kill switches that were thrown since. A source that raises ends the session's start if it
        is a SettingsError (a wrong name or type), else it is left out, loudly.
        """
        ...

    def gate(self, *, flag: str = "", ramp: str = "") -> None:
        """Let the whole plugin (hooks, tools, sections) take part only where *flag* is on, or as far as *ramp* says.

        A frame of `model_call` cannot be in shadow: it takes part where *ramp* is enforce.
        """
        ...

    def add_service(self, name: str, factory: ServiceFactory) -> None:
        """Add something that is opened when first asked for, and closed with the host."""
        ...

    def add_view(self, name: str, build: Callable[[Iterator[Record]], Any]) -> None:
        """Add a view of the journal: `pegboard trace --view NAME` shows what *build* makes of its records."""
        ...

    def add_section(self, *sections: Section) -> None:
        """Add sections to every session's prompt; only static and session ones."""
        ...

    def add_health_check(self, name: str, ask: Callable[[], Health]) -> None:
        """Add a question to `pegboard doctor`."""
        ...

    def add_prompts(self, source: PromptSource) -> None:
        """Offer prompts by name: *source* is asked for them when a person types `/`.

        It says only which there are; whoever adds them turns `/NAME args` into the prompt in `prompt_submit`.
        """
        ...

    def add_folder(self, folder: Path | str) -> None:
        """Bring a folder in the contract's plugin format along: its commands, skills, agents, hooks and servers.

        A relative one lies beside the file that calls this.
        """
        ...

    def add_consent(self, source: ConsentSource) -> None:
        """Say what of a folder runs only with the user's consent: `pegboard trust` shows it and asks."""
        ...

    def consented(self, folder: Path, wanted: Wanted) -> bool:
        """Whether the user has consented to this part of a folder, just as it is now."""
        ...

    def add_filter(self, surface: str, function: FilterFunction) -> None:
        """Add a filter of a way out ("*" for all). They run in the plugins' order; one that raises closes it."""
        ...

    def add_surface(self, *surfaces: Surface) -> None:
        """Declare ways out of this plugin's own, on which it calls `ctx.emit`."""
        ...

    def settings(self, model: type[Model], *, table: str = "", tightening: Sequence[str] = ()) -> Model:
        """Declare the type of this plugin's table and return its settings now.

        *table* is the plugin's own name unless given. *tightening* names the keys that may count from a folder
        that is not trusted, because they can only tighten; all others are held back there. Raises SettingsError.
        """
        ...

    def all_settings(self) -> SettingsView:
        """Return every setting with its origin."""
        ...


class NoServiceError(PegboardError):
    """A plugin asked for a service that nobody registered."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no service {name!r}; is its plugin installed and enabled? `pegboard plugins list`")
