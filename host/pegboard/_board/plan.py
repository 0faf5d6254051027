"""A plan: the implementations of every hook in their order, compiled once per snapshot."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cache
from types import FunctionType
from typing import Any

from pegboard import hookspecs
from pegboard._dataclass import dataclass
from pegboard.hookspecs import NO_OPTIONS, OPTIONS, ImplOptions, Policy
from pegboard.records import PlanRecord, PluginStamp

NAMES = re.compile(r"[A-Za-z0-9_\- ,|]*")
MATCHED_HOOKS = frozenset({"prompt_submit", "pre_tool", "post_tool", "lifecycle", "event"})
Limit = float | Callable[..., float | None] | None


@dataclass(frozen=True, eq=False)
class Impl:
    """One implementation of one hook. `call` takes all of the hookspec's arguments by position."""

    index: int
    plugin: str
    hook: str
    call: Callable[..., Any]
    takes: frozenset[str]
    """The names of the arguments that its function takes."""
    brief: Callable[[Any], Any] | None
    """The function itself where it takes only the first of the arguments: so it need not be called through `call`."""
    limit: Limit
    is_async: bool
    options: ImplOptions
    match: Callable[[str], bool] | None
    plain: bool
    """Whether it is a `def` that is called directly, under a fixed limit."""
    stepped: bool
    """Whether it is an `async def` that is stepped in place, under a fixed limit."""
    held: str = ""
    """`shadow` or `warn` where its answers decide nothing."""
    ramp: str = ""
    """The flag that holds it."""
    lacks: frozenset[str] = frozenset()
    """The permissions that its plugin has not declared."""

    def __str__(self) -> str:
        return f"{self.plugin}.{self.hook}"


@dataclass(frozen=True)
class Plan:
    """Everything about hooks that stays the same for a turn."""

    id: str
    hooks: Mapping[str, tuple[Impl, ...]]
    stamps: Mapping[str, PluginStamp]
    asleep: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """The plugins that are not imported yet, each with what wakes it; they become fewer."""
    lock: str = ""
    """The hash of the lock file that the packs were held to."""

    def record(self, flags: str = "") -> PlanRecord:
        """Return the plan as the journal keeps it."""
        hooks = {hook: tuple(impl.plugin for impl in impls) for hook, impls in self.hooks.items() if impls}
        return PlanRecord(plan=self.id, plugins=tuple(self.stamps.values()), hooks=hooks, flags=flags, lock=self.lock)


def make_impl(
    index: int,
    policy: Policy,
    hook: str,
    plugin: str,
    function: Any,
    held: str = "",
    ramp: str = "",
    lacks: frozenset[str] = frozenset(),
) -> Impl:
    """Compile one implementation."""
    options = options_on(function)
    limit = policy.timeout if options.timeout is None else options.timeout
    is_async = inspect.iscoroutinefunction(function)
    given, taken = parameters(hook, function)
    return Impl(
        index=index,
        plugin=plugin,
        hook=hook,
        call=adapter(hook, function),
        takes=frozenset(taken),
        brief=function if taken == given[:1] else None,
        limit=limit,
        is_async=is_async,
        options=options,
        match=matcher(options.matcher) if hook in MATCHED_HOOKS else None,
        plain=not (is_async or options.blocking or callable(limit)),
        stepped=is_async and not options.blocking and not callable(limit),
        held=held,
        ramp=ramp,
        lacks=lacks,
    )


def seconds_of(impl: Impl, event: Any) -> float | None:
    """Return the deadline of an implementation, which may depend on the event. Raises what its function raises."""
    limit = impl.limit(event) if callable(impl.limit) else impl.limit
    if limit is not None and not isinstance(limit, int | float):
        raise TypeError(f"timeout= gave {limit!r}; it must give seconds or None")
    return limit


def options_on(function: Any) -> ImplOptions:
    """Return what `@hookimpl` said on a function."""
    options: ImplOptions = getattr(function, OPTIONS, NO_OPTIONS)
    return options


@cache
def arguments_of(hook: str) -> tuple[str, ...]:
    """Return the names of a hook's arguments."""
    return tuple(inspect.signature(getattr(hookspecs, hook)).parameters)


def plain_arguments(function: Any) -> tuple[str, ...] | None:
    """Return the names of a function's arguments, where they are nothing but names; else `inspect` must look.

    A start asks two hundred times, and `inspect.signature` takes twenty times as long.
    """
    facts: dict[str, Any] = getattr(function, "__dict__", {})
    while "__wrapped__" in facts and "__signature__" not in facts:
        function = facts["__wrapped__"]
        facts = getattr(function, "__dict__", {})
    if type(function) is not FunctionType or "__signature__" in facts:
        return None
    code = function.__code__
    if code.co_kwonlyargcount or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return None
    return code.co_varnames[: code.co_argcount]


def parameters(hook: str, function: Callable[..., Any]) -> tuple[list[str], list[str]]:
    """Return the names of a hook's arguments, and those of them that *function* takes."""
    given, names = list(arguments_of(hook)), plain_arguments(function)
    if names is None:
        names = tuple(inspect.signature(function).parameters)
    return given, [name for name in names if name in given]


def adapter(hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of all of the hook's arguments that passes on the ones that *function* takes.

    Built from source text because a lambda made for the purpose costs a quarter of `**kwargs` filtering, and it is
    called for every implementation of every hook.
    """
    given, taken = parameters(hook, function)
    if taken == given:
        return function
    made: Callable[..., Any] = eval(f"lambda {', '.join(given)}: _f({', '.join(taken)})", {"_f": function})
    return made


def matcher(text: str | None) -> Callable[[str], bool] | None:
    """Return a test for tool names (hook-contract 2.3): names in a list are exact, anything else is a regex."""
    if text is None or text in ("", "*"):
        return None
    if NAMES.fullmatch(text):
        names = frozenset(name.strip() for name in re.split(r"[|,]", text))
        return names.__contains__
    pattern = re.compile(text)
    return lambda name: pattern.search(name) is not None
