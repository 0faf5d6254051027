"""What is asked of a model, and what comes back while it answers."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pegboard._dataclass import dataclass
from pegboard.messages import (
    Block,
    Message,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
    Usage,
)
from pegboard.typed import Tagged, Typed, fact


class Layer(StrEnum):
    """Whose words a prompt section carries; in this order they stand in the prompt."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"


class Stability(StrEnum):
    """How long a section's bytes stay the same. Only static and session sections enter the system prompt."""

    STATIC = "static"
    SESSION = "session"
    TURN = "turn"


class Section(Typed):
    """A named piece of the prompt. `pinned` text must survive compaction (the host checks).

    Where `flag` is given the section is there only in sessions in which that flag is on.
    """

    name: str
    text: str
    layer: Layer = Layer.SYSTEM
    stability: Stability = Stability.STATIC
    owner: str = ""
    pinned: bool = False
    flag: str = ""


class ToolSpec(Typed):
    """A tool as the model sees it.

    A `deferred` one was asked for during the conversation, where a ToolReferenceBlock names it: a provider that can
    puts it there, so that all before stays as it was.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    deferred: bool = fact(default=False, exclude_if=lambda value: not value)


class Purpose(StrEnum):
    """Why a model is asked; every purpose goes through the same chokepoint."""

    TURN = "turn"
    COMPACTION = "compaction"
    CLASSIFIER = "classifier"
    TITLE = "title"
    HOOK = "hook"
    SUBAGENT = "subagent"
    MEMORY = "memory"
    PLUGIN = "plugin"


class RequestDraft(Typed):
    """The next request before plugins shaped it. Messages are not part of it: only compaction changes them."""

    purpose: Purpose
    model: str
    sections: tuple[Section, ...] = ()
    tools: tuple[str, ...] = ()
    params: dict[str, Any] = {}
    step: int = 0


class RequestPatch(Typed):
    """An answer to `prepare_request`.

    `sections` replace those of the same name, or are added; an empty text takes one away. Static and session
    sections may change on the first request of a session only: the prompt cache is sacred.
    `tools` names the tools the model may call now (the definitions stay); `params` are merged.
    """

    sections: tuple[Section, ...] = ()
    tools: tuple[str, ...] | None = None
    params: dict[str, Any] = {}


@dataclass(frozen=True)  # no slots: see messages.trusted
class Request:
    """One request to a model, ready to be sent; a model plugin turns it into its provider's words.

    `system` are the texts of the system prompt in order. `messages` is a read-only view of the conversation.
    `tools` are sorted by name; deferred ones that were asked for stand behind them in the order of asking. `hash`
    covers all that is sent. `allowed_tools` is None, or the subset that may be called now. `max_tokens` limits the
    answer. `anchors` are indexes into `messages` that end with a cache point (at most two: the end of the system prompt
    and of the tools take the others).
    """

    purpose: Purpose
    model: str
    system: tuple[str, ...]
    tools: tuple[ToolSpec, ...]
    messages: Sequence[Message]
    max_tokens: int
    params: dict[str, Any] = field(default_factory=dict)
    allowed_tools: tuple[str, ...] | None = None
    anchors: tuple[int, ...] = ()
    hash: str = ""
    session_id: str = ""
    request_id: str = ""


class ModelStarted(Typed):
    """The provider has begun to answer."""

    type: Literal["model_started"] = "model_started"
    model: str
    message_id: str = ""


class TextDelta(Typed):
    """Some more text."""

    type: Literal["text_delta"] = "text_delta"
    text: str


class ThinkingDelta(Typed):
    """Some more reasoning."""

    type: Literal["thinking_delta"] = "thinking_delta"
    text: str


class ToolInputDelta(Typed):
    """Some more JSON of a tool call's input."""

    type: Literal["tool_input_delta"] = "tool_input_delta"
    id: str
    json_text: str


class BlockDone(Typed):
    """A content block is complete. Only these make the message; deltas are for display and for interrupts."""

    type: Literal["block_done"] = "block_done"
    block: Block


class ToolUseCut(Typed):
    """A tool call whose input was cut off (max_tokens, a broken stream): it is never run."""

    type: Literal["tool_use_cut"] = "tool_use_cut"
    id: str
    name: str
    partial: str = ""


class ModelNotice(Typed):
    """Something a person may want to know while waiting: a retry, a fallback model.

    `restart` says that what was yielded so far is void: the answer begins again.
    """

    type: Literal["model_notice"] = "model_notice"
    text: str
    restart: bool = False


class ModelDone(Typed):
    """The message is complete. `stop_reason` has the provider's word (see messages.StopReason)."""

    type: Literal["model_done"] = "model_done"
    stop_reason: str
    usage: Usage = Usage()
    stop_sequence: str | None = None


StreamEvent = Annotated[
    ModelStarted | TextDelta | ThinkingDelta | ToolInputDelta | BlockDone | ToolUseCut | ModelNotice | ModelDone,
    Tagged("type"),
]

CallNext = Callable[[Request], AsyncIterator[StreamEvent]]
"""What a `model_call` implementation is handed: the rest of the onion."""


class ModelInfo(Typed):
    """A family of models that a plugin answers for: `prefix:NAME` on the command line.

    `context_window` and `max_output` are in tokens, for names that `windows` does not list.
    `count_tokens` says that the plugin answers a request with params {"count_tokens": True} by a ModelDone
    whose usage.input_tokens is the exact count.
    """

    prefix: str
    help: str = ""
    context_window: int = 200_000
    max_output: int = 32_000
    windows: dict[str, int] = {}
    count_tokens: bool = False


class ModelAnswer(Typed):
    """A whole answer, for those who do not stream (`ctx.model`)."""

    text: str
    blocks: tuple[Block, ...]
    stop_reason: str
    usage: Usage


class CompactionTrigger(StrEnum):
    """Who asked for a compaction."""

    MANUAL = "manual"
    AUTO = "auto"
    OVERFLOW = "overflow"


@dataclass(frozen=True)
class CompactionJob:
    """A conversation that should become shorter.

    `messages` as they stand; `pins` are texts that must still occur afterwards; `target_tokens` is the size to aim
    for, `tokens` the size now (both by `estimate`); `instructions` are the user's words for a manual compaction;
    `default(job)` returns what the next plugins, and finally the host, would answer to this or another job (for
    wrapping).
    """

    trigger: CompactionTrigger
    messages: tuple[Message, ...]
    tokens: int
    target_tokens: int
    window: int
    instructions: str = ""
    pins: tuple[str, ...] = ()
    default: Callable[..., Any] | None = None

    @property
    def must(self) -> bool:
        """Whether the window has overflowed, so that a Skip does not count."""
        return self.trigger is CompactionTrigger.OVERFLOW


class CompactionResult(Typed):
    """An answer to `compact`: the messages that take the place of all earlier ones.

    They must satisfy the Messages invariants, contain every pin and be shorter than before; else the answer is
    dropped and the next plugin is asked. `handles` maps a handle to the text that it stands for, so that the model
    can recall it; `summary` is for people and for PostCompact hooks.
    """

    messages: tuple[Message, ...]
    strategy: str
    summary: str = ""
    handles: dict[str, str] = {}


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Return a rough token count: a quarter of the characters of all text, inputs and results."""
    return sum(characters(block) for message in messages for block in message.content) // 4


def characters(block: Any) -> int:
    """Return how many characters a block counts for; a picture or document for about 1,500 tokens."""
    kind = type(block)
    if kind is ToolResultBlock:
        content = block.content
        return len(content) if type(content) is str else sum(map(characters, content))
    if kind is ToolUseBlock:
        return len(str(block.input)) + len(block.name)
    if kind is TextBlock:
        return len(block.text)
    if kind is ThinkingBlock:
        return len(block.thinking)
    if kind is RedactedThinkingBlock:
        return len(block.data)
    if kind is ToolReferenceBlock:
        return 1000  # the definition that stands in its place
    return 6000
