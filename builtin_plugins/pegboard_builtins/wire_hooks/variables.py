"""Variables that a hook reads and nobody sets: what they guard passes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pegboard_builtins.wire_hooks.remarks import Remark, line_of

VARIABLE = re.compile(r"\$\{?((?:CLAUDE|PEGBOARD|TOOL|HOOK)_?[A-Z0-9_]*)\}?")
KNOWN_VARIABLES = re.compile(
    r"(CLAUDE|PEGBOARD)_(PROJECT_DIR|PLUGIN_ROOT|PLUGIN_DATA|PLUGIN_OPTION_\w+|ENV_FILE)"
    r"|CLAUDE_(CODE_\w+|EFFORT|PID|CONFIG_DIR)|CLAUDECODE|PEGBOARD_\w+"
)
IN_THE_EVENT = {
    "TOOL_NAME": ".tool_name",
    "TOOL_INPUT": ".tool_input",
    "TOOL_OUTPUT": ".tool_response",
    "CLAUDE_TOOL_NAME": ".tool_name",
    "CLAUDE_TOOL_INPUT": ".tool_input",
    "CLAUDE_TOOL_OUTPUT": ".tool_response",
    "CLAUDE_TOOL_FILE_PATH": ".tool_input.file_path",
    "CLAUDE_TOOL_INPUT_FILE_PATH": ".tool_input.file_path",
    "CLAUDE_FILE_PATHS": ".tool_input.file_path",
    "CLAUDE_FILE_PATH": ".tool_input.file_path",
    "CLAUDE_SESSION_ID": ".session_id",
    "CLAUDE_USER_PROMPT": ".prompt",
}


READS_ANOTHER = re.compile(r":?[-=](?:[^}]*[$`]|\s*[^\s}$`])")
"""A default behind a variable's name that says where else to look, or what holds without it."""
OF_THE_SYSTEM = re.compile(
    r"""(?:\benviron(?:\.get\(|\[)|\bgetenv\(|\bGetenv\(|\bprocess\.env(?:\.|\[)|\bENV(?:\[|\.fetch\()|\benv::var\()"""
    r"""\s*["']?([A-Z][A-Z0-9_]*)"""
)
"""A variable as Python, Node, Go, Ruby and Rust read one."""


def invented_variables(text: str, environment: Mapping[str, str]) -> Iterator[Remark]:
    """Find variables that no host sets: they are empty, and what they guard passes."""
    assigned = set(re.findall(r"(?m)(?:^|[;&|(\s])(\w+)=", text))
    told: set[str] = set()
    for found in VARIABLE.finditer(text):
        name = found[1]
        if name in told or KNOWN_VARIABLES.fullmatch(name) or name in assigned or name in environment:
            continue
        if found[0].startswith("${") and READS_ANOTHER.match(text, found.end()):
            continue
        told.add(name)
        if name in IN_THE_EVENT or name.startswith(("CLAUDE_", "TOOL_")):
            yield _invented(name, text, found)


def _invented(name: str, text: str, found: re.Match[str]) -> Remark:
    path = IN_THE_EVENT.get(name)
    mend = f"The event is on standard input: $(jq -r '{path} // empty')." if path else "The event is on stdin."
    return Remark("variable", f"${name} is set by nobody; it is empty", mend, line_of(text, found))


def variables_of_a_program(text: str) -> Iterator[Remark]:
    """Find those of `IN_THE_EVENT` that a program reads, and does not read from the event as well."""
    in_shell = [found for found in VARIABLE.finditer(text) if found[1] in IN_THE_EVENT]
    assigned = set(re.findall(r"(?m)(?:^|[;&|(\s])(\w+)=", text))
    told: set[str] = set()
    for found in (*in_shell, *OF_THE_SYSTEM.finditer(text)):
        name = found[1]
        path = IN_THE_EVENT.get(name)
        if path is None or name in told or name in assigned or READS_ANOTHER.match(text, found.end()):
            continue
        told.add(name)
        if not re.search(rf"(?<![$\w]){path.rpartition('.')[2]}\b", text):
            yield _invented(name, text, found)
