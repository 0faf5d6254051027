"""The host: opens settings, board and services once, and hands out sessions."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pegboard import __version__
from pegboard._agent.egress import Egress
from pegboard._agent.flagging import read_snapshot
from pegboard._agent.fold import Replay
from pegboard._agent.journal import Damage, Journal, read_records
from pegboard._agent.session import Session
from pegboard._agent.shapes import Options, RunResult
from pegboard._agent.showing import Shown
from pegboard._agent.store import AGENTS, SessionInfo, Store, open_journal
from pegboard._board.acceptance import AcceptedPacks, gone_since
from pegboard._board.caught import describe, pass_on
from pegboard._board.discovery import (
    LONGEST_REASON,
    EntryPointLike,
    PluginRecord,
    Selection,
    Status,
    find_plugins,
    installed_entry_points,
    tried_again,
)
from pegboard._board.local import brought, file_plugins, folder_plugins, settle_names, wanted_here
from pegboard._board.observing import OBSERVATIONS
from pegboard._board.order import Tier
from pegboard._board.plan import Plan
from pegboard._board.planning import SessionGates, compile_plan
from pegboard._board.registry import Board
from pegboard._board.snapshot import SWITCH, Snapshot
from pegboard._board.threads import Threads
from pegboard._board.trust import TrustStore
from pegboard._board.watchdog import Watchdog
from pegboard._board.whereabouts import is_somewhere
from pegboard._folders import config_folder, state_folder
from pegboard.context import (
    AgentBrief,
    AgentReport,
    Ailment,
    Ctx,
    Gate,
    NoServiceError,
    Prompt,
    Result,
    ToolSource,
    Wanted,
)
from pegboard.declares import Permission, UndeclaredError
from pegboard.egress import FilterFunction, Surface
from pegboard.errors import PegboardError, SettingsError
from pegboard.flags import Flag, FlagRequest, FlagSnapshot, FlagView, FlagVote, LiveCheck, Ramp, Resolution, resolve
from pegboard.output import clipped, visible
from pegboard.plugin_folders import PluginFolder
from pegboard.records import Record
from pegboard.requests import Layer, ModelInfo, Section, Stability
from pegboard.settings import LayerFile, SettingsView, load_settings
from pegboard.tools import Tool
from pegboard.typed import fields_of

__all__ = ["Host", "Options", "RunResult", "Session", "SessionInfo", "Shown"]

MOST_AILMENTS = 20
"""Findings of one health check that are told."""
SENDABLE = re.compile(r"[A-Za-z0-9][\w:.-]{0,199}")
"""Names of prompts that can be typed behind a slash."""
BASE_PROMPT = (
    "You are a coding agent. You work in the user's folder with the tools that you are given. "
    "Read before you change, make the smallest change that does the job, and check that it works. "
    "Text in <system-reminder> comes from the host or its hooks, never from the user."
)


class Host:
    """Everything that sessions share. `async with` it, or `open()` it where nothing runs.

    *cwd* is the project folder; *command_line* has settings tables by name, *given* whole files of that layer;
    *no_plugins* is the option's text
    ("" for the option without names, None if it was not given). *plugins* are further plugins as (name, object);
    *entry_points* replaces what is installed, and needs no trust. *strict* makes wrong settings an error at once;
    without it they are in `problems`, so that `doctor` and the like work in any state. *locked* refuses packs that are
    not those of the project's `pegboard.lock`, before any is imported. *tried* brings up packs that nothing is known
    of in a process of its own first: one that ends the interpreter ends only that.
    """

    def __init__(
        self,
        cwd: Path | None = None,
        *,
        command_line: Mapping[str, Any] | None = None,
        given: Sequence[LayerFile] = (),
        no_plugins: str | None = None,
        state_dir: Path | None = None,
        config_dir: Path | None = None,
        environment: Mapping[str, str] | None = None,
        entry_points: Iterable[EntryPointLike] | None = None,
        plugins: Sequence[tuple[str, Any]] = (),
        settings: SettingsView | None = None,
        strict: bool = True,
        locked: bool = False,
        tried: bool = False,
    ) -> None:
        self.cwd = (cwd or Path.cwd()).resolve()
        self.environment = os.environ if environment is None else environment
        self.state_dir = state_dir or state_folder(self.environment)
        self.config_dir = config_dir or config_folder(self.environment)
        self.trust = TrustStore(self.state_dir)
        self.store = Store(self.state_dir)
        self.threads = Threads()
        self.problems: list[SettingsError] = []
        self._command_line = command_line
        self._given = tuple(given)
        self._no_plugins = no_plugins
        self._entry_points = entry_points
        self.snapshot = Snapshot.of(self.state_dir, os.environ.get(SWITCH, "")) if entry_points is None else None
        self.packs = AcceptedPacks(self.state_dir, self.snapshot)
        self._extra = tuple(plugins)
        self._given_settings = settings
        self._strict = strict
        self._locked = locked
        self._tried = tried
        self._plans: dict[tuple[int, str, tuple[str, ...]], Plan] = {}
        self.flag_problems: list[str] = []
        self._services: dict[str, Any] = {}
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._opened = False
        self._gated: dict[tuple[str, str, tuple[str, ...]], Any] = {}
        self._tool_cache: tuple[int, dict[str, Tool]] | None = None
        self._folders: list[tuple[PluginRecord, PluginFolder | None]] = []

    # --- opening ---------------------------------------------------------------------------------------

    def open(self) -> Host:
        """Read settings and load plugins. Raises SettingsError if *strict*, LockDriftError if *locked*."""
        if self._opened:
            return self
        self.view = self._given_settings or self._load_settings()
        self.board = Board(self.view, self.trust.consented, partial(HostFace, self), self.snapshot)
        records = self._find()
        if self._tried:
            self._try_packs(records)
        if self._locked:
            self._hold_to_the_lock(records)
        self.board.load([*records, *self._further()])
        self._take_folders()
        owned = [record.name for record in self.board.records]
        try:
            if not any(record.status in (Status.DISABLED, Status.UNTRUSTED) for record in self.board.records):
                self.view.check_tables(owned)  # else the owner may take no part, and nobody asks what its table is
            self.view.session  # noqa: B018  (typed now, so that a wrong value is found here)
            self.view.model  # noqa: B018
        except SettingsError as error:
            self.problems.append(error)
        for record in self.board.records:
            if record.status is Status.CONFIG_ERROR:
                self.problems.append(SettingsError(record.reason))
        if self.problems and self._strict:
            raise self.problems[0]
        self._opened = True
        return self

    def find(self) -> list[PluginRecord]:
        """Return a record per plugin, importing none: those that `open` would load are `found`. Sets `view` too."""
        if self._opened:
            return self.board.records
        self.view = self._given_settings or self._load_settings()
        records = [*self._find(), *self._further()]
        if self.snapshot is not None:
            self.snapshot.save()
        return records

    @property
    def lock_file(self) -> Path:
        """Where the project's lock lies, if there is one."""
        return self.cwd / "pegboard.lock"

    def _try_packs(self, records: Sequence[PluginRecord]) -> None:
        from pegboard._board.trial import failures

        found = {
            record.name: record for record in records if record.status is Status.FOUND and self._is_unknown(record)
        }
        for name, what in failures((name, record.value) for name, record in found.items()).items():
            found[name].fail(Status.LOAD_ERROR, what, tried_again(found[name]))

    def _is_unknown(self, record: PluginRecord) -> bool:
        """Whether an installed plugin was never imported as it is."""
        if record.tier is Tier.HOST or not record.folder or record.plugin is not None:
            return False
        if self.snapshot is None:
            return True
        known = self.snapshot.manifest(record.distribution, record.version, record.name, record.value)
        return known is None

    def _hold_to_the_lock(self, records: Sequence[PluginRecord]) -> None:
        from pegboard._board import lock

        self.board.lock = lock.digest_of(self.lock_file)
        drift = lock.drift(lock.read(self.lock_file), lock.packs_of(records, self.packs.print_of), records)
        if drift:
            raise lock.LockDriftError(self.lock_file, drift)

    def _load_settings(self) -> SettingsView:
        return load_settings(
            self.cwd,
            config_dir=self.config_dir,
            trusted=self.trust.trusts(self.cwd),
            environment=self.environment,
            command_line=self._command_line,
            given=self._given,
            problems=None if self._strict else self.problems,
        )

    def _find(self) -> list[PluginRecord]:
        named: tuple[str, ...] = ()
        aliases: Mapping[str, str] = {}
        try:
            named, aliases = self.view.plugins.disabled, self.view.plugins.aliases
        except SettingsError as error:
            if self._strict:
                raise
            self.problems.append(error)
        where = self.view.origin("plugins", "disabled")
        disabled = dict.fromkeys(named, f"plugins.disabled names it ({where})")
        selection = Selection.of(
            option=self._no_plugins, variable=self.environment.get("PEGBOARD_NO_PLUGINS"), disabled=disabled
        )
        if self._entry_points is not None:  # whoever gives packs in code has chosen them
            records = find_plugins(self._entry_points, selection, aliases=aliases)
        else:
            records = find_plugins(self._points(), selection, self.packs.doubt, aliases)
        return [*records, *self._find_local(selection, records)]

    def _find_local(self, selection: Selection, installed: Sequence[PluginRecord]) -> list[PluginRecord]:
        """Return a record per plugin that nobody installed: single files and plugin folders."""

        def consented(wanted: Wanted) -> bool:
            return self.trust.consented(self.cwd, wanted)

        files = file_plugins(self.cwd, self.config_dir, consented)
        self._folders = folder_plugins(self.view, self.cwd, consented)
        records = [*files, *(record for record, _ in self._folders)]
        for record in records:
            why = selection.refuses(record)
            if why:
                record.fail(Status.DISABLED, why, "take its name out there")
        settle_names([*installed, *records])
        return records

    def _take_folders(self) -> None:
        """Let the folders take part that may, and those that packs bring."""
        brings = [(name, root) for name, one in self.board.contributions.items() for root in one.folders]
        for name, root in brings:
            owner = self.board.record(name)
            assert owner is not None
            record, folder = brought(owner, root)
            if self.board.record(record.name) not in (None, owner) and record.status is Status.FOUND:
                record.fail(Status.LOAD_ERROR, f"another plugin is called {record.name!r}, too", f"disable {name}")
            elif record.status is Status.FOUND:
                record.status = Status.ACTIVE
            if record.name != owner.name or record.status is not Status.ACTIVE:
                self.board.records.append(record)
            self._folders.append((record, folder))
        self.view.plugin_folders = tuple(
            folder for record, folder in self._folders if folder is not None and record.status is Status.ACTIVE
        )

    def _points(self) -> Iterable[EntryPointLike]:
        known = self.snapshot.points() if self.snapshot is not None else None
        return installed_entry_points() if known is None else known

    def _further(self) -> list[PluginRecord]:
        return [
            PluginRecord(
                name,
                value=getattr(plugin, "__name__", type(plugin).__name__),
                tier=Tier.SESSION,
                plugin=plugin,
                unbounded=getattr(plugin, "__spec__", None) is None,  # a module is a pack, whatever way it came
            )
            for name, plugin in self._extra
        ]

    async def __aenter__(self) -> Host:
        self.open()
        self.watchdog = Watchdog()
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._stack.aclose()
        finally:
            self.watchdog.close()
            self.threads.close()
            OBSERVATIONS.save(self.state_dir)

    # --- sessions --------------------------------------------------------------------------------------

    def session(
        self,
        options: Options | None = None,
        *,
        session_id: str | None = None,
        show: Callable[[Shown], None] | None = None,
        path: Path | None = None,
        source: str = "startup",
    ) -> Session:
        """Begin a session; *source* is "clear" where it takes another's place. Raises JournalError."""
        session_id = session_id or str(uuid.uuid4())
        where = path or self.store.path_of(self.cwd, session_id)
        if where.exists():
            raise PegboardError(f"there is a session {session_id} already ({where}); resume or fork it")
        journal = Journal(where, fsync=self.view.session.fsync)
        return self._session(session_id, where, options, journal, source=source, show=show)

    def resume(
        self,
        wanted: str | None = None,
        options: Options | None = None,
        *,
        show: Callable[[Shown], None] | None = None,
    ) -> Session:
        """Open a session again: by id (its beginning is enough), or the newest of this folder.

        Raises UnknownSessionError, SessionLockedError and JournalError.
        """
        path = self.store.find(wanted) if wanted else self.store.newest(self.cwd)
        if path.parent.name == AGENTS:
            above = path.parent.parent.name
            raise PegboardError(f"{path.stem} is a sub-agent of {above}, and ends with its task; go on with that one")
        journal, replay, damage = open_journal(path, fsync=self.view.session.fsync)
        source = "fork" if replay.is_new_fork else "resume" if replay.session_id else "startup"
        session_id = replay.session_id or path.stem
        return self._session(session_id, path, options, journal, replay=replay, damage=damage, source=source, show=show)

    def _session(
        self,
        session_id: str,
        path: Path,
        options: Options | None,
        journal: Journal,
        *,
        replay: Replay | None = None,
        damage: Damage | None = None,
        source: str = "startup",
        show: Callable[[Shown], None] | None = None,
    ) -> Session:
        try:
            return Session(
                self,
                session_id=session_id,
                path=path,
                cwd=self.cwd,
                options=options or Options(),
                replay=replay,
                journal=journal,
                damage=damage,
                source=source,
                show=show,
            )
        except BaseException:
            journal.close()
            raise

    # --- what sessions take (session.HostServices) -----------------------------------------------------

    async def run_agent(self, above: Session, brief: AgentBrief) -> AgentReport:
        """Run a sub-agent of a session to its end. Raises AgentError."""
        from pegboard._agent.sub_session import run_agent

        return await run_agent(above, brief)

    def plan(self, flags: FlagView) -> Plan:
        """Return the plan for a session with these flags."""
        key = (self.board.generation, flags.snapshot_id, flags.gone_safe)
        if key not in self._plans:
            self._plans[key] = compile_plan(self.board, SessionGates(flags))
        return self._plans[key]

    def declared_flags(self) -> Mapping[str, Flag]:
        """Return every declared flag by name."""
        return self.board.flags

    def resolve_flags(self, request: FlagRequest) -> Resolution:
        """Ask every flag source, and let the highest layer decide each flag. Raises SettingsError of a source.

        A source that fails otherwise costs only what it would have said; `flag_problems` has it.
        """
        votes: list[FlagVote] = []
        self.flag_problems = []
        for name, contribution in self.board.contributions.items():
            for source in contribution.flag_sources:
                try:
                    said = list(source(request))
                    wrong = next((vote for vote in said if not isinstance(vote, FlagVote)), None)
                    if wrong is not None:
                        raise TypeError(f"it returned a {type(wrong).__name__} among its votes")
                    votes += said
                except SettingsError:
                    raise
                except BaseException as error:
                    pass_on(error)
                    self.flag_problems.append(f"the flag source of {name!r} failed: {describe(error)}")
        return resolve(request.flags, votes)

    def live_check(self) -> LiveCheck | None:
        """Return what tells which kill switches were thrown; None if nobody can tell."""
        checks = [check for contribution in self.board.contributions.values() for check in contribution.live_checks]
        if len(checks) < 2:
            return checks[0] if checks else None
        return lambda: {name: value for check in checks for name, value in check().items()}

    def session_tools(self, flags: FlagView, interactive: bool) -> dict[str, Tool]:
        """Return the tools of a session with these flags, with a person or without one, sorted by name."""
        if self._tool_cache is None or self._tool_cache[0] != self.board.generation:
            self._tool_cache = (self.board.generation, self.board.tools)
        tools = self._tool_cache[1]
        off = {*self.switched_off(flags), *(name for name, tool in tools.items() if not self._has_place(tool))}
        if not interactive:
            off.update(name for name, tool in tools.items() if tool.needs_person)
        return {name: tool for name, tool in tools.items() if name not in off} if off else tools

    def _has_place(self, tool: Tool) -> bool:
        return not tool.where or is_somewhere(tool.where, self.cwd, self.config_dir, self.view)

    def tool_sources(self, flags: FlagView) -> list[tuple[str, ToolSource]]:
        """Return what may bring tools to a session with these flags, each with its plugin."""
        sources = self.board.tool_sources
        if not sources:
            return sources
        closed = {gate.plugin for gate in self.board.gates if gate.kind == "plugin" and not opens(gate, flags)}
        return [(name, one) for name, one in sources if name not in closed and self._concerns(name, one)]

    def _concerns(self, plugin: str, source: ToolSource) -> bool:
        """Whether a source has anything to do here: it names a path that exists, or its plugin was given settings."""
        if not source.where:
            return True
        had = self.board.contributions[plugin]
        return self.board.says_anything({**had.tables, **had.asleep_tables}) or is_somewhere(
            source.where, self.cwd, self.config_dir, self.view
        )

    def switched_off(self, flags: FlagView) -> dict[str, str]:
        """Return the tools that a flag keeps out of a session, each with that flag."""
        gates = [gate for gate in self.board.gates if gate.kind in ("tool", "plugin")]
        if not gates:
            return {}
        off = {}
        for name, tool in self.board.tools.items():
            for gate in gates:
                meant = gate.name == name if gate.kind == "tool" else gate.plugin == tool.owner
                if meant and not opens(gate, flags):
                    off[name] = gate.flag
        return off

    def session_sections(self, flags: FlagView, workspace: Path) -> tuple[Section, ...]:
        """Return the sections of a session's prompt; it works in the files of *workspace*."""
        base = Section(name="pegboard", text=BASE_PROMPT, owner="host")
        place = Section(
            name="place",
            text=f"The working folder is {workspace}.",
            layer=Layer.SYSTEM,
            stability=Stability.SESSION,
            owner="host",
        )
        closed = [g for g in self.board.gates if g.kind in ("section", "plugin") and not opens(g, flags)]
        out = {(gate.kind, gate.plugin, gate.name if gate.kind == "section" else "") for gate in closed}
        sections = self.board.sections
        if out:
            sections = tuple(
                one
                for one in sections
                if ("section", one.owner, one.name) not in out and ("plugin", one.owner, "") not in out
            )
        return (base, place, *sections)

    def filters(self) -> tuple[tuple[str, str, FilterFunction], ...]:
        """Return the filters of the ways out."""
        return self.board.filters

    def model_infos(self) -> Mapping[str, ModelInfo]:
        """Return the model families by prefix."""
        return self.board.models

    def plugin_settings(self, plugin: str, flags: FlagView) -> Any:
        """Return a plugin's settings in one session: its model, or its table. A gated key is at its default."""
        if plugin in self.board.asleep:
            self.board.wake(plugin)
        contribution = self.board.contributions.get(plugin)
        if contribution is None or contribution.own_settings is None:
            return self.view.table(plugin)
        own = contribution.own_settings
        off = {key for key, flag in contribution.gated.items() if not flags.peek(flag)}
        if not off:
            return own
        key = (plugin, flags.snapshot_id, flags.gone_safe)
        if key not in self._gated:
            defaults = {name: fields_of(type(own))[name].get_default(call_default_factory=True) for name in sorted(off)}
            self._gated[key] = own.model_copy(update=defaults)
        return self._gated[key]

    def prompts(self, session: Session) -> dict[str, Prompt]:
        """Return the prompts that can be sent by name in a session, sorted; the first plugin in order has a name."""
        found: dict[str, Prompt] = {}
        for plugin, contribution in sorted(self.board.contributions.items()):
            for source in contribution.prompts:
                try:
                    for one in source(session.ctx(plugin)):
                        if SENDABLE.fullmatch(one.name):
                            found.setdefault(one.name, Prompt(one.name, one_line(one.help), one_line(one.args)))
                except BaseException as error:  # who types a command must not be kept from typing
                    pass_on(error)
                    session.ctx(plugin).log.warning("its prompts cannot be listed: %s", describe(error))
        return dict(sorted(found.items()))

    async def service(self, name: str) -> Any:
        """Return a service; the first who asks opens it, and the host closes it."""
        async with self._opening:
            return await self._open_service(name)

    async def _open_service(self, name: str) -> Any:
        if name not in self._services:
            for contribution in self.board.contributions.values():
                factory = contribution.services.get(name)
                if factory is not None:
                    self._services[name] = await self._stack.enter_async_context(factory())
                    break
            else:
                raise NoServiceError(name)
        return self._services[name]

    def consented(self, folder: Path, wanted: Wanted) -> bool:
        """Whether the user has consented to this part of a folder."""
        return self.trust.consented(folder, wanted)

    def may(self, plugin: str, permission: str) -> bool:
        """Whether a plugin has declared that it does this."""
        return permission not in self.board.lacks(plugin)

    def wanted(self) -> list[Wanted]:
        """Return what of this folder runs only with consent, as the plugins say it, in their order."""
        contributions = [contribution for _, contribution in sorted(self.board.contributions.items())]
        here = wanted_here(self.cwd, self.view)
        return here + [one for contribution in contributions for ask in contribution.consents for one in ask(self.cwd)]

    def secret(self, plugin: str, name: str) -> str | None:
        """Return a secret: from the environment, or the keyring where that extra is installed."""
        found = self.environment.get(name)
        if found:
            return found
        try:
            import keyring
        except ImportError:
            return None
        try:
            return keyring.get_password("pegboard", name)
        except Exception:  # a keyring that is locked or has no backend is nobody's fault here
            return None

    # --- for people ------------------------------------------------------------------------------------

    def held_back(self) -> list[str]:
        """Return what an untrusted folder said and what does not count, in words."""
        return [
            f"{key} = {said.value!r} ({said.source}) is held back: this folder is not trusted"
            for key, said in self.view.held_back
        ]

    def gone(self) -> str:
        """Return, in one line and once, which packs this environment has lost; empty if none."""
        if self.snapshot is None or not self.snapshot.reason:
            return ""  # nothing has changed since somebody looked
        lost = gone_since(self.state_dir, self.board.records)
        if not lost:
            return ""
        names = " ".join(lost)
        return f"no longer installed here: {names}. If that was not meant: `pegboard plugins install {names}`"

    def untrusted(self) -> str:
        """Return, in one line, which packs take no part because nobody has accepted them; empty if none."""
        waiting = sorted({record.distribution for record in self.board.records if record.status is Status.UNTRUSTED})
        if not waiting:
            return ""
        some = ", ".join(waiting[:5]) + (f" and {len(waiting) - 5} more" if len(waiting) > 5 else "")
        names = waiting[0] if len(waiting) == 1 else ""
        return f"not trusted, so it takes no part: {some}. `pegboard plugins trust {names}".rstrip() + "` shows it."

    def health(self) -> list[tuple[str, str, Sequence[Ailment]]]:
        """Ask every health check; return (plugin, check, what was found)."""
        answers: list[tuple[str, str, Sequence[Ailment]]] = []
        for name, contribution in sorted(self.board.contributions.items()):
            for check in contribution.checks:
                try:
                    found = tuple(map(_bounded, _ailments(check.ask())))
                except BaseException as error:
                    pass_on(error)
                    found = (_bounded(Ailment(f"the check itself failed: {describe(error)}")),)
                answers.append((name, check.name, found))
        return answers


def _ailments(said: Any) -> Sequence[Ailment]:
    if isinstance(said, str):
        return (Ailment(said),) if said else ()
    return tuple(said or ())[:MOST_AILMENTS]


def _bounded(one: Ailment) -> Ailment:
    """Return what a health check found in words that do not flood what others have found."""
    return replace(
        one, text=clipped(one.text, LONGEST_REASON), where=clipped(one.where, 300), mend=clipped(one.mend, 300)
    )


def one_line(text: str, limit: int = 300) -> str:
    """Return a pack's words for a terminal: one line, bounded, with nothing in it that would be obeyed."""
    return visible(" ".join(text[: 4 * limit].split()))[:limit]


def opens(gate: Gate, flags: FlagView) -> bool:
    """Whether a tool or a section behind a gate is there: in shadow, what a pack brings besides hooks is not."""
    value = flags.peek(gate.flag)
    return value in (True, Ramp.ENFORCE) if gate.how == "ramp" else bool(value)


class HostFace:
    """The host as plugins see it: see context.HostView. That of one plugin is bounded by what that one declares."""

    def __init__(self, host: Host, plugin: str = "") -> None:
        self._host = host
        self._plugin = plugin

    @property
    def project(self) -> Path:
        """See context.HostView."""
        return self._host.cwd

    @property
    def state_dir(self) -> Path:
        """See context.HostView."""
        return self._host.state_dir

    @property
    def config_dir(self) -> Path:
        """See context.HostView."""
        return self._host.config_dir

    @property
    def environment(self) -> Mapping[str, str]:
        """See context.HostView."""
        return self._host.environment

    @property
    def settings(self) -> SettingsView:
        """See context.HostView."""
        return self._host.view

    def secret(self, name: str) -> str | None:
        """See context.HostView."""
        if self._plugin and not self._host.may(self._plugin, Permission.SECRET):
            raise UndeclaredError(self._plugin, Permission.SECRET)
        return self._host.secret(self._plugin, name)

    def flags(self) -> Mapping[str, Flag]:
        """See context.HostView."""
        return self._host.board.flags

    def resolve_flags(self) -> Resolution:
        """See context.HostView."""
        return self._host.resolve_flags(FlagRequest(self.flags(), project=self.project, version=__version__))

    def snapshot(self, wanted: str) -> FlagSnapshot:
        """See context.HostView."""
        return read_snapshot(self.state_dir, wanted)

    def gates(self) -> Sequence[Gate]:
        """See context.HostView."""
        return self._host.board.gates

    def plugins(self) -> Mapping[str, tuple[str, Any]]:
        """See context.HostView."""
        self._host.board.wake_all()
        return {record.name: (str(record.status), record.plugin) for record in self._host.board.records}

    def surfaces(self) -> Mapping[str, tuple[str, Surface]]:
        """See context.HostView."""
        return self._host.board.surfaces

    def tools(self) -> Mapping[str, Tool]:
        """See context.HostView."""
        return self._host.board.tools

    def consented(self, wanted: Wanted) -> bool:
        """See context.HostView."""
        return self._host.consented(self.project, wanted)

    def wanted(self) -> Sequence[Wanted]:
        """See context.HostView."""
        return self._host.wanted()

    def sessions(self, *, everywhere: bool = False) -> Sequence[Path]:
        """See context.HostView."""
        return self._host.store.paths(None if everywhere else self.project)

    def find_session(self, wanted: str | None = None) -> Path:
        """See context.HostView."""
        return self._host.store.find(wanted) if wanted else self._host.store.newest(self.project)

    def records(self, path: Path) -> Iterator[Record]:
        """See context.HostView."""
        return read_records(path)

    def recorded_verdict(self, path: Path, call: str) -> str:
        """See context.HostView."""
        from pegboard._agent.replaying import read_call

        return read_call(path, call).verdict

    def replay(
        self, path: Path, call: str, *, flags: Mapping[str, Any] | None = None, without: Sequence[str] = ()
    ) -> str:
        """See context.HostView."""
        from pegboard._agent.replaying import read_call, replay_call

        async def replayed() -> str:
            async with self._host as host:
                return await replay_call(host, read_call(path, call), self.flags(), flags or {}, without)

        return asyncio.run(replayed())

    def emit(self, surface: str, payload: Any) -> Any:
        """See context.HostView."""
        filters = self._host.filters()
        return Egress(filters, lambda record: None).emit(surface, payload) if filters else payload

    def in_session(self, plugin: str, work: Callable[[Ctx], Awaitable[Result]], *, model: str = "") -> Result:
        """See context.HostView."""

        async def done() -> Result:
            async with self._host as host, host.session(Options(model=model)) as session:
                return await work(session.ctx(plugin))

        return asyncio.run(done())
