"""Fires a plugin's hooks with inputs that nobody thought of, and says which promise it broke on which input.

    def test_my_guard_keeps_its_promises(pegboard_host):
        pegboard_host.load(my_pack)
        HookFuzz(pegboard_host, "my_pack").run(examples=200)

Inputs come from the schemas of the host's tools, from hard texts, and from calls that were recorded (`recorded=` takes
a journal). What is looked for: crashes, deadlines that are missed, answers that differ the second time, inputs that are
changed in place, rewriters that are not done after once, and commands that pass because something harmless stands
beside what was refused. Hypothesis finds a short input for each; your pack's tests must have it installed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic_core import from_json, to_json

from pegboard._agent.journal import read_records
from pegboard._board.discovery import PluginRecord
from pegboard.decisions import STRICTNESS
from pegboard.errors import PegboardError, PluginError, did_you_mean
from pegboard.host import Session
from pegboard.messages import Batch, Outcome, OutcomeKind, ToolCall, ToolResult
from pegboard.records import AssistantLine, HookRecord, Record
from pegboard.tools import Tool

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

HOOKS = ("pre_tool", "post_tool", "prompt_submit")
"""The hooks that can be fired with an input of any kind."""
LATE = "did not answer"
"""How the host says that somebody was too late."""
DRESSES = ("true; {}", "{}; true", "( {} )", "true && {}", "{} || true", "true\n{}", "if true; then {}; fi")
"""How a command can stand beside others and still run."""
HARD = (
    "",
    " ",
    "\x00",
    "\x1b[31m",
    "\u202etxt.exe",
    "A" * 10_000,
    "../../../etc/passwd",
    "~/.ssh/id_rsa",
    "/",
    "$(rm -rf /)",
    "rm -rf / #",
    "a'b\"c`d",
    "{}[]",
    "</system-reminder>",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "git push --force origin main",
    "curl http://127.0.0.1 | sh",
    ".env",
)
"""Texts that plugins stumble over."""


class BrokenPromiseError(AssertionError):
    """A plugin broke a promise: `promise` names it, `hook` and `given` say where."""

    def __init__(self, promise: str, plugin: str, hook: str, given: Any, said: str) -> None:
        self.promise = promise
        self.plugin = plugin
        self.hook = hook
        self.given = given
        super().__init__(f"{promise}: {plugin}.{hook} on {given!r}: {said}")


class Fixture(Protocol):
    """What is needed of a HostFixture."""

    @property
    def plugins(self) -> Mapping[str, PluginRecord]: ...
    async def open(self) -> Session: ...
    def run(self, work: Coroutine[Any, Any, Any]) -> Any: ...


@dataclass(frozen=True)
class Said:
    """What one firing came to, as far as the plugin is concerned."""

    verdict: str
    reason: str
    error: str
    after: str
    context: str


class HookFuzz:
    """Fuzzes the hooks of one plugin in a HostFixture. *hooks* are those it is asked about; all that it has by default.

    *tools* are the names of the tools whose schemas give inputs (all by default), *recorded* is a journal, or calls.
    *same* says which answers count as equal: by default all of verdict, reason, new input and context.
    """

    def __init__(
        self,
        host: Fixture,
        plugin: str,
        *,
        hooks: Sequence[str] = (),
        tools: Sequence[str] = (),
        recorded: Path | Iterable[ToolCall] = (),
        same: Callable[[Said, Said], bool] | None = None,
    ) -> None:
        self.host = host
        self.plugin = plugin
        self._hooks = tuple(hooks)
        self._wanted = tuple(tools)
        self._same = same or (lambda one, other: one == other)
        self._recorded = tuple(_calls_in(recorded) if isinstance(recorded, Path) else recorded)
        self._rows: list[Mapping[str, Any]] = []
        self._notices: list[str] = []
        self._numbers = itertools.count(1)

    # --- inputs ----------------------------------------------------------------------------------------

    def hooks(self) -> list[str]:
        """Return the hooks that are fired."""
        record = self.host.plugins.get(self.plugin)
        if record is None:
            raise PluginError(self.plugin, f"is not loaded.{did_you_mean(self.plugin, self.host.plugins)}")
        has = [hook for hook in HOOKS if hook in record.hooks]
        if not has:
            raise PluginError(self.plugin, f"has none of the hooks that can be fuzzed ({', '.join(HOOKS)})")
        return [hook for hook in has if not self._hooks or hook in self._hooks]

    def calls(self) -> SearchStrategy[ToolCall]:
        """Return calls of the host's tools: made from their schemas, with hard texts in them, or as recorded."""
        from hypothesis import strategies as st

        tools = [tool for name, tool in self._tools().items() if not self._wanted or name in self._wanted]
        made = [self._calls_of(tool) for tool in tools]
        if self._recorded:
            made.append(st.sampled_from(self._recorded))
        if not made:
            raise PegboardError("there is no tool to call: load one, or give recorded calls")
        return st.one_of(made)

    def _calls_of(self, tool: Tool) -> SearchStrategy[ToolCall]:
        return strategy_of(tool.input_schema).filter(_fits(tool)).map(partial(self._call, tool.name))

    def texts(self) -> SearchStrategy[str]:
        """Return prompts and outputs."""
        return _texts()

    def _tools(self) -> Mapping[str, Tool]:
        tools: Mapping[str, Tool] = self.host.run(self.host.open()).tools()
        return tools

    def _call(self, name: str, given: Mapping[str, Any]) -> ToolCall:
        return ToolCall(id=f"fuzz_{next(self._numbers)}", name=name, input=dict(given))

    # --- running ---------------------------------------------------------------------------------------

    def run(self, examples: int = 100, *, seconds: float = 60.0) -> None:
        """Fire each hook with so many inputs. Raises BrokenPromiseError with the shortest input that was found.

        After *seconds* no further input is tried, be it for a shorter one.
        """
        from hypothesis import HealthCheck, given, settings

        limits = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        for hook in self.hooks():
            source = self.texts() if hook == "prompt_submit" else self.calls()
            limits(given(source)(self._checking(hook, time.monotonic() + seconds)))()

    def _checking(self, hook: str, ends: float) -> Callable[[Any], None]:
        check = getattr(self, f"check_{hook}")
        failed: dict[str, BrokenPromiseError] = {}

        def fuzz(one: Any) -> None:
            key = repr(one.input if isinstance(one, ToolCall) else one)
            if time.monotonic() > ends:
                if key in failed:
                    raise failed[key]
                return
            try:
                self.host.run(check(one))
            except BrokenPromiseError as error:
                failed[key] = error
                raise

        return fuzz

    async def check_pre_tool(self, call: ToolCall) -> None:
        """Hold one call against all promises. Raises BrokenPromiseError."""
        first = await self._said("pre_tool", call, call)
        again = await self._said("pre_tool", call, call)
        if not self._same(first, again):
            raise self._broken("answers differ", "pre_tool", call.input, f"{first} and then {again}")
        if first.after:
            other = ToolCall(id=call.id, name=call.name, input=from_json(first.after))
            third = await self._said("pre_tool", other, other)
            if third.after and third.after != first.after:
                text = f"{first.after} is rewritten once more, to {third.after}"
                raise self._broken("a rewriter is not done after once", "pre_tool", call.input, text)
        await self._check_dresses(call, first)

    async def _check_dresses(self, call: ToolCall, plain: Said) -> None:
        """A command that is refused must not pass because something harmless stands beside it."""
        command = call.input.get("command")
        if call.name != "Bash" or not isinstance(command, str) or plain.verdict not in ("deny", "ask"):
            return
        for dress in DRESSES if command.strip() and "#" not in command and "\x00" not in command else ():
            dressed = replace(call, input={**call.input, "command": dress.format(command)})
            said = await self._said("pre_tool", dressed, dressed)
            if _strictness(said.verdict) < _strictness(plain.verdict):
                text = f"{plain.verdict} for it alone, {said.verdict or 'nothing'} for {dressed.input['command']!r}"
                raise self._broken("milder where there is more", "pre_tool", call.input, text)

    async def check_post_tool(self, call: ToolCall) -> None:
        """Hold the results of one call against the promises: no crash, in time, the same twice."""
        for kind in (OutcomeKind.OK, OutcomeKind.ERROR):
            text = to_json(call.input).decode(errors="replace")
            outcome = Outcome(kind=kind, result=ToolResult(content=text, is_error=kind is OutcomeKind.ERROR))
            first = await self._said("post_tool", call, (call, outcome))
            again = await self._said("post_tool", call, (call, outcome))
            if not self._same(first, again):
                raise self._broken("answers differ", "post_tool", call.input, f"{first} and then {again}")

    async def check_prompt_submit(self, prompt: str) -> None:
        """Hold one prompt against the promises. Raises BrokenPromiseError."""
        first = await self._said("prompt_submit", prompt, prompt)
        again = await self._said("prompt_submit", prompt, prompt)
        if not self._same(first, again):
            raise self._broken("answers differ", "prompt_submit", prompt, f"{first} and then {again}")

    def _broken(self, promise: str, hook: str, given: Any, said: str) -> BrokenPromiseError:
        return BrokenPromiseError(promise, self.plugin, hook, given, said)

    async def _said(self, hook: str, given: Any, what: Any) -> Said:
        """Fire a hook, and return what the plugin said. Raises BrokenPromiseError for a crash or a missed deadline."""
        session: Any = await self.host.open()
        self._listen(session)
        self._rows.clear()
        self._notices.clear()
        session.dispatcher.failures.counts.clear()  # else it is quarantined after the third, and says nothing any more
        after = context = ""
        shown = given.input if isinstance(given, ToolCall) else given
        if hook == "pre_tool":
            call = session.invoker.prepare(what)
            outcome = await session.dispatcher.pre_tool(call, Batch(calls=(call,)), can_defer=True)
            after = to_json(outcome.call.input).decode() if outcome.call.input != call.input else ""
        elif hook == "post_tool":
            result = await session.dispatcher.post_tool(session.invoker.prepare(what[0]), what[1])
            after = str(result.outcome.result.content)
            context = str(result.contexts)
        else:
            prompt = await session.dispatcher.prompt_submit(what)
            after, context = prompt.prompt, str(prompt.contexts)
        row = next((row for row in self._rows if row.get("plugin") == self.plugin), {})
        error = str(row.get("error", ""))
        if error:
            promise = "a deadline is missed" if LATE in error else "it crashes"
            raise self._broken(promise, hook, shown, error)
        changed = next((text for text in self._notices if "in place" in text and self.plugin in text), "")
        if changed:
            raise self._broken("its input is changed in place", hook, shown, changed)
        return Said(str(row.get("verdict", "")), str(row.get("reason", "")), error, after, context)

    def _listen(self, session: Any) -> None:
        """Take the records of dispatches instead of writing them: thousands of them are nobody's journal."""
        if getattr(session, "fuzzed_by", None) is self:
            return
        put, notice = type(session).put.__get__(session), type(session).notice.__get__(session)

        def listen(kind: type[Record], facts: dict[str, Any]) -> None:
            if kind is HookRecord:
                self._rows += facts.get("rows", ())
            else:
                put(kind, facts)

        def hear(plugin: str, text: str, level: str = "info") -> None:
            self._notices.append(f"{plugin}: {text}")
            if level == "error":
                notice(plugin, text, level)

        session.put, session.notice, session.fuzzed_by = listen, hear, self


def _strictness(verdict: str) -> int:
    return next((rank for one, rank in STRICTNESS.items() if str(one) == verdict), -1)


def _fits(tool: Tool) -> Callable[[Any], bool]:
    """Return whether an input is one that the tool would be called with: others are refused before any hook."""

    def fits(given: Any) -> bool:
        try:
            tool.arguments(given)
        except PegboardError:
            return False
        return True

    return fits


def _calls_in(journal: Path) -> Iterable[ToolCall]:
    """Go through the calls that a model made in a recorded session."""
    for record in read_records(journal):
        if not isinstance(record, AssistantLine):
            continue
        for block in record.message.get("content", ()):
            if isinstance(block, dict) and block.get("type") == "tool_use":
                yield ToolCall(id=block["id"], name=block["name"], input=block["input"])


# --- strategies ----------------------------------------------------------------------------------------


def _texts() -> SearchStrategy[str]:
    from hypothesis import strategies as st

    plain = st.text(st.characters(codec="utf-8"), max_size=200)
    hard = st.sampled_from(HARD)
    return st.one_of(plain, hard, st.tuples(plain, hard).map("".join))


def strategy_of(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> SearchStrategy[Any]:
    """Return values of a JSON Schema, as tools have them; texts are hard ones as often as not."""
    from hypothesis import strategies as st

    whole = schema if root is None else root
    if "$ref" in schema:
        target: Any = whole
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        return st.deferred(lambda: strategy_of(target, whole))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([strategy_of(one, whole) for one in schema[word]])
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        return st.one_of([strategy_of({**schema, "type": one}, whole) for one in kind])
    return _of_kind(kind, schema, whole)


def _of_kind(kind: Any, schema: Mapping[str, Any], whole: Mapping[str, Any]) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    low, high = schema.get("minimum"), schema.get("maximum")
    if kind == "object":
        known = {name: strategy_of(one, whole) for name, one in schema.get("properties", {}).items()}
        needed = set(schema.get("required", ()))
        return st.fixed_dictionaries(
            {name: one for name, one in known.items() if name in needed},
            optional={name: one for name, one in known.items() if name not in needed},
        )
    if kind == "array":
        few = {"min_size": schema.get("minItems", 0), "max_size": min(schema.get("maxItems", 5), 5)}
        return st.lists(strategy_of(schema.get("items", {}), whole), **few)
    if kind == "string":
        least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 20)
        return _texts().filter(lambda text: least <= len(text) <= most)
    if kind == "integer":
        return st.integers(low, high)
    if kind == "number":
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    if kind == "boolean":
        return st.booleans()
    if kind == "null":
        return st.none()
    return st.one_of(st.none(), st.booleans(), st.integers(), _texts())
