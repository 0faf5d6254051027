"""A script, parsed once: what the model answers at each position, and how often it fails before."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_core import ValidationError

from pegboard.messages import Block, StopReason, TextBlock, ThinkingBlock, ToolUseBlock
from pegboard.requests import (
    BlockDone,
    ModelDone,
    ModelStarted,
    Purpose,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolInputDelta,
    ToolUseCut,
)
from pegboard.typed import dataclass
from pegboard_builtins.scripted_model.toml_lines import line_of, lines_of
from pegboard_builtins.scripted_model.turns import BadScriptError, CallWords, TurnWords, first_problem, parse_words

SHORTEST_CHUNK = 16
MOST_CHUNKS = 4
SIGNATURE = "scripted"
"""Thinking needs a signature to be sent back; nobody checks this one."""


@dataclass(frozen=True)
class Turn:
    """One `[[turn]]`: the words, their place in the file (from 1), and the events that they become."""

    words: TurnWords
    number: int
    file: str
    line: int | None = None

    @property
    def where(self) -> str:
        """File, line and number, for messages."""
        return f"{self.file}:{self.line}: turn {self.number}" if self.line else f"{self.file}: turn {self.number}"

    @cached_property
    def events(self) -> tuple[StreamEvent, ...]:
        """All that is yielded, the end of the message last."""
        words = self.words
        events: list[StreamEvent] = [
            ModelStarted(model=f"scripted:{self.file}", message_id=f"msg_scripted_{self.number}")
        ]
        if words.thinking:
            events += [ThinkingDelta(text=piece) for piece in _pieces(words.thinking)]
            events.append(_done(ThinkingBlock(thinking=words.thinking, signature=SIGNATURE)))
        if words.text:
            events += [TextDelta(text=piece) for piece in _pieces(words.text)]
            events.append(_done(TextBlock(text=words.text)))
        for place, call in enumerate(words.call, 1):
            events += self._call(call, place)
        events.append(ModelDone(stop_reason=self.stop_reason, usage=words.usage))
        return tuple(events)

    @cached_property
    def plain(self) -> bool:
        """Whether it is said at once, and to any request."""
        words = self.words
        return words.expect is None and words.error is None and not words.delay and not words.chunk_delay

    @property
    def stop_reason(self) -> str:
        """What the script says, else what its calls make likely."""
        if self.words.stop_reason:
            return self.words.stop_reason
        if any(call.cut for call in self.words.call):
            return StopReason.MAX_TOKENS.value
        return (StopReason.TOOL_USE if self.words.call else StopReason.END_TURN).value

    def _call(self, call: CallWords, place: int) -> list[StreamEvent]:
        # the number in the file, not the position: a failing turn and the one after it share a position
        call_id = call.id or f"toolu_{self.number}_{place}"
        if not call.cut:
            return [_done(ToolUseBlock(id=call_id, name=call.name, input=call.input))]
        from pydantic_core import to_json

        whole = to_json(call.input).decode()
        partial = whole[: max(1, len(whole) // 2)]
        return [ToolInputDelta(id=call_id, json_text=partial), ToolUseCut(id=call_id, name=call.name, partial=partial)]


@dataclass(frozen=True)
class Position:
    """One answer of a conversation and the failures before it; only the answer moves the conversation on.

    `answer` is None where a script ends with failures.
    """

    failures: tuple[Turn, ...] = ()
    answer: Turn | None = None


@dataclass(frozen=True)
class Script:
    """All turns of a script, by the purpose of the requests that they answer. `played` holds numbers of turns."""

    file: str
    turns: tuple[Turn, ...]
    tracks: Mapping[Purpose, Sequence[Position]]
    context_window: int | None = None
    played: set[int] = field(default_factory=set, compare=False)

    @property
    def left(self) -> int:
        """How many turns no session has played yet."""
        return len(self.turns) - len(self.played)


def read_script(path: str, file: str) -> Script:
    """Parse a script file; *file* is its name in messages. Raises BadScriptError."""
    import tomli

    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as wrong:
        raise BadScriptError(f"the script cannot be read: {wrong.strerror} ({path})", file=file) from None
    except UnicodeDecodeError as wrong:
        raise BadScriptError(f"the script is not UTF-8: {wrong.reason} at byte {wrong.start}", file=file) from None
    try:
        raw = tomli.loads(text)
    except tomli.TOMLDecodeError as wrong:
        raise BadScriptError(f"is no TOML: {wrong.msg} (column {wrong.colno})", file=file, line=wrong.lineno) from None
    return build_script(raw, file, text=text)


def build_script(raw: dict[str, Any], file: str, *, text: str = "") -> Script:
    """Make a script of tables; *text* is the TOML that they came from, for the lines. Raises BadScriptError."""
    lines = lines_of(text)
    try:
        words = parse_words(raw)
    except ValidationError as wrong:
        place, problem = first_problem(wrong)
        raise BadScriptError(problem, file=file, line=line_of(lines, place), place=place) from None
    turns = tuple(
        Turn(turn, number + 1, file, line_of(lines, ("turn", number))) for number, turn in enumerate(words.turn)
    )
    for made in turns:
        _ = made.events, made.plain  # now, and once: while a script is played, a benchmark measures the host and not us
    return Script(file, turns, _tracks(turns), words.context_window)


def _tracks(turns: Sequence[Turn]) -> dict[Purpose, tuple[Position, ...]]:
    tracks: dict[Purpose, list[Position]] = {}
    waiting: dict[Purpose, list[Turn]] = {}
    for turn in turns:
        purpose = turn.words.purpose
        if turn.words.error is not None:
            waiting.setdefault(purpose, []).extend([turn] * turn.words.times)
        else:
            tracks.setdefault(purpose, []).append(Position(tuple(waiting.pop(purpose, ())), turn))
    for purpose, failures in waiting.items():
        tracks.setdefault(purpose, []).append(Position(tuple(failures)))
    return {purpose: tuple(positions) for purpose, positions in tracks.items()}


def _pieces(text: str) -> list[str]:
    size = max(SHORTEST_CHUNK, -(-len(text) // MOST_CHUNKS))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _done(block: Block) -> BlockDone:
    return BlockDone(block=block)


# --- where scripts are found ---------------------------------------------------------------------------

_files: dict[str, tuple[tuple[int, int], Script]] = {}
_in_memory: dict[str, Script] = {}


def find_script(name: str, folder: Path) -> Script:
    """Return the script *name*: `@NAME` from memory, else a file (relative to *folder*), parsed once per version."""
    if name.startswith("@"):
        try:
            return _in_memory[name]
        except KeyError:
            raise BadScriptError(
                f"nobody has played a script of this name; there are {sorted(_in_memory) or 'none'}", file=name
            ) from None
    path = os.path.join(folder, os.path.expanduser(name))
    try:
        state = os.stat(path)
    except OSError as wrong:
        raise BadScriptError(f"the script cannot be read: {wrong.strerror} ({path})", file=name) from None
    version = (state.st_mtime_ns, state.st_size)
    cached = _files.get(path)
    if cached is None or cached[0] != version:
        cached = _files[path] = (version, read_script(path, name))
    return cached[1]


def keep_script(name: str, script: Script) -> None:
    """Make a script known as `@NAME`, in the place of an older one."""
    _in_memory[name] = script


def kept_script(name: str) -> Script:
    """Return the script `@NAME`. Raises BadScriptError."""
    return find_script(name, Path())
