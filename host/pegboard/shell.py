"""A shell command as bash would read it: its simple commands, with their words and redirections. Nothing is run.

tree-sitter's grammar of bash says how a command is built (lists, groups, loops, substitutions, here-documents); each
word in it is then read by bash's own rules for quotes and expansions. Where the two do not end at the same character,
or the grammar does not understand, that is among the problems: a reader that is not sure says so. What only a shell
can know (variables, globs, output of commands) is marked as uncertain.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_LENGTH = 65_536
MAX_DEPTH = 25

RESERVED = frozenset(
    {
        *("if", "then", "elif", "else", "fi", "while", "until", "for", "select", "in", "do", "done", "case", "esac"),
        *("{", "}", "!", "[[", "]]", "function"),
    }
)
"""Words that belong to the grammar where a command may begin, unless they are quoted."""
OPENERS = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{"})

_ENDS_WORD = frozenset(" \t\n;&|()<>")
_BLANKS = re.compile(r"(?:[ \t]|\\\n)*")
_GAP = re.compile(r"(?:[ \t\n]|\\\n)*")
_REDIRECT = re.compile(r"(\d+|\{[A-Za-z_]\w*\})?(<<<|<<-|<<|<&|<>|>>|>&|>\||&>>|&>|<|>)")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|[0-9@*#?$!-])")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]]*\])?\+?=")
_ARRAY = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")
_FUNCTION = re.compile(r"(?:function[ \t]+)?([^\s()'\"\\$`;&|<>]+)[ \t]*(?:\([ \t]*\))?(?:[ \t\n]|\\\n)*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}
_ESCAPES |= {character: character for character in "\\'\"?"}
_NUMBER_ESCAPE = re.compile(r"x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})")
_EXPANDS = re.compile(r"\$[\w{(@*#?$!\['\"-]|`")
_RUNS_LATER = re.compile(r"\w\[[^\]]*(?:\$\(|`)")
"""A quoted subscript with a command in it: arithmetic runs it, also where it came from a variable."""

_PLACES = frozenset({"command_substitution", "process_substitution", "arithmetic_expansion", "array"})
_LISTS = frozenset(
    {
        *("program", "list", "pipeline", "subshell", "do_group", "if_statement", "elif_clause", "else_clause"),
        *("while_statement", "negated_command"),
    }
)
_SIMPLE = frozenset(
    {
        *("command", "declaration_command", "unset_command", "variable_assignment", "variable_assignments"),
        *("herestring_redirect", "file_redirect"),
    }
)
_TOKENS = frozenset({";", "&", "&&", "||", "|", "|&", "\n", "(", ")", ";;", ";&", ";;&"})
_HEREDOC_ENDS_LINE = frozenset({"&&", "||", "|", "|&", ";", "&", "heredoc_body", "heredoc_end", "pipeline", "list"})


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
    """A redirection. `target` is None for a here-document: `body` is its text, and `expands` whether that varies."""

    op: str
    target: Word | None
    body: str = ""
    expands: bool = False


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple command: its words with their quotes taken off, and its redirections.

    `raw` is what was written. `nested` is True inside a command or process substitution. There may be no words:
    the redirections then belong to a group, or stand alone.
    """

    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    raw: str
    nested: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """All simple commands of a source, in the order in which they begin. `problems` say what could not be followed.

    `functions` are the names that it defines; the commands of their bodies are among the others. `substitutes` says
    whether output of a command becomes part of another.
    """

    commands: tuple[Simple, ...]
    problems: tuple[str, ...] = ()
    substitutes: bool = False
    functions: tuple[str, ...] = ()


def read(source: str, *, depth: int = 0) -> Script:
    """Read *source*. Never raises: what cannot be followed is among the problems."""
    if len(source) > MAX_LENGTH:
        return Script((), (f"the command is longer than {MAX_LENGTH} characters",))
    if "\0" in source:
        return Script((), ("the command contains a NUL character",))
    try:
        reader = _Reader(source.encode(), depth)
    except UnicodeEncodeError:
        return Script((), ("the command contains half a character",))
    try:
        reader.read()
    except RecursionError:
        reader.problem("the command is nested too deeply")
    return Script(
        tuple(reader.commands),
        tuple(dict.fromkeys(reader.problems)),
        reader.substitutes,
        tuple(dict.fromkeys(reader.functions)),
    )


def _last_command(node: Node) -> Node:
    """Return the command that ends a list, as far as lists go."""
    while node.type in ("list", "pipeline", "negated_command") and node.children:
        node = node.children[-1]
    return node


_parser: Parser | None = None


def _bash() -> Parser:
    """Return the parser; it is made once, when the first command is read."""
    global _parser
    if _parser is None:
        import tree_sitter_bash
        from tree_sitter import Language, Parser

        _parser = Parser(Language(tree_sitter_bash.language()))
    return _parser


@dataclass(slots=True)
class _Line:
    """What is read of one simple command."""

    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    waiting: list[tuple[Redirect, str, bool]] = field(default_factory=list)
    """Here-documents: the redirection, its delimiter, and whether that was quoted."""


class _Reader:
    """Goes through a tree and reads the words in it. Places are bytes: one character of `text` is one byte."""

    def __init__(self, data: bytes, depth: int) -> None:
        self.data = data
        self.text = data.decode("latin-1")
        self.ascii = data.isascii()
        self.depth = depth
        self.substitution = 0
        self.commands: list[Simple] = []
        self.problems: list[str] = []
        self.functions: list[str] = []
        self.substitutes = False
        self.at = 0
        self.limit = len(self.text)
        self.places: dict[int, Node] = {}
        self.longer: dict[int, Node] = {}
        """Commands that go on behind their nodes, by where they begin: the node that holds the rest."""

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def read(self) -> None:
        root = _bash().parse(self.data).root_node
        if root.has_error:
            self.problem("its syntax cannot be followed")
        if re.search(r"[$<>=]\(|`|\(\(", self.text):
            self._find_places(root)
        self._list(root, 0, len(self.text))

    def _find_places(self, root: Node) -> None:
        cursor = root.walk()
        deeper = True
        while True:
            node = cursor.node
            if deeper and node is not None and node.type in _PLACES:
                self.places.setdefault(node.start_byte, node)
            if deeper and cursor.goto_first_child():
                continue
            if cursor.goto_next_sibling():
                deeper = True
            elif cursor.goto_parent():
                deeper = False
            else:
                return

    def plain(self, text: str) -> str:
        """Return a piece of the text as characters."""
        return text if self.ascii else text.encode("latin-1").decode("utf-8", "replace")

    # --- how a command is built ------------------------------------------------------------------------

    def _list(self, node: Node, start: int, end: int) -> None:
        """Read the statements and words of the grammar of a node that reaches from *start* to *end*."""
        self.depth += 1
        if self.depth > MAX_DEPTH * 4:
            raise RecursionError
        at, after_statement = start, False
        for child in node.children:
            gap = self.text[at : child.start_byte]
            if not _GAP.fullmatch(gap):
                self.problem("characters that belong to nothing")
            if child.is_named and child.type not in ("comment", "heredoc_body", "heredoc_end"):
                if after_statement and "\n" not in gap:
                    self.problem("two commands without anything between them")
                after_statement = True
                self._statement(child)
            else:
                after_statement = False if not child.is_named else after_statement
                self._token(child)
            at = max(at, child.end_byte)
        if not _GAP.fullmatch(self.text[at:end]):
            self.problem("characters that belong to nothing")
        self.depth -= 1

    def _token(self, node: Node) -> None:
        start, end, kind = node.start_byte, node.end_byte, node.type
        if node.is_missing:
            self.problem(f"a {kind!r} is missing")
        elif kind == "comment":
            before, after = self.text[start - 1 : start], self.text[end : end + 1]
            if (before and before not in " \t\n;&|()") or after not in ("", "\n") or "\n" in self.text[start:end]:
                self.problem("a '#' that may be no comment")
        elif kind not in _TOKENS and self.text[start:end].isascii() and not node.is_named:
            before, after = self.text[start - 1 : start], self.text[end : end + 1]
            if (before and before not in _ENDS_WORD) or (after and after not in _ENDS_WORD):
                self.problem(f"a {kind!r} that may be part of a word")

    def _statement(self, node: Node) -> None:
        kind = node.type
        start, end = node.start_byte, node.end_byte
        if start and self.text[start - 1] not in " \t\n;&|()":
            self.problem("a command that begins within a word")
        if start in self.longer and kind in _SIMPLE:
            self._simple_or_document(self.longer.pop(start), start)
            self._strays(node)
        elif kind in _SIMPLE:
            self._simple(start, end)
            self._strays(node)
        elif kind in _LISTS:
            self._list(node, start, end)
        elif kind == "redirected_statement":
            self._redirected(node)
        elif kind == "compound_statement":
            self._arithmetic_or_group(node)
        elif kind == "test_command":
            self._test(node)
        elif kind == "case_statement":
            self._case(node)
        elif kind in ("for_statement", "c_style_for_statement"):
            self._loop(node)
        elif kind == "function_definition":
            self._function(node)
        elif kind == "heredoc_redirect":
            self._heredoc_line(node, _Line(), start)
        else:
            if kind != "ERROR":
                self.problem(f"a {kind.replace('_', ' ')}")
            self._salvage(node)

    def _strays(self, node: Node) -> None:
        """Read the commands of a group that stands where none may: nobody knows what is meant."""
        for child in node.children:
            if child.type in ("subshell", "ERROR"):
                self._salvage(child)

    def _salvage(self, node: Node) -> None:
        """Read what looks like commands in a part that the grammar does not understand."""
        self.depth += 1
        if self.depth > MAX_DEPTH * 4:
            raise RecursionError
        words: list[Node] = []
        for child in node.children:
            if child.type in _SIMPLE or child.type in _LISTS or child.type.endswith("_statement"):
                self._statement(child)
            elif child.child_count and child.type not in ("word", "concatenation", "string", "command_name"):
                self._salvage(child)
            elif child.is_named or child.type not in _TOKENS:
                words.append(child)
                continue
            self._salvage_words(words)
            words = []
        self._salvage_words(words)
        self.depth -= 1

    def _salvage_words(self, nodes: list[Node]) -> None:
        if nodes:
            self._simple(nodes[0].start_byte, nodes[-1].end_byte)

    def _redirected(self, node: Node) -> None:
        """Read a command with redirections, wherever they stand."""
        body = node.child_by_field_name("body")
        start = node.start_byte
        if body is not None:
            last = _last_command(body)
            if last is not body and last.type in _SIMPLE and last.end_byte == body.end_byte:
                # The grammar gives `a && b > x` to the whole list, bash to its last command.
                self.longer[last.start_byte] = node
                self._statement(body)
                return
            if body.type in _SIMPLE:
                self._strays(body)
            elif body.type != "test_command" or self.text.startswith(("[[", "(("), start):
                self._statement(body)
                start = body.end_byte
        self._simple_or_document(node, start)

    def _simple_or_document(self, node: Node, start: int) -> None:
        documents = [child for child in node.children if child.type == "heredoc_redirect"]
        if not documents:
            self._simple(start, node.end_byte)
            return
        if len(documents) > 1 or documents[0].end_byte != node.end_byte:
            self.problem("several here-documents")
        self._heredoc_line(documents[0], _Line(), start)

    def _heredoc_line(self, node: Node, line: _Line, start: int) -> None:
        """Read the command from *start* on to which a here-document belongs, the rest of its line, and its text."""
        rest = [child for child in node.children if child.type in _HEREDOC_ENDS_LINE]
        stop = rest[0].start_byte if rest else node.end_byte
        # The text of the document begins on the next line; a grammar that begins it elsewhere has lost its way.
        line_end = self.text.find("\n", node.start_byte, stop)
        simple_end = stop if line_end < 0 else line_end
        self._finish(line, self._words_of(line, start, simple_end), simple_end)
        tail = [c for c in node.children if c.start_byte >= stop and not c.type.startswith("heredoc_")]
        for child in tail:
            if child.is_named:
                self._statement(child)
            elif child.type not in _TOKENS:
                self.problem(f"a {child.type!r} after a here-document")
        bodies = [child for child in node.children if child.type == "heredoc_body"]
        ends = [child for child in node.children if child.type == "heredoc_end"]
        if len(line.waiting) != 1 or len(ends) != 1 or len(bodies) > 1:
            self.problem("a here-document that cannot be followed")
            return
        self._document(line.waiting[0], bodies, ends[0])

    def _document(self, waiting: tuple[Redirect, str, bool], bodies: list[Node], end: Node) -> None:
        """Read a here-document's text where it must be: from the next line to the one that is the delimiter."""
        redirect, delimiter, quoted = waiting
        last = self.text.rfind("\n", 0, end.start_byte) + 1
        first = self.text.find("\n", self._heredoc_at) + 1
        strips = redirect.op == "<<-"

        def is_end(line: str) -> bool:
            return (line.lstrip("\t") if strips else line) == delimiter

        lines = self.text[first:].split("\n")
        place = next((number for number, line in enumerate(lines) if is_end(self.plain(line))), None)
        ends_at = None if place is None else first + sum(len(line) + 1 for line in lines[:place])
        if not first or ends_at != last or any(not first <= body.start_byte <= last for body in bodies):
            self.problem("a here-document that may end elsewhere")
            return
        body = self.text[first:last]
        if not quoted:
            redirect.expands = _EXPANDS.search(re.sub(r"\\.", "", body)) is not None
            self._scan(first, last, expands_quotes=False)
            body = re.sub(r"\\([$`\\\n])", lambda match: "" if match[1] == "\n" else match[1], body)
        if strips:
            body = re.sub(r"^\t+", "", body, flags=re.MULTILINE)
        redirect.body = self.plain(body).removesuffix("\n")

    def _arithmetic_or_group(self, node: Node) -> None:
        if self.text.startswith("((", node.start_byte):
            self._scan(node.start_byte + 2, node.end_byte - 2)
            if not self.text.endswith("))", 0, node.end_byte):
                self.problem("an arithmetic command that does not end")
        else:
            self._list(node, node.start_byte, node.end_byte)

    def _test(self, node: Node) -> None:
        start, end = node.start_byte, node.end_byte
        if self.text.startswith("[[", start):
            self._scan(start, end)
            if self.text[end - 2 : end] != "]]" or self.text[start + 2 : start + 3] not in (" ", "\t", "\n"):
                self.problem("a test that does not end")
        elif self.text.startswith("((", start):
            self._arithmetic_or_group(node)
        else:
            self._simple(start, end)

    def _case(self, node: Node) -> None:
        items = [child for child in node.children if child.type == "case_item"]
        self._scan(node.start_byte, items[0].start_byte if items else node.end_byte)
        for item in items:
            closers = [child for child in item.children if child.type == ")"]
            if not closers:
                self.problem("a case without its ')'")
                self._salvage(item)
                continue
            self._scan(item.start_byte, closers[0].start_byte)
            rest = [child for child in item.children if child.start_byte >= closers[0].end_byte]
            self._parts(rest, closers[0].end_byte, item.end_byte)
        if not self.text.endswith("esac", 0, node.end_byte):
            self.problem("a case without its 'esac'")

    def _parts(self, children: list[Node], start: int, end: int) -> None:
        at, after_statement = start, False
        for child in children:
            gap = self.text[at : child.start_byte]
            if not _GAP.fullmatch(gap) or (child.is_named and after_statement and "\n" not in gap):
                self.problem("characters that belong to nothing")
            if child.is_named and child.type != "comment":
                self._statement(child)
                after_statement = True
            else:
                self._token(child)
                after_statement = False
            at = child.end_byte
        if not _GAP.fullmatch(self.text[at:end]):
            self.problem("characters that belong to nothing")

    def _loop(self, node: Node) -> None:
        """Read a `for` or `select`: the words that it goes through vary wherever its variable is used."""
        body = node.child_by_field_name("body")
        if body is None:
            self.problem("a loop without a body")
            self._salvage(node)
            return
        self._scan(node.start_byte, body.start_byte)
        self._statement(body)

    def _function(self, node: Node) -> None:
        body = node.child_by_field_name("body")
        if body is None:
            self.problem("a function without a body")
            self._salvage(node)
            return
        head = _FUNCTION.fullmatch(self.text[node.start_byte : body.start_byte])
        if head is None:
            self.problem("a function with an odd name")
        else:
            self.functions.append(self.plain(head[1]))
        self._statement(body)
        if body.end_byte < node.end_byte:
            self._simple(body.end_byte, node.end_byte)

    # --- simple commands -------------------------------------------------------------------------------

    def _simple(self, start: int, end: int) -> None:
        line = _Line()
        start = self._words_of(line, start, end)
        if line.waiting:
            self.problem("a here-document that cannot be followed")
        self._finish(line, start, end)

    def _words_of(self, line: _Line, start: int, end: int) -> int:
        """Read words and redirections up to *end*; return where the command begins, which is *start* as a rule."""
        before, self.limit = self.limit, end
        self.at = start
        while True:
            blanks = _BLANKS.match(self.text, self.at, end)
            self.at = blanks.end() if blanks is not None else self.at
            if self.at >= end:
                break
            here = self.text[self.at]
            redirect = _REDIRECT.match(self.text, self.at, end)
            if redirect is not None and not self._is_process_substitution(self.at):
                self._read_redirect(redirect, line)
            elif here == "#":
                self.problem("a comment within a command")
                self.at = end
            elif here in _ENDS_WORD and not self._is_process_substitution(self.at):
                # The grammar went over the end of a command: what follows is read as another one, and told.
                self.problem(f"a {here!r} within a command")
                self._finish(line, start, self.at)
                line.words, line.redirects = [], []
                self.at += 1
                start = self.at
            else:
                line.words.append(self._read_word())
        if self.at > end or (
            end < len(self.text) and self.text[end] not in _ENDS_WORD and self.text[end - 1] not in _ENDS_WORD
        ):
            self.problem("a word that goes on where the grammar ends it")
        self.limit = before
        return start

    def _finish(self, line: _Line, start: int, end: int) -> None:
        """Keep a simple command, without reserved words that the grammar did not know for what they are."""
        words = line.words
        if words and not words[0].quoted and words[0].raw in RESERVED:
            self.problem(f"{words[0].raw!r} where a command begins")
            while words and not words[0].quoted and words[0].raw in RESERVED:
                words = words[1:]
        if words or line.redirects:
            raw = self.plain(self.text[start:end]).strip()
            self.commands.append(Simple(tuple(words), tuple(line.redirects), raw, self.substitution > 0))

    def _read_redirect(self, match: re.Match[str], line: _Line) -> None:
        self.at = match.end()
        blanks = _BLANKS.match(self.text, self.at, self.limit)
        self.at = blanks.end() if blanks is not None else self.at
        op = match[2]
        nothing = self.at >= self.limit or self.text[self.at] in _ENDS_WORD
        if nothing and not self._is_process_substitution(self.at):
            self.problem(f"nothing after {op!r}")
            return
        word = self._read_word()
        redirect = Redirect(op, word)
        if op in ("<<", "<<-"):
            if word.certain is not None:
                self.problem("a here-document with an odd delimiter")
            redirect = Redirect(op, None)
            self._heredoc_at = self.at
            line.waiting.append((redirect, word.text, word.quoted))
        line.redirects.append(redirect)

    _heredoc_at = 0
    """Where the last here-document was announced."""

    def _is_process_substitution(self, at: int) -> bool:
        return self.text.startswith(("<(", ">("), at)

    def _scan(self, start: int, end: int, *, expands_quotes: bool = True) -> None:
        """Read the substitutions in a part that the shell expands and does not run: a pattern, a sum, a text.

        In the text of a here-document quotes are no quotes.
        """
        before = (self.at, self.limit)
        self.at, self.limit = start, end
        while self.at < end:
            character = self.text[self.at]
            if character == "\\":
                self.at += 2
            elif character in "$`":
                self._read_expansion([], in_quotes=not expands_quotes)
            elif expands_quotes and character == "'":
                self._read_single()
            elif expands_quotes and character == '"':
                self._read_double([], lambda: None)
            elif expands_quotes and self._is_process_substitution(self.at) and self.at in self.places:
                self._read_substitution()
            else:
                self.at += 1
        self.at, self.limit = before

    # --- words -----------------------------------------------------------------------------------------

    def _read_word(self) -> Word:
        start = self.at
        text: list[str] = []
        certain: int | None = None
        quoted = False

        def uncertain() -> None:
            nonlocal certain
            if certain is None:
                certain = len(self.plain("".join(text)))

        while self.at < self.limit:
            character = self.text[self.at]
            if self._is_process_substitution(self.at):
                uncertain()
                begin = self.at
                self._read_substitution()
                text.append(self.text[begin : self.at])
            elif character == "(" and _ARRAY.fullmatch(self.text, start, self.at):
                uncertain()
                begin = self.at
                self._read_array()
                text.append(self.text[begin : self.at])
            elif character in _ENDS_WORD:
                break
            elif character == "\\":
                if not self.text.startswith("\\\n", self.at):
                    text.append(self.text[self.at + 1 : self.at + 2] or "\\")
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
        raw = self.plain(self.text[start : self.at])
        if raw in ("[", "[["):
            certain = None  # the command of that name; no glob ends here
        return Word(self.plain("".join(text)), raw, certain, quoted)

    def _is_brace_expansion(self) -> bool:
        """Whether the brace here may become several words; `{` and `{}` stay as they are."""
        following = self.text[self.at + 1 : self.at + 2]
        return following != "" and following not in "} \t\n;&|<>()"

    def _read_array(self) -> None:
        node = self.places.get(self.at)
        if node is None or node.type != "array":
            self.problem("an array that cannot be followed")
            self.at = self.limit
            return
        self._scan(self.at + 1, node.end_byte - 1)
        self.at = node.end_byte

    def _read_single(self) -> str:
        end = self.text.find("'", self.at + 1, self.limit)
        if end < 0:
            self.problem("a quotation mark is missing")
            end = self.limit
        value = self.text[self.at + 1 : end]
        self._look_for_subscripts(value)
        self.at = end + 1
        return value

    def _look_for_subscripts(self, literal: str) -> None:
        if _RUNS_LATER.search(literal):
            self.problem("a subscript with a command in it")

    def _read_double(self, text: list[str], uncertain: Callable[[], None]) -> None:
        """Read a double-quoted part into *text*; *uncertain* is called before the first part that is."""
        self.at += 1
        begin = self.at
        while self.at < self.limit:
            character = self.text[self.at]
            if character == '"':
                if "\\$(" in self.text[begin : self.at] or "\\`" in self.text[begin : self.at]:
                    self._look_for_subscripts(self.text[begin : self.at].replace("\\", ""))
                self.at += 1
                return
            if character == "\\":
                following = self.text[self.at + 1 : self.at + 2]
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
        self.problem("a quotation mark is missing")

    # --- expansions ------------------------------------------------------------------------------------

    def _read_expansion(self, text: list[str], *, in_quotes: bool) -> str:
        """Read what begins with `$` or a backtick: answers "plain", "quoted" or "uncertain"."""
        start = self.at
        source = self.text
        if source.startswith("$\\\n", start):
            # The shell takes the line's end away before it looks what the `$` begins; the grammar does not.
            self.problem("a line that goes on within an expansion")
            self.at += 3
        elif source[start] == "`":
            self._read_backticks(in_quotes=in_quotes)
        elif source.startswith("$((", start) and self._read_arithmetic():
            pass
        elif source.startswith("$(", start):
            self._read_substitution()
        elif source.startswith("${", start):
            self._read_braces(in_quotes=in_quotes)
        elif source.startswith("$[", start):
            self.problem("a sum in an old form")
            self.at += 2
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
        """Read the commands of a `$(...)` or `<(...)` that begins here."""
        self.substitutes = True
        node = self.places.get(self.at)
        if node is None or node.type not in ("command_substitution", "process_substitution"):
            self.problem("a substitution that cannot be followed")
            self._take(_Reader(self.data[self.at + 2 : self.limit], self.depth + 1))
            self.at = self.limit
            return
        end = node.end_byte
        if not self.text.endswith(")", 0, end) or end > self.limit:
            self.problem("a substitution that does not end")
        self._within(node)
        self.at = end

    def _within(self, node: Node) -> None:
        before = (self.at, self.limit)
        self.substitution += 1
        children = node.children
        last = children[-1] if children and children[-1].type == ")" else None
        end = node.end_byte if last is None else last.start_byte
        if last is None or last.is_missing:
            self.problem("a ')' is missing")
        self._parts([child for child in children[1:] if child is not last], node.start_byte + 2, end)
        self.substitution -= 1
        self.at, self.limit = before

    def _read_backticks(self, *, in_quotes: bool) -> None:
        end = self.at + 1
        while end < self.limit and self.text[end] != "`":
            end += 2 if self.text[end] == "\\" else 1
        if end >= self.limit:
            self.problem("a backtick is missing")
        escaped = r'\\([$`\\"])' if in_quotes else r"\\([$`\\])"
        inside = re.sub(escaped, r"\1", self.text[self.at + 1 : end])
        self.at = min(end + 1, self.limit)
        self.substitutes = True
        self._take(_Reader(inside.encode("latin-1"), self.depth + 1))

    def _take(self, inner: _Reader) -> None:
        """Read a text of its own, and keep what is in it."""
        if self.depth > MAX_DEPTH:
            raise RecursionError
        inner.substitution = self.substitution + 1
        inner.read()
        self.commands += inner.commands
        self.problems += inner.problems
        self.functions += inner.functions
        self.substitutes = self.substitutes or inner.substitutes

    def _read_arithmetic(self) -> bool:
        """Read `$((...))`; False (and nothing read) where it may be a subshell in a substitution."""
        node = self.places.get(self.at)
        if node is None or node.type != "arithmetic_expansion" or not self.text.endswith("))", 0, node.end_byte):
            return False
        inside = self.text[self.at + 3 : node.end_byte - 2]
        # Shells differ where it is no sum but looks like a command: then nobody knows.
        if re.search(r"[;|\n'\"]|&&|[A-Za-z_]\w*\s+(?:[\w./~$]|-\w)", inside) or inside.count("(") != inside.count(")"):
            self.problem("a sum that may be a command")
        self._scan(self.at + 3, node.end_byte - 2)
        self.at = node.end_byte
        return True

    def _read_braces(self, *, in_quotes: bool) -> None:
        """Read `${...}`; its default values may hold substitutions of their own."""
        start = self.at
        self.at += 2
        while self.at < self.limit:
            character = self.text[self.at]
            if character == "}":
                self.at += 1
                if re.search(r"@[PE]\}$|^\$\{!", self.text[start : self.at]):
                    self.problem("an indirect expansion")
                return
            if character == "\\":
                self.at += 2
            elif character == "'" and not in_quotes:
                self._read_single()
            elif character == "'":
                # In double quotes bash itself sees a quotation in ${x#'a'} and none in ${x:-'a'}.
                self.problem("a quotation within an expansion")
                self.at += 1
            elif character == '"':
                self._read_double([], lambda: None)
            elif character in "$`":
                self._read_expansion([], in_quotes=True)
            elif self._is_process_substitution(self.at) and not in_quotes:
                self._read_substitution()
            else:
                self.at += 1
        self.problem("a '}' is missing")

    def _read_ansi(self, text: list[str]) -> str:
        r"""Read `$'...'`, whose escapes (`\x72`) become characters."""
        self.at += 2
        while self.at < self.limit:
            character = self.text[self.at]
            if character == "'":
                self._look_for_subscripts("".join(text))
                self.at += 1
                return "quoted"
            if character != "\\":
                text.append(character)
                self.at += 1
                continue
            number = _NUMBER_ESCAPE.match(self.text, self.at + 1)
            following = self.text[self.at + 1 : self.at + 2]
            if number is not None:
                text.append(self._numbered(number))
                self.at = number.end()
            elif following == "c":
                self.problem("a control character")
                self.at += 3
            else:
                text.append(_ESCAPES.get(following, "\\" + following))
                self.at += 2
        self.problem("a quotation mark is missing")
        return "quoted"

    def _numbered(self, number: re.Match[str]) -> str:
        """Return the bytes of a character that is given by its number."""
        code = int(number[4], 8) & 0xFF if number[4] else int(number[1] or number[2] or number[3], 16)
        if not 0 < code < 0x110000 or 0xD800 <= code < 0xE000:
            self.problem(f"the escape {number[0]!r}")
            return "?"
        if code < 0x80:
            return chr(code)
        self.ascii = False
        if number[1] or number[4]:
            return chr(code)  # a byte, which may be a part of a character
        return chr(code).encode().decode("latin-1")
