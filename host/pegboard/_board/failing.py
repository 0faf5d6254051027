"""What comes of implementations that fail: they are counted, told of, and left out after three times in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pegboard._board.outcomes import Failure
from pegboard._board.plan import Impl, Plan
from pegboard._board.surroundings import Surroundings
from pegboard.records import Quarantined

FAILURES_IN_A_ROW = 3


class Failures:
    """Counts the failures of one session. *plan* gives the plan of the turn; *rebind* is called when one is left out.

    A guard is never left out: its failure is a refusal, and stays one.
    """

    def __init__(self, around: Surroundings, plan: Callable[[], Plan], rebind: Callable[[], None]) -> None:
        self._around = around
        self._plan = plan
        self._rebind = rebind
        self.counts: dict[Impl, int] = {}
        self.quarantined: dict[str, str] = {}
        self.muted: set[str] = set()

    def leaves_out(self, plugin: str, hook: str) -> bool:
        """Whether a plugin is not called for a hook any more."""
        return plugin in self.quarantined or (hook == "event" and plugin in self.muted)

    def settle(self, called: Sequence[tuple[Impl, Any]], answers: Sequence[Any]) -> None:
        """Begin to count anew for those that did not fail this time."""
        for (impl, _), answer in zip(called, answers, strict=True):
            if not isinstance(answer, Failure):
                self.counts.pop(impl, None)

    def take(self, impl: Impl, error: str) -> None:
        """Tell of a failure, count it, and quarantine who fails again and again."""
        if impl.hook == "event":
            self._mute(impl, error)
            return
        level = "error" if impl.options.guard else "warning"
        self._around.notice(impl.plugin, f"{impl.hook} failed: {error}", level)
        if impl.options.guard:
            return
        count = self.counts[impl] = self.counts.get(impl, 0) + 1
        if count >= FAILURES_IN_A_ROW and impl.plugin not in self.quarantined:
            self._quarantine(impl, error)

    def _mute(self, impl: Impl, error: str) -> None:
        """Count an observer's failure, and stop telling it after some. A notice is a record that it would be told."""
        count = self.counts[impl] = self.counts.get(impl, 0) + 1
        if count < FAILURES_IN_A_ROW or impl.plugin in self.muted:
            return
        self.muted.add(impl.plugin)
        self._rebind()
        self._around.notice(
            impl.plugin,
            f"event failed {count} times and is muted until the session ends; its other hooks go on. "
            f"The last error: {error}",
            "warning",
        )

    def _quarantine(self, impl: Impl, error: str) -> None:
        hooks = self._plan().hooks.values()
        if any(other.options.guard for impls in hooks for other in impls if other.plugin == impl.plugin):
            return
        self.quarantined[impl.plugin] = error
        self._around.write(Quarantined(plugin=impl.plugin, hook=impl.hook, reason=error))
        self._around.notice(
            impl.plugin,
            f"failed {FAILURES_IN_A_ROW} times in a row and is left out until the session ends. "
            f"The last error: {error}. A new session tries it again; `pegboard plugins info {impl.plugin}` tells more.",
            "error",
        )
        self._rebind()
