"""Which files of a project a command line names: who consents to a hook consents to what it runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = re.compile(
    r"\$(?:CLAUDE_PROJECT_DIR|PEGBOARD_PROJECT_DIR|PWD)\b"
    r"|\$\{(?:CLAUDE_PROJECT_DIR|PEGBOARD_PROJECT_DIR|PWD)(?::?[-=+?](?:\$\([^()]*\)|\$\{[^{}]*\}|\$(?![({])|[^{}$])*)?\}"
    r"|\$\(\s*(?:pwd|git\s+rev-parse\s+--show-toplevel)[^()]*\)"
    r"|`\s*(?:pwd|git\s+rev-parse\s+--show-toplevel)[^`]*`"
)
"""How shells spell a project's folder: the variable, with what stands in for it, or the command that tells it."""
PROJECT = "\ue000"
"""Stands for the project's folder while a text is taken apart, so that a blank in its path parts no words."""
DEEPEST = 3
"""How many shells within a shell (`sh -c "bash -c '...'"`) are looked into."""
INTO = frozenset({"cd", "pushd", "-C", "--prefix", "--directory", "--project", "--cwd"})
"""What the folder in which the rest of a command line is looked for stands behind."""
RUNS_FOLDERS = re.compile(r"(?:.*/)?(?:python[\d.]*|node|bun|tsx|run)")
RUN_OF_A_FOLDER = ("__main__.py", "index.js", "index.mjs", "index.cjs", "index.ts")


def files_named(said: Any, project: Path, base: Path | None = None) -> list[Path]:
    """Return the files of a project that a text names as a command line does, or the texts in a list or a table do.

    Paths are relative to the project, to *base*, and to a folder that the same text goes to (`cd tools && ./guard`).
    A folder stands for what an interpreter runs of it, and the word behind `-m` for the module's file.
    """
    found: dict[Path, None] = {}
    inside = project.resolve()
    for text in _texts_in(said):
        words = [word.replace(PROJECT, str(project)) for word in _words_in(HERE.sub(PROJECT, text))]
        gone_to = [project / word for before, word in pairwise(words) if before in INTO]
        for word in (*words, *_run_of(words), text.rpartition(":")[0]):  # the last for a function: "file.py:name"
            for spelled in (word, word.partition("=")[2]):
                for folder in dict.fromkeys((project, base or project, *gone_to)):
                    file = os.path.join(folder, spelled)  # `os.path` takes a whole program for no file
                    if spelled and os.path.isfile(file) and (real := Path(file).resolve()).is_relative_to(inside):
                        found.setdefault(real)
    return list(found)


def _run_of(words: list[str]) -> Iterator[str]:
    """Return the files that an interpreter would run of a folder or of a module."""
    for before, word in pairwise(words):
        if before == "-m":
            yield from (word.replace(".", "/") + ending for ending in (".py", "/__main__.py", "/__init__.py"))
        elif RUNS_FOLDERS.fullmatch(before):
            yield from (os.path.join(word, name) for name in RUN_OF_A_FOLDER)


def _texts_in(said: Any) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, Mapping | list | tuple):
        for one in said.values() if isinstance(said, Mapping) else said:
            yield from _texts_in(one)


def _words_in(text: str, depth: int = 0) -> Iterator[str]:
    """Return the words of a command line, and those of a command line or a program that is one of its words."""
    words = _words_of(text)
    yield from words
    for word in words:
        if depth < DEEPEST and word != text and re.search(r"[\s\"'()]", word):
            yield from _words_in(word, depth + 1)


def _words_of(command: str) -> list[str]:
    import shlex

    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # an open quote: the pieces between blanks are the best there is
        return [word.strip("\"'") for word in command.split()]
