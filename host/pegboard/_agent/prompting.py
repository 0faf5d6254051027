"""Builds requests: system prompt and tools frozen once, messages appended, and a hash over every byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json

from pegboard._agent.fold import Conversation, MessagesView
from pegboard._agent.lines import request_line
from pegboard._agent.toolbox import Toolbox
from pegboard._agent.validate import check_messages, check_tools
from pegboard._board.dispatch import Dispatcher
from pegboard.messages import canonical, trusted, whole
from pegboard.records import Record, RequestRecord, StateRecord, SystemRecord
from pegboard.requests import Layer, Purpose, Request, RequestDraft, Section, Stability, ToolSpec

LAYERS = list(Layer)
STABILITIES = list(Stability)
SECTION = "section "
"""Keys of the host's own state (StateRecord with plugin ""): the turn sections that the model was told last."""


class Prompting:
    """One session's requests. What was sent once stays as it was, until a compaction or a fork."""

    def __init__(
        self,
        *,
        conversation: Conversation,
        dispatcher: Dispatcher,
        sections: tuple[Section, ...],
        toolbox: Toolbox,
        window: Callable[[], int],
        model: str,
        max_tokens: int,
        params: dict[str, Any],
        session_id: str,
        purpose: Purpose,
        write: Callable[[Record], None],
        append: Callable[[type[Record], bytes], None],
        say: Callable[[str, str, str], None],
        notice: Callable[[str, str, str], None],
    ) -> None:
        self._conversation = conversation
        self._dispatcher = dispatcher
        self.sections = sections
        self._deferred: tuple[Section, ...] = ()
        self._toolbox = toolbox
        self._tools = toolbox.tools
        self._window = window
        self.model = model
        self._max_tokens = max_tokens
        self._params = params
        self._session_id = session_id
        self._purpose = purpose
        self._write = write
        self._append = append
        self._say = say
        self._notice = notice
        self._requests = 0
        self._system: tuple[str, ...] | None = None
        self._specs: tuple[ToolSpec, ...] = ()
        self._tools_json = ""
        self._system_hash = ""
        self._tools_hash = ""
        self._base = b""
        self._turn_texts: dict[str, str] = {}
        self._said_changed: set[str] = set()
        self._chain = hashlib.sha256()
        self._chained = 0
        self._chain_generation = -1
        self._last_end = -1
        self._pinned: frozenset[str] = frozenset()
        self._written_tools = ""
        self.allowed: tuple[str, ...] | None = None
        """The tools that the last request offered; None for all."""

    def restore(self, system: tuple[str, ...] | None, tools_json: str, requests: int, said: dict[str, Any]) -> None:
        """Take the system prompt of a session that is resumed, so that its bytes stay the same.

        *said* is the host's own state: the sections that were said last, so that they are not said again.
        """
        self._requests = requests
        for key, section in said.items():
            if key.startswith(SECTION):
                self._turn_texts[key.removeprefix(SECTION)] = section["text"]
        self._pinned = frozenset(
            key.removeprefix(SECTION) for key, section in said.items() if key.startswith(SECTION) and section["pinned"]
        )
        if system is not None:
            self._freeze_system(system)
            self._freeze_tools()
            self._written_tools = tools_json

    def thaw(self) -> None:
        """Let system prompt and tools be built anew: after a compaction."""
        self._system = None
        self._said_changed.clear()

    def next_id(self) -> str:
        """Return an id for a request of any purpose."""
        self._requests += 1
        return f"r{self._requests}"

    @property
    def pins(self) -> tuple[str, ...]:
        """Texts in the conversation that must survive compaction."""
        return tuple(text for name, text in self._turn_texts.items() if name in self._pinned)

    async def build(self, step: int) -> Request:
        """Build and journal the next request of the turn. Raises InvalidRequestError."""
        allowed = None
        params = self._params
        if self._system is None:
            self._toolbox.settle(self._window())
            self._deferred = self._toolbox.sections
        if "prepare_request" in self._dispatcher.hooked:
            draft = await self._prepared(step)
            if len(draft.tools) != len(self._tools):
                allowed = draft.tools
            params = draft.params
            self._take_sections(draft.sections)
        elif self._system is None:
            self._take_sections((*self.sections, *self._deferred))
        if self._tools_json != self._written_tools:
            self._write_system()
        self.allowed = allowed
        messages = self._conversation.view()
        count = len(messages)
        digest = self._hash(messages, params, allowed)
        before, self._last_end = self._last_end, count - 1
        request_id = self.next_id()
        request = trusted(
            Request,
            {
                "purpose": self._purpose,
                "model": self.model,
                "system": self._system or (),
                "tools": self._specs,
                "messages": messages,
                "max_tokens": self._max_tokens,
                "params": params,
                "allowed_tools": allowed,
                "anchors": (before, count - 1) if 0 <= before < count - 1 else (count - 1,),
                "hash": digest,
                "session_id": self._session_id,
                "request_id": request_id,
            },
        )
        self._append(RequestRecord, request_line(request_id, self._purpose, self.model, digest, count))
        return request

    async def _prepared(self, step: int) -> RequestDraft:
        """Ask the plugins."""
        return await self._dispatcher.prepare_request(
            RequestDraft(
                purpose=self._purpose,
                model=self.model,
                sections=(*self.sections, *self._deferred),
                tools=tuple(self._tools),
                params=self._params,
                step=step,
            )
        )

    def use_model(self, name: str) -> None:
        """Ask another model from the next request on; it has read nothing of the prompt yet."""
        self.model = name
        if self._system is not None:
            self._freeze_tools()

    def use_tools(self) -> None:
        """Show the tools that there are now from the next request on; say which deferred ones have come or gone."""
        if self._system is None:
            return
        self._freeze_tools()
        news = self._toolbox.news()
        if news:
            self._say(news, "context", "host")

    # --- sections --------------------------------------------------------------------------------------

    def _take_sections(self, sections: tuple[Section, ...]) -> None:
        lasting = [section for section in sections if section.stability is not Stability.TURN and section.text.strip()]
        lasting.sort(key=lambda one: (LAYERS.index(one.layer), STABILITIES.index(one.stability)))  # stable
        system = tuple(whole(section.text) for section in lasting)
        if self._system is None:
            self._freeze_system(system)
            self._freeze_tools()
            self._write_system()
        elif system != self._system:
            self._keep_out(lasting)
        changing = [section for section in sections if section.stability is Stability.TURN]
        self._pinned = frozenset(section.name for section in changing if section.pinned)
        for section in changing:
            text = whole(section.text)
            if text.strip() and self._turn_texts.get(section.name) != text:
                self._turn_texts[section.name] = text
                self._say(text, "context", section.owner or section.name)
                kept = to_json({"text": text, "pinned": section.pinned}).decode()
                self._write(StateRecord(plugin="", key=SECTION + section.name, value_json=kept))

    def _keep_out(self, sections: list[Section]) -> None:
        """Say once which section came too late: changing the system prompt would throw the prompt cache away."""
        known = set(self._system or ())
        for section in sections:
            if section.text not in known and section.name not in self._said_changed:
                self._said_changed.add(section.name)
                self._notice(
                    section.owner,
                    f"the section {section.name!r} changed after the first request; it counts from the next compaction "
                    f"on. Give it stability=turn if it must change",
                    "warning",
                )

    def _write_system(self) -> None:
        self._written_tools = self._tools_json
        self._write(
            SystemRecord(
                system=self._system or (),
                tools_json=self._tools_json,
                system_hash=self._system_hash,
                tools_hash=self._tools_hash,
            )
        )

    def _freeze_system(self, system: tuple[str, ...]) -> None:
        self._system = system
        self._system_hash = hashlib.sha256(to_json(system)).hexdigest()

    def _freeze_tools(self) -> None:
        self._specs = self._toolbox.specs
        check_tools(self._specs)
        self._tools_json = to_json(self._specs).decode()
        self._tools_hash = hashlib.sha256(self._tools_json.encode()).hexdigest()
        self._base = to_json([self.model, self._max_tokens, self._system_hash, self._tools_hash])

    # --- hash ------------------------------------------------------------------------------------------

    def _hash(self, messages: MessagesView, params: dict[str, Any], allowed: tuple[str, ...] | None) -> str:
        """Check and hash what was appended; everything before it was checked and hashed when it was new."""
        conversation = self._conversation
        if conversation.generation != self._chain_generation:
            self._chain = hashlib.sha256()
            self._chained = 0
            self._chain_generation = conversation.generation
        paused = bool(messages) and messages[-1].role == "assistant"
        check_messages(messages.all, self._chained, ending=not paused)
        self._chain.update(conversation.json_from(self._chained))
        self._chained = len(messages)
        whole = self._chain.copy()
        whole.update(self._base)
        if params or allowed is not None:
            whole.update(canonical({"params": params, "allowed": allowed}))
        return whole.hexdigest()
