"""How a program ends and what it prints then: refusals that refuse nothing, words and answers that nobody reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice

from pegboard_builtins.wire_hooks.answers import captured
from pegboard_builtins.wire_hooks.events import EventRow, Exit2
from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.remarks import ENOUGH, LOOK, Remark, line_of

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
        yield Remark("async", said, "Take `async` away, or say `asyncRewake`.", line_of(text, found), sure=False)


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
            line_of(text, found),
            sure=False,
        )
    elif meant and whole:
        what = "it speaks on stderr, and never ends with 2: nobody reads that"
        mend = "Exit with 2 to refuse, or answer with additionalContext or systemMessage."
        yield Remark("stderr with exit 0", what, mend, line_of(text, meant[0]), sure=False)


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
        yield Remark("text", what, mend, line_of(command, says[-1]), sure=False)


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
        yield Remark("stdout with exit 2", what, "Say it on stderr: >&2.", line_of(text, says[-1]), sure=False)


def python_output(text: str) -> Iterator[Remark]:
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


def shell_output(text: str) -> Iterator[Remark]:
    if not re.search(r"(?:echo|printf|cat|jq)\b.*(?:hookSpecificOutput|\"decision\"|permissionDecision)", text):
        return
    for found in ECHO.finditer(text):
        said = found["said"]
        plain = not re.match(r"""["']?\s*\{|["']?\$|.*(?:\||>|<)""", said)
        if plain and not re.search(r"\$\(\s*$", text[: found.start()]):
            yield Remark(
                "text before the decision", "it prints other text on stdout, which makes plain text of its answer",
                "Send it to stderr: >&2.", line_of(text, found), sure=False,
            )  # fmt: skip
            return
