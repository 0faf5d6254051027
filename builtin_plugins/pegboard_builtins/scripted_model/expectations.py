"""Does a request meet what a turn expects of it, and if not, how does it differ?"""

from __future__ import annotations

from collections.abc import Iterator

from pegboard.errors import ScriptError
from pegboard.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock
from pegboard.requests import Request
from pegboard_builtins.scripted_model.script import Turn
from pegboard_builtins.scripted_model.turns import Expect, ExpectedResult

SHOWN = 600
"""Characters of what was sent that a message shows."""


class UnmetExpectationError(ScriptError):
    """A request is not what its turn expects. `problems` has one text per difference."""

    def __init__(self, turn: Turn, problems: list[str]) -> None:
        self.file = turn.file
        self.line = turn.line
        self.turn = turn.number
        self.problems = problems
        super().__init__(
            f"{turn.where} expects another request (- expected, + got)\n" + "\n".join(f"  {p}" for p in problems)
        )


def check(turn: Turn, request: Request) -> None:
    """Raise UnmetExpectationError with every difference between *request* and the turn's `expect`."""
    if turn.words.expect is None:
        return
    problems = list(_differences(turn.words.expect, request))
    if problems:
        raise UnmetExpectationError(turn, problems)


def _differences(expect: Expect, request: Request) -> Iterator[str]:
    if expect.purpose is not None and request.purpose != expect.purpose:
        yield _diff("purpose", expect.purpose.value, str(request.purpose))
    if expect.messages is not None and len(request.messages) != expect.messages:
        yield _diff("messages", str(expect.messages), str(len(request.messages)))
    last = _last_user_text(request)
    for wanted in _listed(expect.contains):
        if wanted not in last:
            yield _diff("contains, in the last user message", repr(wanted), _shown(last))
    for unwanted in _listed(expect.not_contains):
        if unwanted in last:
            yield _diff("not_contains, in the last user message", f"nothing like {unwanted!r}", _shown(last))
    system = "\n".join(request.system)
    for wanted in _listed(expect.system_contains):
        if wanted not in system:
            yield _diff("system_contains", repr(wanted), _shown(system))
    yield from _tool_differences(expect, request)
    results = expect.tool_result if isinstance(expect.tool_result, list) else [expect.tool_result]
    for result in results:
        yield from _result_differences(result, request)


def _tool_differences(expect: Expect, request: Request) -> Iterator[str]:
    offered = [tool.name for tool in request.tools]
    if request.allowed_tools is not None:
        offered = [name for name in offered if name in request.allowed_tools]
    missing = [name for name in _listed(expect.tools) if name not in offered]
    if missing:
        yield _diff("tools", ", ".join(missing), ", ".join(offered) or "no tools")


def _result_differences(expect: ExpectedResult, request: Request) -> Iterator[str]:
    results = [block for block in request.messages[-1].content if isinstance(block, ToolResultBlock)]
    names = _names_of_calls(request)
    fitting = [
        result
        for result in results
        if expect.id in (None, result.tool_use_id) and expect.name in (None, names.get(result.tool_use_id))
    ]
    what = " ".join(word for word in (expect.name or "", expect.id or "") if word) or "any"
    if not fitting:
        there = ", ".join(f"{names.get(r.tool_use_id, '?')} {r.tool_use_id}" for r in results) or "no tool results"
        yield _diff("tool_result", f"a result of {what}", there)
        return
    wanted = _listed(expect.contains)
    if any(_fits(result, expect.is_error, wanted) for result in fitting):
        return
    parts = [f"is_error = {str(expect.is_error).lower()}"] if expect.is_error is not None else []
    parts += [f"contains {text!r}" for text in wanted]
    got = "; ".join(f"is_error = {str(r.is_error).lower()}, {_shown(_text_of(r))}" for r in fitting)
    yield _diff(f"tool_result of {what}", ", ".join(parts), got)


def _fits(result: ToolResultBlock, is_error: bool | None, wanted: list[str]) -> bool:
    return is_error in (None, result.is_error) and all(text in _text_of(result) for text in wanted)


def _names_of_calls(request: Request) -> dict[str, str]:
    if len(request.messages) < 2:
        return {}
    return {block.id: block.name for block in request.messages[-2].content if isinstance(block, ToolUseBlock)}


def _last_user_text(request: Request) -> str:
    last: Message | None = next((m for m in reversed(request.messages) if m.role == "user"), None)
    if last is None:
        return ""
    parts = [
        block.text if isinstance(block, TextBlock) else _text_of(block)
        for block in last.content
        if isinstance(block, TextBlock | ToolResultBlock)
    ]
    return "\n".join(parts)


def _text_of(result: ToolResultBlock) -> str:
    if isinstance(result.content, str):
        return result.content
    return "\n".join(part.text for part in result.content if isinstance(part, TextBlock))


def _listed(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def _shown(text: str) -> str:
    if len(text) <= SHOWN:
        return repr(text)
    head, tail = text[: SHOWN * 2 // 3], text[-SHOWN // 3 :]
    return f"{head!r} ... {len(text) - len(head) - len(tail):,} characters ... {tail!r}"


def _diff(what: str, expected: str, got: str) -> str:
    return f"{what}\n    - {expected}\n    + {got}"
