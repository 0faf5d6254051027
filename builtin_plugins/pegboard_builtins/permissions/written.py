"""Whether a command runs a file that it has written itself: `echo rm x > f; bash f` runs `rm x`."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

from pegboard.shell import Redirect, Word
from pegboard.shell_wrappers import INTERPRETERS, SHELLS, name_of

WRITING = frozenset({">", ">>", ">|", "&>", "&>>", ">&", "<>"})
RUN_FILES = frozenset(
    {*SHELLS, *INTERPRETERS, "awk", "ed", "ex", "gawk", "gmake", "make", "mawk", "sed", "source", "."}
)
"""Programs that run a file of commands which they are given."""


def runs_its_own(runs: Collection[tuple[Word, ...]], redirects: Iterable[Redirect]) -> bool:
    """Whether one of these commands runs a file that one of them writes, copies or makes executable."""
    texts = [redirect.target.text for redirect in redirects if redirect.target is not None and redirect.op in WRITING]
    texts += [text for words in runs for text in _written_by(words)]
    written = {os.path.normpath(text) for text in texts} - {"/dev/null"}
    return bool(written) and any(os.path.normpath(text) in written for words in runs for text in _run(words) if text)


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


def _run(words: tuple[Word, ...]) -> Iterator[str]:
    yield words[0].text
    if name_of(words[0]).rstrip("0123456789.") in RUN_FILES:
        yield from (word.text for word in words[1:])
