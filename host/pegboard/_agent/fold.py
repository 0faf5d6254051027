"""The fold: a conversation, and everything else that a session must know again, out of journal records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from pydantic_core import from_json

from pegboard._agent.lines import block_json
from pegboard.messages import (
    Block,
    EndReason,
    Message,
    Origin,
    RedactedThinkingBlock,
    StopReason,
    Tally,
    TextBlock,
    ThinkingBlock,
    ToolCall,
    ToolResultBlock,
    ToolUseBlock,
    Usage,
    parse_message,
    trusted,
)
from pegboard.requests import characters

BROKEN_OFF = (EndReason.INTERRUPTED, EndReason.WALL_TIME, EndReason.ERROR)
"""Ends of a turn after which `run()` without a prompt goes on, even if the model had the last word."""


class MessagesView(Sequence[Message]):
    """The first *length* messages of a list that only ever grows: a snapshot without a copy.

    `all` is that list itself, for those who look at it before it grows.
    """

    __slots__ = ("_length", "_messages", "all")

    def __init__(self, messages: list[Message], length: int) -> None:
        self._messages = self.all = messages
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | Sequence[Message]:
        if isinstance(index, slice):
            return [self._messages[place] for place in range(*index.indices(self._length))]
        if index < 0:
            index += self._length
        if not 0 <= index < self._length:
            raise IndexError(index)
        return self._messages[index]


LOST = "[lost: the journal of this session was damaged here]"


class Conversation:
    """The message list, grown block by block: alike while it happens and when it is read back.

    User blocks of any kind join one user message until the model answers: tool results first, in the order of the
    calls, then everything else in the order of the journal. An assistant message counts once its request has ended.
    """

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._results: dict[str, Block] = {}
        self._others: list[Block] = []
        self._tail_is_new = False
        self._pending: dict[str, list[Block]] = {}
        self._calls: tuple[ToolUseBlock, ...] = ()
        self._encoded: dict[int, tuple[Block, bytes]] = {}
        self.generation = 0
        self.characters = 0

    # growing

    def add_user(self, block: Block, json: bytes = b"") -> None:
        """Add one block that is not the model's. *json* is its JSON where somebody has just made it."""
        self.characters += characters(block)
        if json:
            self._encoded[id(block)] = block, json
        if type(block) is ToolResultBlock:
            self._results.setdefault(block.tool_use_id, block)  # exactly one per call: the first one stands
        else:
            self._others.append(block)
        self._tail_is_new = True

    def add_assistant(self, request: str, block: Block, json: bytes = b"") -> None:
        """Add one block of an answer that is still under way. *json* as for `add_user`."""
        pending = self._pending.get(request)
        if pending is None:
            self._pending[request] = [block]
        else:
            pending.append(block)
        if json:
            self._encoded[id(block)] = block, json

    def end_request(self, request: str, *, lost: bool = False) -> None:
        """Make a message of the blocks of a request. An answer without a block makes none.

        *lost* says that the user's message before it is missing, if there is none.
        """
        pending = self._pending.pop(request, None)
        blocks = _sendable(pending) if pending else []
        if not blocks:
            return
        if lost or len(self._results) < len(self._calls):
            self._stand_in()
        if self._tail_is_new:
            self.settle()
        messages, calls = self._messages, []
        for block in blocks:
            self.characters += characters(block)
            if type(block) is ToolUseBlock:
                calls.append(block)
        if messages and messages[-1].role == "assistant":
            # pause_turn: the model goes on with its own message, which must begin with reasoning if it holds any.
            before = messages.pop().content
            if type(before[0]) not in THINKING:
                self.characters -= sum([characters(block) for block in blocks if type(block) in THINKING])
                blocks = [block for block in blocks if type(block) not in THINKING]
            blocks = [*before, *blocks]
            calls = [block for block in blocks if type(block) is ToolUseBlock]
            self.generation += 1
        messages.append(trusted(Message, {"role": "assistant", "content": tuple(blocks)}))
        self._calls = tuple(calls)
        self._results = {}
        self._others = []

    def _stand_in(self) -> None:
        """Put something in the place of what a damaged journal has lost, or the conversation could never go on."""
        for call in self.open_calls:
            self.add_user(ToolResultBlock(tool_use_id=call.id, content=LOST, is_error=True, origins=(Origin.HOST,)))
        self.settle()
        if not self._messages or self._messages[-1].role == "assistant":
            self.add_user(TextBlock(text=LOST, origins=(Origin.HOST,)))

    def drop_request(self, request: str) -> None:
        """Forget the blocks of a request that never ended."""
        self._pending.pop(request, None)

    def replace(self, messages: Sequence[Message]) -> None:
        """Put *messages* in the place of all (compaction)."""
        self._messages = list(messages)
        self.characters = sum(characters(block) for message in messages for block in message.content)
        self._results, self._others, self._tail_is_new = {}, [], False
        self._calls = ()
        self.generation += 1
        if messages and messages[-1].role == "assistant":
            self._calls = tuple(block for block in messages[-1].content if isinstance(block, ToolUseBlock))
        elif messages:
            # What comes next joins the last user message.
            last = self._messages.pop()
            self.characters -= sum(map(characters, last.content))  # add_user counts them again
            before = self._messages[-1].content if self._messages else ()
            self._calls = tuple(block for block in before if isinstance(block, ToolUseBlock))
            for block in last.content:
                self.add_user(block)

    # looking

    def settle(self) -> None:
        """Make the user message at the end up to date, if something was added."""
        if not self._tail_is_new:
            return
        self._tail_is_new = False
        results, content = self._results, self._others
        if results:
            content = [*[results[call.id] for call in self._calls if call.id in results], *content]
        if not content:
            return
        message = trusted(Message, {"role": "user", "content": tuple(content)})
        if self._messages and self._messages[-1].role == "user":
            self._messages[-1] = message
            self.generation += 1
        else:
            self._messages.append(message)

    def json_from(self, start: int) -> bytes:
        """Return the JSON of each message from *start* on, one behind the other; their blocks are encoded only once.

        What is known of older blocks is forgotten: whoever asks does so once for each message.
        """
        known, self._encoded = self._encoded, {}
        whole = []  # joined at the end: a conversation that is resumed has tens of thousands
        for message in self._messages[start:]:
            blocks = []
            for block in message.content:
                found = known.get(id(block))
                blocks.append(found[1] if found is not None else block_json(block))
            whole.append(b'{"role":"%b","content":[%b]}' % (message.role.encode(), b",".join(blocks)))
        return b"".join(whole)

    def view(self) -> MessagesView:
        """Return all messages as they stand."""
        if self._tail_is_new:
            self.settle()
        return MessagesView(self._messages, len(self._messages))

    @property
    def open_calls(self) -> list[ToolUseBlock]:
        """Calls of the last assistant message that have no result yet."""
        return [call for call in self._calls if call.id not in self._results]

    @property
    def unfinished_requests(self) -> list[str]:
        """Requests whose answer was under way when the journal ended."""
        return list(self._pending)


THINKING = (ThinkingBlock, RedactedThinkingBlock)


def _sendable(blocks: list[Block]) -> list[Block]:
    """Return what of an answer may be sent back: no blank text, and no reasoning at the end that led to nothing."""
    kept = [block for block in blocks if type(block) is not TextBlock or block.text.strip()]
    while kept and type(kept[-1]) in THINKING:
        kept.pop()
    return kept


class Replay:
    """What a session knows of its past: fed with raw records, in order."""

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.session_id = ""
        self.cwd = ""
        self.project = ""
        self.model = ""
        self.agent = ""
        self.parent = ""
        self.worktree, self.workspace = "", ""
        self.seq = 0
        self.turn = 0
        self.turn_is_open = False
        self.turn_has_words = False
        self.turn_steps = 0
        self.end_reason = ""
        self.stop_reason = ""
        self.cut = ""
        self.requests = 0
        self.usage = Tally()
        self.last_tokens = 0
        self.answered = ""
        self.counted_characters = 0
        self.is_new_fork = False
        self.title = ""
        self.state: dict[str, dict[str, Any]] = {}
        self.started: dict[str, dict[str, Any]] = {}
        self.system: tuple[str, ...] | None = None
        self.tools_json = ""
        self.plan = ""
        self.stamps: list[dict[str, Any]] = []
        self.flags: tuple[dict[str, Any], dict[str, Any]] | None = None
        self.handles: dict[str, str] = {}
        self.first_time = ""
        self.last_time = ""
        self.ended = ""
        self._take = {
            "user": self._user,
            "assistant": self._assistant,
            "response": self._response,
            "request": self._request,
            "tool_start": self._tool_start,
            "discarded": self._discarded,
            "compaction": self._compaction,
            "session_start": self._session_start,
            "session_resume": self._session_resume,
            "model_change": self._model_change,
            "session_end": self._session_end,
            "forked": self._forked,
            "turn_start": self._turn_start,
            "turn_end": self._turn_end,
            "system": self._system,
            "state": self._state,
            "title": self._title,
            "cwd": self._cwd,
            "workspace": self._workspace,
            "plan": self._plan,
            "flag_snapshot": self._flag_snapshot,
            "agent_end": self._agent_end,
        }

    def renamed(self, title: str) -> bool:
        """Take a title; False if there is nothing in it, or it was the title before."""
        before, self.title = self.title, title if title.strip() else self.title
        return self.title != before

    def push(self, raw: dict[str, Any]) -> None:
        """Take one record."""
        self.seq = raw.get("seq", self.seq)
        take = self._take.get(raw["type"])
        if take is not None:
            take(raw)

    def _user(self, raw: dict[str, Any]) -> None:
        message = parse_message(raw["message"], raw.get("origins"))
        self.turn_has_words = True
        for block in message.content:
            self.conversation.add_user(block)
        tool = raw.get("tool")
        if tool:
            self.started.pop(tool["id"], None)

    def _assistant(self, raw: dict[str, Any]) -> None:
        for block in parse_message(raw["message"]).content:
            self.conversation.add_assistant(raw.get("request", ""), block)

    def _request(self, raw: dict[str, Any]) -> None:
        self.requests += 1

    def _response(self, raw: dict[str, Any]) -> None:
        had = raw["request"] in self.conversation.unfinished_requests
        self.conversation.end_request(raw["request"], lost=self.stop_reason != StopReason.PAUSE_TURN)
        usage = Usage.model_validate(raw.get("usage") or {})
        self.usage.add(usage)
        self.answered = raw.get("timestamp", "")
        if had:
            self.stop_reason, self.cut = raw.get("stop_reason", ""), raw.get("cut", "")
            self.turn_steps += 1
        if had and usage.context_tokens:
            self.last_tokens = usage.context_tokens
            self.counted_characters = self.conversation.characters

    def _discarded(self, raw: dict[str, Any]) -> None:
        self.conversation.drop_request(raw["request"])

    def _tool_start(self, raw: dict[str, Any]) -> None:
        self.started[raw["call"]] = raw

    def _compaction(self, raw: dict[str, Any]) -> None:
        self.conversation.replace([parse_message(m["message"], m["origins"]) for m in from_json(raw["messages_json"])])
        self.last_tokens = raw.get("tokens_after", 0)
        self.counted_characters = self.conversation.characters
        self.handles.update(raw.get("handles") or {})
        self.system = None

    def _session_start(self, raw: dict[str, Any]) -> None:
        self.session_id = raw["sessionId"]
        self.cwd, self.project = raw["cwd"], raw.get("project") or raw["cwd"]
        self.model, self.parent = raw.get("model", ""), raw.get("parent", "")
        self.agent = raw.get("agent_type", "")

    def _session_resume(self, raw: dict[str, Any]) -> None:
        self.model = raw.get("model") or self.model
        self.ended = ""
        self.is_new_fork = False

    def _model_change(self, raw: dict[str, Any]) -> None:
        self.model = raw["model"]

    def _session_end(self, raw: dict[str, Any]) -> None:
        self.ended = raw.get("reason", "other")

    def _turn_start(self, raw: dict[str, Any]) -> None:
        self.turn = raw["turn"]
        self.turn_is_open, self.turn_has_words, self.turn_steps = True, False, 0

    def _turn_end(self, raw: dict[str, Any]) -> None:
        self.turn_is_open, self.end_reason = False, raw.get("reason", "")

    def _forked(self, raw: dict[str, Any]) -> None:
        self.is_new_fork = True

    def _system(self, raw: dict[str, Any]) -> None:
        self.system, self.tools_json = tuple(raw["system"]), raw["tools_json"]

    def _state(self, raw: dict[str, Any]) -> None:
        values = self.state.setdefault(raw["plugin"], {})
        if raw["value_json"]:
            values[raw["key"]] = from_json(raw["value_json"])
        else:
            values.pop(raw["key"], None)

    def _title(self, raw: dict[str, Any]) -> None:
        self.title = raw["title"]

    def _cwd(self, raw: dict[str, Any]) -> None:
        self.cwd = raw["new"]

    def _workspace(self, raw: dict[str, Any]) -> None:
        self.worktree, self.workspace = raw["name"], raw["folder"]
        self.cwd = self.workspace

    def _plan(self, raw: dict[str, Any]) -> None:
        self.plan = raw["plan"]
        self.stamps = raw.get("plugins", [])

    def _flag_snapshot(self, raw: dict[str, Any]) -> None:
        self.flags = (raw["values"], raw.get("facts") or {})

    def _agent_end(self, raw: dict[str, Any]) -> None:
        self.usage.add(Usage.model_validate(raw.get("usage") or {}))

    @property
    def broken_off(self) -> bool:
        """Whether the last turn was broken off, so that it can be gone on with without a new prompt."""
        return self.turn_is_open or (self.end_reason in BROKEN_OFF and self.stop_reason != StopReason.REFUSAL)

    def nothing_to_go_on_with(self) -> str:
        """Return why a turn cannot be gone on with without a prompt; empty if it can."""
        messages = self.conversation.view()
        if self.turn_is_open and not self.turn_has_words:
            return "the process ended before it had kept the prompt."
        if not messages:
            return "this session has kept no prompt yet. Give one."
        if self.orphans or messages[-1].role != "assistant":
            return ""
        if not self.turn_is_open and self.end_reason not in BROKEN_OFF:
            return "the last turn has ended. Give a prompt."
        return "the model refused to answer. Give another prompt." if self.stop_reason == StopReason.REFUSAL else ""

    @property
    def orphans(self) -> list[tuple[ToolCall, dict[str, Any] | None]]:
        """Calls without a result, each with its tool_start record if it had begun."""
        return [
            (ToolCall(id=call.id, name=call.name, input=call.input), self.started.get(call.id))
            for call in self.conversation.open_calls
        ]
