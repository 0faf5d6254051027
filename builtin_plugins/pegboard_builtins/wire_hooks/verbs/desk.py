"""What the verbs of `pegboard hooks` share: the host, the table of this project, and how hooks are fired by hand."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard.context import HostView
from pegboard.errors import PegboardError, SettingsError, did_you_mean
from pegboard.flags import Ramp, ramp_of
from pegboard.typed import dataclass

if TYPE_CHECKING:
    from pegboard_builtins.wire_hooks.firing import Fired, Place, Told
    from pegboard_builtins.wire_hooks.handlers import Handler
    from pegboard_builtins.wire_hooks.job import Job, RawResult
    from pegboard_builtins.wire_hooks.load import Entry, HookTable
    from pegboard_builtins.wire_hooks.parse import Said

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, stable and sorted.")]
EventArgument = Annotated[
    str, typer.Argument(metavar="EVENT", help="An event by any spelling: PreToolUse, pre_tool_use, pre-tool.")
]
WithOption = Annotated[
    Path | None,
    typer.Option("--with", help="The hooks of this settings file (TOML or JSON) in place of this project's."),
]


def host_of(ctx: typer.Context) -> HostView:
    """Return the host that the command line opened for this verb."""
    if ctx.obj is None:
        raise PegboardError("these verbs run under `pegboard` only")
    host: HostView = ctx.obj
    return host


def table_of(host: HostView) -> HookTable:
    """Return all declared hooks of the host's project."""
    from pegboard_builtins.wire_hooks.sources import read_table

    return read_table(host.settings, host.project, host.consented)


def table_in(path: Path | None, host: HostView) -> HookTable:
    """Return the hooks of one settings file, which somebody named, or those of the project. Raises PegboardError."""
    if path is None:
        return table_of(host)
    from pegboard_builtins.wire_hooks.sources import read_named

    return read_named(path)


def entry_of(table: HookTable, wanted: str) -> Entry:
    """Return a hook by its id. Raises PegboardError with the nearest."""
    for entry in table.entries:
        if entry.handler.id == wanted:
            return entry
    hint = did_you_mean(wanted, [entry.handler.id for entry in table.entries])
    raise PegboardError(f"there is no hook {wanted!r}.{hint} `pegboard hooks list` shows them all.")


def place_of(handler: Handler) -> str:
    """Return where a hook is declared, as file:line."""
    where = handler.where
    return f"{where.file}:{where.line}" if where.line else where.file or str(where.layer)


def trust_of(handler: Handler, consented: Any) -> str:
    """Return whether a hook has consent: yes, no, or that it needs none."""
    from pegboard_builtins.wire_hooks.load import FROM_THE_FOLDER

    if handler.where.layer not in FROM_THE_FOLDER:
        return "not needed"
    return "yes" if consented(handler) else "no"


# --- firing by hand ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Behind:
    """A hook that the host would not wait for, and what it said: its decisions do not count."""

    handler: Handler
    raw: RawResult
    said: Said


@dataclass(slots=True)
class HandFired:
    """An event that was fired without a session; `exported` is what was written for later Bash commands."""

    fired: Fired
    behind: list[Behind] = field(default_factory=list)
    exported: str = ""


class Bench:
    """Fires events with the real runners, without a session: what asks a model or a tool says that it needs one."""

    def __init__(self, host: HostView, table: HookTable) -> None:
        self.host = host
        self.table = table
        self._stack = AsyncExitStack()
        self._runners: Any = None
        self._flags: dict[str, Any] | None = None

    async def __aenter__(self) -> Bench:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def runners(self) -> Any:
        """Return the runners; the first who asks opens them."""
        if self._runners is None:
            from pegboard_builtins.wire_hooks.runners import open_runners

            self._runners = await self._stack.enter_async_context(open_runners())
        return self._runners

    def place(self, cwd: Path | None = None, session_id: str = "", env_file: Path | None = None) -> Place:
        """Return where an event is fired; a folder that is gone is replaced by the project's."""
        from pegboard_builtins.wire_hooks.firing import Place

        return Place(
            cwd=cwd if cwd is not None and cwd.is_dir() else self.host.project,
            project=self.host.project,
            session_id=session_id,
            env_file=env_file,
            switches=self.table.switches,
            ramp=self.ramp,
        )

    def ramp(self, handler: Handler) -> Ramp:
        """Return how far a hook counts here, as in a session that began now; in full where its flag is wrong."""
        if not (handler.flag or handler.ramp):
            return Ramp.ENFORCE
        if self._flags is None:
            self._flags = dict(self.host.resolve_flags().snapshot.values)
        if handler.flag in self._flags and self._flags[handler.flag] is not True:
            return Ramp.OFF
        try:
            return ramp_of(self._flags, handler.ramp) if handler.ramp in self._flags else Ramp.ENFORCE
        except SettingsError:
            return Ramp.ENFORCE

    async def fire(self, event: Told) -> HandFired:
        """Fire an event at every hook that it is for."""
        import tempfile

        from pydantic_core import from_json

        from pegboard_builtins.wire_hooks.firing import fire
        from pegboard_builtins.wire_hooks.session import WITH_ENV_FILE

        facts = from_json(event.line())
        waiting: list[tuple[Handler, Job]] = []
        with tempfile.TemporaryDirectory(prefix="pegboard-fire-") as folder:
            env_file = Path(folder) / "env.sh" if event.hook_event_name in WITH_ENV_FILE else None
            place = self.place(Path(str(facts.get("cwd", ""))), str(facts.get("session_id", "")), env_file)
            fired = await fire(self.table, event, place, self.runners, lambda *one: waiting.append(one))
            done = HandFired(fired, [await self._behind(handler, job) for handler, job in waiting])
            if env_file is not None and env_file.is_file():
                done.exported = env_file.read_text(errors="replace")
        return done

    async def _behind(self, handler: Handler, job: Job) -> Behind:
        from pegboard_builtins.wire_hooks.events import EVENTS
        from pegboard_builtins.wire_hooks.firing import run_one
        from pegboard_builtins.wire_hooks.parse import read

        raw = await run_one(await self.runners(), handler, job)
        return Behind(handler, raw, read(EVENTS[handler.event], handler, raw))
