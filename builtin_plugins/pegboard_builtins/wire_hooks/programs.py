"""What the text of a hook's program gives away: names that do not exist, shells that cannot read it, lost answers.

It reads, and runs nothing but `sh -n`. What it finds by a name or a pattern alone is a doubt, not a certainty.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pegboard.errors import nearest
from pegboard_builtins.wire_hooks.events import EVENTS, EventRow, Exit2
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.inputs import Input
from pegboard_builtins.wire_hooks.runners.resolve import first_words, script_of
from pegboard_builtins.wire_hooks.sources import scripts_of

LARGEST = 512 * 1024


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a program; `sure` says that it cannot work."""

    kind: str
    text: str
    mend: str = ""
    line: int | None = None
    sure: bool = True


# --- which files ---------------------------------------------------------------------------------------


def files_of(handler: Handler, project: Path) -> list[Path]:
    """Return the readable programs that a handler names: the project's, and those of its plugin folder."""
    found = scripts_of(handler, project)
    if handler.plugin is not None and handler.type is HandlerType.COMMAND:
        text = " ".join((handler.command, *(handler.args or ())))
        text = re.sub(r"\$\{?(?:CLAUDE|PEGBOARD)_PLUGIN_ROOT\}?", str(handler.plugin.root), text)
        for word in re.split(r"[\s\"';&|()]+", text):
            path = Path(word)
            if path.is_absolute() and os.path.isfile(path) and path.resolve().is_relative_to(handler.plugin.root):
                found.append(path)
    return [path for path in dict.fromkeys(found) if path.stat().st_size <= LARGEST and b"\0" not in path.read_bytes()]


def started(command: str) -> list[str]:
    """Return the program and the script that a command starts first, as far as its words say so."""
    words = first_words(command)
    if not words:
        return []
    script = script_of(words)
    return [words[0], script] if script is not None else [words[0]]


# --- a command in the settings -------------------------------------------------------------------------

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


def invented_variables(text: str, environment: Mapping[str, str]) -> Iterator[Remark]:
    """Find variables that no host sets: they are empty, and what they guard passes."""
    assigned = set(re.findall(r"(?m)(?:^|[;&|(\s])(\w+)=", text))
    told: set[str] = set()
    for found in VARIABLE.finditer(text):
        name = found[1]
        if name in told or KNOWN_VARIABLES.fullmatch(name) or name in assigned or name in environment:
            continue
        told.add(name)
        if name in IN_THE_EVENT or name.startswith(("CLAUDE_", "TOOL_")):
            path = IN_THE_EVENT.get(name)
            mend = f"The event is on standard input: $(jq -r '{path} // empty')." if path else "The event is on stdin."
            yield Remark("variable", f"${name} is set by nobody; it is empty", mend, _line(text, found))


BASHISMS = (
    (r"\[\[", "[[ ... ]]"),
    (r"<<<", "<<<"),
    (r"(?<!\d)[<>]\(", "process substitution"),
    (r"&>", "&>"),
    (r"\$\{\w+(?:\^\^?|,,?|//?[^}]*)\}", "${x//y}, ${x^^} and the like"),
    (r"\bset -[a-z]*o pipefail\b", "pipefail"),
    (r"(?m)(?:^|[;&\s])(?:declare|local -[aA]|shopt|mapfile|readarray)\b", "declare, shopt and the like"),
    (r"(?m)(?:^|[;\s])\w+=\(", "arrays"),
    (r"\[ [^\]]* == ", "== in [ ]"),
    (r"\$'", "$'...'"),
    (r"(?m)^\s*function \w+", "function NAME"),
)


def shell_command(command: str, *, bash: bool) -> Iterator[Remark]:
    """Look at a command of the shell form, which `sh` runs unless the entry says `shell`."""
    yield from _unquoted(command)
    if bash:
        return
    used = bashism(command)
    problem = _unreadable(command)
    if problem or used:
        words = f"sh cannot read this: {problem}" if problem else f"`sh` runs this, and {used} is of bash alone"
        yield Remark("bash under sh", words, 'Say "shell": "bash", or write it for sh.', sure=bool(problem))


def bashism(text: str) -> str:
    """Return what of a shell text only bash understands, in words; empty if nothing is."""
    plain = re.sub(r"'[^']*'", "''", text)
    plain = re.sub(r"(?m)(^|\s)#.*$", "", plain)
    inner = re.search(r"\b(?:bash|zsh) -\w*c\b", plain)
    return "" if inner else next((what for pattern, what in BASHISMS if re.search(pattern, plain)), "")


def _unreadable(command: str) -> str:
    try:
        done = subprocess.run(
            ["/bin/sh", "-n", "-c", command],
            capture_output=True,
            text=True,
            timeout=5,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stderr.strip().partition("\n")[0] if done.returncode else ""


def _unquoted(command: str) -> Iterator[Remark]:
    quote = ""
    place = 0
    while place < len(command):
        here = command[place]
        if here == "\\" and quote != "'":
            place += 2
            continue
        if quote:
            quote = "" if here == quote else quote
        elif here in "'\"":
            quote = here
        if not quote:
            match = re.compile(r"\$\{?((?:CLAUDE|PEGBOARD)_(?:PROJECT_DIR|PLUGIN_ROOT|PLUGIN_DATA))\}?").match(
                command, place
            )
            if match:
                yield Remark(
                    "unquoted placeholder",
                    f"{match[0]} is not quoted: a blank in the path makes two words of it",
                    f'Write "{match[0]}" with double quotes around it.',
                    sure=False,
                )
                return
        place += 1


# --- the text of a program -----------------------------------------------------------------------------

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


def read(text: str, path: Path, row: EventRow, handler: Handler) -> Iterator[Remark]:
    """Look at a whole program."""
    yield from words(text, row)
    for one in invented_variables(text, {}):
        if one.text.split(" ")[0].lstrip("$") in IN_THE_EVENT:
            yield one
    yield from _shell_file(text, path, handler)
    yield from endings(text, row, whole=True)
    if path.suffix == ".py" or "python" in text.partition("\n")[0]:
        yield from _python_output(text)
    else:
        yield from _shell_output(text)


def words(text: str, row: EventRow) -> Iterator[Remark]:
    """Look for fields of events and answers that do not exist, and for answers to another event."""
    for name, right in MISNAMED_INPUT.items():
        found = re.search(rf"""(?:["'.]){name}(?:["'\s)|\]]|$)""", text)
        if found and right in row.input.model_fields:
            yield Remark(
                "input field", f"events have no {name!r}; it is always missing", f"Read {right!r}.", _line(text, found)
            )
    for name, right in MISNAMED_OUTPUT.items():
        found = re.search(rf"""["']{name}["']\s*:""", text)
        if found:
            yield Remark("output field", f"nobody reads {name!r} in an answer", f"Write {right}.", _line(text, found))
    yield from _jq(text, row)
    yield from _event_name(text, row)
    found = re.search(r"""["']decision["']\s*:\s*\\?["'](deny|denied|allow|reject|stop|continue)\\?["']""", text)
    if found and row.name != "PermissionRequest":
        right = "approve" if found[1] in ("allow", "continue") else "block"
        yield Remark(
            "output field",
            f"`decision` is never {found[1]!r}, which voids the answer",
            f"Write {right!r}.",
            _line(text, found),
        )


def _jq(text: str, row: EventRow) -> Iterator[Remark]:
    fields = set(row.input.model_fields) | set(Input.model_fields) | {"effort", "scratchpad_dir", "mcp_server"}
    everywhere = {name for one in EVENTS.values() for name in one.input.model_fields}
    for found in re.finditer(r"""\bjq\s+(?:-\w+\s+|--?\w[\w-]*\s+)*["']?\s*\.([a-z_]\w*)""", text):
        name = found[1]
        if name in fields or name in MISNAMED_INPUT or name in everywhere:
            continue
        close = nearest(name, fields)
        mend = (
            f"Read .{close}." if close else f"{row.name} has {', '.join(sorted(fields & set(row.input.model_fields)))}."
        )
        yield Remark("input field", f"events have no .{name}", mend, _line(text, found), sure=bool(close))


def _event_name(text: str, row: EventRow) -> Iterator[Remark]:
    found = list(re.finditer(r"""hookEventName\\?["']?\s*[:=]\s*\\?["']([A-Za-z]+)""", text))
    names = {one[1] for one in found}
    if not found or row.name in names:
        return
    one = found[0]
    what = f"{one[1]!r} is no event" if one[1] not in EVENTS else f"the answer is for {one[1]}, and this is {row.name}"
    yield Remark(
        "hookEventName", f"{what}: it voids the whole answer", f'Write "hookEventName": "{row.name}".', _line(text, one)
    )


def _shell_file(text: str, path: Path, handler: Handler) -> Iterator[Remark]:
    first = text.partition("\n")[0]
    under_sh = re.match(r"#!\s*(?:/usr)?/bin/(?:env )?(?:da)?sh\b", first) or re.search(
        rf"(?:^|[\s;&|])(?:da)?sh\s+\S*{re.escape(path.name)}", handler.command
    )
    if under_sh:
        used = bashism(text)
        if used:
            yield Remark(
                "bash under sh",
                f"sh runs it, and {used} is of bash alone",
                "Begin it with #!/usr/bin/env bash.",
                1,
                sure=False,
            )
    if first.startswith("#!") and "\r" in text[: len(first) + 2]:
        yield Remark("broken", "its first line ends in a carriage return", "Write the file with Unix line ends.", 1)


EXIT_2 = re.compile(
    r"\bexit[ (]+2\b|sys\.exit\(\s*(?:2|\w*[A-Z]\w*|code|status|rc)\b"
    r"|process\.exit(?:Code)?[ (=]+2\b|return 2\b|exit \"?\$"
)
EXIT_1 = re.compile(r"\bexit[ (]+1\b|process\.exit\(1\)")
ANSWERS = re.compile(
    r"permissionDecision|[\"']decision|hookSpecificOutput|\bhook\.(?:deny|ask|block|run)\b|[\"']continue[\"']"
)
TO_STDERR = re.compile(r">\s*&2|>&2|file=sys\.stderr|sys\.stderr\.write|console\.error|process\.stderr")


def endings(text: str, row: EventRow, *, whole: bool) -> Iterator[Remark]:
    """Look for refusals that refuse nothing: exit code 1, or words on stderr with exit code 0."""
    if row.exit_2 is not Exit2.BLOCK or EXIT_2.search(text) or ANSWERS.search(text):
        return
    found = EXIT_1.search(text)
    speaks = TO_STDERR.search(text)
    if found and speaks:
        yield Remark(
            "exit code",
            "it speaks on stderr and ends with 1, which refuses nothing",
            "Exit code 2 refuses.",
            _line(text, found),
            sure=False,
        )
    elif speaks and whole:
        what = "it speaks on stderr, and never ends with 2: nobody reads that"
        mend = "Exit with 2 to refuse, or answer with additionalContext or systemMessage."
        yield Remark("stderr with exit 0", what, mend, _line(text, speaks), sure=False)


def _python_output(text: str) -> Iterator[Remark]:
    """A print of plain text in a program that also prints an answer makes plain text of both."""
    if not ANSWERS.search(text) or "json.dumps" not in text:
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" and node.args and not node.keywords:
            first = node.args[0]
            if isinstance(first, ast.JoinedStr):
                first = first.values[0] if first.values else first
            if (
                isinstance(first, ast.Constant)
                and isinstance(first.value, str)
                and not first.value.lstrip().startswith("{")
            ):
                yield Remark(
                    "text before the decision", "it prints other text on stdout, which makes plain text of its answer",
                    "Print it to sys.stderr.", node.lineno, sure=False,
                )  # fmt: skip
                return


ECHO = re.compile(r"(?m)^\s*(?:echo|printf)\s+(?:-\w+\s+)?(?P<said>.*)$")


def _shell_output(text: str) -> Iterator[Remark]:
    if not re.search(r"(?:echo|printf|cat|jq)\b.*(?:hookSpecificOutput|\"decision\"|permissionDecision)", text):
        return
    for found in ECHO.finditer(text):
        said = found["said"]
        plain = not re.match(r"""["']?\s*\{|["']?\$|.*(?:\||>|<)""", said)
        if plain and not re.search(r"\$\(\s*$", text[: found.start()]):
            yield Remark(
                "text before the decision", "it prints other text on stdout, which makes plain text of its answer",
                "Send it to stderr: >&2.", _line(text, found), sure=False,
            )  # fmt: skip
            return


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start() + len(found[0]) - len(found[0].lstrip())) + 1
