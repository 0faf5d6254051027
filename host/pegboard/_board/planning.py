"""Compiling a plan: who takes part in each hook, in which order, and how far a session's flags let them count."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

from pegboard._board.dispatch import implementations
from pegboard._board.plan import Impl, Plan, adapter, make_impl, options_on
from pegboard._board.registry import Board
from pegboard.declares import Permission
from pegboard.flags import FlagView, Ramp, ramp_of
from pegboard.hookspecs import POLICIES, marked
from pegboard.records import PluginStamp

RAMPS = list(Ramp)


class FlagGates(Protocol):
    """What a session's flags say about who takes part, and how far."""

    def is_on(self, flag: str) -> bool: ...
    def ramp(self, flag: str) -> Ramp: ...


class AllOn:
    """The gates where no session is: everything takes part in full."""

    def is_on(self, flag: str) -> bool:
        """See FlagGates."""
        return True

    def ramp(self, flag: str) -> Ramp:
        """See FlagGates."""
        return Ramp.ENFORCE


class SessionGates:
    """The gates of one session's flags. Asking them is no read: a plan has a record of its own."""

    def __init__(self, flags: FlagView) -> None:
        self._flags = flags

    def is_on(self, flag: str) -> bool:
        """See FlagGates."""
        return bool(self._flags.peek(flag))

    def ramp(self, flag: str) -> Ramp:
        """See FlagGates."""
        return ramp_of({flag: self._flags.peek(flag)}, flag)


def compile_plan(board: Board, gates: FlagGates | None = None) -> Plan:
    """Compile the board as it stands; *gates* decides about what hangs from a flag (without it all are on)."""
    gates = gates or AllOn()
    active = sorted(board.active, key=lambda record: record.name)  # the set counts, not the order of registration
    stamps = {
        r.name: PluginStamp(name=r.name, distribution=r.distribution, version=r.version, hash=r.print_) for r in active
    }
    hooks: dict[str, tuple[Impl, ...]] = {}
    digest = hashlib.sha256()
    for hook, policy in POLICIES.items():
        if hook == "register":
            continue
        found = implementations(board, hook)
        ramps = {name: ramp_for(board, name, hook, found[name], gates) for name in board.ordered(hook)}
        names = [name for name, (how, _) in ramps.items() if how is not Ramp.OFF]
        names.sort(key=lambda name: not options_on(found[name]).rewrites)  # stable: rewriters first, each in its order
        held = {name: held_by(*ramps[name]) for name in names}
        hooks[hook] = tuple(
            make_impl(
                index, policy, hook, name, _bounded(board, hook, name, found[name]), *held[name], board.lacks(name)
            )
            for index, name in enumerate(names)
        )
        said = (f"{name}={held[name][0]}" if held[name][0] else name for name in names)
        digest.update(f"{hook}:{','.join(said)};".encode())
    for stamp in stamps.values():
        digest.update(f"{stamp.name} {stamp.distribution} {stamp.version} {stamp.hash};".encode())
    digest.update(board.lock.encode())
    return Plan(digest.hexdigest()[:12], hooks, stamps, board.asleep, board.lock)


def _bounded(board: Board, hook: str, plugin: str, function: Any) -> Any:
    """Return a frame of the model as it may stand: without `rewrite`, a model answers for its own names alone."""
    if hook != "model_call" or Permission.REWRITE not in board.lacks(plugin):
        return function
    contribution = board.contributions.get(plugin)
    own = frozenset(model.prefix for model in contribution.models) if contribution is not None else frozenset()
    call = adapter(hook, function)

    def model_call(request: Any, call_next: Any, ctx: Any) -> Any:
        return call(request, call_next, ctx) if request.model.partition(":")[0] in own else call_next(request)

    return marked(model_call, options_on(function))


def held_by(how: Ramp, flag: str) -> tuple[str, str]:
    """Return what an `Impl` keeps of a ramp: nothing where it counts in full."""
    return ("", "") if how is Ramp.ENFORCE else (str(how), flag)


def ramp_for(board: Board, plugin: str, hook: str, function: Any, gates: FlagGates) -> tuple[Ramp, str]:
    """Return how far one implementation counts, and the flag that says so: the mildest of its own and its pack's."""
    options = options_on(function)
    contribution = board.contributions.get(plugin)
    pack_flag, pack_ramp = (contribution.gate_flag, contribution.gate_ramp) if contribution is not None else ("", "")
    if any(flag and not gates.is_on(flag) for flag in (options.flag, pack_flag)):
        return Ramp.OFF, ""
    steps = [(gates.ramp(flag), flag) for flag in (options.ramp, pack_ramp) if flag]
    how, flag = min(steps, key=lambda step: RAMPS.index(step[0]), default=(Ramp.ENFORCE, ""))
    if hook == "model_call" and how is not Ramp.ENFORCE:
        return Ramp.OFF, flag  # a frame cannot be asked without being heeded
    return how, flag
