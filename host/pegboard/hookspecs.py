"""THE TABLE OF CONTENTS: the eleven hooks of a session, each with its contract and its policy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import field
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar, overload

import pluggy
from pydantic_core import to_json

from pegboard._dataclass import dataclass
from pegboard.context import Ctx, Registry
from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    Skip,
    StepDecision,
)
from pegboard.messages import Batch, Outcome, ToolCall
from pegboard.records import Event, Record
from pegboard.requests import (
    CallNext,
    CompactionJob,
    CompactionResult,
    Request,
    RequestDraft,
    RequestPatch,
    StreamEvent,
)

PROJECT = "pegboard"


class Mode(StrEnum):
    """How the answers of a hook's implementations become one."""

    COLLECT = "collect"
    REWRITE = "rewrite in order"
    REWRITE_DECIDE = "rewrite in order, then decide together"
    FIRST = "first answer"
    DECIDE = "decide"
    WRAP = "wrap"
    OBSERVE = "observe"


class OnError(StrEnum):
    """What a failure means: OPEN leaves the answer out, CLOSED refuses, DISABLE takes the plugin out."""

    OPEN = "open"
    CLOSED = "closed"
    GUARD_CLOSED = "guard: closed, else open"
    NEXT = "next"
    DISABLE = "plugin disabled"
    MUTE = "muted after repeated failure"


@dataclass(frozen=True)
class Policy:
    """Failure is policy, and policy is data: how a hook is dispatched.

    `timeout` is in seconds, None for no limit; `answers` are the types that may be answered beside None;
    `since` is the version of the host that brought the hook.
    """

    mode: Mode
    timeout: float | None
    on_error: OnError
    answers: tuple[type, ...] = ()
    point: str = ""
    since: str = "0.1"


@dataclass(frozen=True)
class State:
    """What `next_step` is asked about: after each batch of calls, and when the model ends.

    `ending` is True when the model wants to end; `continuations` counts how often in a row it was kept going, without
    a tool call between; `kept_going` says that the turn would have ended already without a hook, whatever came between.
    """

    step: int
    ending: bool
    stop_reason: str
    text: str
    continuations: int = 0
    context_tokens: int = 0
    window: int = 0
    calls: tuple[ToolCall, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    turn: int = 0
    kept_going: bool = False


@dataclass(frozen=True)
class Ask:
    """A call that somebody must be asked about. An answer holds for `call.input_hash` alone.

    `by` is the plugin that wants the question, "" for the host's own default; `rule` what it goes by, `reason` why,
    with the rule's file and line. `always` are the permission rules that would let such calls run from now on: an
    answer for "always" hands them back in `Resolution.rules`; it is empty where no rule would end the question.
    `batch` is the message that the call is one of, `describe` says what the call would change (see `diff`).
    """

    call: ToolCall
    reason: str
    by: str = ""
    rule: str = ""
    always: tuple[str, ...] = ()
    batch: Batch = Batch()
    describe: Callable[[], str] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def shown(self) -> str:
        """What will run, byte for byte: a command as it is, the input of any other tool as JSON, a key a line.

        Control characters in a command are as they are, too: who prints it makes them visible first.
        """
        given = self.call.input
        command = given.get("command")
        if isinstance(command, str):
            return command
        return to_json(given, indent=2).decode()

    @cached_property
    def diff(self) -> str:
        """What the call would change, as a unified diff; "" where its tool does not say. It may read the disk."""
        return self.describe() if self.describe is not None else ""


Spec = TypeVar("Spec", bound=Callable[..., Any])
Impl = TypeVar("Impl", bound=Callable[..., Any])

_spec = pluggy.HookspecMarker(PROJECT)
_impl = pluggy.HookimplMarker(PROJECT)

POLICIES: dict[str, Policy] = {}
"""Each hook's policy by its name, in the order of a session."""


def hook(policy: Policy) -> Callable[[Spec], Spec]:
    """Declare a hook with its policy."""

    def declare(function: Spec) -> Spec:
        POLICIES[function.__name__] = policy
        _spec(function)  # pluggy marks the function itself
        return function

    return declare


@dataclass(frozen=True)
class ImplOptions:
    """What `@hookimpl` said; found on the function under `pegboard_options`."""

    rewrites: bool = False
    guard: bool = False
    timeout: float | Callable[..., float | None] | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    flag: str | None = None
    matcher: str | None = None
    blocking: bool = False
    when: Callable[[Ctx], bool | str] | str | None = None
    unless: Callable[[Ctx], bool] | None = None
    ramp: str | None = None
    where: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    """What of it it rewrites, where it says so."""


OPTIONS = "pegboard_options"
NO_OPTIONS = ImplOptions()


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


@overload
def hookimpl(function: Impl, /) -> Impl: ...
@overload
def hookimpl(
    *,
    rewrites: bool | str | Sequence[str] = ...,
    guard: bool = ...,
    timeout: float | Callable[..., float | None] | None = ...,
    before: str | Sequence[str] = ...,
    after: str | Sequence[str] = ...,
    flag: str | None = ...,
    matcher: str | None = ...,
    blocking: bool = ...,
    when: Callable[[Ctx], bool | str] | str | None = ...,
    unless: Callable[[Ctx], bool] | None = ...,
    ramp: str | None = ...,
    where: str | Sequence[str] = ...,
    specname: str | None = ...,
) -> Callable[[Impl], Impl]: ...
def hookimpl(
    function: Impl | None = None,
    *,
    rewrites: bool | str | Sequence[str] = False,
    guard: bool = False,
    timeout: float | Callable[..., float | None] | None = None,
    before: str | Sequence[str] = (),
    after: str | Sequence[str] = (),
    flag: str | None = None,
    matcher: str | None = None,
    blocking: bool = False,
    when: Callable[[Ctx], bool | str] | str | None = None,
    unless: Callable[[Ctx], bool] | None = None,
    ramp: str | None = None,
    where: str | Sequence[str] = (),
    specname: str | None = None,
) -> Any:
    """Mark a function as the implementation of a hook; wraps pluggy's marker.

    rewrites: it may change what it is handed, and runs before all that only decide. For `pre_tool`, the names of those
        keys of a call's input that it changes (`rewrites="command"`) say more: it is held to them, and nobody is warned
        of two plugins that rewrite different ones.
    guard: when it fails, the answer is a refusal in its name.
    timeout: seconds, or a function of the event; the hookspec's is the default.
    before, after: names of plugins, or "*" for all that do not say so themselves.
    flag: it takes part only where this flag is on.
    matcher: names of tools (`Bash`, `Edit|Write`), or a regular expression; for `lifecycle`, names of events; for
        `event`, types of records; for `prompt_submit`, a regular expression that the prompt must have in it.
    blocking: run it in a thread that can be left behind: the safe form for code that may hang.
    when: asked when a session opens and at the start of each turn, for plugins that have nothing to do in most
        sessions: False leaves the implementation out until the next turn, a text is its matcher until then. Asked
        once more within a turn (`ctx.begins_turn` is False then) where a skill brings hooks along. If it
        fails, the implementation takes part. A name instead of a function is that of a switch in the plugin's own
        settings (`when="on"`), for which the plugin need not be imported where nobody has set anything.
    unless: for `next_step`, asked before each step by whoever has something to say only now and then. Where all that
        take part say True, none is called and nothing is made to call it with; so keep it to a look at a value. If it
        fails, they are called.
    ramp: a flag that says how far its answers count: off, shadow (only in the journal), warn or enforce.
    where: it takes part only in turns where one of these paths exists. A relative one lies in the project, one that
        begins with `~/` in the user's home, with `@/` in the folder of the user's settings; `folders:skills` is there
        where a plugin folder with skills takes part, `settings:TABLE` where somebody has set something in that table,
        `session:agent` in a session that is to be an agent (`run --agent`). Asking for it imports nothing.
    specname: the hook's name where the function has another.
    """
    fields = () if isinstance(rewrites, bool) else _names(rewrites)
    options = ImplOptions(
        rewrites=bool(rewrites),
        guard=guard,
        timeout=timeout,
        before=_names(before),
        after=_names(after),
        flag=flag,
        matcher=matcher,
        blocking=blocking,
        when=when,
        unless=unless,
        ramp=ramp,
        where=_names(where),
        fields=fields,
    )

    def mark(target: Impl) -> Impl:
        return marked(target, options, specname)

    return mark(function) if function is not None else mark


def marked(target: Impl, options: ImplOptions, specname: str | None = None) -> Impl:
    """Mark a function with options that are there already."""
    setattr(target, OPTIONS, options)
    _impl(target, specname=specname) if specname else _impl(target)
    return target


# --- the eleven, in the order of a session -------------------------------------------------------------


@hook(Policy(mode=Mode.COLLECT, timeout=2.0, on_error=OnError.DISABLE, point="load"))
def register(registry: Registry) -> None:
    """The plugin was loaded; called once per host, before any session.

    Add tools, models, commands, flags, services, views, sections, health checks, filters; answer nothing.
    If you raise or take too long, the plugin is disabled with the reason; nothing of it stays.
    """


@hook(
    Policy(
        mode=Mode.REWRITE_DECIDE,
        timeout=10.0,
        on_error=OnError.GUARD_CLOSED,
        answers=(PromptDecision,),
        point="prompt-submit",
    )
)
def prompt_submit(prompt: str, ctx: Ctx) -> PromptDecision | None:
    """The user has sent a prompt, and the model has not seen it.

    Answer a PromptDecision to refuse it, replace it (`rewrites=True`) or put context beside it.
    If a guard fails, the prompt is refused in its name; else it is left out, loudly.
    """


@hook(Policy(mode=Mode.REWRITE, timeout=2.0, on_error=OnError.OPEN, answers=(RequestPatch,), point="request"))
def prepare_request(draft: RequestDraft, ctx: Ctx) -> RequestPatch | None:
    """A request is about to be built; one after another, each sees the draft as the last one left it.

    Answer a RequestPatch: prompt sections, the subset of tools that may be called now, parameters.
    If you fail, your patch is left out.
    """


@hook(Policy(mode=Mode.WRAP, timeout=None, on_error=OnError.GUARD_CLOSED, point="model"))
def model_call(request: Request, call_next: CallNext, ctx: Ctx) -> AsyncIterator[StreamEvent] | None:
    """A request goes to the model; the first in order is the outermost frame, the model the innermost.

    Answer an async iterator of stream events: `call_next(request)`, a wrapping of it, or your own answer.
    If a guard's frame fails, the request is refused; else it is skipped, if nothing was yielded yet.
    """


@hook(
    Policy(
        mode=Mode.REWRITE_DECIDE,
        timeout=5.0,
        on_error=OnError.GUARD_CLOSED,
        answers=(Decision,),
        point="pre-tool",
    )
)
def pre_tool(call: ToolCall, batch: Batch, ctx: Ctx) -> Decision | None:
    """A tool is about to run, its arguments already validated.

    Answer a Decision to allow, ask, deny or defer; answer None to have no opinion.
    If a guard raises or takes too long, the call is refused in its name; else it is left out, loudly.
    """


@hook(Policy(mode=Mode.FIRST, timeout=None, on_error=OnError.NEXT, answers=(Resolution,), point="ask"))
def resolve_ask(ask: Ask, ctx: Ctx) -> Resolution | None:
    """A call must be asked about, because its reduced verdict is ask.

    Answer a Resolution, bound to the input that you saw; answer None to leave it to the next.
    If you fail, the next is asked; if nobody answers, the call is refused.
    """


@hook(
    Policy(
        mode=Mode.REWRITE,
        timeout=5.0,
        on_error=OnError.GUARD_CLOSED,
        answers=(ResultPatch,),
        point="post-tool",
    )
)
def post_tool(call: ToolCall, outcome: Outcome, ctx: Ctx) -> ResultPatch | None:
    """An attempt of a call is over: ok, error, denied, cancelled, timeout or substituted. Once per attempt.

    Answer a ResultPatch: another output, context beside it, one retry, or hide it.
    If a guard (a redactor) fails, the output is withheld; else its patch is left out.
    """


@hook(Policy(mode=Mode.DECIDE, timeout=2.0, on_error=OnError.OPEN, answers=(StepDecision,), point="step"))
def next_step(state: State, ctx: Ctx) -> StepDecision | None:
    """A batch of calls is done, or the model wants to end.

    Answer a StepDecision: stop beats compact beats keep_going; every `inject` is kept in order.
    If you fail, you are left out.
    """


@hook(
    Policy(
        mode=Mode.FIRST,
        timeout=120.0,
        on_error=OnError.NEXT,
        answers=(CompactionResult, Skip),
        point="compaction",
    )
)
def compact(job: CompactionJob, ctx: Ctx) -> CompactionResult | Skip | None:
    """The conversation should become shorter.

    Answer a CompactionResult, or Skip(reason), which ends the job unless the window has overflowed.
    If you fail or your result is not valid, the next is asked; finally the host cuts the oldest output.
    """


@hook(Policy(mode=Mode.COLLECT, timeout=10.0, on_error=OnError.OPEN, answers=(Answer,), point="lifecycle"))
def lifecycle(event: Event, ctx: Ctx) -> Answer | None:
    """Something happened in the session's life (see records.Event).

    Answer context for the model, a block where the event allows one, text to display, paths to watch.
    If you fail, you are left out.
    """


@hook(Policy(mode=Mode.OBSERVE, timeout=5.0, on_error=OnError.MUTE, point="journal"))
def event(record: Record, ctx: Ctx) -> None:
    """A record was written to the journal; you are told a little later, from a queue. A matcher names the types.

    Answer nothing.
    If you fail again and again, you are muted for the session.
    """
