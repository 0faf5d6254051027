"""What the text of a hook's program gives away: names that do not exist, shells that cannot read it, lost answers.

It reads, and runs nothing but `sh -n`. What it finds by a name or a pattern alone is a doubt, not a certainty.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pegboard.errors import nearest
from pegboard.named_files import files_named
from pegboard_builtins.wire_hooks.answers import captured, misplaced, unread
from pegboard_builtins.wire_hooks.events import EVENTS, EventRow, Exit2
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.inputs import Input
from pegboard_builtins.wire_hooks.runners.resolve import first_words, script_of
from pegboard_builtins.wire_hooks.sources import scripts_of

LARGEST = 512 * 1024
LOOK = 2000
"""How far around a place is looked on one line: a program may be one line of half a megabyte."""
ENOUGH = 200
"""How many places of one kind are looked at in one program."""
OF_A_PLUGIN = re.compile(r"\b(?:CLAUDE|PEGBOARD)_PLUGIN_ROOT\b")


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
        root = handler.plugin.root.resolve()
        said = [OF_A_PLUGIN.sub("CLAUDE_PROJECT_DIR", text) for text in (handler.command, *(handler.args or ()))]
        found += [path for path in files_named(said, root) if path.is_relative_to(root)]
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
    return Remark("variable", f"${name} is set by nobody; it is empty", mend, _line(text, found))


def _variables_of_a_program(text: str) -> Iterator[Remark]:
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


COMMENTS = re.compile(
    r"""(?m)^[ \t]*(?:\#(?!!)[^\n]*|//[^\n]*|/\*[\s\S]*?\*/|(?:[rR]?\"{3}[\s\S]*?\"{3}|[rR]?'{3}[\s\S]*?'{3}))"""
)


def code_of(text: str) -> str:
    """Return a program without its comments and docstrings, each line where it was."""
    return COMMENTS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def read(text: str, path: Path, row: EventRow, handler: Handler, events: Collection[str] = ()) -> Iterator[Remark]:
    """Look at a whole program. *events* are those that it is run for, by other entries too."""
    code = code_of(text)
    yield from words(code, row, events)
    yield from _variables_of_a_program(code)
    yield from _shell_file(text, path, handler)
    yield from endings(code, row, whole=True)
    if set(events) <= {row.name}:
        yield from unheard(code, row, handler)
    if path.suffix == ".py" or "python" in text.partition("\n")[0]:
        yield from _python_output(text)
    else:
        yield from _shell_output(code)


def words(text: str, row: EventRow, events: Collection[str] = ()) -> Iterator[Remark]:
    """Look for fields of events and answers that do not exist, and for answers to another event."""
    for name, right in MISNAMED_INPUT.items():
        found = _read_from_the_event(name, text)
        if found and name != name.lower() and not OF_THE_EVENT.search(text, max(0, found.start() - 80), found.end()):
            continue
        if found and right in row.input.model_fields and not _reads(right, text):
            yield Remark(
                "input field", f"events have no {name!r}; it is always missing", f"Read {right!r}.", _line(text, found)
            )
    told: set[int] = set()
    for name, right in MISNAMED_OUTPUT.items():
        found = re.search(rf"""["']{name}["']\s*:""", text)
        if found and not re.search(rf"\b{right.rpartition('.')[2]}\b", text):
            told.add(_line(text, found))
            yield Remark("output field", f"nobody reads {name!r} in an answer", f"Write {right}.", _line(text, found))
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
            yield Remark("output field", said, mend, _line(text, found))
    found = DECISION.search(text)
    if found and row.name != "PermissionRequest":
        line = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
        right_word = "approve" if found[1] in ("allow", "continue") else "block"
        said = f"`decision` is never {found[1]!r}, which voids the answer"
        yield Remark("output field", said, f"Write {right_word!r}.", _line(text, found), sure=bool(SENDS.search(line)))


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
        yield Remark("input field", f"events have no .{name}", mend, _line(text, found), sure=bool(close))


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
        *(_line(text, one), asks is None),
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
REFUSES = re.compile(
    r"""permissionDecision\\?["']?\s*[:=]\s*\\?["'](?:deny|ask)|["']?decision\\?["']?\s*[:=]\s*\\?["']block"""
)
WENT_WRONG = re.compile(
    r"\bexcept\b|\bcatch\b|not found|not installed|not set|no such|command -v|\brequired?\b|\b[Uu]sage\b"
    r"|[Ii]nvalid|[Mm]issing"
    r"|[Cc](?:an ?not|ould ?n[o']t|an't)|[Ff]ail|[Ee]rror|\b(?:debug|warn)\w*\b|DEBUG|VERBOSE"
)
"""Words before an ending, or in what is said, that speak of the program's own trouble, which refuses nothing anyway."""
BEFORE = 300
"""How many characters before an ending are looked at for them."""


def unheard(text: str, row: EventRow, handler: Handler) -> Iterator[Remark]:
    """Look for refusals of a hook that nobody waits for."""
    if not handler.asynchronous or handler.rewake or row.exit_2 is not Exit2.BLOCK:
        return
    found = EXIT_2.search(text) or REFUSES.search(text)
    if found:
        said = "it runs on its own (`async`), so what it refuses is not refused"
        yield Remark("async", said, "Take `async` away, or say `asyncRewake`.", _line(text, found), sure=False)


def endings(text: str, row: EventRow, *, whole: bool) -> Iterator[Remark]:
    """Look for refusals that refuse nothing: exit code 1, or words on stderr with exit code 0."""
    if row.exit_2 is not Exit2.BLOCK or ANSWERS.search(text):
        return
    speaks = list(islice(TO_STDERR.finditer(text), ENOUGH))
    if EXIT_2.search(text):
        if not speaks:
            yield from _reason_on_stdout(text)
        return
    meant = [one for one in speaks if not _own_trouble(text, one)]
    found = next((one for one in islice(EXIT_1.finditer(text), ENOUGH) if not _own_trouble(text, one)), None)
    if found and meant:
        yield Remark(
            "exit code",
            "it speaks on stderr and ends with 1, which refuses nothing",
            "Exit code 2 refuses.",
            _line(text, found),
            sure=False,
        )
    elif meant and whole:
        what = "it speaks on stderr, and never ends with 2: nobody reads that"
        mend = "Exit with 2 to refuse, or answer with additionalContext or systemMessage."
        yield Remark("stderr with exit 0", what, mend, _line(text, meant[0]), sure=False)


def _own_trouble(text: str, found: re.Match[str]) -> bool:
    """Whether a program speaks, or ends, because something of its own went wrong."""
    end = text.find("\n", found.end())
    return WENT_WRONG.search(text, max(0, found.start() - BEFORE), end if end >= 0 else len(text)) is not None


ONLY_SAYS = frozenset(
    {
        "echo",
        "printf",
        "cat",
        "head",
        "tail",
        "jq",
        "test",
        "[",
        "[[",
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "case",
        "esac",
    }
    | {"true", ":", "!", "grep", "read", "for", "do", "done", "while", "in", "exit"}
)


def only_says(command: str, row: EventRow) -> Iterator[Remark]:
    """Look for a command that does nothing but print text where nobody reads text."""
    if row.text or row.name == "WorktreeCreate" or ANSWERS.search(command) or EXIT_2.search(command):
        return
    says = _said_on_stdout(command) + [
        one for one in islice(SHOWS.finditer(command), ENOUGH) if not captured(command, one.start())
    ]
    bare = re.sub(r"""'[^']*'|"(?:\\.|[^"\\])*\"""", "''", command)
    first = re.findall(r"(?:^|[;&|\n(`]|\b(?:then|else|do|if|elif|while)\b|!)\s*(?:\w+=\S*\s+)*([^\s;&|()`]+)", bare)
    if says and first and ONLY_SAYS.issuperset(first):
        what = f"all that it does is print text, which nobody reads at {row.name}"
        mend = "Answer additionalContext for the model, or systemMessage for the person."
        yield Remark("text", what, mend, _line(command, says[-1]), sure=False)


SHOWS = re.compile(
    r"(?:^|[;&|({\n]|\b(?:then|do|else)\b)\s*(?:cat|head|tail)\s+[^\s<>|;&)-][^|;&>\n]*(?:2>\s*/dev/null\s*)?"
    r"(?:\|\s*(?:head|tail|jq)\b[^|;&>\n]*)*(?=$|\|\||&&|[;)\n])"
)
"""A file that is shown as it is."""


SENT_ELSEWHERE = re.compile(r"[^\n;]*(?:>|\|(?!\|)|file\s*=)")


def _said_on_stdout(text: str) -> list[re.Match[str]]:
    return [
        one
        for one in islice(SAYS.finditer(text), ENOUGH)
        if not SENT_ELSEWHERE.match(text, one.end(), one.end() + LOOK) and not captured(text, one.start())
    ]


SAYS = re.compile(r"""(?:\becho\s+|\bprintf\s+|\bprint\(\s*|console\.log\(\s*)(?:-\w+\s+)?[fF]?["'](?!\s*\{)""")


def _reason_on_stdout(text: str) -> Iterator[Remark]:
    """With exit code 2 stderr is the reason; what was said on stdout is lost."""
    refuses = EXIT_2.search(text)
    says = _said_on_stdout(text)
    if refuses and says:
        what = "it ends with 2 and says why on stdout, which nobody reads then: the model is told no reason"
        yield Remark("stdout with exit 2", what, "Say it on stderr: >&2.", _line(text, says[-1]), sure=False)


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
