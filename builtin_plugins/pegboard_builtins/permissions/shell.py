"""A shell command is split into its simple commands; what the splitter does not understand, it says.

It reads quotes, operators, groups, redirections, here-documents and substitutions as bash does, and errs on one side:
what only a shell can know (variables, globs, substitutions) is marked as uncertain, what it cannot follow at all
becomes a problem. It never runs or expands anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_LENGTH = 65_536
MAX_DEPTH = 25

BLANK = " \t"
ENDS_WORD = frozenset(" \t\n;&|()<>")
OPENERS = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{"})
CLOSERS = frozenset({"fi", "done", "esac", "}"})
NOT_FOLLOWED = {"case": 0, "select": 0, "[[": 0, "coproc": 1, "function": 2}
"""Compound commands whose insides are read as if they were plain ones, and how many words stand before those."""
_OPERATOR = re.compile(r";;&|;;|;&|&&|\|\||\|&|[;&|]")

_REDIRECT = re.compile(r"(\d+|\{\w+\})?(<<<|<<-|<<|<&|<>|>>|>&|>\||&>>|&>|<|>)")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#?$!-])")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?\+?=")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}
_ESCAPES |= {character: character for character in "\\'\"?"}
_NUMBER_ESCAPE = re.compile(r"x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})")


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `text` is what the program gets, as far as that can be read off; `raw` is what was written.

    `certain` is None when all of `text` is certain, else how many leading characters are: the rest is up to the
    shell. `quoted` says whether a part was quoted, so that `'if'` is no reserved word and `"~"` no home.
    """

    text: str
    raw: str = ""
    certain: int | None = None
    quoted: bool = False

    @property
    def assigned(self) -> str | None:
        """The variable that this word sets where assignments may stand; None if it sets none."""
        match = _ASSIGNMENT.match(self.raw)
        return match[1] if match else None


@dataclass(slots=True)
class Redirect:
    """A redirection. `target` is None for a here-document, whose `body` is read later in the source."""

    op: str
    target: Word | None
    body: str = ""


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple command: its words with their quotes taken off, and its redirections.

    `nested` is True inside a command or process substitution.
    """

    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    raw: str
    nested: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """All simple commands of a source, in order of their ends; `problems` say what could not be followed."""

    commands: tuple[Simple, ...]
    problems: tuple[str, ...] = ()
    substitutes: bool = False


def split(source: str, *, depth: int = 0) -> Script:
    """Split *source*. Never raises: what cannot be followed is among the problems."""
    if len(source) > MAX_LENGTH:
        return Script((), (f"the command is longer than {MAX_LENGTH} characters",))
    if "\0" in source:
        return Script((), ("the command contains a NUL character",))
    reader = _Reader(source, depth)
    try:
        reader.read_list("")
    except RecursionError:
        reader.problems.append("the command is nested too deeply")
    return Script(tuple(reader.commands), tuple(reader.problems), reader.substitutes)


class _Reader:
    """Goes through a source once, from left to right."""

    def __init__(self, source: str, depth: int) -> None:
        self.source = source
        self.at = 0
        self.depth = depth
        self.substitution = 0
        self.commands: list[Simple] = []
        self.problems: list[str] = []
        self.substitutes = False
        self.waiting: list[tuple[Redirect, str, bool, bool]] = []
        """Here-documents whose bodies begin on the next line: redirect, delimiter, quoted, tabs stripped."""

    # --- lists of commands ---

    def read_list(self, closer: str) -> None:
        """Read commands up to *closer* (")" or the end of the source)."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.problems.append("the command is nested too deeply")
            self.at = len(self.source)
            return
        words: list[Word] = []
        redirects: list[Redirect] = []
        start = end = self.at

        def flush() -> None:
            self._finish(words, redirects, self.source[start:end])
            words.clear()
            redirects.clear()

        while True:
            self._skip_blanks()
            if not words and not redirects:
                start = self.at
            if self.at >= len(self.source):
                flush()
                if closer:
                    self.problems.append(f"a {closer!r} is missing")
                break
            character = self.source[self.at]
            redirect = _REDIRECT.match(self.source, self.at)
            if redirect is not None and not self._is_process_substitution(self.at):
                self._read_redirect(redirect, redirects)
                end = self.at
            elif character == "\n":
                flush()
                self.at += 1
                self._read_bodies()
            elif character in ";&|":
                flush()
                self._read_operator()
            elif character == "#":
                line_end = self.source.find("\n", self.at)
                self.at = len(self.source) if line_end < 0 else line_end
            elif character == "(":
                self._read_group(words)
                end = self.at
            elif character == ")":
                flush()
                self.at += 1
                if closer == ")":
                    break
                self.problems.append("a ')' without its '('")
            else:
                words.append(self._read_word())
                end = self.at
        self.depth -= 1

    def _read_operator(self) -> None:
        operator = _OPERATOR.match(self.source, self.at)
        assert operator is not None
        if operator[0] in (";;", ";&", ";;&"):
            self.problems.append(f"{operator[0]!r} belongs to a case, which is not followed")
        self.at = operator.end()

    def _read_group(self, words: list[Word]) -> None:
        """Read a subshell; anything else that has a parenthesis here is a problem, but its insides are read."""
        if self.source.startswith("((", self.at):
            self.problems.append("an arithmetic command")
        elif any(word.raw not in OPENERS and word.raw != "time" for word in words):
            self.problems.append("a function or an array")
        words.clear()
        self.at += 1
        self.read_list(")")

    def _finish(self, words: list[Word], redirects: list[Redirect], raw: str) -> None:
        """Turn what was read into a simple command, without the reserved words around it."""
        rest = list(words)
        while rest and not rest[0].quoted and (rest[0].raw in OPENERS or rest[0].raw in NOT_FOLLOWED):
            first = rest[0].raw
            if first in NOT_FOLLOWED:
                self.problems.append(f"{first!r} is not followed")
            if first in NOT_FOLLOWED and not NOT_FOLLOWED[first]:
                break
            del rest[: NOT_FOLLOWED.get(first, 1)]
        if rest and not rest[0].quoted and rest[0].raw in CLOSERS:
            if len(rest) > 1:
                self.problems.append(f"words after {rest[0].raw!r}")
            del rest[0]
        elif rest and not rest[0].quoted and rest[0].raw == "for":
            rest = []  # its substitutions were read with its words; what it sets is uncertain wherever it is used
        if rest or redirects:
            if len(rest) < len(words):
                raw = " ".join(word.raw for word in rest)
            self.commands.append(Simple(tuple(rest), tuple(redirects), raw.strip(), self.substitution > 0))

    def _skip_blanks(self) -> None:
        while self.at < len(self.source):
            if self.source[self.at] in BLANK:
                self.at += 1
            elif self.source.startswith("\\\n", self.at):
                self.at += 2
            else:
                return

    # --- redirections and here-documents ---

    def _is_process_substitution(self, at: int) -> bool:
        return self.source.startswith(("<(", ">("), at)

    def _read_redirect(self, match: re.Match[str], redirects: list[Redirect]) -> None:
        self.at = match.end()
        self._skip_blanks()
        op = match[2]
        if self.at >= len(self.source) or (
            self.source[self.at] in ENDS_WORD and not self._is_process_substitution(self.at)
        ):
            self.problems.append(f"nothing after {op!r}")
            return
        word = self._read_word()
        if op in ("<<", "<<-"):
            redirect = Redirect(op, None)
            self.waiting.append((redirect, word.text, word.quoted, op == "<<-"))
        else:
            redirect = Redirect(op, word)
        redirects.append(redirect)

    def _read_bodies(self) -> None:
        """Read the here-documents that begin on this line."""
        waiting, self.waiting = self.waiting, []
        for redirect, delimiter, quoted, tabs in waiting:
            lines: list[str] = []
            while True:
                if self.at >= len(self.source):
                    self.problems.append(f"a here-document without its {delimiter!r}")
                    break
                end = self.source.find("\n", self.at)
                end = len(self.source) if end < 0 else end
                line = self.source[self.at : end]
                self.at = min(end + 1, len(self.source))
                if tabs:
                    line = line.lstrip("\t")
                if line == delimiter:
                    break
                lines.append(line)
            redirect.body = "\n".join(lines)
            if not quoted:
                self._scan(redirect.body)

    def _scan(self, text: str) -> None:
        """Read the substitutions in a text that the shell expands like a double-quoted one."""
        inner = _Reader(text, self.depth)
        inner.substitution = self.substitution
        while inner.at < len(text):
            if text[inner.at] == "\\":
                inner.at += 2
            elif text[inner.at] in "$`":
                inner._read_expansion([], in_quotes=True)
            else:
                inner.at += 1
        self._take(inner)

    def _take(self, inner: _Reader) -> None:
        self.commands += inner.commands
        self.problems += inner.problems
        self.substitutes = self.substitutes or inner.substitutes

    # --- words ---

    def _read_word(self) -> Word:
        start = self.at
        text: list[str] = []
        certain: int | None = None
        quoted = False

        def uncertain() -> None:
            nonlocal certain
            if certain is None:
                certain = sum(map(len, text))

        while self.at < len(self.source):
            character = self.source[self.at]
            if self._is_process_substitution(self.at):
                uncertain()
                begin = self.at
                self.at += 2
                self._read_substitution()
                text.append(self.source[begin : self.at])
            elif character in ENDS_WORD:
                break
            elif character == "\\":
                if not self.source.startswith("\\\n", self.at):
                    text.append(self.source[self.at + 1 : self.at + 2] or "\\")
                    quoted = True
                self.at += 2
            elif character == "'":
                quoted = True
                text.append(self._read_single())
            elif character == '"':
                quoted = True
                self._read_double(text, uncertain)
            elif character in "$`":
                mark: list[str] = []
                kind = self._read_expansion(mark, in_quotes=False)
                quoted = quoted or kind == "quoted"
                if kind == "uncertain":
                    uncertain()
                text += mark
            else:
                if character in "*?[" or (character == "{" and self._is_brace_expansion()):
                    uncertain()
                text.append(character)
                self.at += 1
        self.at = min(self.at, len(self.source))
        raw = self.source[start : self.at]
        if raw in ("[", "[["):
            certain = None  # the command of that name; no glob ends here
        return Word("".join(text), raw, certain, quoted)

    def _is_brace_expansion(self) -> bool:
        """Whether the brace here may become several words; `{` and `{}` stay as they are."""
        following = self.source[self.at + 1 : self.at + 2]
        return following != "" and following not in "} \t\n;&|<>()"

    def _read_single(self) -> str:
        end = self.source.find("'", self.at + 1)
        if end < 0:
            self.problems.append("a quotation mark is missing")
            end = len(self.source)
        value = self.source[self.at + 1 : end]
        self.at = end + 1
        return value

    def _read_double(self, text: list[str], uncertain: Callable[[], None]) -> None:
        """Read a double-quoted part into *text*; *uncertain* is called before the first part that is."""
        self.at += 1
        while self.at < len(self.source):
            character = self.source[self.at]
            if character == '"':
                self.at += 1
                return
            if character == "\\":
                following = self.source[self.at + 1 : self.at + 2]
                if following != "\n":
                    text.append(following if following in ("$", "`", '"', "\\") else "\\" + following)
                self.at += 2
            elif character in "$`":
                mark: list[str] = []
                if self._read_expansion(mark, in_quotes=True) == "uncertain":
                    uncertain()
                text += mark
            else:
                text.append(character)
                self.at += 1
        self.problems.append("a quotation mark is missing")

    # --- expansions ---

    def _read_expansion(self, text: list[str], *, in_quotes: bool) -> str:
        """Read what begins with `$` or a backtick: answers "plain", "quoted" or "uncertain"."""
        start = self.at
        source = self.source
        if source[start] == "`":
            self._read_backticks()
        elif source.startswith("$((", start) and self._read_arithmetic():
            pass
        elif source.startswith("$(", start):
            self.at += 2
            self._read_substitution()
        elif source.startswith("${", start):
            self._read_braces()
        elif source.startswith("$'", start) and not in_quotes:
            return self._read_ansi(text)
        elif source.startswith('$"', start) and not in_quotes:
            self.at += 1
            return "quoted"  # a translated string: what follows is read as a double-quoted part
        else:
            variable = _VARIABLE.match(source, start)
            if variable is None:
                text.append("$")
                self.at += 1
                return "plain"
            self.at = variable.end()
        text.append(source[start : self.at])
        return "uncertain"

    def _read_substitution(self) -> None:
        """Read the commands of a `$(...)` or `<(...)` whose opening is behind us."""
        self.substitutes = True
        self.substitution += 1
        self.read_list(")")
        self.substitution -= 1

    def _read_backticks(self) -> None:
        end = self.at + 1
        while end < len(self.source) and self.source[end] != "`":
            end += 2 if self.source[end] == "\\" else 1
        if end >= len(self.source):
            self.problems.append("a backtick is missing")
        inside = re.sub(r"\\([$`\\])", r"\1", self.source[self.at + 1 : end])
        self.at = min(end + 1, len(self.source))
        self.substitutes = True
        inner = _Reader(inside, self.depth)
        inner.substitution = self.substitution + 1
        inner.read_list("")
        self._take(inner)

    def _read_arithmetic(self) -> bool:
        """Read `$((...))`; False (and nothing read) where it may be a subshell in a substitution."""
        depth = 0
        for end in range(self.at + 1, len(self.source)):
            if self.source[end] == "(":
                depth += 1
            elif self.source[end] == ")":
                depth -= 1
                if depth == 0:
                    break
        else:
            return False
        if self.source[end - 1] != ")":
            return False
        inside = self.source[self.at + 3 : end - 1]
        # Shells differ where it is no sum but looks like a command: then it is read as one.
        if re.search(r"[;|\n'\"]|&&|[A-Za-z_]\w*\s+(?:[\w./~$]|-\w)", inside):
            return False
        self.at = end + 1
        self._scan(inside)
        return True

    def _read_braces(self) -> None:
        """Read `${...}`; its default values may hold substitutions of their own."""
        start = self.at
        self.at += 2
        while self.at < len(self.source):
            character = self.source[self.at]
            if character == "}":
                self.at += 1
                if re.search(r"@P\}$|^\$\{!", self.source[start : self.at]):
                    self.problems.append("an indirect expansion")
                return
            if character == "\\":
                self.at += 2
            elif character == "'":
                self._read_single()
            elif character == '"':
                self._read_double([], lambda: None)
            elif character in "$`":
                self._read_expansion([], in_quotes=True)
            else:
                self.at += 1
        self.problems.append("a '}' is missing")

    def _read_ansi(self, text: list[str]) -> str:
        r"""Read `$'...'`, whose escapes (`\x72`) become characters."""
        self.at += 2
        while self.at < len(self.source):
            character = self.source[self.at]
            if character == "'":
                self.at += 1
                return "quoted"
            if character != "\\":
                text.append(character)
                self.at += 1
                continue
            number = _NUMBER_ESCAPE.match(self.source, self.at + 1)
            following = self.source[self.at + 1 : self.at + 2]
            if number is not None:
                code = int(number[4], 8) & 0xFF if number[4] else int(number[1] or number[2] or number[3], 16)
                if not 0 < code < 0x110000:
                    self.problems.append(f"the escape {number[0]!r}")
                    code = 0xFFFD
                text.append(chr(code))
                self.at = number.end()
            elif following == "c":
                self.problems.append("a control character")
                self.at += 3
            else:
                text.append(_ESCAPES.get(following, "\\" + following))
                self.at += 2
        self.problems.append("a quotation mark is missing")
        return "quoted"
