"""Who takes part in a turn: the implementations of a plan, less those that are not needed, by their own word."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from operator import is_

from pegboard._board.caught import pass_on
from pegboard._board.plan import Impl, Plan, matcher
from pegboard._board.whereabouts import AS_AGENT, is_somewhere
from pegboard.context import Ctx

Bound = tuple[Impl, Ctx]
Concerned = dict[tuple[str, tuple[str, ...]], bool]
"""Whether a session is one of those that a plugin's `where` names, as far as that was asked."""


class Turnout:
    """Asks each implementation's `when`: once a turn, and anew where something has come that concerns its plugin."""

    def __init__(self, ctx_of: Callable[[str], Ctx]) -> None:
        self._ctx_of = ctx_of
        self._made: dict[tuple[Impl, int, str], Impl] = {}
        self._answers: dict[Impl, bool | str] = {}
        self._last: tuple[Plan, Plan] | None = None
        self._begins_turn = False

    def ask(self, plan: Plan, plugins: Collection[str] | None = None) -> Plan:
        """Return the plan of a turn: the plan itself if all take part, else one of those that do, with its own id.

        With *plugins* only those are asked; what the others said last holds. Where the same take part as before, that
        is the very plan of before.
        """
        if all(impl.options.when is None and not impl.options.where for impls in plan.hooks.values() for impl in impls):
            return plan
        self._answers = {
            i: said for i, said in self._answers.items() if plugins is not None and i.plugin not in plugins
        }
        self._begins_turn = plugins is None
        idle: list[str] = []
        concerned: Concerned = {}
        hooks = {hook: self._of(impls, idle, concerned) for hook, impls in plan.hooks.items()}
        if self._last is not None and self._last[0] is plan and _are_the_same(self._last[1].hooks, hooks):
            return self._last[1]
        found = replace(plan, hooks=hooks)
        if idle:
            digest = hashlib.sha256(f"{plan.id} without {', '.join(idle)}".encode())
            found = replace(found, id=digest.hexdigest()[:12])
        self._last = (plan, found)
        return found

    def bind(self, plan: Plan, is_left_out: Callable[[str, str], bool]) -> Mapping[str, tuple[Bound, ...]]:
        """Pair who takes part with their Ctx; *is_left_out* says of a plugin and a hook whether it is quarantined."""
        return {
            hook: tuple((impl, self._ctx_of(impl.plugin)) for impl in impls if not is_left_out(impl.plugin, hook))
            for hook, impls in plan.hooks.items()
        }

    def _of(self, impls: tuple[Impl, ...], idle: list[str], concerned: Concerned) -> tuple[Impl, ...]:
        found: list[Impl] = []
        for impl in impls:
            said = self._answers.get(impl)
            if said is None:
                said = self._answers[impl] = self._said(impl, concerned)
            if said is False:
                idle.append(str(impl))
            else:
                found.append(self._as(impl, len(found), said if isinstance(said, str) else ""))
        return tuple(found)

    def _said(self, impl: Impl, concerned: Concerned) -> bool | str:
        """Ask; one whose `when` fails takes part: it had better say so itself."""
        options = impl.options
        if options.when is None and not options.where:
            return True
        try:
            ctx = self._ctx_of(impl.plugin)
            if options.where:
                # Asked once: most hooks of a plugin name the same paths.
                key = (impl.plugin, options.where)
                if key not in concerned:
                    concerned[key] = _concerns(options.where, ctx)
                if not concerned[key]:
                    return False
            if options.when is None:
                return True
            if isinstance(options.when, str):
                return bool(getattr(ctx.settings, options.when))
            ctx.begins_turn = self._begins_turn
            try:
                said = options.when(ctx)
            finally:
                ctx.begins_turn = False
            if isinstance(said, str):
                matcher(said)
                return said
            return bool(said)
        except BaseException as error:
            pass_on(error)
            return True

    def _as(self, impl: Impl, index: int, narrowed: str) -> Impl:
        """Return an implementation at its place in the turn's plan; always the same one, since failures are counted."""
        if not narrowed and index == impl.index:
            return impl
        key = (impl, index, narrowed)
        if key not in self._made:
            match = matcher(narrowed) if narrowed else impl.match
            self._made[key] = replace(impl, index=index, match=match)
        return self._made[key]


def _are_the_same(some: Mapping[str, tuple[Impl, ...]], others: Mapping[str, tuple[Impl, ...]]) -> bool:
    return all(len(impls) == len(others[hook]) and all(map(is_, impls, others[hook])) for hook, impls in some.items())


def _concerns(where: tuple[str, ...], ctx: Ctx) -> bool:
    """Whether a session is one of those that `where` names."""
    if AS_AGENT in where and ctx.agent_type and not ctx.agent_id:
        return True
    return is_somewhere(where, ctx.project, ctx.config_dir, ctx.all_settings)
