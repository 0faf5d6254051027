"""What can go wrong, said so that a person can mend it: one exception per kind, its facts as attributes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that *name* was probably meant to be; None if none is close."""
    import difflib

    by_lower = {word.lower(): word for word in sorted(known, reverse=True)}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for a sentence to end with, or an empty string."""
    close = nearest(name, known)
    return f" Did you mean {close!r}?" if close else ""


class PegboardError(Exception):
    """Every error that is ours. The command line prints it and ends with `exit_code`."""

    exit_code: ClassVar[int] = 1


# --- plugins and hooks ---------------------------------------------------------------------------------


class PluginError(PegboardError):
    """A plugin cannot be used; only that plugin suffers."""

    def __init__(self, plugin: str, reason: str) -> None:
        self.plugin = plugin
        self.reason = reason
        super().__init__(f"plugin {plugin!r}: {reason}")


class UnacceptedError(PluginError):
    """A plugin declares more than the user has accepted."""


class IncompatibleError(PluginError):
    """A plugin is for another version of the host."""


class UnknownHookError(PluginError):
    """A plugin implements a hook that no hookspec declares."""

    def __init__(self, plugin: str, hook: str, known: Iterable[str]) -> None:
        self.hook = hook
        self.nearest = nearest(hook, known)
        hint = f" Did you mean {self.nearest!r}?" if self.nearest else ""
        super().__init__(
            plugin,
            f"implements {hook!r}, which is no hook of this host.{hint} `pegboard hooks specs` shows them all.",
        )


class HookSignatureError(PluginError):
    """An implementation cannot be called the way its hookspec says."""

    def __init__(self, plugin: str, hook: str, problem: str) -> None:
        self.hook = hook
        super().__init__(plugin, f"{hook}: {problem}")


class DuplicatePluginError(PluginError):
    """Two distributions ship an entry point of one name. *stands* is the owner whose plugin is used all the same."""

    def __init__(self, plugin: str, owners: tuple[str, ...], stands: str = "") -> None:
        self.owners = owners
        both = " and ".join(owners)
        used = f"that of {stands} stands" if stands else "neither is used"
        super().__init__(plugin, f"is shipped by {both}, so {used}")


class DuplicateToolError(PluginError):
    """Two plugins register a tool of one name."""

    def __init__(self, tool: str, first: str, second: str) -> None:
        self.tool = tool
        self.owners = (first, second)
        super().__init__(
            second,
            f"registers the tool {tool!r}, which {first!r} has registered already. "
            f'Give one another name in the settings: [plugins.aliases] "{second}.{tool}" = "other_name"',
        )


class OrderCycleError(PegboardError):
    """Plugins want to come before each other in a circle."""

    def __init__(self, hook: str, circle: tuple[str, ...]) -> None:
        self.hook = hook
        self.circle = circle
        path = " before ".join(circle)
        super().__init__(
            f"the order of {hook!r} goes round in a circle: {path}. "
            f"Take one before=/after= away, or disable one of them."
        )


class HookTimeoutError(PegboardError):
    """An implementation did not answer before its deadline."""

    def __init__(self, plugin: str = "?", hook: str = "?", seconds: float = 0.0) -> None:
        self.plugin = plugin
        self.hook = hook
        self.seconds = seconds
        super().__init__(f"{plugin!r} did not answer {hook!r} within {seconds:g} s")


class WrongAnswerError(PegboardError):
    """An implementation answered with a type that its hookspec does not allow."""

    def __init__(self, plugin: str, hook: str, got: str, wanted: str) -> None:
        self.plugin = plugin
        self.hook = hook
        may = f"it may answer {wanted} or None" if wanted != "nothing" else "it answers nothing"
        super().__init__(f"{plugin!r} answered {hook!r} with {got}; {may}")


# --- settings ------------------------------------------------------------------------------------------


class SettingsError(PegboardError):
    """A settings file, variable or option says something that nobody understands."""

    def __init__(self, problem: str, *, file: Path | str | None = None, line: int | None = None) -> None:
        self.problem = problem
        self.file = file
        self.line = line
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + problem)


# --- tools ---------------------------------------------------------------------------------------------


class ToolError(PegboardError):
    """A tool refuses or fails; the model reads the message, so say what to do instead."""


class UnknownToolError(ToolError):
    """A call names a tool that nobody registered."""

    def __init__(self, tool: str, known: Iterable[str]) -> None:
        self.tool = tool
        names = sorted(known)
        super().__init__(f"there is no tool {tool!r}.{did_you_mean(tool, names)} Tools: {', '.join(names)}.")


class ToolInputError(ToolError):
    """A call's input does not fit the tool's schema."""

    def __init__(self, tool: str, problems: tuple[str, ...]) -> None:
        self.tool = tool
        self.problems = problems
        super().__init__(f"the input of {tool} does not fit its schema: " + "; ".join(problems))


class EgressClosedError(PegboardError):
    """A filter of a way out failed or refused, so nothing leaves there. `refused` says that it was on purpose."""

    refused = False

    def __init__(self, surface: str, by: str, reason: str) -> None:
        self.surface = surface
        self.by = by
        self.reason = reason
        super().__init__(f"the surface {surface!r} is closed by {by!r}: {reason}")


# --- models --------------------------------------------------------------------------------------------


class AgentError(PegboardError):
    """A sub-agent cannot be started."""


class ModelError(PegboardError):
    """A model request failed.

    `status` is the HTTP status or 0 when no answer came; `retry_after` in seconds where the server said so;
    `retryable` says whether the same request may succeed later; `out_of_time` that it would have been sent again, and
    the turn has no time left for that: the turn then ends at its limit, not as an error.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        retryable: bool = False,
        retry_after: float | None = None,
        out_of_time: bool = False,
    ) -> None:
        self.out_of_time = out_of_time
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        super().__init__(message)


class ContextOverflowError(ModelError):
    """The request is longer than the model's context window."""


class UnknownModelError(ModelError):
    """No plugin answers for this model name."""

    def __init__(self, model: str, known: Iterable[str]) -> None:
        self.model = model
        names = sorted(known)
        some = ", ".join(f"{name}:NAME" for name in names) or "none: every model plugin is off"
        prefix, colon, rest = model.partition(":")
        near = nearest(prefix, names) if colon else None
        hint = f" Did you mean {f'{near}:{rest}'!r}?" if near else "" if colon else " Say it as PREFIX:NAME."
        super().__init__(f"no plugin answers for the model {model!r}.{hint} There are: {some}.")


class MissingKeyError(ModelError):
    """A model needs a key that nobody gave."""


class ScriptError(PegboardError):
    """A scripted model's file is wrong, has run out of turns, or a request does not meet its `expect`."""


class InvalidRequestError(PegboardError):
    """A message list breaks an invariant of the Messages API."""

    def __init__(self, problem: str, *, index: int | None = None) -> None:
        self.problem = problem
        self.index = index
        where = f"message {index}: " if index is not None else ""
        super().__init__(where + problem)


# --- sessions and journals -----------------------------------------------------------------------------


class UnknownSessionError(PegboardError):
    """No session has this id; an empty one stands for the newest session of a folder that has none.

    *above* is a folder around that one which has some.
    """

    def __init__(self, wanted: str, known: Iterable[str] = (), *, above: str = "") -> None:
        self.wanted = wanted
        here = f" One above, {above}, has some: go there, or say --cwd." if above else ""
        super().__init__(
            f"there is no session {wanted!r}.{did_you_mean(wanted, known)} `pegboard sessions list` shows them."
            if wanted
            else f"there is no session of this folder yet.{here} `pegboard sessions list --all` shows those of others."
        )


class UnknownCallError(PegboardError):
    """The journal knows no tool call of this id."""

    def __init__(self, call_id: str, known: Iterable[str]) -> None:
        self.call_id = call_id
        super().__init__(
            f"this session has no call {call_id!r}.{did_you_mean(call_id, known)} `pegboard trace` shows them."
        )


class SessionLockedError(PegboardError):
    """Another process is writing this session's journal."""

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"the session is in use by {who} ({path}). Wait for it, or fork it: pegboard sessions fork")


class JournalError(PegboardError):
    """A journal cannot be written or read at all."""


class LimitError(PegboardError):
    """A ceiling ended the run."""

    exit_code = 4


class BlockedError(PegboardError):
    """The run itself was blocked: prompt refused, run stopped or deferred by a hook."""

    exit_code = 5
