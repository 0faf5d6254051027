"""Fields of events and answers that a program names and that do not exist, and answers to another event."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice

from pegboard.errors import nearest
from pegboard_builtins.wire_hooks.answers import misplaced, unread
from pegboard_builtins.wire_hooks.events import EVENTS, EventRow
from pegboard_builtins.wire_hooks.inputs import Input
from pegboard_builtins.wire_hooks.remarks import ENOUGH, LOOK, Remark, line_of

MISNAMED_INPUT = {
    "tool_output": "tool_response",
    "tool_result": "tool_response",
    "toolOutput": "tool_response",
    "user_prompt": "prompt",
    "userPrompt": "prompt",
    "toolName": "tool_name",
    "toolInput": "tool_input",
    "sessionId": "session_id",
    "transcriptPath": "transcript_path",
}
MISNAMED_OUTPUT = {
    "modifiedToolInput": "hookSpecificOutput.updatedInput",
    "modified_input": "hookSpecificOutput.updatedInput",
    "updated_input": "hookSpecificOutput.updatedInput",
    "permission_decision": "hookSpecificOutput.permissionDecision",
    "additional_context": "hookSpecificOutput.additionalContext",
    "hook_specific_output": "hookSpecificOutput",
    "system_message": "systemMessage",
    "feedback": "reason",
}


def words(text: str, row: EventRow, events: Collection[str] = ()) -> Iterator[Remark]:
    """Look for fields of events and answers that do not exist, and for answers to another event."""
    for name, right in MISNAMED_INPUT.items():
        found = _read_from_the_event(name, text)
        if found and name != name.lower() and not OF_THE_EVENT.search(text, max(0, found.start() - 80), found.end()):
            continue
        if found and right in row.input.model_fields and not _reads(right, text):
            said = f"events have no {name!r}; it is always missing"
            yield Remark("input field", said, f"Read {right!r}.", line_of(text, found))
    told: set[int] = set()
    for name, right in MISNAMED_OUTPUT.items():
        found = re.search(rf"""["']{name}["']\s*:""", text)
        if found and not re.search(rf"\b{right.rpartition('.')[2]}\b", text):
            told.add(line_of(text, found))
            yield Remark("output field", f"nobody reads {name!r} in an answer", f"Write {right}.", line_of(text, found))
    yield from _jq(text, row)
    yield from _event_name(text, row, events)
    yield from _values(text, row)
    for kind, said, mend, place, sure in (*unread(text, row), *misplaced(text, row)):
        line = text.count("\n", 0, place) + 1
        if line not in told:  # one word for one answer
            yield Remark(kind, said, mend, line, sure=sure)


OF_THE_EVENT = re.compile(
    r"""(?i:\b\w*(?:input|data|event|payload|hook|stdin|json|parsed|body)\w*)(?:\?\.|\.|\[["']|\.get\(["'])\w+["')\]]*$"""
)
"""A name that is read of something that sounds like the event."""


def _read_from_the_event(name: str, text: str) -> re.Match[str] | None:
    """Return where a name is read by key or by dot; not where it is compared or told, as a transcript's blocks are."""
    pattern = rf"""(?:\.get\(\s*["']|\[\s*["']|\?\.|(?<=[\w\])])\.|["'\s({{|]\.){name}(?:["']\s*[,)\]]|(?![\w"'(]))"""
    return re.search(pattern, text)


def _reads(name: str, text: str) -> bool:
    """Whether a program reads an event's field by its right name."""
    return re.search(rf"""["'.]{name}(?:["'\s)|\],;]|$)""", text) is not None


VALUES = (
    (
        re.compile(r"""["']permissionDecision["']\s*:\s*\\?["'](\w+)\\?["']"""),
        ("allow", "deny", "ask", "defer"),
        "deny",
    ),
    (re.compile(r"""["']behavior["']\s*:\s*\\?["'](\w+)\\?["']"""), ("allow", "deny"), "deny"),
)
DECISION = re.compile(r"""["']decision["']\s*:\s*\\?["'](deny|denied|allow|reject|stop|continue)\\?["']""")
SENDS = re.compile(r"\b(?:echo|printf|print|console\.log|write|dumps?|stringify|cat)\b|<<|^\s*[{'\"]|jq -n")


def _values(text: str, row: EventRow) -> Iterator[Remark]:
    """Look for values that an answer's field cannot have: one voids the whole answer."""
    for pattern, right, meant in VALUES:
        found = next((one for one in pattern.finditer(text) if one[1] not in right), None)
        if found:
            name = re.split(r"\W+", found[0])[1]
            mend = f"Write {meant!r}, or one of {', '.join(right)}."
            said = f"`{name}` is never {found[1]!r}, which voids the answer"
            yield Remark("output field", said, mend, line_of(text, found))
    found = DECISION.search(text)
    if found and row.name != "PermissionRequest":
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        right_word = "approve" if found[1] in ("allow", "continue") else "block"
        said = f"`decision` is never {found[1]!r}, which voids the answer"
        yield Remark(
            "output field", said, f"Write {right_word!r}.", line_of(text, found), sure=bool(SENDS.search(line))
        )


JQ = re.compile(r"""\bjq\s+(?:--?\w[\w-]*\s+)*["']?\s*\.([a-z_]\w*)""")
KEEPS_STDIN = re.compile(
    r"\b(\w+)=[\"']?\$\((?:\s*cat\b[^|)]{0,200}|\s*<\s*/dev/stdin\s*)\)"
    r"|(?m:^)\s*(?:IFS=\S*\s+)?read\s+(?:-\w+\s+)*(?:'' )?(\w+)"
)


def _jq(text: str, row: EventRow) -> Iterator[Remark]:
    """Look at what `jq` is told to take of the event, and leave alone what it takes of anything else."""
    fields = set(row.input.model_fields) | set(Input.model_fields) | {"effort", "scratchpad_dir", "mcp_server"}
    everywhere = {name for one in EVENTS.values() for name in one.input.model_fields}
    kept = {found[1] or found[2] for found in KEEPS_STDIN.finditer(text)}
    for found in islice(JQ.finditer(text), ENOUGH):
        name = found[1]
        if name in fields or name in MISNAMED_INPUT or name in everywhere or not _of_the_event(text, found, kept):
            continue
        close = nearest(name, fields)
        mend = (
            f"Read .{close}." if close else f"{row.name} has {', '.join(sorted(fields & set(row.input.model_fields)))}."
        )
        yield Remark("input field", f"events have no .{name}", mend, line_of(text, found), sure=bool(close))


def _of_the_event(text: str, found: re.Match[str], kept: Collection[str]) -> bool:
    """Whether a `jq` reads standard input as the program has it, or a variable that holds it."""
    begin = max(text.rfind("\n", 0, found.start()) + 1, found.start() - LOOK)
    before = text[begin : found.start()]
    after = re.match(
        r"""[^|;&)\n]*?(?:["']\s*)?(?:<<<\s*["']?\$\{?(\w+)|([|;&)\n]|$))""", text[found.end() : found.end() + LOOK]
    )
    if after and after[1]:
        return after[1] in kept
    feeds = re.search(r"""(?:\b(?:echo|printf)\b[^|;&]*?\$\{?(\w+)\}?["']?\s*|\bcat\s*)\|\s*$""", before)
    if feeds:
        return feeds[1] is None or feeds[1] in kept
    takes_a_file = re.match(
        r"""(?:[^"'\n]*["']|[^\s"'|;&)<>]*)[ \t]+[^|;&)\s<>2]""", text[found.end() : found.end() + LOOK]
    )
    return not takes_a_file and (
        not before.strip() or re.search(r"(?:\$\(|[;&`(!]|\b(?:then|if|do|exec)|=)\s*$", before) is not None
    )


def _event_name(text: str, row: EventRow, events: Collection[str]) -> Iterator[Remark]:
    """Look for an answer to another event; a program that is run for that one too answers there."""
    found = list(re.finditer(r"""hookEventName\\?["']?\s*[:=]\s*\\?["']([A-Za-z]+)""", text))
    names = {one[1] for one in found}
    if not found or row.name in names or names & set(events):
        return
    asks = re.search(rf"""hook_event_name|hookEventName\\?["']?\s*[:=]\s*\\?["']?[$a-z]|["']{row.name}["']""", text)
    one = found[0]
    what = f"{one[1]!r} is no event" if one[1] not in EVENTS else f"the answer is for {one[1]}, and this is {row.name}"
    yield Remark(
        *("hookEventName", f"{what}: it voids the whole answer", f'Write "hookEventName": "{row.name}".'),
        *(line_of(text, one), asks is None),
    )
