"""Who takes part in a turn: the implementations of a plan, less those left out or, by their own word, not needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pegboard._board.plan import Impl, Plan, matcher
from pegboard.context import Ctx

Bound = tuple[Impl, Ctx]


class Turnout:
    """Asks each implementation's `when`. `bound` has who takes part by hook, `idle` the places of who does not."""

    def __init__(self, ctx_of: Callable[[str], Ctx]) -> None:
        self._ctx_of = ctx_of
        self._narrowed: dict[tuple[Impl, str], Impl] = {}
        self.bound: Mapping[str, tuple[Bound, ...]] = {}
        self.idle: dict[str, list[int]] = {}

    def ask(self, plan: Plan, left_out: Callable[[str, str], bool]) -> None:
        """Ask again; *left_out* says of a plugin and a hook whether it is quarantined or muted."""
        self.idle = {hook: [] for hook in plan.hooks}
        self.bound = {hook: self._of(hook, impls, left_out) for hook, impls in plan.hooks.items()}

    def _of(self, hook: str, impls: tuple[Impl, ...], left_out: Callable[[str, str], bool]) -> tuple[Bound, ...]:
        found = []
        for impl in impls:
            if left_out(impl.plugin, hook):
                continue
            ctx = self._ctx_of(impl.plugin)
            wanted = self._wanted(impl, ctx)
            if wanted is not None:
                found.append((wanted, ctx))
            else:
                self.idle[hook].append(impl.index)
        return tuple(found)

    def _wanted(self, impl: Impl, ctx: Ctx) -> Impl | None:
        """Return how an implementation takes part, None if it does not; one whose `when` fails had better say so."""
        when = impl.options.when
        if when is None:
            return impl
        try:
            said = when(ctx)
            if not isinstance(said, str):
                return impl if said else None
            if (impl, said) not in self._narrowed:
                self._narrowed[impl, said] = replace(impl, match=matcher(said))
            return self._narrowed[impl, said]
        except Exception:
            return impl
