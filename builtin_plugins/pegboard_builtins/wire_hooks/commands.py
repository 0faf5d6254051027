"""The simple commands of a shell command, as far as they can be followed without running it."""

from __future__ import annotations

import re
from dataclasses import field
from functools import lru_cache

from pegboard.typed import dataclass

OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "\n", "(", ")")
KEYWORDS = frozenset({"if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "!", "time", "in"})
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
BRACES = re.compile(r"\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}")
UNCLEAR_WORDS = frozenset({"case", "function", "{", "}", "select", "[["})
PLAIN_VARIABLES = frozenset({"HOME", "PWD", "USER"})


@dataclass(slots=True)
class Followed:
    """`commands` without their leading assignments; `dynamic` says that a part is only known when it runs.

    `unquoted` are those of them again that hold quotes, as a program is given its words: `'rm' x` is `rm x`.
    `unclear` says that the command holds syntax that is not followed here, so that it may be anything.
    """

    commands: list[str] = field(default_factory=list)
    unquoted: list[str] = field(default_factory=list)
    dynamic: bool = False
    unclear: bool = False


@lru_cache(maxsize=256)
def follow(command: str) -> Followed:
    """Split a shell command. Never raises: what cannot be read is `unclear`."""
    found = Followed()
    try:
        _Reader(command, found).read()
    except (RecursionError, IndexError):
        found.unclear = True
    return found


class _Reader:
    def __init__(self, text: str, found: Followed) -> None:
        self.text = text
        self.found = found
        self.at = 0
        self.words: list[str] = []
        self.word = ""
        self.in_word = False
        self.quoted = False
        self.value_varies = False

    def read(self) -> None:
        text = self.text
        while self.at < len(text) and not self.found.unclear:
            here = text[self.at]
            if here == "\\":
                self._add(text[self.at : self.at + 2])
                self.at += 2
            elif here == "'":
                self._single()
            elif here == '"':
                self._double()
            elif here == "`":
                self._backticks()
            elif here == "$":
                self._dollar()
            elif here == "#" and not self.in_word:
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif here in "<>":
                self._redirect()
            elif here in " \t":
                self._end_word()
                self.at += 1
            else:
                operator = next((one for one in OPERATORS if text.startswith(one, self.at)), "")
                if operator:
                    self._end_command(paren=operator == "(")
                    self.at += len(operator)
                else:
                    self._add(here)
                    self.at += 1
        self._end_command()

    def _add(self, part: str) -> None:
        self.word += part
        self.in_word = True

    def _single(self) -> None:
        end = self.text.find("'", self.at + 1)
        end = len(self.text) if end < 0 else end
        self._add(self.text[self.at : end + 1])
        self.quoted = True
        self.at = end + 1

    def _double(self) -> None:
        self._add('"')
        self.quoted = True
        self.at += 1
        text = self.text
        while self.at < len(text) and text[self.at] != '"' and not self.found.unclear:
            if text[self.at] == "\\":
                self._add(text[self.at : self.at + 2])
                self.at += 2
            elif text[self.at] == "$":
                self._dollar()
            elif text[self.at] == "`":
                self._backticks()
            else:
                self._add(text[self.at])
                self.at += 1
        self._add('"')
        self.at += 1

    def _backticks(self) -> None:
        end = self.text.find("`", self.at + 1)
        if end < 0:
            self.found.unclear = True
            return
        self._inner(self.text[self.at + 1 : end])
        self._add(self.text[self.at : end + 1])
        self.at = end + 1

    def _dollar(self) -> None:
        text = self.text
        if text.startswith(("$((", "${"), self.at) or text.startswith(("$'", '$"'), self.at):
            self.found.unclear = True
            return
        if text.startswith("$(", self.at):
            end = self._closing(self.at + 2)
            if end < 0:
                self.found.unclear = True
                return
            self._inner(text[self.at + 2 : end])
            self._add(text[self.at : end + 1])
            self.at = end + 1
            return
        name = re.compile(r"\$(\w+|[@*#?$!-])?").match(text, self.at)
        assert name is not None
        if name[1] and name[1] not in PLAIN_VARIABLES:
            self.found.dynamic = True
        self.value_varies = self.value_varies or bool(name[1])
        self._add(name[0])
        self.at = name.end()

    def _inner(self, text: str) -> None:
        self.found.dynamic = True
        self.value_varies = True
        inner = follow(text)
        self.found.commands += inner.commands
        self.found.unquoted += inner.unquoted
        self.found.unclear = self.found.unclear or inner.unclear

    def _closing(self, at: int) -> int:
        depth = 1
        quote = ""
        while at < len(self.text):
            here = self.text[at]
            if quote:
                quote = "" if here == quote else quote
            elif here in "'\"":
                quote = here
            elif here == "\\":
                at += 1
            elif here == "(":
                depth += 1
            elif here == ")":
                depth -= 1
                if not depth:
                    return at
            at += 1
        return -1

    def _redirect(self) -> None:
        text = self.text
        if text.startswith(("<<", "<(", ">("), self.at):
            self.found.unclear = True
            return
        if self.in_word and self.word.isdigit():
            self.word, self.in_word = "", False
        else:
            self._end_word()
        match = re.compile(r"[<>]+[&|]?\s*").match(text, self.at)
        assert match is not None
        self.at = match.end()
        if text.startswith(("$(", "`"), self.at):
            self.found.unclear = True
            return
        target = re.compile(r"[^\s;&|()]*").match(text, self.at)
        assert target is not None
        self.at = target.end()

    def _end_word(self) -> None:
        if not self.in_word:
            return
        word, self.word, self.in_word = self.word, "", False
        quoted, self.quoted = self.quoted, False
        varies, self.value_varies = self.value_varies, False
        if not quoted and (BRACES.search(word) or (not self.words and word in UNCLEAR_WORDS)):
            self.found.unclear = True
        if not self.words and not quoted and word in KEYWORDS:
            if word == "for":
                self.words.append(word)
            return
        if not self.words and ASSIGNMENT.match(word):
            self.found.unclear = self.found.unclear or varies
            return
        self.words.append(word)

    def _end_command(self, *, paren: bool = False) -> None:
        self._end_word()
        words, self.words = self.words, []
        if paren and words:
            self.found.unclear = True  # a function's definition, an array, a pattern
        if words and words[0] != "for":
            command = " ".join(words)
            self.found.commands.append(command)
            unquoted = " ".join(map(_unquoted, words))
            if unquoted != command:
                self.found.unquoted.append(unquoted)


QUOTED = re.compile(r"'([^']*)'|\\(.)|([^'\"\\]+)|\"", re.DOTALL)


def _unquoted(word: str) -> str:
    """Return a word without its quotes and backslashes: roughly, since more than fits may run a filtered hook."""
    return "".join("".join(filter(None, match.groups())) for match in QUOTED.finditer(word))
