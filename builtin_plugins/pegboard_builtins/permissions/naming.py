"""Which files a command names: those that it surely reads or writes, and those that it may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from pegboard.shell import Word
from pegboard.shell_wrappers import INTERPRETERS, SHELLS, WRAPPERS, name_of
from pegboard_builtins.permissions.commands import Analysis
from pegboard_builtins.permissions.hiding import RUN_TEXT

READING_COMMANDS = frozenset(
    {
        *("awk", "base64", "bat", "cat", "column", "comm", "cp", "cut", "dd", "diff", "egrep", "expand", "fgrep"),
        *("file", "fmt", "fold", "grep", "head", "hexdump", "join", "less", "ln", "more", "mv", "nl", "od", "paste"),
        *("pr", "rev", "rg", "rsync", "scp", "sed", "shuf", "sort", "source", "split", "strings", "tac", "tail"),
        *("tar", "tee", "uniq", "wc", "xxd", "zip", "."),
    }
)
EDITING_COMMANDS = frozenset(
    {
        *("chmod", "chown", "cp", "dd", "install", "ln", "mv", "patch", "rm", "rmdir", "rsync", "sed", "shred"),
        *("tee", "touch", "truncate", "unlink"),
    }
)
"""Programs whose arguments are files that Read and Edit rules may be about."""
MAY_EDIT = frozenset(
    {
        *("7z", "autopep8", "black", "bunzip2", "bzip2", "chattr", "clang-format", "cpio", "csplit", "dos2unix"),
        *("emacs", "exiftool", "gofmt", "gunzip", "gzip", "isort", "mknod", "mkfifo", "nano", "prettier"),
        *("rename", "rustfmt", "scp", "script", "setfacl", "shfmt", "split", "sponge", "tar", "unix2dos", "unxz"),
        *("unzip", "vi", "vim", "nvim", "ed", "ex", "xxd", "xz", "yapf", "zip", "zstd"),
    }
)
"""Programs that write to some of their arguments, or do so with some options."""
SILENT = frozenset(
    {
        *("alias", "basename", "cd", "chmod", "chown", "command", "declare", "dirname", "du", "echo", "export"),
        *(
            "false",
            "find",
            "hash",
            "kill",
            "local",
            "ls",
            "mkdir",
            "mkfifo",
            "popd",
            "printf",
            "pushd",
            "pwd",
            "readlink",
        ),
        *("readonly", "realpath", "rm", "rmdir", "set", "shred", "stat", "test", "touch", "true", "truncate", "type"),
        *("unlink", "unset", "which", "[", ":"),
    }
)
"""Programs that show nothing of what is in a file that they are given."""
GIT_SHOWS = frozenset({"annotate", "blame", "cat-file", "diff", "grep", "hash-object", "log", "show", "stash"})
GIT_EDITS = frozenset({"am", "apply", "checkout", "checkout-index", "clean", "mv", "reset", "restore", "rm", "switch"})
_OUTPUT = re.compile(r"-[a-zA-Z]*[oO]|--out(?:put)?(?:-\w+)?")
_IN_PLACE = re.compile(r"-[a-zA-Z0-9]*i.*|--in-?place.*")
_RECURSIVE = re.compile(r"-[a-zA-Z]*[rR].*|--(?:recursive|dereference-recursive)")
_FIND_EDITS = re.compile(r"-(?:delete|exec|ok|fprint|fls)")
_PATH = re.compile(r"[\w./~+@-]+")
TOKENS = 60
"""Pieces of a program text that may be paths; of more nobody looks at the rest."""


def named_files(analysis: Analysis, *, writes: bool) -> Iterator[Word]:
    """Yield the words of known programs and redirections that are files which are read, or written."""
    programs = EDITING_COMMANDS if writes else READING_COMMANDS
    for command in analysis.commands:
        for words in command.runs:
            name = name_of(words[0])
            if name == "dd":
                yield from _operands_of_dd(words, "of=" if writes else "if=")
            elif name in programs:
                yield from words[1:]
                if "grep" in name and _goes_down_here(words[1:]):
                    yield Word(".")
        for redirect in (*command.redirects, *command.within):
            target = redirect.target
            if target is None or redirect.op == "<<<" or (redirect.op == "<") is writes:
                continue
            if redirect.op not in (">&", "<&") or not target.text.rstrip("-").isdigit():
                yield target


def _operands_of_dd(words: tuple[Word, ...], sign: str) -> Iterator[Word]:
    for word in words[1:]:
        if word.text.startswith(sign):
            certain = None if word.certain is None else max(0, word.certain - len(sign))
            yield Word(word.text[len(sign) :], word.raw, certain, word.quoted)


def _goes_down_here(words: tuple[Word, ...]) -> bool:
    """Whether grep goes through the working folder because nothing else is named."""
    options = [word for word in words if word.text.startswith("-")]
    return any(_RECURSIVE.fullmatch(word.text) for word in options) and len(words) - len(options) < 2


def perhaps_named(analysis: Analysis, *, writes: bool) -> Iterator[Word]:
    """Yield what other programs are given, as far as it may be a file that they read, or write."""
    for command in analysis.commands:
        for words in command.runs:
            yield from _perhaps_written(words) if writes else _perhaps_read(words)
            if _runs_text(name_of(words[0])):
                texts = [word.text for word in words[1:] if not _PATH.fullmatch(word.text)]
                texts += [redirect.body for redirect in command.redirects]
                yield from (Word(token) for text in texts for token in _PATH.findall(text)[:TOKENS])


def _runs_text(name: str) -> bool:
    return name in RUN_TEXT or name == "sed" or name.rstrip("0123456789.") in INTERPRETERS


def _perhaps_written(words: tuple[Word, ...]) -> Iterator[Word]:
    name, given = name_of(words[0]), words[1:]
    if (
        name in MAY_EDIT
        or (name == "git" and given and given[0].text in GIT_EDITS)
        or (name == "find" and any(_FIND_EDITS.match(word.text) for word in given))
        or (_runs_text(name) and any(_IN_PLACE.fullmatch(word.text) for word in given))
    ):
        yield from given
    elif name in ("uniq", "sort", "curl", "wget") or name in WRAPPERS:
        yield from _option_values(given)
    for before, after in pairwise(given):
        if _OUTPUT.fullmatch(before.text):
            yield after


def _perhaps_read(words: tuple[Word, ...]) -> Iterator[Word]:
    name, given = name_of(words[0]), words[1:]
    if name == "git":
        yield from given if given and given[0].text in GIT_SHOWS else ()
    elif name in WRAPPERS or name in SHELLS:
        yield from _option_values(given)
        yield from [word for word in given if not word.text.startswith("-")][:1] if name in SHELLS else ()
    elif name not in SILENT and name not in READING_COMMANDS:
        yield from given


def _option_values(words: tuple[Word, ...]) -> Iterator[Word]:
    """Yield what stands in options or right behind one."""
    for before, word in zip((None, *words), words, strict=False):
        text = word.text
        if text.startswith("--"):
            yield word
        elif text.startswith("-"):
            yield Word(text[2:], word.raw, word.certain and 0, word.quoted)
        elif before is not None and before.text.startswith("-"):
            yield word
