"""What a hook may answer, and which answer wins."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Self

from pegboard.typed import Typed


class Verdict(StrEnum):
    """Written from mild to strict; `strictest` relies on this order."""

    ALLOW = "allow"
    ASK = "ask"
    DEFER = "defer"
    DENY = "deny"


MILD_TO_STRICT = list(Verdict)
STRICTNESS = {verdict: rank for rank, verdict in enumerate(Verdict)}


class Decision(Typed):
    """One plugin's answer to `pre_tool`.

    `updated_input` replaces the whole input; only an implementation marked `rewrites=True` may set it.
    `context` is shown to the model beside the result. `result` stands in for running the tool (allow only).
    `stop` ends the turn after this call, with `reason` for the user. `always` are permission rules that would let
    such calls run from now on, for the question that an ask, or no verdict, may come to.
    """

    verdict: Verdict | None = None
    reason: str = ""
    updated_input: dict[str, Any] | None = None
    context: str = ""
    result: str | None = None
    stop: bool = False
    rule: str = ""
    always: tuple[str, ...] = ()

    @classmethod
    def allow(cls, reason: str = "", *, updated_input: dict[str, Any] | None = None) -> Self:
        """Let it run without asking. Valid only for the bytes that this implementation saw or left."""
        return cls(verdict=Verdict.ALLOW, reason=reason, updated_input=updated_input)

    @classmethod
    def ask(cls, reason: str = "") -> Self:
        """Ask the person first; where nobody can be asked this is a refusal."""
        return cls(verdict=Verdict.ASK, reason=reason)

    @classmethod
    def deny(cls, reason: str) -> Self:
        """Refuse. The model reads *reason*, so say what to do instead."""
        return cls(verdict=Verdict.DENY, reason=reason)

    @classmethod
    def defer(cls, reason: str = "") -> Self:
        """End the run here, to be resumed when somebody has decided."""
        return cls(verdict=Verdict.DEFER, reason=reason)

    @classmethod
    def replace(cls, updated_input: dict[str, Any], *, reason: str = "") -> Self:
        """Change the input and have no opinion otherwise."""
        return cls(updated_input=updated_input, reason=reason)

    @classmethod
    def substitute(cls, result: str, *, reason: str = "") -> Self:
        """Answer in the tool's place; it does not run."""
        return cls(verdict=Verdict.ALLOW, result=result, reason=reason)

    @classmethod
    def note(cls, context: str) -> Self:
        """Have no opinion, and tell the model something beside the result."""
        return cls(context=context)


def strictest(decisions: Iterable[Decision]) -> Decision | None:
    """Return the decision that wins, the earliest among equals; None if nobody minds."""
    winner = None
    for decision in decisions:
        if decision.verdict is None:
            continue
        if winner is None or winner.verdict is None or STRICTNESS[decision.verdict] > STRICTNESS[winner.verdict]:
            winner = decision
    return winner


class PromptDecision(Typed):
    """An answer to `prompt_submit`.

    `block` refuses the prompt (the user reads `reason`, the model never sees either); `updated_prompt` replaces
    it; `context` goes beside it; `title` names the session. `stop` keeps the prompt and ends the turn before the model
    is asked, with `reason` for the user. `origins` says where words of `updated_prompt` are from that the user has not
    typed (labels of messages.Origin; "hook" where nothing is said, "user" where all are the user's own): a prompt with
    others' words grants no consent. `model` is asked for this turn alone.
    """

    block: bool = False
    reason: str = ""
    updated_prompt: str | None = None
    context: str = ""
    title: str = ""
    hide_prompt: bool = False
    stop: bool = False
    origins: tuple[str, ...] = ()
    model: str = ""

    @classmethod
    def refuse(cls, reason: str, *, hide_prompt: bool = False) -> Self:
        """Refuse the prompt. *hide_prompt* keeps its text out of the message to the user."""
        return cls(block=True, reason=reason, hide_prompt=hide_prompt)


class Resolution(Typed):
    """An answer to `resolve_ask`: allow or deny, bound to the input that was asked about.

    `updated_input` is frozen and decided again. `remember` names how long the answer holds
    ("once", "session", "always"); `rules` are permission rules that shall allow calls from now on for that long, too.
    `interrupt` ends the turn with a deny. What a person can be offered: `Resolution(allow=True)` for once,
    `remember="session"` for this very call again, `remember="always", rules=ask.always` for what the rules cover.
    """

    allow: bool
    reason: str = ""
    updated_input: dict[str, Any] | None = None
    interrupt: bool = False
    remember: str = "once"
    rules: tuple[str, ...] = ()


class ResultPatch(Typed):
    """An answer to `post_tool`: a new output, something beside it, one retry, or nothing shown at all.

    `output` replaces what the model reads; `data` replaces the structured response; `context` is added;
    `hide` shows the model only that the output was withheld; `stop` ends the turn, `reason` is for the user.
    """

    output: str | None = None
    data: dict[str, Any] | None = None
    context: str = ""
    retry: bool = False
    hide: bool = False
    stop: bool = False
    reason: str = ""


class StepVerb(StrEnum):
    """Written from mild to strict: what a `next_step` answer asks for."""

    KEEP_GOING = "keep_going"
    COMPACT = "compact"
    STOP = "stop"


class StepDecision(Typed):
    """An answer to `next_step`; every `inject` is kept, in order, as text for the model."""

    verb: StepVerb | None = None
    reason: str = ""
    inject: str = ""

    @classmethod
    def stop(cls, reason: str) -> Self:
        """End the turn; the user reads *reason*."""
        return cls(verb=StepVerb.STOP, reason=reason)

    @classmethod
    def keep_going(cls, inject: str, *, reason: str = "") -> Self:
        """Do not end yet: *inject* tells the model what is still to do."""
        return cls(verb=StepVerb.KEEP_GOING, inject=inject, reason=reason)

    @classmethod
    def compact(cls, reason: str = "") -> Self:
        """Compact the conversation before the next request."""
        return cls(verb=StepVerb.COMPACT, reason=reason)


MILD_TO_STRICT_STEPS = list(StepVerb)


class Skip(Typed):
    """An answer to `compact`: do not compact now. Ends the job unless the window has overflowed."""

    reason: str


class Answer(Typed):
    """An answer to a `lifecycle` event.

    `block` counts only where the event's docstring says so. `display` replaces text that is shown,
    `watch` names paths to watch, `retry` asks for one more try where the event offers that. `action` and `content`
    answer an MCP server that asked something. `path` is the worktree that was asked for.
    """

    context: str = ""
    block: bool = False
    reason: str = ""
    display: str | None = None
    watch: tuple[str, ...] | None = None
    retry: bool = False
    notice: str = ""
    prompt: str = ""
    title: str = ""
    action: str = ""
    content: dict[str, Any] | None = None
    path: str = ""
