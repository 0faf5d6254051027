"""Whether a command runs a file that it has written itself: `echo rm x > f; bash f` runs `rm x`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from pegboard.shell import Word
from pegboard.shell_wrappers import INTERPRETERS, SHELLS, name_of

if TYPE_CHECKING:
    from pegboard_builtins.permissions.commands import Command

WRITING = frozenset({">", ">>", ">|", "&>", "&>>", ">&", "<>"})
RUN_FILES = frozenset(
    {*SHELLS, *INTERPRETERS, "awk", "ed", "ex", "gawk", "gmake", "make", "mawk", "sed", "source", "."}
)
"""Programs that run a file of commands which they are given."""


def runs_its_own(commands: Iterable[Command]) -> bool:
    """Whether one of the commands runs a file that one of them writes, copies or makes executable."""
    commands = tuple(commands)
    written = {os.path.normpath(text) for command in commands for text in _written(command)} - {"/dev/null"}
    return bool(written) and any(
        os.path.normpath(text) in written for command in commands for text in _run(command) if text
    )


def _written(command: Command) -> Iterator[str]:
    for redirect in (*command.redirects, *command.within):
        if redirect.target is not None and redirect.op in WRITING:
            yield redirect.target.text
    for words in command.runs:
        yield from _written_by(words)


def _written_by(words: tuple[Word, ...]) -> Iterator[str]:
    name, given = name_of(words[0]), [word.text for word in words[1:]]
    operands = [text for text in given if not text.startswith("-")]
    if name in ("tee", "chmod", "sponge"):
        yield from operands
    elif name in ("cp", "mv", "ln", "install"):
        yield from operands[-1:]
    elif name == "dd":
        yield from (text[3:] for text in given if text.startswith("of="))
    elif name in ("curl", "wget"):
        yield from (after for before, after in pairwise(given) if re.match("-+[a-zA-Z]*[oO]", before))


def _run(command: Command) -> Iterator[str]:
    for words in command.runs:
        yield words[0].text
        if name_of(words[0]).rstrip("0123456789.") in RUN_FILES:
            yield from (word.text for word in words[1:])
