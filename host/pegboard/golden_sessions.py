"""Golden sessions: what happened in a session, as lines that are the same each time, held against a file.

    async def test_the_release_goes_as_it_always_did(pegboard_host):
        ...
        assert_golden(pegboard_host, Path(__file__).with_name("release.golden"))

`UPDATE_GOLDEN=1` writes the file anew; look at the difference before you keep it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import to_json

from pegboard.records import (
    AskRecord,
    AssistantLine,
    CompactionDone,
    HookRecord,
    Notice,
    PromptRefused,
    Record,
    ToolAttempt,
    TurnEnded,
    UserLine,
)

UPDATE = "UPDATE_GOLDEN"
LONGEST = 2_000
"""Characters of one text."""
_CHANGING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\bside_[0-9a-f]{12}\b"), "<call>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d+(?:\.\d+)? ?m?s\b"), "<duration>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
)


class Fixture(Protocol):
    """What is needed of a HostFixture."""

    @property
    def folder(self) -> Path: ...
    @property
    def project(self) -> Path: ...
    @property
    def home(self) -> Path: ...
    def records(self) -> Sequence[Record]: ...


def golden_lines(host: Fixture) -> list[str]:
    """Return what happened in the fixture's session, a line each: prompts, calls, who decided, results, the end."""
    places = [(str(host.project), "<project>"), (str(host.home), "<home>"), (str(host.folder), "<folder>")]
    return [_same_each_time(line, places) for record in host.records() for line in _lines_of(record)]


def assert_golden(host: Fixture, file: Path) -> None:
    """Raise AssertionError with a diff where a session is not what the file says. A file that is missing is written."""
    now = "\n".join(golden_lines(host)) + "\n"
    if os.environ.get(UPDATE) or not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(now, encoding="utf-8")
        return
    then = file.read_text(encoding="utf-8")
    if then != now:
        lines = difflib.unified_diff(then.splitlines(), now.splitlines(), str(file), "this session", lineterm="")
        raise AssertionError("\n".join(["the session is another one:", *lines, f"{UPDATE}=1 keeps it"]))


def _same_each_time(line: str, places: Iterable[tuple[str, str]]) -> str:
    for path, word in places:
        line = line.replace(path, word)
    for pattern, word in _CHANGING:
        line = pattern.sub(word, line)
    return line


def _lines_of(record: Record) -> Iterator[str]:
    if isinstance(record, UserLine):
        said = record.source or (f"{record.tool.name} {record.tool.outcome}" if record.tool is not None else "")
        yield from _texts(f"{record.kind} {said}".strip(), record.message)
    elif isinstance(record, AssistantLine):
        yield from _texts("model", record.message)
    elif isinstance(record, HookRecord):
        for row in record.rows:
            answer = " ".join(part for part in (row.verdict, row.reason, row.effect and f"[{row.effect}]") if part)
            yield f"  {record.point} {row.plugin}: {_short(row.error or answer)}"
    elif isinstance(record, AskRecord):
        yield f"  asked about {record.name}: {'allowed' if record.allowed else 'refused'} by {record.by}"
    elif isinstance(record, ToolAttempt):
        yield f"attempt {record.name} {record.outcome} for {record.origin}: {_short(record.output)}"
    elif isinstance(record, PromptRefused):
        yield f"refused by {record.by}: {_short(record.reason)}"
    elif isinstance(record, Notice):
        yield f"notice {record.plugin}: {_short(record.text)}"
    elif isinstance(record, CompactionDone):
        yield f"compaction {record.strategy} by {record.by}"
    elif isinstance(record, TurnEnded):
        yield f"end: {record.reason}" + (f" ({_short(record.detail)})" if record.detail else "")


def _texts(who: str, message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content", "")
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if block.get("type") == "text":
            yield f"{who}: {_short(block['text'])}"
        elif block.get("type") == "tool_use":
            yield f"{who} calls {block['name']} {_short(to_json(block['input']).decode())}"
        elif block.get("type") == "tool_result":
            yield f"{who}: {_short(_result(block.get('content', '')))}"
        else:
            yield f"{who}: [{block.get('type')}]"


def _result(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(str(one.get("text", one.get("type"))) for one in content)


def _short(text: str) -> str:
    line = text.replace("\n", "\\n")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}... ({len(line):,} characters)"
