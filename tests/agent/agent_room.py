"""What the tests of the agent room share: tools that behave in every way, a recorder, and the folded journal."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pegboard import Decision, hookimpl, tool
from pegboard._agent.fold import Replay
from pegboard._agent.journal import read_lines
from pegboard._agent.validate import check_messages
from pegboard.errors import ToolError
from pegboard.messages import Message, Outcome, OutcomeKind, TextBlock, ToolResultBlock, ToolUseBlock
from pegboard.tools import Claims


def fold(path: Path) -> Replay:
    """Read a journal back, as a process that resumes it would."""
    replay = Replay()
    for _, _, _, raw in read_lines(path):
        assert raw is not None, "a damaged line"
        replay.push(raw)
    return replay


def dumped(messages) -> list[dict]:
    """Messages as plain values, with the origins of their blocks."""
    return [
        {**message.wire(), "origins": [[str(label) for label in block.origins] for block in message.content]}
        for message in messages
    ]


def results(messages) -> dict[str, ToolResultBlock]:
    """The tool results by call id; fails if one is there twice."""
    found: dict[str, ToolResultBlock] = {}
    for message in messages:
        for block in message.content:
            if isinstance(block, ToolResultBlock):
                assert block.tool_use_id not in found, f"two results for {block.tool_use_id}"
                found[block.tool_use_id] = block
    return found


def calls(messages) -> list[ToolUseBlock]:
    """The tool calls in order."""
    return [block for message in messages for block in message.content if isinstance(block, ToolUseBlock)]


def assert_whole(host) -> None:
    """The conversation is valid, every call has its result, and the journal folds to the same."""
    messages = host.messages
    check_messages(messages, ending=False)
    assert set(results(messages)) == {call.id for call in calls(messages)}
    assert dumped(fold(host.session.path).conversation.view()) == dumped(messages)


class Watch:
    """Remembers every post_tool: who, what became of it, which attempt."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, OutcomeKind, int]] = []
        self.outcomes: list[Outcome] = []

    @hookimpl
    def post_tool(self, call, outcome):
        self.seen.append((call.id, outcome.kind, outcome.attempt))
        self.outcomes.append(outcome)

    @property
    def kinds(self) -> list[str]:
        return [str(kind) for _, kind, _ in self.seen]


class AllowAll:
    """Lets everything run."""

    @hookimpl
    def pre_tool(self, call):
        return Decision.allow("a test")


# --- tools ---------------------------------------------------------------------------------------------

log: list[str] = []
"""What the tools below have done, in order: NAME+ when one begins, NAME- when it ends."""


@tool(read_only=True)
async def look(name: str = "", seconds: float = 0.0) -> str:
    """Look at something, for a while."""
    log.append(f"{name}+")
    try:
        await asyncio.sleep(seconds)
    finally:
        log.append(f"{name}-")
    return f"seen {name}"


@tool(claims=lambda given, cwd: Claims.write(f"thing:{given['name']}"))
async def change(name: str, seconds: float = 0.0) -> str:
    """Change something, for a while."""
    log.append(f"{name}+")
    try:
        await asyncio.sleep(seconds)
    finally:
        log.append(f"{name}-")
    return f"changed {name}"


@tool(repeatable=True)
def store(path: Path, text: str) -> str:
    """Write a whole file."""
    path.write_text(text)
    return f"stored {len(text)}"


@tool
async def alone(name: str, seconds: float = 0.0) -> str:
    """Do who knows what."""
    log.append(f"{name}+")
    await asyncio.sleep(seconds)
    log.append(f"{name}-")
    return f"did {name}"


@tool(read_only=True)
def fails() -> str:
    """Fail in a way that the model may read."""
    raise ToolError("it does not work on Sundays")


@tool(read_only=True)
def crashes() -> str:
    """Fail in a way that nobody foresaw."""
    raise ZeroDivisionError("oh")


@tool(read_only=True)
def exits() -> str:
    """Try to end the host."""
    raise SystemExit(3)


@tool(read_only=True, timeout=0.05)
async def slow() -> str:
    """Take too long."""
    await asyncio.sleep(30)
    return "never"


@tool(read_only=True, timeout=0.05)
def slow_thread() -> str:
    """Take too long, in a thread."""
    time.sleep(0.4)
    return "never"


TOOLS = (look, change, store, alone, fails, crashes, exits, slow, slow_thread)


def load_tools(host) -> None:
    """Load all of them, and forget what they did before."""
    log.clear()
    for one in TOOLS:
        host.load(one)


def text_of(message: Message) -> str:
    """All text of a message."""
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


async def until(condition, seconds: float = 10.0) -> None:
    """Wait until *condition* holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.002)
