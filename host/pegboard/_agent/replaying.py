"""Asking the hooks of a recorded call once more, in a copy of its session that is thrown away."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json

from pegboard._agent.journal import read_lines
from pegboard._agent.session import Session
from pegboard._agent.shapes import HostServices, Options
from pegboard._agent.store import open_journal
from pegboard._board.plan import Plan
from pegboard._dataclass import dataclass
from pegboard.errors import PegboardError, ToolError, UnknownCallError
from pegboard.flags import Flag, FlagDetails, FlagLayer, FlagSnapshot, UnknownFlagError
from pegboard.messages import Batch, ToolCall


@dataclass(slots=True)
class Recorded:
    """A call as its journal has it: the lines until it was decided, the calls beside it, and the verdict."""

    lines: list[bytes]
    call: ToolCall
    batch: tuple[ToolCall, ...]
    verdict: str
    flags: FlagSnapshot


class Host(HostServices, Protocol):
    """What a replay takes from the host."""

    cwd: Path


class ReplayedSession(Session):
    """A session in which nothing happens: hooks may look around, and neither models nor tools are asked."""

    async def ask_model(self, *given: Any, **more: Any) -> Any:
        """Refuse: an answer would cost money, and would be another one."""
        raise PegboardError("no model is asked while a decision is replayed")

    async def call_tool(self, plugin: str, name: str, given: dict[str, Any]) -> Any:
        """Refuse: tools act."""
        raise ToolError(f"{name} is not run while a decision is replayed")


def read_call(path: Path, wanted: str) -> Recorded:
    """Find a call by its id, or the beginning of one. Raises UnknownCallError and PegboardError."""
    lines: list[bytes] = []
    calls: dict[str, ToolCall] = {}
    requests: dict[str, list[str]] = {}
    flags = FlagSnapshot()
    decided: dict[str, tuple[int, str, FlagSnapshot]] = {}
    for _, _, line, raw in read_lines(path):
        if raw is None:
            continue
        kind = raw["type"]
        if kind == "assistant":
            for block in raw["message"]["content"]:
                if block.get("type") == "tool_use":
                    calls[block["id"]] = ToolCall(id=block["id"], name=block["name"], input=block["input"])
                    requests.setdefault(raw.get("request", ""), []).append(block["id"])
        elif kind == "tool_attempt" and raw.get("input"):
            given = from_json(raw["input"])
            calls.setdefault(
                raw["call"], ToolCall(id=raw["call"], name=raw["name"], input=given, origin=raw.get("origin", "model"))
            )
        elif kind == "flag_snapshot":
            flags = FlagSnapshot.restore(raw["values"], raw.get("facts") or {})
        elif kind == "hook" and raw["point"] == "pre_tool":
            decided[raw["subject"]] = (len(lines), raw["outcome"], flags)
        lines.append(line)
    found = [one for one in calls if one == wanted] or [one for one in calls if one.startswith(wanted)]
    if len(found) != 1:
        raise UnknownCallError(wanted, calls)
    (call_id,) = found
    if call_id not in decided:
        raise PegboardError(f"no hook was asked about {call_id}, so there is nothing to replay")
    until, verdict, then = decided[call_id]
    beside = next((ids for ids in requests.values() if call_id in ids), [call_id])
    return Recorded(lines[:until], calls[call_id], tuple(calls[one] for one in beside), verdict, then)


async def replay_call(
    host: Host, recorded: Recorded, declared: Mapping[str, Flag], flags: Mapping[str, Any], without: Collection[str]
) -> str:
    """Ask the `pre_tool` hooks about a recorded call, with other flags or fewer plugins; return their verdict."""
    folder = Path(tempfile.mkdtemp(prefix="pegboard-replay-"))
    try:
        path = folder / "copy.jsonl"
        path.write_bytes(b"".join(recorded.lines))
        journal, replay, damage = open_journal(path, fsync="off")
        try:
            session = ReplayedSession(
                host,
                session_id=replay.session_id,
                path=path,
                cwd=Path(replay.project or host.cwd),
                options=Options(flags=with_values(recorded.flags, declared, flags)),
                replay=replay,
                journal=journal,
                damage=damage,
                source="resume",
            )
            session.dispatcher.use(less(session.dispatcher.plan, without))
            return await _ask(host, session, recorded)
        finally:
            journal.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _ask(host: Host, session: ReplayedSession, recorded: Recorded) -> str:
    host.watchdog.enter()
    try:
        call = session.prepare(recorded.call)
        batch = Batch(calls=tuple(session.prepare(one) for one in recorded.batch))
        outcome = await session.dispatcher.pre_tool(call, batch, can_defer=len(batch.calls) == 1)
        return str(outcome.verdict or "none")
    finally:
        host.watchdog.leave()


def with_values(snapshot: FlagSnapshot, declared: Mapping[str, Flag], flags: Mapping[str, Any]) -> FlagSnapshot:
    """Return a snapshot with other values. Raises UnknownFlagError and FlagError."""
    changed = []
    for name, value in flags.items():
        if name not in declared:
            raise UnknownFlagError(name, declared)
        changed.append(FlagDetails(name, declared[name].check(value), layer=FlagLayer.SESSION))
    return snapshot.changed(changed)


def less(plan: Plan, without: Collection[str]) -> Plan:
    """Return a plan without the implementations of some plugins."""
    if not without:
        return plan
    hooks = {hook: tuple(impl for impl in impls if impl.plugin not in without) for hook, impls in plan.hooks.items()}
    return replace(plan, hooks=hooks)
