"""Messages and what they are made of, in the shapes of the Messages API."""

import base64
import hashlib
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic_core import to_json

from pegboard._dataclass import dataclass
from pegboard.typed import Reading, Tagged, Typed, fact

Word = TypeVar("Word")
_new, _fill = object.__new__, object.__setattr__
EMPTY_DIGEST = hashlib.sha256()


def trusted(kind: type[Word], facts: dict[str, Any]) -> Word:
    """Return `kind(**facts)` unchecked: for what the host itself makes of parts that were checked already.

    *kind* is a frozen model, or a frozen dataclass without slots; *facts* has every field, in order, and is not
    copied. Every step of the loop makes six of them: 0.5 µs each, where validation takes 1.1 to 2.0 and the twelve
    fields of a frozen dataclass 2.7.
    """
    made = _new(kind)
    _fill(made, "__dict__", facts)
    return made


class Origin(StrEnum):
    """Where words came from. Only the user's own words can grant consent."""

    USER = "user"
    PROJECT = "project"
    TOOL = "tool"
    WEB = "web"
    MCP = "mcp"
    SUBAGENT = "subagent"
    MEMORY = "memory"
    HOOK = "hook"
    HOST = "host"
    MODEL = "model"


class _Block(Typed, extra="ignore"):
    origins: tuple[Origin, ...] = fact(default=(), exclude=True, repr=False)
    """Kept beside the message in the journal, never sent."""


class TextBlock(_Block):
    """Plain text."""

    type: Literal["text"] = "text"
    text: str


class ThinkingBlock(_Block):
    """The model's reasoning; sent back untouched, with its signature."""

    type: Literal["thinking"] = "thinking"
    thinking: str
    signature: str = ""


class RedactedThinkingBlock(_Block):
    """Reasoning that only the provider can read; sent back untouched."""

    type: Literal["redacted_thinking"] = "redacted_thinking"
    data: str


class ImageBlock(_Block):
    """A picture: `source` as the Messages API has it (base64 or url)."""

    type: Literal["image"] = "image"
    source: dict[str, Any]


class DocumentBlock(_Block):
    """A document such as a PDF: `source` as the Messages API has it."""

    type: Literal["document"] = "document"
    source: dict[str, Any]
    title: str | None = None


class ToolReferenceBlock(_Block):
    """In the result of a ToolSearch: from here on the model may call this tool, whose definition the request has."""

    type: Literal["tool_reference"] = "tool_reference"
    tool_name: str


ResultPart = TextBlock | ImageBlock | DocumentBlock | ToolReferenceBlock
"""What the output of a tool may be made of."""


class ToolUseBlock(_Block):
    """The model wants a tool to run."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]


class ToolResultBlock(_Block):
    """What became of a tool call; exactly one per call."""

    type: Literal["tool_result"] = "tool_result"
    tool_use_id: str
    content: str | tuple[Annotated[ResultPart, Tagged("type")], ...]
    is_error: bool = False


Block = Annotated[
    TextBlock | ThinkingBlock | RedactedThinkingBlock | ImageBlock | DocumentBlock | ToolUseBlock | ToolResultBlock,
    Tagged("type"),
]


_BLOCKS = Reading(tuple[Block, ...])


@dataclass(frozen=True)  # no model: the attributes of one take five times as long, and each step reads 13 of messages
class Message:
    """One message of a conversation; `content` is never empty.

    Raises ValueError for another role, and for content that is no blocks (dicts in their wire shape become some).
    """

    role: Literal["user", "assistant"]
    content: tuple[Block, ...]

    def __post_init__(self) -> None:
        _check_role(self.role)
        _fill(self, "content", _BLOCKS.of(self.content))

    def wire(self) -> dict[str, Any]:
        """Return the message as the Messages API takes it, without origins."""
        return {
            "role": self.role,
            "content": [block.model_dump(mode="json", exclude_none=True) for block in self.content],
        }

    @property
    def text(self) -> str:
        """All text blocks, joined."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))


def _check_role(role: Any) -> None:
    if role not in ("user", "assistant"):
        raise ValueError(f"a message is the user's or the assistant's; {role!r} is no role")


def parse_message(raw: dict[str, Any], origins: list[list[str]] | None = None) -> Message:
    """Build a message from its wire shape; *origins* has a list of labels per block.

    A `content` that is one string becomes one text block, as the API allows. Raises ValueError.
    """
    content = raw.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if origins and isinstance(content, list):
        content = [
            {**block, "origins": labels} if labels else block
            for block, labels in zip(content, [*origins, *[[]] * len(content)], strict=False)
        ]
    role = raw.get("role")
    _check_role(role)
    return trusted(Message, {"role": role, "content": _BLOCKS.of(content)})  # a resume makes tens of thousands


class Usage(Typed, extra="ignore"):
    """Tokens of one request. `cost_usd` is None when the model plugin knows no price."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cost_usd: float | None = None

    @property
    def context_tokens(self) -> int:
        """How much of the window the request and its answer fill."""
        facts = self.__dict__  # a model's attributes take four times as long as a dict's items
        read, written = facts["cache_read_input_tokens"], facts["cache_creation_input_tokens"]
        return facts["input_tokens"] + facts["output_tokens"] + read + written  # type: ignore[no-any-return]


class Tally:
    """A running sum of usages, for those who add one at every step."""

    __slots__ = ("_cost", "_counts")

    def __init__(self, start: Usage | None = None) -> None:
        self._counts = [0, 0, 0, 0]
        self._cost: float | None = None
        if start is not None:
            self.add(start)

    def add(self, usage: Usage) -> None:
        """Add one request's usage."""
        facts, counts = usage.__dict__, self._counts
        counts[0] += facts["input_tokens"]
        counts[1] += facts["output_tokens"]
        counts[2] += facts["cache_read_input_tokens"]
        counts[3] += facts["cache_creation_input_tokens"]
        cost = facts["cost_usd"]
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost

    @property
    def cost_usd(self) -> float | None:
        """The dollars so far; None if nobody knew a price."""
        return self._cost

    def usage(self) -> Usage:
        """Return the sum."""
        return Usage(
            input_tokens=self._counts[0],
            output_tokens=self._counts[1],
            cache_read_input_tokens=self._counts[2],
            cache_creation_input_tokens=self._counts[3],
            cost_usd=self._cost,
        )


def total(usages: Iterable[Usage]) -> Usage:
    """Return the sum of usages."""
    all_facts = [usage.__dict__ for usage in usages]
    costs = [facts["cost_usd"] for facts in all_facts if facts["cost_usd"] is not None]
    return Usage(
        input_tokens=sum([facts["input_tokens"] for facts in all_facts]),
        output_tokens=sum([facts["output_tokens"] for facts in all_facts]),
        cache_read_input_tokens=sum([facts["cache_read_input_tokens"] for facts in all_facts]),
        cache_creation_input_tokens=sum([facts["cache_creation_input_tokens"] for facts in all_facts]),
        cost_usd=sum(costs) if costs else None,
    )


class StopReason(StrEnum):
    """Why the model ended its message: every value of the Messages API, and two of ours."""

    END_TURN = "end_turn"
    TOOL_USE = "tool_use"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_OVERFLOW = "model_context_window_exceeded"
    INTERRUPTED = "interrupted"
    ERROR = "error"


class EndReason(StrEnum):
    """Why a turn ended."""

    COMPLETED = "completed"
    STEP_LIMIT = "step_limit"
    WALL_TIME = "wall_time"
    COST = "cost"
    STOPPED = "stopped_by_hook"
    DEFERRED = "deferred"
    INTERRUPTED = "interrupted"
    ERROR = "error"
    NO_PROGRESS = "no_progress"
    REFUSED = "prompt_refused"


@dataclass(frozen=True)  # no model, as Message
class ToolCall:
    """A tool call on its way. `input` is what runs; `input_hash` is set once it is frozen.

    `origin` says who wants it ("model", "user", "hook", "subagent").
    """

    id: str
    name: str
    input: dict[str, Any]
    origin: str = "model"
    input_hash: str = ""


@dataclass(frozen=True)
class Batch:
    """All calls of one assistant message, in source order, as the model wrote them."""

    calls: tuple[ToolCall, ...] = ()


class OutcomeKind(StrEnum):
    """What became of one attempt of a call."""

    OK = "ok"
    ERROR = "error"
    DENIED = "denied"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    SUBSTITUTED = "substituted"


@dataclass(frozen=True)
class ToolResult:
    """What a tool gives back: `content` for the model, `data` for hooks (the contract's tool_response).

    `origins` are labels beside `tool`, for example `web`.
    """

    content: str | tuple[ResultPart, ...] = ""
    data: Any = None
    is_error: bool = False
    origins: tuple[Origin, ...] = ()

    @property
    def text(self) -> str:
        """What of it is text, a line end between two blocks."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(block.text for block in self.content if isinstance(block, TextBlock))


@dataclass(frozen=True)  # no slots: see `trusted`
class Outcome:
    """One attempt of a tool call, as `post_tool` sees it. `started` is False if the tool never ran."""

    kind: OutcomeKind
    result: ToolResult
    started: bool = True
    attempt: int = 1
    duration_ms: float = 0.0


def whole(value: Any) -> Any:
    """Return *value* with whole characters only: half of one (from a name that is no UTF-8, say) has no JSON."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(whole, value))
    return value


LARGEST_PICTURE = 5_000_000
"""Characters of base64 that model providers take. A picture that they do not take makes every later request fail."""
_PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_BEGINNINGS = tuple(_PICTURES)


def picture_type(data: bytes) -> str | None:
    """Return the media type if *data* begins as a picture that models take; what it is called does not matter."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if not data.startswith(_BEGINNINGS):  # as nearly everything that is read
        return None
    return next(media_type for magic, media_type in _PICTURES.items() if data.startswith(magic))


def picture_of(encoded: str) -> ImageBlock | None:
    """Return the picture that a base64 from outside holds; None if it is none that a model can be shown."""
    plain = "".join(encoded.split())
    if not 0 < len(plain) <= LARGEST_PICTURE:
        return None
    try:
        media_type = picture_type(base64.b64decode(plain, validate=True))
    except ValueError:
        return None
    return ImageBlock(source={"type": "base64", "media_type": media_type, "data": plain}) if media_type else None


def disarmed(text: str) -> str:
    """Return a text from outside in which nothing looks like the tags that only the host writes.

    For what a server, a page or a sub-agent says. Not for files: what was read must be found again letter by letter.
    """
    return re.sub(r"<(\s*/?\s*)(?=system-reminder)", r"&lt;\1", text, flags=re.IGNORECASE)


def canonical(value: Any) -> bytes:
    """Return the one JSON of *value*: keys sorted, no spaces, UTF-8. Equal values give equal bytes."""
    return to_json(_sorted(value))


def _sorted(value: Any) -> Any:
    if type(value) is dict:
        return {key: inner if type(inner := value[key]) in PLAIN else _sorted(inner) for key in sorted(value)}
    if type(value) in (list, tuple):
        return [inner if type(inner) in PLAIN else _sorted(inner) for inner in value]
    return value


PLAIN = frozenset({str, int, bool, float, type(None)})


def input_hash(value: dict[str, Any]) -> str:
    """Return the SHA-256 (hex, 64 characters) of the canonical JSON of a tool's input."""
    digest = EMPTY_DIGEST.copy()  # to make one anew has OpenSSL look for the algorithm, which takes as long again
    digest.update(canonical(value))
    return digest.hexdigest()
