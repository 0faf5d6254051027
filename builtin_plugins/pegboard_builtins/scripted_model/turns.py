"""What a script may say: the words of its TOML file, and the error that names file, line and the nearest key."""

from typing import Any

from pydantic_core import ValidationError

from pegboard.errors import ScriptError, did_you_mean
from pegboard.messages import Usage
from pegboard.requests import Purpose
from pegboard.typed import Typed, fact, fields_of

RETRYABLE = frozenset({0, 408, 409, 429})
"""HTTP statuses after which the same request may succeed; 0 is no answer at all. So are all from 500 on."""


class UsageTable(Usage, extra="forbid"):
    """`usage`: what the provider counts for this turn."""


class Failure(Typed):
    """`error`: how the request fails.

    `overflow` is a context that is too long; `broken` breaks the stream after all that the turn says;
    `retryable` follows from `status` unless it is given.
    """

    status: int = 0
    message: str = ""
    retry_after: float | None = fact(default=None, ge=0)
    overflow: bool = False
    broken: bool = False
    retryable: bool | None = None

    @property
    def may_be_retried(self) -> bool:
        """Whether the same request may succeed later."""
        if self.retryable is not None:
            return self.retryable
        return not self.overflow and (self.status in RETRYABLE or self.status >= 500)


class ExpectedResult(Typed):
    """`tool_result`: a result in the last user message, found by the tool's `name` or the call's `id`."""

    name: str | None = None
    id: str | None = None
    contains: str | list[str] = []
    is_error: bool | None = None


class Expect(Typed):
    """`expect`: what must hold of the request before the turn is played."""

    contains: str | list[str] = []
    not_contains: str | list[str] = []
    system_contains: str | list[str] = []
    tools: str | list[str] = []
    tool_result: ExpectedResult | list[ExpectedResult] = []
    messages: int | None = None
    purpose: Purpose | None = None


class CallWords(Typed):
    """`[[turn.call]]`: a tool call; `cut` says that its input breaks off, so that it is never run."""

    name: str
    input: dict[str, Any] = {}
    id: str = ""
    cut: bool = False


class TurnWords(Typed):
    """`[[turn]]`: what the model says to one request."""

    text: str = ""
    thinking: str = ""
    usage: UsageTable = UsageTable()
    delay: float = fact(default=0.0, ge=0)
    chunk_delay: float = fact(default=0.0, ge=0)
    error: Failure | None = None
    times: int = fact(default=1, ge=1)
    stop_reason: str = ""
    expect: Expect | None = None
    purpose: Purpose = Purpose.TURN
    call: list[CallWords] = []

    def check(self) -> None:
        """Raise ValueError for a turn that plays nothing."""
        if not (self.text or self.thinking or self.call or self.error or self.stop_reason):
            raise ValueError(
                "the turn says nothing; give it text, thinking, a [[turn.call]], an error or a stop_reason"
            )
        if self.times > 1 and self.error is None:
            raise ValueError("times counts failures; it goes with error")


class ScriptWords(Typed):
    """A whole script."""

    context_window: int | None = fact(default=None, ge=1)
    turn: list[TurnWords] = []


class BadScriptError(ScriptError):
    """A script that nobody can play: `file`, `line` and `place` say what is wrong where."""

    def __init__(self, problem: str, *, file: str, line: int | None = None, place: tuple[str | int, ...] = ()) -> None:
        self.file = file
        self.line = line
        self.place = place
        where = f"{file}:{line}: " if line else f"{file}: "
        super().__init__(where + problem)


_MODELS: dict[str, type[Typed]] = {
    "": ScriptWords,
    "turn": TurnWords,
    "call": CallWords,
    "error": Failure,
    "expect": Expect,
    "tool_result": ExpectedResult,
    "usage": UsageTable,
}


def parse_words(raw: dict[str, Any]) -> ScriptWords:
    """Read a parsed TOML file. Raises pydantic's ValidationError."""
    return ScriptWords.model_validate(raw)


def first_problem(wrong: ValidationError) -> tuple[tuple[str | int, ...], str]:
    """Return the place of the first mistake and what it is, in words, with the nearest key where one is unknown."""
    errors = wrong.errors()
    # a misspelt key often makes another one missing; the spelling is what helps
    error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    place = tuple(error["loc"])
    inner = len(place) - (error["type"] == "extra_forbidden")  # the unknown key itself may be called anything
    place = tuple(part for depth, part in enumerate(place) if depth >= inner or not _is_type(part))
    name = ".".join(f"[{part}]" if isinstance(part, int) else part for part in place).replace(".[", "[")
    if error["type"] == "extra_forbidden":
        holders = [part for part in place[:-1] if isinstance(part, str)]
        model = _MODELS.get(holders[-1] if holders else "")
        known = fields_of(model) if model else ()
        return place, f"there is no key {name!r}.{did_you_mean(str(place[-1]), known)} Known: {', '.join(known)}."
    message = error["msg"].removeprefix("Value error, ")
    return place, f"{name}: {message}" if name else message


def _is_type(part: str | int) -> bool:
    """Where a key may have one of two types, pydantic adds the type's name to the place."""
    return part in ("str", "ExpectedResult") or str(part).startswith("list[")
